"""`ShardedBatch`, the object that users hold while shards are answered: progress, failures, the
report.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..._jobs.background_batch import (
    MAX_LATEST_FAILURES,
    BackgroundBatch,
    BatchProgress,
    RowFailure,
)
from ..._jobs.worker_pool import validate_worker_count
from ...base.language import tr, trn
from ..preflight import Preflight, format_amount
from ..row_pipeline import run_in_thread
from .output import Output
from .worker import Amounts, ShardResult, ShardTask, run_shard

if TYPE_CHECKING:
    import pandas as pd

WATCH_S: Final = 0.25
"""Seconds between two looks at the shards."""

MAX_LOST: Final = 5
"""Processes that may die of one shard; the next does not get it."""


class Board:
    """What workers tell of their shards, and what their jobs are to do."""

    def __init__(self) -> None:
        self._counts: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._orders: dict[str, Mapping[str, Any]] = {}

    def tell(self, job: str, shard: str, counts: Mapping[str, Any]) -> Mapping[str, Any]:
        """Store the counts of a shard; return what its job is to do, {} where that is not known."""
        self._counts.setdefault(job, {})[shard] = counts
        return self._orders.get(job, {})

    def look(self, job: str, order: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """Store what a job is to do; return the counts of its shards."""
        self._orders[job] = order
        return dict(self._counts.get(job, {}))


class ShardEngine(Protocol):
    """Runs the shards of a job, `processes` of them at once."""

    processes: int

    def run(self, queue: ShardedBatch) -> None:
        """Run shards until the queue has none."""

    def look(self, job: str, order: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        """Tell a job's workers what to do; return the counts of its shards."""


class LocalEngine(Board):
    """Runs shards in this process, one after another."""

    processes = 1

    def run(self, queue: ShardedBatch) -> None:
        """Run shards until the queue has none."""
        while (task := queue.next_task()) is not None:
            queue.take_result(task, run_shard(task, self.tell))


class Budget:
    """The money and tokens that shards may use: each gets an allowance before it begins.

    The use so far and the allowances of running shards together never exceed the budget.

    Args:
        preflight: the budgets.
        used: what shards have used before, by digest.
    """

    def __init__(self, preflight: Preflight, used: Mapping[str, Amounts]) -> None:
        limits = {"CNY": preflight.budget, "tokens": preflight.budget_tokens}
        self.limits = {unit: limit for unit, limit in limits.items() if limit is not None}
        self._used = dict(used)
        self._allowances: dict[str, Amounts] = {}

    def _use_so_far(self, unit: str) -> float:
        """Return the use so far, with what running shards may still use."""
        amounts = {**self._used, **self._allowances}
        return sum(amount.get(unit, 0.0) for amount in amounts.values())

    def allow(self, digest: str, shards: int) -> Amounts:
        """Return what a shard may use in all: what is left is shared by as many shards."""
        used = self._used.get(digest, {})
        allowance = {}
        for unit, limit in self.limits.items():
            free = max(limit - self._use_so_far(unit), 0.0)
            allowance[unit] = used.get(unit, 0.0) + free / shards
        self._allowances[digest] = allowance
        return allowance

    def settle(self, digest: str, used: Amounts) -> None:
        """Count what a shard has used, and allow it nothing further."""
        self._allowances.pop(digest, None)
        if used:
            self._used[digest] = used

    def problem(self) -> str:
        """Return why no further row is sent."""
        unit = max(self.limits, key=lambda unit: self._use_so_far(unit) / self.limits[unit])
        digits = None if unit == "tokens" else 4
        return tr(
            "the budget of {limit} allows no more: {spent} are spent",
            limit=format_amount(round(self.limits[unit], digits), unit),
            spent=format_amount(round(self._use_so_far(unit), digits), unit),
        )


@dataclass(frozen=True)
class ShardReport:
    """What became of the rows: those of the input, and those in the parts, counted one by one.

    Attributes:
        shards, done: shards of the input, and those that have a part.
        rows_in, rows_out: rows of the input, and of the parts as they were read again from the
            disk.
        digest_in, digest_out: of the ids of all these rows, in order.
        ok, failed: rows answered and rows failed, of the parts.
        missing: names of the shards without a part.
    """

    shards: int
    done: int
    rows_in: int
    rows_out: int
    digest_in: str
    digest_out: str
    ok: int
    failed: int
    missing: tuple[str, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every row of the input is in exactly one part."""
        return self.digest_in == self.digest_out

    def __repr__(self) -> str:
        counts = tr(
            "{done} of {shards} shards · rows in {rows_in:,} · rows out {rows_out:,} "
            "({ok:,} answered, {failed:,} failed)",
            done=self.done,
            shards=self.shards,
            rows_in=self.rows_in,
            rows_out=self.rows_out,
            ok=self.ok,
            failed=self.failed,
        )
        sign = "≠"
        verdict = tr("rows are missing")
        if self.is_complete:
            sign = "="
            verdict = tr("every row in exactly one part")
        return f"{counts}\n{self.digest_in} {sign} {self.digest_out}: {verdict}"


class ShardedBatch(BackgroundBatch):
    """A batch whose shards run one after another, or on Ray; `qfnb.batch_shards` returns it.

    Args:
        engine: runs the shards.
        output: the output folder, which this job has claimed.
        tasks: the shards of the input.
        reports: of those that have a part, by digest.
        budget: of all of them.
        workers: rows in flight in each process.
        progress: before the start, with the name, the model and the budgets.

    Attributes:
        shards: of the input.
        problems: shard -> why it is not done.
    """

    def __init__(
        self,
        engine: ShardEngine,
        output: Output,
        tasks: Sequence[ShardTask],
        reports: Mapping[str, dict[str, Any]],
        budget: Budget,
        workers: int,
        progress: BatchProgress,
    ) -> None:
        self.shards = tuple(task.shard for task in tasks)
        self.problems: dict[str, str] = {}
        self._engine = engine
        self._output = output
        self._budget = budget
        self._workers = workers
        self._reports = dict(reports)
        self._queue = deque(task for task in tasks if task.shard.digest not in reports)
        self._waiting = {task.shard.digest for task in self._queue}
        self._running: set[str] = set()
        self._starved: set[str] = set()
        self._lost: dict[str, int] = {}
        self._counts: dict[str, Mapping[str, Any]] = {}
        self._first_cached = sum(report["rows"] for report in reports.values())
        self._is_stopping = False
        self._watching = threading.Lock()
        super().__init__(progress)
        self._start()

    @property
    def progress(self) -> BatchProgress:
        """The present progress of all shards together, as a value."""
        counts = {**self._counts, **self._reports}
        sums: dict[str, Any] = dict.fromkeys(_SUMS, 0)
        cost: float | None = 0.0
        cached = self._first_cached
        failures = []
        rate = 0.0
        in_flight = 0
        rate_limits = ""
        for digest, count in counts.items():
            for name in _SUMS:
                sums[name] += count[name] or 0
            cost = None if cost is None or count["cost"] is None else cost + count["cost"]
            failures += [RowFailure(**failure) for failure in count["latest_failures"]]
            if digest in self._waiting:
                cached += count["cached"]
            if digest in self._running:
                rate += count["rate"] or 0.0
                in_flight += count["in_flight"]
                rate_limits = rate_limits or count["rate_limits"]
        fields: dict[str, Any] = {**sums, "cost": cost, "cached": cached, "rate": rate or None}
        return replace(
            self._control.progress,
            **fields,
            in_flight=in_flight,
            latest_failures=tuple(failures[-MAX_LATEST_FAILURES:]),
            workers=self._workers,
            rate_limits=rate_limits,
        )

    def cancel(self) -> None:
        """Send no further row; rows in flight have two seconds to finish, and every journal is
        copied.
        """
        self._is_stopping = True
        super().cancel()

    def resize(self, workers: int) -> None:
        """Change the number of rows in flight at once in each process, 1 to 1000."""
        self._workers = validate_worker_count("workers", workers)

    def parts(self) -> list[Path]:
        """Return the files of the shards that are done."""
        parts = map(self._output.part_path, self.shards)
        return [part for part in parts if part.exists()]

    def report(self) -> ShardReport:
        """Return the counts of the rows by outcome, from the parts that are in the output folder
        now.
        """
        reports = self._output.read_reports(self.shards)
        done = [reports[shard.digest] for shard in self.shards if shard.digest in reports]
        return ShardReport(
            shards=len(self.shards),
            done=len(done),
            rows_in=sum(map(len, self.shards)),
            rows_out=sum(report["rows"] for report in done),
            digest_in=_join(shard.ids_digest() for shard in self.shards),
            digest_out=_join(report["ids"] for report in done),
            ok=sum(report["ok"] for report in done),
            failed=sum(report["failed"] for report in done),
            missing=tuple(shard.name for shard in self.shards if shard.digest not in reports),
        )

    def failures(self) -> pd.DataFrame:
        """Return the rows that failed, of all parts that are done: the input's columns and the
        results'.
        """
        import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

        frames = [_read_failures(path, pd) for path in self.parts()]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def next_task(self) -> ShardTask | None:
        """Return the next shard, None where none can begin now."""
        if self._is_stopping or not self._queue:
            return None
        task = self._queue[0]
        digest = task.shard.digest
        shards = self._engine.processes - len(self._running)
        if digest in self._starved:  # it gets all that the others leave
            if self._running:
                return None
            shards = 1
        self._queue.popleft()
        self._running.add(digest)
        return replace(task, allowance=self._budget.allow(digest, shards))

    def take_result(self, task: ShardTask, result: ShardResult | None) -> None:
        """Take the result of a shard, None where its process was lost; one that others would share
        stops the job.
        """
        digest = task.shard.digest
        self._look()
        self._running.discard(digest)
        self._budget.settle(digest, result.used if result else {})
        if result is None:
            self._lost[digest] = self._lost.get(digest, 0) + 1
            if self._lost[digest] < MAX_LOST:
                self._queue.appendleft(task)
            else:
                self._fail(task, tr("{n} processes died while they worked on it", n=MAX_LOST))
        elif result.report is not None:
            self._reports[digest] = result.report
        elif result.needs_budget and digest in self._starved:
            self._stop(self._budget.problem())
        elif result.needs_budget:
            self._starved.add(digest)
            self._queue.append(task)
        elif result.problem:
            self._fail(task, result.problem)
        self._control.notify_waiters()

    def _fail(self, task: ShardTask, problem: str) -> None:
        self.problems[task.shard.name] = problem
        if "DatasetError" not in problem:  # the file's fault, and not the job's
            self._stop(f"{task.shard.name}: {problem}")

    async def _run(self) -> None:
        watching = asyncio.create_task(self._watch())
        try:
            await run_in_thread(lambda: self._engine.run(self))
        finally:
            watching.cancel()
            await asyncio.to_thread(self._output.release_claim)
        control = self._control
        if self.problems and not control.is_ending:
            name, problem = next(iter(self.problems.items()))
            others = len(self.problems) - 1
            more = ""
            if others:
                more = trn(" (and {n} further shard)", " (and {n} further shards)", others)
            control.update("stopped", reason=f"{name}: {problem}{more}")
        elif len(self._reports) < len(self.shards) and not control.is_ending:
            control.update("stopped", reason=tr("rows are missing"))

    def _stop(self, reason: str) -> None:
        self._is_stopping = True
        self._control.finish("stopped", reason)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            await run_in_thread(self._look)

    def _look(self) -> None:
        """Take the progress of the shards, and tell their workers what to do."""
        state = "paused" if self._control.is_paused else "running"
        if self._is_stopping:
            state = "stopped"
        with self._watching:
            order = {"state": state, "workers": self._workers}
            counts = self._engine.look(self.progress.name, order)
            self._counts |= {name: count for name, count in counts.items() if name in self._waiting}
        self._control.notify_waiters()


_SUMS = ("ok", "failed", "retried", "prompt_tokens", "completion_tokens", "uncounted", "cost_low")


def _join(digests: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(digests).encode(), digest_size=16).hexdigest()


def _read_failures(path: Path, pd: Any) -> Any:
    if path.suffix == ".parquet":
        frame = pd.read_parquet(path)
    elif path.suffix == ".jsonl":
        frame = pd.DataFrame(map(json.loads, path.read_text(encoding="utf-8").splitlines()))
    else:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    column = next(name for name in reversed(frame.columns) if name in {"error", "answer_error"})
    return frame[frame[column].fillna("") != ""]
