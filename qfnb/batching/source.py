"""Where the rows of a batch come from: a DataFrame, a file, a list, or anything that can be iterated."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DatasetError, InvalidArgumentError

Item = str | Mapping[str, Any] | list[Any]

STREAMED = 64 * 1024 * 1024
"""Bytes above which a file is read while it is asked, not before."""

LONGEST_CELL = 2**31 - 1
"""Characters of a CSV cell; Python's own limit of 131,072 is short for a prompt with a document in it."""


@dataclass(frozen=True)
class Source:
    """Rows, and what is known of them before they are read.

    Attributes:
        description: what it is, for people.
        items: starts reading; each item is a prompt, a conversation, or a row with named cells.
        columns: the names of the cells, None when they may differ from row to row.
        total: how many there are, None when that is not known.
        again: whether it can be read to its end before anything is asked.
        frame: a copy of the DataFrame or Series that it is, None when it is something else.
        path: the file that it is, None when it is something else.
    """

    description: str
    items: Callable[[], Iterator[Item]]
    columns: tuple[str, ...] | None = None
    total: int | None = None
    again: bool = True
    frame: Any = None
    path: Path | None = None


def source_of(rows: Any) -> Source:
    """Return the rows as a source.

    Raises:
        InvalidArgumentError: it is nothing that has rows.
        DatasetError: the file is not there or of an unknown kind.
    """
    if isinstance(rows, (str, Path)):
        return _file(rows)
    if (pandas := sys.modules.get("pandas")) is not None:
        if isinstance(rows, pandas.DataFrame):
            return _frame(rows)
        if isinstance(rows, pandas.Series):
            kept = _copy(rows)
            return Source(f"Series of {len(rows)}", lambda: iter(kept.tolist()), total=len(kept), frame=kept)
    if isinstance(rows, (Mapping, bytes)) or not isinstance(rows, Iterable):
        raise InvalidArgumentError(
            f"rows is a {type(rows).__name__}: it is a DataFrame, a .jsonl, .csv or .parquet path, "
            "or an iterable of prompts, conversations or dictionaries"
        )
    if isinstance(rows, Sequence) or (isinstance(rows, Sized) and not isinstance(rows, Iterator)):
        return Source(f"{type(rows).__name__} of {len(rows)}", lambda: iter(rows), total=len(rows))
    return Source(f"{type(rows).__name__}", lambda: iter(rows), again=False)


def _frame(frame: Any) -> Source:
    columns = tuple(map(str, frame.columns))
    if len(set(columns)) < len(columns):
        raise InvalidArgumentError(f"two columns have the same name: {', '.join(columns)}")

    kept = _copy(frame)

    def items() -> Iterator[Item]:
        if not columns:  # itertuples then has no rows either
            return ({} for _ in range(len(kept)))
        return (dict(zip(columns, row, strict=True)) for row in kept.itertuples(index=False, name=None))

    return Source(f"DataFrame {len(kept)} × {len(columns)}", items, columns, total=len(kept), frame=kept)


def _copy(frame: Any) -> Any:
    """Return a frame as it is now: answers belong to places, and the user may sort theirs meanwhile."""
    pandas = sys.modules["pandas"]
    shared = int(pandas.__version__.split(".")[0]) >= 3 or pandas.options.mode.copy_on_write is True
    return frame.copy(deep=not shared)


def _file(name: str | Path) -> Source:
    path = Path(name).expanduser()
    readers = {".jsonl": _jsonl, ".csv": _csv, ".parquet": _parquet}
    if path.suffix.lower() not in readers:
        raise DatasetError(f"the file ends in none of {', '.join(readers)}", path=str(name))
    if not path.is_file():
        problem = "this is a folder" if path.is_dir() else "there is no such file"
        raise DatasetError(f"{problem} (working directory: {Path.cwd()})", path=str(name))
    read = readers[path.suffix.lower()]
    try:
        first = next(read(path), None)
        size = path.stat().st_size
    except OSError as error:
        raise DatasetError(f"cannot be read: {error.strerror}", path=str(name)) from None
    if first is None:
        raise DatasetError("the file has no rows", path=str(name))
    fixed = path.suffix.lower() != ".jsonl" and isinstance(first, Mapping)
    columns = tuple(first) if fixed and isinstance(first, Mapping) else None
    return Source(str(name), lambda: read(path), columns, again=size <= STREAMED, path=path.absolute())


def _jsonl(path: Path) -> Iterator[Item]:
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(_text(lines, path), 1):
            if line.strip():
                yield _line(line, str(path), number)


def _line(line: str, path: str, number: int) -> Item:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            f"not JSON ({_problem(error)}): {line.strip()[:60]!r}", path=path, line=number
        ) from None
    if not isinstance(value, (str, dict, list)):
        raise DatasetError(f"expected an object, found {value!r:.60}", path=path, line=number)
    return value


def _problem(error: ValueError | RecursionError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return error.msg
    if isinstance(error, RecursionError):
        return "too deeply nested"
    return f"a number has more than {sys.get_int_max_str_digits()} digits"  # all else that Python refuses


def _csv(path: Path) -> Iterator[Item]:
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_CELL))
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(_text(file, path))
        try:
            _refuse_repeated(reader.fieldnames or (), path)
            for row in reader:
                if None in row:
                    raise DatasetError(
                        "more cells than the heading has", path=str(path), line=reader.line_num
                    )
                yield row
        except csv.Error as error:
            raise DatasetError(f"not CSV: {error}", path=str(path), line=reader.line_num) from None


def _refuse_repeated(headings: Sequence[str], path: Path) -> None:
    for place, name in enumerate(headings):
        if name in headings[:place]:
            raise DatasetError(f"two columns are called {name!r}", path=str(path), line=1)


def _parquet(path: Path) -> Iterator[Item]:
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415 - 40 MB that only Parquet needs
    except ImportError:
        raise InvalidArgumentError(
            "Parquet files need pyarrow: pip install 'qfnb[parquet]' (需要安装 pyarrow)"
        ) from None
    try:
        for part in parquet.ParquetFile(path).iter_batches(1024):
            yield from part.to_pylist()
    except ArrowException as error:
        raise DatasetError(f"not Parquet: {str(error).splitlines()[0]}", path=str(path)) from None


def _text(lines: Iterable[str], path: Path) -> Iterator[str]:
    """Yield lines; a byte that is no UTF-8 is an error that says where."""
    reading = iter(lines)
    while True:
        try:
            line = next(reading, None)
        except UnicodeDecodeError:
            raise DatasetError(
                "not UTF-8 text (保存为 UTF-8 / save it as UTF-8)", path=str(path), line=_undecodable(path)
            ) from None
        if line is None:
            return
        yield line


def _undecodable(path: Path) -> int:
    """Return the first line that is no UTF-8; text is decoded by the block, so it is looked for."""
    number = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return number
