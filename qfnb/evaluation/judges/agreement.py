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


def compute_agreement(ratings: Sequence[Ratings[Label]]) -> Agreement:
    """Return how far judges agree, over the answers that all of them judged.

    Args:
        ratings: what each judge said of each answer, None for nothing; as many for all judges.
    """
    rows = list(zip(*ratings, strict=True))
    complete_rows = [[label for label in row if label is not None] for row in rows if None not in row]
    agreement_shares = [_observed_share(row) for row in complete_rows]
    percent = 100 * sum(agreement_shares) / len(agreement_shares) if agreement_shares else math.nan
    is_pair = len(ratings) == 2
    kappa = (
        cohen_kappa(*zip(*complete_rows, strict=True))
        if is_pair and complete_rows
        else fleiss_kappa(complete_rows)
    )
    return Agreement(
        len(complete_rows),
        len(rows) - len(complete_rows),
        percent,
        kappa,
        "Cohen's" if is_pair else "Fleiss'",
    )


def cohen_kappa(first: Sequence[Label], second: Sequence[Label]) -> float:
    """Return Cohen's kappa of two judges (1960); NaN when both always say the same one thing."""
    n = len(first)
    if not n:
        return math.nan
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    first_counts, second_counts = Counter(first), Counter(second)
    return _beyond_chance(
        observed, sum(first_counts[label] * second_counts[label] for label in first_counts) / n**2
    )


def fleiss_kappa(rows: Sequence[Sequence[Label]]) -> float:
    """Return Fleiss' kappa (1971) of two or more labels per answer, as many for all answers; NaN likewise."""
    if not rows:
        return math.nan
    observed = sum(map(_observed_share, rows)) / len(rows)
    totals = Counter(label for row in rows for label in row)
    total = totals.total()
    return _beyond_chance(observed, sum((count / total) ** 2 for count in totals.values()))


def _observed_share(row: Sequence[Label]) -> float:
    """Return the share of pairs of judges that gave an answer the same label."""
    judges = len(row)
    return sum(count * (count - 1) for count in Counter(row).values()) / (judges * (judges - 1))


def _beyond_chance(observed: float, chance: float) -> float:
    return math.nan if chance >= 1 else (observed - chance) / (1 - chance)
