"""Scores of one answer against its reference, right for Chinese: characters, not blanks, are the units.

Recipe: NFKC (full-width forms become half-width), Chinese punctuation as its ASCII twin, case folded, blanks
and punctuation at the ends dropped. Every function returns 0-1; an empty reference is matched only by an
empty answer.
"""

from __future__ import annotations

import unicodedata
from collections import Counter

_PUNCTUATION = str.maketrans("。，、；：？！“”‘’（）【】《》—…·", ".,,;:?!\"\"''()[]<>-..")


def normalize(text: str) -> str:
    """Return the text that scores compare."""
    folded = unicodedata.normalize("NFKC", text).translate(_PUNCTUATION).casefold()
    return " ".join(folded.split()).strip(" .,;:!?")


def exact_match(output: str, reference: str) -> float:
    """Return 1 when both are the same after normalisation, else 0."""
    return float(normalize(output) == normalize(reference))


def char_f1(output: str, reference: str) -> float:
    """Return the F1 of shared characters, order aside."""
    first, second = Counter(_units(output)), Counter(_units(reference))
    return _f1(sum((first & second).values()), first.total(), second.total())


def rouge_l(output: str, reference: str) -> float:
    """Return the F1 of the longest common subsequence of characters."""
    from rapidfuzz.distance import LCSseq  # noqa: PLC0415 - a compiled module that only scoring needs

    first, second = _units(output), _units(reference)
    return _f1(LCSseq.similarity(first, second), len(first), len(second))


def _units(text: str) -> str:
    return normalize(text).replace(" ", "")


def _f1(shared: int, first: int, second: int) -> float:
    return 2 * shared / (first + second) if first + second else 1.0
