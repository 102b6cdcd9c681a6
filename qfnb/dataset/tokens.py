"""How long the texts of a dataset are, in tokens as `Tokenizer` estimates them, without a call."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..resources.tokenizer import Tokenizer
from .schema import Row, Schema

ENOUGH = 400
"""Rows that are counted where an estimate will do."""


@dataclass(frozen=True)
class Lengths:
    """The tokens of one column.

    Attributes:
        column: which one; "row" is all of them together.
        n: rows that have it.
        min, median, p95, max: tokens of one row.
        total: tokens of all rows.
    """

    column: str
    n: int
    min: int
    median: float
    p95: float
    max: int
    total: int


def lengths(rows: Sequence[Row], schema: Schema) -> list[Lengths]:
    """Return the lengths of each column of texts, and of the rows as wholes."""
    columns = {name: [count(row.get(name)) for row in rows] for name in _texts(schema)}
    whole = [sum(counts) for counts in zip(*columns.values(), strict=True)]
    every = {
        name: [n for n, row in zip(counts, rows, strict=True) if name in row]
        for name, counts in columns.items()
    }
    return [_summary(name, counts) for name, counts in {**every, "row": whole}.items() if any(counts)]


def of_row(row: Row, schema: Schema) -> int:
    """Return the tokens of a row's texts together."""
    return sum(count(row[name]) for name in _texts(schema) if name in row)


def about(rows: Sequence[Row], schema: Schema) -> tuple[int, bool]:
    """Return the tokens of all rows, and whether they were counted; many are estimated from some."""
    if len(rows) <= ENOUGH:
        return sum(of_row(row, schema) for row in rows), True
    step = len(rows) / ENOUGH
    some = [rows[int(place * step)] for place in range(ENOUGH)]
    return round(sum(of_row(row, schema) for row in some) * step), False


def count(value: Any) -> int:
    """Return the tokens of a text, or of all texts in turns and lists."""
    if isinstance(value, str):
        return _TOKENIZER.count_tokens(value)
    if isinstance(value, dict):
        return sum(map(count, value.values()))
    return sum(map(count, value)) if isinstance(value, list) else 0


def _texts(schema: Schema) -> list[str]:
    return [name for name, kind in schema.columns.items() if kind != "picture"]


def _summary(column: str, counts: list[int]) -> Lengths:
    counts = sorted(counts)
    p95 = counts[min(len(counts) - 1, round(0.95 * (len(counts) - 1)))]
    return Lengths(column, len(counts), counts[0], statistics.median(counts), p95, counts[-1], sum(counts))


_TOKENIZER = Tokenizer()
