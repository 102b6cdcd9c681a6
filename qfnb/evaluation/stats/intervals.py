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

Rows that belong together (the questions on one document, the turns of one conversation) are a
cluster: they are less evidence than the same number of independent rows. Sources: Miller 2024
(arXiv 2411.00640), Agresti and Min 2005; the ends are those of Gaffke 2005, who adds a whole row.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

from .distributions import t_quantile

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

    @property
    def is_rough(self) -> bool:
        """Whether there are too few rows to trust the bounds to more than one digit."""
        return 0 < self.units < ROUGH_ROWS


NO_INTERVAL: Final = Interval(math.nan, math.nan, "none")


def mean_interval(
    values: Sequence[float],
    clusters: Clusters = None,
    scale: Scale | None = None,
    level: float = LEVEL,
) -> Interval:
    """Return the interval of a mean; NaN bounds where there are too few values.

    Args:
        values: the scores.
        clusters: the cluster of each, default none.
        scale: the lowest and the highest possible score, default what `infer_scale` says.
        level: the confidence level.
    """
    if not values:
        return NO_INTERVAL
    low, high = scale or infer_scale(values)
    if is_rate(values) and (low, high) == UNIT_SCALE:
        if clusters is None:
            return wilson(sum(values), len(values), level)
        return _clustered_wilson(values, clusters, level)
    return interval_with_ends(values, clusters, (low, high), level)


def infer_scale(values: Sequence[float]) -> Scale:
    """Return 0-1 where all scores are in it, else the range of the scores and 0."""
    return min(0.0, *values, 0.0), max(0.0, *values) if any(
        not 0 <= value <= 1 for value in values
    ) else 1.0


def is_rate(values: Sequence[float]) -> bool:
    """Return whether all values are 0 or 1."""
    return set(values) <= {0.0, 1.0}


def wilson(successes: float, n: int, level: float = LEVEL) -> Interval:
    """Return the Wilson score interval of a rate."""
    low, high = _wilson_bounds(successes, n, normal_quantile(level))
    return Interval(low, high, "Wilson", level, n)


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
    if clusters is None:
        units = [(value, 1) for value in values]
        name = method
    else:
        units = [*cluster_sums(values, clusters).values()]
        name = f"{method}, clustered"
    if len(units) < 2:
        return Interval(
            math.nan, math.nan, "one row" if clusters is None else "one cluster", level, len(units)
        )
    quantile = t_quantile(0.5 + level / 2, len(units) - 1)
    bounds = []
    means = [total / n for total, n in units]
    if max(means) - min(means) > 1e-9 * (high - low):
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


def clustered_standard_error(
    values: Sequence[float], clusters: Sequence[Hashable]
) -> tuple[float, int]:
    """Return the standard error of a mean of clustered values, and the number of clusters."""
    units = [*cluster_sums(values, clusters).values()]
    if len(units) < 2:
        return math.nan, len(units)
    mean = sum(values) / len(values)
    k = len(units)
    return math.sqrt(k / (k - 1) * sum((total - n * mean) ** 2 for total, n in units)) / len(
        values
    ), k


def cluster_sums(
    values: Sequence[float], clusters: Sequence[Hashable]
) -> dict[Hashable, tuple[float, int]]:
    """Return the sum and the number of each cluster's values."""
    sums: dict[Hashable, tuple[float, int]] = {}
    for value, cluster in zip(values, clusters, strict=True):
        total, n = sums.get(cluster, (0.0, 0))
        sums[cluster] = (total + value, n + 1)
    return sums


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


def _clustered_wilson(
    values: Sequence[float], clusters: Sequence[Hashable], level: float
) -> Interval:
    standard_error, n_clusters = clustered_standard_error(values, clusters)
    if n_clusters < 2:
        return Interval(math.nan, math.nan, "one cluster", level, n_clusters)
    mean = sum(values) / len(values)
    variance = max(standard_error**2, mean * (1 - mean) / (MAX_EVIDENCE * len(values)))
    if variance:
        n = mean * (1 - mean) / variance
    else:
        n = n_clusters
    low, high = _wilson_bounds(mean * n, n, t_quantile(0.5 + level / 2, n_clusters - 1))
    return Interval(low, high, "Wilson, clustered", level, n_clusters)


def _wilson_bounds(successes: float, n: float, quantile: float) -> tuple[float, float]:
    """Return Wilson's bounds; `n` is an effective number where rows are clustered."""
    rate = successes / n
    square = quantile**2
    centre = (rate + square / (2 * n)) / (1 + square / n)
    half = quantile / (1 + square / n) * math.sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    low = max(0.0, centre - half)
    high = min(1.0, centre + half)
    return 0.0 if rate == 0 else low, 1.0 if rate == 1 else high
