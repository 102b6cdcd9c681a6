"""Charts of a report's scores: means with intervals, and distributions."""

import math
import statistics
from collections.abc import Sequence
from typing import Final

from ....base.language import tr
from ....base.text import labelled
from ....evaluation.report import ReportData
from ....evaluation.report.text import NO_VALUE, format_interval, format_score, verdict_sentence
from ....evaluation.stats.aggregates import Score
from ...drawing import Drawing, linear_ticks, width_of
from .style import Chart, ChartLabels, ChartNotDrawn

BINS: Final = 20
RIGHT: Final = 540  # right end of the plots; their numbers stand behind it
ROW = 26
HEAD = 30
AXIS = 24
"""Heights of a model's row, of a metric's title, and of an axis, in pixels."""


def bars(report: ReportData, metrics: Sequence[str] | None = None) -> Chart:
    """Return the mean of each metric and model with its 95 % interval; each metric on its own
    scale.

    Args:
        report: the report.
        metrics: the metrics, default all.

    Raises:
        InvalidArgumentError: no answer has a score.
    """
    chosen = scored_metrics(report, metrics)
    scores = {(score.metric, score.model): score for score in report.model_scores}

    def draw(labels: ChartLabels) -> Drawing:
        drawing = Drawing()
        left = _left_edge(labels)
        for metric in chosen:
            rows = [scores[metric, model] for model in report.models]
            low, high = axis_range(report, metric, rows)
            top = _add_title(drawing, report, metric, labels)
            for index, score in enumerate(rows):
                _draw_bar(
                    drawing,
                    top + index * ROW,
                    index + 1,
                    score,
                    labels.models[score.model],
                    left,
                    (low, high),
                )
            _close(drawing, left, top + len(rows) * ROW, low, high, top)
        return drawing

    pairs = [pair for pair in report.comparisons if pair.metric == chosen[0]]
    if len(pairs) == 1:
        title = verdict_sentence(pairs[0])
    else:
        title = tr("Means with 95% intervals")
    words = tr("; ").join(
        describe_score(scores[metric, model]) for metric in chosen for model in report.models
    )
    return Chart(title, tr("Means with 95% intervals: {words}.", words=words), report, chosen, draw)


def distributions(report: ReportData, metrics: Sequence[str] | None = None) -> Chart:
    """Return the distribution of each metric's scores by model: a histogram, or counts of right and
    wrong.

    Args:
        report: the report.
        metrics: the metrics, default all.

    Raises:
        InvalidArgumentError: no answer has a score.
    """
    chosen = scored_metrics(report, metrics)
    values = {
        metric: [report.scores(model, metric) for model in report.models] for metric in chosen
    }
    is_rate = {
        metric: {v for scores in values[metric] for v in scores} <= {0.0, 1.0} for metric in chosen
    }

    def draw(labels: ChartLabels) -> Drawing:
        drawing = Drawing()
        left = _left_edge(labels)
        for metric in chosen:
            top = _add_title(drawing, report, metric, labels)
            if is_rate[metric]:
                draw_rows = _draw_counts
            else:
                draw_rows = _draw_histograms
            draw_rows(drawing, report, metric, labels, left, top)
        return drawing

    words = tr("; ").join(
        labelled(
            tr(", ").join([metric, model]),
            _describe_counts(report, metric, model)
            if is_rate[metric]
            else describe_quartiles(scores),
        )
        for metric in chosen
        for model, scores in zip(report.models, values[metric], strict=True)
    )
    title = tr("How the scores are distributed")
    return Chart(
        title, tr("Distribution of the scores: {words}.", words=words), report, chosen, draw
    )


def scored_metrics(report: ReportData, metrics: Sequence[str] | None = None) -> list[str]:
    """Return the chosen metrics, by default all.

    Raises:
        InvalidArgumentError: a metric is not in the report, or no model has a score.
    """
    if metrics:
        chosen = [report.resolve_metric(name) for name in metrics]
    else:
        chosen = list(report.metric_names)
    if not any(score.n for score in report.model_scores if score.metric in chosen):
        raise ChartNotDrawn(tr("no answer has a score"))
    return chosen


def scale_of(report: ReportData, metric: str) -> tuple[float, float] | None:
    """Return the lowest and the highest possible score, None when that is not known."""
    if metric in report.scales:
        return report.scales[metric]
    is_unit_scale = all(
        0 <= value <= 1 for model in report.models for value in report.scores(model, metric)
    )
    if is_unit_scale:
        return (0.0, 1.0)
    return None


def axis_range(report: ReportData, metric: str, rows: Sequence[Score]) -> tuple[float, float]:
    """Return the ends of an axis for a metric's means: its scale, else round numbers around them
    and 0.
    """
    if scale := scale_of(report, metric):
        return scale
    ends = [
        v
        for score in rows
        for v in (score.mean, score.interval.low, score.interval.high)
        if math.isfinite(v)
    ]
    ticks = linear_ticks(min(0.0, *ends, 0.0), max(0.0, *ends, 0.0), 4)
    return ticks[0], ticks[-1]


def describe_score(score: Score) -> str:
    """Return a model's mean with interval and coverage, as text."""
    name = f"{score.metric}, {score.model}"
    if not score.n:
        return tr("{name}: no score of {total}", name=name, total=score.total)
    mean = format_score(score.mean)
    interval = format_interval(score.interval.low, score.interval.high)
    return tr(
        "{name}: {mean} ({interval}), {n} of {total} scored",
        name=name,
        mean=mean,
        interval=interval,
        n=score.n,
        total=score.total,
    )


def describe_quartiles(values: Sequence[float]) -> str:
    """Return the ends and the quartiles of scores, as text."""
    if len(values) < 2:
        if values:
            return format_score(values[0])
        return tr("no score")
    return tr(
        "{low} to {high}, quartiles {quartiles}, {n} scores",
        low=format_score(min(values)),
        high=format_score(max(values)),
        quartiles=tr(", ").join(
            map(format_score, statistics.quantiles(values, n=4, method="inclusive"))
        ),
        n=len(values),
    )


def _left_edge(labels: ChartLabels) -> float:
    return 14 + max(map(width_of, labels.models.labels.values()), default=0.0)


def _add_title(drawing: Drawing, report: ReportData, metric: str, labels: ChartLabels) -> float:
    """Add the title of a metric's part; return where its rows begin."""
    if metric in report.lower_is_better:
        less = tr(" (lower is better)")
    else:
        less = ""
    drawing.text(0, drawing.height + HEAD / 2, f"{labels.metrics[metric]}{less}", is_strong=True)
    return drawing.height + HEAD


def _close(
    drawing: Drawing, left: float, bottom: float, low: float, high: float, top: float
) -> None:
    """Add the axis of a metric's part; the next one begins below it."""
    drawing.axis(left, RIGHT, bottom, low, high, top=top)
    drawing.height = bottom + AXIS


def _draw_bar(
    drawing: Drawing,
    y: float,
    series: int,
    score: Score,
    label: str,
    left: float,
    ends: tuple[float, float],
) -> None:
    low, high = ends
    middle = y + ROW / 2

    def position(value: float) -> float:
        return left + (RIGHT - left) * (min(max(value, low), high) - low) / (high - low)

    drawing.text(0, middle, label)
    if not score.n:
        drawing.text(left + 6, middle, tr("no score"))
        return
    zero, end = sorted((position(max(low, min(0.0, high))), position(score.mean)))
    drawing.box(zero, y + 5, max(0.5, end - zero), ROW - 10, series, words=describe_score(score))
    interval = score.interval
    if math.isfinite(interval.low) and math.isfinite(interval.high):
        drawing.whisker(position(interval.low), position(interval.high), middle)
    if score.n < score.total:
        coverage = f"{score.n} / {score.total}"
    else:
        coverage = NO_VALUE
    numbers = [format_score(score.mean), format_interval(interval.low, interval.high), coverage]
    drawing.text(RIGHT + 12, middle, " · ".join(number for number in numbers if number != NO_VALUE))


def _counts(report: ReportData, metric: str, model: str) -> tuple[int, int, int]:
    """Return the numbers of a model's answers that are right, wrong, and without a score."""
    values = report.scores(model, metric)
    total = len(report.samples_of(model))
    right = sum(value == 1 for value in values)
    return right, len(values) - right, total - len(values)


def _describe_counts(report: ReportData, metric: str, model: str) -> str:
    right, wrong, missing = _counts(report, metric, model)
    return tr(
        "{right} right, {wrong} wrong, {missing} without a score",
        right=right,
        wrong=wrong,
        missing=missing,
    )


def _draw_counts(
    drawing: Drawing, report: ReportData, metric: str, labels: ChartLabels, left: float, top: float
) -> None:
    """Draw for each model the shares of answers that are right, wrong, and without a score."""
    for index, model in enumerate(report.models):
        y = top + index * ROW
        x = left
        counts = _counts(report, metric, model)
        drawing.text(0, y + ROW / 2, labels.models[model])
        for count, opacity in zip(counts, (0.8, 0.3, 0.08), strict=True):
            width = (RIGHT - left) * count / max(1, sum(counts))
            if count:
                drawing.box(
                    x,
                    y + 4,
                    width,
                    ROW - 8,
                    index + 1,
                    opacity,
                    _describe_counts(report, metric, model),
                )
            x += width
        right, wrong, missing = counts
        if missing:
            without = tr(" · {n} no score", n=missing)
        else:
            without = ""
        drawing.text(
            RIGHT + 12,
            y + ROW / 2,
            tr("{right} right · {wrong} wrong", right=right, wrong=wrong) + without,
        )
    _close(drawing, left, top + len(report.models) * ROW, 0.0, 1.0, top)


def _draw_histograms(
    drawing: Drawing, report: ReportData, metric: str, labels: ChartLabels, left: float, top: float
) -> None:
    """Draw for each model the histogram and the mean of its scores."""
    height = 1.7 * ROW
    scores = [report.scores(model, metric) for model in report.models]
    everything = [value for values in scores for value in values]
    ticks = linear_ticks(min(everything), max(everything), 4)
    low, high = scale_of(report, metric) or (ticks[0], ticks[-1])
    width = (RIGHT - left) / BINS
    counts = [[0] * BINS for _ in scores]
    for row, values in zip(counts, scores, strict=True):
        for value in values:
            row[min(BINS - 1, int(BINS * (value - low) / (high - low)))] += 1
    highest = max(max(row) for row in counts)
    for index, (model, row) in enumerate(zip(report.models, counts, strict=True)):
        base = top + (index + 1) * height
        drawing.text(0, base - height / 2, labels.models[model])
        for number, count in enumerate(row):
            bar = (height - 8) * count / highest
            start, end = (
                format_score(low + (high - low) * step / BINS) for step in (number, number + 1)
            )
            words = tr("{low} to {high}: {n}", low=start, high=end, n=count)
            if count:
                drawing.box(
                    left + number * width + 0.5, base - bar, width - 1, bar, index + 1, words=words
                )
        drawing.line([(left, base), (RIGHT, base)], "g")
        if scores[index]:
            mean = statistics.fmean(scores[index])
            x = left + (RIGHT - left) * (mean - low) / (high - low)
            drawing.line([(x, base - height + 6), (x, base)], "e", width=1.4)
            drawing.text(
                RIGHT + 12,
                base - height / 2,
                tr("mean {mean} · n = {n}", mean=format_score(mean), n=len(scores[index])),
            )
    _close(drawing, left, top + len(scores) * height, low, high, top)
