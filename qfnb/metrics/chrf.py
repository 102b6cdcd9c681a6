"""chrF2: shared runs of one to six characters, recall counted twice; 0-1. It needs no words."""

from __future__ import annotations

import math
from typing import Final

from .rouge import count_shared

MAX_ORDER: Final = 6
BETA: Final = 2


def chrf(output: str, reference: str) -> float:
    """Return chrF2 of two texts, as sacrebleu does for sentences; NaN for an empty reference."""
    output_chars, reference_chars = "".join(output.split()), "".join(reference.split())
    if not reference_chars:
        return math.nan
    orders = min(MAX_ORDER, len(output_chars), len(reference_chars))
    if not orders:
        return 0.0
    matches = [
        (n, count_shared(_char_ngrams(output_chars, n), _char_ngrams(reference_chars, n)))
        for n in range(1, orders + 1)
    ]
    precision = sum(count / (len(output_chars) - n + 1) for n, count in matches) / orders
    recall = sum(count / (len(reference_chars) - n + 1) for n, count in matches) / orders
    weighted_sum = BETA**2 * precision + recall
    return (1 + BETA**2) * precision * recall / weighted_sum if weighted_sum else 0.0


def _char_ngrams(text: str, n: int) -> list[str]:
    return [text[start : start + n] for start in range(len(text) - n + 1)]
