"""What a run learns from: pairs, texts or preferences of datasets and of objects in the bucket."""

import itertools
import math
import re
from collections.abc import Sequence
from typing import Any, Literal, TypeVar

from qfnb.wire import finetune_v2 as wire

from ..datasets import row_formats, rows
from ..datasets.row_formats import RowParser
from ..engines.protocol import Pair, Preference
from ..state.store import Document, Store
from ..storage import objects

RowT = TypeVar("RowT")

BOS_PREFIX = "bos:/"
CONVERSATION_FORMAT = "PromptResponse"
PREFERENCE_FORMAT = "KTO_PromptChosenRejected"

PREFERENCE_LOSSES: dict[str, Literal["DPO", "KTO"]] = {wire.DPO: "DPO", wire.KTO: "KTO"}
"""The train modes that learn from preferences, and their losses."""

MIN_ROWS_FOR_VALIDATION = 10
"""Fewer rows are all used for training."""

_SENTENCE_END = re.compile(r"(?<=[。！？!?；\n])|(?<=\.\s)")


def load_pairs(store: Store, task: Document) -> tuple[list[Pair], list[Pair]]:
    """Return the pairs for training and those held out, of the run and of those whose data it
    shares.
    """
    pairs = [
        pair for source, rate in _sources(task) for pair in sample(read_pairs(store, source), rate)
    ]
    return split_validation(
        continuation_pairs(pairs) if task["texts"] else pairs, task["split_ratio"]
    )


def load_preferences(
    store: Store, task: Document
) -> tuple[list[Preference], list[Preference], list[Pair]]:
    """Return the preferences for training, those held out, and the pairs of the runs whose data it
    shares.
    """
    sources = _sources(task)
    earlier = sources[: task["before"]]
    own = sources[task["before"] :]
    preferences = [
        row for source, rate in own for row in sample(read_preferences(store, source), rate)
    ]
    earlier_pairs = [
        pair for source, rate in earlier for pair in sample(read_pairs(store, source), rate)
    ]
    return *split_validation(preferences, task["split_ratio"]), [
        pair for pair in earlier_pairs if all(pair)
    ]


def read_pairs(store: Store, source: str) -> list[Pair]:
    """Return the pairs of a dataset or an object; a text has no prompt, a prompt no response.

    Raises:
        ValueError: it does not exist, or has an invalid line.
    """
    return [
        row_formats.last_pair(row)
        for row in _read_rows(store, source, CONVERSATION_FORMAT, PREFERENCE_FORMAT)
    ]


def read_preferences(store: Store, source: str) -> list[Preference]:
    """Return the preferences of a dataset or an object; of a ranking each answer but the best is
    rejected once.

    Raises:
        ValueError: it does not exist, or has an invalid line.
    """
    source_rows = _read_rows(store, source, PREFERENCE_FORMAT)
    return [
        Preference(*judged) for row in source_rows for judged in row_formats.judged_answers(row)
    ]


def is_usable(row: Pair | Preference, mode: str) -> bool:
    """Return whether a train mode learns from a row."""
    if isinstance(row, Preference):
        if mode == wire.DPO:
            return bool(row.chosen and row.rejected)
        return bool(row.chosen or row.rejected)
    prompt, response = row
    return bool(response) and bool(prompt) != (mode == wire.POST_PRETRAIN)


def sample(rows: Sequence[RowT], rate: float) -> list[RowT]:
    """Return a share of the rows, evenly spread, or for rates above 1 all of them several times."""
    repeats, fraction = divmod(rate, 1)
    partial = [
        row
        for index, row in enumerate(rows)
        if math.floor((index + 1) * fraction) > math.floor(index * fraction)
    ]
    return [*rows] * int(repeats) + partial


def continuation_pairs(texts: Sequence[Pair]) -> list[Pair]:
    """Return each sentence of the texts with the next one, and of a single sentence its two
    halves.
    """
    result: list[Pair] = []
    for _, text in texts:
        parts = [part for part in _SENTENCE_END.split(text) if part.strip()]
        if len(parts) < 2:
            parts = [text[: len(text) // 2], text[len(text) // 2 :]]
        result += [pair for pair in itertools.pairwise(parts) if all(pair)]
    return result


def split_validation(rows: Sequence[RowT], percent: int) -> tuple[list[RowT], list[RowT]]:
    """Return the rows for training and, at a fixed stride, those held out for validation."""
    if percent <= 0 or len(rows) < MIN_ROWS_FOR_VALIDATION:
        return [*rows], []
    stride = max(2, round(100 / min(percent, 50)))
    held_out = list(rows[stride - 1 :: stride])
    return [row for index, row in enumerate(rows) if (index + 1) % stride], held_out


def _sources(task: Document) -> list[tuple[str, float]]:
    return list(zip(task["datasets"], task["rates"], strict=True))


def _read_rows(store: Store, source: str, *data_formats: str) -> list[Any]:
    """Return the rows of a dataset, or of an object in the first format that has no invalid
    line.
    """
    if source.startswith(BOS_PREFIX):
        content = objects.read_object(store, source)
        if content is None:
            raise ValueError(f"{source} does not exist")
        formats = (row_formats.TEXT,) if source.endswith(".txt") else data_formats
        parsers = [_parse(source, content, data_format) for data_format in formats]
        parser = next((parser for parser in parsers if not parser.problems), parsers[0])
        if parser.problems:
            raise ValueError(str(parser.problems[0]))
        return [row for _, row in parser.named_rows]
    dataset = store.get("dataset", source)
    if dataset is None:
        raise ValueError(f"{source} does not exist")
    return [entity.row for _, entity in rows.iter_entities(store, dataset)]


def _parse(address: str, content: bytes, data_format: str) -> RowParser:
    parser = RowParser(data_format, annotated=True)
    parser.parse_file(address.rpartition("/")[2], content)
    return parser
