"""Zips are read without being unpacked: nothing of them touches the disk under a name of its own."""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO

from ..errors import DatasetError

MAX_FILES = 100_000
MAX_BYTES = 4 * 1024**3
"""Bytes that all files of an archive may have together when unpacked."""

MAX_RATIO = 200
"""How many times smaller a file may be packed than unpacked; text is at most some twenty times smaller."""

MIN_BYTES_FOR_RATIO = 64 * 1024 * 1024
"""Bytes up to which the ratio does not matter."""

Members = Mapping[str, Callable[[], IO[bytes]]]
"""Files by name, each with what opens it."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Methods whose output Python bounds by the size that the archive names."""


@contextmanager
def open_archive(path: Path, name: str, max_bytes: int = MAX_BYTES) -> Iterator[Members]:
    """Open a zip and give its files in the order of their names.

    Args:
        path: the zip.
        name: how it is called in messages.
        max_bytes: bytes that its files may have together.

    Raises:
        DatasetError: it is no zip, damaged, encrypted, too large, or a name leads out of it.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            entries = _safe_entries(packed, name, max_bytes)
            yield {entry.filename: partial(packed.open, entry) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DatasetError(f"not a zip that can be read: {error}", path=name) from None


def _safe_entries(packed: zipfile.ZipFile, name: str, max_bytes: int) -> list[zipfile.ZipInfo]:
    entries = [entry for entry in packed.infolist() if not entry.is_dir()]
    problem = _archive_problem(entries, max_bytes) or next(
        (text for e in entries if (text := _entry_problem(e))), ""
    )
    if problem:
        raise DatasetError(f"{problem}: the zip is not opened (压缩包不安全)", path=name)
    return sorted(entries, key=lambda entry: entry.filename)


def _archive_problem(entries: list[zipfile.ZipInfo], max_bytes: int) -> str:
    total, packed = sum(e.file_size for e in entries), sum(e.compress_size for e in entries)
    if len(entries) > MAX_FILES:
        return f"{len(entries):,} files, at most {MAX_FILES:,}"
    if total > max_bytes:
        return f"{total:,} bytes unpacked, at most {max_bytes:,}"
    if total > MIN_BYTES_FOR_RATIO and total > MAX_RATIO * max(packed, 1):
        return f"{total:,} bytes packed into {packed:,}: more than {MAX_RATIO} times smaller"
    if len({entry.filename for entry in entries}) < len(entries):
        return "two files have the same name"
    return ""


def _entry_problem(entry: zipfile.ZipInfo) -> str:
    quoted_name = f"{entry.filename[:60]!r}"
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or entry.filename[1:2] == ":" or "\0" in entry.orig_filename:
        return f"the name {quoted_name} leads out of it"
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        return f"{quoted_name} is a link or a device"
    if entry.flag_bits & 1:
        return f"{quoted_name} is encrypted"
    return "" if entry.compress_type in _METHODS else f"{quoted_name} is packed by an unusual method"
