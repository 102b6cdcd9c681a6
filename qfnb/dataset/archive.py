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

MOST_FILES = 100_000
MOST_BYTES = 4 * 1024**3
"""Bytes that all files of an archive may have together when unpacked."""

MOST_TIMES = 200
"""How many times smaller a file may be packed than unpacked; text is at most some twenty times smaller."""

SMALL = 64 * 1024 * 1024
"""Bytes up to which the ratio does not matter."""

Members = Mapping[str, Callable[[], IO[bytes]]]
"""Files by name, each with what opens it."""

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Methods whose output Python bounds by the size that the archive names."""


@contextmanager
def opened(path: Path, name: str, most: int = MOST_BYTES) -> Iterator[Members]:
    """Open a zip and give its files in the order of their names.

    Args:
        path: the zip.
        name: how it is called in messages.
        most: bytes that its files may have together.

    Raises:
        DatasetError: it is no zip, damaged, encrypted, too large, or a name leads out of it.
    """
    try:
        with zipfile.ZipFile(path) as packed:
            entries = _checked(packed, name, most)
            yield {entry.filename: partial(packed.open, entry) for entry in entries}
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DatasetError(f"not a zip that can be read: {error}", path=name) from None


def _checked(packed: zipfile.ZipFile, name: str, most: int) -> list[zipfile.ZipInfo]:
    entries = [entry for entry in packed.infolist() if not entry.is_dir()]
    problem = _problem(entries, most) or next((text for e in entries if (text := _problem_of(e))), "")
    if problem:
        raise DatasetError(f"{problem}: the zip is not opened (压缩包不安全)", path=name)
    return sorted(entries, key=lambda entry: entry.filename)


def _problem(entries: list[zipfile.ZipInfo], most: int) -> str:
    total, packed = sum(e.file_size for e in entries), sum(e.compress_size for e in entries)
    if len(entries) > MOST_FILES:
        return f"{len(entries):,} files, at most {MOST_FILES:,}"
    if total > most:
        return f"{total:,} bytes unpacked, at most {most:,}"
    if total > SMALL and total > MOST_TIMES * max(packed, 1):
        return f"{total:,} bytes packed into {packed:,}: more than {MOST_TIMES} times smaller"
    if len({entry.filename for entry in entries}) < len(entries):
        return "two files have the same name"
    return ""


def _problem_of(entry: zipfile.ZipInfo) -> str:
    shown = f"{entry.filename[:60]!r}"
    path = PurePosixPath(entry.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or entry.filename[1:2] == ":" or "\0" in entry.orig_filename:
        return f"the name {shown} leads out of it"
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        return f"{shown} is a link or a device"
    if entry.flag_bits & 1:
        return f"{shown} is encrypted"
    return "" if entry.compress_type in _METHODS else f"{shown} is packed by an unusual method"
