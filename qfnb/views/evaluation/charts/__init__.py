"""All charts that can be drawn of a report, and why the others are left out."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ....evaluation.report import ReportData
from ....evaluation.report.text import to_html, to_plain
from ...display import Bundle
from ...text import image_html
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
"""The charts of each report that is alive, by its identity: reports never change, and cannot be hashed."""


@dataclass(frozen=True)
class Charts:
    """Charts of a report, by kind; can be iterated, and given to `report.save` as `pictures`.

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
        return self.by_kind[kind] if isinstance(kind, str) else list(self)[kind]

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
    return {"text/plain": to_plain(repr(chart)), "text/html": chart_html(chart)}


def charts_bundle(charts: Charts) -> Bundle:
    """Return charts in every format."""
    charts_html = "".join(chart_html(chart, hint=not index) for index, chart in enumerate(charts))
    return {"text/plain": to_plain(repr(charts)), "text/html": f"<div>{charts_html}{left_out_html(charts)}</div>"}


def chart_html(chart: Chart, *, hint: bool = True) -> str:
    """Return a chart with its title, the names that its letters stand for, and how to get a font."""
    lines = (line for line in chart.captions() if hint or line != chart.hint)
    below = "".join(f"<div>{to_html(line)}</div>" for line in lines)
    return (
        f'<div style="margin:8px 0"><div><b>{to_html(chart.title)}</b></div>'
        f"{image_html(chart.png, 'image/png', to_plain(chart.alt))}{below}</div>"
    )


def left_out_html(charts: Charts) -> str:
    """Return the reasons for the charts that are missing as HTML."""
    lines = "".join(f"<div>{kind}: {to_html(reason)}</div>" for kind, reason in charts.left_out.items())
    return f'<div style="opacity:0.75">未画 / not drawn:{lines}</div>' if lines else ""


def _draw_all(report: ReportData) -> Charts:
    charts, left_out = {}, {}
    for kind, draw in CHART_KINDS.items():
        try:
            if not report.metric_names:
                raise ChartNotDrawn("没有指标 / the report has no metric")
            charts[kind] = draw(report)
        except ChartNotDrawn as reason:
            left_out[kind] = str(reason)
    return Charts(charts, left_out)
