"""Text as numbers: character ids, hashed n-grams with tf-idf weights, runs of one character class."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Pair = tuple[str, str]

F = np.float32
BUCKETS = 8192
RARITY_FLOOR = 0.05
MAX_PROMPT, MAX_ANSWER = 200, 400
"""Characters of a prompt and of an answer that are looked at."""

BOS, EOS, UNKNOWN = 1, 2, 3
_ASCII_AT, _GB2312_AT = 4, 132
_GB2312_ROWS, _ROW = 40, 94
_OTHER_AT, _OTHERS = _GB2312_AT + _GB2312_ROWS * _ROW, 256
CHARACTERS = _OTHER_AT + _OTHERS
SEGMENT_WIDTHS = (4, 8, 6, 6)

_FUNCTION_CHARACTERS = set(
    "的了吗呢吧呀啊是我你他她它们在有和与或就都也还又很不没这那哪个些么什怎样如何请问想要能可以会得着把被给对从到为及一下"
    "？?！!，,。. ^$"
)


def character_id(char: str) -> int:
    """Return a character's id: ASCII, then GB2312 level 1, anything else one of 256 buckets."""
    if char.isascii():
        return _ASCII_AT + ord(char)
    try:
        row, column = (byte - 0xA1 for byte in char.encode("gb2312"))
    except UnicodeEncodeError:
        row = column = -1
    if 15 <= row < 15 + _GB2312_ROWS:
        return _GB2312_AT + (row - 15) * _ROW + column
    return _OTHER_AT + zlib.crc32(char.encode("utf-8", "replace")) % _OTHERS


def ngrams(text: str, sizes: Iterable[int] = (1, 2)) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Return bucket ids, counts, and a weight per bucket that is small for function characters."""
    padded = f"^{text[:MAX_PROMPT].lower()}$"
    grams = [padded[i : i + n] for n in sizes for i in range(len(padded) - n + 1)]
    hashed = [zlib.crc32(gram.encode("utf-8", "replace")) % BUCKETS for gram in grams]
    ids, inverse, count = np.unique(hashed, return_inverse=True, return_counts=True)
    share = [1 - 0.85 * weakness(gram) for gram in grams]
    return ids, count, np.bincount(inverse, share) / count


def weakness(gram: str) -> float:
    """Return the share (0-1) of characters that every question has: particles, pronouns, punctuation."""
    return sum(char in _FUNCTION_CHARACTERS for char in gram) / len(gram)


class Features:
    """tf-idf over hashed n-grams; n-grams and characters that training never saw count as unknown."""

    def __init__(
        self, frequency: Floats | None = None, seen: NDArray[np.bool_] | None = None, n: int = 0
    ) -> None:
        self.frequency = np.zeros(BUCKETS, F) if frequency is None else frequency
        self.seen_characters = np.zeros(CHARACTERS, bool) if seen is None else seen
        self.seen_characters[:4] = True
        self.n = n

    def add(self, pairs: Sequence[Pair]) -> Features:
        """Count the n-grams and characters of more pairs."""
        for prompt, answer in pairs:
            self.frequency[ngrams(prompt)[0]] += 1
            self.seen_characters[[character_id(c) for c in prompt + answer]] = True
        self.n += len(pairs)
        return self

    def __call__(self, prompt: str) -> tuple[Ints, Floats]:
        """Return a prompt's buckets and their weights (unit length)."""
        ids, count, weight = ngrams(prompt)
        weight = weight * (1 + np.log(count)) * self._rarity(ids) * (self.frequency[ids] > 0)
        return ids, (weight / (np.linalg.norm(weight) + 1e-6)).astype(F)

    def matrix(self, prompts: Sequence[str]) -> Floats:
        """Return the weights of many prompts, shape (prompts, BUCKETS)."""
        rows = np.zeros((len(prompts), BUCKETS), F)
        for row, prompt in zip(rows, prompts, strict=True):
            ids, weight = self(prompt)
            row[ids] = weight
        return rows

    def coverage(self, prompt: str) -> float:
        """Return the share (0-1, by rarity) of the prompt's bigrams that training has seen."""
        ids, _, weight = ngrams(prompt, (2,))
        weight = weight * self._rarity(ids)
        return float(weight[self.frequency[ids] > 0].sum() / (weight.sum() + 1e-9))

    def _rarity(self, ids: Ints) -> NDArray[np.float64]:
        # Without the floor a data set of one question, or of one shared n-gram, could not be answered at all.
        rarity: NDArray[np.float64] = np.log((1 + self.n) / (1 + self.frequency[ids])) + RARITY_FLOOR
        return rarity


def segments(text: str) -> Floats:
    """Return one-hot rows: class, number of the run, place in the run, characters left in it."""
    rows, count, start = np.zeros((len(text), sum(SEGMENT_WIDTHS)), F), [0] * 4, 0
    while start < len(text):
        class_, end = _character_class(text[start]), start + 1
        while end < len(text) and class_ and _character_class(text[end]) == class_:
            end += 1
        for index in range(start, end):
            offset = 0
            values = (class_, count[class_], index - start, end - index - 1)
            for width, value in zip(SEGMENT_WIDTHS, values, strict=True):
                rows[index, offset + min(value, width - 1)] = 1
                offset += width
        count[class_] += 1
        start = end
    return rows


def softmax(scores: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return probabilities over the last axis."""
    exponentials = np.exp(scores - scores.max(-1, keepdims=True))
    probabilities: NDArray[np.floating] = exponentials / exponentials.sum(-1, keepdims=True)
    return probabilities


def _character_class(char: str) -> int:
    if char.isdigit():
        return 1
    if char.isalpha():
        return 2 if char.isascii() else 3
    return 0
