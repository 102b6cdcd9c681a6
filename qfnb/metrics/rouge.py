"""ROUGE and F1 of shared units, 0-1; NaN where the reference has too few units."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable

from .units import Units


def rouge_n(output: Units, reference: Units, n: int, *, count_repeats: bool = True) -> float:
    """Return ROUGE-n: the F1 of shared n-grams.

    Args:
        output: units of the answer.
        reference: units of the expected answer.
        n: units in an n-gram, from 1.
        count_repeats: count an n-gram as often as it occurs; otherwise n-grams are compared as sets, and
            repeating one costs nothing.
    """
    if len(reference) < n:
        return math.nan
    output_grams, reference_grams = ngrams(output, n), ngrams(reference, n)
    if not count_repeats:
        output_set, reference_set = set(output_grams), set(reference_grams)
        return f1_score(len(output_set & reference_set), len(output_set), len(reference_set))
    n_shared = count_shared(output_grams, reference_grams)
    return f1_score(n_shared, max(0, len(output) - n + 1), len(reference) - n + 1)


def rouge_l(output: Units, reference: Units) -> float:
    """Return ROUGE-L: the F1 of the longest common subsequence."""
    from rapidfuzz.distance import LCSseq  # noqa: PLC0415 - a compiled module that only scoring needs

    if not reference:
        return math.nan
    return f1_score(LCSseq.similarity(output, reference), len(output), len(reference))


def unit_f1(output: Units, reference: Units) -> float:
    """Return the F1 of shared units, whatever their order."""
    return rouge_n(output, reference, 1)


def ngrams(units: Units, n: int) -> Iterable[Hashable]:
    """Return the n-grams in order."""
    return units if n == 1 else zip(*(units[start:] for start in range(n)), strict=False)


def count_shared(first: Iterable[Hashable], second: Iterable[Hashable]) -> int:
    """Return how many members two collections share, each as often as both have it."""
    remaining: dict[Hashable, int] = {}  # faster than two Counters
    for gram in second:
        remaining[gram] = remaining.get(gram, 0) + 1
    n_shared = 0
    for gram in first:
        if count := remaining.get(gram):
            remaining[gram] = count - 1
            n_shared += 1
    return n_shared


def f1_score(n_shared: int, n_output: int, n_reference: int) -> float:
    """Return the F1 of `n_shared` members of `n_output` and of `n_reference`; 0 when none is shared."""
    return 2 * n_shared / (n_output + n_reference) if n_shared else 0.0
