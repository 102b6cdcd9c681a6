"""Text as numbers: character ids, hashed n-grams with tf-idf weights, runs of one character class,
vectors.

Similar wording gives similar vectors; synonyms do not.
"""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Array = NDArray[Any]
Pair = tuple[str, str]
Tick = Callable[[], None]
"""Called often while something takes long; it may raise."""


def no_tick() -> None:
    """Do nothing."""


F = np.float32
BUCKETS = 8192
RARITY_FLOOR = 0.05
MAX_PROMPT = 200
MAX_ANSWER = 400
"""The characters of a prompt and of an answer that are used."""


def answer_length(answer: str) -> int:
    """Return the characters of an answer that are used, of which its end is one."""
    return min(len(answer), MAX_ANSWER - 1) + 1


BOS = 1
EOS = 2
UNKNOWN = 3
_ASCII_AT = 4
_GB2312_AT = 132
_GB2312_ROWS = 40
_ROW = 94
_OTHER_AT = _GB2312_AT + _GB2312_ROWS * _ROW
_OTHERS = 256
CHARACTERS = _OTHER_AT + _OTHERS
SEGMENT_WIDTHS = (4, 8, 6, 6)
_SEGMENT_LARGEST = np.array(SEGMENT_WIDTHS) - 1
_SEGMENT_STARTS = np.cumsum((0, *SEGMENT_WIDTHS[:-1]))

_FUNCTION_CHARACTERS = set(
    "的了吗呢吧呀啊是我你他她它们在有和与或就都也还又很不没这那哪个些么什怎样如何请问想要能可以会得着把被给对从到为及一下"
    "？?！!，,。. ^$"
)


@functools.lru_cache(maxsize=16384)
def character_id(char: str) -> int:
    """Return a character's id: ASCII, then GB2312 level 1; all others share 256 buckets."""
    if char.isascii():
        return _ASCII_AT + ord(char)
    try:
        row, column = (byte - 0xA1 for byte in char.encode("gb2312"))
    except UnicodeEncodeError:
        row = column = -1
    if 15 <= row < 15 + _GB2312_ROWS:
        return _GB2312_AT + (row - 15) * _ROW + column
    return _OTHER_AT + zlib.crc32(char.encode("utf-8", "replace")) % _OTHERS


@functools.cache
def common_characters() -> str:
    """Return the Chinese characters of GB2312 level 1, the commonest."""
    pairs = (
        bytes((row + 0xB0, column + 0xA1)) for row in range(_GB2312_ROWS) for column in range(_ROW)
    )
    return "".join(pair.decode("gb2312", "ignore") for pair in pairs)


def ngrams(text: str, sizes: Iterable[int] = (1, 2)) -> tuple[Ints, Ints, Array]:
    """Return bucket ids, counts, and a weight per bucket that is small for function characters."""
    padded = f"^{text[:MAX_PROMPT].lower()}$"
    hashed = [
        _bucket_and_share(padded[i : i + n]) for n in sizes for i in range(len(padded) - n + 1)
    ]
    buckets, shares = zip(*hashed, strict=True)
    ids, inverse, count = np.unique(np.array(buckets), return_inverse=True, return_counts=True)
    return ids, count, np.bincount(inverse, shares) / count


@functools.lru_cache(maxsize=65536)
def _bucket_and_share(gram: str) -> tuple[int, float]:
    return zlib.crc32(gram.encode("utf-8", "replace")) % BUCKETS, 1 - 0.85 * weakness(gram)


def weakness(gram: str) -> float:
    """Return the share (0-1) of characters that most questions have: particles, pronouns,
    punctuation.
    """
    return sum(char in _FUNCTION_CHARACTERS for char in gram) / len(gram)


class Features:
    """tf-idf over hashed n-grams; n-grams and characters that are not in the training data count as
    unknown.
    """

    def __init__(
        self, frequency: Floats | None = None, seen: Bools | None = None, n: int = 0
    ) -> None:
        self.frequency = np.zeros(BUCKETS, F) if frequency is None else frequency
        self.seen_characters = np.zeros(CHARACTERS, bool) if seen is None else seen
        self.seen_characters[:4] = True
        self.n = n

    def add(self, pairs: Sequence[Pair]) -> Features:
        """Count the n-grams and characters of more pairs."""
        for prompt, answer in pairs:
            self.frequency[ngrams(prompt)[0]] += 1
            self.seen_characters[[character_id(c) for c in {*prompt, *answer}]] = True
        self.n += len(pairs)
        return self

    def extended(self, pairs: Sequence[Pair]) -> Features:
        """Return a copy that knows more n-grams and characters; those it knew keep their
        weights.
        """
        more = Features().add(pairs)
        frequency = np.where(self.frequency > 0, self.frequency, np.minimum(more.frequency, 1))
        return Features(frequency, self.seen_characters | more.seen_characters, self.n)

    def __call__(self, prompt: str) -> tuple[Ints, Floats]:
        """Return a prompt's buckets and their weights (unit length)."""
        ids, count, weight = ngrams(prompt)
        weight = weight * (1 + np.log(count)) * self._rarity(ids) * (self.frequency[ids] > 0)
        return ids, (weight / (np.linalg.norm(weight) + 1e-6)).astype(F)

    def coverage(self, prompt: str) -> float:
        """Return the share (0-1, by rarity) of the prompt's bigrams that are in the training
        data.
        """
        ids, _, weight = ngrams(prompt, (2,))
        weight = weight * self._rarity(ids)
        return float(weight[self.frequency[ids] > 0].sum() / (weight.sum() + 1e-9))

    def _rarity(self, ids: Ints) -> Array:
        # Without the floor all weights are 0 when the data has one question or one shared n-gram.
        rarity: Array = np.log((1 + self.n) / (1 + self.frequency[ids])) + RARITY_FLOOR
        return rarity


def segments(text: str) -> Array:
    """Return for each character the columns that are 1: class, number of the run, index in the run,
    rest of the run.
    """
    rows = np.zeros((len(text), len(SEGMENT_WIDTHS)), np.int64)
    count = [0] * 4
    start = 0
    classes = [_character_class(char) for char in text]
    while start < len(text):
        class_ = classes[start]
        end = start + 1
        while end < len(text) and class_ and classes[end] == class_:
            end += 1
        for index in range(start, end):
            rows[index] = (class_, count[class_], index - start, end - index - 1)
        count[class_] += 1
        start = end
    columns: Array = (np.minimum(rows, _SEGMENT_LARGEST) + _SEGMENT_STARTS).astype(np.int8)
    return columns


def softmax(scores: Array) -> Array:
    """Return probabilities over the last axis."""
    exponentials = np.exp(scores - scores.max(-1, keepdims=True))
    probabilities: Array = exponentials / exponentials.sum(-1, keepdims=True)
    return probabilities


def _character_class(char: str) -> int:
    if char.isdigit():
        return 1
    if char.isalpha():
        if char.isascii():
            return 2
        return 3
    return 0


DIMENSIONS = 384
RELEVANCE_DIMENSIONS = 2048
_SIZES = ((1, 1.0), (2, 1.0), (3, 0.5))


def embed(texts: Sequence[str], dimensions: int = DIMENSIONS) -> Floats:
    """Return unit vectors, shape (texts, dimensions): signed hashing of character 1- to 3-grams."""
    rows = np.zeros((len(texts), dimensions), np.float32)
    for row, text in zip(rows, texts, strict=True):
        padded = f"^{text.lower()}$"
        for size, weight in _SIZES:
            for start in range(len(padded) - size + 1):
                gram = padded[start : start + size]
                hashed = zlib.crc32(f"{size}{gram}".encode("utf-8", "replace"))
                sign = 1 if hashed >> 31 else -1
                row[hashed % dimensions] += sign * weight * (1 - 0.85 * weakness(gram))
    unit: Floats = rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9)
    return unit


def relevance(query: str, documents: Sequence[str]) -> list[float]:
    """Return each document's similarity to the query, 0 to 1."""
    vectors = embed([query, *documents], RELEVANCE_DIMENSIONS)
    return [max(0.0, float(score)) for score in vectors[1:] @ vectors[0]]
