"""Files as values with their places: one reader per format; what cannot be read is a Flaw in its place."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import PurePath
from typing import IO, Any, Literal

from ..errors import DatasetError, InvalidArgumentError
from .problems import Flaw, Place, shown
from .rows import Read

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
"""`qianfan` is JSONL with the platform's own lines, lists of turns; read, it is like any JSONL."""

NESTED = ("history", "responses", "messages")
"""Columns whose cells are JSON where cells can only be texts."""

LONGEST_CELL = 2**31 - 1
"""Characters of a CSV cell; Python's own limit of 131,072 is short for a prompt with a document in it."""

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
NOT_UTF8 = "not UTF-8 text (保存为 UTF-8 / save it as UTF-8)"


def format_of(name: str, given: str | None = None) -> Format:
    """Return the format that is given, or the one that a name ends in.

    Raises:
        InvalidArgumentError: there is no such format.
        DatasetError: the name tells none.
    """
    if given is not None:
        if given not in FORMATS:
            raise InvalidArgumentError(f"format={given!r}: it is one of {', '.join(FORMATS)}")
        return given
    suffix = PurePath(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise DatasetError(
            f"the name ends in none of {', '.join(SUFFIXES)}: say which with format='jsonl'", path=name
        )
    return SUFFIXES[suffix]


def read(file: IO[bytes], name: str, kind: Format) -> Iterator[Read]:
    """Yield the values of one file with their places; blank lines are skipped.

    Raises:
        DatasetError: the file as a whole is not what it should be.
    """
    return _READERS[kind](file, name)


def _jsonl(file: IO[bytes], name: str) -> Iterator[Read]:
    row = 0
    for number, line in enumerate(file, 1):
        if number == 1:
            _refuse_utf16(line, name)
        if line.strip(b" \t\r\n" + _BOM):
            row += 1
            yield Place(name, number, row), _parsed(line, first=number == 1)


def _parsed(line: bytes, *, first: bool) -> object:
    try:
        text = line.decode("utf-8-sig" if first else "utf-8")
    except UnicodeDecodeError:
        return Flaw(NOT_UTF8)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        return Flaw(
            f'not JSON ({_problem(error)}{where}): {shown(text.strip())}; expected {{"prompt": "...", ...}}'
        )


def _json(file: IO[bytes], name: str) -> Iterator[Read]:
    text = _text(file, name)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise DatasetError(f"not JSON ({_problem(error)})", path=name, line=line) from None
    values = value if isinstance(value, list) else [value]
    for row, item in enumerate(values, 1):
        yield Place(name, row=row), item


def _csv(file: IO[bytes], name: str, delimiter: str = ",") -> Iterator[Read]:
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    reader = csv.reader(io.StringIO(_text(file, name), newline=""), delimiter=delimiter)
    try:
        heading = next(reader, None)
        if heading is None:
            return
        _refuse_repeated(heading, name)
        row, before = 0, reader.line_num
        for cells in reader:
            line, before = before + 1, reader.line_num
            if cells:
                row += 1
                yield Place(name, line, row), _record(heading, cells)
    except csv.Error as error:
        raise DatasetError(f"not CSV: {error}", path=name, line=reader.line_num) from None


def _tsv(file: IO[bytes], name: str) -> Iterator[Read]:
    return _csv(file, name, delimiter="\t")


def _record(heading: list[str], cells: list[str]) -> object:
    if len(cells) != len(heading):
        return Flaw(f"{len(cells)} cells where the heading has {len(heading)}")
    row: dict[str, Any] = dict(zip(heading, cells, strict=True))
    for column in NESTED:
        if row.get(column):
            try:
                row[column] = json.loads(row[column])
            except (ValueError, RecursionError):
                return Flaw(f"{column} must be JSON, found {shown(row[column])}", column)
        else:
            row.pop(column, None)
    return row


def _parquet(file: IO[bytes], name: str) -> Iterator[Read]:
    arrow = pyarrow()
    try:
        from pyarrow import parquet  # noqa: PLC0415 - 40 MB that only Parquet needs

        row = 0
        for part in parquet.ParquetFile(io.BytesIO(file.read())).iter_batches(1024):
            for value in part.to_pylist():
                row += 1
                yield Place(name, row=row), {key: item for key, item in value.items() if item is not None}
    except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        raise DatasetError(f"not Parquet: {problem}", path=name) from None


def pyarrow() -> Any:
    """Return the library for Parquet files.

    Raises:
        InvalidArgumentError: it is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - 40 MB that only Parquet needs
    except ImportError:
        raise InvalidArgumentError(
            "Parquet files need pyarrow: pip install 'qfnb[parquet]' (需要安装 pyarrow)"
        ) from None
    return pa


def _lines(file: IO[bytes], name: str) -> Iterator[Read]:
    """Yield each line as a text; a file within an archive or a folder is one text instead."""
    row = 0
    for number, line in enumerate(file, 1):
        if number == 1:
            _refuse_utf16(line, name)
        try:
            text: object = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            text = Flaw(NOT_UTF8)
        if isinstance(text, Flaw) or str(text).strip():
            row += 1
            yield Place(name, number, row), text


def whole(file: IO[bytes], name: str) -> Iterator[Read]:
    """Yield a file as one text."""
    text = _text(file, name)
    if text.strip():
        yield Place(name, row=1), text


def exported(file: IO[bytes], name: str) -> Iterator[Read]:
    """Yield the texts of a file that the platform exported: paragraphs if it has any, else lines."""
    text = _text(file, name).replace("\r\n", "\n")
    parts = text.split("\n\n" if "\n\n" in text.strip("\n") else "\n")
    for row, part in enumerate((part.strip("\n") for part in parts if part.strip()), 1):
        yield Place(name, row=row), part


def _text(file: IO[bytes], name: str) -> str:
    content = file.read()
    _refuse_utf16(content, name)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DatasetError(NOT_UTF8, path=name, line=line) from None


def _refuse_utf16(beginning: bytes, name: str) -> None:
    if beginning.startswith(_UTF16):
        raise DatasetError(f"the file is UTF-16, {NOT_UTF8}", path=name, line=1)


def _refuse_repeated(heading: list[str], name: str) -> None:
    for place, column in enumerate(heading):
        if column in heading[:place]:
            raise DatasetError(f"two columns are called {column!r}", path=name, line=1)


def _problem(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    if isinstance(error, RecursionError):
        return "too deeply nested"
    return f"a number has more than {sys.get_int_max_str_digits()} digits"  # all else that Python refuses


_READERS: dict[str, Callable[[IO[bytes], str], Iterator[Read]]] = {
    "jsonl": _jsonl,
    "qianfan": _jsonl,
    "json": _json,
    "csv": _csv,
    "tsv": _tsv,
    "parquet": _parquet,
    "txt": _lines,
}
