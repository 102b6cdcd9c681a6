"""What is wrong with rows: every problem counted, the first ten told, each with its place."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import NamedTuple

from .._row_files import RowError
from .._text import clip
from ..errors import DatasetError

MAX_REPORTED = 10
"""Problems that an error tells; all are counted."""

_MAX_REASON_LENGTH = 70


class RowLocation(NamedTuple):
    """Where a row came from; a tuple, since there is one for every row that is read.

    Attributes:
        path: the file; within an archive `data.zip!rows.jsonl`; "" when it is no file.
        line: the line of the file, from 1; None where rows have no lines.
        row: which row it is, from 1.
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
    """One thing that is wrong.

    Attributes:
        location: file, line or row.
        column: in which column, "" when it is the row as a whole.
        reason: what was found and what is expected.
    """

    location: RowLocation
    column: str
    reason: str

    def __str__(self) -> str:
        where = str(self.location)
        return f"{where}: {self.reason}" if where else self.reason


@dataclass
class Problems:
    """The problems of one reading."""

    count: int = 0
    first: list[Problem] = field(default_factory=list)

    def add(self, location: RowLocation, error: RowError) -> None:
        """Count a problem, and keep it when it is among the first."""
        self.count += 1
        if len(self.first) < MAX_REPORTED:
            self.first.append(Problem(location, error.column, error.reason))

    def raise_if_any(self) -> None:
        """Return when there is none.

        Raises:
            DatasetError: the first in full, the next nine in short, and how many there are.
        """
        if not self.count:
            return
        first, *others = self.first
        lines = [first.reason if first.location.line is not None or not str(first.location) else str(first)]
        if others:
            lines.append(
                "; ".join(
                    f"{_row_label(problem.location)}: {clip(problem.reason, _MAX_REASON_LENGTH)}"
                    for problem in others
                )
            )
            lines.append(
                f"共 {self.count:,} 处 / {self.count:,} problems in all; the first {len(self.first)} are in "
                "the error's .problems"
            )
        location = first.location if first.location.line is not None else RowLocation()
        raise DatasetError(
            "\n".join(lines), path=location.path, line=location.line, problems=self.first, count=self.count
        )


def format_value(value: object) -> str:
    """Return a value as an error shows it: short, on one line."""
    try:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError, TypeError):
        text = f"a {type(value).__name__}"
    return repr(clip(text, 61))


def _row_label(location: RowLocation) -> str:
    return str(location.line) if location.line is not None else f"row {location.row}"
