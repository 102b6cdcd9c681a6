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
LEAST_RESAMPLES: Final = 999
DRAWS: Final = 10_000_000
"""Numbers drawn for one interval at most: a mean of many rows needs fewer resamples."""

PIECE: Final = 1_000_000
EXACT: Final = 13
"""Differences up to which all 2^n signs are tried."""

NORMAL: Final = 2000
"""Differences above which the sum of so many random signs is a normal variable."""


def spread(values: Sequence[float]) -> float:
    """Return the standard deviation; 0 with less than two values."""
    n = len(values)
    if n < 2:
        return 0.0
    mean = sum(values) / n
    return math.sqrt(sum((value - mean) ** 2 for value in values) / (n - 1))


def bca(values: Sequence[float], level: float) -> tuple[float, float]:
    """Return the bias-corrected and accelerated bootstrap interval of a mean (Efron 1987)."""
    import numpy as np  # noqa: PLC0415 - 0.1 s that only reports should pay

    data = np.asarray(values, dtype=float)
    means = np.sort(np.concatenate([*_means(data)]))
    mean, away = data.mean(), data - data.mean()
    share = (np.sum(means < mean) + np.sum(means <= mean)) / (2 * len(means))
    acceleration = float(np.sum(away**3) / (6 * np.sum(away**2) ** 1.5))
    shares = [_shifted((1 + sign * level) / 2, float(share), acceleration) for sign in (-1, 1)]
    low, high = np.quantile(means, shares)
    return float(low), float(high)


def sign_flips(differences: Sequence[float]) -> float:
    """Return the two-sided p-value of a mean difference when every sign is as likely as the other."""
    import numpy as np  # noqa: PLC0415

    data = np.asarray([d for d in differences if d], dtype=float)
    seen, tolerance = abs(data.sum()), 1e-9 * np.abs(data).sum()
    if len(data) > NORMAL:
        return math.erfc(float(seen / np.sqrt(np.sum(data**2))) / math.sqrt(2))
    if len(data) <= EXACT:
        numbers = np.arange(2 ** len(data))[:, None]
        signs = (numbers >> np.arange(len(data)) & 1) * 2.0 - 1
        return float(np.mean(np.abs(signs @ data) >= seen - tolerance))
    reached = sum(int(np.sum(np.abs(sums) >= seen - tolerance)) for sums in _flipped(data))
    return (1 + reached) / (1 + RESAMPLES)


def mcnemar(wins: int, losses: int) -> float:
    """Return the exact two-sided p-value of so many wins among the rows that changed."""
    from scipy.stats import binomtest  # noqa: PLC0415 - 0.3 s that only reports should pay

    return float(binomtest(wins, wins + losses).pvalue)


def clustered_error(values: Sequence[float], clusters: Sequence[Hashable]) -> tuple[float, int]:
    """Return the standard error of a mean of clustered values, and how many clusters there are."""
    mean, n = sum(values) / len(values), len(values)
    sums = list(_sums([value - mean for value in values], clusters).values())
    units = len(sums)
    if units < 2:
        return math.nan, units
    return math.sqrt(units / (units - 1) * sum(total * total for total in sums)) / n, units


def clustered_flips(differences: Sequence[float], clusters: Sequence[Hashable]) -> float:
    """Return the p-value of a mean difference when the signs of whole clusters are flipped."""
    return sign_flips([*_sums(differences, clusters).values()])


def t_quantile(share: float, freedom: int) -> float:
    """Return a quantile of Student's t."""
    from scipy.special import stdtrit  # noqa: PLC0415

    return float(stdtrit(freedom, share))


def _sums(values: Sequence[float], clusters: Sequence[Hashable]) -> dict[Hashable, float]:
    found: dict[Hashable, float] = {}
    for value, cluster in zip(values, clusters, strict=True):
        found[cluster] = found.get(cluster, 0.0) + value
    return found


def _means(data: Numbers) -> Iterator[Numbers]:
    """Yield the means of resamples, a piece at a time."""
    import numpy as np  # noqa: PLC0415

    lot, n = np.random.default_rng(SEED), len(data)
    left = min(RESAMPLES, max(LEAST_RESAMPLES, DRAWS // n))
    while left > 0:
        rows = min(left, max(1, PIECE // n))
        yield data[lot.integers(0, n, (rows, n))].mean(axis=1)
        left -= rows


def _flipped(data: Numbers) -> Iterator[Any]:
    """Yield sums of the values with random signs, a piece at a time."""
    import numpy as np  # noqa: PLC0415

    lot, left = np.random.default_rng(SEED), RESAMPLES
    while left > 0:
        rows = min(left, max(1, PIECE // len(data)))
        yield (lot.integers(0, 2, (rows, len(data)), dtype=np.int8) * 2.0 - 1) @ data
        left -= rows


def _shifted(share: float, below: float, acceleration: float) -> float:
    """Return the quantile of the resamples that stands for a share, corrected for bias and skew."""
    normal = NormalDist()
    if not 0 < below < 1:
        return share
    bias, quantile = normal.inv_cdf(below), normal.inv_cdf(share)
    shifted = bias + quantile
    return normal.cdf(bias + shifted / (1 - acceleration * shifted))
