"""One row, on its way into the journal and out of it."""

from __future__ import annotations

import json
from typing import Final, NamedTuple

from ..resources.outcome import Outcome, writable
from .source import Item

_UTF8: Final = json.JSONEncoder(ensure_ascii=False, default=str)
_ASCII: Final = json.JSONEncoder(default=str)


class Entry(NamedTuple):
    """One row on its way into the journal; `problem` says why it cannot be asked."""

    number: int
    key: bytes
    item: Item
    problem: Outcome | None = None

    def to_json(self) -> str:
        """Return the row as text that a journal can hold."""
        text = _UTF8.encode(self.item)
        return text if writable(text) == text else _ASCII.encode(self.item)


class Pending(NamedTuple):
    """One row that has no answer yet."""

    number: int
    key: bytes
    item: Item
