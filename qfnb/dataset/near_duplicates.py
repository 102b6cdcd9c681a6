"""Inputs that are nearly the same: who was trained on one has learnt the answer to the other.

Two texts are nearly the same if they have the same words in the same order, without regard to case,
punctuation, spaces and polite words ("please"), but for one word that one of them has and the other
lacks. A Chinese character counts as a word; numbers are never left out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from .schema import PICTURES, Row, Schema

MAX_COMPARED_ROWS: Final = 20_000
"""Rows of a dataset that are compared: the first ones. 20,000 of 12 to 40 words take a second."""

_MAX_WORDS = 80  # of a text in which one word may be left out; a longer one must be equal
_POLITE = re.compile(r"请问|麻烦|您好|你好|请|\b(?:please|hello|hi|kindly)\b")
_WORDS = re.compile(r"[^\W\d_\u2e80-\u9fff\uf900-\ufaff]+|\d+|[\u2e80-\u9fff\uf900-\ufaff]")


@dataclass(frozen=True)
class NearDuplicates:
    """The inputs of a dataset that nearly repeat others.

    Attributes:
        count: how many do.
        compared: how many were compared.
        pair: one of them, and the text that it repeats; None without any.
    """

    count: int = 0
    compared: int = 0
    pair: tuple[str, str] | None = None


def find_near_duplicates(texts: Sequence[str], references: Sequence[str] = ()) -> NearDuplicates:
    """Return which texts nearly repeat, or repeat, one of the references; without references, an
    earlier text.

    Args:
        texts: the inputs that are looked at.
        references: the inputs that they may repeat.
    """
    whole: dict[str, str] = {}  # texts by their words, and by all but one of their words
    shortened: dict[str, str] = {}
    pairs = []
    for number, text in enumerate((*references, *texts)):
        words = _words(text)
        key = " ".join(words)
        shorter_keys = _shorter_keys(words)
        is_text = number >= len(references)
        earlier_text = (
            whole.get(key)
            or shortened.get(key)
            or next(filter(None, map(whole.get, shorter_keys)), None)
        )
        if is_text and earlier_text is not None:
            pairs.append((text, earlier_text))
        if not (is_text and references):
            whole.setdefault(key, text)
            shortened.update((shorter, text) for shorter in shorter_keys)
    example = next((pair for pair in pairs if pair[0] != pair[1]), pairs[0] if pairs else None)
    return NearDuplicates(len(pairs), len(texts), example)


def input_texts(rows: Iterable[Row], schema: Schema) -> list[str]:
    """Return the texts that a model reads of the first `MAX_COMPARED_ROWS` rows: earlier questions
    and the last one.

    Of pictures nothing is compared.
    """
    if schema is PICTURES:
        return []
    return [_input_text(row, schema) for row in islice(rows, MAX_COMPARED_ROWS)]


def _input_text(row: Mapping[str, object], schema: Schema) -> str:
    turns = row.get("history")
    if isinstance(turns, list):
        questions = [str(turn["prompt"]) for turn in turns]
    else:
        questions = []
    return " ".join([*questions, *(str(row.get(column) or "") for column in schema.inputs)])


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKC", text).casefold()
    return _WORDS.findall(_POLITE.sub(" ", plain)) or [text]


def _shorter_keys(words: list[str]) -> Iterable[str]:
    """Return the keys of a text with one of its words left out, numbers excepted."""
    if not 1 < len(words) <= _MAX_WORDS:
        return ()
    starts = [0]
    key = " ".join(words)
    for word in words:
        starts.append(starts[-1] + len(word) + 1)
    cuts = zip(words, starts, starts[1:], strict=False)
    return [
        (key[:start] + key[end:]).rstrip(" ") for word, start, end in cuts if not word.isdecimal()
    ]
