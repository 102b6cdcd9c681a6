"""Charts of models against each other: who wins, who is good at what, what quality costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from . import evaluation_canvas as canvas
from .evaluation_canvas import INK, SMALL, USUAL, Chart, NotDrawn, number
from .evaluation_charts import scale_of, scored_metrics
from .evaluation_fonts import letter, said

if TYPE_CHECKING:
    from ..evaluation import EvaluationResult
    from ..evaluation.counting import Comparison, Score, Usage

LOSES, EVEN, WINS = (213, 94, 0), (240, 240, 240), (0, 114, 178)
LEAST: Final = 3
"""Metrics that a radar takes."""


def win_rates(report: EvaluationResult, metric: str | None = None) -> Chart:
    """Return how often each model beats each other one: wins / (wins + losses), and the ties beside it.

    Args:
        report: whose models.
        metric: by which, default the first.

    Raises:
        InvalidArgumentError: there are no two models with scores on the same questions.
    """
    name = report.metric(metric)
    found = {}
    for pair in report.comparisons:
        if pair.metric == name:
            found[pair.candidate, pair.baseline] = pair
            found[pair.baseline, pair.candidate] = pair.turned()
    if not any(pair.test.n for pair in found.values()):
        raise NotDrawn(
            "胜率需要两个有得分的模型 / win rates take two models with scores on the same questions"
        )
    names, size = canvas.names_of(report, [name]), len(report.models)
    made = canvas.figure(1.5 + size * max(0.62, 0.17 * names.models.lines))
    axes = made.subplots()
    _framed(axes, report, names)
    for (row, column), pair in found.items():
        _cell(axes, report.models.index(row), report.models.index(column), pair, size)
    axes.set_title(names.metrics[name], fontsize=USUAL, color=INK, loc="left")
    axes.set_xlabel(_key(), fontsize=SMALL, color=INK)
    told = "; ".join(_told(pair) for pair in report.comparisons if pair.metric == name and pair.test.n)
    return names.chart(made, "胜率 / win rates", f"Win rates by {name}: {told}.")


def radar(report: EvaluationResult, metrics: Sequence[str] | None = None) -> Chart:
    """Return the models' means on several metrics of one scale, an axis each.

    Args:
        report: whose means.
        metrics: which; default all that share the first one's scale and of which more is better.

    Raises:
        InvalidArgumentError: there are fewer than three.
    """
    means = {(line.metric, line.model): line.mean for line in report.scored}
    chosen, (low, high) = _comparable(report, scored_metrics(report, metrics), means)
    names = canvas.names_of(report, chosen)
    angles = [2 * math.pi * place / len(chosen) for place in range(len(chosen))]
    made = canvas.figure(4.4 + 0.2 * len(report.models))
    axes = made.subplots(subplot_kw={"projection": "polar"})
    _spun(axes, angles, [names.metrics[name] for name in chosen], low, high)
    handles = []
    for place, model in enumerate(report.models):
        values = [means[name, model] for name in chosen]
        handles += axes.plot([*angles, angles[0]], [*values, values[0]], clip_on=False, **canvas.marks(place))
    canvas.legend(made, handles, [_one_line(names.models[model]) for model in report.models])
    rest = [name for name in report.names if name not in chosen]
    told = "; ".join(f"{n}, {m}: {number(means[n, m])}" for n in chosen for m in report.models)
    left = f" Not on it, for another scale or missing means: {', '.join(rest)}." if rest else ""
    return names.chart(made, "雷达图 / radar", f"Radar of means, {low:g} to {high:g}: {told}.{left}")


def cost_quality(report: EvaluationResult, metric: str | None = None) -> Chart:
    """Return what quality costs: CNY per 1,000 answers, or seconds where no cost is known, against a mean.

    Args:
        report: whose models.
        metric: the quality, default the first.

    Raises:
        InvalidArgumentError: there are no two models of which both are known.
    """
    name = report.metric(metric)
    kinds: tuple[tuple[str, str, Callable[[Usage], float]], ...] = (
        ("成本 cost", said("元 / 千次回答,", "CNY per 1,000 answers"), lambda used: used.price),
        ("时延 latency", said("中位时延 (秒),", "median latency in seconds"), lambda used: used.latency_p50),
    )
    lines = {line.model: line for line in report.scored if line.metric == name and line.n}
    for kind, unit, of in kinds:
        spent = {used.model: of(used) for used in report.used}
        shown = [m for m in report.models if m in lines and math.isfinite(spent[m])]
        if len(shown) > 1 and any(spent[m] > 0 for m in shown):
            return _scatter(report, name, f"{kind} 与质量 / against quality", unit, spent, lines, shown)
    raise NotDrawn("需要两个已知成本或时延的模型 / it takes two models of known cost or latency")


def _framed(axes: Any, report: EvaluationResult, names: canvas.Names) -> None:
    """Set up the table of pairs: names on the left, their letters on top."""
    size = len(report.models)
    letters = [letter(place) for place in range(size)]
    labels = [names.models[model] for model in report.models]
    if not names.models.legend and size > 2:
        labels = [f"{label}  {short}" for label, short in zip(labels, letters, strict=True)]
        tops = letters
    else:
        tops = labels
    canvas.dressed(axes)
    axes.set_xlim(0, size)
    axes.set_ylim(size, 0)
    axes.set_xticks([place + 0.5 for place in range(size)], tops)
    axes.set_yticks([place + 0.5 for place in range(size)], labels)
    axes.xaxis.tick_top()
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def _cell(axes: Any, row: int, column: int, pair: Comparison, size: int) -> None:
    """Draw a cell: the row's model against the column's."""
    from matplotlib.patches import Rectangle  # noqa: PLC0415 - a chart is being drawn

    test = pair.test
    decided = test.wins + test.losses
    share = test.wins / decided if decided else 0.5
    fill = _mixed(share)
    axes.add_patch(Rectangle((column + 0.02, row + 0.02), 0.96, 0.96, facecolor=fill, edgecolor=INK))
    rate = f"{share:.0%}" if decided else ("=" if test.n else "n/a")
    counts = f"\n{test.wins:,} : {test.losses:,} ({test.ties:,})" if test.n and size <= 7 else ""
    dark = sum(weight * part for weight, part in zip((0.3, 0.59, 0.11), fill, strict=True)) < 0.52
    axes.text(
        column + 0.5,
        row + 0.5,
        f"{rate}{'*' if pair.is_shown else ''}{counts}",
        ha="center",
        va="center",
        fontsize=max(5.5, min(USUAL, 62 / size)),
        color="white" if dark else "black",
    )


def _mixed(share: float) -> tuple[float, ...]:
    """Return the colour of a win rate: orange for none, pale for half, blue for all."""
    end, strength = (WINS if share > 0.5 else LOSES), abs(share - 0.5) * 2
    return tuple((a + (b - a) * strength) / 255 for a, b in zip(EVEN, end, strict=True))


def _key() -> str:
    first = said("行对列的胜率:", "row against column: wins / (wins + losses)")
    second = said("胜 : 负 (平);", "wins : losses (ties);   * beyond chance, Holm")
    return f"{first}\n{second}"


def _told(pair: Comparison) -> str:
    """Return a pair of cells in words."""
    test = pair.test
    decided = test.wins + test.losses
    share = f"{test.wins / decided:.0%} of those decided" if decided else "none decided"
    real = ", beyond chance" if pair.is_shown else ""
    counts = f"{test.wins} wins, {test.losses} losses, {test.ties} ties"
    return f"{pair.candidate} vs {pair.baseline}: {counts}, {share}{real}"


def _comparable(
    report: EvaluationResult, names: Sequence[str], means: dict[tuple[str, str], float]
) -> tuple[list[str], tuple[float, float]]:
    """Return the metrics that can share axes, and their scale."""
    whole = [name for name in names if all(math.isfinite(means[name, model]) for model in report.models)]
    upward = [name for name in whole if name not in report.lower]
    scales = {name: scale for name in upward if (scale := scale_of(report, name))}
    common = max(scales.values(), key=[*scales.values()].count, default=(0.0, 1.0))
    found = [name for name, scale in scales.items() if scale == common]
    if len(found) < LEAST:
        told = f"{LEAST} metrics on one scale, more being better, with a mean for each model"
        raise NotDrawn(f"雷达图需要 {LEAST} 个同尺度的指标 / a radar takes {told}; here are {len(found)}")
    return found, common


def _spun(axes: Any, angles: Sequence[float], labels: Sequence[str], low: float, high: float) -> None:
    """Set up the axes of a radar."""
    canvas.dressed_round(axes)
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


def _scatter(
    report: EvaluationResult,
    metric: str,
    title: str,
    unit: str,
    spent: dict[str, float],
    lines: dict[str, Score],
    shown: Sequence[str],
) -> Chart:
    """Draw the models as points with the interval of their mean."""
    names = canvas.names_of(report, [metric])
    made = canvas.figure(3.8 + 0.2 * len(shown))
    axes = made.subplots()
    canvas.dressed(axes)
    handles = []
    for model in shown:
        line, how = lines[model], canvas.marks(report.models.index(model)) | {"linestyle": "none"}
        ends = [end if math.isfinite(end) else line.mean for end in (line.interval.low, line.interval.high)]
        axes.plot([spent[model]] * 2, ends, color=INK, linewidth=1.8, marker="_", markersize=9)
        handles += axes.plot([spent[model]], [line.mean], **how)
    axes.set_xlim(0, 1.12 * max(spent[model] for model in shown))
    axes.margins(y=0.12)
    axes.set_xlabel(unit, fontsize=USUAL, color=INK)
    axes.set_ylabel(names.metrics[metric], fontsize=USUAL, color=INK)
    canvas.legend(made, handles, [_one_line(names.models[model]) for model in shown])
    told = "; ".join(f"{m}: {spent[m]:.4g}, {number(lines[m].mean)} {_span(lines[m])}" for m in shown)
    rest = [model for model in report.models if model not in shown]
    left = f" Not known for {', '.join(rest)}." if rest else ""
    return names.chart(made, title, f"{title}, {unit} and {metric} with 95 % intervals: {told}.{left}")


def _span(line: Score) -> str:
    return f"[{number(line.interval.low)}, {number(line.interval.high)}]"


def _one_line(label: str) -> str:
    return label.replace("\n", "")
