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
from .problems import RowError, RowLocation, format_value
from .row_formats import LocatedValue

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

MAX_CELL_CHARACTERS = 2**31 - 1
"""Characters of a CSV cell; Python's own limit of 131,072 is short for a prompt with a document in it."""

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
NOT_UTF8 = "not UTF-8 text (保存为 UTF-8 / save it as UTF-8)"


def format_of(name: str, requested: str | None = None) -> Format:
    """Return the format that is given, or the one that a name ends in.

    Raises:
        InvalidArgumentError: there is no such format.
        DatasetError: the name tells none.
    """
    if requested is not None:
        if requested not in FORMATS:
            raise InvalidArgumentError(f"format={requested!r}: it is one of {', '.join(FORMATS)}")
        return requested
    suffix = PurePath(name).suffix.lower()
    if suffix not in SUFFIXES:
        raise DatasetError(
            f"the name ends in none of {', '.join(SUFFIXES)}: say which with format='jsonl'", path=name
        )
    return SUFFIXES[suffix]


def read_file(file: IO[bytes], name: str, kind: Format) -> Iterator[LocatedValue]:
    """Yield the values of one file with their places; blank lines are skipped.

    Raises:
        DatasetError: the file as a whole is not what it should be.
    """
    return _READERS[kind](file, name)


def _read_jsonl(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    row = 0
    for number, line in enumerate(file, 1):
        if number == 1:
            _raise_if_utf16(line, name)
        if line.strip(b" \t\r\n" + _BOM):
            row += 1
            yield RowLocation(name, number, row), _parse_line(line, is_first_line=number == 1)


def _parse_line(line: bytes, *, is_first_line: bool) -> object:
    try:
        text = line.decode("utf-8-sig" if is_first_line else "utf-8")
    except UnicodeDecodeError:
        return RowError(NOT_UTF8)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = f" at column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        return RowError(
            f'not JSON ({_json_reason(error)}{where}): {format_value(text.strip())}; expected {{"prompt": "...", ...}}'
        )


def _read_json(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    text = _decode(file, name)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise DatasetError(f"not JSON ({_json_reason(error)})", path=name, line=line) from None
    values = value if isinstance(value, list) else [value]
    for row, item in enumerate(values, 1):
        yield RowLocation(name, row=row), item


def _read_csv(file: IO[bytes], name: str, delimiter: str = ",") -> Iterator[LocatedValue]:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL_CHARACTERS))
    reader = csv.reader(io.StringIO(_decode(file, name), newline=""), delimiter=delimiter)
    try:
        heading = next(reader, None)
        if heading is None:
            return
        _validate_headings(heading, name)
        row, previous_line = 0, reader.line_num
        for cells in reader:
            line, previous_line = previous_line + 1, reader.line_num
            if cells:
                row += 1
                yield RowLocation(name, line, row), _parse_cells(heading, cells)
    except csv.Error as error:
        raise DatasetError(f"not CSV: {error}", path=name, line=reader.line_num) from None


def _read_tsv(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    return _read_csv(file, name, delimiter="\t")


def _parse_cells(heading: list[str], cells: list[str]) -> object:
    if len(cells) != len(heading):
        return RowError(f"{len(cells)} cells where the heading has {len(heading)}")
    row: dict[str, Any] = dict(zip(heading, cells, strict=True))
    for column in NESTED:
        if row.get(column):
            try:
                row[column] = json.loads(row[column])
            except (ValueError, RecursionError):
                return RowError(f"{column} must be JSON, found {format_value(row[column])}", column)
        else:
            row.pop(column, None)
    return row


def _read_parquet(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    arrow = import_pyarrow()
    try:
        from pyarrow import parquet  # noqa: PLC0415 - 40 MB that only Parquet needs

        row = 0
        for chunk in parquet.ParquetFile(io.BytesIO(file.read())).iter_batches(1024):
            for value in chunk.to_pylist():
                row += 1
                yield (
                    RowLocation(name, row=row),
                    {key: item for key, item in value.items() if item is not None},
                )
    except (arrow.ArrowException, OSError, ValueError, OverflowError) as error:
        problem = (str(error).splitlines() or [type(error).__name__])[0]
        raise DatasetError(f"not Parquet: {problem}", path=name) from None


def import_pyarrow() -> Any:
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


def _read_lines(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    """Yield each line as a text; a file within an archive or a folder is one text instead."""
    row = 0
    for number, line in enumerate(file, 1):
        if number == 1:
            _raise_if_utf16(line, name)
        try:
            text: object = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            text = RowError(NOT_UTF8)
        if isinstance(text, RowError) or str(text).strip():
            row += 1
            yield RowLocation(name, number, row), text


def read_whole_text(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    """Yield a file as one text."""
    text = _decode(file, name)
    if text.strip():
        yield RowLocation(name, row=1), text


def read_exported_texts(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    """Yield the texts of a file that the platform exported: paragraphs if it has any, else lines."""
    text = _decode(file, name).replace("\r\n", "\n")
    parts = text.split("\n\n" if "\n\n" in text.strip("\n") else "\n")
    for row, paragraph in enumerate((paragraph.strip("\n") for paragraph in parts if paragraph.strip()), 1):
        yield RowLocation(name, row=row), paragraph


def _decode(file: IO[bytes], name: str) -> str:
    content = file.read()
    _raise_if_utf16(content, name)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise DatasetError(NOT_UTF8, path=name, line=line) from None


def _raise_if_utf16(beginning: bytes, name: str) -> None:
    if beginning.startswith(_UTF16):
        raise DatasetError(f"the file is UTF-16, {NOT_UTF8}", path=name, line=1)


def _validate_headings(heading: list[str], name: str) -> None:
    for index, column in enumerate(heading):
        if column in heading[:index]:
            raise DatasetError(f"two columns are called {column!r}", path=name, line=1)


def _json_reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    if isinstance(error, RecursionError):
        return "too deeply nested"
    return f"a number has more than {sys.get_int_max_str_digits()} digits"  # all else that Python refuses


_READERS: dict[str, Callable[[IO[bytes], str], Iterator[LocatedValue]]] = {
    "jsonl": _read_jsonl,
    "qianfan": _read_jsonl,
    "json": _read_json,
    "csv": _read_csv,
    "tsv": _read_tsv,
    "parquet": _read_parquet,
    "txt": _read_lines,
}
