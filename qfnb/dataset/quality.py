"""What is not wrong with rows but worth knowing: the same row twice, a row too long for the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..wire import catalog
from . import tokens
from .row_formats import row_key
from .schema import Row, Schema


@dataclass(frozen=True)
class Findings:
    """Warnings; a dataset that has them can be used all the same.

    Attributes:
        rows: how many were looked at.
        duplicates: rows that are the same as one before them.
        conflicts: rows whose input was there before with another answer.
        limit: tokens that a row may have, None when no limit is known.
        too_long: numbers of the rows that have more, from 1; the first ten.
        too_long_count: how many they are.
    """

    rows: int
    duplicates: int
    conflicts: int
    limit: int | None = None
    too_long: tuple[int, ...] = ()
    too_long_count: int = 0

    def __bool__(self) -> bool:
        return bool(self.duplicates or self.conflicts or self.too_long_count)

    def __str__(self) -> str:
        return "\n".join(self.lines()) or f"{self.rows:,} rows, nothing to remark (未发现问题)"

    def lines(self) -> list[str]:
        """Return the warnings, a line each."""
        warnings = []
        if self.duplicates:
            warnings.append(f"重复 {self.duplicates:,} rows are the same as an earlier one: ds.deduplicate()")
        if self.conflicts:
            warnings.append(f"冲突 {self.conflicts:,} rows have an earlier row's input and another answer")
        if self.too_long_count:
            numbers = ", ".join(map(str, self.too_long))
            warnings.append(
                f"过长 {self.too_long_count:,} rows have more than {self.limit:,} tokens: row {numbers}"
            )
        return warnings


def check_rows(
    rows: Sequence[Row], schema: Schema, model: str | None = None, max_tokens: int | None = None
) -> Findings:
    """Return what is worth knowing of rows; a model's limit is used where it is known."""
    model_row = catalog.find_model("chat", model) if model else None
    limit = max_tokens or (model_row.tokens if model_row else None)
    distinct_rows = {row_key(row) for row in rows}
    distinct_inputs = {row_key(row, ("system", "history", *schema.inputs)) for row in rows}
    long_rows = [
        number for number, row in enumerate(rows, 1) if limit and tokens.row_tokens(row, schema) > limit
    ]
    return Findings(
        len(rows),
        len(rows) - len(distinct_rows),
        len(distinct_rows) - len(distinct_inputs),
        limit,
        tuple(long_rows[:10]),
        len(long_rows),
    )
