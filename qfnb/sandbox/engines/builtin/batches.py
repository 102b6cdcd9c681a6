"""Training examples of the pointer model, and batches of them padded to arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .features import SEGMENT_WIDTHS, F, Floats

WINDOW = 6
"""Characters already written that the model looks back on."""

CONTEXT = 5
"""Prompt characters around a place that attention looks at."""

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
    bag[np.repeat(np.arange(count), sizes), np.arange(len(grams))] = np.concatenate(
        [e["grams"][1] for e in examples]
    )
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
    """Return, for each step and place, how many characters just before both are the same (at most 4)."""
    run = np.zeros(copyable.shape, np.int64)
    for t in range(1, len(copyable)):
        run[t, 1:] = np.where(copyable[t - 1, :-1], run[t - 1, :-1] + 1, 0)
    return np.minimum(run, 4)
