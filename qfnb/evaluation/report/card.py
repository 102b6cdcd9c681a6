"""Two models on one card: better, worse or cannot tell; by how much; what got worse; what it costs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Generic, TypeVar

from ..stats.aggregates import Comparison, Outcome, Score, Usage
from . import files, text
from .data import Change, ReportData

MAX_CHANGES: Final = 10
Report = TypeVar("Report", bound=ReportData)


@dataclass(frozen=True)
class Shift:
    """A number beside the scores, before and after; NaN where it is not known."""

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
        """The number after, divided by that before; NaN when that is 0."""
        return self.after / self.before if self.before else math.nan


SHIFTS: Final[tuple[tuple[str, str, Callable[[Usage], float]], ...]] = (
    ("cost of 1,000 answers", "CNY", lambda usage: usage.cost_per_1000),
    ("median latency", "s", lambda usage: usage.latency_p50),
    ("95th percentile of latency", "s", lambda usage: usage.latency_p95),
    ("mean answer", "characters", lambda usage: usage.characters),
    ("cut off", "answers", lambda usage: usage.truncated),
    ("empty", "answers", lambda usage: usage.empty),
)
"""The numbers that a card compares beside the scores: name, unit, and how a model's usage gives it."""


@dataclass(frozen=True)
class Card(Generic[Report]):
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
        report: the report that the card is of.
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
    report: Report = field(repr=False, compare=False)

    @property
    def difference(self) -> float:
        """By how much the mean went up."""
        return self.comparison.test.difference

    def lines(self) -> list[str]:
        """Return the card as lines of text."""
        test = self.comparison.test
        lines = [
            f"{self.tuned} vs {self.base}: {text.VERDICT_WORDS[self.verdict]}",
            text.comparison_sentence(self.comparison),
            f"胜 / wins {test.wins}, 负 / losses {test.losses}, 平 / ties {test.ties}",
            *text.needed_sentence(self.comparison),
            *(_format_coverage(score) for score in self.scores if score.n < score.total),
            *map(text.comparison_sentence, self.other_comparisons),
        ]
        return [*lines, *(_format_shift(shift) for shift in self.shifts if not math.isnan(shift.change))]

    def save(self, path: str | Path, *, pictures: Sequence[files.Picture] = ()) -> Path:
        """Write the card and its report to a .html, .md, .csv, .xlsx or .json file; return its path."""
        return files.save_report(self.report, Path(path).expanduser(), pictures, self.lines())

    def __repr__(self) -> str:
        return "\n".join(self.lines())


def build_card(
    report: Report, base: str | None = None, tuned: str | None = None, metric: str | None = None
) -> Card[Report]:
    """Return the card of two models of a report.

    Raises:
        InvalidArgumentError: the report does not have these two models or this metric.
    """
    base_model, tuned_model = base or report.models[0], tuned or report.models[-1]
    comparisons = {comparison.metric: comparison for comparison in report.versus(base_model, tuned_model)}
    name = report.resolve_metric(metric)
    decisive, changes = comparisons[name], report.changes(name, base=base_model, tuned=tuned_model)
    usage = {row.model: row for row in report.model_usage}
    scores = {score.model: score for score in report.model_scores if score.metric == name}
    return Card(
        base=base_model,
        tuned=tuned_model,
        metric=name,
        verdict=decisive.outcome,
        comparison=decisive,
        other_comparisons=tuple(pair for pair in comparisons.values() if pair is not decisive),
        scores=(scores[base_model], scores[tuned_model]),
        regressions=tuple(change for change in changes if change.gain < 0)[:MAX_CHANGES],
        improvements=tuple(change for change in reversed(changes) if change.gain > 0)[:MAX_CHANGES],
        shifts=tuple(
            Shift(title, unit, read(usage[base_model]), read(usage[tuned_model])) for title, unit, read in SHIFTS
        ),
        report=report,
    )


def _format_coverage(score: Score) -> str:
    bounds = f", 极端情况 / if all others: {score.worst:.3f}–{score.best:.3f}"
    coverage = f"{score.model}: {score.n}/{score.total} 有分 / scored, {score.failed} 失败 / failed"
    return coverage + ("" if math.isnan(score.worst) else bounds)


def _format_shift(shift: Shift) -> str:
    return f"{shift.name}: {shift.before:.4g} → {shift.after:.4g} {shift.unit} ({shift.change:+.4g})"
