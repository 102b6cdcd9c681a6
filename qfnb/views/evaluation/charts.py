"""The trend of a metric over all evaluations, as a value: its title, what it shows in words, and
its SVG.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ...base.language import tr, trn
from ...base.text import did_you_mean, labelled, listed
from ...errors import InvalidArgumentError
from ...evaluation.report.archive import Entry, Mean, list_entries
from ...evaluation.report.sources import mark_models
from ...evaluation.report.text import format_interval, format_score, metric_title, to_plain
from .. import components
from ..components import Html
from ..display import Bundle
from ..drawing import cut_middle
from ..formats import dotted, escape
from ..line_chart import Curve, LineChart, figure_html, svg, with_words

LABEL_COLUMNS: Final = 30
"""Width of a label at most; a Chinese character takes two columns."""

Point = tuple[Entry, str, Mean]
"""An evaluation, the model, and its mean."""


class ChartNotDrawn(InvalidArgumentError):
    """A chart would be empty; the message has the reason."""


@dataclass(frozen=True, repr=False)
class Chart:
    """A chart that shows itself in a notebook.

    Attributes:
        title: what is seen.
        alt: what it shows, with the numbers.
        source: how its numbers were counted, and the sandbox's mark.
        svg: the picture.
    """

    title: str
    alt: str
    source: str
    svg: Html

    @property
    def html(self) -> Html:
        """The chart with its title."""
        source = f'<p class="qf-dim">{escape(self.source)}</p>'
        return figure_html(escape(self.title), f"{with_words(self.alt, self.svg)}{source}")

    def __repr__(self) -> str:
        return f"{self.title}\n{self.alt}\n{self.source}"


def chart_bundle(chart: Chart) -> Bundle:
    """Return a chart in every format."""
    page = components.panel_output(tr("Charts"), chart.html)
    return {"text/plain": to_plain(repr(chart)), "text/html": page}


def trend(metric: str | None = None, *, model: str | None = None, data: str | None = None) -> Chart:
    """Return the mean of a metric from evaluation to evaluation, with 95 % intervals.

    A line joins evaluations of one model with the same questions and references, that count the
    metric alike.

    Args:
        metric: its name; default the first of the newest evaluation.
        model: only this model, on all data; default all models.
        data: only this data, by its name or digest in `qfnb.evaluation.history()`; default that of
            the newest evaluation, unless a model is chosen.

    Raises:
        InvalidArgumentError: a name is unknown, or fewer than two evaluations have such scores.
    """
    entries = [entry for entry in reversed(list_entries()) if not entry.problem]
    chosen = _choose(entries, model, data)
    if not chosen:
        raise ChartNotDrawn(
            tr("no evaluation is in the history yet: qfnb.compare(...) or %qfeval makes one")
        )
    names = [name for entry in reversed(chosen) for name in entry.metrics]
    name = _check("metric", metric or next(iter(names), ""), names)
    title = metric_title(name)
    counted = [entry for entry in chosen if name in entry.metrics]
    recipe = counted[-1].counting.get(name)
    alike = [entry for entry in counted if entry.counting.get(name) == recipe]
    lines = _lines(alike, name, model)
    ids = {entry.id for row in lines.values() for entry, *_ in row}
    used = [entry for entry in alike if entry.id in ids]
    if len(used) < 2:
        raise ChartNotDrawn(
            trn(
                "a trend takes two evaluations of the same model and questions by {metric}; there "
                "is {n}",
                "a trend takes two evaluations of the same model and questions by {metric}; there "
                "are {n}",
                len(used),
                metric=title,
            )
        )
    count = trn("{n} evaluation", "{n} evaluations", len(used))
    source = [count, recipe or title]
    if len(alike) < len(counted):
        source.append(
            trn(
                "{n} evaluation that counts otherwise is left out",
                "{n} evaluations that count otherwise are left out",
                len(counted) - len(alike),
            )
        )
    values = []
    curves = []
    position = {entry.id: number for number, entry in enumerate(used)}
    for series, (label, row) in enumerate(lines.items(), 1):
        values.append(labelled(label, listed(map(_describe, row))))
        name = cut_middle(" ".join(to_plain(label).split()), LABEL_COLUMNS)
        for bound, dash in ((1, "2 3"), (2, "2 3"), (0, "")):
            points = [(position[entry.id], mean[bound]) for entry, _, mean in row]
            curves.append(Curve(name, points, series, dash, is_pale=bool(dash)))
    heading = tr("{metric} over time", metric=title)
    words = tr("; ").join(values)
    alt = tr("{title}, means with 95% intervals: {words}.", title=heading, words=words)
    from_sandbox = [label for label, row in lines.items() if any(map(_is_of_sandbox, row))]
    mark = mark_models([*lines], from_sandbox)
    dates = [_date(entry) for entry in used]
    chart = LineChart(title, alt, curves, count, describe_x=lambda x: dates[round(x)])
    heading = dotted(heading, mark)
    sources = dotted(*source, mark)
    return Chart(to_plain(heading), alt, to_plain(sources), svg(chart))


def _choose(entries: Sequence[Entry], model: str | None, data: str | None) -> Sequence[Entry]:
    """Return the evaluations of a model or data, the oldest first."""
    if model:
        _check("model", model, [label for entry in entries for label in entry.models])
        entries = [entry for entry in entries if model in entry.models]
    if data:
        names = [name for entry in entries for name in (entry.dataset, entry.digest) if name]
        _check("data", data, names)
        return [entry for entry in entries if data in {entry.dataset, entry.digest}]
    if model:
        return entries
    return [entry for entry in entries if entry.digest == entries[-1].digest]


def _check(name: str, value: str, allowed: Iterable[str]) -> str:
    if value not in (known := [*dict.fromkeys(allowed)]):
        raise InvalidArgumentError(
            tr(
                "{name}={value!r}: the history has {names}{hint}",
                name=name,
                value=value,
                names=listed(known) or tr("none"),
                hint=did_you_mean(value, known),
            )
        )
    return value


def _lines(entries: Sequence[Entry], metric: str, model: str | None) -> dict[str, list[Point]]:
    """Return the lines of at least one scored point; a label has the data where there are
    several.
    """
    names = {entry.digest: entry.dataset or entry.digest for entry in entries}
    is_ambiguous = len(set(names.values())) < len(names)
    lines: dict[str, list[Point]] = {}
    for entry in entries:
        data = names[entry.digest]
        if is_ambiguous:
            data = f"{data} {entry.digest[:4]}"
        for label in entry.models:
            mean = entry.scores.get(label, {}).get(metric)
            if mean is None or not mean[3] or (model and label != model):
                continue
            if len(names) == 1:
                line = label
            elif model:
                line = data
            else:
                line = f"{label} · {data}"
            lines.setdefault(line, []).append((entry, label, mean))
    return lines


def _is_of_sandbox(point: Point) -> bool:
    entry, model, _ = point
    return model in entry.sandbox_models


def _date(entry: Entry) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.created))


def _describe(point: Point) -> str:
    entry, _, (mean, low, high, n) = point
    return tr(
        "{date} {mean} ({interval}, n = {n})",
        date=_date(entry),
        mean=format_score(mean),
        interval=format_interval(low, high),
        n=f"{n:,}",
    )
