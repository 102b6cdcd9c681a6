"""The rows of files: checked before any is sent, read in order, and read again from any row on."""

import bisect
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from itertools import islice, zip_longest
from typing import IO, Any, Final, NamedTuple

from .. import _jsonl_csv_parquet
from ..base.language import tr
from ..errors import DatasetError
from .file_access import InputFile, describe_file, open_file, suffix_of

Item = str | Mapping[str, Any] | list[Any]

MARK_INTERVAL: Final = 1000
"""Rows of JSONL between two marks; Parquet has one at each row group, CSV one at each file."""

MAX_RECENT_ROWS: Final = 2000
"""Rows that are in memory because answers come a little out of order."""

MAX_OPENED_FILES: Final = 16
"""Files that are looked at together before the first row is read."""

_UTF8_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
_ASCII_ENCODER = json.JSONEncoder(default=str)


class FilePosition(NamedTuple):
    """Where a row begins; journals store it.

    Attributes:
        number: of the row, from 0.
        file: its file's place in the list.
        position: the byte of a JSONL file, the row group of a Parquet file, 0 in CSV.
        line: lines of the file before it.
    """

    number: int = 0
    file: int = 0
    position: int = 0
    line: int = 0


class InputFiles:
    """The files of an input, read one after the other.

    Args:
        files: at least one, all of one kind.

    Attributes:
        marks: where rows begin, as far as the last reading has come.
    """

    def __init__(self, files: Sequence[InputFile]) -> None:
        self.marks = list[FilePosition]()
        self.files = tuple(files)
        self.suffix = suffix_of(self.files[0].path)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)

    def to_json(self) -> str:
        """Return it as JSON, for the journal."""
        return json.dumps([asdict(file) for file in self.files], ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "InputFiles":
        """Return the value that a journal holds as JSON."""
        return cls([InputFile(**file) for file in json.loads(text)])

    def items(self) -> Iterator[Item]:
        """Yield all rows."""
        self.marks = []
        return self.items_from(FilePosition(), self.marks.append)

    def items_from(
        self, start: FilePosition, on_mark: Callable[[FilePosition], object]
    ) -> Iterator[Item]:
        """Yield the rows from a mark on.

        Args:
            start: the mark.
            on_mark: called with each mark that is passed.
        """
        number = start.number
        for index in range(start.file, len(self.files)):
            path = self.files[index].path
            if index == start.file:
                mark = start
            else:
                mark = FilePosition(number, index)
            on_mark(mark)
            with open_file(path) as file:
                for item in READERS[self.suffix](file, path, mark, on_mark):
                    yield item
                    number += 1

    def verify(self) -> None:
        """Check that no file has changed.

        Raises:
            DatasetError: names the first that has.
        """
        for file in self.files:
            if describe_file(file.path) != file:
                reason = tr(
                    "the file has changed since the batch began, and the rows without an answer "
                    "are read from it: put "
                    "it back as it was, or run the batch again with its input and "
                    "allow_changed_input=True (--update)"
                )
                raise DatasetError(reason, path=file.path)


class RowReader:
    """Reads single rows again, quickly where their numbers rise.

    Args:
        files: of the input.
        marks: where rows begin, in order; not all need be there.
    """

    def __init__(self, files: InputFiles, marks: Sequence[FilePosition]) -> None:
        self._marks = marks or [FilePosition()]
        self._files = files
        self._items: Iterator[Item] = iter(())
        self._next_number = -1
        self._recent = OrderedDict[int, Item]()
        self._mark = FilePosition()

    @property
    def path(self) -> str:
        """The file that was read last."""
        return self._files.files[self._mark.file].path

    def read(self, number: int) -> Item:
        """Return a row.

        Raises:
            DatasetError: its file cannot be read, or has fewer rows.
        """
        if number in self._recent:
            return self._recent[number]
        mark = self._marks[
            max(bisect.bisect_right(self._marks, number, key=lambda mark: mark.number) - 1, 0)
        ]
        if not mark.number <= self._next_number <= number:
            self._items = self._files.items_from(mark, self._pass_mark)
            self._next_number = mark.number
        try:
            for item in islice(self._items, number - self._next_number + 1):
                self._recent[self._next_number] = item
                self._next_number += 1
                if len(self._recent) > MAX_RECENT_ROWS:
                    self._recent.popitem(last=False)
            return self._recent[number]
        except (KeyError, OSError) as error:
            reason = getattr(error, "strerror", None) or tr("it has fewer rows than before")
            raise DatasetError(reason, path=self.path) from None

    def _pass_mark(self, mark: FilePosition) -> None:
        self._mark = mark


def item_to_json(item: Item) -> str:
    """Return an item as JSON that SQLite can hold: half a surrogate pair cannot be written as
    UTF-8.
    """
    text = _UTF8_ENCODER.encode(item)
    try:
        text.encode()
    except UnicodeEncodeError:
        return _ASCII_ENCODER.encode(item)
    return text


class FileSummary(NamedTuple):
    """What is known of a file before its rows: its columns with their types, the first row, the
    number of rows.
    """

    columns: Mapping[str, str] | None
    first_item: Item | None
    rows: int | None


def summarize_files(paths: Sequence[str]) -> list[FileSummary]:
    """Return the sizes and columns that the beginnings of files tell; a file that cannot be read is
    named before any row is sent.

    Raises:
        DatasetError: a file cannot be read, or its columns are not those of the first.
    """
    with ThreadPoolExecutor(MAX_OPENED_FILES, "qfnb-files") as pool:
        summaries = list(pool.map(_summarize_file, paths))
    first = summaries[0].columns
    for path, (columns, _, _) in zip(paths, summaries, strict=True):
        if first is None or columns is None:
            continue
        for name in dict.fromkeys([*first, *columns]):
            here = columns.get(name)
            there = first.get(name)
            is_open = suffix_of(path) == ".jsonl"
            if here == there or (is_open and None in {here, there}):
                continue
            expected = {"first": paths[0], "there": there or tr("none"), "name": name}
            raise DatasetError(
                tr(
                    "the column {name!r} is {here}, and in {first} it is {there}",
                    here=here or tr("none"),
                    **expected,
                ),
                path=path,
            )
    return summaries


def _summarize_file(path: str) -> FileSummary:
    suffix = suffix_of(path)
    with open_file(path) as file:
        try:
            first_item = next(READERS[suffix](file, path, FilePosition(), lambda _: None), None)
            if suffix == ".parquet":
                file.seek(0)
                columns, rows = _jsonl_csv_parquet.read_parquet_schema(file)
                return FileSummary(columns, first_item, rows)
        except OSError as error:
            raise DatasetError(
                tr("it cannot be read: {reason}", reason=error.strerror or error), path=path
            ) from None
    if first_item is None:
        return FileSummary(None, None, None)
    if isinstance(first_item, Mapping):
        cells = first_item
    else:
        cells = {}
    if suffix == ".csv":
        return FileSummary(dict.fromkeys(cells, "text"), first_item, None)
    kinds = {name: _kind_of(value) for name, value in cells.items() if value is not None}
    return FileSummary({"*": _kind_of(first_item)} | kinds, first_item, None)


def _kind_of(value: object) -> str:
    """Return the type of a JSON value: whole numbers are numbers."""
    if isinstance(value, (int, float)):
        return "number"
    return type(value).__name__


def _read_jsonl(
    file: IO[bytes], name: str, mark: FilePosition, on_mark: Callable[[FilePosition], object]
) -> Iterator[Item]:
    file.seek(mark.position)
    for count, (line, value) in enumerate(_jsonl_csv_parquet.read_jsonl(file, name), 1):
        if isinstance(value, _jsonl_csv_parquet.RowError):
            raise DatasetError(value.reason, path=name, line=mark.line + line)
        if not isinstance(value, (str, dict, list)):
            reason = tr("must be an object, and is {value!r:.60}", value=value)
            raise DatasetError(reason, path=name, line=mark.line + line)
        yield value
        if count % MARK_INTERVAL == 0:
            on_mark(FilePosition(mark.number + count, mark.file, file.tell(), mark.line + line))


def _read_csv(file: IO[bytes], name: str, *_: object) -> Iterator[Item]:
    records = _jsonl_csv_parquet.read_csv(file, name)
    heading = next(records, (1, []))[1]
    for line, cells in records:
        if len(cells) > len(heading):
            raise DatasetError(tr("more cells than the heading has"), path=name, line=line)
        yield dict(zip_longest(heading, cells))


def _read_parquet(
    file: IO[bytes], name: str, mark: FilePosition, on_mark: Callable[[FilePosition], object]
) -> Iterator[Item]:
    def on_group(group: int, rows: int) -> None:
        on_mark(FilePosition(mark.number + rows, mark.file, group))

    yield from _jsonl_csv_parquet.read_parquet(file, name, mark.position, on_group)


READERS: Final[
    Mapping[
        str,
        Callable[[IO[bytes], str, FilePosition, Callable[[FilePosition], object]], Iterator[Item]],
    ]
] = {".jsonl": _read_jsonl, ".csv": _read_csv, ".parquet": _read_parquet}
