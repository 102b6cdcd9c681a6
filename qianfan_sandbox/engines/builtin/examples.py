"""Prompts and answers as small arrays, and batches of them as the pointer-generator reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .features import (
    BOS,
    EOS,
    MAX_ANSWER,
    MAX_PROMPT,
    SEGMENT_WIDTHS,
    UNKNOWN,
    F,
    Features,
    Floats,
    Ints,
    character_id,
    segments,
)

WINDOW = 6
"""How many written characters the model sees."""

CONTEXT = 5
"""How many prompt characters around an index attention sees."""

SEGMENT = sum(SEGMENT_WIDTHS)
MAX_RUN = 4
"""The longest run of equal characters before an index that is told apart."""

_NO_CHARACTER = -1  # neither is equal to a character of a prompt
_PADDING = -2


@dataclass(frozen=True)
class EncodedPrompt:
    """A prompt of n characters: n code points, n + CONTEXT - 1 ids, n x 4 columns of segments,
    buckets and weights.
    """

    text: str
    codes: NDArray[np.int32]
    ids: NDArray[np.int16]
    segment: NDArray[np.int8]
    grams: tuple[Ints, Floats]

    @classmethod
    def of(cls, features: Features, prompt: str) -> EncodedPrompt:
        """Return a prompt as the features know it; an empty one is one blank."""
        text = prompt[:MAX_PROMPT] or " "
        margin = CONTEXT // 2
        ids = np.array([BOS] * margin + seen_ids(features, text) + [EOS] * margin, np.int16)
        return cls(text, _codes(text), ids, segments(text), features(text))


@dataclass(frozen=True)
class Example:
    """A prompt with an answer of m characters: m + 1 code points and targets, m + WINDOW ids."""

    prompt: EncodedPrompt
    codes: NDArray[np.int32]
    written: NDArray[np.int16]
    target: NDArray[np.int16]
    writable: NDArray[np.bool_]

    @classmethod
    def of(cls, features: Features, index: dict[str, int], prompt: str, answer: str) -> Example:
        """Return an example; answer characters outside the alphabet can only be copied.

        Args:
            features: the n-grams and characters of the training data.
            index: the number of each character of the alphabet.
            prompt: the prompt.
            answer: the answer.
        """
        answer = answer[: MAX_ANSWER - 1]
        return cls(
            EncodedPrompt.of(features, prompt),
            np.append(_codes(answer), np.int32(_NO_CHARACTER)),
            np.array([BOS] * WINDOW + seen_ids(features, answer), np.int16),
            np.array([index.get(char, 0) for char in answer] + [0], np.int16),
            np.array([char in index for char in answer] + [True]),
        )


def seen_ids(features: Features, text: str) -> list[int]:
    """Return the ids of characters; those that are not in the training data are UNKNOWN."""
    seen = features.seen_characters
    return [id_ if seen[id_] else UNKNOWN for id_ in map(character_id, text)]


@dataclass
class PaddedBatch:
    """Examples padded to arrays; B examples, m answer characters, n prompt characters, g
    buckets.
    """

    written: Ints
    target: Ints
    contexts: Ints
    segment: Floats
    match: Ints
    copyable: NDArray[np.bool_]
    writable: NDArray[np.bool_]
    mask: NDArray[np.bool_]
    prompt_mask: NDArray[np.bool_]
    grams: Ints
    bag: Floats


def collate(examples: Sequence[Example]) -> PaddedBatch:
    """Pad examples to one batch."""
    prompts = [example.prompt for example in examples]
    length = max(len(e.target) for e in examples)
    width = max(len(prompt.codes) for prompt in prompts)
    written = _pad(examples, lambda e: e.written, length + WINDOW)
    contexts = _pad(examples, lambda e: e.prompt.ids, width + CONTEXT - 1)
    prompt_codes = _pad(examples, lambda e: e.prompt.codes, width, _PADDING)
    answer_codes = _pad(examples, lambda e: e.codes, length, _NO_CHARACTER)
    copyable = answer_codes[:, :, None] == prompt_codes[:, None, :]
    return PaddedBatch(
        windows(written, WINDOW)[:, :length],
        _pad(examples, lambda e: e.target, length),
        windows(contexts, CONTEXT),
        one_hot_segments([prompt.segment for prompt in prompts], width),
        matching_suffix(copyable),
        copyable,
        _pad(examples, lambda e: e.writable, length).astype(bool),
        np.arange(length) < np.array([[len(e.target)] for e in examples]),
        prompt_codes != _PADDING,
        *bags([prompt.grams for prompt in prompts]),
    )


def windows(ids: NDArray[Any], size: int) -> NDArray[Any]:
    """Return all runs of `size` neighbours of the last axis, as a new last axis."""
    return np.lib.stride_tricks.sliding_window_view(ids, size, axis=-1)


def one_hot_segments(rows: Sequence[NDArray[np.int8]], width: int) -> Floats:
    """Return the columns of `segments` as zeros and ones, shape (rows, width, SEGMENT)."""
    segment = np.zeros((len(rows), width, SEGMENT), F)
    for target, columns in zip(segment, rows, strict=True):
        target[np.arange(len(columns))[:, None], columns] = 1
    return segment


def bags(grams: Sequence[tuple[Ints, Floats]]) -> tuple[Ints, Floats]:
    """Return the distinct buckets of some prompts, and the weights of each prompt in them."""
    ids = np.concatenate([buckets for buckets, _ in grams])
    distinct, columns = np.unique(ids, return_inverse=True)
    weights = np.zeros((len(grams), len(distinct)), F)
    weights[np.repeat(np.arange(len(grams)), [len(buckets) for buckets, _ in grams]), columns] = (
        np.concatenate([weight for _, weight in grams])
    )
    return distinct, weights


def matching_suffix(copyable: NDArray[np.bool_]) -> Ints:
    """Return for each step and prompt index how many characters before both are equal, at most
    MAX_RUN.
    """
    run = copyable
    longest = np.zeros(copyable.shape, np.int64)
    for _ in range(MAX_RUN):
        shifted = np.zeros_like(run)
        shifted[:, 1:, 1:] = run[:, :-1, :-1]
        longest += shifted
        run = shifted & copyable
    return longest


def _codes(text: str) -> NDArray[np.int32]:
    return np.array([ord(char) for char in text], np.int32)


def _pad(
    examples: Sequence[Example],
    values: Callable[[Example], NDArray[Any]],
    width: int,
    fill: int = 0,
) -> Ints:
    rows = np.full((len(examples), width), fill, np.int64)
    for row, example in zip(rows, examples, strict=True):
        array = values(example)
        row[: len(array)] = array
    return rows
