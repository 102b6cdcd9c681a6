"""The output folder of a job: its parts, and in `_qfnb` what a worker or a driver needs to go
on.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from ...base.language import tr
from ..fork_safe_sqlite import open_database
from ..request_spec import RequestSpec
from .folder_claim import FolderClaim
from .output_files import FOLDER, ShardError, open_output, reading_from, write_json, writing_to
from .plan import Shard

MANIFEST_VERSION: Final = 1

MAX_REQUESTS: Final = 16
"""Reports that are read at once: each is a request or two to an object store."""


class OutputStore:
    """A folder that all workers and the driver can write, on a disk or in an object store.

    Args:
        folder: of the output, a path or an address.
        suffix: of the parts, `.parquet`, `.jsonl` or `.csv`.

    Attributes:
        folder: as above.
        suffix: as above.
        claim: of this driver.

    Raises:
        InvalidArgumentError: the address is none, or the package of its storage is missing.
    """

    def __init__(self, folder: str | Path, suffix: str) -> None:
        self._files = open_output(folder)
        self.suffix = suffix
        self.claim = FolderClaim(self._files)
        self.folder = self._files.folder

    def create(self) -> None:
        """Create the folders.

        Raises:
            ShardError: that is not possible.
        """
        with writing_to(self.folder):
            for name in ("journals", "reports"):
                self._files.create(_file(name))

    def part_path(self, shard: Shard) -> Path | str:
        """Return where the answers of a shard are when it is done; it exists only then."""
        return self._files.path(self.part_name(shard))

    @contextlib.contextmanager
    def part_here(self, shard: Shard) -> Iterator[Path]:
        """Yield the part of a shard that is done as a file of this computer.

        Raises:
            ShardError: it cannot be read.
        """
        if isinstance(path := self.part_path(shard), Path):
            yield path
            return
        with tempfile.TemporaryDirectory(prefix="qfnb-") as folder:
            copy = Path(folder, self.part_name(shard))
            with reading_from(self.folder):
                self._files.fetch(copy.name, copy)
            yield copy

    @property
    def ledger_path(self) -> str:
        """Where the use of the budget is stored."""
        return str(self._files.path(_file("budget.json")))

    def parts(self) -> set[str]:
        """Return the names of the parts.

        Raises:
            ShardError: the folder cannot be read.
        """
        with reading_from(self.folder):
            names = self._files.names()
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
        with reading_from(self.folder):
            size = self._files.size(self.part_name(shard))
            content = b""
            if size is None:
                return None
            content = self._files.read(_file("reports", f"{shard.digest}.json")) or b""
        try:
            report: dict[str, Any] = json.loads(content)
        except ValueError as error:
            reason = tr("its report cannot be read ({reason})", reason=str(error))
            raise self._damaged_part(shard, reason) from None
        if size != (expected := report["bytes"]):
            raise self._damaged_part(
                shard, tr("it has {n:,} bytes instead of {expected:,}", n=size, expected=expected)
            )
        return report

    def publish_part(self, shard: Shard, write: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
        """Write a part, and its report, and have it appear when both are complete; return the
        report.

        Args:
            shard: that is done.
            write: writes the part to a path and returns the report.

        Raises:
            ShardError: the folder cannot be written.
        """
        with writing_to(self.folder), self._files.writing(self.part_name(shard)) as path:
            report = write(path)
            write_json(self._files, _file("reports", f"{shard.digest}.json"), report)
        return report

    def copy_journal(self, shard: Shard, journal: Path) -> None:
        """Copy a journal that is being written; a copy appears when it is whole.

        Raises:
            ShardError: the folder cannot be written.
        """
        with writing_to(self.folder), tempfile.TemporaryDirectory(dir=journal.parent) as folder:
            snapshot = Path(folder) / "journal.db"
            with (
                contextlib.closing(open_database(journal)) as source,
                contextlib.closing(sqlite3.connect(snapshot)) as target,
            ):
                source.backup(target)
                target.execute("pragma journal_mode = delete")
            with self._files.writing(_file("journals", f"{shard.digest}.db")) as path:
                shutil.copyfile(snapshot, path)

    def fetch_journal(self, shard: Shard, path: Path) -> bool:
        """Write the copy of a shard's journal to a path; return whether there is one.

        Raises:
            ShardError: it cannot be read, or not be written there.
        """
        with reading_from(self.folder):
            return self._files.fetch(_file("journals", f"{shard.digest}.db"), path)

    def delete_journal_copy(self, shard: Shard) -> None:
        """Delete the copy of a journal, its answers are in a part; one that may not be deleted does
        no harm.
        """
        with contextlib.suppress(OSError):
            self._files.delete(_file("journals", f"{shard.digest}.db"))

    def validate_manifest(self, request: RequestSpec, shards: Sequence[Shard]) -> None:
        """Check that the folder's answers are those of this job, and store what the job is.

        Raises:
            ShardError: another prompt, model, option or input; or another folder's files.
        """
        with reading_from(self.folder):
            stored = self._files.read(_file("manifest.json"))
            journals = [
                name for name in self._files.names(_file("journals")) if name.endswith(".db")
            ]
        if stored is not None:
            self._refuse_changes(json.loads(stored), request)
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
        with writing_to(self.folder):
            write_json(self._files, _file("manifest.json"), manifest)

    def _refuse_changes(self, manifest: dict[str, Any], request: RequestSpec) -> None:
        if manifest["version"] > MANIFEST_VERSION:
            raise ShardError(
                tr(
                    "{folder} was written by a later version of qfnb ({n})",
                    folder=self.folder,
                    n=manifest["version"],
                )
            )
        if differences := request.differences(RequestSpec.from_json(manifest["request"])):
            raise ShardError(
                tr(
                    "{folder} has the answers of another job:\n{differences}\ngive it what it "
                    "had, or another out=",
                    folder=self.folder,
                    differences="\n".join(differences),
                )
            )

    def _damaged_part(self, shard: Shard, reason: str) -> ShardError:
        part = self.part_name(shard)
        return ShardError(
            tr("{part}: {reason}; delete it, and its rows are sent again", part=part, reason=reason)
        )

    def part_name(self, shard: Shard) -> str:
        """Return the name of the part of a shard."""
        return f"{shard.name}{self.suffix}"


def _file(*names: str) -> str:
    return "/".join((FOLDER, *names))
