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
from ..input_source import read_items
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
        out: the output folder; `suffix` is the ending of its parts.
        platform: whose answers the job has, as in `RequestSpec`.
        arguments: of `qfnb.batch`.
        limits: requests and tokens a minute of all workers together, None for what the platform
            says.
        allowance: what the shard may use in all, by unit of the budget; empty without one.
    """

    job: str
    shard: Shard
    out: Path
    suffix: str
    platform: str
    arguments: Mapping[str, Any]
    limits: tuple[float | None, float | None] = (None, None)
    allowance: Amounts = field(default_factory=dict)

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
    output = Output(task.out, task.suffix)
    lock = journal_store.journal_path(task.journal_name).with_suffix(".shard")
    lock.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with FileLock(lock, timeout=LOCK_WAIT_S, mode=0o600):
            # another may have published it meanwhile
            report = output.read_report(task.shard)
            if report is None:
                result = _answer_rows(task, output, exchange)
            else:
                result = ShardResult(report, used_by(report))
            lock.unlink(missing_ok=True)  # who waits for it reads the report
            return result
    except Timeout:
        error: QianfanError = journal_reader.JournalInUse(lock.stem, tr("another process"))
    except QianfanError as exception:
        error = exception
    return ShardResult(problem=f"{type(error).__name__}: {error}")


def used_by(counts: Mapping[str, Any]) -> Amounts:
    """Return what the counts of a shard are worth, by unit of a budget."""
    tokens = counts["prompt_tokens"] + counts["completion_tokens"]
    return {"CNY": counts["cost"] or 0.0, "tokens": tokens}


def read_use(path: Path) -> tuple[int, Amounts]:
    """Return the number of answers of a journal, and what they have used; -1 and nothing without a
    readable one.
    """
    try:
        counts = journal_reader.read_facts(path)[1]
    except journal_reader.JournalError:
        return -1, {}
    return counts.ok, used_by(asdict(counts))


def _answer_rows(task: ShardTask, output: Output, exchange: Exchange) -> ShardResult:
    """Answer the rows without an answer, and publish the part."""
    validate_platform(connect.current_platform(), task.platform)
    _restore_journal(task, output)
    _limit(task, *task.limits)
    budgets: dict[str, Any] = {}
    if "CNY" in task.allowance:
        budgets["budget"] = max(task.allowance["CNY"], 1e-9)
    if "tokens" in task.allowance:
        budgets["budget_tokens"] = max(int(task.allowance["tokens"]), 1)
    try:
        running = batch(
            task.shard, name=task.journal_name, invalid_rows="fail", **task.arguments, **budgets
        )
        _follow(task, output, running, exchange)
    finally:
        _limit(task, None, None)
    progress = running.progress
    used = running.spent()
    if progress.state != "done":
        output.copy_journal(task.shard, running.job.path)
        problem = ""
        if not running.is_out_of_budget and progress.state != "cancelled":
            problem = progress.reason or progress.state
        return ShardResult(None, used, problem, needs_budget=running.is_out_of_budget)
    report = output.publish_part(task.shard, lambda path: _write_part(task.shard, running, path))
    with contextlib.suppress(OSError):  # its answers are in the part
        output.journal_copy(task.shard).unlink(missing_ok=True)
    journal_store.delete_journal(task.journal_name)
    return ShardResult(report, used)


def _restore_journal(task: ShardTask, output: Output) -> None:
    """Begin with the copy of a journal that another computer left, where it has more answers than
    the one here.
    """
    copy = output.journal_copy(task.shard)
    journal = journal_store.journal_path(task.journal_name)
    if copy.exists() and read_use(journal)[0] < read_use(copy)[0]:
        for ending in (".db-wal", ".db-shm"):
            journal.with_suffix(ending).unlink(missing_ok=True)
        shutil.copyfile(copy, journal)


def _limit(task: ShardTask, requests: float | None, tokens: float | None) -> None:
    """Set the limits of the job, None for none, in what this process shares with the others."""
    platform = connect.current_platform()
    call = ChatCompletion().batch_requests(
        platform, task.arguments.get("model"), task.arguments.get("endpoint"), {}
    )
    limiter = get_limiter(platform, call.model)
    limiter.requests.set_ceiling("job", requests)
    limiter.tokens.set_ceiling("job", tokens)


def _follow(task: ShardTask, output: Output, running: Batch, exchange: Exchange) -> None:
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
        order = exchange(task.job, task.shard.digest, asdict(running.progress))
        if order.get("state", state) != state:
            state = order["state"]
            actions[state]()
        if order.get("workers", workers) != workers:
            workers = order["workers"]
            running.resize(workers)
        if time.monotonic() - copied_at >= COPY_INTERVAL_S:
            copied_at = time.monotonic()
            try:
                output.copy_journal(task.shard, running.job.path)
            except ShardError:
                running.cancel()
                running.wait()
                raise
    running.wait()
    exchange(task.job, task.shard.digest, asdict(running.progress))


def _write_part(shard: Shard, running: Batch, path: Path) -> dict[str, Any]:
    """Write the part, and read it again: the report is of what it says.

    Raises:
        ShardError: a row is missing, or there is one too many.
    """
    running.save(path)
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
