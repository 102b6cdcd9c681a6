"""Two models on one card: better, worse or cannot tell; by how much; what got worse; what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from ..stats.aggregates import Comparison, Score, Usage
from . import files
from .changes import Change

if TYPE_CHECKING:
    from .data import EvaluationResult
    from .files import Picture

Verdict = Literal["better", "worse", "cannot tell"]

VERDICT_WORDS: Final[dict[Verdict, str]] = {
    "better": "更好 / better",
    "worse": "更差 / worse",
    "cannot tell": "无法判断 / cannot tell",
}
MAX_CHANGES: Final = 10


@dataclass(frozen=True)
class Shift:
    """Something beside the scores, before and after; NaN where it is not known."""

    name: str
    unit: str
    before: float
    after: float

    @property
    def change(self) -> float:
        """By how much it went up."""
        return self.after - self.before

    @property
    def ratio(self) -> float:
        """How many times as much it is, NaN without a before."""
        return self.after / self.before if self.before else math.nan


SHIFTS: Final[tuple[tuple[str, str, Callable[[Usage], float]], ...]] = (
    ("cost of 1,000 answers", "CNY", lambda u: u.cost_per_1000),
    ("median latency", "s", lambda u: u.latency_p50),
    ("95th percentile of latency", "s", lambda u: u.latency_p95),
    ("mean answer", "characters", lambda u: u.characters),
    ("cut off", "answers", lambda u: u.truncated),
    ("empty", "answers", lambda u: u.empty),
)
"""What a card compares beside the scores: name, unit, and how a model's usage gives it."""


@dataclass(frozen=True)
class Card:
    """Whether one model is better than another, and the evidence.

    Attributes:
        verdict: by the first metric, at 5 % over all metrics of the report (Holm).
        comparison: the paired test behind it.
        other_comparisons: those of the other metrics.
        scores: both models on the metric, with coverage and worst cases.
        regressions, improvements: the questions that changed most, ten at most of each.
        shifts: cost, latency and length, before and after.
        report: all of it.
    """

    base: str
    tuned: str
    metric: str
    verdict: Verdict
    comparison: Comparison
    other_comparisons: tuple[Comparison, ...]
    scores: tuple[Score, Score]
    regressions: tuple[Change, ...]
    improvements: tuple[Change, ...]
    shifts: tuple[Shift, ...]
    report: EvaluationResult = field(repr=False, compare=False)

    @property
    def difference(self) -> float:
        """By how much the mean went up."""
        return self.comparison.test.difference

    def lines(self) -> list[str]:
        """Return the card as lines of text."""
        test = self.comparison.test
        lines = [
            f"{self.tuned} vs {self.base}: {VERDICT_WORDS[self.verdict]}",
            files.comparison_sentence(self.comparison),
            f"胜 / wins {test.wins}, 负 / losses {test.losses}, 平 / ties {test.ties}",
            *self._needed_rows(),
            *(_format_coverage(score) for score in self.scores if score.n < score.total),
            *(files.comparison_sentence(pair) for pair in self.other_comparisons),
        ]
        return [*lines, *(_format_shift(shift) for shift in self.shifts if not math.isnan(shift.change))]

    def save(self, path: str | Path, *, pictures: Sequence[Picture] = ()) -> Path:
        """Write the card and its report to a .html, .md, .csv, .xlsx or .json file; return its path."""
        return files.save_report(self.report, Path(path).expanduser(), pictures, self.lines())

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _needed_rows(self) -> list[str]:
        """Return how many rows would show the difference, when these do not."""
        test = self.comparison.test
        if self.comparison.is_significant or test.needed is None or test.needed <= test.n:
            return []
        return [
            f"约需 {test.needed:,} 题才能确认 / about {test.needed:,} questions would show this difference"
        ]


def build_card(
    report: EvaluationResult, base: str | None = None, tuned: str | None = None, metric: str | None = None
) -> Card:
    """Return the card of two models of a report, by default the first and the last, by the first metric."""
    base_model, tuned_model = base or report.models[0], tuned or report.models[-1]
    comparisons = {comparison.metric: comparison for comparison in report.versus(base_model, tuned_model)}
    name = report.resolve_metric(metric)
    chosen, changes = comparisons[name], report.changes(name, base=base_model, tuned=tuned_model)
    usage = {usage_row.model: usage_row for usage_row in report.model_usage}
    scores = {score.model: score for score in report.model_scores if score.metric == name}
    return Card(
        base=base_model,
        tuned=tuned_model,
        metric=name,
        verdict=verdict_of(chosen),
        comparison=chosen,
        other_comparisons=tuple(
            comparison for comparison in comparisons.values() if comparison is not chosen
        ),
        scores=(scores[base_model], scores[tuned_model]),
        regressions=tuple(change for change in changes if change.gain < 0)[:MAX_CHANGES],
        improvements=tuple(change for change in reversed(changes) if change.gain > 0)[:MAX_CHANGES],
        shifts=tuple(
            Shift(name, unit, read_usage(usage[base_model]), read_usage(usage[tuned_model]))
            for name, unit, read_usage in SHIFTS
        ),
        report=report,
    )


def verdict_of(comparison: Comparison) -> Verdict:
    """Return the verdict that a comparison allows."""
    if not comparison.is_significant:
        return "cannot tell"
    return "better" if (comparison.test.difference > 0) != comparison.lower_is_better else "worse"


def _format_coverage(score: Score) -> str:
    bounds = (
        "" if math.isnan(score.worst) else f", 极端情况 / if all others: {score.worst:.3f}–{score.best:.3f}"
    )
    return f"{score.model}: {score.n}/{score.total} 有分 / scored, {score.failed} 失败 / failed{bounds}"


def _format_shift(shift: Shift) -> str:
    return f"{shift.name}: {shift.before:.4g} → {shift.after:.4g} {shift.unit} ({shift.change:+.4g})"
