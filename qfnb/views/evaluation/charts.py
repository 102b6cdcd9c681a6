"""Charts of evaluations as values: means with intervals, and their trend; each has its title, what
it shows in words, and its SVG.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from ...base.language import tr, trn
from ...base.text import did_you_mean, labelled
from ...errors import InvalidArgumentError
from ...evaluation.report import ReportData
from ...evaluation.report.archive import Entry, Mean, list_entries
from ...evaluation.report.sources import HasModels, sandbox_mark, source_sentence, with_mark
from ...evaluation.report.text import (
    format_interval,
    format_score,
    metric_title,
    to_plain,
    verdict_sentence,
)
from ...evaluation.stats.aggregates import Average, Score
from ...evaluation.stats.repeats import Pass
from .. import components
from ..components import Html
from ..display import Bundle
from ..drawing import Drawing, cut_middle, format_tick, linear_ticks, width_of
from ..formats import escape
from ..line_chart import Curve, LineChart, Plot, figure_html, with_words

LABEL_COLUMNS: Final = 30
"""Width of a label at most; a Chinese character takes two columns."""

BARS_RIGHT: Final = 540  # right end of the bars; their numbers stand behind it
ROW: Final = 26
HEAD: Final = 30
AXIS: Final = 24
"""Heights of a model's row, of a metric's title, and of an axis, in pixels."""

Labels = Mapping[str, str]
"""Name of a model or title of a metric -> how it is drawn."""

Point = tuple[Entry, str, Mean]
"""An evaluation, the model, and its mean."""


class ChartNotDrawn(InvalidArgumentError):
    """A chart would be empty for this report; the message has the reason."""


@dataclass(frozen=True, repr=False)
class Chart:
    """A chart of a report; it shows itself in a notebook.

    Attributes:
        title: what is seen.
        alt: what it shows, with the numbers.
        report: the report, or what else it is of.
        metrics: the metrics that it shows.
        draw: returns the chart with these labels.
        counted: how its numbers were counted, "" for what the report says.
    """

    title: str
    alt: str
    report: HasModels = field(compare=False)
    metrics: Sequence[str]
    draw: Callable[[Labels], Drawing] = field(compare=False)
    counted: str = ""

    @cached_property
    def svg(self) -> Html:
        """The chart as SVG, with values on hover."""
        return self.draw(self._labels()).svg(self.alt)

    @property
    def source(self) -> str:
        """How its numbers were counted, on how many answers, and the sandbox's mark."""
        counted = self.counted
        if isinstance(self.report, ReportData):
            counted = source_sentence(self.report, self.metrics)
        return to_plain(" · ".join(filter(None, [counted, sandbox_mark(self.report)])))

    @property
    def html(self) -> Html:
        """The chart with its title."""
        title = to_plain(with_mark(self.title, self.report))
        source = f'<p class="qf-dim">{escape(self.source)}</p>'
        return figure_html(escape(title), f"{with_words(self.alt, self.svg)}{source}")

    def _labels(self) -> Labels:
        """Return names, shortened; a number before each where they are the same then."""
        names = dict.fromkeys([*self.report.models, *map(metric_title, self.metrics)])
        labels = {}
        for name in names:
            labels[name] = cut_middle(" ".join(to_plain(name).split()), LABEL_COLUMNS)
        if len(set(labels.values())) < len(labels):
            labels = {name: f"{n}. {label}" for n, (name, label) in enumerate(labels.items(), 1)}
        return labels

    def __repr__(self) -> str:
        return f"{self.title}\n{self.alt}\n{self.source}"


def chart_bundle(chart: Chart) -> Bundle:
    """Return a chart in every format."""
    page = components.panel_output(tr("Charts"), chart.html)
    return {"text/plain": to_plain(repr(chart)), "text/html": page}


def bars(report: ReportData, metrics: Sequence[str] | None = None) -> Chart:
    """Return the mean of each metric and model with its 95 % interval; each metric on its own
    scale.

    Args:
        report: the report.
        metrics: the metrics, default all.

    Raises:
        InvalidArgumentError: a metric is not in the report, or no answer has a score.
    """
    chosen = [report.resolve_metric(name) for name in metrics or report.metric_names]
    scores = {(score.metric, score.model): score for score in report.model_scores}
    rows = {metric: [scores[metric, model] for model in report.models] for metric in chosen}
    if not any(score.n for row in rows.values() for score in row):
        raise ChartNotDrawn(tr("no answer has a score"))
    pairs = [pair for pair in report.comparisons if pair.metric == chosen[0]]
    title = verdict_sentence(pairs[0]) if len(pairs) == 1 else tr("Means with 95% intervals")
    words = tr("; ").join(describe_score(score) for row in rows.values() for score in row)
    alt = tr("Means with 95% intervals: {words}.", words=words)
    return Chart(title, alt, report, chosen, lambda labels: _draw_bars(report, rows, labels))


def _draw_bars(report: ReportData, rows: Mapping[str, Sequence[Score]], labels: Labels) -> Drawing:
    drawing = Drawing()
    left = 14 + max(width_of(labels[model]) for model in report.models)
    for metric, scores in rows.items():
        axis = BarAxis(*axis_range(report, metric), left, BARS_RIGHT)
        title = f"{labels[metric_title(metric)]}{direction(report, metric)}"
        drawing.text(0, drawing.height + HEAD / 2, title, is_strong=True)
        top = drawing.height + HEAD
        bottom = top + len(scores) * ROW
        for tick in axis.ticks(4):
            drawing.line([(axis.x(tick), top), (axis.x(tick), bottom)], "g")
            drawing.text(axis.x(tick), bottom + 12, format_tick(tick), "middle")
        for number, score in enumerate(scores):
            y = top + number * ROW
            middle = y + ROW / 2
            drawing.text(0, middle, labels[score.model])
            axis.add_bar(drawing, score, number + 1, y + 5, ROW - 10)
            if score.n:
                numbers = [format_score(score.mean), score_interval(score)]
                numbers += [f"{score.n} / {score.total}"] if score.n < score.total else []
                drawing.text(BARS_RIGHT + 12, middle, " · ".join(numbers))
            else:
                drawing.text(left + 6, middle, tr("no score"))
        drawing.line([(left, bottom), (BARS_RIGHT, bottom)])
        drawing.height = bottom + AXIS
    return drawing


@dataclass(frozen=True)
class BarAxis:
    """Where the means of a metric lie between two edges of a picture."""

    low: float
    high: float
    left: float
    right: float

    def x(self, value: float) -> float:
        """Return the horizontal position of a value; one beyond an end lies at it."""
        inside = min(max(value, self.low), self.high)
        return self.left + (self.right - self.left) * (inside - self.low) / (self.high - self.low)

    def ticks(self, at_most: int) -> list[float]:
        """Return the ticks within the axis."""
        ticks = linear_ticks(self.low, self.high, at_most)
        return [tick for tick in ticks if self.low <= tick <= self.high]

    def add_bar(self, drawing: Drawing, score: Score, series: int, y: float, height: float) -> None:
        """Draw a bar from zero, or from the nearer end of the axis, with its interval."""
        if score.n:
            start, end = sorted((self.x(0.0), self.x(score.mean)))
            width = max(0.5, end - start)
            drawing.box(start, y, width, height, series, describe_score(score))
        interval = score.interval
        if math.isfinite(interval.low + interval.high):
            drawing.whisker(self.x(interval.low), self.x(interval.high), y + height / 2)


def axis_range(report: ReportData, metric: str) -> tuple[float, float]:
    """Return the ends of an axis for a metric's means: its scale, else round numbers around them
    and 0.
    """
    if metric in report.scales:
        return report.scales[metric]
    scores = [value for model in report.models for value in report.scores(model, metric)]
    if all(0 <= value <= 1 for value in scores):
        return 0.0, 1.0
    ends = [0.0]
    for score in report.model_scores:
        if score.metric == metric:
            ends += [score.mean, score.interval.low, score.interval.high]
    finite = [*filter(math.isfinite, ends)]
    ticks = linear_ticks(min(finite), max(finite), 4)
    return ticks[0], ticks[-1]


def direction(report: ReportData, metric: str) -> str:
    """Return the remark on a metric of which lower scores are better, "" for others."""
    return tr(" (lower is better)") if metric in report.lower_is_better else ""


def score_interval(score: Score | Average | Pass) -> str:
    """Return the interval of a mean."""
    return format_interval(score.interval.low, score.interval.high)


def describe_score(score: Score) -> str:
    """Return a model's mean with interval and coverage, as text."""
    name = f"{score.metric}, {score.model}"
    if not score.n:
        return tr("{name}: no score of {total}", name=name, total=score.total)
    return tr(
        "{name}: {mean} ({interval}), {n} of {total} scored",
        name=name,
        mean=format_score(score.mean),
        interval=score_interval(score),
        n=score.n,
        total=score.total,
    )


@dataclass(frozen=True)
class Trend:
    """What a trend is of: its lines, and those with answers of the sandbox."""

    models: tuple[str, ...]
    sandbox_models: tuple[str, ...]


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
    for label, row in lines.items():
        values.append(labelled(label, tr(", ").join(map(_describe, row))))
    heading = tr("{metric} over time", metric=title)
    words = tr("; ").join(values)
    alt = tr("{title}, means with 95% intervals: {words}.", title=heading, words=words)
    sandbox_lines = tuple(label for label, row in lines.items() if any(map(_is_of_sandbox, row)))

    def draw(labels: Labels) -> Drawing:
        return _draw_trend(labels[title], count, used, lines, labels)

    return Chart(heading, alt, Trend(tuple(lines), sandbox_lines), [name], draw, " · ".join(source))


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
                names=tr(", ").join(known) or tr("none"),
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


def _describe(point: Point) -> str:
    entry, _, (mean, low, high, n) = point
    return tr(
        "{date} {mean} ({interval}, n = {n})",
        date=time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.created)),
        mean=format_score(mean),
        interval=format_interval(low, high),
        n=f"{n:,}",
    )


def _draw_trend(
    title: str,
    count: str,
    entries: Sequence[Entry],
    lines: Mapping[str, Sequence[Point]],
    labels: Labels,
) -> Drawing:
    """Draw a line for each label over the evaluations, between the ends of the intervals of its
    means.
    """
    position = {entry.id: number for number, entry in enumerate(entries)}
    curves = []
    for series, (label, row) in enumerate(lines.items(), 1):
        for part, dash in ((1, "2 3"), (2, "2 3"), (0, "")):
            points = [(position[entry.id], mean[part]) for entry, _, mean in row]
            curves.append(Curve(labels[label], points, series, dash, is_pale=bool(dash)))
    chart = LineChart(title, "", curves, count)
    drawing = Plot(chart, chart.visible()).drawing()
    drawing.text(0, -5, title)
    return drawing
