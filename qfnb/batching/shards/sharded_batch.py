"""`ShardedBatch`, the object that users hold while shards are answered elsewhere: progress,
failures, the report.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..._jobs.background_batch import BackgroundBatch
from ..._jobs.batch_progress import MAX_LATEST_FAILURES, BatchProgress, RowFailure
from ..._jobs.row_result import summarize_error
from ..._jobs.worker_pool import validate_worker_count
from ...base.language import tr, trn
from ..row_pipeline import run_in_thread
from .output_files import ShardError
from .output_store import OutputStore
from .plan import Shard
from .worker import ShardResult, ShardTask

if TYPE_CHECKING:
    import pandas as pd

WATCH_S: Final = 0.25
"""Seconds between two looks at the service."""


class Engine(Protocol):
    """What runs shards: processes of this computer, or Ray; `processes` is how many at once."""

    processes: int

    def call(self, method: str, *args: Any, **options: Any) -> Any:
        """Call a method of the `JobService` that the workers talk to."""

    def run(
        self, tasks: Sequence[ShardTask], on_result: Callable[[ShardTask, ShardResult], None]
    ) -> None:
        """Run shards until all have a result, or until `stop` was called and the running ones have
        ended.
        """

    def stop(self) -> None:
        """Begin no further shard."""


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
        verdict = (
            tr("every row in exactly one part") if self.is_complete else tr("rows are missing")
        )
        sign = "=" if self.is_complete else "≠"
        return f"{counts}\n{self.digest_in} {sign} {self.digest_out}: {verdict}"


class ShardedBatch(BackgroundBatch):
    """A batch whose shards run in several processes; `qfnb.batch_shards` returns it.

    Args:
        engine: runs the shards.
        store: the output folder, which this job has claimed.
        shards: of the input.
        tasks: the shards that have no part yet.
        reports: of the others, by digest.
        job: arguments of `JobService.open_job`.
        progress: before the start, with the name, the model and the budgets.

    Attributes:
        shards: as above.
        problems: shard -> why it is not done.
    """

    def __init__(
        self,
        engine: Engine,
        store: OutputStore,
        shards: Sequence[Shard],
        tasks: Sequence[ShardTask],
        reports: Mapping[str, dict[str, Any]],
        job: Mapping[str, Any],
        progress: BatchProgress,
    ) -> None:
        self.problems = dict[str, str]()
        self.shards = tuple(shards)
        self._engine = engine
        self._store = store
        self._tasks = tuple(tasks)
        self._job = dict(job)
        self._waiting = {task.shard.digest for task in tasks}
        self._reports = dict(reports)
        self._live: dict[str, dict[str, Any]] = {}
        self._first_cached = sum(report["rows"] for report in self._reports.values())
        self._workers = int(job["workers"])
        super().__init__(progress)
        self._start()

    @property
    def progress(self) -> BatchProgress:
        """The present progress of all shards together, as a value."""
        counts = self._live | self._reports
        total: dict[str, Any] = {
            name: sum(count[name] or 0 for count in counts.values()) for name in _SUMS
        }
        costs = [count["cost"] for count in counts.values()]
        failures = [
            RowFailure(**failure)
            for count in counts.values()
            for failure in count["latest_failures"]
        ]
        return replace(
            self._control.counter.progress,
            **total,
            cached=self._first_cached
            + sum(count["cached"] for name, count in counts.items() if name in self._waiting),
            cost=None if None in costs else sum(costs),
            in_flight=sum(count["in_flight"] for count in self._live.values()),
            rate=sum(count["rate"] or 0.0 for count in self._live.values()) or None,
            latest_failures=tuple(failures[-MAX_LATEST_FAILURES:]),
            workers=self._workers,
        )

    def pause(self) -> None:
        """Send no further row until `resume`."""
        super().pause()
        self._steer(state="paused")

    def resume(self) -> None:
        """Continue after `pause`; a job that has ended goes on with a new call of
        `batch_shards`.
        """
        super().resume()
        self._steer(state="running")

    def cancel(self) -> None:
        """Send no further row; rows in flight have two seconds to finish, and every journal is
        copied.
        """
        self._engine.stop()
        super().cancel()
        self._steer(state="stopped")

    def resize(self, workers: int) -> None:
        """Change the number of rows in flight at once in each process, 1 to 1000."""
        self._workers = validate_worker_count("workers", workers)
        self._steer(workers=self._workers)

    def parts(self) -> list[Path | str]:
        """Return the files of the shards that are done: paths, or addresses where the output folder
        is one.
        """
        return [self._store.part_path(shard) for shard in self._done()]

    def _done(self) -> list[Shard]:
        names = self._store.parts()
        return [shard for shard in self.shards if self._store.part_name(shard) in names]

    def report(self) -> ShardReport:
        """Return what became of the rows, by the parts that are in the output folder now."""
        done_reports = self._store.read_reports(self.shards)
        reports = [(shard, done_reports.get(shard.digest)) for shard in self.shards]
        done = [(shard, report) for shard, report in reports if report is not None]
        return ShardReport(
            shards=len(reports),
            done=len(done),
            rows_in=sum(shard.rows for shard in self.shards),
            rows_out=sum(report["rows"] for _, report in done),
            digest_in=_join(shard.ids_digest() for shard in self.shards),
            digest_out=_join(report["ids"] for _, report in done),
            ok=sum(report["ok"] for _, report in done),
            failed=sum(report["failed"] for _, report in done),
            missing=tuple(shard.name for shard, report in reports if report is None),
        )

    def failures(self) -> pd.DataFrame:
        """Return the rows that failed, of all parts that are done: the input's columns and the
        results'.
        """
        import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

        frames = []
        for shard in self._done():
            with self._store.part_here(shard) as path:
                frames.append(_read_failures(path, pd))
        return pd.concat([*frames], ignore_index=True) if frames else pd.DataFrame()

    async def _run(self) -> None:
        watching = asyncio.create_task(self._watch())
        try:
            await run_in_thread(self._work)
        finally:
            watching.cancel()
            await asyncio.to_thread(self._close)
            self._live = {
                name: count | {"in_flight": 0, "rate": None} for name, count in self._live.items()
            }
        control = self._control
        if self.problems and not control.is_ending:
            name, problem = next(iter(self.problems.items()))
            others = len(self.problems) - 1
            more = (
                trn(" (and {n} further shard)", " (and {n} further shards)", others)
                if others
                else ""
            )
            control.update("stopped", reason=f"{name}: {problem}{more}")
        elif len(self._reports) < len(self.shards) and not control.is_ending:
            control.update("stopped", reason=tr("rows are missing"))

    def _work(self) -> None:
        self._engine.call("open_job", self._job_id, **self._job)
        if self._tasks:
            self._engine.run(self._tasks, self._on_result)

    def _close(self) -> None:
        try:
            with contextlib.suppress(ConnectionError):  # what the workers told when they ended
                if status := self._engine.call("status", self._job_id):
                    self._take_counts(status)
            self._engine.call("close_job", self._job_id)
        finally:
            self._store.claim.release()

    @property
    def _job_id(self) -> str:
        return self.progress.name

    def _on_result(self, task: ShardTask, result: ShardResult) -> None:
        """Take the result of a shard; one that no other shard could escape stops the job."""
        if result.report is not None:
            self._live.pop(task.shard.digest, None)
            self._reports[task.shard.digest] = result.report
        elif result.problem:
            self.problems[task.shard.name] = result.problem
            if not result.problem.startswith("DatasetError"):  # the file's fault, and not the job's
                self._stop(f"{task.shard.name}: {result.problem}")
        self._control.notify_waiters()

    def _stop(self, reason: str) -> None:
        self._engine.stop()
        self._control.finish("stopped", reason)
        self._engine.call("steer", self._job_id, state="stopped")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_S)
            await run_in_thread(self._look)

    def _look(self) -> None:
        """Take the progress of the shards; begin the job again where the service has lost it."""
        try:
            self._store.claim.keep()
            status = self._engine.call("status", self._job_id)
            if status is None:
                state = (
                    "paused"
                    if self._control.is_paused
                    else "stopped"
                    if self._control.is_ending
                    else "running"
                )
                self._engine.call("open_job", self._job_id, **self._job, state=state)
                return
        except ShardError as error:
            self._stop(summarize_error(error))
            return
        except ConnectionError:
            return
        self._take_counts(status)
        self._control.call_on_loop(lambda: self._control.update(rate_limits=status["rate_limits"]))
        if status["state"] == "stopped" and not self._control.is_ending:
            self._stop(status["reason"])
        self._control.notify_waiters()

    def _take_counts(self, status: Mapping[str, Any]) -> None:
        self._live = {
            name: counts for name, counts in status["shards"].items() if name not in self._reports
        }

    def _steer(self, **change: Any) -> None:
        """Tell the workers, through the service."""
        self._engine.call("steer", self._job_id, **change)


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
