"""Which files an input names: folders, files and patterns, on a disk or behind addresses."""

import glob
import os
from collections.abc import Sequence
from pathlib import Path, PurePath, PurePosixPath

from ...base.language import tr
from ...errors import DatasetError, InvalidArgumentError
from ..file_access import (
    BOS_PREFIX,
    SUFFIXES,
    is_address,
    open_filesystem,
    suffix_of,
    unreadable,
    validate_address,
)

Rows = str | Path | Sequence[str | Path]
"""A folder, a file, a pattern or an address, or several of these."""


def list_inputs(rows: Rows) -> list[tuple[str, str]]:
    """Return all files in order: their names below what names them, with slashes, and their paths
    or addresses.

    Raises:
        InvalidArgumentError: there are none, two have one name, or an address is none.
        DatasetError: the name of one ends otherwise, or its folder cannot be read.
    """
    files: dict[str, str] = {}
    for source in split_rows(rows):
        root, paths = _list_address(source) if is_address(source) else _list_local(Path(source))
        if not paths:
            allowed = tr(", ").join(SUFFIXES)
            raise InvalidArgumentError(
                tr(
                    "{source}: there is no file whose name ends in {allowed}",
                    source=source,
                    allowed=allowed,
                )
            )
        for path in paths:
            name = path[len(root) :].replace(os.sep, "/").lstrip("/")
            if files.setdefault(name, path) != path:
                raise InvalidArgumentError(
                    tr("two files are called {name!r}: name their common folder", name=name)
                )
    unsuited = next((name for name in files if suffix_of(name) not in SUFFIXES), None)
    if unsuited:
        raise DatasetError(
            tr("the file name must end in {suffixes}", suffixes=tr(", ").join(SUFFIXES)),
            path=unsuited,
        )
    return sorted(files.items())


def split_rows(rows: Rows) -> list[str]:
    """Return what names files: addresses, and absolute paths.

    Raises:
        InvalidArgumentError: it is neither.
    """
    sources = []
    for source in [rows] if isinstance(rows, (str, Path)) else list(rows):
        if not isinstance(source, (str, Path)):
            raise InvalidArgumentError(
                tr("rows={rows!r}: must be a folder, a file, or a pattern", rows=source)
            )
        validate_address("rows", text := str(source))
        if text.startswith(BOS_PREFIX):
            raise InvalidArgumentError(
                tr(
                    "{address}: shards read buckets by the S3 interface: "
                    "rows='s3://bucket/folder' with "
                    "AWS_ENDPOINT_URL=https://s3.bj.bcebos.com (of your region) and "
                    "AWS_ACCESS_KEY_ID and "
                    "AWS_SECRET_ACCESS_KEY of your account in the environment",
                    address=text,
                )
            )
        sources.append(
            text.rstrip("/") if is_address(text) else str(Path(text).expanduser().absolute())
        )
    return sources


def refuse_output_inside(rows: Rows, out: str, suffix: str) -> None:
    """Check that the next run would not read the output as rows.

    Args:
        rows: the input.
        out: the output folder: an absolute path, or an address.
        suffix: of its parts.

    Raises:
        InvalidArgumentError: it would.
    """
    kind = PurePosixPath if is_address(out) else PurePath
    folder = kind(out)
    for source in split_rows(rows):
        pattern = kind(source)
        is_named = (
            (folder / f"part-x{suffix}").match(source)
            if glob.has_magic(source)
            else pattern in {folder, *folder.parents}
        )
        if is_address(source) == is_address(out) and is_named:
            raise InvalidArgumentError(
                tr(
                    "out={out!r} is inside rows={rows!r}: the next run would read answers as rows",
                    out=out,
                    rows=source,
                )
            )


def _list_local(root: Path) -> tuple[str, list[str]]:
    """Return the folder that files are named below, and their paths."""
    if root.is_dir():
        paths = [
            path for path in root.rglob("*") if _is_input(path.relative_to(root)) and path.is_file()
        ]
        return str(root), [*map(str, paths)]
    if root.is_file():
        return str(root.parent), [str(root)]
    names = [
        name
        for name in glob.glob(str(root), recursive=True)  # noqa: PTH207 - the pattern may be absolute
        if _is_input(Path(name).name)
    ]
    return _common_folder(names), names


def _list_address(address: str) -> tuple[str, list[str]]:
    """Return the address that files are named below, and theirs."""
    storage, name = open_filesystem(address)
    try:
        storage.invalidate_cache()
        if glob.has_magic(name):
            names = [each for each in storage.glob(name) if _is_input(each.rpartition("/")[2])]
            root = _common_folder(names)
        elif storage.isfile(name):
            names = [name]
            root = name.rpartition("/")[0]
        else:
            root = name.rstrip("/")
            names = [
                each for each in storage.find(name) if _is_input(each[len(root) :].lstrip("/"))
            ]
        return storage.unstrip_protocol(root), [storage.unstrip_protocol(each) for each in names]
    except Exception as error:  # noqa: BLE001 - each storage has its own
        raise unreadable(address, error) from None


def _common_folder(names: Sequence[str]) -> str:
    return os.path.commonpath([os.path.dirname(name) for name in names]) if names else ""  # noqa: PTH120 - or addresses


def _is_input(name: str | Path) -> bool:
    """Return whether a name below a folder is an input's: Spark and Hadoop hide `_SUCCESS` and
    `.part` the same way.
    """
    path = Path(name)
    return path.suffix.lower() in SUFFIXES and not any(
        part.startswith(("_", ".")) for part in path.parts
    )
