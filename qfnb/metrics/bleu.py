"""BLEU-4 of single answers, 0-1."""

from __future__ import annotations

import math
from typing import Final

from .rouge import count_shared, ngrams
from .units import Units

MAX_ORDER: Final = 4


def bleu4(output: Units, reference: Units, *, effective_order: bool = False) -> float:
    """Return BLEU-4 of an answer, 0-1; NaN where the reference has less than four units.

    Such a reference has no 4-gram: the very same answer would get 0.35 for one unit and 0.84 for three.

    Args:
        output: units of the answer.
        reference: units of the expected answer.
        effective_order: leave out the orders that the answer is too short for, as sacrebleu does for
            sentences; otherwise they count as orders without a match.
    """
    if len(reference) < MAX_ORDER:
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
    orders = min(MAX_ORDER, len(output)) if effective_order else MAX_ORDER
    log_precision, smoothing = 0.0, 1.0
    for n in range(1, orders + 1):
        matches = count_shared(ngrams(output, n), ngrams(reference, n))
        if not matches and n == 1:
            return 0.0
        if not matches:
            smoothing /= 2
        log_precision += math.log((matches or smoothing) / max(1, len(output) - n + 1)) / orders
    return math.exp(log_precision + min(0.0, 1 - len(reference) / len(output)))
