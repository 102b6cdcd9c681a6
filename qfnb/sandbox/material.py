"""What a run learns from: the pairs of its data sets at their rates, or the sentences of its texts."""

from __future__ import annotations

import itertools
import math
import re

from . import datasets, rows, storage
from .reading import Reading
from .store import Document, Store

Pairs = list[tuple[str, str]]

BOS = "bos:/"
CONVERSATION = "PromptResponse"

_SENTENCE = re.compile(r"(?<=[。！？!?；\n])|(?<=\.\s)")

SHORTEST = 10
"""Pairs below which nothing is held out."""


def of_run(store: Store, task: Document, *, again: bool = True) -> tuple[Pairs, Pairs]:
    """Return the pairs for training and those held out for validation.

    Args:
        store: where the data is.
        task: the run.
        again: with the data of the run that it goes on from, if there is one.
    """
    found: Pairs = []
    start = 0 if again else task["before"]
    for source, rate in list(zip(task["datasets"], task["rates"], strict=True))[start:]:
        found += sampled(pairs(store, source), rate)
    return split(continuations(found) if task["texts"] else found, task["split_ratio"])


def pairs(store: Store, source: str) -> Pairs:
    """Return the pairs of a dataset or of an object in the bucket; a text has no prompt, a query no answer.

    Raises:
        ValueError: it is gone, or a line of it is wrong.
    """
    if source.startswith(BOS):
        return _filed(store, source)
    dataset = store.get("dataset", source)
    if dataset is None:
        raise ValueError(f"{source} does not exist")
    return datasets.pairs(store, dataset)


def _filed(store: Store, address: str) -> Pairs:
    content = storage.read(store, address)
    if content is None:
        raise ValueError(f"{address} does not exist")
    text = address.endswith(".txt")
    reading = Reading(rows.TEXT if text else CONVERSATION, annotated=True)
    reading.take(address.rpartition("/")[2], content)
    if reading.problems:
        raise ValueError(str(reading.problems[0]))
    return [rows.pair(row) for _, row in reading.found]


def sampled(rows: Pairs, rate: float) -> Pairs:
    """Return a share of the rows, evenly spread, or all of them several times; always the same ones."""
    whole, part = divmod(rate, 1)
    some = [
        row for place, row in enumerate(rows) if math.floor((place + 1) * part) > math.floor(place * part)
    ]
    return rows * int(whole) + some


def continuations(texts: Pairs) -> Pairs:
    """Return what a text teaches: after each sentence comes the next, after half of a single one the rest."""
    made: Pairs = []
    for _, text in texts:
        parts = [part for part in _SENTENCE.split(text) if part.strip()]
        if len(parts) < 2:
            parts = [text[: len(text) // 2], text[len(text) // 2 :]]
        made += [pair for pair in itertools.pairwise(parts) if all(pair)]
    return made


def split(rows: Pairs, percent: int) -> tuple[Pairs, Pairs]:
    """Return rows for training and, every so many, rows held out for validation; always the same ones."""
    if percent <= 0 or len(rows) < SHORTEST:
        return rows, []
    every = max(2, round(100 / min(percent, 50)))
    held_out = rows[every - 1 :: every]
    return [row for index, row in enumerate(rows) if (index + 1) % every], held_out
