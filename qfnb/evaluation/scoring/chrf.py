"""chrF2: shared runs of one to six characters, recall counted twice; 0-1. No words are needed."""

from __future__ import annotations

import math
from typing import Final

from .overlap import shared

ORDER: Final = 6
BETA: Final = 2


def chrf(output: str, reference: str) -> float:
    """Return chrF2 of two texts, as sacrebleu does for sentences; NaN for an empty reference."""
    own, expected = "".join(output.split()), "".join(reference.split())
    if not expected:
        return math.nan
    orders = min(ORDER, len(own), len(expected))
    if not orders:
        return 0.0
    hits = [(n, shared(_runs(own, n), _runs(expected, n))) for n in range(1, orders + 1)]
    precision = sum(found / (len(own) - n + 1) for n, found in hits) / orders
    recall = sum(found / (len(expected) - n + 1) for n, found in hits) / orders
    both = BETA**2 * precision + recall
    return (1 + BETA**2) * precision * recall / both if both else 0.0


def _runs(text: str, n: int) -> list[str]:
    return [text[start : start + n] for start in range(len(text) - n + 1)]
