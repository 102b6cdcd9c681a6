"""How far judges agree, beyond what chance would give."""

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
        percent: share of pairs of judges that say the same, 0-100.
        kappa: 1 for all the same, 0 for no more than chance; NaN when nobody ever differs from one label.
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


def agreement(ratings: Sequence[Ratings[Label]]) -> Agreement:
    """Return how far judges agree, over the answers that all of them judged.

    Args:
        ratings: what each judge said of each answer, None for nothing; as many for all judges.
    """
    rows = list(zip(*ratings, strict=True))
    whole = [[label for label in row if label is not None] for row in rows if None not in row]
    same = [_observed(row) for row in whole]
    percent = 100 * sum(same) / len(same) if same else math.nan
    two = len(ratings) == 2
    found = cohen_kappa(*zip(*whole, strict=True)) if two and whole else fleiss_kappa(whole)
    return Agreement(len(whole), len(rows) - len(whole), percent, found, "Cohen's" if two else "Fleiss'")


def cohen_kappa(first: Sequence[Label], second: Sequence[Label]) -> float:
    """Return Cohen's kappa of two judges (1960); NaN when both always say the same one thing."""
    n = len(first)
    if not n:
        return math.nan
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    own, other = Counter(first), Counter(second)
    return _beyond(observed, sum(own[label] * other[label] for label in own) / n**2)


def fleiss_kappa(rows: Sequence[Sequence[Label]]) -> float:
    """Return Fleiss' kappa (1971) of two or more labels per answer, as many for all answers; NaN likewise."""
    if not rows:
        return math.nan
    observed = sum(map(_observed, rows)) / len(rows)
    totals = Counter(label for row in rows for label in row)
    everything = totals.total()
    return _beyond(observed, sum((count / everything) ** 2 for count in totals.values()))


def _observed(row: Sequence[Label]) -> float:
    """Return the share of pairs of judges that gave an answer the same label."""
    judges = len(row)
    return sum(count * (count - 1) for count in Counter(row).values()) / (judges * (judges - 1))


def _beyond(observed: float, chance: float) -> float:
    return math.nan if chance >= 1 else (observed - chance) / (1 - chance)
