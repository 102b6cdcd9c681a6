"""What is known on this computer about evaluations and reports, for every kernel: one small file
for each.

An evaluation's lock is held while it runs, so that a kernel that died is told from one that works.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Literal, TypeVar

from filelock import FileLock, Timeout

from .. import config
from ..base.language import tr
from ..base.private_files import write_private
from ..errors import InvalidArgumentError

MAX_RECORDS: Final = 40
"""Records of one kind; the oldest that have ended go first."""

EvaluationState = Literal["running", "interrupted", "done", "failed"]


@dataclass(frozen=True)
class EvaluationRecord:
    """One evaluation; the names of the fields are stored on disk.

    Attributes:
        state: "interrupted" where its process is gone.
        models: their labels, the baseline first.
        questions: number of questions for each model.
        batches: names of the journals that have the answers.
        started, ended: Unix seconds; `ended` is None before the end.
    """

    id: str
    state: EvaluationState
    models: tuple[str, ...]
    questions: int
    batches: tuple[str, ...]
    started: float
    ended: float | None = None


@dataclass(frozen=True)
class ReportRecord:
    """One report that was written to a file; the names of the fields are stored on disk."""

    path: str
    models: tuple[str, ...]
    saved: float


Record = TypeVar("Record", EvaluationRecord, ReportRecord)


class RunningEvaluation:
    """The record of an evaluation of this process, with its lock; it never fails the evaluation.

    Args:
        models: labels of the models.
        questions: number of questions for each.
        batches: names of the journals.
    """

    def __init__(self, models: Sequence[str], questions: int, batches: Sequence[str]) -> None:
        id_ = f"eval-{secrets.token_hex(5)}"
        self.record = EvaluationRecord(
            id_, "running", tuple(models), questions, tuple(batches), time.time()
        )
        self._lock: FileLock | None = None
        with contextlib.suppress(OSError, Timeout):
            path = config.state_dir("evaluations") / f"{id_}.lock"
            self._lock = FileLock(path, thread_local=False, mode=0o600)
            self._lock.acquire(timeout=0)
        _store("evaluations", id_, self.record)

    def end(self, state: EvaluationState) -> None:
        """Record how it ended; an interrupted one may end a second time."""
        self.record = replace(self.record, state=state, ended=time.time())
        _store("evaluations", self.record.id, self.record)
        if self._lock is not None:
            self._lock.release()


def list_evaluations() -> list[EvaluationRecord]:
    """Return the evaluations of all kernels of this user, the newest first."""
    records = []
    for path, record in _read_all("evaluations", EvaluationRecord):
        if record.state == "running" and not _is_locked(path.with_suffix(".lock")):
            records.append(replace(record, state="interrupted"))
        else:
            records.append(record)
    return sorted(records, key=lambda record: record.started, reverse=True)


REPORT_SUFFIXES: Final = (".html", ".md", ".csv", ".xlsx", ".json")


def validate_report_path(path: Path) -> None:
    """Raise unless a report can be written in the format of the path's suffix.

    Raises:
        InvalidArgumentError: the suffix is unknown.
    """
    if path.suffix.lower() not in REPORT_SUFFIXES:
        raise InvalidArgumentError(
            tr(
                "{file} ends in none of {suffixes}",
                file=repr(path.name),
                suffixes=tr(", ").join(REPORT_SUFFIXES),
            )
        )


def record_report(path: Path, models: Sequence[str]) -> None:
    """Remember that a report was written; a file of the same path takes the place of the earlier
    one.
    """
    absolute = str(path.absolute())
    name = hashlib.blake2b(absolute.encode("utf-8", "replace"), digest_size=8).hexdigest()
    _store("reports", name, ReportRecord(absolute, tuple(models), time.time()))


def _store(folder: str, name: str, record: Record) -> None:
    """Write a record; a disk that refuses it costs the record, not the evaluation."""
    with contextlib.suppress(OSError):
        path = config.state_dir(folder) / f"{name}.json"
        if not path.exists():
            _prune(path.parent)
        write_private(path, json.dumps(asdict(record)))


def list_reports() -> list[ReportRecord]:
    """Return the reports that were written and are still there, the newest first."""
    records = [record for _, record in _read_all("reports", ReportRecord)]
    present = [record for record in records if Path(record.path).is_file()]
    return sorted(present, key=lambda record: record.saved, reverse=True)


def _read_all(folder: str, kind: type[Record]) -> list[tuple[Path, Record]]:
    """Return the records of a folder with their files; files that have none are left out."""
    records = []
    for path in (config.state_dir() / folder).glob("*.json"):
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            facts = json.loads(path.read_text(encoding="utf-8"))
            for name, value in facts.items():
                if isinstance(value, list):
                    facts[name] = tuple(value)
            records.append((path, kind(**facts)))
    return records


def _is_locked(path: Path) -> bool:
    lock = FileLock(path, mode=0o600)
    try:
        with lock.acquire(timeout=0):
            return False
    except (Timeout, OSError):
        return True


def _prune(folder: Path) -> None:
    """Delete the oldest records that have ended, so that `MAX_RECORDS` are left."""
    paths = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    for path in paths[: max(len(paths) - MAX_RECORDS + 1, 0)]:
        lock = path.with_suffix(".lock")
        if not (lock.exists() and _is_locked(lock)):
            path.unlink(missing_ok=True)
            lock.unlink(missing_ok=True)
