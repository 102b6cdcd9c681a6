"""The output folder of a job: its parts, and in `_qfnb` what a worker or a driver needs to go on.

The folder is on a disk or in an object store; each file appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import socket
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import psutil
from filelock import FileLock, Timeout

from ...base.language import tr
from ...errors import InvalidArgumentError, QianfanError
from ...resources.management.storage import Storage
from ..file_access import BOS_PREFIX, describe_storage_error, is_address, open_filesystem
from ..fork_safe_sqlite import open_database
from ..request_spec import RequestSpec
from .plan import Shard

FOLDER: Final = "_qfnb"
"""Readers of Parquet folders skip names that begin with an underscore."""

OWNER: Final = f"{FOLDER}/owner.json"
BUDGET: Final = f"{FOLDER}/budget.json"
MANIFEST: Final = f"{FOLDER}/manifest.json"

MANIFEST_VERSION: Final = 1

MAX_REQUESTS: Final = 16
"""Reports that are read at once: each is a request or two to an object store."""

HEARTBEAT_S: Final = 10.0
"""Seconds between two signs of life of a driver."""

LOST_AFTER_S: Final = 60.0
"""Seconds after which a driver on another machine counts as gone."""

_claims: set[str] = set()
"""The claims of this process: another with its number may have ended in a container of this
name.
"""


class ShardError(QianfanError):
    """A job of shards cannot begin or go on: its output belongs to another job, is in use, or
    cannot be written.
    """


class Output:
    """A folder that all workers and the driver can write, on a disk or in an object store.

    Args:
        folder: a path, an address as fsspec has them (`s3://bucket/folder`), or
            `bos:/bucket/folder`.
        suffix: of the parts, `.parquet`, `.jsonl` or `.csv`.

    Raises:
        InvalidArgumentError: the address is none, or the package of its storage is missing.
    """

    def __init__(self, folder: str, suffix: str) -> None:
        self.folder = folder
        self.suffix = suffix
        self._is_local = not is_address(folder) and not folder.startswith(BOS_PREFIX)
        self._files = _open_files(folder)
        self._lock = FileLock(Path(folder, FOLDER, "lock"), thread_local=False)
        self._claim = uuid.uuid4().hex
        self._heartbeat_at = 0.0

    def part_name(self, shard: Shard) -> str:
        """Return the name of the part of a shard."""
        return f"{shard.name}{self.suffix}"

    def part_path(self, shard: Shard) -> Path | str:
        """Return where the answers of a shard are when it is done; it exists only then."""
        name = self.part_name(shard)
        if self._is_local:
            return Path(self.folder, name)
        return f"{self.folder}/{name}"

    @contextlib.contextmanager
    def part_here(self, shard: Shard) -> Iterator[Path]:
        """Yield a copy of the part of a shard that is done on this computer."""
        with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
            copy = Path(folder, self.part_name(shard))
            self.fetch(copy.name, copy)
            yield copy

    def parts(self) -> set[str]:
        """Return the names of the parts.

        Raises:
            ShardError: the folder cannot be read.
        """
        with self._reading():
            names = self._files.names("")
        return {name for name in names if name.startswith("part-") and name.endswith(self.suffix)}

    def read_reports(self, shards: Sequence[Shard]) -> dict[str, dict[str, Any]]:
        """Return the counts of those shards that are done, by digest.

        Raises:
            ShardError: as in `read_report`.
        """
        parts = self.parts()
        done = [shard for shard in shards if self.part_name(shard) in parts]
        with ThreadPoolExecutor(MAX_REQUESTS, "qfnb-files") as pool:
            reports = zip(done, pool.map(self.read_report, done), strict=True)
            return {shard.digest: report for shard, report in reports if report is not None}

    def read_report(self, shard: Shard) -> dict[str, Any] | None:
        """Return the counts of a shard that is done, None of another.

        Raises:
            ShardError: there is a part without a report, or of another size than its report says.
        """
        with self._reading():
            size = self._files.size(self.part_name(shard))
        if size is None:
            return None
        try:
            report: dict[str, Any] = self.read_json(f"{FOLDER}/reports/{shard.digest}.json")
        except ValueError as error:
            problem = tr("its report cannot be read ({reason})", reason=str(error))
        else:
            if size == report.get("bytes"):
                return report
            expected = report.get("bytes", 0)
            problem = tr("it has {n:,} bytes instead of {expected:,}", n=size, expected=expected)
        part = self.part_name(shard)
        raise ShardError(
            tr(
                "{part}: {reason}; delete it, and its rows are sent again",
                part=part,
                reason=problem,
            )
        )

    def publish_part(self, shard: Shard, write: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """Write a part, and its report, and have it appear when both are complete; return the
        report.

        Args:
            shard: that is done.
            write: writes the part to a path and returns the report.

        Raises:
            ShardError: the folder cannot be written.
        """
        with self._writing(), self._files.writing(self.part_name(shard)) as path:
            report = write(path)
            self.write_json(f"{FOLDER}/reports/{shard.digest}.json", report)
        return report

    def copy_journal(self, shard: Shard, journal: Path) -> None:
        """Copy a journal that is being written; a copy appears when it is whole.

        Raises:
            ShardError: the folder cannot be written.
        """
        with self._writing(), tempfile.TemporaryDirectory(dir=journal.parent) as folder:
            snapshot = Path(folder, "journal.db")
            with (
                contextlib.closing(open_database(journal)) as source,
                contextlib.closing(sqlite3.connect(snapshot)) as target,
            ):
                source.backup(target)
                target.execute("pragma journal_mode = delete")
            with self._files.writing(_copy_name(shard)) as path:
                shutil.copyfile(snapshot, path)

    def fetch_journal(self, shard: Shard, path: Path) -> bool:
        """Write the copy of a shard's journal to a path; return whether there is one."""
        return self.fetch(_copy_name(shard), path)

    def delete_journal_copy(self, shard: Shard) -> None:
        """Delete the copy of a journal, its answers are in a part; one that may not be deleted
        does no harm.
        """
        with contextlib.suppress(OSError):
            self._files.delete(_copy_name(shard))

    def fetch(self, name: str, path: Path) -> bool:
        """Copy a file to a path on this computer; return whether there is one.

        Raises:
            ShardError: it cannot be read, or not be written there.
        """
        with self._reading():
            content = self._files.read(name)
            if content is not None:
                path.write_bytes(content)
        return content is not None

    def read_json(self, name: str) -> Any:
        """Return the value of a file, {} where there is none.

        Raises:
            ShardError: it cannot be read.
            ValueError: it is not JSON.
        """
        with self._reading():
            content = self._files.read(name)
        if content is None:
            return {}
        return json.loads(content)

    def write_json(self, name: str, value: object) -> None:
        """Write a value to a file.

        Raises:
            ShardError: the folder cannot be written.
        """
        with self._writing(), self._files.writing(name) as path:
            path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")

    def validate_manifest(self, request: RequestSpec, shards: Sequence[Shard]) -> None:
        """Check that the folder's answers are those of this job, and store what the job is.

        Raises:
            ShardError: another prompt, model, option or input; or another folder's files.
        """
        manifest = self.read_json(MANIFEST)
        if manifest and manifest["version"] > MANIFEST_VERSION:
            raise ShardError(
                tr(
                    "{folder} was written by a later version of qfnb ({n})",
                    folder=self.folder,
                    n=manifest["version"],
                )
            )
        if manifest and (
            differences := request.differences(RequestSpec.from_json(manifest["request"]))
        ):
            raise ShardError(
                tr(
                    "{folder} has the answers of another job:\n{differences}\ngive it what it "
                    "had, or another out=",
                    folder=self.folder,
                    differences="\n".join(differences),
                )
            )
        with self._reading():
            journals = [
                name for name in self._files.names(f"{FOLDER}/journals") if name.endswith(".db")
            ]
        expected = {self.part_name(shard) for shard in shards} | {
            f"{shard.digest}.db" for shard in shards
        }
        if foreign := [name for name in [*sorted(self.parts()), *journals] if name not in expected]:
            raise ShardError(
                tr(
                    "{folder} has {n} parts and journals of rows that the input does not have any "
                    "more, {name} among "
                    "them: the input, or shard_rows, has changed; give the earlier ones, or "
                    "another out=",
                    folder=self.folder,
                    n=len(foreign),
                    name=foreign[0],
                )
            )
        manifest = {
            "version": MANIFEST_VERSION,
            "qfnb": metadata.version("qfnb"),
            "request": request.to_json(),
            "shards": [
                {"file": s.file, "start": s.start, "stop": s.stop, "digest": s.digest}
                for s in shards
            ],
        }
        self.write_json(MANIFEST, manifest)

    def claim(self) -> None:
        """Take the folder for this driver: by a lock where there are locks, and by signs of life
        in any storage.

        Raises:
            ShardError: another driver works on it.
        """
        with self._writing():
            self._files.prepare()
            if self._is_local:
                try:
                    self._lock.acquire(timeout=0)
                except Timeout:
                    problem = tr(
                        "{folder} is in use by another process: one run at a time",
                        folder=self.folder,
                    )
                    raise ShardError(problem) from None
        try:
            self._refuse_owner(self._read_owner())
            self.keep_claim()
            self._refuse_owner(self._read_owner())  # the last of two that began together has it
        except BaseException:
            self._lock.release()
            raise

    def keep_claim(self) -> None:
        """Show from time to time that this driver is alive.

        Raises:
            ShardError: another driver has taken the folder meanwhile, or it cannot be written.
        """
        now = time.time()
        if now - self._heartbeat_at < HEARTBEAT_S:
            return
        if self._heartbeat_at:
            self._refuse_owner(self._read_owner())
        owner = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "claim": self._claim,
            "seen": now,
        }
        try:
            self.write_json(OWNER, owner)
        except ShardError:
            if now - self._heartbeat_at >= LOST_AFTER_S / 2:  # a storage may fail for a moment
                raise
            return
        _claims.add(self._claim)
        self._heartbeat_at = now

    def release_claim(self) -> None:
        """Leave the folder to others."""
        _claims.discard(self._claim)
        with contextlib.suppress(OSError, ShardError):
            self._refuse_owner(self._read_owner())
            self._files.delete(OWNER)
        self._lock.release()

    def _read_owner(self) -> Mapping[str, Any]:
        with contextlib.suppress(ValueError):
            owner: Mapping[str, Any] = self.read_json(OWNER)
            return owner
        return {}

    def _refuse_owner(self, owner: Mapping[str, Any]) -> None:
        """Raise a `ShardError` where another driver was alive a moment ago."""
        age_s = time.time() - float(owner.get("seen", 0))
        if not owner or owner.get("claim") == self._claim or age_s >= LOST_AFTER_S:
            return
        if owner["host"] == socket.gethostname():
            if owner["pid"] == os.getpid():
                is_here = owner.get("claim") in _claims
            else:
                is_here = psutil.pid_exists(owner["pid"])
            if self._is_local or not is_here:
                return
        raise ShardError(
            tr(
                "{folder} is in use by process {pid} on {host}, seen {age:.0f} s ago: one run at "
                "a time",
                folder=self.folder,
                age=age_s,
                pid=owner["pid"],
                host=owner["host"],
            )
        )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            names = {"folder": self.folder, "reason": _reason(error)}
            raise ShardError(
                tr("the output folder {folder} cannot be written: {reason}", **names)
            ) from None
        except InvalidArgumentError as error:  # of an export
            raise ShardError(
                tr("the output cannot be written: {reason}", reason=str(error))
            ) from None

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            names = {"folder": self.folder, "reason": _reason(error)}
            raise ShardError(
                tr("the output folder {folder} cannot be read: {reason}", **names)
            ) from None


def _copy_name(shard: Shard) -> str:
    return f"{FOLDER}/journals/{shard.digest}.db"


def _reason(error: OSError | sqlite3.Error) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _open_files(folder: str) -> _LocalFiles | _BosFiles:
    if folder.startswith(BOS_PREFIX):
        return _BosFiles(folder)
    if is_address(folder):
        return _StorageFiles(folder)
    return _LocalFiles(Path(folder))


class _LocalFiles:
    """Files by their names below a folder, with slashes: written beside their names and renamed.

    All methods raise OSError with the reason as `strerror`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def prepare(self) -> None:
        for name in ("journals", "reports"):
            (self._folder / FOLDER / name).mkdir(parents=True, exist_ok=True)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        path = self._folder / name
        temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
        try:
            yield temporary
            with temporary.open("rb+") as file:  # on the disk before it is renamed
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def read(self, name: str) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            return (self._folder / name).read_bytes()
        return None

    def size(self, name: str) -> int | None:
        with contextlib.suppress(FileNotFoundError):
            return (self._folder / name).stat().st_size
        return None

    def names(self, folder: str) -> list[str]:
        with contextlib.suppress(FileNotFoundError):
            paths = (self._folder / folder).iterdir()
            return sorted(
                path.name for path in paths if path.is_file() and not path.name.startswith(".")
            )
        return []

    def delete(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)


class _BosFiles:
    """The same in a bucket of the platform, with its keys; they are uploaded when they are
    complete.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def prepare(self) -> None:
        pass

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
            path = Path(folder, name.rpartition("/")[2])
            yield path
            with _as_os_error():
                self._upload(path, f"{self._address}/{name}")

    def _upload(self, path: Path, address: str) -> None:
        Storage.upload(address, path)

    def read(self, name: str) -> bytes | None:
        if self.size(name) is None:
            return None
        with _as_os_error(), tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
            return Storage.download(f"{self._address}/{name}", Path(folder, "object")).read_bytes()

    def size(self, name: str) -> int | None:
        with _as_os_error():
            stored = Storage.info(f"{self._address}/{name}")
            if stored is None:
                return None
            return stored.size

    def names(self, folder: str) -> list[str]:
        if folder:
            prefix = f"{self._address}/{folder}/"
        else:
            prefix = f"{self._address}/"
        with _as_os_error():
            names = [address.removeprefix(prefix) for address in Storage.list(prefix)]
        return [name for name in names if "/" not in name]

    def delete(self, name: str) -> None:
        with _as_os_error():
            Storage.delete(f"{self._address}/{name}")


class _StorageFiles(_BosFiles):
    """The same in a storage that fsspec knows; what it remembers of an object may be old, and is
    forgotten.
    """

    def __init__(self, address: str) -> None:
        self._storage, self._address = open_filesystem(address)

    def _upload(self, path: Path, address: str) -> None:
        self._storage.put_file(str(path), address)

    def read(self, name: str) -> bytes | None:
        content: bytes | None = self._ask("cat_file", name)
        return content

    def size(self, name: str) -> int | None:
        stored = self._ask("info", name)
        if stored is None:
            return None
        return int(stored["size"])

    def names(self, folder: str) -> list[str]:
        rows = self._ask("ls", folder, detail=True) or []
        return sorted(row["name"].rpartition("/")[2] for row in rows if row["type"] == "file")

    def delete(self, name: str) -> None:
        self._ask("rm_file", name)

    def _ask(self, method: str, name: str, **options: Any) -> Any:
        with _as_os_error(), contextlib.suppress(FileNotFoundError):
            self._storage.invalidate_cache()
            return getattr(self._storage, method)(f"{self._address}/{name}".rstrip("/"), **options)
        return None


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    """Raise what a storage raises, which may be anything, as OSError."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - each package has its own
        raise OSError(errno.EIO, describe_storage_error(error)) from None
