"""The arithmetic of intervals and tests: resamples, sign flips, clusters; seeded, and bounded in memory."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

SEED: Final = 20240601
RESAMPLES: Final = 9999
MIN_RESAMPLES: Final = 999
MAX_DRAWS: Final = 10_000_000
"""Numbers drawn for one interval at most: a mean of many rows needs fewer resamples."""

CHUNK_DRAWS: Final = 1_000_000
MAX_EXACT: Final = 13
"""Differences up to which all 2^n signs are tried."""

MIN_NORMAL: Final = 2000
"""Differences above which the sum of so many random signs is a normal variable."""


def standard_deviation(values: Sequence[float]) -> float:
    """Return the standard deviation; 0 with less than two values."""
    n = len(values)
    if n < 2:
        return 0.0
    mean = sum(values) / n
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))


def bca_interval(values: Sequence[float], level: float) -> tuple[float, float]:
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


def sign_flip_p_value(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of a mean difference when every sign is as likely as the other."""
    import numpy as np  # noqa: PLC0415

    data = np.asarray([d for d in differences if d], dtype=float)
    observed, tolerance = abs(data.sum()), 1e-9 * np.abs(data).sum()
    if len(data) > MIN_NORMAL:
        return math.erfc(float(observed / np.sqrt(np.sum(data**2))) / math.sqrt(2))
    if len(data) <= MAX_EXACT:
        numbers = np.arange(2 ** len(data))[:, None]
        signs = (numbers >> np.arange(len(data)) & 1) * 2.0 - 1
        return float(np.mean(np.abs(signs @ data) >= observed - tolerance))
    extreme = sum(int(np.sum(np.abs(sums) >= observed - tolerance)) for sums in _flipped_sums(data))
    return (1 + extreme) / (1 + RESAMPLES)


def mcnemar_p_value(wins: int, losses: int) -> float:
    """Return the exact two-sided p-value of so many wins among the rows that changed."""
    from scipy.stats import binomtest  # noqa: PLC0415 - 0.3 s that only reports should pay

    return float(binomtest(wins, wins + losses).pvalue)


def clustered_standard_error(values: Sequence[float], clusters: Sequence[Hashable]) -> tuple[float, int]:
    """Return the standard error of a mean of clustered values, and how many clusters there are."""
    mean, n = sum(values) / len(values), len(values)
    sums = list(_cluster_sums([value - mean for value in values], clusters).values())
    n_clusters = len(sums)
    if n_clusters < 2:
        return math.nan, n_clusters
    return math.sqrt(n_clusters / (n_clusters - 1) * sum(total * total for total in sums)) / n, n_clusters


def clustered_sign_flip_p_value(differences: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Return the p-value of a mean difference when the signs of whole clusters are flipped."""
    return sign_flip_p_value([*_cluster_sums(differences, clusters).values()])


def t_quantile(share: float, freedom: int) -> float:
    """Return a quantile of Student's t."""
    from scipy.special import stdtrit  # noqa: PLC0415

    return float(stdtrit(freedom, share))


def _cluster_sums(values: Sequence[float], clusters: Sequence[Hashable]) -> dict[Hashable, float]:
    sums: dict[Hashable, float] = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + value
    return sums


def _resampled_means(data: Numbers) -> Iterator[Numbers]:
    """Yield the means of resamples, a piece at a time."""
    import numpy as np  # noqa: PLC0415

    generator, n = np.random.default_rng(SEED), len(data)
    remaining = min(RESAMPLES, max(MIN_RESAMPLES, MAX_DRAWS // n))
    while remaining > 0:
        rows = min(remaining, max(1, CHUNK_DRAWS // n))
        yield data[generator.integers(0, n, (rows, n))].mean(axis=1)
        remaining -= rows


def _flipped_sums(data: Numbers) -> Iterator[Any]:
    """Yield sums of the values with random signs, a piece at a time."""
    import numpy as np  # noqa: PLC0415

    generator, remaining = np.random.default_rng(SEED), RESAMPLES
    while remaining > 0:
        rows = min(remaining, max(1, CHUNK_DRAWS // len(data)))
        yield (generator.integers(0, 2, (rows, len(data)), dtype=np.int8) * 2.0 - 1) @ data
        remaining -= rows


def _bca_quantile(share: float, share_below: float, acceleration: float) -> float:
    """Return the quantile of the resamples that stands for a share, corrected for bias and skew."""
    normal = NormalDist()
    if not 0 < share_below < 1:
        return share
    bias, quantile = normal.inv_cdf(share_below), normal.inv_cdf(share)
    shifted = bias + quantile
    return normal.cdf(bias + shifted / (1 - acceleration * shifted))
