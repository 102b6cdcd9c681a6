"""The files of an output folder in an object store: through fsspec, or in a bucket of the
platform.
"""

import contextlib
import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ...resources.management.storage import Storage
from ..file_access import describe_storage_error, open_filesystem


class _Objects:
    """What object stores have in common: no folders, no locks, and files that are uploaded when
    they are complete.
    """

    has_lock = False

    def __init__(self, folder: str) -> None:
        self._address = folder.rstrip("/")
        self.folder: Path | str = self._address

    def create(self, name: str) -> None:
        pass

    def path(self, name: str) -> str:
        return f"{self._address}/{name}"

    @contextlib.contextmanager
    def writing(self, name: str, *, is_durable: bool = True) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
            path = Path(folder, name.rpartition("/")[2])
            yield path
            self._upload(path, name)

    def _upload(self, path: Path, name: str) -> None:
        raise NotImplementedError

    def lock(self) -> bool:
        return True

    def unlock(self) -> None:
        pass


class StorageFiles(_Objects):
    """In a storage that fsspec knows."""

    def __init__(self, folder: str) -> None:
        super().__init__(folder)
        self._storage, self._root = open_filesystem(self._address)

    def read(self, name: str) -> bytes | None:
        """Return what an object has, None where there is none."""
        with _as_os_error(), contextlib.suppress(FileNotFoundError):
            content: bytes = self._storage.cat_file(self._key(name))
            return content
        return None

    def size(self, name: str) -> int | None:
        """Return the bytes of an object, None where there is none."""
        with _as_os_error(), contextlib.suppress(FileNotFoundError):
            return int(self._storage.info(self._key(name))["size"])
        return None

    def names(self, name: str = "") -> list[str]:
        """Return the names of the objects in this folder, or in one of it, in their order."""
        with _as_os_error(), contextlib.suppress(FileNotFoundError):
            rows = self._storage.ls(self._key(name).rstrip("/"), detail=True)
            return sorted(row["name"].rpartition("/")[2] for row in rows if row["type"] == "file")
        return []

    def fetch(self, name: str, path: Path) -> bool:
        """Copy an object to a path on this computer; return whether there is one."""
        with _as_os_error(), contextlib.suppress(FileNotFoundError):
            self._storage.get_file(self._key(name), str(path))
            return True
        return False

    def delete(self, name: str) -> None:
        """Delete an object, if there is one."""
        with _as_os_error(), contextlib.suppress(FileNotFoundError):
            self._storage.rm_file(self._key(name))

    def _upload(self, path: Path, name: str) -> None:
        with _as_os_error():
            self._storage.put_file(str(path), self._key(name))

    def _key(self, name: str) -> str:
        """Return the storage's name of an object; what the storage remembers of it may be old, and
        is forgotten.
        """
        self._storage.invalidate_cache()
        return f"{self._root}/{name}"


class BosFiles(_Objects):
    """In a bucket of the platform, with its keys."""

    def read(self, name: str) -> bytes | None:
        """Return what an object has, None where there is none."""
        with _as_os_error():
            return None if Storage.info(self.path(name)) is None else Storage.read(self.path(name))

    def size(self, name: str) -> int | None:
        """Return the bytes of an object, None where there is none."""
        with _as_os_error():
            stored = Storage.info(self.path(name))
            return None if stored is None else stored.size

    def names(self, name: str = "") -> list[str]:
        """Return the names of the objects in this folder, or in one of it, in their order."""
        with _as_os_error():
            prefix = self.path(f"{name}/" if name else "")
            names = [address.removeprefix(prefix) for address in Storage.list(prefix)]
            return [name for name in names if "/" not in name]

    def fetch(self, name: str, path: Path) -> bool:
        """Copy an object to a path on this computer; return whether there is one."""
        with _as_os_error():
            if Storage.info(self.path(name)) is None:
                return False
            Storage.download(self.path(name), path)
            return True

    def delete(self, name: str) -> None:
        """Delete an object, if there is one."""
        with _as_os_error():
            Storage.delete(self.path(name))

    def _upload(self, path: Path, name: str) -> None:
        with _as_os_error():
            Storage.upload(self.path(name), path)


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    """Raise what a storage raises, which may be anything, as OSError."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each package has its own
        raise OSError(errno.EIO, describe_storage_error(error)) from None
