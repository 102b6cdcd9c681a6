"""One shard from its rows to its part: `qfnb.batch` with a journal here, under the limits and
budget of the job.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from filelock import FileLock, Timeout

from ... import connect
from ...base.language import tr
from ...errors import QianfanError
from ...resources.inference.chat import ChatCompletion
from ...transport import clock
from ...transport.shared_rate_limiter import get_limiter
from .. import journal_reader, journal_store
from ..api import batch
from ..batch import Batch
from ..input_files import read_items
from ..request_spec import validate_platform
from .output import Output, ShardError
from .plan import ID_COLUMN, Shard, digest_ids

COPY_INTERVAL_S: Final = 60.0
"""Seconds between two copies of a journal: a lost computer costs what was answered since the
last.
"""

LOCK_WAIT_S: Final = 30.0
"""Seconds that a process waits for one that works on the shard, has lost its driver and is about
to end.
"""

STEP_S: Final = 0.1
"""Seconds between two looks at a batch."""

Amounts = Mapping[str, float]
"""Unit of a budget (`CNY`, `tokens`) -> amount."""

Exchange = Callable[[str, str, Mapping[str, Any]], Mapping[str, Any]]
"""Tells the counts of a job's shard; returns what the job is to do: its `state` and `workers`, {}
where unknown.
"""


@dataclass(frozen=True)
class ShardTask:
    """What a worker needs to know of a job, and one of its shards.

    Attributes:
        job: the id of the job.
        shard: the rows.
        attempt: the name of this try.
        out: the output folder; `suffix` is the ending of its parts.
        platform: whose answers the job has, as in `RequestSpec`.
        arguments: of `qfnb.batch`.
        limits: requests and tokens a minute of all workers together, None for what the platform
            says.
        allowance: what the shard may use in all, by unit of the budget; empty without one.
        used: what it has used before.
        lost_attempt: the try before, where its process was lost.
        lost_allowance: what that one could use.
    """

    job: str
    shard: Shard
    attempt: str
    out: Path
    suffix: str
    platform: str
    arguments: Mapping[str, Any]
    limits: tuple[float | None, float | None] = (None, None)
    allowance: Amounts = field(default_factory=dict)
    used: Amounts = field(default_factory=dict)
    lost_attempt: str = ""
    lost_allowance: Amounts = field(default_factory=dict)

    @property
    def journal_name(self) -> str:
        """The journal's name: the same for every try of the shard in this output folder."""
        return f"shard-{self.job}-{self.shard.digest}"


@dataclass
class ShardResult:
    """What a try of a shard came to.

    Attributes:
        report: the counts of a shard that is done, None of another.
        used: what the shard has used, by unit of the budget.
        problem: why the shard is not done, "" where it is or where the job was stopped.
        needs_budget: whether it ended because its allowance did not suffice.
    """

    report: dict[str, Any] | None = None
    used: Amounts = field(default_factory=dict)
    problem: str = ""
    needs_budget: bool = False


def run_shard(task: ShardTask, exchange: Exchange) -> ShardResult:
    """Answer the rows of a shard, and publish its part."""
    run = _ShardRun(task, exchange)
    lock = run.journal.with_suffix(".shard")
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with FileLock(lock, timeout=LOCK_WAIT_S, mode=0o600):
            # another may have published it meanwhile
            report = run.output.read_report(task.shard)
            result = run.answer_rows() if report is None else ShardResult(report, run.used())
            lock.unlink(missing_ok=True)  # who waits for it reads the report
            return result
    except Timeout:
        error: QianfanError = journal_reader.JournalInUse(lock.stem, tr("another process"))
    except QianfanError as exception:
        error = exception
    return ShardResult(used=run.used(), problem=f"{type(error).__name__}: {error}")


class _ShardRun:
    """One try of a shard; its last act is to leave a copy of the journal, or the part."""

    def __init__(self, task: ShardTask, exchange: Exchange) -> None:
        self._task = task
        self._exchange = exchange
        self.output = Output(task.out, task.suffix)
        self.journal = journal_store.journal_path(task.journal_name)
        self._attempt_file = self.journal.with_suffix(".attempt")
        self._batch: Batch | None = None
        self._written_off: Amounts = {}

    def used(self) -> Amounts:
        """Return the use of the shard, earlier tries included."""
        if self._batch is None:
            return self._task.lost_allowance or self._task.used
        spent = self._batch.spent()
        return {unit: spent[unit] + self._written_off[unit] for unit in self._task.allowance}

    def answer_rows(self) -> ShardResult:
        """Answer the rows without an answer, and publish the part."""
        task = self._task
        self._restore_journal()
        self._write_off()
        try:
            running = self._batch = self._start_batch()
            self._follow(running)
        finally:
            self._limit(None, None)
        progress = running.progress
        if progress.state != "done":
            self.output.copy_journal(task.shard, running.job.path)
            needs_budget = running.is_out_of_budget and bool(task.allowance)
            problem = ""
            if not needs_budget and progress.state != "cancelled":
                problem = progress.reason or progress.state
            return ShardResult(used=self.used(), problem=problem, needs_budget=needs_budget)
        report = self.output.publish_part(task.shard, lambda path: self._write_part(running, path))
        with contextlib.suppress(OSError):  # its answers are in the part
            self.output.journal_copy(task.shard).unlink(missing_ok=True)
        journal_store.delete_journal(task.journal_name)
        self._attempt_file.unlink(missing_ok=True)
        return ShardResult(report, self.used())

    def _restore_journal(self) -> None:
        """Begin with the copy of a journal that another computer left, where it has more answers
        than the one here.
        """
        copy = self.output.journal_copy(self._task.shard)
        if copy.exists() and _read_use(self.journal)[0] < _read_use(copy)[0]:
            for ending in (".db-wal", ".db-shm"):
                self.journal.with_suffix(ending).unlink(missing_ok=True)
            shutil.copyfile(copy, self.journal)
            self._attempt_file.unlink(missing_ok=True)

    def _write_off(self) -> None:
        """Find what the shard has used and the journal here does not know: all that a lost
        computer could use.
        """
        task = self._task
        attempt = self._attempt_file.read_text() if self._attempt_file.is_file() else ""
        is_elsewhere = task.lost_attempt and attempt != task.lost_attempt
        known = task.lost_allowance if is_elsewhere else task.used
        _, spent = _read_use(self.journal)
        self._written_off = {
            unit: max(known.get(unit, 0.0) - spent.get(unit, 0.0), 0.0) for unit in task.allowance
        }
        self._attempt_file.write_text(task.attempt)

    def _start_batch(self) -> Batch:
        task = self._task
        validate_platform(connect.current_platform(), task.platform)
        self._limit(*task.limits)
        budgets: dict[str, Any] = {}
        if "CNY" in task.allowance:
            budgets["budget"] = max(task.allowance["CNY"] - self._written_off["CNY"], 1e-9)
        if "tokens" in task.allowance:
            tokens = int(task.allowance["tokens"] - self._written_off["tokens"])
            budgets["budget_tokens"] = max(tokens, 1)
        return batch(
            task.shard, name=task.journal_name, invalid_rows="fail", **task.arguments, **budgets
        )

    def _limit(self, requests: float | None, tokens: float | None) -> None:
        """Set the limits of the job, None for none, in what this process shares with the others."""
        platform = connect.current_platform()
        arguments = self._task.arguments
        call = ChatCompletion().batch_requests(
            platform, arguments.get("model"), arguments.get("endpoint"), {}
        )
        limiter = get_limiter(platform, call.model)
        limiter.requests.set_ceiling("job", requests)
        limiter.tokens.set_ceiling("job", tokens)

    def _follow(self, running: Batch) -> None:
        """Return when the batch has ended; do meanwhile what the job says, and copy the journal.

        Raises:
            ShardError: no copy was possible; no further row is sent.
        """
        ended = threading.Event()
        actions = {"running": running.resume, "paused": running.pause, "stopped": running.cancel}
        state = "running"
        workers = None
        running.call_at_end(ended.set)
        copied_at = time.monotonic()
        while not clock.wait(STEP_S, ended):
            order = self._tell(running)
            if order.get("state", state) != state:
                state = order["state"]
                actions[state]()
            if order.get("workers", workers) != workers:
                workers = order["workers"]
                running.resize(workers)
            if time.monotonic() - copied_at >= COPY_INTERVAL_S:
                copied_at = time.monotonic()
                try:
                    self.output.copy_journal(self._task.shard, running.job.path)
                except ShardError:
                    running.cancel()
                    running.wait()
                    raise
        running.wait()
        self._tell(running)

    def _tell(self, running: Batch) -> Mapping[str, Any]:
        return self._exchange(self._task.job, self._task.shard.digest, asdict(running.progress))

    def _write_part(self, running: Batch, path: Path) -> dict[str, Any]:
        """Write the part, and read it again: the report is of what it says.

        Raises:
            ShardError: a row is missing, or there is one too many.
        """
        running.save(path)
        shard = self._task.shard
        ids = [row[ID_COLUMN] for row in read_items([str(path)]) if isinstance(row, Mapping)]
        if len(ids) != len(shard) or digest_ids(ids) != shard.ids_digest():
            raise ShardError(
                tr(
                    "{name}: the part has {n} rows, and not those of its input",
                    name=shard.name,
                    n=len(ids),
                )
            )
        return {
            **asdict(running.progress),
            "shard": shard.digest,
            "rows": len(ids),
            "ids": digest_ids(ids),
            "bytes": path.stat().st_size,
            "python": sys.version.split()[0],
        }


def _read_use(path: Path) -> tuple[int, Amounts]:
    """Return the number of answers of a journal, -1 without a readable one, and what its rows have
    used.
    """
    try:
        facts, counts = journal_reader.read_facts(path)
    except journal_reader.JournalError:
        return -1, {}
    share = 1 + int(facts.get("lost", "0")) / max(counts.ok, 1)
    tokens = counts.prompt_tokens + counts.completion_tokens
    return counts.ok, {"CNY": (counts.cost or 0.0) * share, "tokens": tokens * share}
