"""One row, on its way into the journal and out of it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..resources.outcome import Outcome, writable
from .source import Item


@dataclass(frozen=True, slots=True)
class Entry:
    """One row on its way into the journal; `problem` says why it cannot be asked."""

    number: int
    key: bytes
    item: Item
    problem: Outcome | None = None

    def to_json(self) -> str:
        """Return the row as text that a journal can hold."""
        text = json.dumps(self.item, ensure_ascii=False, default=str)
        return text if writable(text) == text else json.dumps(self.item, default=str)


@dataclass(frozen=True, slots=True)
class Pending:
    """One row that has no answer yet."""

    number: int
    key: bytes
    item: Item
