"""One row, on its way into the journal and out of it."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from .._jobs.row_result import RowResult, replace_surrogates
from .input.source import Item

_UTF8_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, default=str)
_ASCII_ENCODER: Final = json.JSONEncoder(default=str)


class RowEntry(NamedTuple):
    """One row on its way into the journal; `problem` says why it cannot be asked."""

    number: int
    key: bytes
    item: Item
    problem: RowResult | None = None

    def to_json(self) -> str:
        """Return the row as text that a journal can hold."""
        text = _UTF8_ENCODER.encode(self.item)
        return text if replace_surrogates(text) == text else _ASCII_ENCODER.encode(self.item)


class PendingRow(NamedTuple):
    """One row that has no answer yet."""

    number: int
    key: bytes
    item: Item
