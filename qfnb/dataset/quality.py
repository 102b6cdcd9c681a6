"""Token lengths of rows, and warnings: duplicates, near-duplicates, conflicts, rows too long for a
model.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..base.language import tr, trn
from ..base.text import clip
from ..resources.inference.embedding_reranker_tokenizer import Tokenizer
from ..wire import catalog
from .near_duplicates import NearDuplicates, find_near_duplicates, input_texts
from .row_formats import row_key
from .schema import Row, Schema

SAMPLE_SIZE = 400  # rows that are counted for an estimate


@dataclass(frozen=True)
class TokenLengths:
    """The tokens of one column."""

    column: str  # its name; "row" stands for all columns together
    n: int  # rows that have the column
    min: int  # tokens of a row, like the next three
    median: float
    p95: float
    max: int
    total: int  # tokens of all rows


def token_lengths(rows: Sequence[Row], schema: Schema) -> list[TokenLengths]:
    """Return the lengths of each column of texts, and of all columns together."""
    columns = {
        name: [count_tokens(row.get(name)) for row in rows] for name in _text_columns(schema)
    }
    row_totals = [sum(counts) for counts in zip(*columns.values(), strict=True)]
    by_column = {
        name: [n for n, row in zip(counts, rows, strict=True) if name in row]
        for name, counts in columns.items()
    }
    counted = {**by_column, "row": row_totals}
    return [_summary(name, counts) for name, counts in counted.items() if any(counts)]


def row_tokens(row: Row, schema: Schema) -> int:
    """Return the tokens of all texts of a row."""
    return sum(count_tokens(row[name]) for name in _text_columns(schema) if name in row)


def estimate_tokens(rows: Sequence[Row], schema: Schema) -> tuple[int, bool]:
    """Return the tokens of all rows, and whether they were counted; beyond `SAMPLE_SIZE` rows they
    are estimated.
    """
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
    if isinstance(value, list):
        return sum(map(count_tokens, value))
    return 0


def _text_columns(schema: Schema) -> list[str]:
    return [name for name, kind in schema.columns.items() if kind != "picture"]


def _summary(column: str, counts: list[int]) -> TokenLengths:
    counts = sorted(counts)
    p95 = counts[min(len(counts) - 1, round(0.95 * (len(counts) - 1)))]
    return TokenLengths(
        column, len(counts), counts[0], statistics.median(counts), p95, counts[-1], sum(counts)
    )


_TOKENIZER = Tokenizer()


@dataclass(frozen=True)
class Findings:
    """Warnings about a dataset, which can be used all the same; false without any."""

    rows: int  # the number of rows
    duplicates: int  # rows that are identical to an earlier one
    conflicts: int  # rows with the input of an earlier one and another answer
    limit: int | None = None  # tokens that a row may have, None when no limit is known
    too_long: tuple[int, ...] = ()  # numbers of the rows that have more, from 1; the first ten
    too_long_count: int = 0  # the number of all rows that have more
    near_duplicates: NearDuplicates = field(
        default_factory=NearDuplicates
    )  # inputs that nearly repeat an earlier one, equal ones aside

    def __bool__(self) -> bool:
        return bool(self.items())

    def __str__(self) -> str:
        return "\n".join(self.lines()) or trn(
            "{n} row, nothing noticeable", "{n} rows, nothing noticeable", self.rows
        )

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))

    def lines(self) -> list[str]:
        """Return the warnings with what to do, one per line."""
        return [f"{statement} {remedy}".replace("`", "") for statement, remedy in self.items()]

    def items(self) -> list[tuple[str, str]]:
        """Return the warnings, each with what to do; code in what to do stands between
        backquotes.
        """
        items = []
        if self.duplicates:
            statement = trn(
                "{n} row is the same as an earlier one.",
                "{n} rows are the same as an earlier one.",
                self.duplicates,
            )
            items.append((statement, tr("Without them: `ds = ds.deduplicate()`")))
        if self.conflicts:
            statement = trn(
                "{n} row has the question of an earlier one and another answer.",
                "{n} rows have the question of an earlier one and another answer.",
                self.conflicts,
            )
            items.append(
                (statement, tr("Keep one answer to each: `ds = ds.deduplicate(by=['prompt'])`"))
            )
        if (pair := self.near_duplicates.pair) is not None:
            statement = trn(
                "{n} question nearly repeats an earlier one.",
                "{n} questions nearly repeat an earlier one.",
                self.near_duplicates.count,
            )
            remedy = tr(
                "“{one}” and “{two}”, for example. Held-out rows should not repeat training rows: "
                "keep one of each.",
                one=clip(pair[0], 60),
                two=clip(pair[1], 60),
            )
            items.append((statement, remedy))
        if self.too_long_count:
            statement = trn(
                "{n} row has more than {limit} tokens, by estimate.",
                "{n} rows have more than {limit} tokens, by estimate.",
                self.too_long_count,
                limit=f"{self.limit:,}",
            )
            numbers = tr(", ").join(map(str, self.too_long)) + (
                ", …" if self.too_long_count > len(self.too_long) else ""
            )
            items.append(
                (statement, tr("Shorten or drop them (numbers from 1): {rows}", rows=numbers))
            )
        return items


def check_rows(
    rows: Sequence[Row], schema: Schema, model: str | None = None, max_tokens: int | None = None
) -> Findings:
    """Return warnings about rows."""
    if not model:
        model_row = None
    else:
        model_row = catalog.find_model("chat", model)
    limit = max_tokens or ((model_row.max_input or model_row.context) if model_row else None)
    distinct_rows = {row_key(row) for row in rows}
    distinct_inputs = {row_key(row, ("system", "history", *schema.inputs)) for row in rows}
    long_rows = [
        number for number, row in enumerate(rows, 1) if limit and row_tokens(row, schema) > limit
    ]
    return Findings(
        len(rows),
        len(rows) - len(distinct_rows),
        len(distinct_rows) - len(distinct_inputs),
        limit,
        tuple(long_rows[:10]),
        len(long_rows),
        find_near_duplicates([*dict.fromkeys(input_texts(rows, schema))]),
    )
