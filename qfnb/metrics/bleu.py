"""BLEU-4 of single answers, 0-1; NaN where the reference is too short for any answer to be right."""

from __future__ import annotations

import math
from typing import Final

from .rouge import count_shared, ngrams
from .units import Units

MAX_ORDER: Final = 4


def bleu4(output: Units, reference: Units, *, effective_order: bool = False) -> float:
    """Return BLEU-4: an order without a hit counts as half a hit, the next one as a quarter, and so on.

    That is NIST's smoothing (nltk's method3, sacrebleu's "exp"). References of less than four units give
    NaN: the very same answer would have 0.35 for one unit, 0.84 for three.

    Args:
        output: units of the answer.
        reference: units of the expected answer.
        effective_order: leave out the orders that the answer is too short for, as sacrebleu does for sentences;
            otherwise they count as orders without a hit.
    """
    if len(reference) < MAX_ORDER:
        return math.nan
    orders = min(MAX_ORDER, len(output)) if effective_order else MAX_ORDER
    log_precision, smoothing = 0.0, 1.0
    for n in range(1, orders + 1):
        hits = count_shared(ngrams(output, n), ngrams(reference, n))
        if not hits and n == 1:
            return 0.0
        if not hits:
            smoothing /= 2
        log_precision += math.log((hits or smoothing) / max(1, len(output) - n + 1)) / orders
    return math.exp(log_precision + min(0.0, 1 - len(reference) / len(output))) if output else 0.0
