"""Charts that compare models: win rates, a radar of metrics, cost against quality."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from ....base.language import tr, tr_noop
from ....base.text import labelled
from ....evaluation.report import ReportData
from ....evaluation.report.text import format_score, metric_title
from ....evaluation.stats.aggregates import Comparison, Score, UsageTotals
from ....wire.prices import PriceRange
from ...drawing import WIDTH, Drawing, format_tick, linear_ticks, width_of
from ...fonts import index_letter
from ...line_chart import LEFT
from .scores import describe_score, scale_of, scored_metrics
from .style import Chart, ChartLabels, ChartNotDrawn

MIN_RADAR_METRICS: Final = 3
"""Metrics that a radar takes."""

CELL_WIDTH = 118
CELL_HEIGHT = 44
"""Of the table of win rates at most, in pixels."""

RADIUS: Final = 120
COSTS: Final[tuple[tuple[str, str, Callable[[UsageTotals], PriceRange]], ...]] = (
    (
        tr_noop("Cost and quality"),
        tr_noop("CNY per 1,000 answers"),
        lambda usage: PriceRange(usage.cost_low_per_1000, usage.cost_per_1000),
    ),
    (
        tr_noop("Speed and quality"),
        tr_noop("median latency in seconds"),
        lambda usage: PriceRange(usage.latency_p50, usage.latency_p50),
    ),
)
"""What is shown against quality, the first one that is known: title, unit, and how a model's usage
gives its ends.
"""


def win_rates(report: ReportData, metric: str | None = None) -> Chart:
    """Return the win rate of each model against each other one: wins / (wins + losses), and the
    ties.

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
        raise ChartNotDrawn(tr("win rates take two models with scores on the same questions"))

    def draw(labels: ChartLabels) -> Drawing:
        return _draw_table(report, pairs, labels)

    words = tr("; ").join(
        _describe_pair(pair) for pair in report.comparisons if pair.metric == name and pair.test.n
    )
    title = tr("How often the row beats the column, by {metric}", metric=metric_title(name))
    return Chart(
        title, tr("Win rates by {metric}: {words}.", metric=name, words=words), report, [name], draw
    )


def radar(report: ReportData, metrics: Sequence[str] | None = None) -> Chart:
    """Return the models' means on several metrics of one scale, one axis each.

    Args:
        report: the report.
        metrics: the metrics; default all with the commonest scale of which higher scores are the
            better ones.

    Raises:
        InvalidArgumentError: there are fewer than three such metrics.
    """
    means = {(score.metric, score.model): score.mean for score in report.model_scores}
    chosen, scale = _comparable_metrics(report, scored_metrics(report, metrics), means)

    def draw(labels: ChartLabels) -> Drawing:
        return _draw_radar(report, chosen, scale, means, labels)

    words = tr("; ").join(
        labelled(tr(", ").join([n, m]), format_score(means[n, m]))
        for n in chosen
        for m in report.models
    )
    alt = tr(
        "Means from {low} to {high}: {words}.",
        low=f"{scale[0]:g}",
        high=f"{scale[1]:g}",
        words=words,
    )
    if left_out := [name for name in report.metric_names if name not in chosen]:
        note = tr(
            "Not shown, for another scale or missing means: {names}.", names=tr(", ").join(left_out)
        )
        alt = f"{alt} {note}"
    return Chart(tr("Strengths of the models, by metric"), alt, report, chosen, draw)


def cost_quality(report: ReportData, metric: str | None = None) -> Chart:
    """Return cost against quality: CNY per 1,000 answers, or seconds where no cost is known,
    against a mean.

    Args:
        report: the report.
        metric: the quality, default the first.

    Raises:
        InvalidArgumentError: fewer than two models have a known cost (or latency) and a mean.
    """
    name = report.resolve_metric(metric)
    scores = {
        score.model: score for score in report.model_scores if score.metric == name and score.n
    }
    for title, unit, read_usage in COSTS:
        costs = {usage.model: read_usage(usage) for usage in report.model_usage}
        models = [
            model for model in report.models if model in scores and math.isfinite(costs[model].high)
        ]
        if len(models) > 1 and any(costs[model].high > 0 for model in models):
            return _cost_chart(
                report,
                name,
                (tr(title), tr(unit)),
                {model: costs[model] for model in models},
                scores,
            )
    raise ChartNotDrawn(tr("it takes two models whose cost or latency is known"))


def _cost_chart(
    report: ReportData,
    metric: str,
    words: tuple[str, str],
    costs: Mapping[str, PriceRange],
    scores: Mapping[str, Score],
) -> Chart:
    title, unit = words
    numbers = tr("; ").join(
        labelled(model, tr(", ").join([str(costs[model]), describe_score(scores[model])]))
        for model in costs
    )
    alt = tr(
        "{title}, {unit} and {metric}: {words}.",
        title=title,
        unit=unit,
        metric=metric,
        words=numbers,
    )
    notes = []
    if not all(cost.is_exact for cost in costs.values()):
        notes.append(tr("bars across: from the lowest to the highest price"))
    if (lowest := _score_ticks(costs, scores)[0]) > 0:
        notes.append(
            tr(
                "the axis of {metric} begins at {value}",
                metric=metric_title(metric),
                value=format_tick(lowest),
            )
        )
    if missing := [model for model in report.models if model not in costs]:
        notes.append(tr("not known for {models}", models=tr(", ").join(missing)))

    def draw(labels: ChartLabels) -> Drawing:
        return _draw_scatter(report, metric, unit, costs, scores, labels)

    return Chart(title, alt, report, [metric], draw, note=tr("; ").join(notes))


def _draw_table(
    report: ReportData, pairs: Mapping[tuple[str, str], Comparison], labels: ChartLabels
) -> Drawing:
    """Draw a cell for each pair: the row's model against the column's."""
    size = len(report.models)
    names = [labels.models[model] for model in report.models]
    letters = [index_letter(index) for index in range(size)]
    is_lettered = not labels.models.legend and any(
        width_of(name) > CELL_WIDTH - 8 for name in names
    )
    if is_lettered:
        rows = [f"{letter}  {name}" for letter, name in zip(letters, names, strict=True)]
    else:
        rows = names
    left = 16 + max(map(width_of, rows))
    width = min(CELL_WIDTH, (WIDTH - left) / size)
    drawing = Drawing(34 + size * CELL_HEIGHT + 26)
    for index, (name, short) in enumerate(
        zip(rows, letters if is_lettered else names, strict=True)
    ):
        drawing.text(0, 34 + (index + 0.5) * CELL_HEIGHT, name)
        drawing.text(left + (index + 0.5) * width, 18, short, "middle")
    for (row, column), pair in pairs.items():
        x = left + report.models.index(column) * width
        y = 34 + report.models.index(row) * CELL_HEIGHT
        _draw_cell(drawing, x, y, width, pair)
    key = tr("wins : losses (ties); * beyond chance, Holm-corrected")
    drawing.text(left, drawing.height - 10, key)
    return drawing


def _draw_cell(drawing: Drawing, x: float, y: float, width: float, pair: Comparison) -> None:
    test = pair.test
    decided = test.wins + test.losses
    if decided:
        share = test.wins / decided
    else:
        share = 0.0
    drawing.box(
        x + 1, y + 1, width - 2, CELL_HEIGHT - 2, 1, 0.06 + 0.36 * share, _describe_pair(pair)
    )
    if decided:
        rate = f"{share:.0%}"
    elif test.n:
        rate = "="
    else:
        rate = "–"
    if pair.is_significant:
        star = "*"
    else:
        star = ""
    has_counts = bool(test.n) and width >= 84
    drawing.text(
        x + width / 2,
        y + CELL_HEIGHT / 2 - 9 * has_counts,
        f"{rate}{star}",
        "middle",
        is_strong=True,
    )
    if has_counts:
        counts = f"{test.wins:,} : {test.losses:,} ({test.ties:,})"
        drawing.text(x + width / 2, y + CELL_HEIGHT / 2 + 9, counts, "middle")


def _describe_pair(pair: Comparison) -> str:
    test = pair.test
    decided = test.wins + test.losses
    return tr(
        "{tuned} against {base}: {wins} wins, {losses} losses, {ties} ties, {share}",
        tuned=pair.candidate,
        base=pair.baseline,
        wins=test.wins,
        losses=test.losses,
        ties=test.ties,
        share=tr("{share} of those decided", share=f"{test.wins / decided:.0%}")
        if decided
        else tr("none decided"),
    )


def _comparable_metrics(
    report: ReportData, names: Sequence[str], means: dict[tuple[str, str], float]
) -> tuple[list[str], tuple[float, float]]:
    """Return the metrics that can share axes, and their scale."""
    complete = [
        name for name in names if all(math.isfinite(means[name, model]) for model in report.models)
    ]
    upward = [name for name in complete if name not in report.lower_is_better]
    scales = {name: scale for name in upward if (scale := scale_of(report, name))}
    common = max(scales.values(), key=[*scales.values()].count, default=(0.0, 1.0))
    common_metrics = [name for name, scale in scales.items() if scale == common]
    if len(common_metrics) < MIN_RADAR_METRICS:
        raise ChartNotDrawn(
            tr(
                "a radar takes {n} metrics on one scale of which higher scores are better, with a "
                "mean for each model; "
                "this report has {count}",
                n=MIN_RADAR_METRICS,
                count=len(common_metrics),
            )
        )
    return common_metrics, common


def _draw_radar(
    report: ReportData,
    metrics: Sequence[str],
    scale: tuple[float, float],
    means: Mapping[tuple[str, str], float],
    labels: ChartLabels,
) -> Drawing:
    drawing = Drawing(2 * RADIUS + 84)
    centre = (WIDTH * 0.34, RADIUS + 42)
    legend = min(
        WIDTH - 232.0, WIDTH - 8 - max(width_of(labels.models[model]) for model in report.models)
    )
    low, high = scale

    def point(number: int, value: float) -> tuple[float, float]:
        angle = 2 * math.pi * number / len(metrics)
        length = RADIUS * (value - low) / (high - low)
        return centre[0] + length * math.sin(angle), centre[1] - length * math.cos(angle)

    ticks = [tick for tick in linear_ticks(low, high, 4) if low < tick <= high]
    for tick in ticks:
        drawing.line([point(number, tick) for number in (*range(len(metrics)), 0)], "g")
        drawing.text(centre[0] + 5, point(0, tick)[1] + 10, format_tick(tick))
    for number, metric in enumerate(metrics):
        drawing.line([centre, point(number, high)], "g")
        x, y = point(number, high + 0.14 * (high - low))
        side = x - centre[0]
        drawing.text(
            x,
            y,
            labels.metrics[metric],
            "middle" if abs(side) < 12 else "start" if side > 0 else "end",
        )
    for index, model in enumerate(report.models):
        corners = [point(number, means[metric, model]) for number, metric in enumerate(metrics)]
        drawing.curve([*corners, corners[0]], index + 1)
        for (x, y), metric in zip(corners, metrics, strict=True):
            drawing.dot(
                x,
                y,
                index + 1,
                f"{model}, {metric_title(metric)}: {format_score(means[metric, model])}",
            )
        y = 24 + 20 * index
        drawing.dot(legend - 14, y, index + 1, model)
        drawing.text(legend, y, labels.models[model], is_strong=True)
    return drawing


def _score_ticks(models: Iterable[str], scores: Mapping[str, Score]) -> list[float]:
    """Return the ticks of an axis that has the means of models and their intervals."""
    bounds: list[float] = []
    for model in models:
        score = scores[model]
        bounds += [score.mean, score.interval.low, score.interval.high]
    finite = [value for value in bounds if math.isfinite(value)]
    return linear_ticks(min(finite), max(finite), 4)


def _draw_scatter(
    report: ReportData,
    metric: str,
    unit: str,
    costs: Mapping[str, PriceRange],
    scores: Mapping[str, Score],
    labels: ChartLabels,
) -> Drawing:
    """Draw the models as points with the interval of their mean, each with its name beside it."""
    drawing = Drawing(300)
    top = 30
    bottom = 252
    right = WIDTH - 210
    y_ticks = _score_ticks(costs, scores)
    x_ticks = linear_ticks(0.0, max(cost.high for cost in costs.values()), 4)

    def height(value: float) -> float:
        return bottom - (bottom - top) * (value - y_ticks[0]) / (y_ticks[-1] - y_ticks[0])

    for tick in y_ticks:
        drawing.line([(LEFT, height(tick)), (right, height(tick))], "g")
        drawing.text(LEFT - 8, height(tick), format_tick(tick), "end")
    drawing.axis(LEFT, right, bottom, 0.0, x_ticks[-1], top=bottom - 4)
    drawing.text(0, 12, labels.metrics[metric], is_strong=True)
    drawing.text(right + 14, bottom + 12, unit)
    names: list[float] = []
    for model in sorted(costs, key=lambda name: -scores[name].mean):
        score = scores[model]
        series = report.models.index(model) + 1
        y = height(score.mean)
        cost = costs[model]
        low, high = (LEFT + (right - LEFT) * end / x_ticks[-1] for end in (cost.low, cost.high))
        x = (low + high) / 2
        ends = [
            height(end) for end in (score.interval.low, score.interval.high) if math.isfinite(end)
        ]
        drawing.line([(x, ends[0] if ends else y), (x, ends[-1] if ends else y)], "e", width=1.6)
        if not cost.is_exact:
            drawing.line([(low, y), (high, y)], "e", width=1.6)
        drawing.dot(x, y, series, f"{cost} · {describe_score(score)}")
        names.append(max(y, names[-1] + 17) if names else y)
        is_left = high + 14 + width_of(labels.models[model]) > WIDTH
        if is_left:
            beside = low - 11
        else:
            beside = high + 11
        drawing.text(
            beside, names[-1], labels.models[model], "end" if is_left else "start", is_strong=True
        )
    return drawing
