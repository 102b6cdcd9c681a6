"""What two sequences of units share: ROUGE and F1, 0-1; NaN where the reference has too few units."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable

from .text import Units


def rouge_n(output: Units, reference: Units, n: int, *, repeats: bool = True) -> float:
    """Return the F1 of shared n-grams.

    Args:
        output: units of the answer.
        reference: units of the expected answer.
        n: units in an n-gram.
        repeats: whether an n-gram counts as often as it occurs; otherwise saying it again costs nothing.
    """
    if len(reference) < n:
        return math.nan
    first, second = grams(output, n), grams(reference, n)
    if not repeats:
        own, expected = set(first), set(second)
        return harmonic(len(own & expected), len(own), len(expected))
    return harmonic(shared(first, second), max(0, len(output) - n + 1), len(reference) - n + 1)


def rouge_l(output: Units, reference: Units) -> float:
    """Return the F1 of the longest common subsequence."""
    from rapidfuzz.distance import LCSseq  # noqa: PLC0415 - a compiled module that only scoring needs

    if not reference:
        return math.nan
    return harmonic(LCSseq.similarity(output, reference), len(output), len(reference))


def f1(output: Units, reference: Units) -> float:
    """Return the F1 of shared units, order aside."""
    return rouge_n(output, reference, 1)


def grams(units: Units, n: int) -> Iterable[Hashable]:
    """Return the n-grams in order."""
    return units if n == 1 else zip(*(units[start:] for start in range(n)), strict=False)


def shared(first: Iterable[Hashable], second: Iterable[Hashable]) -> int:
    """Return how many members two collections share, each as often as both have it."""
    left: dict[Hashable, int] = {}  # faster than the Counters that say the same
    for gram in second:
        left[gram] = left.get(gram, 0) + 1
    hits = 0
    for gram in first:
        if times := left.get(gram):
            left[gram] = times - 1
            hits += 1
    return hits


def harmonic(hits: int, own: int, expected: int) -> float:
    """Return the F1 of `hits` among `own` given and `expected` wanted."""
    return 2 * hits / (own + expected) if hits else 0.0
