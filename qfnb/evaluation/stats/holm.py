"""How several comparisons of a report are decided: p-values, levels and intervals corrected by Holm
1979.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from .intervals import LEVEL

# 1 - 0.95 is a little above 0.05, which is a p-value that tests give
ALPHA: Final = round(1 - LEVEL, 9)


@dataclass(frozen=True)
class Decision:
    """How a comparison is decided among others.

    Attributes:
        is_significant: whether the test rejects that the models are equal.
        alpha: the p-value below which it does, given what the tests of the others say.
        interval_alpha: the error of the interval; with those of the others they add up to 5 %.
    """

    is_significant: bool
    alpha: float = ALPHA
    interval_alpha: float = ALPHA


def correct(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for making several comparisons (Holm); NaN stands for no
    comparison, and stays.
    """
    order = sorted(
        (i for i, p in enumerate(p_values) if not math.isnan(p)), key=lambda i: p_values[i]
    )
    corrected = [math.nan] * len(p_values)
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, p_values[index] * (len(order) - rank)))
        corrected[index] = running
    return corrected


def decide(p_values: Sequence[float]) -> list[Decision]:
    """Return how each of several comparisons is decided.

    Holm tests the smallest p-value of m at 5 % / m, the next at 5 % / (m - 1), and so on until one
    is not significant. Intervals are those of Bonferroni, 5 % / m each: together they cover with 95
    %. Only where Holm rejects and Bonferroni does not, an interval has the level at which Holm
    rejects.
    """
    corrected = correct(p_values)
    n = sum(not math.isnan(p) for p in p_values)
    is_rejected = [p < ALPHA for p in corrected]
    decisions = []
    for p_value, significant in zip(p_values, is_rejected, strict=True):
        undecided = max(1, n - sum(is_rejected) + significant)
        rank = sum(other < p_value for other in p_values)
        if not significant or p_value < ALPHA / n:
            step = n
        else:
            step = n - rank
        decisions.append(Decision(significant, ALPHA / undecided, ALPHA / max(1, step)))
    return decisions
