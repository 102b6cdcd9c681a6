"""The input of a batch: a DataFrame, files here or behind addresses, a list or any iterable."""

import contextlib
import glob
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path, PurePath
from typing import IO, Any, Final, NamedTuple

from .. import _jsonl_csv_parquet
from .._tables import find_variables, open_table, pandas_table
from ..base.language import tr
from ..errors import DatasetError, InvalidArgumentError, QianfanError
from ..redact import redact

SUFFIXES: Final = (".jsonl", ".csv", ".parquet")

BLOCK_BYTES: Final = 4 * 1024 * 1024
"""Bytes that are read at once from behind an address."""

MAX_OPENED_FILES: Final = 16
"""Files that are looked at together before the first row is read."""

Item = str | Mapping[str, Any] | list[Any]


class FilePosition(NamedTuple):
    """Where a row of a file begins.

    Attributes:
        number: of the row, from 0.
        position: the byte of a JSONL file, the row group of a Parquet file, 0 in CSV.
        line: lines of the file before it.
    """

    number: int = 0
    position: int = 0
    line: int = 0


def suffix_of(path: str) -> str:
    """Return the ending of a file's name in small letters, `.csv`."""
    return Path(path.partition("?")[0] if is_address(path) else path).suffix.lower()


def is_address(path: str) -> bool:
    """Return whether a text is the address of something in a storage, and not a path."""
    return "://" in path


@contextlib.contextmanager
def open_file(path: str) -> Iterator[IO[bytes]]:
    """Open a file, or what is behind an address, for reading.

    Raises:
        DatasetError: it cannot be opened or read.
    """
    try:
        if is_address(path):
            filesystem, name = open_filesystem(path)
            stored = filesystem.open(name, "rb", block_size=BLOCK_BYTES)
            with io.BufferedReader(stored, 1024 * 1024) as file:
                yield file
        else:
            with Path(path).open("rb") as local_file:
                yield local_file
    except QianfanError:
        raise
    except Exception as error:
        if not is_address(path) and not isinstance(error, OSError):
            raise
        raise _unreadable(path, error) from None


def open_filesystem(address: str) -> tuple[Any, str]:
    """Return the file system of fsspec behind an address, and the name of the address there.

    Raises:
        InvalidArgumentError: the address has keys in it, the package of its storage is missing, or
            nobody knows its protocol.
    """
    scheme, _, location = address.partition("://")
    if ":" in location.partition("/")[0].rpartition("@")[0]:
        raise InvalidArgumentError(
            tr(
                "{name}: an address must not have keys in it; they belong in the environment",
                name=f"{scheme}://…",
            )
        )
    try:
        import fsspec  # noqa: PLC0415 - only addresses need it

        filesystem, name = fsspec.core.url_to_fs(address)
    except ImportError as error:
        package = getattr(error.__cause__ or error, "name", None)
        if package == "fsspec":
            text = tr(
                "{address}: addresses need fsspec and what it needs for this one: pip install "
                "'qfnb[fsspec]'",
                address=address,
            )
        else:
            hint = f"pip install {package}" if package else str(error)
            text = tr("{address}: a package is missing: {hint}", address=address, hint=hint)
        raise InvalidArgumentError(text) from None
    except Exception as error:  # noqa: BLE001 - each storage has its own
        raise InvalidArgumentError(f"{address}: {_describe_storage_error(error)}") from None
    return filesystem, name


def _describe_storage_error(error: Exception) -> str:
    """Return the error of a storage in words, without keys."""
    reason = redact((str(error).splitlines() or [""])[0]) or type(error).__name__
    if isinstance(error, PermissionError):
        return tr(
            "permission denied ({reason}): the storage takes its keys from the environment",
            reason=reason,
        )
    if isinstance(error, FileNotFoundError):
        return tr("there is no such bucket or folder ({reason})", reason=reason)
    if type(error).__name__ in {"NoCredentialsError", "DefaultCredentialsError"}:
        return tr("no keys: the storage takes them from the environment ({reason})", reason=reason)
    return reason


def _unreadable(path: str, error: Exception) -> DatasetError:
    """Return the error of a file that cannot be read, for what the disk or the storage raised."""
    reason = None
    if isinstance(error, OSError) and not is_address(path):
        reason = error.strerror
    reason = reason or _describe_storage_error(error)
    return DatasetError(tr("it cannot be read: {reason}", reason=reason), path=path)


def find_files(name: str, *, is_deep: bool = False) -> tuple[str, list[str]]:
    """Return the folder that files are named below, and the files in the order of their names.

    Hidden ones, `_SUCCESS` and `.part`, are left out as Spark and Hadoop do.

    Args:
        name: a path, a folder, a pattern or an address.
        is_deep: whether those in folders of a folder are its files, too.

    Raises:
        DatasetError: there are none, or they are of several kinds.
    """
    root, names = _find_addresses(name, is_deep) if is_address(name) else _find_paths(name, is_deep)
    paths = []
    kinds = {}
    for path in sorted(names):
        inner = Path(path.removeprefix(root).lstrip("/" + os.sep))
        is_hidden = any(each.startswith((".", "_")) for each in inner.parts)
        if suffix_of(path) in SUFFIXES and not is_hidden:
            paths.append(path)
            kinds[suffix_of(path)] = path
    if not paths:
        raise DatasetError(
            tr("no file there ends in {suffixes}", suffixes=tr(", ").join(SUFFIXES)), path=name
        )
    if len(kinds) > 1:
        examples = tr(", ").join(sorted(kinds.values()))
        raise DatasetError(
            tr("files of several kinds: {names}; name one kind, as in *.jsonl", names=examples),
            path=name,
        )
    return root, paths


def _common_folder(names: Sequence[str]) -> str:
    if not names:
        return ""
    return os.path.commonpath([os.path.dirname(name) for name in names])  # noqa: PTH120


def _find_paths(name: str, is_deep: bool) -> tuple[str, list[str]]:
    path = Path(name).expanduser().absolute()
    if path.is_dir():
        files = path.rglob("*") if is_deep else path.iterdir()
        return str(path), [str(file) for file in files if file.is_file()]
    if path.exists() or not glob.has_magic(str(path)):
        return str(path.parent), [str(path)]
    names = glob.glob(str(path), recursive=True)  # noqa: PTH207 - the pattern may be absolute
    names = [name for name in names if Path(name).is_file()]
    return _common_folder(names), names


def _find_addresses(address: str, is_deep: bool) -> tuple[str, list[str]]:
    filesystem, name = open_filesystem(address)
    try:
        filesystem.invalidate_cache()
        if glob.has_magic(name):
            names = filesystem.glob(name)
            root = _common_folder(names)
        elif filesystem.isdir(name):
            names = filesystem.find(name, maxdepth=None if is_deep else 1)
            root = name.rstrip("/")
        else:
            names = [name]
            root = _common_folder(names)
    except Exception as error:  # noqa: BLE001 - each storage has its own
        raise _unreadable(address, error) from None
    return filesystem.unstrip_protocol(root), [filesystem.unstrip_protocol(each) for each in names]


def read_items(paths: Iterable[str], starts: dict[str, int] | None = None) -> Iterator[Item]:
    """Yield the rows of files or addresses of one kind, one after the other.

    Args:
        paths: the files.
        starts: is given the number of each file's first row, from 0, when that is read.
    """
    number = 0
    for path in paths:
        if starts is not None:
            starts[path] = number
        for item in read_file(path, FilePosition()):
            yield item
            number += 1


def read_file(path: str, start: FilePosition) -> Iterator[Item]:
    """Yield the rows of a file from one on."""
    with open_file(path) as file:
        yield from READERS[suffix_of(path)](file, path, start)


def read_first_items(paths: Sequence[str]) -> list[Item | None]:
    """Return the first row of each file, None of an empty one; a file that cannot be read is named
    before any row is sent.

    Raises:
        DatasetError: a file cannot be read.
    """

    def read_first(path: str) -> Item | None:
        return next(read_file(path, FilePosition()), None)

    with ThreadPoolExecutor(MAX_OPENED_FILES, "qfnb-files") as pool:
        return list(pool.map(read_first, paths))


def _read_jsonl(file: IO[bytes], name: str, start: FilePosition) -> Iterator[Item]:
    file.seek(start.position)
    for line, value in _jsonl_csv_parquet.read_jsonl(file, name):
        if isinstance(value, _jsonl_csv_parquet.RowError):
            raise DatasetError(value.reason, path=name, line=start.line + line)
        if not isinstance(value, (str, dict, list)):
            reason = tr("must be an object, and is {value!r:.60}", value=value)
            raise DatasetError(reason, path=name, line=start.line + line)
        yield value


def _read_csv(file: IO[bytes], name: str, _: FilePosition) -> Iterator[Item]:
    records = _jsonl_csv_parquet.read_csv(file, name)
    heading = next(records, (1, []))[1]
    for line, cells in records:
        if len(cells) > len(heading):
            raise DatasetError(tr("more cells than the heading has"), path=name, line=line)
        yield dict(zip_longest(heading, cells))


def _read_parquet(file: IO[bytes], name: str, start: FilePosition) -> Iterator[Item]:
    yield from _jsonl_csv_parquet.read_parquet(file, name, start.position)


READERS: Final[Mapping[str, Callable[[IO[bytes], str, FilePosition], Iterator[Item]]]] = {
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
}


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
        headings: path and columns of each file; empty for JSON Lines, where each row has its own.
        locate: names a row that was read, by its number, as a row of its file, `b.csv#17`; ""
            where the input is no file.
    """

    description: str
    items: Callable[[], Iterator[Item]]
    columns: tuple[str, ...] | None = None
    total: int | None = None
    is_rereadable: bool = True
    frame: Any = None
    paths: tuple[Path, ...] = ()
    headings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    locate: Callable[[int], str] = lambda _: ""


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
    first_items = read_first_items(paths)
    first_item = next((item for item in first_items if item is not None), None)
    suffix = suffix_of(paths[0])
    size = total = 0
    for path in paths:
        with open_file(path) as file:
            size += file.seek(0, os.SEEK_END)
            if suffix == ".parquet":
                total += _jsonl_csv_parquet.count_parquet_rows(file)
    if first_item is None:
        raise DatasetError(_jsonl_csv_parquet.describe_no_rows(suffix, size), path=name)
    starts: dict[str, int] = {}
    headings: dict[str, tuple[str, ...]] = {}
    if suffix != ".jsonl":
        headings = _read_headings(paths, first_items)
    return RowSource(
        name,
        lambda: read_items(paths, starts),
        next(iter(headings.values()), None),
        total or None,
        is_rereadable=size <= STREAM_ABOVE_BYTES,
        paths=tuple(Path(path) for path in paths if not is_address(path)),
        headings=headings,
        locate=lambda number: _locate(starts, number),
    )


def _read_headings(
    paths: Iterable[str], first_items: Iterable[Item | None]
) -> dict[str, tuple[str, ...]]:
    headings: dict[str, tuple[str, ...]] = {}
    for path, item in zip(paths, first_items, strict=True):
        if isinstance(item, Mapping):
            headings[path] = tuple(item)
    return headings


def _locate(starts: Mapping[str, int], number: int) -> str:
    label = ""
    for path, start in starts.items():
        if start <= number:
            label = f"{PurePath(path).name}#{number - start}"
    return label


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
