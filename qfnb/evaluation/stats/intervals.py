"""Confidence intervals of means and of paired differences, as values.

| scores | interval of the mean | interval of a difference |
|---|---|---|
| rates, all 0 or 1 | Wilson | Agresti-Min |
| other means | BCa bootstrap | BCa bootstrap |
| either, with clusters | cluster-robust (Wilson or t) | cluster-robust t |

Rows that belong together (the questions on one document, the turns of one conversation) are a cluster: they
are less evidence than the same number of independent rows. Everything random is seeded. Sources: Miller 2024
(arXiv 2411.00640), Agresti and Min 2005, Efron 1987.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

LEVEL: Final = 0.95
SEED: Final = 20240601
RESAMPLES: Final = 9999
MIN_RESAMPLES: Final = 999
MAX_DRAWS: Final = 10_000_000
"""Numbers drawn for one interval at most: a mean of many rows needs fewer resamples."""

CHUNK_DRAWS: Final = 1_000_000  # numbers drawn at a time, which bounds the memory
_Z: Final = NormalDist().inv_cdf(0.5 + LEVEL / 2)

Clusters = Sequence[Hashable] | None  # the cluster of each score; None when all rows are independent


@dataclass(frozen=True)
class Interval:
    """A confidence interval; `method` names how it was computed."""

    low: float
    high: float
    method: str
    level: float = LEVEL


NO_INTERVAL: Final = Interval(math.nan, math.nan, "none")


def mean_interval(values: Sequence[float], clusters: Clusters = None) -> Interval:
    """Return the interval of a mean; NaN bounds where there are too few values."""
    if not values:
        return NO_INTERVAL
    rate = is_rate(values)
    if clusters is not None:
        return clustered_interval(values, clusters, rate=rate)
    return wilson(sum(values), len(values)) if rate else _bootstrap_interval(values)


def difference_interval(
    differences: Sequence[float], clusters: Clusters, wins: int, losses: int, *, rate: bool
) -> Interval:
    """Return the interval of a mean difference of pairs; with `rate` all values are 0 or 1."""
    if not differences:
        return NO_INTERVAL
    if clusters is not None:
        return clustered_interval(differences, clusters, rate=False)
    return _agresti_min(wins, losses, len(differences)) if rate else _bootstrap_interval(differences)


def wilson(successes: float, n: float, quantile: float = _Z, method: str = "Wilson") -> Interval:
    """Return the Wilson score interval of a rate; `n` is an effective number where rows are clustered."""
    rate, square = successes / n, quantile**2
    centre = (rate + square / (2 * n)) / (1 + square / n)
    half = quantile / (1 + square / n) * math.sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Interval(0.0 if rate == 0 else low, 1.0 if rate == 1 else high, method)


def is_rate(values: Sequence[float]) -> bool:
    """Return whether all values are 0 or 1."""
    return set(values) <= {0.0, 1.0}


def clustered_interval(values: Sequence[float], clusters: Sequence[Hashable], *, rate: bool) -> Interval:
    """Return the interval of a mean of clustered values; with `rate` all of them are 0 or 1."""
    standard_error, n_clusters = clustered_standard_error(values, clusters)
    mean = sum(values) / len(values)
    if n_clusters < 2:
        return Interval(math.nan, math.nan, "one cluster")
    quantile = _t_quantile(0.5 + LEVEL / 2, n_clusters - 1)
    if rate:
        effective_n = mean * (1 - mean) / standard_error**2 if standard_error else n_clusters
        n = min(effective_n, len(values))
        return wilson(mean * n, n, quantile, "Wilson, clustered")
    return Interval(mean - quantile * standard_error, mean + quantile * standard_error, "t, clustered")


def clustered_standard_error(values: Sequence[float], clusters: Sequence[Hashable]) -> tuple[float, int]:
    """Return the standard error of a mean of clustered values, and the number of clusters."""
    mean, n = sum(values) / len(values), len(values)
    sums = list(cluster_sums([value - mean for value in values], clusters).values())
    n_clusters = len(sums)
    if n_clusters < 2:
        return math.nan, n_clusters
    return math.sqrt(n_clusters / (n_clusters - 1) * sum(total * total for total in sums)) / n, n_clusters


def cluster_sums(values: Sequence[float], clusters: Sequence[Hashable]) -> dict[Hashable, float]:
    """Return the sum of each cluster's values."""
    sums: dict[Hashable, float] = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + value
    return sums


def bca_interval(values: Sequence[float], level: float = LEVEL) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval of a mean (Efron 1987)."""
    import numpy as np  # noqa: PLC0415 - 0.1 s that only reports should pay

    data = np.asarray(values, dtype=float)
    means = np.sort(np.concatenate([*_resampled_means(data)]))
    mean, deviations = data.mean(), data - data.mean()
    share_below = (np.sum(means < mean) + np.sum(means <= mean)) / (2 * len(means))
    acceleration = float(np.sum(deviations**3) / (6 * np.sum(deviations**2) ** 1.5))
    shares = [_bca_quantile((1 + sign * level) / 2, float(share_below), acceleration) for sign in (-1, 1)]
    low, high = np.quantile(means, shares)
    return float(low), float(high)


def _bootstrap_interval(values: Sequence[float]) -> Interval:
    if len(values) < 2:
        return Interval(math.nan, math.nan, "one row")
    if min(values) == max(values):
        return Interval(values[0], values[0], "constant")
    return Interval(*bca_interval(values), "BCa bootstrap")


def _agresti_min(wins: int, losses: int, n: int) -> Interval:
    """Return the interval of the difference of two paired rates: it has a width even when all rows tie."""
    b, c, n_adjusted = wins + 0.5, losses + 0.5, n + 2
    centre = (b - c) / n_adjusted
    half = _Z * math.sqrt(b + c - (b - c) ** 2 / n_adjusted) / n_adjusted
    return Interval(max(-1.0, centre - half), min(1.0, centre + half), "Agresti-Min")


def _t_quantile(share: float, degrees_of_freedom: int) -> float:
    from scipy.special import stdtrit  # noqa: PLC0415 - 0.3 s that only reports should pay

    return float(stdtrit(degrees_of_freedom, share))


def _resampled_means(data: Numbers) -> Iterator[Numbers]:
    """Yield the means of resamples, a chunk at a time."""
    import numpy as np  # noqa: PLC0415

    generator, n = np.random.default_rng(SEED), len(data)
    remaining = min(RESAMPLES, max(MIN_RESAMPLES, MAX_DRAWS // n))
    while remaining > 0:
        rows = min(remaining, max(1, CHUNK_DRAWS // n))
        yield data[generator.integers(0, n, (rows, n))].mean(axis=1)
        remaining -= rows


def _bca_quantile(share: float, share_below: float, acceleration: float) -> float:
    """Return which share of the resamples bounds an interval, corrected for bias and skew."""
    normal = NormalDist()
    if not 0 < share_below < 1:
        return share
    bias, quantile = normal.inv_cdf(share_below), normal.inv_cdf(share)
    shifted = bias + quantile
    return normal.cdf(bias + shifted / (1 - acceleration * shifted))
