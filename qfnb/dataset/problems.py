"""Problems of rows: all are counted, the first ten reported with their locations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from .._row_files import RowError
from .._text import clip
from ..errors import DatasetError

MAX_REPORTED = 10
"""Problems that an error names; all are counted."""

_MAX_REASON_LENGTH = 70


class RowLocation(NamedTuple):
    """Where a row was read; a tuple for speed, since every row has one.

    Attributes:
        path: the file, in a zip `data.zip!rows.jsonl`; "" for rows in memory.
        line: the line of the file, from 1; None for formats without lines.
        row: the number of the row, from 1.
    """

    path: str = ""
    line: int | None = None
    row: int | None = None

    def __str__(self) -> str:
        number = (
            str(self.line) if self.line is not None else f"row {self.row}" if self.row is not None else ""
        )
        return ":".join(part for part in (self.path, number) if part)


@dataclass(frozen=True)
class Problem:
    """A problem of one row.

    Attributes:
        location: file, line or row.
        column: the column at fault, "" where it is the row as a whole.
        reason: what was found and what is expected.
    """

    location: RowLocation
    column: str
    reason: str

    def __str__(self) -> str:
        where = str(self.location)
        return f"{where}: {self.reason}" if where else self.reason


def raise_problems(errors: Sequence[tuple[RowLocation, RowError]]) -> None:
    """Raise if rows are wrong.

    Raises:
        DatasetError: the first problem in full, the next nine shortened, and the number of all.
    """
    if not errors:
        return
    problems = [Problem(location, error.column, error.reason) for location, error in errors[:MAX_REPORTED]]
    first, *others = problems
    lines = [first.reason if first.location.line is not None or not str(first.location) else str(first)]
    if others:
        lines.append(
            "; ".join(f"{_row_label(o.location)}: {clip(o.reason, _MAX_REASON_LENGTH)}" for o in others)
        )
        lines.append(
            f"共 {len(errors):,} 处 / {len(errors):,} problems in all; the first {len(problems)} are in the "
            "error's .problems"
        )
    location = first.location if first.location.line is not None else RowLocation()
    raise DatasetError(
        "\n".join(lines), path=location.path, line=location.line, problems=problems, count=len(errors)
    )


def _row_label(location: RowLocation) -> str:
    return str(location.line) if location.line is not None else f"row {location.row}"
