"""How sure a number is, and whether a difference is real: intervals and paired tests, as values.

| scores | interval of the mean | interval of a difference | test |
|---|---|---|---|
| rates, all 0 or 1 | Wilson | Agresti-Min | exact McNemar |
| other means | BCa bootstrap | BCa bootstrap | paired sign-flip permutation |
| either, with clusters | cluster-robust (Wilson or t) | cluster-robust t | sign-flip of whole clusters |

Rows that belong together (the questions on one document, the turns of one talk) are a cluster: they are less
evidence than as many rows of their own. Everything random is seeded. Sources: Miller 2024 (arXiv 2411.00640),
Agresti and Min 2005, Holm 1979.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Final

from . import significance

LEVEL: Final = 0.95
MIN_ROWS: Final = 6
"""Rows (or clusters) that a test needs: with five, even five wins out of five have p = 0.0625."""

_Z: Final = NormalDist().inv_cdf(0.5 + LEVEL / 2)
_POWER_Z: Final = _Z + NormalDist().inv_cdf(0.8)
"""Standard errors of a difference that 80 % of trials show."""

Clusters = Sequence[Hashable] | None
"""For each score, what it belongs to; None when all rows stand for themselves."""


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
        detectable: the smallest difference that so many questions would show in 80 % of trials; NaN when
            they are too few to show any.
        effect: the mean of the differences over their spread (Cohen's d of pairs); NaN without spread.
        needed: questions that would show the difference seen here in 80 % of trials; None when it is 0.
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
    effect: float = math.nan
    needed: int | None = None


NO_INTERVAL: Final = Interval(math.nan, math.nan, "none")


def mean_interval(values: Sequence[float], clusters: Clusters = None) -> Interval:
    """Return the interval of a mean; NaN bounds where there is too little to say."""
    if not values:
        return NO_INTERVAL
    rate = _is_rate(values)
    if clusters is not None:
        return _clustered_interval(values, clusters, rate=rate)
    return wilson(sum(values), len(values)) if rate else _bootstrap_interval(values)


def wilson(successes: float, n: float, quantile: float = _Z, method: str = "Wilson") -> Interval:
    """Return the Wilson score interval of a rate; `n` may be an effective number of rows."""
    rate, square = successes / n, quantile**2
    centre = (rate + square / (2 * n)) / (1 + square / n)
    half = quantile / (1 + square / n) * math.sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Interval(0.0 if rate == 0 else low, 1.0 if rate == 1 else high, method)


def paired_test(a: Sequence[float], b: Sequence[float], clusters: Clusters = None) -> PairedTest:
    """Compare two models' scores, question by question."""
    differences = [y - x for x, y in zip(a, b, strict=True)]
    n = len(differences)
    wins, losses = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    mean = sum(differences) / n if n else math.nan
    rate = _is_rate(a) and _is_rate(b)
    interval, standard_error, n_units = _difference_interval(differences, clusters, wins, losses, rate=rate)
    p_value, method = _difference_p_value(differences, clusters, wins, losses, rate=rate)
    spread = significance.standard_deviation(differences)
    return PairedTest(
        difference=mean,
        interval=interval,
        p_value=p_value,
        method=method,
        n=n,
        wins=wins,
        losses=losses,
        ties=n - wins - losses,
        detectable=_detectable_difference(standard_error, n_units, rate=rate),
        effect=mean / spread if spread else math.nan,
        needed=math.ceil(n * (_POWER_Z * standard_error / mean) ** 2)
        if mean and standard_error > 0
        else None,
    )


def swap_test(test: PairedTest) -> PairedTest:
    """Return the comparison of a with b as that of b with a."""
    interval = test.interval
    return replace(
        test,
        difference=-test.difference,
        interval=replace(interval, low=-interval.high, high=-interval.low),
        wins=test.losses,
        losses=test.wins,
        effect=-test.effect,
    )


def holm_correction(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for making several comparisons (Holm)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, running = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = running
    return corrected


def _is_rate(values: Sequence[float]) -> bool:
    return set(values) <= {0.0, 1.0}


def _clustered_interval(values: Sequence[float], clusters: Sequence[Hashable], *, rate: bool) -> Interval:
    """Return an interval that knows that rows of one cluster resemble each other."""
    standard_error, n_clusters = significance.clustered_standard_error(values, clusters)
    mean = sum(values) / len(values)
    if n_clusters < 2:
        return Interval(math.nan, math.nan, "one cluster")
    quantile = significance.t_quantile(0.5 + LEVEL / 2, n_clusters - 1)
    if rate:
        effective_n = mean * (1 - mean) / standard_error**2 if standard_error else n_clusters
        return wilson(mean * (n := min(effective_n, len(values))), n, quantile, "Wilson, clustered")
    return Interval(mean - quantile * standard_error, mean + quantile * standard_error, "t, clustered")


def _difference_interval(
    differences: Sequence[float], clusters: Clusters, wins: int, losses: int, *, rate: bool
) -> tuple[Interval, float, int]:
    """Return the interval of the mean difference, its standard error, and how many units there are."""
    n = len(differences)
    if not n:
        return NO_INTERVAL, math.nan, 0
    if clusters is not None:
        standard_error, n_clusters = significance.clustered_standard_error(differences, clusters)
        return _clustered_interval(differences, clusters, rate=False), standard_error, n_clusters
    standard_error = significance.standard_deviation(differences) / math.sqrt(n)
    return _agresti_min(wins, losses, n) if rate else _bootstrap_interval(differences), standard_error, n


def _difference_p_value(
    differences: Sequence[float], clusters: Clusters, wins: int, losses: int, *, rate: bool
) -> tuple[float, str]:
    """Return the p-value and the name of the test; without any difference it is 1."""
    is_changed = wins + losses > 0
    if clusters is not None:
        return significance.clustered_sign_flip_p_value(
            differences, clusters
        ) if is_changed else 1.0, "clustered permutation"
    if rate:
        return significance.mcnemar_p_value(wins, losses) if is_changed else 1.0, "exact McNemar"
    return significance.sign_flip_p_value(differences) if is_changed else 1.0, "paired permutation"


def _agresti_min(wins: int, losses: int, n: int) -> Interval:
    """Return the interval of the difference of two paired rates: it has a width even when all rows tie."""
    b, c, n_adjusted = wins + 0.5, losses + 0.5, n + 2
    centre = (b - c) / n_adjusted
    half = _Z * math.sqrt(b + c - (b - c) ** 2 / n_adjusted) / n_adjusted
    return Interval(max(-1.0, centre - half), min(1.0, centre + half), "Agresti-Min")


def _bootstrap_interval(values: Sequence[float]) -> Interval:
    if len(values) < 2:
        return Interval(math.nan, math.nan, "one row")
    if min(values) == max(values):
        return Interval(values[0], values[0], "constant")
    return Interval(*significance.bca_interval(values, LEVEL), "BCa bootstrap")


def _detectable_difference(standard_error: float, n_units: int, *, rate: bool) -> float:
    """Return the difference with 80 % power at 5 %, from the spread that was seen."""
    if n_units < MIN_ROWS or not (standard_error or rate):
        return math.nan
    return max(_POWER_Z * standard_error, MIN_ROWS / n_units if rate else 0.0)
