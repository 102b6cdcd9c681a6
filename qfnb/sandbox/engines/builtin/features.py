"""Text as numbers: character ids, hashed n-grams with tf-idf weights, runs of one character class, vectors.

Batches of the pointer-generator's examples are here too. Similar wording gives similar vectors; synonyms do not.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Pair = tuple[str, str]

F = np.float32
BUCKETS = 8192
RARITY_FLOOR = 0.05
MAX_PROMPT, MAX_ANSWER = 200, 400
"""The characters of a prompt and of an answer that are used."""

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


def ngrams(text: str, sizes: Iterable[int] = (1, 2)) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Return bucket ids, counts, and a weight per bucket that is small for function characters."""
    padded = f"^{text[:MAX_PROMPT].lower()}$"
    grams = [padded[i : i + n] for n in sizes for i in range(len(padded) - n + 1)]
    hashed = [zlib.crc32(gram.encode("utf-8", "replace")) % BUCKETS for gram in grams]
    ids, inverse, count = np.unique(hashed, return_inverse=True, return_counts=True)
    share = [1 - 0.85 * weakness(gram) for gram in grams]
    return ids, count, np.bincount(inverse, share) / count


def weakness(gram: str) -> float:
    """Return the share (0-1) of characters that most questions have: particles, pronouns, punctuation."""
    return sum(char in _FUNCTION_CHARACTERS for char in gram) / len(gram)


class Features:
    """tf-idf over hashed n-grams; n-grams and characters that are not in the training data count as unknown."""

    def __init__(self, frequency: Floats | None = None, seen: NDArray[np.bool_] | None = None, n: int = 0) -> None:
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

    def extended(self, pairs: Sequence[Pair]) -> Features:
        """Return a copy that knows more n-grams and characters; those it knew keep their weights."""
        more = Features().add(pairs)
        frequency = np.where(self.frequency > 0, self.frequency, np.minimum(more.frequency, 1))
        return Features(frequency, self.seen_characters | more.seen_characters, self.n)

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
        """Return the share (0-1, by rarity) of the prompt's bigrams that are in the training data."""
        ids, _, weight = ngrams(prompt, (2,))
        weight = weight * self._rarity(ids)
        return float(weight[self.frequency[ids] > 0].sum() / (weight.sum() + 1e-9))

    def _rarity(self, ids: Ints) -> NDArray[np.float64]:
        # Without the floor all weights are 0 when the data has one question or one shared n-gram.
        rarity: NDArray[np.float64] = np.log((1 + self.n) / (1 + self.frequency[ids])) + RARITY_FLOOR
        return rarity


def segments(text: str) -> Floats:
    """Return one-hot rows: class, number of the run, index in the run, characters after it in the run."""
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


WINDOW = 6
"""How many written characters the model sees."""

CONTEXT = 5
"""How many prompt characters around an index attention sees."""

SEGMENT = sum(SEGMENT_WIDTHS)

Example = dict[str, Any]
"""Arrays of one example by name."""


@dataclass
class PaddedBatch:
    """Examples padded to arrays; B examples, m answer characters, n prompt characters."""

    written: NDArray[np.int64]
    target: NDArray[np.int64]
    contexts: NDArray[np.int64]
    segment: Floats
    match: NDArray[np.int64]
    copyable: Floats
    writable: Floats
    mask: NDArray[np.bool_]
    prompt_mask: NDArray[np.bool_]
    grams: NDArray[np.int64]
    bag: Floats


def collate(examples: Sequence[Example]) -> PaddedBatch:
    """Pad examples to one batch."""
    count = len(examples)
    length, width = max(len(e["target"]) for e in examples), max(len(e["prompt"]) for e in examples)

    def pad(name: str, shape: tuple[int, ...], dtype: type) -> NDArray[Any]:
        out: NDArray[Any] = np.zeros((count, *shape), dtype)
        for row, example in zip(out, examples, strict=True):
            row[tuple(map(slice, example[name].shape))] = example[name]
        return out

    sizes = [len(e["grams"][0]) for e in examples]
    grams = np.concatenate([e["grams"][0] for e in examples])
    bag = np.zeros((count, len(grams)), F)
    bag[np.repeat(np.arange(count), sizes), np.arange(len(grams))] = np.concatenate([e["grams"][1] for e in examples])
    return PaddedBatch(
        pad("written", (length, WINDOW), np.int64),
        pad("target", (length,), np.int64),
        pad("around", (width, CONTEXT), np.int64),
        pad("segment", (width, SEGMENT), np.float32),
        pad("match", (length, width), np.int64),
        pad("copyable", (length, width), np.float32),
        pad("writable", (length,), np.float32),
        np.arange(length) < np.array([[len(e["target"])] for e in examples]),
        np.arange(width) < np.array([[len(e["prompt"])] for e in examples]),
        grams,
        bag,
    )


def matching_suffix(copyable: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each step and prompt index how many characters before both are equal, at most 4."""
    run = np.zeros(copyable.shape, np.int64)
    for t in range(1, len(copyable)):
        run[t, 1:] = np.where(copyable[t - 1, :-1], run[t - 1, :-1] + 1, 0)
    return np.minimum(run, 4)


DIMENSIONS = 384
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
    return cosines(embed([query, *documents], 2048))


def cosines(rows: Sequence[Sequence[float]] | Floats) -> list[float]:
    """Return the similarity of the first vector to each of the others, 0 to 1."""
    vectors = np.asarray(rows, np.float32)
    unit = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)
    return [max(0.0, float(score)) for score in unit[1:] @ unit[0]]
