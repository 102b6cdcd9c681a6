"""One shard from its rows to its part: `qfnb.batch` with a journal here, under the limits and
budget of the job.
"""

from __future__ import annotations

import csv
import functools
import json
import math
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from ..._jobs.batch_progress import BatchProgress
from ..._jsonl_csv_parquet import import_pyarrow
from ...base.language import tr
from ...errors import CredentialsError, QianfanError
from ...transport import clock, shared_rate_limiter
from .. import journal_reader, journal_store
from ..api import batch
from ..batch import Batch
from ..request_spec import platform_name
from .leased_limiter import Exchange, LeasedRateLimiter, LeaseThread
from .metered_chat import Account, MeteredChat
from .output_files import ShardError
from .output_store import OutputStore
from .plan import ID_COLUMN, Shard, ShardRows, digest_ids

COPY_INTERVAL_S: Final = 60.0
"""Seconds between two copies of a journal: a lost computer costs what was answered since the
last.
"""

LOCK_WAIT_S: Final = 30.0
"""Seconds that a process waits for one that works on the shard, has lost its driver and is about to
end.
"""

STEP_S: Final = 0.1
"""Seconds between two looks at a batch."""


@dataclass(frozen=True)
class ShardTask:
    """What a worker needs to know of a job, and one of its shards.

    Attributes:
        job: the id of the job.
        shard: the rows.
        out: the output folder, a path or an address; `suffix` is the ending of its parts.
        platform: whose answers the job has, as in `RequestSpec`.
        arguments: of `qfnb.batch`, as JSON has them.
        row: what a row is expected to use, by unit of the budget; empty without one.
        copy_interval_s: seconds between two copies of the journal.
    """

    job: str
    shard: Shard
    out: str
    suffix: str
    platform: str
    arguments: Mapping[str, Any]
    row: Mapping[str, float] = field(default_factory=dict)
    copy_interval_s: float = COPY_INTERVAL_S

    @property
    def store(self) -> OutputStore:
        """The output folder."""
        return OutputStore(self.out, self.suffix)

    @property
    def journal_name(self) -> str:
        """The journal's name: the same for every try of the shard in this output folder."""
        return f"shard-{self.job}-{self.shard.digest}"


class ShardStopped(QianfanError):
    """A shard ended before all its rows had an answer; `is_wanted` says whether the job was
    stopped.
    """

    def __init__(self, reason: str, *, is_wanted: bool) -> None:
        super().__init__(reason)
        self.is_wanted = is_wanted


@dataclass
class ShardResult:
    """What a try of a shard came to.

    Attributes:
        report: the counts of a shard that is done, None of another.
        used: what the try has used, by unit of the budget.
        problem: why the shard is not done, "" where it is or where the job was stopped.
    """

    report: dict[str, Any] | None
    used: dict[str, float]
    problem: str = ""

    @property
    def is_given_up(self) -> bool:
        """Whether the shard ended without a fault: the job was stopped, or did not answer any
        more.
        """
        return self.report is None and not self.problem


def run_shard(task: ShardTask, attempt: str, exchange: Exchange) -> ShardResult:
    """Answer the rows of a shard, and publish its part.

    Args:
        task: the shard.
        attempt: the name of this try.
        exchange: hands a report to the job's service.
    """
    account = Account(task.row)
    try:
        report = _ShardRun(task, attempt, exchange, account).run()
    except ShardStopped as stopped:
        return ShardResult(None, account.used, "" if stopped.is_wanted else str(stopped))
    except QianfanError as error:
        return ShardResult(None, account.used, f"{type(error).__name__}: {error}")
    return ShardResult(report, account.used)


class _ShardRun:
    """One try of a shard; its last act is to leave a copy of the journal, or the part."""

    def __init__(self, task: ShardTask, attempt: str, exchange: Exchange, account: Account) -> None:
        self._task = task
        self._attempt = attempt
        self._exchange = exchange
        self._account = account
        self._store = task.store
        self._answer: Mapping[str, Any] | None = None
        self._answered_at = -math.inf
        self._is_lost = False
        self._batch: Batch | None = None

    def run(self) -> dict[str, Any]:
        """Return the report of the part.

        Raises:
            JournalInUse: a process that has lost its driver works on the shard, and does not end.
        """
        path = journal_store.journal_path(self._task.journal_name).with_suffix(".shard")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            with FileLock(path, timeout=LOCK_WAIT_S, mode=0o600):
                # another may have published it meanwhile
                report = self._store.read_report(self._task.shard)
                report = self._answer_rows() if report is None else report
                path.unlink(missing_ok=True)  # who waits for it reads the report
        except Timeout:
            raise journal_reader.JournalInUse(path.stem, tr("another process")) from None
        return report

    def _answer_rows(self) -> dict[str, Any]:
        """Answer the rows without an answer, and publish the part; return its report."""
        self._answered_at = time.monotonic()
        self._restore_journal()
        leases = LeaseThread(_process_limiter(), self._exchange, self._add_facts, self._on_answer)
        try:
            self._batch = running = self._start_batch()
            try:
                self._follow(running)
            except ShardError:  # no further row without a copy
                running.cancel()
                running.wait()
                raise
            progress = running.progress
            if progress.state != "done":
                self._store.copy_journal(self._task.shard, running.job.path)
                reason = progress.reason or progress.state
                raise ShardStopped(reason, is_wanted=progress.state == "cancelled")
            report = self._store.publish_part(
                self._task.shard, lambda path: self._write_part(running, path)
            )
        finally:
            leases.close()
        self._store.delete_journal_copy(self._task.shard)
        journal_store.delete_journal(self._task.journal_name)
        return report

    def _restore_journal(self) -> None:
        """Begin with the copy of a journal that another computer left, where it has more answers
        than the one here.
        """
        path = journal_store.journal_path(self._task.journal_name)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        copy = path.with_suffix(".copy")
        try:
            if self._store.fetch_journal(self._task.shard, copy) and _count_answers(
                path
            ) < _count_answers(copy):
                for ending in (".db-wal", ".db-shm"):
                    path.with_suffix(ending).unlink(missing_ok=True)
                copy.replace(path)
        finally:
            copy.unlink(missing_ok=True)

    def _start_batch(self) -> Batch:
        chat = MeteredChat(self._account)
        if (platform := platform_name(chat.platform_info())) != self._task.platform:
            names = {"platform": platform, "expected": self._task.platform}
            raise CredentialsError(
                tr("calls go to {platform} now, and this batch is of {expected}", **names)
            )
        name = self._task.journal_name
        arguments = self._task.arguments
        return batch(
            ShardRows(self._task.shard), name=name, client=chat, invalid_rows="fail", **arguments
        )

    def _follow(self, running: Batch) -> None:
        """Return when the batch has ended; do meanwhile what the job says, and copy the journal."""
        ended = threading.Event()
        state = "running"
        workers = None
        running.call_at_end(ended.set)
        copied_at = time.monotonic()
        while not clock.wait(STEP_S, ended):
            answer = self._answer or {"state": "running", "workers": None}
            if self._is_lost:
                running.cancel()
            if answer["state"] != state:
                state = answer["state"]
                {"running": running.resume, "paused": running.pause, "stopped": running.cancel}[
                    state
                ]()
            if answer["workers"] != workers and answer["workers"]:
                workers = answer["workers"]
                running.resize(workers)
            if time.monotonic() - copied_at >= self._task.copy_interval_s:
                self._store.copy_journal(self._task.shard, running.job.path)
                copied_at = time.monotonic()
        running.wait()

    def _add_facts(self, report: dict[str, Any]) -> None:
        progress = BatchProgress() if self._batch is None else self._batch.progress
        report |= {
            "job": self._task.job,
            "shard": self._task.shard.digest,
            "attempt": self._attempt,
            "money": self._account.take_report(report["wanted"]),
            "progress": pack_progress(progress),
        }

    def _on_answer(self, answer: Mapping[str, Any] | None) -> None:
        self._account.apply(answer and answer["allowance"])
        now = time.monotonic()
        if answer is not None:
            self._answer = answer
            self._answered_at = now
        self._is_lost = now - self._answered_at > LOST_SERVICE_S

    def _write_part(self, running: Batch, path: Path) -> dict[str, Any]:
        """Write the part, and read it again: the report is of what it says.

        Raises:
            ShardError: a row is missing, or there is one too many.
        """
        running.save(path)
        shard = self._task.shard
        ids = list(read_ids(path))
        if len(ids) != shard.rows or digest_ids(ids) != shard.ids_digest():
            raise ShardError(
                tr(
                    "{name}: the part has {n} rows, and not those of its input",
                    name=shard.name,
                    n=len(ids),
                )
            )
        return pack_progress(running.progress) | {
            "shard": shard.digest,
            "rows": len(ids),
            "ids": digest_ids(ids),
            "bytes": path.stat().st_size,
            "python": sys.version.split()[0],
        }


LOST_SERVICE_S: Final = 6.0
"""Seconds without contact after which a worker ends: its leases have run out two seconds
earlier.
"""

_COUNTS = (
    "ok",
    "failed",
    "cached",
    "retried",
    "in_flight",
    "prompt_tokens",
    "completion_tokens",
    "uncounted",
)


def pack_progress(progress: BatchProgress) -> dict[str, Any]:
    """Return the counts of a progress as JSON has them."""
    failures = [asdict(failure) for failure in progress.latest_failures]
    names = (*_COUNTS, "cost", "cost_low", "rate")
    return {name: getattr(progress, name) for name in names} | {"latest_failures": failures}


def read_ids(path: Path) -> Iterator[str]:
    """Yield the ids of the rows of a part, in their order."""
    if path.suffix == ".parquet":
        import_pyarrow()
        from pyarrow import parquet  # noqa: PLC0415 - 40 MB that only Parquet needs

        with parquet.ParquetFile(path) as file:
            for chunk in file.iter_batches(8192, columns=[ID_COLUMN]):
                yield from chunk.column(0).to_pylist()
    elif path.suffix == ".jsonl":
        with path.open("rb") as file:
            for line in file:
                yield json.loads(line)[ID_COLUMN]
    else:
        with path.open(encoding="utf-8-sig", newline="") as text:
            for record in csv.DictReader(text):
                yield record[ID_COLUMN]


@functools.cache
def _process_limiter() -> LeasedRateLimiter:
    """Return the limiter of this process, which works on one shard at a time; its clients keep
    it.
    """
    limiter = LeasedRateLimiter()
    shared_rate_limiter.replacement.append(limiter)
    return limiter


def _count_answers(path: Path) -> int:
    """Return the number of answers of a journal, -1 without a readable one."""
    try:
        return journal_reader.read_facts(path)[1].ok if path.is_file() else -1
    except journal_reader.JournalError:
        return -1
