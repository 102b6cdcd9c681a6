"""What two sequences of units share: ROUGE and F1, 0-1; NaN where the reference has too few units."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable

from .units import Units


def rouge_n(output: Units, reference: Units, n: int, *, count_repeats: bool = True) -> float:
    """Return the F1 of shared n-grams.

    Args:
        output: units of the answer.
        reference: units of the expected answer.
        n: units in an n-gram.
        count_repeats: whether an n-gram counts as often as it occurs; otherwise saying it again costs nothing.
    """
    if len(reference) < n:
        return math.nan
    output_grams, reference_grams = ngrams(output, n), ngrams(reference, n)
    if not count_repeats:
        output_set, reference_set = set(output_grams), set(reference_grams)
        return f1_score(len(output_set & reference_set), len(output_set), len(reference_set))
    return f1_score(
        count_shared(output_grams, reference_grams), max(0, len(output) - n + 1), len(reference) - n + 1
    )


def rouge_l(output: Units, reference: Units) -> float:
    """Return the F1 of the longest common subsequence."""
    from rapidfuzz.distance import LCSseq  # noqa: PLC0415 - a compiled module that only scoring needs

    if not reference:
        return math.nan
    return f1_score(LCSseq.similarity(output, reference), len(output), len(reference))


def unit_f1(output: Units, reference: Units) -> float:
    """Return the F1 of shared units, order aside."""
    return rouge_n(output, reference, 1)


def ngrams(units: Units, n: int) -> Iterable[Hashable]:
    """Return the n-grams in order."""
    return units if n == 1 else zip(*(units[start:] for start in range(n)), strict=False)


def count_shared(first: Iterable[Hashable], second: Iterable[Hashable]) -> int:
    """Return how many members two collections share, each as often as both have it."""
    remaining: dict[Hashable, int] = {}  # faster than the Counters that say the same
    for gram in second:
        remaining[gram] = remaining.get(gram, 0) + 1
    hits = 0
    for gram in first:
        if count := remaining.get(gram):
            remaining[gram] = count - 1
            hits += 1
    return hits


def f1_score(n_shared: int, n_output: int, n_reference: int) -> float:
    """Return the F1 of `n_shared` among `n_output` given and `n_reference` wanted."""
    return 2 * n_shared / (n_output + n_reference) if n_shared else 0.0
