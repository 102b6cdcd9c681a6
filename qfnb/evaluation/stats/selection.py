"""The best of several: which mean it would have on new questions, since the highest of many is too
high.

It is chosen on random samples of the questions, each as large as the data and drawn with
replacement, and its mean is that on the questions outside the sample (Breiman 1996, out-of-bag
estimation). Of 12 equal ones on 50 questions the highest mean is 0.098 above the truth, and this
one 0.001; of one that leads by 0.15 it is 0.03 below.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

SEED = 20240601
MAX_SAMPLES = 1000
MAX_DRAWS = 10_000_000  # numbers drawn at most: many questions need fewer samples
CHUNK_DRAWS = 1_000_000  # numbers drawn at a time, which bounds the memory
MIN_UNITS = 6  # questions (or clusters) below which nothing is left outside a sample to speak of


def mean_of_chosen(
    rows: Sequence[Sequence[float]],
    clusters: Sequence[Hashable] | None = None,
    *,
    lower_is_better: bool = False,
) -> float:
    """Return the mean on new questions of what is best on these; NaN where they are too few.

    Args:
        rows: for each question the scores of all that one chooses from.
        clusters: the cluster of each question, None for independent ones.
        lower_is_better: whether the lowest mean is the best.
    """
    import numpy as np  # noqa: PLC0415 - 0.1 s that only reports should pay

    units = list(dict.fromkeys(clusters if clusters is not None else range(len(rows))))
    if len(units) < MIN_UNITS:
        return math.nan
    numbers = {unit: number for number, unit in enumerate(units)}
    indexes = [numbers[unit] for unit in (clusters if clusters is not None else range(len(rows)))]
    scores = np.asarray(rows, dtype=float) * (-1 if lower_is_better else 1)
    sums = np.zeros((len(units), scores.shape[1]))
    sizes = np.bincount(indexes, minlength=len(units))
    np.add.at(sums, indexes, scores)
    generator = np.random.default_rng(SEED)
    values = list[float]()
    remaining = min(MAX_SAMPLES, max(99, MAX_DRAWS // len(units)))
    chunk = CHUNK_DRAWS // len(units)
    while remaining > 0:
        size = min(remaining, max(1, chunk))
        counts = generator.multinomial(len(units), np.full(len(units), 1 / len(units)), size=size)
        chosen = (counts @ sums).argmax(axis=1)
        outside = counts == 0
        some = outside.any(axis=1)
        totals = (outside @ sums)[np.arange(size), chosen]
        values += (totals[some] / (outside @ sizes)[some]).tolist()
        remaining -= size
    return float(np.mean(values)) * (-1 if lower_is_better else 1)
