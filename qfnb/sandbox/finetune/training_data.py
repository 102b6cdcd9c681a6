"""What a run learns from: the pairs of its data sets at their rates, or the sentences of its texts."""

from __future__ import annotations

import itertools
import math
import re

from ..datasets import row_formats, rows
from ..datasets.row_parser import RowParser
from ..state.store import Document, Store
from ..storage import objects

Pairs = list[tuple[str, str]]

BOS_PREFIX = "bos:/"
CONVERSATION_FORMAT = "PromptResponse"

_SENTENCE_END = re.compile(r"(?<=[。！？!?；\n])|(?<=\.\s)")

MIN_PAIRS_FOR_VALIDATION = 10
"""Pairs below which nothing is held out."""


def load_run_pairs(store: Store, task: Document, *, include_earlier: bool = True) -> tuple[Pairs, Pairs]:
    """Return the pairs for training and those held out for validation.

    Args:
        store: where the data is.
        task: the run.
        include_earlier: with the data of the run that it goes on from, if there is one.
    """
    run_pairs: Pairs = []
    start = 0 if include_earlier else task["before"]
    for source, rate in list(zip(task["datasets"], task["rates"], strict=True))[start:]:
        run_pairs += sample(read_source_pairs(store, source), rate)
    return split_validation(
        continuation_pairs(run_pairs) if task["texts"] else run_pairs, task["split_ratio"]
    )


def read_source_pairs(store: Store, source: str) -> Pairs:
    """Return the pairs of a dataset or of an object in the bucket; a text has no prompt, a query no answer.

    Raises:
        ValueError: it is gone, or a line of it is wrong.
    """
    if source.startswith(BOS_PREFIX):
        return _read_file_pairs(store, source)
    dataset = store.get("dataset", source)
    if dataset is None:
        raise ValueError(f"{source} does not exist")
    return rows.read_pairs(store, dataset)


def _read_file_pairs(store: Store, address: str) -> Pairs:
    content = objects.read_object(store, address)
    if content is None:
        raise ValueError(f"{address} does not exist")
    is_text = address.endswith(".txt")
    parser = RowParser(row_formats.TEXT if is_text else CONVERSATION_FORMAT, annotated=True)
    parser.parse_file(address.rpartition("/")[2], content)
    if parser.problems:
        raise ValueError(str(parser.problems[0]))
    return [row_formats.last_pair(row) for _, row in parser.named_rows]


def sample(rows: Pairs, rate: float) -> Pairs:
    """Return a share of the rows, evenly spread, or all of them several times; always the same ones."""
    repeats, fraction = divmod(rate, 1)
    partial = [
        row
        for index, row in enumerate(rows)
        if math.floor((index + 1) * fraction) > math.floor(index * fraction)
    ]
    return rows * int(repeats) + partial


def continuation_pairs(texts: Pairs) -> Pairs:
    """Return what a text teaches: after each sentence comes the next, after half of a single one the rest."""
    result: Pairs = []
    for _, text in texts:
        parts = [part for part in _SENTENCE_END.split(text) if part.strip()]
        if len(parts) < 2:
            parts = [text[: len(text) // 2], text[len(text) // 2 :]]
        result += [pair for pair in itertools.pairwise(parts) if all(pair)]
    return result


def split_validation(rows: Pairs, percent: int) -> tuple[Pairs, Pairs]:
    """Return rows for training and, every so many, rows held out for validation; always the same ones."""
    if percent <= 0 or len(rows) < MIN_PAIRS_FOR_VALIDATION:
        return rows, []
    stride = max(2, round(100 / min(percent, 50)))
    held_out = rows[stride - 1 :: stride]
    return [row for index, row in enumerate(rows) if (index + 1) % stride], held_out
