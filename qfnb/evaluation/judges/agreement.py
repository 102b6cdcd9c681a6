"""How far judges agree, beyond chance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TypeVar

Label = TypeVar("Label", bound=Hashable)
Ratings = Sequence[Label | None]


@dataclass(frozen=True)
class Agreement:
    """How far two or more judges agree.

    Attributes:
        n: answers that all of them judged.
        missing: answers that at least one of them did not judge.
        percent: share of pairs of judges that give the same label, 0-100.
        kappa: 1 for full agreement, 0 for no more than chance; NaN when only one label occurs.
        method: Cohen's kappa for two judges, Fleiss' for more.
    """

    n: int
    missing: int
    percent: float
    kappa: float
    method: str

    def __repr__(self) -> str:
        return (
            f"{self.percent:.0f} % agreement, {self.method} kappa {self.kappa:.2f} "
            f"(n = {self.n}, {self.missing} missing)"
        )


def compute_agreement(ratings: Sequence[Ratings[Label]]) -> Agreement:
    """Return how far judges agree, over the answers that all of them judged.

    Args:
        ratings: for each judge the label of each answer, None for a missing one; all of one length.
    """
    rows = list(zip(*ratings, strict=True))
    complete_rows = [[label for label in row if label is not None] for row in rows if None not in row]
    shares = [_observed_share(row) for row in complete_rows]
    percent = 100 * sum(shares) / len(shares) if shares else math.nan
    is_pair = len(ratings) == 2
    pairs = zip(*complete_rows, strict=True) if is_pair else ()
    kappa = cohen_kappa(*pairs) if is_pair and complete_rows else fleiss_kappa(complete_rows)
    n_missing = len(rows) - len(complete_rows)
    return Agreement(len(complete_rows), n_missing, percent, kappa, "Cohen's" if is_pair else "Fleiss'")


def cohen_kappa(first: Sequence[Label], second: Sequence[Label]) -> float:
    """Return Cohen's kappa of two judges (1960); NaN when both always give the same single label."""
    n = len(first)
    if not n:
        return math.nan
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    first_counts, second_counts = Counter(first), Counter(second)
    chance = sum(first_counts[label] * second_counts[label] for label in first_counts) / n**2
    return _beyond_chance(observed, chance)


def fleiss_kappa(rows: Sequence[Sequence[Label]]) -> float:
    """Return Fleiss' kappa (1971); NaN when only one label occurs.

    Args:
        rows: for each answer the labels of two or more judges, the same number for all answers.
    """
    if not rows:
        return math.nan
    observed = sum(map(_observed_share, rows)) / len(rows)
    totals = Counter(label for row in rows for label in row)
    return _beyond_chance(observed, sum((count / totals.total()) ** 2 for count in totals.values()))


def _observed_share(row: Sequence[Label]) -> float:
    """Return the share of pairs of judges that gave an answer the same label."""
    judges = len(row)
    return sum(count * (count - 1) for count in Counter(row).values()) / (judges * (judges - 1))


def _beyond_chance(observed: float, chance: float) -> float:
    return math.nan if chance >= 1 else (observed - chance) / (1 - chance)
