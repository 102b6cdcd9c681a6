"""Two models on one card: better, worse or cannot tell; by how much; what got worse; what it
costs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ...base.language import tr, tr_noop
from ...base.text import labelled
from ..stats.aggregates import Comparison, Outcome, Score
from . import text
from .data import Change, ReportData
from .files import Findings

MAX_CHANGES: Final = 10


@dataclass(frozen=True)
class Shift:
    """A number beside the scores, before and after; NaN where it is not known."""

    name: str
    unit: str
    before: float
    after: float
    # where a number is the upper end of a range: the lower ends
    lows: tuple[float, float] = (math.nan, math.nan)

    def amounts(self) -> tuple[str, str]:
        """Return the numbers before and after as text."""
        low_before, low_after = self.lows
        return _format_amount(low_before, self.before), _format_amount(low_after, self.after)

    @property
    def is_known(self) -> bool:
        """Whether one of the numbers is known."""
        return not (math.isnan(self.before) and math.isnan(self.after))

    @property
    def change(self) -> float:
        """By how much it went up."""
        return self.after - self.before

    @property
    def ratio(self) -> float:
        """The number after, divided by that before; NaN when that is 0."""
        if self.before:
            return self.after / self.before
        return math.nan


SHIFTS: Final = (
    (tr_noop("cost of 1,000 answers"), tr_noop("CNY"), "cost_per_1000"),
    (tr_noop("median latency"), tr_noop("s"), "latency_p50"),
    (tr_noop("95th percentile of latency"), tr_noop("s"), "latency_p95"),
    (tr_noop("mean answer"), tr_noop("characters"), "characters"),
    (tr_noop("cut off"), tr_noop("answers"), "truncated"),
    (tr_noop("empty"), tr_noop("answers"), "empty"),
)
"""The numbers that a card compares beside the scores: name, unit, and the total of a model's
usage.
"""


@dataclass(frozen=True, repr=False)
class Card(Findings):
    """Whether one model is better than another, and the evidence.

    Attributes:
        base, tuned: labels of the two models.
        metric: the metric that decides.
        verdict: on that metric, at 5 % over all comparisons of the report (Holm).
        comparison: the paired test behind the verdict.
        other_comparisons: those of the other metrics.
        scores: both models on the metric, with coverage and worst cases.
        regressions, improvements: the questions that changed most, at most `MAX_CHANGES` of each.
        shifts: cost, latency and length, before and after.
        report: the `EvaluationResult` that the card is of.
    """

    base: str
    tuned: str
    metric: str
    verdict: Outcome
    comparison: Comparison
    other_comparisons: tuple[Comparison, ...]
    scores: tuple[Score, Score]
    regressions: tuple[Change, ...]
    improvements: tuple[Change, ...]
    shifts: tuple[Shift, ...]
    report: Any = field(repr=False, compare=False)

    @property
    def difference(self) -> float:
        """By how much the mean went up."""
        return self.comparison.test.difference

    def lines(self) -> list[str]:
        """Return the card as lines of text."""
        report = self.report
        units = [self.comparison.test.interval.units]
        lines = [
            text.comparison_sentence(self.comparison),
            text.counts_sentence(self.comparison),
            *text.power_sentences(self.comparison),
            text.rough_sentence(units, is_clustered=bool(report.cluster)),
            *map(text.coverage_sentence, self.scores),
            *(text.failure_sentence(report, model) for model in (self.base, self.tuned)),
            *text.average_sentences(report, (self.base, self.tuned)),
            *map(text.comparison_sentence, self.other_comparisons),
            *text.repeat_sentences(report, self.metric),
        ]
        for shift in self.shifts:
            if shift.is_known and (shift.before or shift.after):
                name = tr("{name} ({unit})", name=tr(shift.name), unit=tr(shift.unit))
                lines.append(labelled(name, " → ".join(shift.amounts())))
        return [*filter(None, dict.fromkeys(lines))]


def build_card(
    report: ReportData, base: str | None = None, tuned: str | None = None, metric: str | None = None
) -> Card:
    """Return the card of two models of a report.

    Raises:
        InvalidArgumentError: the report does not have these two models or this metric.
    """
    base_model = base or report.models[0]
    tuned_model = tuned or report.models[-1]
    pairs = {pair.metric: pair for pair in report.versus(base_model, tuned_model)}
    name = report.resolve_metric(metric)
    decisive = pairs.pop(name)
    changes = report.changes(name, base=base_model, tuned=tuned_model)
    usage = {row.model: row for row in report.model_usage}
    scores = {score.model: score for score in report.model_scores if score.metric == name}
    n_worse = sum(change.gain < 0 for change in changes)  # the worst come first
    worse = changes[:n_worse]
    better = changes[n_worse:][::-1]
    before = usage[base_model]
    after = usage[tuned_model]
    shifts = []
    for title, unit, total in SHIFTS:
        shift = Shift(title, unit, getattr(before, total), getattr(after, total))
        if unit == "CNY":
            shift = replace(shift, lows=(before.cost_low_per_1000, after.cost_low_per_1000))
        shifts.append(shift)
    return Card(
        base=base_model,
        tuned=tuned_model,
        metric=name,
        verdict=decisive.outcome,
        comparison=decisive,
        other_comparisons=tuple(pairs.values()),
        scores=(scores[base_model], scores[tuned_model]),
        regressions=worse[:MAX_CHANGES],
        improvements=better[:MAX_CHANGES],
        shifts=tuple(shifts),
        report=report,
    )


def _format_amount(low: float, high: float) -> str:
    if math.isnan(high):
        return text.NO_VALUE
    if math.isnan(low) or low == high:
        return f"{high:,.3g}"
    return f"{low:,.3g}–{high:,.3g}"
