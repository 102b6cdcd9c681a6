"""Which answers follow a rule: all of it comes from the prompt or from a pattern that answers share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from .features import Pair

GRAM = 3
"""Characters of a piece of a shared pattern."""

SHARED = 0.05
"""Of the answers, and at least three: a piece that so many have belongs to a pattern."""


def explained(pairs: Sequence[Pair]) -> list[bool]:
    """Tell of each pair whether copying and a shared pattern explain every character of its answer."""
    grams = Counter(gram for _, answer in pairs for gram in set(_grams(answer)))
    enough = max(3.0, SHARED * len(pairs))
    return [_is_explained(prompt, answer, grams, enough) for prompt, answer in pairs]


def _is_explained(prompt: str, answer: str, grams: Counter[str], enough: float) -> bool:
    known = [char.isalnum() and char.isascii() and char in prompt for char in answer]
    for place in range(len(answer) - 1):
        if answer[place : place + 2] in prompt:
            known[place : place + 2] = [True, True]
    for place, gram in enumerate(_grams(answer)):
        if grams[gram] >= enough:
            known[place : place + GRAM] = [True] * len(gram)
    return all(known)


def _grams(answer: str) -> list[str]:
    return [answer[place : place + GRAM] for place in range(max(1, len(answer) - GRAM + 1))]
