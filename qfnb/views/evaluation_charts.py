"""Charts of a report's scores: means with intervals, and how they are spread."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from . import evaluation_canvas as canvas
from .evaluation_canvas import INK, SMALL, Chart, NotDrawn, number
from .evaluation_fonts import said

if TYPE_CHECKING:
    from ..evaluation import EvaluationResult
    from ..evaluation.counting import Score

BINS: Final = 20


def bars(report: EvaluationResult, metrics: Sequence[str] | None = None) -> Chart:
    """Return the mean of each metric and model with its 95 % interval; each metric on its own scale.

    Args:
        report: whose scores.
        metrics: which, default all.

    Raises:
        InvalidArgumentError: nothing is scored.
    """
    chosen = scored_metrics(report, metrics)
    names = canvas.names_of(report, chosen)
    shown = [names.models[model] for model in report.models]
    lines = {(line.metric, line.model): line for line in report.scored}
    made, grid = canvas.panels([_title(report, names, m) for m in chosen], shown, names.models.lines)
    for axes, metric in zip(grid, chosen, strict=True):
        rows = [lines[metric, model] for model in report.models]
        low, high = _range(report, metric, rows)
        _scaled(axes, low, high, 0.45 if len(chosen) > 1 else 0.25)
        for place, line in enumerate(rows):
            _bar(axes, canvas.base_of(place, len(rows)) + 0.4, place, line, low)
    told = "; ".join(_told(lines[metric, model]) for metric in chosen for model in report.models)
    return names.chart(
        made, "均值与 95 % 区间 / means with 95 % intervals", f"Bars, means with 95 % intervals: {told}."
    )


def distributions(report: EvaluationResult, metrics: Sequence[str] | None = None) -> Chart:
    """Return how the scores of each metric and model are spread: a histogram, or counts of right and wrong.

    Args:
        report: whose scores.
        metrics: which, default all.

    Raises:
        InvalidArgumentError: nothing is scored.
    """
    chosen = scored_metrics(report, metrics)
    names = canvas.names_of(report, chosen)
    shown = [names.models[model] for model in report.models]
    made, grid = canvas.panels([_title(report, names, m) for m in chosen], shown, names.models.lines)
    told = []
    for axes, metric in zip(grid, chosen, strict=True):
        scores = [report.scores(model, metric) for model in report.models]
        draw = _counts if {value for one in scores for value in one} <= {0.0, 1.0} else _histograms
        told += draw(axes, report, metric, scores)
    return names.chart(made, "得分分布 / score distributions", f"Score distributions: {'; '.join(told)}.")


def scored_metrics(report: EvaluationResult, metrics: Sequence[str] | None = None) -> list[str]:
    """Return the chosen metrics.

    Raises:
        InvalidArgumentError: there is none, or none of that name, or no model has a score.
    """
    chosen = [report.metric(name) for name in metrics] if metrics else list(report.names)
    if not any(line.n for line in report.scored if line.metric in chosen):
        raise NotDrawn("没有得分 / no answer has a score")
    return chosen


def scale_of(report: EvaluationResult, metric: str) -> tuple[float, float] | None:
    """Return the lowest and the highest possible score, None when that is not known."""
    if metric in report.scales:
        return report.scales[metric]
    inside = all(0 <= value <= 1 for model in report.models for value in report.scores(model, metric))
    return (0.0, 1.0) if inside else None


def _range(report: EvaluationResult, metric: str, rows: Sequence[Score]) -> tuple[float, float]:
    """Return the ends of an axis with a metric's means."""
    if known := scale_of(report, metric):
        return known
    ends = [v for line in rows for v in (line.mean, line.interval.low, line.interval.high)]
    low, high = (end(0.0, *(v for v in ends if math.isfinite(v))) for end in (min, max))
    return low, high if high > low else low + 1


def _scaled(axes: Any, low: float, high: float, room: float) -> None:
    """Set an axis, with room for numbers on its right."""
    axes.set_xlim(low, high + room * (high - low))
    ticks = [low, (low + high) / 2, high]
    axes.set_xticks(ticks, [f"{tick:.4g}" for tick in ticks])
    axes.spines["bottom"].set_bounds(low, high)


def _title(report: EvaluationResult, names: canvas.Names, metric: str) -> str:
    less = f"\n({said('越低越好', 'less is better')})" if metric in report.lower else ""
    return names.metrics[metric] + less


def _bar(axes: Any, y: float, place: int, line: Score, low: float) -> None:
    if not line.n:
        axes.text(low, y, f" n/a (0/{line.total})", va="center", fontsize=SMALL, color=INK)
        return
    axes.barh(y, line.mean - low, 0.66, left=low, **canvas.style(place))
    ends = [line.interval.low, line.interval.high]
    if all(map(math.isfinite, ends)):
        canvas.whisker(axes, ends[0], ends[1], y)
    end = max(v for v in (line.mean, line.interval.high, low) if math.isfinite(v))
    some = f" ({line.n}/{line.total})" if line.n < line.total else ""
    axes.text(end, y, f"   {number(line.mean)}{some}", va="center", fontsize=SMALL, color=INK)


def _told(line: Score) -> str:
    """Return a bar in words."""
    if not line.n:
        return f"{line.metric}, {line.model}: n/a, 0 of {line.total} scored"
    span = f"[{number(line.interval.low)}, {number(line.interval.high)}]"
    return f"{line.metric}, {line.model}: {number(line.mean)} {span}, {line.n} of {line.total} scored"


def _counts(axes: Any, report: EvaluationResult, metric: str, scores: Sequence[Sequence[float]]) -> list[str]:
    """Draw how many answers are right, wrong and without a score; return that in words."""
    _scaled(axes, 0, 1, 0.75)
    axes.set_xlabel(said("占比", "share of questions"), fontsize=SMALL, color=INK)
    told = []
    for place, (model, values) in enumerate(zip(report.models, scores, strict=True)):
        total, right = len(report.of(model)), sum(value == 1 for value in values)
        parts = right, len(values) - right, total - len(values)
        y, left = canvas.base_of(place, len(scores)) + 0.4, 0.0
        usual = canvas.style(place)
        fills = usual, usual | {"alpha": 0.3, "hatch": ""}, usual | {"facecolor": "none", "hatch": ".."}
        for count, fill in zip(parts, fills, strict=True):
            axes.barh(y, count / max(total, 1), 0.6, left=left, **fill)
            left += count / max(total, 1)
        words = f"  1: {parts[0]:,}   0: {parts[1]:,}" + (f"   n/a: {parts[2]:,}" if parts[2] else "")
        axes.text(1, y, words, va="center", fontsize=SMALL, color=INK)
        told += [f"{metric}, {model}: {parts[0]} score 1, {parts[1]} score 0, {parts[2]} have no score"]
    return told


def _histograms(
    axes: Any, report: EvaluationResult, metric: str, scores: Sequence[Sequence[float]]
) -> list[str]:
    """Draw a histogram and the mean of each model; return the quartiles in words."""
    import numpy as np  # noqa: PLC0415 - matplotlib has loaded it

    everything = [value for one in scores for value in one]
    low, high = scale_of(report, metric) or (min(everything), max(everything))
    high = high if high > low else low + 1
    _scaled(axes, low, high, 0.3)
    axes.set_xlabel(said("得分", "score"), fontsize=SMALL, color=INK)
    counted = [np.histogram(one, BINS, (low, high))[0] for one in scores]
    most, edges = max(int(counts.max()) for counts in counted), np.linspace(low, high, BINS + 1)
    told = []
    for place, (model, values) in enumerate(zip(report.models, scores, strict=True)):
        base = canvas.base_of(place, len(scores))
        heights = base + 0.8 * counted[place] / most
        axes.stairs(heights, edges, baseline=base, fill=True, **canvas.style(place))
        axes.plot([low, high], [base, base], color=INK, linewidth=0.8)
        mean = [statistics.fmean(values)] if values else []
        axes.plot(mean, [base] * len(mean), marker="^", markersize=8, color=INK, clip_on=False)
        axes.text(high, base + 0.35, f"  n = {len(values):,}", va="center", fontsize=SMALL, color=INK)
        told += [f"{metric}, {model}: {_quartiles(values)}"]
    return told


def _quartiles(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{number(values[0])}, one score" if values else "no score"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    ends = f"from {number(min(values))} to {number(max(values))}"
    return f"{ends}, quartiles {number(low)}, {number(middle)}, {number(high)}, {len(values)} scores"
