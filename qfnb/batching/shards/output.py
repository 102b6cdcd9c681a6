"""The output folder of a job: its parts, and in `_qfnb` what a worker or a driver needs to go on.

Each file appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from ...base.language import tr
from ...errors import InvalidArgumentError, QianfanError
from ..fork_safe_sqlite import open_database
from ..request_spec import RequestSpec
from .plan import Shard

FOLDER: Final = "_qfnb"
"""Readers of Parquet folders skip names that begin with an underscore."""

MANIFEST: Final = f"{FOLDER}/manifest.json"

MANIFEST_VERSION: Final = 1


class ShardError(QianfanError):
    """A job of shards cannot begin or go on: its output belongs to another job, is in use, or
    cannot be written.
    """


class Output:
    """A folder that all workers and the driver can write.

    Args:
        folder: its absolute path.
        suffix: of the parts, `.parquet`, `.jsonl` or `.csv`.
    """

    def __init__(self, folder: Path, suffix: str) -> None:
        self.folder = folder
        self.suffix = suffix
        self._lock = FileLock(folder / FOLDER / "lock", thread_local=False)

    def part_path(self, shard: Shard) -> Path:
        """Return where the answers of a shard are when it is done; it exists only then."""
        return self.folder / f"{shard.name}{self.suffix}"

    def read_reports(self, shards: Sequence[Shard]) -> dict[str, dict[str, Any]]:
        """Return the counts of those shards that are done, by digest.

        Raises:
            ShardError: as in `read_report`.
        """
        reports = {}
        for shard in shards:
            if (report := self.read_report(shard)) is not None:
                reports[shard.digest] = report
        return reports

    def read_report(self, shard: Shard) -> dict[str, Any] | None:
        """Return the counts of a shard that is done, None of another.

        Raises:
            ShardError: there is a part without a report, or of another size than its report says.
        """
        part = self.part_path(shard)
        try:
            size = part.stat().st_size
        except FileNotFoundError:
            return None
        try:
            report: dict[str, Any] = self.read_json(_report_name(shard))
        except ValueError as error:
            problem = tr("its report cannot be read ({reason})", reason=str(error))
        else:
            expected = report.get("bytes", 0)
            if size == expected:
                return report
            problem = tr("it has {n:,} bytes instead of {expected:,}", n=size, expected=expected)
        raise ShardError(
            tr(
                "{part}: {reason}; delete it, and its rows are sent again",
                part=part.name,
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
        with self._writing(self.part_path(shard)) as path:
            report = write(path)
            self.write_json(_report_name(shard), report)
        return report

    def journal_copy(self, shard: Shard) -> Path:
        """Return where a copy of a shard's journal is, for the case that its computer is lost."""
        return self.folder / FOLDER / "journals" / f"{shard.digest}.db"

    def copy_journal(self, shard: Shard, journal: Path) -> None:
        """Copy a journal that is being written; a copy appears when it is whole.

        Raises:
            ShardError: the folder cannot be written.
        """
        with (
            self._writing(self.journal_copy(shard)) as path,
            tempfile.TemporaryDirectory(dir=journal.parent) as folder,
        ):
            snapshot = Path(folder, "journal.db")
            with (
                contextlib.closing(open_database(journal)) as source,
                contextlib.closing(sqlite3.connect(snapshot)) as target,
            ):
                source.backup(target)
                target.execute("pragma journal_mode = delete")
            shutil.copyfile(snapshot, path)

    def read_json(self, name: str) -> Any:
        """Return the value of a file, {} where there is none.

        Raises:
            ValueError: it is not JSON.
        """
        path = self.folder / name
        if not path.exists():
            return {}
        return json.loads(path.read_bytes())

    def write_json(self, name: str, value: object) -> None:
        """Write a value to a file.

        Raises:
            ShardError: the folder cannot be written.
        """
        with self._writing(self.folder / name) as path:
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
        files = {*self.folder.glob(f"part-*{self.suffix}")}
        files |= {*(self.folder / FOLDER / "journals").glob("[!.]*.db")}
        files -= {self.part_path(shard) for shard in shards}
        files -= {self.journal_copy(shard) for shard in shards}
        if files:
            raise ShardError(
                tr(
                    "{folder} has {n} parts and journals of rows that the input does not have any "
                    "more, {name} among "
                    "them: the input, or shard_rows, has changed; give the earlier ones, or "
                    "another out=",
                    folder=self.folder,
                    n=len(files),
                    name=min(files).name,
                )
            )
        names = ("file", "start", "stop", "digest")
        manifest = {
            "version": MANIFEST_VERSION,
            "qfnb": metadata.version("qfnb"),
            "request": request.to_json(),
            "shards": [{name: getattr(shard, name) for name in names} for shard in shards],
        }
        self.write_json(MANIFEST, manifest)

    def claim(self) -> None:
        """Take the folder for this driver.

        Raises:
            ShardError: another driver works on it, or it cannot be written.
        """
        try:
            for name in ("journals", "reports"):
                (self.folder / FOLDER / name).mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            problem = tr(
                "{folder} is in use by another process: one run at a time", folder=self.folder
            )
            raise ShardError(problem) from None
        except OSError as error:
            raise self._unwritable(error) from None

    def release_claim(self) -> None:
        """Leave the folder to others."""
        self._lock.release()

    @contextlib.contextmanager
    def _writing(self, path: Path) -> Iterator[Path]:
        """Yield a path beside that of a file, which appears at the end."""
        temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex[:8]}{path.suffix}")
        try:
            yield temporary
            with temporary.open("rb+") as file:  # on the disk before it is renamed
                os.fsync(file.fileno())
            temporary.replace(path)
        except (OSError, sqlite3.Error) as error:
            raise self._unwritable(error) from None
        except InvalidArgumentError as error:  # of an export
            raise ShardError(
                tr("the output cannot be written: {reason}", reason=str(error))
            ) from None
        finally:
            temporary.unlink(missing_ok=True)

    def _unwritable(self, error: OSError | sqlite3.Error) -> ShardError:
        reason = getattr(error, "strerror", None) or str(error)
        names = {"folder": self.folder, "reason": reason}
        return ShardError(tr("the output folder {folder} cannot be written: {reason}", **names))


def _report_name(shard: Shard) -> str:
    return f"{FOLDER}/reports/{shard.digest}.json"
