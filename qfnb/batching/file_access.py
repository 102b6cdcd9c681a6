"""Files here and behind addresses: which ones a name means, opening them, and telling a changed
one.
"""

import contextlib
import glob
import hashlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from ..base.language import tr
from ..errors import DatasetError, InvalidArgumentError, QianfanError
from ..redact import redact

SUFFIXES: Final = (".jsonl", ".csv", ".parquet")

BOS_PREFIX: Final = "bos:/"

BLOCK_BYTES: Final = 4 * 1024 * 1024
"""Bytes that are read at once from behind an address."""

DIGESTED_BYTES: Final = 64 * 1024
"""Bytes at either end of a file by which a changed one is told; each of its rows has a checksum
besides.
"""


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
                "{address}: addresses need fsspec and what it needs for this one: pip install "
                "'qfnb[fsspec]'",
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
        if not is_address(path):
            return Path(path).open("rb")
        filesystem, name = open_filesystem(path)
        return io.BufferedReader(filesystem.open(name, "rb", block_size=BLOCK_BYTES), 1024 * 1024)
    except QianfanError:
        raise
    except Exception as error:  # noqa: BLE001 - each storage has its own
        raise unreadable(path, error) from None


@contextlib.contextmanager
def reading(path: str) -> Iterator[IO[bytes]]:
    """Open a file for reading; what its storage raises meanwhile becomes a `DatasetError`."""
    with open_file(path) as file:
        try:
            yield file
        except QianfanError:
            raise
        except Exception as error:
            if not is_address(path) and not isinstance(error, OSError):
                raise
            raise unreadable(path, error) from None


def is_address(path: str) -> bool:
    """Return whether a text is the address of something in a storage, and not a path."""
    return "://" in path


def validate_address(name: str, value: str) -> None:
    """Check the form of an address; every path is right.

    Raises:
        InvalidArgumentError: it has one slash, no bucket, or keys.
    """
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:/(?!/)", value) and not value.startswith(BOS_PREFIX):
        raise InvalidArgumentError(
            tr(
                "{name}={value!r}: an address has two slashes, as in s3://bucket/folder",
                name=name,
                value=value,
            )
        )
    scheme, separator, rest = value.partition("://")
    if not separator and not value.startswith(BOS_PREFIX):
        return
    host = (rest if separator else value[len(BOS_PREFIX) :]).partition("/")[0]
    if ":" in host.rpartition("@")[0]:
        raise InvalidArgumentError(
            tr(
                "{name}: an address must not have keys in it; they belong in the environment",
                name=name,
            )
        )
    if not host and scheme not in {"file", "memory"}:
        raise InvalidArgumentError(tr("{name}={value!r}: names no bucket", name=name, value=value))


def open_filesystem(address: str) -> tuple[Any, str]:
    """Return the file system of fsspec behind an address, and the name of the address there.

    Raises:
        InvalidArgumentError: the package of its storage is missing, or nobody knows its protocol.
    """
    try:
        filesystem, name = import_fsspec(address).core.url_to_fs(address)
    except QianfanError:
        raise
    except ImportError as error:
        package = getattr(error.__cause__ or error, "name", None)  # fsspec's sentence is in English
        if package:
            hint = f"pip install {package}"
        else:
            hint = str(error)
        raise InvalidArgumentError(
            tr("{address}: a package is missing: {hint}", address=address, hint=hint)
        ) from None
    except Exception as error:  # noqa: BLE001 - each storage has its own
        raise InvalidArgumentError(f"{address}: {describe_storage_error(error)}") from None
    return filesystem, name


def describe_storage_error(error: Exception) -> str:
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


def describe_file(path: str) -> InputFile:
    """Return a file with its size and digest.

    Raises:
        DatasetError: it cannot be read.
    """
    if is_address(path):
        filesystem, name = open_filesystem(path)
        try:
            return InputFile(path, int(filesystem.info(name)["size"] or 0), filesystem.ukey(name))
        except Exception as error:  # noqa: BLE001 - each storage has its own
            raise unreadable(path, error) from None
    with open_file(path) as file:
        size = file.seek(0, 2)
        digest = hashlib.blake2b(str(size).encode(), digest_size=16)
        for start in (0, max(size - DIGESTED_BYTES, 0)):
            file.seek(start)
            digest.update(file.read(DIGESTED_BYTES))
    return InputFile(path, size, digest.hexdigest())


def list_files(name: str) -> list[str]:
    """Return the files that a path, a folder, a pattern or an address names, in the order of their
    names.

    Raises:
        DatasetError: there are none, or they are of several kinds.
    """
    _, paths = find_files(name)
    kinds = {suffix_of(path): path for path in paths}
    if len(kinds) > 1:
        names = tr(", ").join(sorted(kinds.values()))
        raise DatasetError(
            tr("files of several kinds: {names}; name one kind, as in *.jsonl", names=names),
            path=name,
        )
    return paths


def find_files(name: str, *, is_deep: bool = False) -> tuple[str, list[str]]:
    """Return the folder that files are named below, and the files in the order of their names.

    Hidden ones, `_SUCCESS` and `.part`, are left out as Spark and Hadoop do.

    Args:
        name: a path, a folder, a pattern or an address.
        is_deep: whether those in folders of a folder are its files, too.

    Raises:
        DatasetError: there are none.
    """
    find = _find_addresses if is_address(name) else _find_paths
    root, paths = find(name, is_deep)
    paths = sorted(
        path for path in paths if _is_input(path.removeprefix(root).lstrip("/" + os.sep))
    )
    if not paths:
        raise DatasetError(
            tr("no file there ends in {suffixes}", suffixes=tr(", ").join(SUFFIXES)), path=name
        )
    return root, paths


def _is_input(name: str) -> bool:
    return suffix_of(name) in SUFFIXES and not any(
        each.startswith((".", "_")) for each in Path(name).parts
    )


def _common_folder(names: Sequence[str]) -> str:
    if not names:
        return ""
    return os.path.commonpath([os.path.dirname(name) for name in names])  # noqa: PTH120


def _find_paths(name: str, is_deep: bool) -> tuple[str, list[str]]:
    path = Path(name).expanduser().absolute()
    if path.is_dir():
        if is_deep:
            files = path.rglob("*")
        else:
            files = path.iterdir()
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
        raise unreadable(address, error) from None
    return filesystem.unstrip_protocol(root), [filesystem.unstrip_protocol(each) for each in names]


def unreadable(path: str, error: Exception) -> DatasetError:
    """Return the error of a file that cannot be read, for what the disk or the storage raised."""
    if not (isinstance(error, OSError) and not is_address(path)):
        local = None
    else:
        local = error.strerror
    reason = local or describe_storage_error(error)
    return DatasetError(tr("it cannot be read: {reason}", reason=reason), path=path)
