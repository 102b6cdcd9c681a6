"""Reading rows: files of several formats, a folder, a zip (never unpacked to disk) or a table."""

from __future__ import annotations

import io
import json
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path, PurePath, PurePosixPath
from typing import IO, Any, Final, Literal

from .. import _jsonl_csv_parquet
from .._jsonl_csv_parquet import RowError, describe_no_rows
from .._tables import open_table
from ..base.language import tr, trn
from ..base.text import closest, did_you_mean, format_value, listed
from ..errors import DatasetError, InvalidArgumentError
from .row_formats import LocatedValue, RowLocation, with_locations
from .schema import SCHEMAS

MAX_FILES = 100_000
MAX_BYTES = 4 * 1024**3
"""Bytes that a download, or all files of an archive when unpacked, may have."""

# ratio of unpacked to packed bytes that a file may have; that of text is at most about 20
MAX_RATIO = 200
MIN_BYTES_FOR_RATIO = 64 * 1024 * 1024  # bytes up to which the ratio is not checked
Members = Mapping[str, Callable[[], IO[bytes]]]  # files by name, each with a function that opens it

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Methods whose output Python bounds by the size that the archive names."""

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


def _read_jsonl(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    records = _jsonl_csv_parquet.read_jsonl(file, name, expected='{"prompt": "...", ...}')
    return ((RowLocation(name, line, row), value) for row, (line, value) in enumerate(records, 1))


def _read_json(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    text = _jsonl_csv_parquet.read_text(file, name)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        problem = _jsonl_csv_parquet.json_problem(error)
        raise DatasetError(
            tr("not JSON ({problem})", problem=problem), path=name, line=line
        ) from None
    values = value if isinstance(value, list) else [value]
    return _located(name, values)


def _located(name: str, values: Iterable[object]) -> Iterator[LocatedValue]:
    """Yield the values of a file without lines."""
    return ((RowLocation(name, row=row), value) for row, value in enumerate(values, 1))


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
    rows = []
    for record in records:
        rows.append({key: cell for key, cell in record.items() if cell is not None})
    return _located(name, rows)


def _read_lines(file: IO[bytes], name: str) -> Iterator[LocatedValue]:
    """Yield each line as one text; within a zip or a folder a file is one text instead."""
    row = 0
    for line, text in _jsonl_csv_parquet.read_lines(file, name):
        if not isinstance(text, str) or text.strip():
            row += 1
            yield RowLocation(name, line, row), text


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
    return _located(name, [text.strip("\n") for text in paragraphs if text.strip()])


_READERS: dict[str, Callable[[IO[bytes], str], Iterator[LocatedValue]]] = {
    "jsonl": _read_jsonl,
    "qianfan": _read_jsonl,
    "json": _read_json,
    "csv": _read_csv,
    "tsv": partial(_read_csv, delimiter="\t"),
    "parquet": _read_parquet,
    "txt": _read_lines,
}


@contextmanager
def open_archive(path: Path, name: str) -> Iterator[Members]:
    """Open a zip; the value of the block is its files in the order of their names.

    Raises:
        DatasetError: it is not a zip, damaged, encrypted, too large, or a name leads out of it.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            entries = _safe_entries(packed, name)
            yield {entry.filename: partial(packed.open, entry) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DatasetError(
            tr("not a zip that can be read: {error}", error=error), path=name
        ) from None


def _safe_entries(packed: zipfile.ZipFile, name: str) -> list[zipfile.ZipInfo]:
    entries = [entry for entry in packed.infolist() if not entry.is_dir()]
    problems = [_archive_problem(entries), *map(_entry_problem, entries)]
    problem = next(filter(None, problems), "")
    if problem:
        raise DatasetError(
            tr("the zip is not safe and is not opened: {problem}", problem=problem), path=name
        )
    return sorted(entries, key=lambda entry: entry.filename)


def _archive_problem(entries: list[zipfile.ZipInfo]) -> str:
    total = sum(e.file_size for e in entries)
    packed = sum(e.compress_size for e in entries)
    if len(entries) > MAX_FILES:
        return tr(
            "{n} files, at most {limit} are allowed", n=f"{len(entries):,}", limit=f"{MAX_FILES:,}"
        )
    if total > MAX_BYTES:
        return tr(
            "{n} bytes unpacked, at most {limit} are allowed",
            n=f"{total:,}",
            limit=f"{MAX_BYTES:,}",
        )
    if total > MIN_BYTES_FOR_RATIO and total > MAX_RATIO * max(packed, 1):
        return tr(
            "{n} bytes are packed into {packed}: more than {ratio} times smaller",
            n=f"{total:,}",
            packed=f"{packed:,}",
            ratio=MAX_RATIO,
        )
    if len({entry.filename for entry in entries}) < len(entries):
        return tr("two files have the same name")
    return ""


def _entry_problem(entry: zipfile.ZipInfo) -> str:
    quoted_name = f"{entry.filename[:60]!r}"
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if (
        path.is_absolute()
        or ".." in path.parts
        or entry.filename[1:2] == ":"
        or "\0" in entry.orig_filename
    ):
        return tr("the name {name} leads out of it", name=quoted_name)
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        return tr("{name} is a link or a device", name=quoted_name)
    if entry.flag_bits & 1:
        return tr("{name} is encrypted", name=quoted_name)
    if entry.compress_type in _METHODS:
        return ""
    return tr("{name} is packed by an unusual method", name=quoted_name)


TextReader = Callable[[IO[bytes], str], Iterator[LocatedValue]]

MAX_LISTED_FILES: Final = 40
"""Largest number of files that are offered."""

LISTED_SUFFIXES: Final = (".jsonl", ".csv", ".tsv", ".parquet")
"""Suffixes of the files that are offered; other files can be named."""

QUESTION_AND_ANSWER: Final = (
    ("question", "answer"),
    ("query", "response"),
    ("instruction", "output"),
    ("问题", "答案"),
    ("问题", "回答"),
)
"""Names of columns that mean prompt and response."""

_SCHEMA_COLUMNS: Final = {name for schema in SCHEMAS.values() for name in schema.columns} - {
    "response"
}


def read_path(
    path: Path, kind: str | None = None, *, name: str = "", exported: bool = False
) -> list[LocatedValue]:
    """Return the values of a file, a zip or a folder with their locations.

    Raises:
        DatasetError: it cannot be read, or holds no rows.
    """
    display_name = name or str(path)
    if not path.exists():
        raise _missing_file(display_name)
    try:
        read_text = read_exported_texts if exported else read_whole_text
        values = list(_iter_values(path, display_name, kind, read_text))
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise DatasetError(
            tr("cannot be read: {reason}", reason=reason), path=display_name
        ) from None
    if not values:
        suffix = f".{kind}" if kind else path.suffix.lower()
        if path.is_dir() or suffix == ".zip":
            suffixes = listed(SUFFIXES)
            reason = tr("the folder or zip holds no file with rows: {suffixes}", suffixes=suffixes)
        elif suffix in {".csv", ".tsv", ".parquet"}:
            reason = describe_no_rows(suffix, path.stat().st_size)
        else:
            reason = tr(
                'the file is empty; expected one {"prompt": "...", "response": "..."} per line'
            )
        raise DatasetError(reason, path=display_name)
    return values


def _missing_file(name: str) -> DatasetError:
    match = nearest_data_file(name)
    reason = tr("there is no such file (working directory: {folder})", folder=Path.cwd())
    if not match:
        return DatasetError(reason, path=name)
    hint = tr("; did you mean {match}?", match=match.relative_to(PurePath(name).parent))
    error = DatasetError(f"{reason}{hint}", path=name)
    error.correction = (name, str(match))
    return error


def nearest_data_file(name: str) -> PurePath | None:
    """Return the data file in the folder of a path whose name is most like it, None for none."""
    folder = Path(name).expanduser().parent
    if not folder.is_dir():
        return None
    match = closest(PurePath(name).name, list_data_files(folder))
    if match is None:
        return None
    return PurePath(name).parent / match


def list_data_files(folder: Path) -> list[str]:
    """Return the data files in a folder and in its subfolders of the first level, as relative
    paths.
    """
    names = []
    for path in sorted([*folder.glob("*"), *folder.glob("*/*")]):
        name = path.relative_to(folder).as_posix()
        if path.suffix in LISTED_SUFFIXES and path.is_file() and "/." not in f"/{name}":
            names.append(name)
    return names[:MAX_LISTED_FILES]


def read_values(rows: Any) -> list[LocatedValue]:
    """Return the rows of a table, with arrays in its cells as lists, or what an iterable has.

    Raises:
        InvalidArgumentError: it is neither.
    """
    table = open_table(rows)
    if table is not None:
        return [*with_locations(map(_plain_row, table.rows()))]
    if isinstance(rows, (str, bytes, Mapping, type)) or not isinstance(rows, Iterable):
        raise InvalidArgumentError(
            tr(
                "a value of the type {kind} has no rows: use a table, a path or a list of "
                "dictionaries",
                kind=type(rows).__name__,
            )
        )
    return [*with_locations(rows)]


def _plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with NumPy's arrays in its cells as lists."""
    return {name: cell.tolist() if hasattr(cell, "tolist") else cell for name, cell in row.items()}


def implied_columns(values: list[LocatedValue]) -> dict[str, str]:
    """Return new names for columns whose names say which is the question and which the answer, {}
    where the rows have columns of a schema, or of neither.
    """
    rows = [row for _, row in values if isinstance(row, dict)]
    if not rows or rows[0].keys() & _SCHEMA_COLUMNS:
        return {}
    for question, answer in QUESTION_AND_ANSWER:
        if question in rows[0] and answer in rows[0] and not any(row.get("input") for row in rows):
            return {question: "prompt", answer: "response"}
    return {}


def rename_columns(values: list[LocatedValue], columns: Mapping[str, str]) -> list[LocatedValue]:
    """Return values with columns renamed, as in `{"question": "prompt"}`.

    Raises:
        InvalidArgumentError: no row has a column that is to be renamed, or a new name looks like a
            typing error.
    """
    rows = [row for _, row in values if isinstance(row, dict)]
    present = list(dict.fromkeys(map(str, chain.from_iterable(rows))))
    if missing := next((name for name in columns if name not in present), None):
        raise InvalidArgumentError(
            tr(
                "columns: there is no column {name!r}{hint}; there are {columns}",
                name=missing,
                hint=did_you_mean(missing, present),
                columns=listed(present),
            )
        )
    names = {*_SCHEMA_COLUMNS, "response"}
    for new_name in columns.values():
        if new_name not in names and (hint := did_you_mean(new_name, names)):
            raise InvalidArgumentError(
                tr("columns: a dataset has no column {name}{hint}", name=repr(new_name), hint=hint)
            )
    renamed: list[LocatedValue] = []
    for location, value in values:
        row = value
        if isinstance(value, dict):
            row = {columns.get(key, key): cell for key, cell in value.items()}
        renamed.append((location, row))
    return renamed


def _iter_values(
    path: Path, name: str, kind: str | None, read_text: TextReader
) -> Iterator[LocatedValue]:
    if path.is_dir():
        yield from _read_members(_folder_members(path), name + os.sep, read_text)
    elif (format_name := format_of(path.name, kind)) == "zip":
        with open_archive(path, name) as members:
            yield from _read_members(members, f"{name}!", read_text)
    else:
        with path.open("rb") as file:
            yield from _READERS[format_name](file, name)


def _folder_members(folder: Path) -> Members:
    paths = []
    for root, _, names in os.walk(folder):
        for name in names:
            paths.append(Path(root, name))
    members: dict[str, Callable[[], IO[bytes]]] = {}
    for path in sorted(paths):
        if not path.is_symlink():
            members[path.relative_to(folder).as_posix()] = partial(_open, path)
    return members


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")


def _read_members(members: Members, prefix: str, read_text: TextReader) -> Iterator[LocatedValue]:
    """Read the files of a folder or zip that have rows; hidden ones are left out."""
    for name, open_member in members.items():
        kind = SUFFIXES.get(PurePath(name).suffix.lower())
        is_hidden = any(part.startswith((".", "__MACOSX")) for part in PurePath(name).parts)
        if is_hidden or kind in {None, "zip"}:
            continue
        with open_member() as file:
            if kind == "txt":
                yield from read_text(file, prefix + name)
            else:
                yield from _READERS[kind](file, prefix + name)
