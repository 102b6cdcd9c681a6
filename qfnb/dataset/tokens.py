"""How long the texts of a dataset are, in tokens as `Tokenizer` estimates them, without a call."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..resources.inference.embedding_reranker import Tokenizer
from .schema import Row, Schema

SAMPLE_SIZE = 400
"""Rows that are counted where an estimate will do."""


@dataclass(frozen=True)
class TokenLengths:
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


def token_lengths(rows: Sequence[Row], schema: Schema) -> list[TokenLengths]:
    """Return the lengths of each column of texts, and of the rows as wholes."""
    columns = {name: [count_tokens(row.get(name)) for row in rows] for name in _text_columns(schema)}
    row_totals = [sum(counts) for counts in zip(*columns.values(), strict=True)]
    by_column = {
        name: [n for n, row in zip(counts, rows, strict=True) if name in row]
        for name, counts in columns.items()
    }
    return [
        _summary(name, counts) for name, counts in {**by_column, "row": row_totals}.items() if any(counts)
    ]


def row_tokens(row: Row, schema: Schema) -> int:
    """Return the tokens of a row's texts together."""
    return sum(count_tokens(row[name]) for name in _text_columns(schema) if name in row)


def estimate_tokens(rows: Sequence[Row], schema: Schema) -> tuple[int, bool]:
    """Return the tokens of all rows, and whether they were counted; many are estimated from some."""
    if len(rows) <= SAMPLE_SIZE:
        return sum(row_tokens(row, schema) for row in rows), True
    step = len(rows) / SAMPLE_SIZE
    sample = [rows[int(index * step)] for index in range(SAMPLE_SIZE)]
    return round(sum(row_tokens(row, schema) for row in sample) * step), False


def count_tokens(value: Any) -> int:
    """Return the tokens of a text, or of all texts in turns and lists."""
    if isinstance(value, str):
        return _TOKENIZER.count_tokens(value)
    if isinstance(value, dict):
        return sum(map(count_tokens, value.values()))
    return sum(map(count_tokens, value)) if isinstance(value, list) else 0


def _text_columns(schema: Schema) -> list[str]:
    return [name for name, kind in schema.columns.items() if kind != "picture"]


def _summary(column: str, counts: list[int]) -> TokenLengths:
    counts = sorted(counts)
    p95 = counts[min(len(counts) - 1, round(0.95 * (len(counts) - 1)))]
    return TokenLengths(
        column, len(counts), counts[0], statistics.median(counts), p95, counts[-1], sum(counts)
    )


_TOKENIZER = Tokenizer()
