"""Statistics of raters: Cohen's kappa, weighted where labels are scores, and the slope of scores in
the length.

The interval is that of the posterior distribution with one row more, spread over all pairs of
labels (Perks 1947). The asymptotic one of Fleiss, Cohen and Everitt (1969) is the same for hundreds
of rows, has no width where raters always agree, and covers 0.57 of ten rows where a label is rare:
`benchmarks/intervals.py`.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from .distributions import t_quantile
from .intervals import LEVEL, NO_INTERVAL, Interval

SEED: Final = 20240521
DRAWS: Final = 4000
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
    nothing = Interval(math.nan, math.nan, "none", LEVEL, n)
    pairs = Counter(zip(first, second, strict=True))
    if n:
        share = sum(pairs[label, label] for label in labels) / max(n, 1)
    else:
        share = math.nan
    if len(labels) < 2:
        return Kappa(math.nan, share, nothing, n)
    distances = [
        [(float(a != b) if not is_weighted else (a - b) ** 2) for b in labels] for a in labels
    ]
    counts = np.array([[pairs[a, b] for b in labels] for a in labels], float)
    generator = np.random.default_rng(SEED)
    prior = 1 / counts.size
    drawn = generator.dirichlet(counts.ravel() + prior, DRAWS).reshape(-1, *counts.shape)
    low, high = np.quantile(_kappa(drawn, np.array(distances)), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    value = float(_kappa(counts / n, np.array(distances)))
    return Kappa(
        value,
        share,
        Interval(min(float(low), value), max(float(high), value), "posterior", LEVEL, n),
        n,
    )


def _kappa(joint: Any, distances: Any) -> Any:
    """Return kappa of tables of shares, (..., labels, labels): 1 less the distance over that of
    independent raters.
    """
    observed = (joint * distances).sum(axis=(-1, -2))
    chance = ((joint.sum(-1) @ distances) * joint.sum(-2)).sum(-1)
    return 1 - observed / chance


def clustered_slope(
    values: Sequence[float], columns: Sequence[Sequence[float]], clusters: Sequence[Hashable]
) -> tuple[float, Interval]:
    """Return the coefficient of the first column and its interval, by least squares with
    cluster-robust errors.

    Args:
        values: what is explained.
        columns: what explains it; one of ones is the intercept.
        clusters: of each row; rows of their own where all differ.
    """
    import numpy as np  # noqa: PLC0415 - 0.1 s that only reports should pay

    y = np.asarray(values, float)
    x = np.asarray(columns, float).T
    names = [*dict.fromkeys(clusters)]
    n = len(y)
    k = len(columns)
    n_clusters = len(names)
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
    slope = float(coefficients[0])
    half = t_quantile(0.5 + LEVEL / 2, n_clusters - 1) * error
    return slope, Interval(slope - half, slope + half, "cluster-robust", LEVEL, n_clusters)
