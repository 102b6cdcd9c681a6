"""The files of an output folder, on a disk or in an object store: each appears whole or not at
all.
"""

import contextlib
import json
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from filelock import FileLock, Timeout

from ...base.language import tr
from ...errors import InvalidArgumentError, QianfanError
from ..file_access import BOS_PREFIX, is_address
from .object_files import BosFiles, StorageFiles

FOLDER: Final = "_qfnb"
"""Readers of Parquet folders skip names that begin with an underscore."""


class ShardError(QianfanError):
    """A job of shards cannot begin or go on: its output belongs to another job, is in use, or
    cannot be written.
    """


class OutputFiles(Protocol):
    """Files by their names below a folder, with slashes; all methods raise OSError with the reason
    as `strerror`.

    Attributes:
        folder: a path, or an address.
        has_lock: whether `lock` keeps other processes of this computer away.
    """

    folder: Path | str
    has_lock: bool

    def create(self, name: str) -> None:
        """Create a folder in this one, where that is necessary."""

    def path(self, name: str) -> Path | str:
        """Return where a file is."""

    def writing(
        self, name: str, *, is_durable: bool = True
    ) -> contextlib.AbstractContextManager[Path]:
        """Yield a path on this computer to write a file to; it appears when the block has ended
        without an error.
        """

    def read(self, name: str) -> bytes | None:
        """Return what a file has, None where there is none."""

    def size(self, name: str) -> int | None:
        """Return the bytes of a file, None where there is none."""

    def names(self, name: str = "") -> list[str]:
        """Return the names of the files in this folder, or in one of it, in their order."""

    def fetch(self, name: str, path: Path) -> bool:
        """Copy a file to a path on this computer; return whether there is one."""

    def delete(self, name: str) -> None:
        """Delete a file, if there is one."""

    def lock(self) -> bool:
        """Keep other processes of this computer away; return whether that was possible."""

    def unlock(self) -> None:
        """Let them in."""


def open_output(folder: str | Path) -> OutputFiles:
    """Return the files of a folder.

    Args:
        folder: a path, an address as fsspec has them (`s3://bucket/folder`), or
            `bos:/bucket/folder`.

    Raises:
        InvalidArgumentError: the address is none, or the package of its storage is missing.
    """
    text = str(folder)
    if text.startswith(BOS_PREFIX):
        return BosFiles(text)
    return StorageFiles(text) if is_address(text) else _LocalFiles(Path(folder))


@contextlib.contextmanager
def writing_to(folder: Path | str) -> Iterator[None]:
    """Raise a `ShardError` in words where an output folder cannot be written."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        names = {"folder": folder, "reason": _reason(error)}
        raise ShardError(
            tr("the output folder {folder} cannot be written: {reason}", **names)
        ) from None
    except InvalidArgumentError as error:  # of an export
        raise ShardError(tr("the output cannot be written: {reason}", reason=str(error))) from None


@contextlib.contextmanager
def reading_from(folder: Path | str) -> Iterator[None]:
    """Raise a `ShardError` in words where an output folder cannot be read."""
    try:
        yield
    except OSError as error:
        names = {"folder": folder, "reason": _reason(error)}
        raise ShardError(
            tr("the output folder {folder} cannot be read: {reason}", **names)
        ) from None


def write_json(files: OutputFiles, name: str, value: object) -> None:
    """Write a value to a file.

    Raises:
        OSError: that is not possible.
    """
    with files.writing(name) as path:
        path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


def _reason(error: OSError | sqlite3.Error) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class _LocalFiles:
    """Written beside their names and renamed."""

    has_lock = True

    def __init__(self, folder: Path) -> None:
        self.folder: Path | str = folder
        self._path = folder
        self._lock = FileLock(folder / FOLDER / "lock", thread_local=False)

    def create(self, name: str) -> None:
        (self._path / name).mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        return self._path / name

    @contextlib.contextmanager
    def writing(self, name: str, *, is_durable: bool = True) -> Iterator[Path]:
        path = self._path / name
        temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
        try:
            yield temporary
            if is_durable:  # on the disk before it is renamed
                with temporary.open("rb+") as file:
                    os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def read(self, name: str) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            return (self._path / name).read_bytes()
        return None

    def size(self, name: str) -> int | None:
        path = self._path / name
        return path.stat().st_size if path.is_file() else None

    def names(self, name: str = "") -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            paths = (self._path / name).iterdir()
            return sorted(
                path.name for path in paths if path.is_file() and not path.name.startswith(".")
            )
        return []

    def fetch(self, name: str, path: Path) -> bool:
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(self._path / name, path)
            return True
        return False

    def delete(self, name: str) -> None:
        (self._path / name).unlink(missing_ok=True)

    def lock(self) -> bool:
        with contextlib.suppress(Timeout):
            self._lock.acquire(timeout=0)
            return True
        return False

    def unlock(self) -> None:
        self._lock.release()
