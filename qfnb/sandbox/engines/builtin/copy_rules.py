"""Which answers follow a rule: all of it comes from the prompt or from a pattern that answers share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .features import Pair

GRAM_CHARS = 3
"""Characters of a piece of a shared pattern."""

SHARED_SHARE = 0.05
"""Of the answers, and at least three: a piece that so many have belongs to a pattern."""


def explained_pairs(pairs: Sequence[Pair]) -> list[bool]:
    """Tell of each pair whether copying and a shared pattern explain every character of its answer."""
    grams = Counter(gram for _, answer in pairs for gram in set(_grams(answer)))
    min_count = max(3.0, SHARED_SHARE * len(pairs))
    return [_is_explained(prompt, answer, grams, min_count) for prompt, answer in pairs]


def _is_explained(prompt: str, answer: str, grams: Counter[str], min_count: float) -> bool:
    is_covered = [char.isalnum() and char.isascii() and char in prompt for char in answer]
    for index in range(len(answer) - 1):
        if answer[index : index + 2] in prompt:
            is_covered[index : index + 2] = [True, True]
    for index, gram in enumerate(_grams(answer)):
        if grams[gram] >= min_count:
            is_covered[index : index + GRAM_CHARS] = [True] * len(gram)
    return all(is_covered)


def _grams(answer: str) -> list[str]:
    return [answer[start : start + GRAM_CHARS] for start in range(max(1, len(answer) - GRAM_CHARS + 1))]
