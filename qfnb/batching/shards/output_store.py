"""The output folder of a job: its parts, and in `_qfnb` what a worker or a driver needs to go on."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from ..._language import tr
from ...errors import InvalidArgumentError, QianfanError
from ..fork_safe_sqlite import open_database
from ..request_spec import RequestSpec
from .plan import Shard

FOLDER: Final = "_qfnb"
"""Readers of Parquet folders skip names that begin with an underscore."""

MANIFEST_VERSION: Final = 1

HEARTBEAT_S: Final = 10.0
"""Seconds between two signs of life of a driver."""

LOST_AFTER_S: Final = 60.0
"""Seconds after which a driver on another machine counts as gone."""


class ShardError(QianfanError):
    """A job of shards cannot begin or go on: its output belongs to another job, is in use, or cannot be written."""


class OutputStore:
    """A folder that all workers and the driver can write.

    Args:
        folder: of the output.
        suffix: of the parts, `.parquet`, `.jsonl` or `.csv`.
    """

    def __init__(self, folder: str | Path, suffix: str) -> None:
        self.folder, self.suffix = Path(folder), suffix
        self._lock = FileLock(self._file("lock"), thread_local=False)
        self._heartbeat_at = 0.0

    def create(self) -> None:
        """Create the folders.

        Raises:
            ShardError: that is not possible.
        """
        with self._writing():
            for name in ("journals", "reports"):
                self._file(name).mkdir(parents=True, exist_ok=True)

    def part_path(self, shard: Shard) -> Path:
        """Return where the answers of a shard are when it is done; it exists only then."""
        return self.folder / f"{shard.name}{self.suffix}"

    @property
    def ledger_path(self) -> Path:
        """Where the use of the budget is stored."""
        return self._file("budget.json")

    def parts(self) -> list[Path]:
        """Return the parts, in the order of their names."""
        return sorted(path for path in self.folder.glob(f"part-*{self.suffix}") if path.is_file())

    def read_report(self, shard: Shard) -> dict[str, Any] | None:
        """Return the counts of a shard that is done, None of another."""
        if not self.part_path(shard).is_file():
            return None
        try:
            report: dict[str, Any] = json.loads(
                self._file("reports", f"{shard.digest}.json").read_text(encoding="utf-8")
            )
        except (OSError, ValueError) as error:
            raise ShardError(
                tr(
                    "{part} has no readable report ({reason}): delete the part, and its rows are sent again",
                    part=self.part_path(shard).name,
                    reason=str(error),
                )
            ) from None
        return report

    def publish_part(self, shard: Shard, write: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """Write a part beside its name, its report, and rename it when both are complete; return the report.

        Args:
            shard: that is done.
            write: writes the part to a path and returns the report.

        Raises:
            ShardError: the folder cannot be written.
        """
        temporary = self.folder / f".{shard.name}.{uuid.uuid4().hex[:8]}{self.suffix}"
        with self._writing():
            try:
                report = write(temporary)
                _flush(temporary)
                self._write_json(self._file("reports", f"{shard.digest}.json"), report)
                temporary.replace(self.part_path(shard))
            finally:
                temporary.unlink(missing_ok=True)
        return report

    def copy_journal(self, shard: Shard, journal: Path) -> None:
        """Copy a journal that is being written; a copy appears when it is whole.

        Raises:
            ShardError: the folder cannot be written.
        """
        with self._writing(), tempfile.TemporaryDirectory(dir=journal.parent) as folder:
            snapshot = Path(folder) / "journal.db"
            with (
                contextlib.closing(open_database(journal)) as source,
                contextlib.closing(sqlite3.connect(snapshot)) as target,
            ):
                source.backup(target)
                target.execute("pragma journal_mode = delete")
            temporary = self._file("journals", f".{shard.digest}.{uuid.uuid4().hex[:8]}")
            try:
                shutil.copyfile(snapshot, temporary)
                _flush(temporary)
                temporary.replace(self._file("journals", f"{shard.digest}.db"))
            finally:
                temporary.unlink(missing_ok=True)

    def journal_copy(self, shard: Shard) -> Path | None:
        """Return the copy of a shard's journal, if there is one."""
        path = self._file("journals", f"{shard.digest}.db")
        return path if path.is_file() else None

    def delete_journal_copy(self, shard: Shard) -> None:
        """Delete the copy of a journal: its answers are in a part."""
        self._file("journals", f"{shard.digest}.db").unlink(missing_ok=True)

    def claim(self) -> bool:
        """Take the folder for this driver; return whether an earlier one ended without leaving it.

        Raises:
            ShardError: another driver works on it.
        """
        owner_path, owner = self._file("owner.json"), dict[str, Any]()
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ShardError(
                tr("{folder} is in use by another process: one run at a time", folder=self.folder)
            ) from None
        except OSError as error:
            raise ShardError(_describe(self.folder, error)) from None
        with contextlib.suppress(OSError, ValueError):
            owner = json.loads(owner_path.read_text(encoding="utf-8"))
        age_s = time.time() - float(owner.get("seen", 0))
        if owner and owner["host"] != socket.gethostname() and age_s < LOST_AFTER_S:
            self._lock.release()
            raise ShardError(
                tr(
                    "{folder} is in use by process {pid} on {host}, seen {age:.0f} s ago: one run at a time",
                    folder=self.folder,
                    age=age_s,
                    pid=owner["pid"],
                    host=owner["host"],
                )
            )
        self.keep_claim()
        return bool(owner)

    def keep_claim(self) -> None:
        """Show from time to time that this driver is alive."""
        if time.time() - self._heartbeat_at < HEARTBEAT_S:
            return
        self._heartbeat_at = time.time()
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "seen": self._heartbeat_at}
        with self._writing():
            self._write_json(self._file("owner.json"), owner)

    def release_claim(self) -> None:
        """Leave the folder to others."""
        with contextlib.suppress(OSError):
            self._file("owner.json").unlink(missing_ok=True)
        self._lock.release()

    def validate_manifest(self, request: RequestSpec, shards: Sequence[Shard]) -> None:
        """Check that the folder's answers are those of this job, and store what the job is.

        Raises:
            ShardError: another prompt, model, option or input; or another folder's files.
        """
        path = self._file("manifest.json")
        if path.exists():
            self._refuse_changes(json.loads(path.read_text(encoding="utf-8")), request)
        expected = {self.part_path(shard).name for shard in shards}
        if foreign := [part.name for part in self.parts() if part.name not in expected]:
            raise ShardError(
                tr(
                    "{folder} has {n} parts of rows that the input does not have any more, {name} among them: the "
                    "input, or shard_rows, has changed; give the earlier ones, or another out=",
                    folder=self.folder,
                    n=len(foreign),
                    name=foreign[0],
                )
            )
        manifest = {
            "version": MANIFEST_VERSION,
            "qfnb": metadata.version("qfnb"),
            "request": request.to_json(),
            "shards": [{"file": s.file, "start": s.start, "stop": s.stop, "digest": s.digest} for s in shards],
        }
        with self._writing():
            self._write_json(path, manifest)

    def _refuse_changes(self, manifest: dict[str, Any], request: RequestSpec) -> None:
        if manifest["version"] > MANIFEST_VERSION:
            raise ShardError(
                tr("{folder} was written by a later version of qfnb ({n})", folder=self.folder, n=manifest["version"])
            )
        if differences := request.differences(RequestSpec.from_json(manifest["request"])):
            raise ShardError(
                tr(
                    "{folder} has the answers of another job:\n{differences}\ngive it what it had, or another out=",
                    folder=self.folder,
                    differences="\n".join(differences),
                )
            )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise ShardError(_describe(self.folder, error)) from None
        except InvalidArgumentError as error:  # of an export
            raise ShardError(tr("the output cannot be written: {reason}", reason=str(error))) from None

    def _write_json(self, path: Path, value: object) -> None:
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            temporary.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
            _flush(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _file(self, *names: str) -> Path:
        return self.folder.joinpath(FOLDER, *names)


def _describe(folder: Path, error: OSError | sqlite3.Error) -> str:
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return tr("the output folder {folder} cannot be written: {reason}", folder=folder, reason=reason)


def _flush(path: Path) -> None:
    """Have a file on the disk before it is renamed."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
