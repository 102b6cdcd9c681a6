"""Charts of a report's scores: means with intervals, and distributions."""

import math
import statistics
from collections.abc import Sequence
from typing import Any, Final

from ....evaluation.report import ReportData
from ....evaluation.report.text import format_interval, format_score
from ....evaluation.stats.aggregates import Score
from . import style
from .fonts import bilingual
from .style import SMALL_SIZE, TEXT_COLOR, Chart, ChartNotDrawn

BINS: Final = 20


def bars(report: ReportData, metrics: Sequence[str] | None = None) -> Chart:
    """Return the mean of each metric and model with its 95 % interval; each metric on its own scale.

    Args:
        report: the report.
        metrics: the metrics, default all.

    Raises:
        InvalidArgumentError: no answer has a score.
    """
    chosen, names, fig, grid = _metric_panels(report, metrics)
    scores = {(score.metric, score.model): score for score in report.model_scores}
    for axes, metric in zip(grid, chosen, strict=True):
        rows = [scores[metric, model] for model in report.models]
        low, high = _axis_range(report, metric, rows)
        _set_axis_scale(axes, low, high, 0.45 if len(chosen) > 1 else 0.25)
        for index, score in enumerate(rows):
            _draw_bar(axes, style.row_base(index, len(rows)) + 0.4, index, score, low)
    descriptions = "; ".join(_describe_bar(scores[metric, model]) for metric in chosen for model in report.models)
    alt = f"Bars, means with 95 % intervals: {descriptions}."
    return names.build_chart(fig, "均值与 95 % 区间 / means with 95 % intervals", alt)


def distributions(report: ReportData, metrics: Sequence[str] | None = None) -> Chart:
    """Return the distribution of each metric's scores by model: a histogram, or counts of right and wrong.

    Args:
        report: the report.
        metrics: the metrics, default all.

    Raises:
        InvalidArgumentError: no answer has a score.
    """
    chosen, names, fig, grid = _metric_panels(report, metrics)
    descriptions = []
    for axes, metric in zip(grid, chosen, strict=True):
        scores = [report.scores(model, metric) for model in report.models]
        is_rate = {value for values in scores for value in values} <= {0.0, 1.0}
        draw = _draw_counts if is_rate else _draw_histograms
        descriptions += draw(axes, report, metric, scores)
    alt = f"Score distributions: {'; '.join(descriptions)}."
    return names.build_chart(fig, "得分分布 / score distributions", alt)


def scored_metrics(report: ReportData, metrics: Sequence[str] | None = None) -> list[str]:
    """Return the chosen metrics, by default all.

    Raises:
        InvalidArgumentError: a metric is not in the report, or no model has a score.
    """
    chosen = [report.resolve_metric(name) for name in metrics] if metrics else list(report.metric_names)
    if not any(score.n for score in report.model_scores if score.metric in chosen):
        raise ChartNotDrawn("没有得分 / no answer has a score")
    return chosen


def scale_of(report: ReportData, metric: str) -> tuple[float, float] | None:
    """Return the lowest and the highest possible score, None when that is not known."""
    if metric in report.scales:
        return report.scales[metric]
    is_unit_scale = all(0 <= value <= 1 for model in report.models for value in report.scores(model, metric))
    return (0.0, 1.0) if is_unit_scale else None


def _axis_range(report: ReportData, metric: str, rows: Sequence[Score]) -> tuple[float, float]:
    """Return the ends of an axis for a metric's means."""
    if scale := scale_of(report, metric):
        return scale
    ends = [v for score in rows for v in (score.mean, score.interval.low, score.interval.high)]
    low, high = (end(0.0, *(v for v in ends if math.isfinite(v))) for end in (min, max))
    return low, high if high > low else low + 1


def _set_axis_scale(axes: Any, low: float, high: float, margin: float) -> None:
    """Set the range of an axis; `margin` is the room for numbers on its right, as a share of the range."""
    axes.set_xlim(low, high + margin * (high - low))
    ticks = [low, (low + high) / 2, high]
    axes.set_xticks(ticks, [f"{tick:.4g}" for tick in ticks])
    axes.spines["bottom"].set_bounds(low, high)


def _metric_panels(
    report: ReportData, metrics: Sequence[str] | None
) -> tuple[list[str], style.ChartLabels, Any, list[Any]]:
    """Return metrics and labels, and a figure with a panel for each metric and a row for each model."""
    chosen = scored_metrics(report, metrics)
    names = style.chart_labels(report, chosen)
    lower = f"\n({bilingual('越低越好', 'less is better')})"
    titles = [names.metrics[metric] + (lower if metric in report.lower_is_better else "") for metric in chosen]
    row_labels = [names.models[model] for model in report.models]
    return chosen, names, *style.build_panels(titles, row_labels, names.models.lines)


def _write(axes: Any, x: float, y: float, words: str) -> None:
    axes.text(x, y, words, va="center", fontsize=SMALL_SIZE, color=TEXT_COLOR)


def _draw_bar(axes: Any, y: float, index: int, score: Score, low: float) -> None:
    if not score.n:
        _write(axes, low, y, f" n/a (0/{score.total})")
        return
    axes.barh(y, score.mean - low, 0.66, left=low, **style.bar_style(index))
    ends = [score.interval.low, score.interval.high]
    if all(map(math.isfinite, ends)):
        style.draw_whisker(axes, ends[0], ends[1], y)
    end = max(v for v in (score.mean, score.interval.high, low) if math.isfinite(v))
    coverage = f" ({score.n}/{score.total})" if score.n < score.total else ""
    _write(axes, end, y, f"   {format_score(score.mean)}{coverage}")


def describe_mean(score: Score) -> str:
    """Return a mean with its interval, as text."""
    return f"{format_score(score.mean)} {format_interval(score.interval.low, score.interval.high)}"


def _describe_bar(score: Score) -> str:
    mean = describe_mean(score) if score.n else "n/a"
    return f"{score.metric}, {score.model}: {mean}, {score.n} of {score.total} scored"


def _draw_counts(axes: Any, report: ReportData, metric: str, scores: Sequence[Sequence[float]]) -> list[str]:
    """Draw the numbers of answers that are right, wrong and without a score; return them in words."""
    _set_axis_scale(axes, 0, 1, 0.75)
    axes.set_xlabel(bilingual("占比", "share of questions"), fontsize=SMALL_SIZE, color=TEXT_COLOR)
    descriptions = []
    for index, (model, values) in enumerate(zip(report.models, scores, strict=True)):
        total, n_right = len(report.samples_of(model)), sum(value == 1 for value in values)
        parts = n_right, len(values) - n_right, total - len(values)
        y, left_edge = style.row_base(index, len(scores)) + 0.4, 0.0
        base_style = style.bar_style(index)
        changes: tuple[dict[str, Any], ...] = (
            {}, {"alpha": 0.3, "hatch": ""}, {"facecolor": "none", "hatch": ".."},
        )  # fmt: skip
        for count, change in zip(parts, changes, strict=True):
            axes.barh(y, count / max(total, 1), 0.6, left=left_edge, **base_style | change)
            left_edge += count / max(total, 1)
        words = f"  1: {parts[0]:,}   0: {parts[1]:,}" + (f"   n/a: {parts[2]:,}" if parts[2] else "")
        _write(axes, 1, y, words)
        counts = f"{parts[0]} score 1, {parts[1]} score 0, {parts[2]} have no score"
        descriptions.append(f"{metric}, {model}: {counts}")
    return descriptions


def _draw_histograms(axes: Any, report: ReportData, metric: str, scores: Sequence[Sequence[float]]) -> list[str]:
    """Draw a histogram and the mean of each model; return the quartiles in words."""
    import numpy as np  # noqa: PLC0415 - matplotlib has loaded it

    all_values = [value for model_values in scores for value in model_values]
    low, high = scale_of(report, metric) or (min(all_values), max(all_values))
    high = high if high > low else low + 1
    _set_axis_scale(axes, low, high, 0.3)
    axes.set_xlabel(bilingual("得分", "score"), fontsize=SMALL_SIZE, color=TEXT_COLOR)
    histograms = [np.histogram(model_values, BINS, (low, high))[0] for model_values in scores]
    max_count, edges = max(int(counts.max()) for counts in histograms), np.linspace(low, high, BINS + 1)
    descriptions = []
    for index, (model, values) in enumerate(zip(report.models, scores, strict=True)):
        base = style.row_base(index, len(scores))
        heights = base + 0.8 * histograms[index] / max_count
        axes.stairs(heights, edges, baseline=base, fill=True, **style.bar_style(index))
        axes.plot([low, high], [base, base], color=TEXT_COLOR, linewidth=0.8)
        mean = [statistics.fmean(values)] if values else []
        axes.plot(mean, [base] * len(mean), marker="^", markersize=8, color=TEXT_COLOR, clip_on=False)
        _write(axes, high, base + 0.35, f"  n = {len(values):,}")
        descriptions += [f"{metric}, {model}: {_describe_quartiles(values)}"]
    return descriptions


def _describe_quartiles(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{format_score(values[0])}, one score" if values else "no score"
    ends = f"from {format_score(min(values))} to {format_score(max(values))}"
    quartiles = ", ".join(map(format_score, statistics.quantiles(values, n=4, method="inclusive")))
    return f"{ends}, quartiles {quartiles}, {len(values)} scores"
