"""Rows of training with other values in their fields: a generator learns from them to copy names that it has not seen.

Without them it learns how long the names of its training are, and which characters they have.
(Fadaee, Bisazza and Monz 2017, arXiv 1705.00440, augment rare words likewise.)
"""

from __future__ import annotations

import re
import string

import numpy as np

from .features import Pair, common_characters
from .fields import Layout

SHARE = 0.7
"""The share of the values of a row that are replaced."""

MIN_DIGITS = 3  # of a number that is replaced; smaller ones are counts and dates

MAX_LETTERS, MAX_WORDS = 11, 3


def substitute(pair: Pair, random: np.random.Generator) -> Pair:
    """Return a row with other values in the fields that it copies once, the row itself if there are none."""
    prompt, answer = pair
    for _, value in Layout.of(answer).fields:
        if len(value) > 1 and prompt.count(value) == answer.count(value) == 1 and random.random() < SHARE:
            new = _similar(value, random)
            prompt, answer = prompt.replace(value, new), answer.replace(value, new)
    return prompt, answer


def _similar(value: str, random: np.random.Generator) -> str:
    """Return a value of the same kind, not always of the same length."""

    def draw(characters: str, count: int) -> str:
        return "".join(characters[index] for index in random.integers(len(characters), size=max(1, count)))

    if any(char.isdigit() for char in value):
        if len(value) < MIN_DIGITS:
            return value
        longer = draw(string.digits, 1) if value[-1].isdigit() and random.random() < 0.3 else ""
        return re.sub(r"\d", lambda _: draw(string.digits, 1), value) + longer
    if value.isascii():
        words = [
            draw(string.ascii_lowercase, int(random.integers(2, MAX_LETTERS + 1)))
            for _ in range(random.integers(1, MAX_WORDS + 1))
        ]
        return " ".join(word.capitalize() if value[0].isupper() else word for word in words)
    return draw(common_characters(), len(value) + int(random.integers(-1, 3)))
