"""Statistics of raters: Cohen's kappa, weighted where labels are scores, and the slope of scores in the length.

The standard error is the asymptotic one of Fleiss, Cohen and Everitt (1969). Where two raters always agree it is 0; the
lower bound is then the exact one of the share of agreement (Clopper and Pearson) put in its place.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from .distributions import binomial_bounds, t_quantile
from .intervals import LEVEL, NO_INTERVAL, Interval, normal_quantile


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


def measure_kappa(first: Sequence[Any], second: Sequence[Any], *, is_weighted: bool = False) -> Kappa:
    """Return kappa and its interval.

    Args:
        first: the labels of one rater.
        second: those of the other one, of the same length.
        is_weighted: count disagreements by their square; labels are numbers then.
    """
    n, nothing = len(first), Interval(math.nan, math.nan, "none", LEVEL, len(first))
    if not n:
        return Kappa(math.nan, math.nan, nothing, 0)
    share = sum(a == b for a, b in zip(first, second, strict=True)) / n
    labels = sorted({*first, *second})
    value, error, chance = _kappa_and_error(first, second, labels, is_weighted=is_weighted)
    if math.isnan(value):
        return Kappa(value, share, nothing, n)
    if error < 1e-9:
        low, _ = binomial_bounds(round(share * n), n, 1 - LEVEL)
        return Kappa(value, share, Interval((low - chance) / (1 - chance), value, "Clopper-Pearson", LEVEL, n), n)
    half = normal_quantile(LEVEL) * error
    return Kappa(value, share, Interval(max(-1.0, value - half), min(1.0, value + half), "asymptotic", LEVEL, n), n)


def _kappa_and_error(
    first: Sequence[Any], second: Sequence[Any], labels: Sequence[Any], *, is_weighted: bool
) -> tuple[float, float, float]:
    """Return kappa, its standard error and the agreement by chance; NaN where only one label occurs."""
    n, width = len(first), float(labels[-1] - labels[0]) if is_weighted else 1.0

    def weight(a: Any, b: Any) -> float:
        return 1 - ((a - b) / width) ** 2 if is_weighted and width else float(a == b)

    joint = {pair: count / n for pair, count in Counter(zip(first, second, strict=True)).items()}
    rows = {label: count / n for label, count in Counter(first).items()}
    columns = {label: count / n for label, count in Counter(second).items()}
    observed = sum(share * weight(a, b) for (a, b), share in joint.items())
    chance = sum(rows[a] * columns[b] * weight(a, b) for a in rows for b in columns)
    if chance >= 1:
        return math.nan, math.nan, chance
    value = (observed - chance) / (1 - chance)
    row_means = {a: sum(columns[b] * weight(a, b) for b in columns) for a in rows}
    column_means = {b: sum(rows[a] * weight(a, b) for a in rows) for b in columns}
    squares = sum(
        share * (weight(a, b) - (row_means[a] + column_means[b]) * (1 - value)) ** 2 for (a, b), share in joint.items()
    )
    variance = (squares - (value - chance * (1 - value)) ** 2) / (n * (1 - chance) ** 2)
    return value, math.sqrt(max(variance, 0.0)), chance


def clustered_slope(
    values: Sequence[float], columns: Sequence[Sequence[float]], clusters: Sequence[Hashable]
) -> tuple[float, Interval]:
    """Return the coefficient of the first column and its interval, by least squares with cluster-robust errors.

    Args:
        values: what is explained.
        columns: what explains it; one of ones is the intercept.
        clusters: of each row; rows of their own where all differ.
    """
    import numpy as np  # noqa: PLC0415 - 0.1 s that only reports should pay

    y, x = np.asarray(values, float), np.asarray(columns, float).T
    names = [*dict.fromkeys(clusters)]
    n, k, n_clusters = len(y), len(columns), len(names)
    if n <= k + 1 or n_clusters < 3 or np.linalg.matrix_rank(x) < k:
        return math.nan, NO_INTERVAL
    bread = np.linalg.inv(x.T @ x)
    coefficients = bread @ x.T @ y
    scores = x * (y - x @ coefficients)[:, None]
    positions = {name: position for position, name in enumerate(names)}
    sums = np.zeros((n_clusters, k))
    np.add.at(sums, [positions[cluster] for cluster in clusters], scores)
    factor = n_clusters / (n_clusters - 1) * (n - 1) / (n - k)
    error = math.sqrt(max(0.0, factor * float((bread @ (sums.T @ sums) @ bread)[0, 0])))
    if error < 1e-9:  # a line through every row, of which none shows how much chance there is
        return math.nan, NO_INTERVAL
    slope, half = float(coefficients[0]), t_quantile(0.5 + LEVEL / 2, n_clusters - 1) * error
    return slope, Interval(slope - half, slope + half, "cluster-robust", LEVEL, n_clusters)
