"""Where the rows of a batch come from: a DataFrame, a file, a list, or anything that can be iterated."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import DatasetError, InvalidArgumentError

Item = str | Mapping[str, Any] | list[Any]

STREAM_ABOVE_BYTES = 64 * 1024 * 1024
"""Bytes above which a file is read while it is asked, not before."""

MAX_CELL_CHARACTERS = 2**31 - 1
"""Characters of a CSV cell; Python's own limit of 131,072 is short for a prompt with a document in it."""


@dataclass(frozen=True)
class RowSource:
    """Rows, and what is known of them before they are read.

    Attributes:
        description: what it is, for people.
        items: starts reading; each item is a prompt, a conversation, or a row with named cells.
        columns: the names of the cells, None when they may differ from row to row.
        total: how many there are, None when that is not known.
        is_rereadable: whether it can be read to its end before anything is asked.
        frame: a copy of the DataFrame or Series that it is, None when it is something else.
        path: the file that it is, None when it is something else.
    """

    description: str
    items: Callable[[], Iterator[Item]]
    columns: tuple[str, ...] | None = None
    total: int | None = None
    is_rereadable: bool = True
    frame: Any = None
    path: Path | None = None


def open_source(rows: Any) -> RowSource:
    """Return the rows as a source.

    Raises:
        InvalidArgumentError: it is nothing that has rows.
        DatasetError: the file is not there or of an unknown kind.
    """
    if isinstance(rows, (str, Path)):
        return _file_source(rows)
    if (pandas := sys.modules.get("pandas")) is not None:
        if isinstance(rows, pandas.DataFrame):
            return _frame_source(rows)
        if isinstance(rows, pandas.Series):
            snapshot = _take_snapshot(rows)
            return RowSource(
                f"Series of {len(rows)}", lambda: iter(snapshot.tolist()), total=len(snapshot), frame=snapshot
            )
    if isinstance(rows, (Mapping, bytes)) or not isinstance(rows, Iterable):
        raise InvalidArgumentError(
            f"rows is a {type(rows).__name__}: it is a DataFrame, a .jsonl, .csv or .parquet path, "
            "or an iterable of prompts, conversations or dictionaries"
        )
    if isinstance(rows, Sequence) or (isinstance(rows, Sized) and not isinstance(rows, Iterator)):
        return RowSource(f"{type(rows).__name__} of {len(rows)}", lambda: iter(rows), total=len(rows))
    return RowSource(f"{type(rows).__name__}", lambda: iter(rows), is_rereadable=False)


def _frame_source(frame: Any) -> RowSource:
    columns = tuple(map(str, frame.columns))
    if len(set(columns)) < len(columns):
        raise InvalidArgumentError(f"two columns have the same name: {', '.join(columns)}")

    snapshot = _take_snapshot(frame)

    def items() -> Iterator[Item]:
        if not columns:  # itertuples then has no rows either
            return ({} for _ in range(len(snapshot)))
        return (dict(zip(columns, row, strict=True)) for row in snapshot.itertuples(index=False, name=None))

    return RowSource(
        f"DataFrame {len(snapshot)} × {len(columns)}", items, columns, total=len(snapshot), frame=snapshot
    )


def _take_snapshot(frame: Any) -> Any:
    """Return a frame as it is now: answers belong to places, and the user may sort theirs meanwhile."""
    pandas = sys.modules["pandas"]
    is_copy_on_write = int(pandas.__version__.split(".")[0]) >= 3 or pandas.options.mode.copy_on_write is True
    return frame.copy(deep=not is_copy_on_write)


def _file_source(name: str | Path) -> RowSource:
    path = Path(name).expanduser()
    readers = {".jsonl": _read_jsonl, ".csv": _read_csv, ".parquet": _read_parquet}
    if path.suffix.lower() not in readers:
        raise DatasetError(f"the file ends in none of {', '.join(readers)}", path=str(name))
    if not path.is_file():
        reason = "this is a folder" if path.is_dir() else "there is no such file"
        raise DatasetError(f"{reason} (working directory: {Path.cwd()})", path=str(name))
    reader = readers[path.suffix.lower()]
    try:
        first_row = next(reader(path), None)
        size = path.stat().st_size
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", path=str(name)) from None
    if first_row is None:
        raise DatasetError("the file has no rows", path=str(name))
    has_fixed_columns = path.suffix.lower() != ".jsonl" and isinstance(first_row, Mapping)
    columns = tuple(first_row) if has_fixed_columns and isinstance(first_row, Mapping) else None
    return RowSource(
        str(name),
        lambda: reader(path),
        columns,
        is_rereadable=size <= STREAM_ABOVE_BYTES,
        path=path.absolute(),
    )


def _read_jsonl(path: Path) -> Iterator[Item]:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(_decoded_lines(lines, path), 1):
            if line.strip():
                yield _parse_line(line, str(path), number)


def _parse_line(line: str, path: str, number: int) -> Item:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"not JSON ({_json_reason(error)}): {line.strip()[:60]!r}", path=path, line=number
        ) from None
    if not isinstance(value, (str, dict, list)):
        raise DatasetError(f"expected an object, found {value!r:.60}", path=path, line=number)
    return value


def _json_reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    if isinstance(error, RecursionError):
        return "too deeply nested"
    return f"a number has more than {sys.get_int_max_str_digits()} digits"  # all else that Python refuses


def _read_csv(path: Path) -> Iterator[Item]:
    csv.field_size_limit(max(csv.field_size_limit(), MAX_CELL_CHARACTERS))
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(_decoded_lines(file, path))
        try:
            _validate_headings(reader.fieldnames or (), path)
            for row in reader:
                if None in row:
                    raise DatasetError(
                        "more cells than the heading has", path=str(path), line=reader.line_num
                    )
                yield row
        except csv.Error as error:
            raise DatasetError(f"not CSV: {error}", path=str(path), line=reader.line_num) from None


def _validate_headings(headings: Sequence[str], path: Path) -> None:
    for index, name in enumerate(headings):
        if name in headings[:index]:
            raise DatasetError(f"two columns are called {name!r}", path=str(path), line=1)


def _read_parquet(path: Path) -> Iterator[Item]:
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415 - 40 MB that only Parquet needs
    except ImportError:
        raise InvalidArgumentError(
            "Parquet files need pyarrow: pip install 'qfnb[parquet]' (需要安装 pyarrow)"
        ) from None
    try:
        for chunk in parquet.ParquetFile(path).iter_batches(1024):
            yield from chunk.to_pylist()
    except ArrowException as error:
        raise DatasetError(f"not Parquet: {str(error).splitlines()[0]}", path=str(path)) from None


def _decoded_lines(lines: Iterable[str], path: Path) -> Iterator[str]:
    """Yield lines; a byte that is no UTF-8 is an error that says where."""
    iterator = iter(lines)
    while True:
        try:
            line = next(iterator, None)
        except UnicodeDecodeError:
            raise DatasetError(
                "not UTF-8 text (保存为 UTF-8 / save it as UTF-8)",
                path=str(path),
                line=_undecodable_line(path),
            ) from None
        if line is None:
            return
        yield line


def _undecodable_line(path: Path) -> int:
    """Return the first line that is no UTF-8; text is decoded by the block, so it is looked for."""
    number = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return number
