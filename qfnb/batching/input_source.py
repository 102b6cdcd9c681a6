"""The input of a batch: a DataFrame, a file, a list or any iterable, and reading it ahead."""

import fnmatch
import shutil
import sys
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any, Final, Generic, TypeVar

from .. import _jsonl_csv_parquet
from .._tables import TableRows, find_variables, open_table
from ..base.language import tr
from ..errors import DatasetError, InvalidArgumentError
from ..transport.event_loop import Condition
from .file_access import SUFFIXES, describe_file, list_files, open_file, suffix_of
from .input_files import FileSummary, InputFiles, Item, summarize_files

STREAM_ABOVE_BYTES = 64 * 1024 * 1024
"""Bytes above which files are read while their rows are sent, not before."""

COPY_UP_TO_BYTES = 1024 * 1024
"""Bytes up to which the rows of files are copied into the journal."""

_AFTER_NAME: Final = " · "
"""What stands between a variable and its kind in a description."""

COUNTED_BYTES: Final = 1024 * 1024
"""Bytes in which lines are counted at once."""


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
        files: those that its rows can be read from again, None for other inputs.
    """

    description: str
    items: Callable[[], Iterator[Item]]
    columns: tuple[str, ...] | None = None
    total: int | None = None
    is_rereadable: bool = True
    frame: Any = None
    paths: tuple[Path, ...] = ()
    files: InputFiles | None = None

    @property
    def stored_files(self) -> InputFiles | None:
        """The files that a journal refers to, None where it holds the rows: small files are soon
        changed or gone.
        """
        if self.files is not None and self.files.size > COPY_UP_TO_BYTES:
            return self.files
        return None


def open_source(rows: Any) -> RowSource:
    """Return the source of the rows that a user gives; its description begins with the notebook's
    variable.

    Raises:
        InvalidArgumentError: the argument has no rows.
        DatasetError: the file does not exist or is of an unknown kind.
    """
    source = _open_source(rows)
    is_place = isinstance(rows, (str, Path))
    if is_place:
        variable = ""
    else:
        variable = next(iter(find_variables(lambda value: value is rows)), "")
    if variable:
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
        return (
            _bucket_source(str(rows)) if str(rows).startswith("bos:/") else _files_source(str(rows))
        )
    if (pandas := sys.modules.get("pandas")) is not None:
        if isinstance(rows, pandas.DataFrame):
            snapshot = _take_snapshot(rows)
            table = open_table(snapshot)
            assert table is not None
            source = _table_source(table, f"DataFrame {len(rows)} × {len(rows.columns)}")
            return replace(source, frame=snapshot)
        if isinstance(rows, pandas.Series):
            snapshot = _take_snapshot(rows)
            return RowSource(
                tr("Series of {count}", count=len(rows)),
                lambda: iter(snapshot.tolist()),
                total=len(snapshot),
                frame=snapshot,
            )
    if (table := open_table(rows)) is not None:
        return _table_source(table, table.kind)
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


def _table_source(table: TableRows, kind: str) -> RowSource:
    return RowSource(
        kind, table.rows, table.columns, table.total, is_rereadable=table.is_rereadable
    )


def _take_snapshot(frame: Any) -> Any:
    """Return a copy: answers belong to positions, and the user may sort the frame while rows are
    sent.
    """
    pandas = sys.modules["pandas"]
    is_copy_on_write = (
        int(pandas.__version__.split(".")[0]) >= 3 or pandas.options.mode.copy_on_write is True
    )
    return frame.copy(deep=not is_copy_on_write)


def _files_source(name: str) -> RowSource:
    if not any(sign in name for sign in "*?[") and "://" not in name:
        _validate_path(Path(name).expanduser(), name)
    paths = list_files(name)
    summaries = summarize_files(paths)
    files = InputFiles([describe_file(path) for path in paths])
    first_item = next(
        (summary.first_item for summary in summaries if summary.first_item is not None), None
    )
    if first_item is None:
        raise DatasetError(_jsonl_csv_parquet.describe_no_rows(files.suffix, files.size), path=name)
    has_heading = files.suffix != ".jsonl" and isinstance(first_item, Mapping)
    is_rereadable = files.size <= STREAM_ABOVE_BYTES
    return RowSource(
        name,
        files.items,
        tuple(first_item) if has_heading else None,
        _count_rows(files, summaries) if not is_rereadable or files.suffix == ".parquet" else None,
        is_rereadable=is_rereadable,
        paths=tuple(Path(path) for path in paths if "://" not in path),
        files=files,
    )


def _bucket_source(address: str) -> RowSource:
    """Return the source of `bos:/bucket/...`: an object, a folder or a pattern, which is
    downloaded.
    """
    from ..resources.management.storage import Storage  # noqa: PLC0415 - only this input needs the platform

    address = address.replace("bos://", "bos:/", 1)
    prefix = address.rstrip("/")
    folder = tempfile.mkdtemp(prefix="qfnb-")
    for number, name in enumerate(Storage.list(prefix.partition("*")[0])):
        is_named = (
            name == prefix or name.startswith(f"{prefix}/") or fnmatch.fnmatchcase(name, prefix)
        )
        if is_named and suffix_of(name) in SUFFIXES:
            Storage.download(name, Path(folder) / f"{number:06}-{name.rpartition('/')[2]}")
    try:
        source = _files_source(folder)
    except DatasetError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise DatasetError(str(error).replace(folder, address)) from None
    # `items` keeps them until it is read
    weakref.finalize(source.files, shutil.rmtree, folder, ignore_errors=True)
    return replace(source, description=address, paths=(), files=None)


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


def _count_rows(files: InputFiles, summaries: Sequence[FileSummary]) -> int | None:
    """Return the number of rows: Parquet tells it, and lines are counted here, quotes of CSV
    heeded; None elsewhere.
    """
    if files.suffix == ".parquet":
        return sum(summary.rows or 0 for summary in summaries)
    if any("://" in file.path for file in files.files):
        return None
    return sum(_count_lines(file.path, is_csv=files.suffix == ".csv") for file in files.files)


def _count_lines(path: str, *, is_csv: bool) -> int:
    """Return the rows of a file; blank lines count, too, until they are read."""
    lines = -int(is_csv)
    is_quoted = False
    last = b"\n"
    with open_file(path) as file:
        while chunk := file.read(COUNTED_BYTES):
            last = chunk[-1:]
            if is_csv:
                pieces = chunk.split(b'"')
            else:
                pieces = [chunk]
            lines += sum(piece.count(b"\n") for piece in pieces[int(is_quoted) :: 2])
            is_quoted ^= len(pieces) % 2 == 0
    return max(lines + (last != b"\n"), 0)


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
