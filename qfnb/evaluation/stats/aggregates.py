"""What samples add up to: a model's score on a metric, its usage, and two models side by side."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ...base.language import tr
from ...base.text import is_missing
from ..samples import Sample
from . import intervals, significance
from .intervals import UNIT_SCALE, Interval, Scale


@dataclass(frozen=True)
class Average:
    """A model's mean on a metric over a group of questions.

    Attributes:
        column, value: of the questions that are in it; both "" for all questions.
        units: subjects whose means are averaged, each alike.
        questions: that have a score.
    """

    model: str
    metric: str
    column: str
    value: str
    units: int
    questions: int
    mean: float
    interval: Interval


def average_groups(
    model: str,
    metric: str,
    samples: Sequence[Sample],
    benchmark: Mapping[str, Any],
    scale: Scale | None = None,
) -> list[Average]:
    """Return the averages of a benchmark, the one over all first, then groups of subjects, then
    subjects.

    Args:
        model: the label of the model.
        metric: the metric.
        samples: those of the model, one for each question.
        benchmark: its columns of groups, the last of which has the subjects.
        scale: (lowest, highest possible score), where that is not 0-1.
    """
    groups = benchmark.get("groups", ())
    if not groups:
        return []
    scored = [sample for sample in samples if not math.isnan(sample.score(metric))]
    subjects = _split(scored, groups[-1])

    def average(column: str, value: str, members: Sequence[str]) -> Average:
        means = []
        scores: list[float] = []
        for name in members:
            row = [sample.score(metric) for sample in subjects[name]]
            means.append(statistics.fmean(row))
            scores += row
        if means:
            mean = statistics.fmean(means)
        else:
            mean = math.nan
        if len(means) > 1:
            interval = intervals.interval_with_ends(
                means, None, scale or UNIT_SCALE, method="t of subjects' means"
            )
        else:
            interval = intervals.mean_interval(scores, None, scale)
        return Average(model, metric, column, value, len(means), len(scores), mean, interval)

    averages = [average("", "", [*subjects])]
    for column in groups[:-1]:
        for value in sorted(_split(scored, column)):
            members = [name for name, rows in subjects.items() if rows[0].cell(column) == value]
            averages.append(average(column, value, members))
    for name in subjects:
        averages.append(average(groups[-1], name, [name]))
    return averages


def _split(samples: Sequence[Sample], column: str) -> dict[str, list[Sample]]:
    """Return samples by the value of a column, those without one left out."""
    parts: dict[str, list[Sample]] = {}
    for sample in samples:
        if (value := sample.cell(column)) is not None:
            parts.setdefault(str(value), []).append(sample)
    return parts


Outcome = Literal["better", "worse", "cannot tell"]


@dataclass(frozen=True)
class Score:
    """A model on one metric.

    Attributes:
        worst, best: the mean if every row without a score had the lowest, the highest one of the
        scale; NaN
            where the scale is not known.
    """

    model: str
    metric: str
    n: int  # rows that have a score
    total: int  # rows that were asked
    failed: int  # rows without an answer; they are never scored as wrong answers
    mean: float  # over the rows that have a score
    interval: intervals.Interval
    worst: float
    best: float

    @property
    def missing(self) -> int:
        """Answered rows without a score: the metric is not applicable there, or a judge failed."""
        return self.total - self.failed - self.n

    @property
    def coverage(self) -> float:
        """The share of the rows that have a score."""
        return _ratio(self.n, self.total)


def _ratio(part: float, whole: int) -> float:
    if whole:
        return part / whole
    return math.nan


@dataclass(frozen=True)
class UsageTotals:
    """What the answers of a model took; NaN where it is not known."""

    model: str
    total: int  # rows that were asked
    answered: int  # rows with an answer
    truncated: int  # answers that reached the highest allowed length
    empty: int  # answers without text
    cost_low: float  # the lower end of the list price, in CNY
    cost: float  # its upper end
    tokens: float  # of the answers
    latency_p50: float  # the median duration, in seconds
    latency_p95: float  # its 95th percentile
    characters: float  # of an answer, on average

    @property
    def failed(self) -> int:
        """Rows without an answer."""
        return self.total - self.answered

    @property
    def cost_per_1000(self) -> float:
        """CNY of 1,000 answers at most, NaN where it is not known."""
        return _ratio(1000 * self.cost, self.answered)

    @property
    def cost_low_per_1000(self) -> float:
        """CNY of 1,000 answers at least, NaN where it is not known."""
        return _ratio(1000 * self.cost_low, self.answered)


@dataclass(frozen=True)
class Comparison:
    """Two models on one metric."""

    metric: str
    baseline: str
    candidate: str
    test: significance.PairedTest
    p_holm: float  # NaN without a question that both answered
    lower_is_better: bool = False
    n_comparisons: int = 1  # of the report, over which p-values and intervals are corrected

    @property
    def is_significant(self) -> bool:
        """Whether the difference is beyond chance, at 5 % over all comparisons of the report."""
        return self.p_holm < significance.ALPHA

    @property
    def is_lost_to_holm(self) -> bool:
        """Whether the difference would be significant if it were the report's only comparison."""
        return not self.is_significant and self.test.p_value < significance.ALPHA

    def swapped(self) -> Comparison:
        """Return the comparison of the candidate as baseline with the baseline as candidate."""
        test = significance.swap_test(self.test)
        return replace(self, baseline=self.candidate, candidate=self.baseline, test=test)

    @property
    def outcome(self) -> Outcome:
        """Whether the candidate is better than the baseline."""
        if not self.is_significant:
            return "cannot tell"
        if (self.test.difference > 0) != self.lower_is_better:
            return "better"
        return "worse"

    @property
    def verdict(self) -> str:
        """What the test shows, in words."""
        if self.is_significant:
            return tr(
                "{model} is better",
                model=self.candidate if self.outcome == "better" else self.baseline,
            )
        if not self.test.n:
            return tr("No question has a score of both models.")
        if math.isnan(self.test.detectable):
            return tr("no difference shown (n = {n} cannot show any)", n=self.test.n)
        return tr(
            "no difference shown (smallest detectable: {size})", size=f"{self.test.detectable:.2f}"
        )


def score_model(
    model: str,
    metric: str,
    samples: Sequence[Sample],
    scale: Scale | None = None,
    cluster: str = "",
) -> Score:
    """Return a model's score on a metric, from all its samples; the scale is 0-1 where all scores
    are in it.
    """
    scored = []
    values = []
    failed = 0
    for sample in samples:
        failed += bool(sample.error)
        score = sample.score(metric)
        if not math.isnan(score):
            scored.append(sample)
            values.append(score)
    total = len(samples)
    n_missing = total - len(values)
    if scale:
        low, high = scale
    elif not values or 0 <= min(values) <= max(values) <= 1:
        low, high = UNIT_SCALE
    else:
        low = high = math.nan
    lowest = highest = 0.0
    if n_missing:
        lowest = n_missing * low
        highest = n_missing * high
    return Score(
        model=model,
        metric=metric,
        n=len(values),
        total=total,
        failed=failed,
        mean=_ratio(sum(values), len(values)),
        interval=intervals.mean_interval(values, cluster_labels(scored, cluster), scale),
        worst=_ratio(sum(values) + lowest, total),
        best=_ratio(sum(values) + highest, total),
    )


def summarize_usage(model: str, samples: Sequence[Sample]) -> UsageTotals:
    """Return the use of the answers of a model: tokens, cost, time."""
    answered = 0
    truncated = 0
    empty = 0
    characters = 0
    cost_low = 0.0
    cost = 0.0
    tokens = 0.0
    seconds = []
    for sample in samples:
        if sample.error:
            continue
        answered += 1
        truncated += sample.finish_reason == "length"
        empty += not sample.output.strip()
        characters += len(sample.output)
        upper = math.nan if sample.cost is None else sample.cost
        cost += upper
        cost_low += upper if sample.cost_low is None else sample.cost_low
        tokens += math.nan if sample.tokens is None else sample.tokens
        if sample.seconds is not None:
            seconds.append(sample.seconds)
    if not answered or math.isnan(cost):
        cost_low = cost = math.nan
    seconds.sort()
    return UsageTotals(
        model=model,
        total=len(samples),
        answered=answered,
        truncated=truncated,
        empty=empty,
        cost_low=cost_low,
        cost=cost,
        tokens=tokens if answered else math.nan,
        latency_p50=statistics.median(seconds) if seconds else math.nan,
        latency_p95=seconds[math.ceil(0.95 * len(seconds)) - 1] if seconds else math.nan,
        characters=_ratio(characters, answered),
    )


def _pair_models(
    metric: str,
    baseline: Mapping[int, Sample],
    candidate: Mapping[int, Sample],
    cluster: str,
    scale: Scale | None,
) -> significance.Pairs:
    """Return two models' scores on the questions on which both have one."""
    shared = []
    a = []
    b = []
    for index, before in baseline.items():
        if index in candidate:
            scores = before.score(metric), candidate[index].score(metric)
            if not math.isnan(sum(scores)):
                shared.append(before)
                a.append(scores[0])
                b.append(scores[1])
    return significance.pair_scores(a, b, cluster_labels(shared, cluster), scale)


def compare_all(
    metrics: Sequence[str],
    models: Mapping[str, Mapping[int, Sample]],
    cluster: str = "",
    lower_is_better: frozenset[str] = frozenset(),
    scales: Mapping[str, Scale] | None = None,
) -> tuple[Comparison, ...]:
    """Compare every pair of models on every metric; p-values and intervals are corrected over all.

    Args:
        metrics: the metrics that are compared.
        models: {model: {index of the question: its sample}}.
        cluster: the column whose rows belong together, default none.
        lower_is_better: metrics of which lower scores are the better ones; wins are the
            candidate's.
        scales: {metric: (lowest, highest possible score)}, where that is not 0-1.
    """
    names = []
    pairs = []
    for metric in metrics:
        scale = (scales or {}).get(metric)
        for a, b in itertools.combinations(models, 2):
            names.append((metric, a, b))
            pairs.append(_pair_models(metric, models[a], models[b], cluster, scale))
    p_values = [pair.p_value for pair in pairs]
    decisions = significance.decide(p_values)
    corrected = significance.correct(p_values)
    n = max(1, len(p_values) - sum(map(math.isnan, p_values)))
    comparisons = []
    for name, pair, decision, p_holm in zip(names, pairs, decisions, corrected, strict=True):
        test = significance.describe_pairs(pair, decision)
        is_lower_better = name[0] in lower_is_better
        if is_lower_better:
            test = replace(test, wins=test.losses, losses=test.wins)
        comparisons.append(Comparison(*name, test, p_holm, is_lower_better, n))
    return tuple(comparisons)


def cluster_labels(samples: Sequence[Sample], column: str) -> list[str] | None:
    """Return the cluster of each sample, None without a column; a row without a value is its own
    cluster.
    """
    if not column:
        return None
    labels = []
    for sample in samples:
        cell = sample.cell(column)
        labels.append(f"row {sample.index}" if is_missing(cell) else f"in {cell!r}")
    return labels
