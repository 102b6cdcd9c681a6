"""Files here and behind addresses: which ones a name means, opening them, and telling a changed one."""

import glob
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from .._language import tr
from ..errors import DatasetError, InvalidArgumentError

SUFFIXES: Final = (".jsonl", ".csv", ".parquet")

DIGESTED_BYTES: Final = 64 * 1024
"""Bytes at either end of a file by which a changed one is told; each of its rows has a checksum besides."""


@dataclass(frozen=True)
class InputFile:
    """One file; journals hold it as JSON, so its field names are stored.

    Attributes:
        path: absolute, or an address.
        size: in bytes.
        digest: of its size and both ends, or of what its storage tells of it.
    """

    path: str
    size: int
    digest: str


def suffix_of(path: str) -> str:
    """Return the ending of a file's name in small letters, `.csv`."""
    return Path(path.partition("?")[0] if "://" in path else path).suffix.lower()


def import_fsspec(address: str) -> Any:
    """Return the library for storages.

    Raises:
        InvalidArgumentError: it is not installed.
    """
    try:
        import fsspec  # noqa: PLC0415 - only addresses need it
    except ImportError:
        raise InvalidArgumentError(
            tr(
                "{address}: addresses need fsspec and what it needs for this one: pip install 'qfnb[fsspec]'",
                address=address,
            )
        ) from None
    return fsspec


def open_file(path: str) -> IO[bytes]:
    """Return a file or what is behind an address, open for reading.

    Raises:
        DatasetError: it cannot be opened.
    """
    try:
        if "://" not in path:
            return Path(path).open("rb")
        file: IO[bytes] = import_fsspec(path).open(path, "rb").open()
    except (OSError, ImportError, ValueError) as error:  # an unknown protocol, or one whose package is not there
        raise DatasetError(tr("it cannot be read: {reason}", reason=_reason(error)), path=path) from None
    return file


def describe_file(path: str) -> InputFile:
    """Return a file with its size and digest.

    Raises:
        DatasetError: it cannot be read.
    """
    if "://" in path:
        filesystem, name = _filesystem(path)
        try:
            return InputFile(path, int(filesystem.info(name)["size"] or 0), filesystem.ukey(name))
        except (OSError, ValueError) as error:
            raise DatasetError(tr("it cannot be read: {reason}", reason=_reason(error)), path=path) from None
    with open_file(path) as file:
        size = file.seek(0, 2)
        digest = hashlib.blake2b(str(size).encode(), digest_size=16)
        for start in (0, max(size - DIGESTED_BYTES, 0)):
            file.seek(start)
            digest.update(file.read(DIGESTED_BYTES))
    return InputFile(path, size, digest.hexdigest())


def list_files(name: str) -> list[str]:
    """Return the files that a path, a folder, a pattern or an address names, in the order of their names.

    Raises:
        DatasetError: there are none, or they are of several kinds.
    """
    paths = _list_address(name) if "://" in name else _list_local(Path(name).expanduser())
    paths = sorted(path for path in paths if suffix_of(path) in SUFFIXES and not Path(path).name.startswith((".", "_")))
    if not paths:
        raise DatasetError(tr("no file there ends in {suffixes}", suffixes=tr(", ").join(SUFFIXES)), path=name)
    if len(kinds := {suffix_of(path): path for path in paths}) > 1:
        names = tr(", ").join(sorted(kinds.values()))
        raise DatasetError(tr("files of several kinds: {names}; name one kind, as in *.jsonl", names=names), path=name)
    return paths


def _list_local(path: Path) -> list[str]:
    if path.is_dir():
        return [str(file.absolute()) for file in path.iterdir() if file.is_file()]
    if not path.exists() and glob.has_magic(str(path)):
        names = glob.glob(str(path), recursive=True)  # noqa: PTH207 - the pattern may be absolute
        return [str(Path(name).absolute()) for name in names if Path(name).is_file()]
    return [str(path.absolute())]


def _list_address(address: str) -> list[str]:
    filesystem, name = _filesystem(address)
    try:
        if glob.has_magic(name):
            names = filesystem.glob(name)
        else:
            names = filesystem.find(name, maxdepth=1) if filesystem.isdir(name) else [name]
    except (OSError, ValueError) as error:
        raise DatasetError(tr("it cannot be read: {reason}", reason=_reason(error)), path=address) from None
    return [filesystem.unstrip_protocol(name) for name in names]


def _filesystem(address: str) -> tuple[Any, str]:
    try:
        filesystem, name = import_fsspec(address).core.url_to_fs(address)
    except (ImportError, ValueError, OSError) as error:
        raise DatasetError(tr("it cannot be read: {reason}", reason=_reason(error)), path=address) from None
    return filesystem, name


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
