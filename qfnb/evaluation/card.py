"""Two models on one card: better, worse or cannot tell; by how much; what got worse; what it costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from . import export
from .changes import Change
from .counting import Comparison, Score, Usage

if TYPE_CHECKING:
    from .export import Picture
    from .report import EvaluationResult

Verdict = Literal["better", "worse", "cannot tell"]

SAID: Final[dict[Verdict, str]] = {
    "better": "更好 / better",
    "worse": "更差 / worse",
    "cannot tell": "无法判断 / cannot tell",
}
MOST: Final = 10


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
    ("cost of 1,000 answers", "CNY", lambda u: u.price),
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
        others: those of the other metrics.
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
    others: tuple[Comparison, ...]
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
        found = [
            f"{self.tuned} vs {self.base}: {SAID[self.verdict]}",
            export.sentence(self.comparison),
            f"胜 / wins {test.wins}, 负 / losses {test.losses}, 平 / ties {test.ties}",
            *self._few(),
            *(_coverage(score) for score in self.scores if score.n < score.total),
            *(export.sentence(pair) for pair in self.others),
        ]
        return [*found, *(_shifted(shift) for shift in self.shifts if not math.isnan(shift.change))]

    def save(self, path: str | Path, *, pictures: Sequence[Picture] = ()) -> Path:
        """Write the card and its report to a .html, .md, .csv, .xlsx or .json file; return its path."""
        return export.save(self.report, Path(path).expanduser(), pictures, self.lines())

    def __repr__(self) -> str:
        return "\n".join(self.lines())

    def _few(self) -> list[str]:
        """Return how many rows would show the difference, when these do not."""
        test = self.comparison.test
        if self.comparison.is_shown or test.needed is None or test.needed <= test.n:
            return []
        return [
            f"约需 {test.needed:,} 题才能确认 / about {test.needed:,} questions would show this difference"
        ]


def card_of(
    report: EvaluationResult, base: str | None = None, tuned: str | None = None, metric: str | None = None
) -> Card:
    """Return the card of two models of a report, by default the first and the last, by the first metric."""
    first, last = base or report.models[0], tuned or report.models[-1]
    pairs = {pair.metric: pair for pair in report.versus(first, last)}
    name = report.metric(metric)
    chosen, changes = pairs[name], report.changes(name, base=first, tuned=last)
    usage = {used.model: used for used in report.used}
    scores = {score.model: score for score in report.scored if score.metric == name}
    return Card(
        base=first,
        tuned=last,
        metric=name,
        verdict=_verdict(chosen),
        comparison=chosen,
        others=tuple(pair for pair in pairs.values() if pair is not chosen),
        scores=(scores[first], scores[last]),
        regressions=tuple(change for change in changes if change.gain < 0)[:MOST],
        improvements=tuple(change for change in reversed(changes) if change.gain > 0)[:MOST],
        shifts=tuple(Shift(name, unit, of(usage[first]), of(usage[last])) for name, unit, of in SHIFTS),
        report=report,
    )


def _verdict(pair: Comparison) -> Verdict:
    if not pair.is_shown:
        return "cannot tell"
    return "better" if (pair.test.difference > 0) != pair.less else "worse"


def _coverage(score: Score) -> str:
    bounds = (
        "" if math.isnan(score.worst) else f", 极端情况 / if all others: {score.worst:.3f}–{score.best:.3f}"
    )
    return f"{score.model}: {score.n}/{score.total} 有分 / scored, {score.failed} 失败 / failed{bounds}"


def _shifted(shift: Shift) -> str:
    return f"{shift.name}: {shift.before:.4g} → {shift.after:.4g} {shift.unit} ({shift.change:+.4g})"
