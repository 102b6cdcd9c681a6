"""Confidence intervals of means and of paired differences, as values.

| scores | interval of the mean | interval of a difference |
|---|---|---|
| rates, all 0 or 1 | Wilson | Agresti-Min |
| other means | t with the ends of the scale | t with the ends of the scale |
| either, with clusters | cluster-robust (Wilson or t with the ends) | cluster-robust t with the ends |

"With the ends": the lower bound is that of Student's t with a quarter of a row more that has the
lowest possible score, the upper bound that with one that has the highest; a whole row where all
scores are equal. Rows that nobody has asked may be like that, so equal scores have an interval too
(about 3 / n of the scale), and scores of which most are alike are covered also where rows are few:
`benchmarks/intervals.py` measures it (the bootstrap that was here, BCa, covered 0.77 with six
rows).

The interval of kappa is that of the posterior distribution with one row more, spread over all pairs
of labels (Perks 1947). The asymptotic one of Fleiss, Cohen and Everitt (1969) is the same for
hundreds of rows, has no width where raters always agree, and covers 0.57 of ten rows where a label
is rare.

Student's t and the binomial distribution are here as far as intervals and tests need them: scipy
has both, in 143 MB and 1.5 s of import; the tests compare these functions with it.

Rows that belong together (the questions on one document, the turns of one conversation) are a
cluster: they are less evidence than the same number of independent rows. Sources: Miller 2024
(arXiv 2411.00640), Agresti and Min 2005; the ends are those of Gaffke 2005, who adds a whole row.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any, Final

LEVEL: Final = 0.95
ROUGH_ROWS: Final = 20
"""Rows (or clusters) below which an interval is rough: the scores say little of the shape of their
distribution.
"""

END_ROWS: Final = 0.25  # rows at each end of the scale, by simulation
END_ROWS_OF_EQUALS: Final = 1.0

MAX_EVIDENCE: Final = 4.0
"""What a row in a cluster counts at most, in independent rows: where the rows of a cluster balance
each other, as the two verdicts of a pair do whose sides are swapped, the mean is surer than that of
independent rows. By simulation.
"""

# the cluster of each score; None when all rows are independent
Clusters = Sequence[Hashable] | None
Scale = tuple[float, float]  # the lowest and the highest possible score of a metric
UNIT_SCALE: Final[Scale] = (0.0, 1.0)


@dataclass(frozen=True)
class Interval:
    """A confidence interval; `method` names how it was computed, `units` is the number of rows or
    clusters.
    """

    low: float
    high: float
    method: str
    level: float = LEVEL
    units: int = 0


NO_INTERVAL: Final = Interval(math.nan, math.nan, "none")


def mean_interval(
    values: Sequence[float], clusters: Clusters = None, scale: Scale | None = None
) -> Interval:
    """Return the interval of a mean; NaN bounds where there are too few values.

    Args:
        values: the scores.
        clusters: the cluster of each, default none.
        scale: the lowest and the highest possible score, default what `infer_scale` says.
    """
    if not values:
        return NO_INTERVAL
    ends = scale or infer_scale(values)
    if not is_rate(values) or ends != UNIT_SCALE:
        return interval_with_ends(values, clusters, ends)
    if clusters is not None:
        return _clustered_wilson(values, clusters)
    n = len(values)
    low, high = _wilson_bounds(sum(values), n, normal_quantile(LEVEL))
    return Interval(low, high, "Wilson", units=n)


def infer_scale(values: Sequence[float]) -> Scale:
    """Return 0-1 where all scores are in it, else the range of the scores and 0."""
    low = min([0.0, *values])
    high = max([0.0, *values])
    if low < 0 or high > 1:
        return low, high
    return UNIT_SCALE


def is_rate(values: Sequence[float]) -> bool:
    """Return whether all values are 0 or 1."""
    return set(values) <= {0.0, 1.0}


def normal_quantile(level: float) -> float:
    """Return how many standard errors an interval of this level is wide to each side."""
    return NormalDist().inv_cdf(0.5 + level / 2)


def interval_with_ends(
    values: Sequence[float],
    clusters: Clusters,
    scale: Scale,
    level: float = LEVEL,
    method: str = "t",
) -> Interval:
    """Return Student's interval of a mean, each bound with a quarter of a row more at its end of
    the scale.
    """
    low = min(scale[0], *values)
    high = max(scale[1], *values)
    units = unit_sums(values, clusters)
    if len(units) < 2:
        if clusters is None:
            unit = "one row"
        else:
            unit = "one cluster"
        return Interval(math.nan, math.nan, unit, level, len(units))
    if clusters is None:
        name = method
    else:
        name = f"{method}, clustered"
    quantile = t_quantile(0.5 + level / 2, len(units) - 1)
    bounds = []
    means = [total / n for total, n in units]
    is_spread = max(means) - min(means) > 1e-9 * (high - low)
    if is_spread:
        end_rows = END_ROWS
    else:
        end_rows = END_ROWS_OF_EQUALS
    for sign, end in ((-1, low), (1, high)):
        mean, error = _mean_with_end(units, end, end_rows)
        bounds.append(min(max(mean + sign * quantile * error, low), high))
    return Interval(bounds[0], bounds[1], name, level, len(units))


def agresti_min(wins: int, losses: int, n: int, level: float = LEVEL) -> Interval:
    """Return the interval of the difference of two paired rates: it has a width even when all rows
    tie.
    """
    b = wins + 0.5
    c = losses + 0.5
    n_adjusted = n + 2
    centre = (b - c) / n_adjusted
    half = normal_quantile(level) * math.sqrt(b + c - (b - c) ** 2 / n_adjusted) / n_adjusted
    return Interval(max(-1.0, centre - half), min(1.0, centre + half), "Agresti-Min", level, n)


def unit_sums(values: Sequence[float], clusters: Clusters) -> list[tuple[float, int]]:
    """Return the sum and the number of each cluster's values; each value is one without clusters."""
    if clusters is None:
        return [(value, 1) for value in values]
    sums: dict[Hashable, tuple[float, int]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        total, n = sums.get(cluster, (0.0, 0))
        sums[cluster] = (total + value, n + 1)
    return [*sums.values()]


def _mean_with_end(
    units: Sequence[tuple[float, int]], end: float, end_rows: float
) -> tuple[float, float]:
    """Return the mean of rows or clusters with some more at the end of the scale, and its error."""
    rows = sum(n for _, n in units)
    size = rows / len(units)  # of the unit at the end
    k = len(units) + end_rows
    weight = rows + end_rows * size
    mean = (sum(total for total, _ in units) + end_rows * size * end) / weight
    squares = (
        sum((total - n * mean) ** 2 for total, n in units) + end_rows * (size * (end - mean)) ** 2
    )
    return mean, math.sqrt(k / (k - 1) * squares) / weight


def _clustered_wilson(values: Sequence[float], clusters: Sequence[Hashable]) -> Interval:
    units = unit_sums(values, clusters)
    k = len(units)
    if k < 2:
        return Interval(math.nan, math.nan, "one cluster", units=k)
    mean = sum(values) / len(values)
    squares = sum((total - n * mean) ** 2 for total, n in units)
    error = math.sqrt(k / (k - 1) * squares) / len(values)
    variance = max(error**2, mean * (1 - mean) / (MAX_EVIDENCE * len(values)))
    if variance:
        effective = mean * (1 - mean) / variance
    else:
        effective = k
    quantile = t_quantile(0.5 + LEVEL / 2, k - 1)
    low, high = _wilson_bounds(mean * effective, effective, quantile)
    return Interval(low, high, "Wilson, clustered", units=k)


def _wilson_bounds(successes: float, n: float, quantile: float) -> tuple[float, float]:
    """Return Wilson's bounds; `n` is an effective number where rows are clustered."""
    rate = successes / n
    square = quantile**2
    centre = (rate + square / (2 * n)) / (1 + square / n)
    half = quantile / (1 + square / n) * math.sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    low = max(0.0, centre - half)
    high = min(1.0, centre + half)
    return 0.0 if rate == 0 else low, 1.0 if rate == 1 else high


_NODES: Final = 48  # of the Gauss-Legendre rule; the integrand is a power of a cosine
_MAX_STEPS: Final = 60


@lru_cache(1000)
def t_quantile(share: float, degrees_of_freedom: float) -> float:
    """Return a quantile of Student's t; `share` is in (0, 1).

    With t = sqrt(df) tan(u) the density is that of a power of a cosine, whose integral is found by
    Newton's method.
    """
    import numpy as np  # noqa: PLC0415 - 0.1 s that only reports should pay

    if share < 0.5:
        return -t_quantile(1 - share, degrees_of_freedom)
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    power = degrees_of_freedom - 1
    root = math.sqrt(degrees_of_freedom)
    log_scale = math.lgamma((degrees_of_freedom + 1) / 2) - math.lgamma(degrees_of_freedom / 2)
    scale = math.exp(log_scale) / math.sqrt(math.pi)
    angle = math.atan(NormalDist().inv_cdf(share) / root)
    for _ in range(_MAX_STEPS):  # from below, on a concave function: every step stays below
        below = scale * angle / 2 * float(weights @ np.cos(angle * (nodes + 1) / 2) ** power)
        step = (share - 0.5 - below) / (scale * math.cos(angle) ** power)
        angle += step
        if abs(step) < 1e-14 * (1 + angle):
            break
    return root * math.tan(angle)


def mcnemar_p_value(wins: int, losses: int) -> float:
    """Return the exact two-sided p-value of the wins among the rows that changed: of a fair
    coin.
    """
    n = int(wins + losses)  # of any size: not numpy's
    fewer = int(min(wins, losses))
    term = 1
    total = 0
    for k in range(fewer + 1):
        total += term
        term = term * (n - k) // (k + 1)
    p_value: float = 2 * total / 2**n
    return min(1.0, p_value)


def binomial_bounds(successes: int, n: int, alpha: float) -> tuple[float, float]:
    """Return the exact bounds of a rate, each with an error of alpha / 2 (Clopper and Pearson)."""
    return _lowest_rate(successes, n, alpha / 2), 1 - _lowest_rate(n - successes, n, alpha / 2)


def _lowest_rate(successes: int, n: int, error: float) -> float:
    """Return the rate with which `successes` or more have the probability `error`."""
    import numpy as np  # noqa: PLC0415

    if not successes:
        return 0.0
    counts = np.arange(successes, n + 1)
    logs = np.cumsum(np.log(np.arange(1, n + 1)))
    log_factorial = np.concatenate([[0.0], logs])
    log_ways = log_factorial[n] - log_factorial[counts] - log_factorial[n - counts]
    low = 0.0
    high = 1.0
    for _ in range(_MAX_STEPS):
        rate = (low + high) / 2
        tail = np.exp(log_ways + counts * math.log(rate) + (n - counts) * math.log1p(-rate)).sum()
        low, high = (rate, high) if tail < error else (low, rate)
    return low


_KAPPA_SEED: Final = 20240521
_KAPPA_DRAWS: Final = 4000
"""Tables drawn from the posterior distribution, so the bounds are true to about 0.01."""


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa of two raters.

    Attributes:
        value: 1 for full agreement, 0 for no more than chance; NaN where only one label occurs.
        share: of the rows with the same label, 0-1.
        n: rows.
    """

    value: float
    share: float
    interval: Interval
    n: int


def measure_kappa(
    first: Sequence[Any], second: Sequence[Any], *, is_weighted: bool = False
) -> Kappa:
    """Return kappa and its interval.

    Args:
        first: the labels of one rater.
        second: those of the other one, of the same length.
        is_weighted: count disagreements by their square; labels are numbers then.
    """
    import numpy as np  # noqa: PLC0415 - 0.1 s that only reports should pay

    n = len(first)
    labels = sorted({*first, *second})
    pairs = Counter(zip(first, second, strict=True))
    if n:
        share = sum(pairs[label, label] for label in labels) / n
    else:
        share = math.nan
    if len(labels) < 2:
        return Kappa(math.nan, share, NO_INTERVAL, n)
    counts = np.zeros((len(labels), len(labels)))
    distances = np.zeros_like(counts)
    for row, a in enumerate(labels):
        for column, b in enumerate(labels):
            counts[row, column] = pairs[a, b]
            distances[row, column] = (a - b) ** 2 if is_weighted else a != b
    generator = np.random.default_rng(_KAPPA_SEED)
    prior = 1 / counts.size
    drawn = generator.dirichlet(counts.ravel() + prior, _KAPPA_DRAWS).reshape(-1, *counts.shape)
    low, high = np.quantile(_kappa(drawn, distances), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = float(_kappa(counts / n, distances))
    interval = Interval(min(float(low), value), max(float(high), value), "posterior", LEVEL, n)
    return Kappa(value, share, interval, n)


def _kappa(joint: Any, distances: Any) -> Any:
    """Return kappa of tables of shares, (..., labels, labels): 1 less the distance over that of
    independent raters.
    """
    observed = (joint * distances).sum(axis=(-1, -2))
    chance = ((joint.sum(-1) @ distances) * joint.sum(-2)).sum(-1)
    return 1 - observed / chance
