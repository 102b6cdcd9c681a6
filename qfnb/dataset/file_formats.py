"""The file formats: a file as values with their locations; one that cannot be read is a
`RowError`.
"""

import io
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePath
from typing import IO, Any, Literal

from .. import _jsonl_csv_parquet
from .._jsonl_csv_parquet import RowError
from ..base.language import tr, trn
from ..base.text import format_value, listed
from ..errors import DatasetError, InvalidArgumentError
from .row_formats import LocatedValue, RowLocation

Format = Literal["jsonl", "json", "csv", "tsv", "parquet", "txt", "zip", "qianfan"]

SUFFIXES: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".txt": "txt",
    ".zip": "zip",
}
FORMATS = (*SUFFIXES.values(), "qianfan")
"""`qianfan` is JSONL with the platform's lines, lists of turns; it is read like any JSONL."""

# columns whose cells are JSON in formats that hold only texts
NESTED = ("history", "responses", "messages")


def format_of(name: str, requested: str | None = None) -> Format:
    """Return the requested format, or the one of a file name's suffix.

    Raises:
        InvalidArgumentError: the requested format is unknown.
        DatasetError: the suffix is unknown.
    """
    if requested is not None:
        if requested not in FORMATS:
            raise InvalidArgumentError(
                tr(
                    "format={value}: it is one of {allowed}.",
                    value=repr(requested),
                    allowed=listed(FORMATS),
                )
            )
        return requested
    suffix = PurePath(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise DatasetError(
            tr(
                "the name ends in none of {suffixes}; say which with format='jsonl'",
                suffixes=listed(SUFFIXES),
            ),
            path=name,
        )
    return SUFFIXES[suffix]


def read_file(file: IO[bytes], name: str, kind: Format) -> Iterator[LocatedValue]:
    """Yield the values of one file with their locations; blank lines are skipped.

    Raises:
        DatasetError: the file as a whole cannot be read in this format.
    """
    return _READERS[kind](file, name)


def _read_jsonl(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    records = _jsonl_csv_parquet.read_jsonl(file, name, expected='{"prompt": "...", ...}')
    return ((RowLocation(name, line, row), value) for row, (line, value) in enumerate(records, 1))


def _read_json(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    text = _jsonl_csv_parquet.read_text(file, name)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if not isinstance(error, json.JSONDecodeError):
            line = None
        else:
            line = error.lineno
        problem = _jsonl_csv_parquet.json_problem(error)
        raise DatasetError(
            tr("not JSON ({problem})", problem=problem), path=name, line=line
        ) from None
    if isinstance(value, list):
        values = value
    else:
        values = [value]
    return ((RowLocation(name, row=row), item) for row, item in enumerate(values, 1))


def _read_csv(file: IO[bytes], name: str, delimiter: str = ",") -> Iterator[LocatedValue]:
    records = _jsonl_csv_parquet.read_csv(file, name, delimiter)
    _, heading = next(records, (1, []))
    for row, (line, cells) in enumerate(records, 1):
        yield RowLocation(name, line, row), _parse_cells(heading, cells)


def _parse_cells(heading: list[str], cells: list[str]) -> object:
    if len(cells) != len(heading):
        return RowError(
            trn(
                "{n} cell where the heading has {heads}",
                "{n} cells where the heading has {heads}",
                len(cells),
                heads=len(heading),
            )
        )
    row: dict[str, Any] = dict(zip(heading, cells, strict=True))
    for column in NESTED:
        if row.get(column):
            try:
                row[column] = json.loads(row[column])
            except (ValueError, RecursionError):
                value = format_value(row[column])
                return RowError(
                    tr("{column} must be JSON, and is {value}", column=column, value=value), column
                )
        else:
            row.pop(column, None)
    return row


def _read_parquet(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    records = _jsonl_csv_parquet.read_parquet(io.BytesIO(file.read()), name)
    for row, record in enumerate(records, 1):
        yield (
            RowLocation(name, row=row),
            {key: cell for key, cell in record.items() if cell is not None},
        )


def _read_lines(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    """Yield each line as one text; within a zip or a folder a file is one text instead."""
    lines = (
        pair
        for pair in _jsonl_csv_parquet.read_lines(file, name)
        if not isinstance(pair[1], str) or pair[1].strip()
    )
    return ((RowLocation(name, line, row), text) for row, (line, text) in enumerate(lines, 1))


def read_whole_text(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    """Yield a file as one text."""
    text = _jsonl_csv_parquet.read_text(file, name)
    if text.strip():
        yield RowLocation(name, row=1), text


def read_exported_texts(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    """Yield the texts of a file that the platform exported: its paragraphs, or lines if it has only
    one.
    """
    text = _jsonl_csv_parquet.read_text(file, name).replace("\r\n", "\n")
    paragraphs = text.split("\n\n" if "\n\n" in text.strip("\n") else "\n")
    texts = (paragraph.strip("\n") for paragraph in paragraphs if paragraph.strip())
    return ((RowLocation(name, row=row), paragraph) for row, paragraph in enumerate(texts, 1))


_READERS: dict[str, Callable[[IO[bytes], str], Iterator[LocatedValue]]] = {
    "jsonl": _read_jsonl,
    "qianfan": _read_jsonl,
    "json": _read_json,
    "csv": _read_csv,
    "tsv": partial(_read_csv, delimiter="\t"),
    "parquet": _read_parquet,
    "txt": _read_lines,
}
