"""How sure a number is, and whether a difference is real: intervals and paired tests, as values.

Rates (all scores 0 or 1) have Wilson intervals and the exact McNemar test; other means have BCa bootstrap
intervals and a paired sign-flip permutation test. Everything random is seeded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVEL = 0.95
RESAMPLES = 9999
SEED = 20240601


@dataclass(frozen=True)
class Interval:
    """A confidence interval; `method` is how it was made."""

    low: float
    high: float
    method: str
    level: float = LEVEL


@dataclass(frozen=True)
class PairedTest:
    """A comparison of two models on the same questions.

    Attributes:
        difference: mean of b minus mean of a.
        interval: of the difference.
        p_value: two-sided.
        n: questions that both answered.
        wins, losses, ties: questions on which b is better, worse, the same.
        detectable: the smallest difference that so many questions would show in 80 % of trials.
    """

    difference: float
    interval: Interval
    p_value: float
    method: str
    n: int
    wins: int
    losses: int
    ties: int
    detectable: float


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the interval of a mean; NaN bounds without values."""
    if not values:
        return Interval(math.nan, math.nan, "none")
    if _is_rate(values):
        return wilson(sum(values), len(values))
    return _bootstrap(values)


def wilson(successes: float, n: int) -> Interval:
    """Return the Wilson score interval of a rate."""
    from scipy.stats import binomtest  # noqa: PLC0415 - 0.3 s that only reports should pay

    found = binomtest(round(successes), n).proportion_ci(LEVEL, method="wilson")
    return Interval(float(found.low), float(found.high), "Wilson")


def paired(a: Sequence[float], b: Sequence[float]) -> PairedTest:
    """Compare two models' scores, question by question."""
    differences = [y - x for x, y in zip(a, b, strict=True)]
    n = len(differences)
    wins, losses = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    mean = sum(differences) / n if n else math.nan
    interval = _bootstrap(differences) if n else Interval(math.nan, math.nan, "none")
    rate = _is_rate(a) and _is_rate(b)
    p_value = 1.0 if not wins + losses else _mcnemar(wins, losses) if rate else _sign_flip(differences)
    method = "exact McNemar" if rate else "paired permutation"
    detectable = _detectable(differences)
    return PairedTest(mean, interval, p_value, method, n, wins, losses, n - wins - losses, detectable)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for making several comparisons (Holm)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = running
    return corrected


def _is_rate(values: Sequence[float]) -> bool:
    return set(values) <= {0.0, 1.0}


def _mcnemar(wins: int, losses: int) -> float:
    from scipy.stats import binomtest  # noqa: PLC0415

    return float(binomtest(wins, wins + losses).pvalue)


def _sign_flip(differences: Sequence[float]) -> float:
    import numpy as np  # noqa: PLC0415
    from scipy.stats import permutation_test  # noqa: PLC0415

    found = permutation_test(
        (np.asarray(differences),), np.mean, permutation_type="samples", n_resamples=RESAMPLES, rng=SEED
    )
    return float(found.pvalue)


def _bootstrap(values: Sequence[float]) -> Interval:
    import numpy as np  # noqa: PLC0415
    from scipy.stats import bootstrap  # noqa: PLC0415

    data = np.asarray(values, dtype=float)
    if len(data) < 2 or np.ptp(data) == 0:
        value = float(data.mean())
        return Interval(value, value, "constant")
    found = bootstrap((data,), np.mean, confidence_level=LEVEL, n_resamples=RESAMPLES, method="BCa", rng=SEED)
    low, high = found.confidence_interval
    return Interval(float(low), float(high), "BCa bootstrap")


def _detectable(differences: Sequence[float]) -> float:
    """Return the difference with 80 % power at 5 %, from the spread that was seen: 2.8 standard errors."""
    n = len(differences)
    if n < 2:
        return math.nan
    mean = sum(differences) / n
    spread = math.sqrt(sum((d - mean) ** 2 for d in differences) / (n - 1))
    return 2.8 * spread / math.sqrt(n)
