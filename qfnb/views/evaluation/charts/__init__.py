"""All charts that can be drawn of a report, and why the others are left out."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ....base.language import tr
from ....evaluation.report import ReportData
from ....evaluation.report.text import to_plain
from ... import components
from ...components import Html
from ...display import Bundle
from .comparison import cost_quality, radar, win_rates
from .scores import bars, distributions
from .style import Chart, ChartNotDrawn

CHART_KINDS: Final[dict[str, Callable[[ReportData], Chart]]] = {
    "bars": bars,
    "distributions": distributions,
    "win_rates": win_rates,
    "radar": radar,
    "cost_quality": cost_quality,
}


_CHARTS: Final[dict[int, Charts]] = {}
"""The charts of each report that is alive, by its identity: reports never change, and cannot be
hashed.
"""


@dataclass(frozen=True)
class Charts:
    """Charts of a report, by kind; can be iterated.

    Attributes:
        by_kind: the charts.
        left_out: why a kind is not among them.
    """

    by_kind: Mapping[str, Chart]
    left_out: Mapping[str, str]

    def __iter__(self) -> Iterator[Chart]:
        return iter(self.by_kind.values())

    def __len__(self) -> int:
        return len(self.by_kind)

    def __getitem__(self, kind: str | int) -> Chart:
        """Return a chart by kind or index."""
        if isinstance(kind, str):
            return self.by_kind[kind]
        return list(self)[kind]

    def __repr__(self) -> str:
        reasons = (f"{kind}: {reason}" for kind, reason in self.left_out.items())
        return "\n".join([*(repr(chart) for chart in self), *reasons])


def all_charts(report: ReportData) -> Charts:
    """Return all charts of a report; they are drawn once."""
    key = id(report)
    if key not in _CHARTS:
        _CHARTS[key] = _draw_all(report)
        weakref.finalize(report, _CHARTS.pop, key)
    return _CHARTS[key]


def chart_bundle(chart: Chart) -> Bundle:
    """Return a chart in every format."""
    return charts_bundle(Charts({chart.title: chart}, {})) | {"text/plain": to_plain(repr(chart))}


def charts_bundle(charts: Charts) -> Bundle:
    """Return charts in every format; the picture is the first one."""
    if len(charts):
        bundle = {"image/png": charts[0].png}
    else:
        bundle = {}
    return {
        "text/plain": to_plain(repr(charts)),
        "text/html": components.output(components.panel(tr("Charts"), charts_html(charts))),
        **bundle,
    }


def charts_html(charts: Charts) -> Html:
    """Return charts one below the other, and why others are missing."""
    lines = [f"{kind}: {reason}" for kind, reason in charts.left_out.items()]
    if lines:
        reasons = components.dim_lines(tr("Not drawn:"), *map(to_plain, lines))
    else:
        reasons = Html("")
    return components.join([*(chart.html for chart in charts), reasons])


def _draw_all(report: ReportData) -> Charts:
    charts = {}
    left_out = {}
    for kind, draw in CHART_KINDS.items():
        try:
            if not report.metric_names:
                raise ChartNotDrawn(tr("the report has no metric"))
            charts[kind] = draw(report)
        except ChartNotDrawn as reason:
            left_out[kind] = str(reason)
    return Charts(charts, left_out)
