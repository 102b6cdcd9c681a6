"""ROUGE, F1 of shared units, BLEU-4 and chrF2 of single answers, 0-1; NaN where a reference is too
short.
"""

import math
from collections.abc import Hashable, Iterable
from typing import Final

from .units import Units


def rouge_n(output: Units, reference: Units, n: int, *, count_repeats: bool = True) -> float:
    """Return ROUGE-n: the F1 of shared n-grams.

    Args:
        output: units of the answer.
        reference: units of the expected answer.
        n: units in an n-gram, from 1.
        count_repeats: count an n-gram as often as it occurs; otherwise n-grams are compared as
            sets, and repeating one costs nothing.
    """
    if len(reference) < n:
        return math.nan
    output_grams = ngrams(output, n)
    reference_grams = ngrams(reference, n)
    if not count_repeats:
        output_set = set(output_grams)
        reference_set = set(reference_grams)
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
    if n == 1:
        return units
    return zip(*(units[start:] for start in range(n)), strict=False)


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
    """Return the F1 of shared members, 0 when none is shared.

    Args:
        n_shared: members that both collections have.
        n_output: members of the answer.
        n_reference: members of the reference.
    """
    if n_shared:
        return 2 * n_shared / (n_output + n_reference)
    return 0.0


BLEU_ORDER: Final = 4


def bleu4(output: Units, reference: Units, *, effective_order: bool = False) -> float:
    """Return BLEU-4 of an answer, 0-1; NaN where the reference has fewer than four units.

    Such a reference has no 4-gram: the very same answer would get 0.35 for one unit and 0.84 for
    three.

    Args:
        output: units of the answer.
        reference: units of the expected answer.
        effective_order: leave out the orders that the answer is too short for, as sacrebleu does
            for sentences; otherwise they count as orders without a match.
    """
    if len(reference) < BLEU_ORDER:
        return math.nan
    return smoothed_bleu(output, reference, effective_order=effective_order)


def smoothed_bleu(output: Units, reference: Units, *, effective_order: bool = False) -> float:
    """Return BLEU-4 with the smoothing of NIST's script (nltk's method3, sacrebleu's "exp"), 0-1.

    The first order without a match counts as half a match, the next one as a quarter, and so on.

    Args:
        output: units of the answer.
        reference: units of the expected answer, any number of them.
        effective_order: see `bleu4`.
    """
    if not output:
        return 0.0
    if effective_order:
        orders = min(BLEU_ORDER, len(output))
    else:
        orders = BLEU_ORDER
    log_precision = 0.0
    smoothing = 1.0
    for n in range(1, orders + 1):
        matches = count_shared(ngrams(output, n), ngrams(reference, n))
        if not matches and n == 1:
            return 0.0
        if not matches:
            smoothing /= 2
        log_precision += math.log((matches or smoothing) / max(1, len(output) - n + 1)) / orders
    return math.exp(log_precision + min(0.0, 1 - len(reference) / len(output)))


CHRF_ORDER: Final = 6
CHRF_BETA: Final = 2


def chrf(output: str, reference: str) -> float:
    """Return chrF2 of two texts, as sacrebleu does for sentences; NaN for an empty reference."""
    output_chars = "".join(output.split())
    reference_chars = "".join(reference.split())
    if not reference_chars:
        return math.nan
    orders = min(CHRF_ORDER, len(output_chars), len(reference_chars))
    if not orders:
        return 0.0
    precision = 0.0
    recall = 0.0
    for n in range(1, orders + 1):
        count = count_shared(_char_ngrams(output_chars, n), _char_ngrams(reference_chars, n))
        precision += count / (len(output_chars) - n + 1)
        recall += count / (len(reference_chars) - n + 1)
    precision /= orders
    recall /= orders
    weighted_sum = CHRF_BETA**2 * precision + recall
    if weighted_sum:
        return (1 + CHRF_BETA**2) * precision * recall / weighted_sum
    return 0.0


def _char_ngrams(text: str, n: int) -> list[str]:
    return [text[start : start + n] for start in range(len(text) - n + 1)]
