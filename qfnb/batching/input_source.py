"""The input of a batch: a DataFrame, a file, a list or any iterable, and reading it ahead."""

import glob
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Final, Generic, TypeVar

from .. import _jsonl_csv_parquet
from .._tables import find_variables, open_table, pandas_table
from ..base.language import tr
from ..errors import DatasetError, InvalidArgumentError
from ..transport.event_loop import Condition
from .input_files import (
    SUFFIXES,
    Item,
    find_files,
    is_address,
    open_file,
    read_first_items,
    read_items,
    suffix_of,
)

STREAM_ABOVE_BYTES = 64 * 1024 * 1024
"""Bytes above which files are read while their rows are sent, not before."""

_AFTER_NAME: Final = " · "
"""What stands between a variable and its kind in a description."""


@dataclass(frozen=True)
class RowSource:
    """The rows of an input, and what is known before they are read.

    Attributes:
        description: what the input is, for people.
        items: starts reading; each item is a prompt, a conversation, or a row with named cells.
        columns: the names of the cells, None where they may differ from row to row.
        total: number of rows, None where it is not known.
        is_rereadable: whether it can be read more than once, and so to its end before the first row
            is sent.
        frame: a copy of the DataFrame or Series, None for other inputs.
        paths: the files on this computer, none for other inputs.
    """

    description: str
    items: Callable[[], Iterator[Item]]
    columns: tuple[str, ...] | None = None
    total: int | None = None
    is_rereadable: bool = True
    frame: Any = None
    paths: tuple[Path, ...] = ()


def open_source(rows: Any) -> RowSource:
    """Return the source of the rows that a user gives; its description begins with the notebook's
    variable.

    Raises:
        InvalidArgumentError: the argument has no rows.
        DatasetError: the file does not exist or is of an unknown kind.
    """
    source = _open_source(rows)
    if isinstance(rows, (str, Path)):
        return source
    for variable in find_variables(lambda value: value is rows):
        return replace(source, description=f"{variable}{_AFTER_NAME}{source.description}")
    return source


def name_of_rows(description: str) -> str:
    """Return the variable or the file that the description of a source names, "" for none."""
    variable, separator, _ = description.partition(_AFTER_NAME)
    if separator:
        return variable
    if suffix_of(description) in SUFFIXES:
        return PurePath(description).name
    return ""


def _open_source(rows: Any) -> RowSource:
    if isinstance(rows, (str, Path)):
        return _files_source(str(rows))
    if (pandas := sys.modules.get("pandas")) is not None:
        if isinstance(rows, pandas.DataFrame):
            # answers belong to positions, and the user may sort the frame meanwhile
            snapshot = rows.copy()
            cells = pandas_table(snapshot)
            kind = f"DataFrame {len(rows)} × {len(rows.columns)}"
            return RowSource(kind, cells.rows, cells.columns, cells.total, frame=snapshot)
        if isinstance(rows, pandas.Series):
            snapshot = rows.copy()
            return RowSource(
                tr("Series of {count}", count=len(rows)),
                lambda: iter(snapshot.tolist()),
                total=len(snapshot),
                frame=snapshot,
            )
    if (table := open_table(rows)) is not None:
        return RowSource(
            table.kind, table.rows, table.columns, table.total, is_rereadable=table.is_rereadable
        )
    if isinstance(rows, (Mapping, bytes)) or not isinstance(rows, Iterable):
        raise InvalidArgumentError(
            tr(
                "rows is a {kind}: must be a DataFrame, a .jsonl, .csv or .parquet path, or an "
                "iterable of "
                "prompts, conversations or dictionaries",
                kind=type(rows).__name__,
            )
        )
    if isinstance(rows, Sequence) or (isinstance(rows, Sized) and not isinstance(rows, Iterator)):
        return RowSource(
            tr("{kind} of {count}", kind=type(rows).__name__, count=len(rows)),
            lambda: iter(rows),
            total=len(rows),
        )
    return RowSource(f"{type(rows).__name__}", lambda: iter(rows), is_rereadable=False)


def _files_source(name: str) -> RowSource:
    if not glob.has_magic(name) and not is_address(name):
        _validate_path(Path(name).expanduser(), name)
    _, paths = find_files(name)
    first_item = next((item for item in read_first_items(paths) if item is not None), None)
    suffix = suffix_of(paths[0])
    size = total = 0
    for path in paths:
        with open_file(path) as file:
            size += file.seek(0, os.SEEK_END)
            if suffix == ".parquet":
                total += _jsonl_csv_parquet.count_parquet_rows(file)
    if first_item is None:
        raise DatasetError(_jsonl_csv_parquet.describe_no_rows(suffix, size), path=name)
    has_heading = suffix != ".jsonl" and isinstance(first_item, Mapping)
    return RowSource(
        name,
        lambda: read_items(paths),
        tuple(first_item) if has_heading else None,
        total or None,
        is_rereadable=size <= STREAM_ABOVE_BYTES,
        paths=tuple(Path(path) for path in paths if not is_address(path)),
    )


def _validate_path(path: Path, name: str) -> None:
    """Check that there is a file of a kind that can be read, or a folder."""
    if path.is_dir():
        return
    if path.suffix.lower() not in SUFFIXES:
        raise DatasetError(
            tr("the file name must end in {suffixes}", suffixes=tr(", ").join(SUFFIXES)), path=name
        )
    if not path.is_file():
        reason = tr("there is no such file")
        raise DatasetError(
            tr("{reason} (working directory: {cwd})", reason=reason, cwd=Path.cwd()), path=name
        )


T = TypeVar("T")

FILL_TIMEOUT_S: Final = 0.02
"""Seconds that a fast iterator gets to fill a page."""


class Prefetcher(Generic[T]):
    """Reads an iterator ahead, in a thread that ends when a page is full.

    Args:
        items: the iterator; it may block, and it may raise.
        max_items: items of a page, and items that are read ahead.
    """

    def __init__(self, items: Iterator[T], max_items: int) -> None:
        self._items = items
        self._max_items = max_items
        self._buffer: deque[T] = deque()
        self._changed = Condition()
        self._is_reading = self._is_finished = False
        self._error: Exception | None = None

    def next_page(self) -> list[T]:
        """Return the items that have been read, after waiting for the first; none at the end.

        Raises:
            Exception: what the iterator raised, after all items before it.
        """
        with self._changed:
            if not (self._is_reading or self._is_finished or self._is_full()):
                self._is_reading = True
                threading.Thread(target=self._read, name="qfnb-input", daemon=True).start()
            self._changed.wait_for(lambda: self._buffer or self._is_finished)
            self._changed.wait_for(lambda: self._is_full() or self._is_finished, FILL_TIMEOUT_S)
            page = [self._buffer.popleft() for _ in range(min(self._max_items, len(self._buffer)))]
            if not page and self._error is not None:
                raise self._error
            return page

    def _is_full(self) -> bool:
        return len(self._buffer) >= self._max_items

    def _read(self) -> None:
        while True:
            try:
                item = next(self._items)
            except StopIteration:
                self._finish(None)
                return
            except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
                self._finish(error)
                return
            with self._changed:
                self._buffer.append(item)
                self._is_reading = not self._is_full()
                if len(self._buffer) == 1 or not self._is_reading:
                    self._changed.notify_all()
                if not self._is_reading:
                    return

    def _finish(self, error: Exception | None) -> None:
        with self._changed:
            self._is_finished = True
            self._is_reading = False
            self._error = error
            self._changed.notify_all()
