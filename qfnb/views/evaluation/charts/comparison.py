"""Charts that compare models: win rates, a radar of metrics, cost against quality."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from ....evaluation.report import ReportData
from ....evaluation.report.text import format_score
from ....evaluation.stats.aggregates import Comparison, Score, Usage
from . import style
from .fonts import bilingual, index_letter
from .scores import describe_mean, scale_of, scored_metrics
from .style import SMALL_SIZE, TEXT_COLOR, TEXT_SIZE, Chart, ChartNotDrawn

LOSS_COLOR, TIE_COLOR, WIN_COLOR = (213, 94, 0), (240, 240, 240), (0, 114, 178)
MIN_RADAR_METRICS: Final = 3
"""Metrics that a radar takes."""


def win_rates(report: ReportData, metric: str | None = None) -> Chart:
    """Return the win rate of each model against each other one: wins / (wins + losses), and the ties.

    Args:
        report: the report.
        metric: the metric that decides, default the first.

    Raises:
        InvalidArgumentError: fewer than two models have scores on the same questions.
    """
    name = report.resolve_metric(metric)
    pairs = {}
    for pair in report.comparisons:
        if pair.metric == name:
            pairs[pair.candidate, pair.baseline] = pair
            pairs[pair.baseline, pair.candidate] = pair.swapped()
    if not any(pair.test.n for pair in pairs.values()):
        raise ChartNotDrawn("胜率需要两个有得分的模型 / win rates take two models with scores on the same questions")
    names, size = style.chart_labels(report, [name]), len(report.models)
    fig = style.new_figure(1.5 + size * max(0.62, 0.17 * names.models.lines))
    axes = fig.subplots()
    _set_up_table(axes, report, names)
    for (row, column), pair in pairs.items():
        _draw_cell(axes, report.models.index(row), report.models.index(column), pair, size)
    axes.set_title(names.metrics[name], fontsize=TEXT_SIZE, color=TEXT_COLOR, loc="left")
    rate_key = bilingual("行对列的胜率:", "row against column: wins / (wins + losses)")
    count_key = bilingual("胜 : 负 (平);", "wins : losses (ties);   * beyond chance, Holm")
    axes.set_xlabel(f"{rate_key}\n{count_key}", fontsize=SMALL_SIZE, color=TEXT_COLOR)
    description = "; ".join(_describe_pair(pair) for pair in report.comparisons if pair.metric == name and pair.test.n)
    return names.build_chart(fig, "胜率 / win rates", f"Win rates by {name}: {description}.")


def radar(report: ReportData, metrics: Sequence[str] | None = None) -> Chart:
    """Return the models' means on several metrics of one scale, one axis each.

    Args:
        report: the report.
        metrics: the metrics; default all with the commonest scale of which higher scores are the better ones.

    Raises:
        InvalidArgumentError: there are fewer than three such metrics.
    """
    means = {(score.metric, score.model): score.mean for score in report.model_scores}
    chosen, (low, high) = _comparable_metrics(report, scored_metrics(report, metrics), means)
    names = style.chart_labels(report, chosen)
    angles = [2 * math.pi * index / len(chosen) for index in range(len(chosen))]
    fig = style.new_figure(4.4 + 0.2 * len(report.models))
    axes = fig.subplots(subplot_kw={"projection": "polar"})
    _set_up_radar(axes, angles, [names.metrics[name] for name in chosen], low, high)
    handles = []
    for index, model in enumerate(report.models):
        values = [means[name, model] for name in chosen]
        handles += axes.plot([*angles, angles[0]], [*values, values[0]], clip_on=False, **style.marker_style(index))
    style.add_legend(fig, handles, [_one_line(names.models[model]) for model in report.models])
    left_out = [name for name in report.metric_names if name not in chosen]
    description = "; ".join(f"{n}, {m}: {format_score(means[n, m])}" for n in chosen for m in report.models)
    note = f" Not on it, for another scale or missing means: {', '.join(left_out)}." if left_out else ""
    alt = f"Radar of means, {low:g} to {high:g}: {description}.{note}"
    return names.build_chart(fig, "雷达图 / radar", alt)


def cost_quality(report: ReportData, metric: str | None = None) -> Chart:
    """Return cost against quality: CNY per 1,000 answers, or seconds where no cost is known, against a mean.

    Args:
        report: the report.
        metric: the quality, default the first.

    Raises:
        InvalidArgumentError: fewer than two models have a known cost (or latency) and a mean.
    """
    name = report.resolve_metric(metric)
    kinds: tuple[tuple[str, str, Callable[[Usage], float]], ...] = (
        ("成本 cost", bilingual("元 / 千次回答,", "CNY per 1,000 answers"), lambda u: u.cost_per_1000),
        ("时延 latency", bilingual("中位时延 (秒),", "median latency in seconds"), lambda u: u.latency_p50),
    )
    scores = {score.model: score for score in report.model_scores if score.metric == name and score.n}
    for kind, unit, read_usage in kinds:
        cost_by_model = {usage.model: read_usage(usage) for usage in report.model_usage}
        shown_models = [m for m in report.models if m in scores and math.isfinite(cost_by_model[m])]
        if len(shown_models) > 1 and any(cost_by_model[m] > 0 for m in shown_models):
            return _draw_scatter(
                report, name, f"{kind} 与质量 / against quality", unit, cost_by_model, scores, shown_models
            )
    raise ChartNotDrawn("需要两个已知成本或时延的模型 / it takes two models whose cost or latency is known")


def _set_up_table(axes: Any, report: ReportData, names: style.ChartLabels) -> None:
    """Set up the table of pairs: names on the left, their letters on top."""
    size = len(report.models)
    letters = [index_letter(index) for index in range(size)]
    labels = [names.models[model] for model in report.models]
    tops = labels
    if not names.models.legend and size > 2:
        tops, labels = letters, [f"{label}  {short}" for label, short in zip(labels, letters, strict=True)]
    style.style_axes(axes)
    axes.set_xlim(0, size)
    axes.set_ylim(size, 0)
    axes.set_xticks([index + 0.5 for index in range(size)], tops)
    axes.set_yticks([index + 0.5 for index in range(size)], labels)
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _draw_cell(axes: Any, row: int, column: int, pair: Comparison, size: int) -> None:
    """Draw a cell: the row's model against the column's."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415 - a chart is being drawn

    test = pair.test
    decided = test.wins + test.losses
    share = test.wins / decided if decided else 0.5
    fill = _win_rate_color(share)
    axes.add_patch(Rectangle((column + 0.02, row + 0.02), 0.96, 0.96, facecolor=fill, edgecolor=TEXT_COLOR))
    rate = f"{share:.0%}" if decided else ("=" if test.n else "n/a")
    counts = f"\n{test.wins:,} : {test.losses:,} ({test.ties:,})" if test.n and size <= 7 else ""
    dark = sum(weight * part for weight, part in zip((0.3, 0.59, 0.11), fill, strict=True)) < 0.52
    axes.text(
        column + 0.5,
        row + 0.5,
        f"{rate}{'*' if pair.is_significant else ''}{counts}",
        ha="center",
        va="center",
        fontsize=max(5.5, min(TEXT_SIZE, 62 / size)),
        color="white" if dark else "black",
    )


def _win_rate_color(share: float) -> tuple[float, ...]:
    """Return the colour of a win rate: orange for none, pale for half, blue for all."""
    end, strength = (WIN_COLOR if share > 0.5 else LOSS_COLOR), abs(share - 0.5) * 2
    return tuple((a + (b - a) * strength) / 255 for a, b in zip(TIE_COLOR, end, strict=True))


def _describe_pair(pair: Comparison) -> str:
    test = pair.test
    decided = test.wins + test.losses
    share = f"{test.wins / decided:.0%} of those decided" if decided else "none decided"
    significance = ", beyond chance" if pair.is_significant else ""
    counts = f"{test.wins} wins, {test.losses} losses, {test.ties} ties"
    return f"{pair.candidate} vs {pair.baseline}: {counts}, {share}{significance}"


def _comparable_metrics(
    report: ReportData, names: Sequence[str], means: dict[tuple[str, str], float]
) -> tuple[list[str], tuple[float, float]]:
    """Return the metrics that can share axes, and their scale."""
    complete = [name for name in names if all(math.isfinite(means[name, model]) for model in report.models)]
    upward = [name for name in complete if name not in report.lower_is_better]
    scales = {name: scale for name in upward if (scale := scale_of(report, name))}
    common = max(scales.values(), key=[*scales.values()].count, default=(0.0, 1.0))
    common_metrics = [name for name, scale in scales.items() if scale == common]
    if len(common_metrics) < MIN_RADAR_METRICS:
        raise ChartNotDrawn(
            f"雷达图需要 {MIN_RADAR_METRICS} 个同尺度的指标 / a radar takes {MIN_RADAR_METRICS} metrics on one "
            "scale of which higher scores are better, with a mean for each model; "
            f"this report has {len(common_metrics)}"
        )
    return common_metrics, common


def _set_up_radar(axes: Any, angles: Sequence[float], labels: Sequence[str], low: float, high: float) -> None:
    style.style_axes(axes, polar=True)
    axes.set_theta_offset(math.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_xticks(angles, labels)
    for label, angle in zip(axes.get_xticklabels(), angles, strict=True):
        side = math.sin(angle)
        label.set_horizontalalignment("center" if abs(side) < 0.2 else "left" if side > 0 else "right")
    axes.set_ylim(low, high)
    ticks = [low + (high - low) * part for part in (0.25, 0.5, 0.75, 1)]
    axes.set_yticks(ticks, [f"{tick:.3g}" for tick in ticks])
    axes.set_rlabel_position(180 / len(angles))


def _draw_scatter(
    report: ReportData,
    metric: str,
    title: str,
    unit: str,
    cost_by_model: dict[str, float],
    scores: dict[str, Score],
    shown_models: Sequence[str],
) -> Chart:
    """Draw the models as points with the interval of their mean."""
    names = style.chart_labels(report, [metric])
    fig = style.new_figure(3.8 + 0.2 * len(shown_models))
    axes = fig.subplots()
    style.style_axes(axes)
    handles = []
    for model in shown_models:
        score, how = scores[model], style.marker_style(report.models.index(model)) | {"linestyle": "none"}
        bounds = score.interval.low, score.interval.high
        ends = [bound if math.isfinite(bound) else score.mean for bound in bounds]
        axes.plot([cost_by_model[model]] * 2, ends, color=TEXT_COLOR, linewidth=1.8, marker="_", markersize=9)
        handles += axes.plot([cost_by_model[model]], [score.mean], **how)
    axes.set_xlim(0, 1.12 * max(cost_by_model[model] for model in shown_models))
    axes.margins(y=0.12)
    axes.set_xlabel(unit, fontsize=TEXT_SIZE, color=TEXT_COLOR)
    axes.set_ylabel(names.metrics[metric], fontsize=TEXT_SIZE, color=TEXT_COLOR)
    style.add_legend(fig, handles, [_one_line(names.models[model]) for model in shown_models])
    description = "; ".join(
        f"{model}: {cost_by_model[model]:.4g}, {describe_mean(scores[model])}" for model in shown_models
    )
    left_out = [model for model in report.models if model not in shown_models]
    note = f" Not known for {', '.join(left_out)}." if left_out else ""
    alt = f"{title}, {unit} and {metric} with 95 % intervals: {description}.{note}"
    return names.build_chart(fig, title, alt)


def _one_line(label: str) -> str:
    return label.replace("\n", "")
