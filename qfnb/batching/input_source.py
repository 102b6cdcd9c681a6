"""The input of a batch: a DataFrame, a file, a list or any iterable, and reading it ahead."""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import IO, Any, Final, Generic, TypeVar

from .. import _jsonl_csv_parquet
from .._language import tr
from ..errors import DatasetError, InvalidArgumentError
from ..transport.interrupt_safe import Condition

Item = str | Mapping[str, Any] | list[Any]

STREAM_ABOVE_BYTES = 64 * 1024 * 1024
"""Bytes above which a file is read while its rows are sent, not before."""


@dataclass(frozen=True)
class RowSource:
    """The rows of an input, and what is known before they are read.

    Attributes:
        description: what the input is, for people.
        items: starts reading; each item is a prompt, a conversation, or a row with named cells.
        columns: the names of the cells, None where they may differ from row to row.
        total: number of rows, None where it is not known.
        is_rereadable: whether it can be read more than once, and so to its end before the first row is sent.
        frame: a copy of the DataFrame or Series, None for other inputs.
        path: the file, None for other inputs.
    """

    description: str
    items: Callable[[], Iterator[Item]]
    columns: tuple[str, ...] | None = None
    total: int | None = None
    is_rereadable: bool = True
    frame: Any = None
    path: Path | None = None


def open_source(rows: Any) -> RowSource:
    """Return the source of the rows that a user gives.

    Raises:
        InvalidArgumentError: the argument has no rows.
        DatasetError: the file does not exist or is of an unknown kind.
    """
    if isinstance(rows, (str, Path)):
        return _file_source(rows)
    if (pandas := sys.modules.get("pandas")) is not None:
        if isinstance(rows, pandas.DataFrame):
            return _frame_source(rows)
        if isinstance(rows, pandas.Series):
            snapshot = _take_snapshot(rows)
            return RowSource(
                tr("Series of {count}", count=len(rows)),
                lambda: iter(snapshot.tolist()),
                total=len(snapshot),
                frame=snapshot,
            )
    if isinstance(rows, (Mapping, bytes)) or not isinstance(rows, Iterable):
        raise InvalidArgumentError(
            tr(
                "rows is a {kind}: must be a DataFrame, a .jsonl, .csv or .parquet path, or an iterable of "
                "prompts, conversations or dictionaries",
                kind=type(rows).__name__,
            )
        )
    if isinstance(rows, Sequence) or (isinstance(rows, Sized) and not isinstance(rows, Iterator)):
        return RowSource(f"{type(rows).__name__} of {len(rows)}", lambda: iter(rows), total=len(rows))
    return RowSource(f"{type(rows).__name__}", lambda: iter(rows), is_rereadable=False)


def _frame_source(frame: Any) -> RowSource:
    columns = tuple(map(str, frame.columns))
    if len(set(columns)) < len(columns):
        raise InvalidArgumentError(tr("two columns have the same name: {columns}", columns=tr(", ").join(columns)))

    snapshot = _take_snapshot(frame)

    def items() -> Iterator[Item]:
        if not columns:  # itertuples then has no rows either
            return ({} for _ in range(len(snapshot)))
        return (dict(zip(columns, row, strict=True)) for row in snapshot.itertuples(index=False, name=None))

    return RowSource(f"DataFrame {len(snapshot)} × {len(columns)}", items, columns, total=len(snapshot), frame=snapshot)


def _take_snapshot(frame: Any) -> Any:
    """Return a copy: answers belong to positions, and the user may sort the frame while rows are sent."""
    pandas = sys.modules["pandas"]
    is_copy_on_write = int(pandas.__version__.split(".")[0]) >= 3 or pandas.options.mode.copy_on_write is True
    return frame.copy(deep=not is_copy_on_write)


def _file_source(name: str | Path) -> RowSource:
    path = Path(name).expanduser()
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise DatasetError(tr("the file name must end in {suffixes}", suffixes=tr(", ").join(_READERS)), path=str(name))
    if not path.is_file():
        reason = tr("this is a folder") if path.is_dir() else tr("there is no such file")
        raise DatasetError(tr("{reason} (working directory: {cwd})", reason=reason, cwd=Path.cwd()), path=str(name))
    try:
        first_row = next(_read_file(path, suffix), None)
        size = path.stat().st_size
    except OSError as error:
        raise DatasetError(tr("it cannot be read: {reason}", reason=error.strerror), path=str(name)) from None
    if first_row is None:
        raise DatasetError(_jsonl_csv_parquet.describe_no_rows(suffix, size), path=str(name))
    columns = tuple(first_row) if suffix != ".jsonl" and isinstance(first_row, Mapping) else None
    is_rereadable = size <= STREAM_ABOVE_BYTES
    return RowSource(
        str(name), lambda: _read_file(path, suffix), columns, is_rereadable=is_rereadable, path=path.absolute()
    )


def _read_file(path: Path, suffix: str) -> Iterator[Item]:
    with path.open("rb") as file:
        yield from _READERS[suffix](file, str(path))


def _read_jsonl(file: IO[bytes], name: str) -> Iterator[Item]:
    for line, value in _jsonl_csv_parquet.read_jsonl(file, name):
        if isinstance(value, _jsonl_csv_parquet.RowError):
            raise DatasetError(value.reason, path=name, line=line)
        if not isinstance(value, (str, dict, list)):
            raise DatasetError(tr("must be an object, and is {value!r:.60}", value=value), path=name, line=line)
        yield value


def _read_csv(file: IO[bytes], name: str) -> Iterator[Item]:
    records = _jsonl_csv_parquet.read_csv(file, name)
    _, heading = next(records, (1, []))
    for line, cells in records:
        if len(cells) > len(heading):
            raise DatasetError(tr("more cells than the heading has"), path=name, line=line)
        yield dict(zip_longest(heading, cells))


_READERS: dict[str, Callable[[IO[bytes], str], Iterator[Item]]] = {
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _jsonl_csv_parquet.read_parquet,
}


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
        self._items, self._max_items = items, max_items
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
            self._is_finished, self._is_reading, self._error = True, False, error
            self._changed.notify_all()
