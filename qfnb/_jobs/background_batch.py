"""A batch in the background, wherever its results are kept: progress, pausing, stopping, worker
count.
"""

import asyncio
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from ..errors import AuthError, CredentialsError, NotActivatedError, SandboxError, TLSError
from ..transport import clock, event_loop
from ..transport.event_loop import Condition
from ..wire.prices import PriceRange
from .background_job import BackgroundJob
from .row_result import summarize_error
from .worker_pool import WorkerPool, validate_worker_count

BatchState = Literal["preparing", "running", "paused", "waiting", "cancelled", "stopped", "done"]

MAX_LATEST_FAILURES = 5
"""The number of failures that a progress keeps."""

RATE_WINDOW_S = 10.0
"""Seconds over which the rate is measured."""


@dataclass(frozen=True)
class RowFailure:
    """One row that failed.

    Attributes:
        number: its index in the input, from 0.
        input: the beginning of the prompt.
        error, message: the class of the error, and the first line of its message.
    """

    number: int
    input: str
    error: str
    message: str


@dataclass(frozen=True)
class BatchProgress:
    """The progress of a batch.

    Attributes:
        total: rows of the input; None until it has been read to its end.
        cached: rows whose answer is from an earlier run or an identical row.
        ok, failed: rows answered (cached ones too) and rows failed.
        retried: attempts after the first of each row.
        in_flight: rows sent and not answered yet.
        workers: the limit of rows in flight.
        uncounted: rows answered without counts of tokens.
        cost, cost_low: CNY by list price so far, the ends of its range; None if a price is unknown.
        `budget` limits
            the upper end.
        budget_tokens: the limit of `prompt_tokens` and `completion_tokens` together, None without
            one.
        rate: rows per second, over the last ten seconds.
        rate_limits: the rate limits in force and where they come from; "" without any.
        reason: why the batch waits or stopped.
        latest_failures: the last failures, oldest first.
        mode: `online`, `offline`, or `shards` of several processes.
        notes, remarks: what was noticed before the start, and while it worked.
        rows_name: the variable or the file whose rows are asked, "" where they have no name.
    """

    name: str = ""
    model: str = ""
    state: BatchState = "preparing"
    total: int | None = None
    cached: int = 0
    ok: int = 0
    failed: int = 0
    retried: int = 0
    in_flight: int = 0
    workers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = 0.0
    budget: float | None = None
    rate: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    rate_limits: str = ""
    reason: str = ""
    latest_failures: tuple[RowFailure, ...] = ()
    from_sandbox: bool = False
    mode: str = "online"
    notes: tuple[str, ...] = ()
    uncounted: int = 0
    budget_tokens: int | None = None
    cost_low: float | None = None
    remarks: tuple[str, ...] = ()
    rows_name: str = ""

    @property
    def cost_range(self) -> PriceRange | None:
        """The cost so far, None if a price is unknown."""
        if self.cost is None:
            return None
        return PriceRange(self.cost if self.cost_low is None else self.cost_low, self.cost)

    @property
    def finished_rows(self) -> int:
        """The number of rows with an answer or an error."""
        return self.ok + self.failed

    @property
    def is_finished(self) -> bool:
        """Whether the batch has ended."""
        return self.ended_at is not None

    @property
    def eta(self) -> float | None:
        """Seconds to the end at the present rate, None if that is unknown."""
        if self.total is None or not self.rate or self.is_finished:
            return None
        return (self.total - self.finished_rows) / self.rate

    def elapsed(self, now: float) -> float:
        """Return the seconds from the start to the end, or to `now` (Unix seconds) while it
        runs.
        """
        if self.started_at is not None:
            return (self.ended_at or now) - self.started_at
        return 0.0


CANCEL_GRACE_S = 2.0
"""Seconds that rows in flight have to finish after a cancel."""

FATAL_ERRORS = (AuthError, CredentialsError, NotActivatedError, SandboxError, TLSError)
"""Errors that every row would meet: the key or the account is wrong, or the sandbox is down."""

MAX_FATAL_IN_A_ROW = 3
"""Fatal errors in a row that end a batch in which at least one row was answered; before that, one
does.
"""


class BatchControl:
    """Shared by a `BackgroundBatch`, whose users steer it, and the code that works on the rows.

    Its methods run on the I/O loop, except `finish`, `call_on_loop`, `notify_waiters` and
    `wait_until`, which any thread may call.

    Args:
        progress: the progress that the batch starts with.

    Attributes:
        progress: as panels draw it, but for the counts, which `snapshot` adds.
        ok, failed, retried, prompt_tokens, completion_tokens, uncounted, cost, cost_low: the counts
            of `BatchProgress`; rows that were answered before are not in `ok`.
        lost: answers that did not arrive and may be charged; budgets count each as a row is
            expected to use.
        worker_pool: the workers that send the rows, None before there are any.
        is_ending: whether no further row is sent.
        is_paused: whether no further row is sent until `resume`.
        fatal_streak: errors of `FATAL_ERRORS` since the last row that met none.
    """

    def __init__(self, progress: BatchProgress) -> None:
        self.progress = progress
        self.ok = self.failed = self.retried = self.uncounted = self.lost = 0
        self.prompt_tokens = self.completion_tokens = 0
        self.cost: float | None = 0.0
        self.cost_low = 0.0
        self._latest_failures = deque[RowFailure](maxlen=MAX_LATEST_FAILURES)
        self._rows_per_half_second = deque[tuple[float, int]]()
        self.worker_pool: WorkerPool[Any] | None = None
        self.is_ending = self.is_paused = False
        self.fatal_streak = 0
        self._condition = Condition()
        self._side_tasks: set[asyncio.Task[None]] = set()

    @property
    def is_finished(self) -> bool:
        """Whether the batch has ended."""
        return self.progress.is_finished

    def update(self, state: BatchState | None = None, **fields: Any) -> None:
        """Change fields of the progress."""
        progress = self.progress
        self.progress = replace(progress, state=state or progress.state, **fields)

    def set_running(self) -> None:
        """Set the state after a wait: running, or paused if it is still paused."""
        self.update("paused" if self.is_paused else "running", reason="")

    def pause(self) -> None:
        """Send no further row until `resume`."""
        if self.is_ending or self.is_finished:
            return
        self.is_paused = True
        if self.worker_pool is not None:
            self.worker_pool.pause()
        self.update("paused", reason="")

    def resume(self) -> None:
        """Continue after `pause`."""
        if self.is_ending or not self.is_paused:
            return
        self.is_paused = False
        if self.worker_pool is not None:
            self.worker_pool.resume()
        self.update("running", reason="")

    def finish(self, state: BatchState, reason: str) -> None:
        """Send no further row, and end in this state."""

        def finish_now() -> None:
            if self.is_ending or self.is_finished:
                return
            self.is_ending = True
            self.is_paused = False
            self.update(state, reason=reason)
            if self.worker_pool is not None:
                self.worker_pool.stop()
                self.spawn(self.worker_pool.drain_in_flight(CANCEL_GRACE_S))

        self.call_on_loop(finish_now)

    def abort_if_hopeless(self, error: Exception | None) -> None:
        """Stop the batch when its errors are of the kind that every row would meet.

        Args:
            error: the error of one more row, None for an answer.
        """
        if error is None:
            self.fatal_streak = 0
            return
        self.fatal_streak = self.fatal_streak + 1 if isinstance(error, FATAL_ERRORS) else 0
        if self.fatal_streak >= MAX_FATAL_IN_A_ROW or (self.fatal_streak and not self.ok):
            self.finish("stopped", f"{type(error).__name__}: {summarize_error(error)}")

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside the rows; the set keeps a reference, the loop holds only a weak
        one.
        """
        task = asyncio.get_running_loop().create_task(coroutine)
        self._side_tasks.add(task)
        task.add_done_callback(self._side_tasks.discard)

    async def sleep(self, seconds: float) -> None:
        """Sleep, but not longer than until the batch is to end."""
        deadline = clock.now() + seconds
        while not self.is_ending and clock.now() < deadline:
            await clock.sleep(min(0.2, seconds))

    def call_on_loop(self, action: Callable[[], Any]) -> None:
        """Call on the I/O loop: at once if this is its thread, otherwise soon."""
        if event_loop.is_on_io_thread():
            action()
        else:
            event_loop.loop().call_soon_threadsafe(action)

    def notify_waiters(self) -> None:
        """Wake the threads in `wait_until`."""
        with self._condition:
            self._condition.notify_all()

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Block until a condition holds; must be checked after every `notify_waiters`."""
        with self._condition:
            while not condition():
                self._condition.wait(timeout=event_loop.INTERRUPT_SLICE_S)

    def record_answer(
        self,
        prompt_tokens: int | None,
        completion_tokens: int | None,
        cost: PriceRange | None,
        attempts: int,
    ) -> None:
        """Count a row that was answered.

        Args:
            prompt_tokens: counted by the platform, None if unknown.
            completion_tokens: counted by the platform, None if unknown.
            cost: CNY by list price, None if unknown.
            attempts: how often the row was sent, from 1.
        """
        self.ok += 1
        self.record_usage(prompt_tokens, completion_tokens, cost)
        self._count_row(attempts)

    def record_usage(
        self, prompt_tokens: int | None, completion_tokens: int | None, cost: PriceRange | None
    ) -> None:
        """Count tokens and cost (CNY) of a row; None where not known."""
        self.prompt_tokens += prompt_tokens or 0
        self.completion_tokens += completion_tokens or 0
        self.uncounted += prompt_tokens is None
        if cost is None:
            self.cost = None
            return
        self.cost_low += cost.low
        if self.cost is not None:
            self.cost += cost.high

    def record_failure(self, failure: RowFailure, attempts: int) -> None:
        """Count a row that failed."""
        self.failed += 1
        self._latest_failures.append(failure)
        self._count_row(attempts)

    def snapshot(self, **fields: Any) -> BatchProgress:
        """Return the progress, with further fields from the caller."""
        return replace(
            self.progress,
            ok=self.ok + self.progress.cached,
            failed=self.failed,
            retried=self.retried,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            uncounted=self.uncounted,
            cost=self.cost,
            cost_low=self.cost_low,
            rate=self._rows_per_second(),
            latest_failures=tuple(self._latest_failures),
            **fields,
        )

    def _count_row(self, attempts: int) -> None:
        self.retried += max(attempts - 1, 0)
        half_second = time.monotonic() // 0.5 * 0.5
        if self._rows_per_half_second and self._rows_per_half_second[-1][0] == half_second:
            self._rows_per_half_second[-1] = (half_second, self._rows_per_half_second[-1][1] + 1)
        else:
            self._rows_per_half_second.append((half_second, 1))
            while self._rows_per_half_second[0][0] < half_second - RATE_WINDOW_S:
                self._rows_per_half_second.popleft()

    def _rows_per_second(self) -> float | None:
        now = time.monotonic()
        progress = self.progress
        first_at = now
        rows = 0
        for at, count in tuple(self._rows_per_half_second):
            if at > now - RATE_WINDOW_S:
                first_at = min(first_at, at)
                rows += count
        if not rows:
            if not (self.ok + self.failed) or progress.ended_at:
                return None
            return 0.0
        return rows / max(now - first_at, 0.5)


class BackgroundBatch(BackgroundJob):
    """A batch on the I/O loop; `BatchTask` keeps its results in memory, `qfnb.batch` in a journal.

    Args:
        progress: the progress that it starts with.
    """

    def __init__(self, progress: BatchProgress) -> None:
        self._control = BatchControl(progress)
        super().__init__()

    @abstractmethod
    async def _run(self) -> None:
        """Work on the rows; runs on the I/O loop."""

    @property
    def progress(self) -> BatchProgress:
        """The present progress, as a value."""
        pool = self._control.worker_pool
        return self._control.snapshot(
            in_flight=pool.in_flight if pool else 0, workers=pool.size if pool else 0
        )

    def finished_count(self) -> int:
        """Return how many rows have an answer or an error."""
        return self.progress.finished_rows

    def total_count(self) -> int | None:
        """Return the number of rows; None while an input without length is still being read."""
        return self.progress.total

    task_count = total_count

    def wait(self) -> None:
        """Wait until every row has finished or the batch has been stopped; an interrupt cancels it.

        Raises:
            Exception: the batch itself failed; the errors of rows are results.
        """
        self._wait_for_end()

    def cancel(self) -> None:
        """Send no further row; rows in flight have two seconds to finish, results so far are
        kept.
        """
        self._control.finish("cancelled", "")

    def pause(self) -> None:
        """Send no further row until `resume`."""
        self._control.call_on_loop(self._control.pause)

    def resume(self) -> None:
        """Continue after `pause`."""
        self._control.call_on_loop(self._control.resume)

    def resize(self, workers: int) -> None:
        """Change the number of rows in flight at once, 1 to 1000."""
        workers = validate_worker_count("workers", workers)

        def resize() -> None:
            if self._control.worker_pool is not None:
                self._control.worker_pool.resize(workers)

        self._control.call_on_loop(resize)

    def __await__(self) -> Generator[Any, None, Self]:
        return self._wait_async().__await__()

    async def _wait_async(self) -> Self:
        await self._wait_for_end_async()
        return self

    def _start(self) -> None:
        control = self._control
        control.is_ending = False
        control.fatal_streak = 0
        control.update("paused" if control.is_paused else "preparing", ended_at=None, reason="")
        self._start_coroutine(self._run_and_record())

    async def _run_and_record(self) -> None:
        control = self._control
        started_at = control.progress.started_at or time.time()
        if not control.is_ending:
            control.set_running()
        control.update(started_at=started_at, ended_at=None)
        try:
            await self._run()
        except Exception as error:
            control.update("stopped", reason=f"{type(error).__name__}: {summarize_error(error)}")
            raise
        finally:
            state = control.progress.state
            is_done = state in {"running", "paused", "waiting"}
            control.update("done" if is_done else state, ended_at=time.time())
            control.notify_waiters()

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        self._raise_if_forked()
        with self._handle_interrupts():
            self._control.wait_until(condition)

    def __repr__(self) -> str:
        progress = self.progress
        total = "?" if progress.total is None else progress.total
        failed = f", {progress.failed} failed" if progress.failed else ""
        return f"<batch {progress.finished_rows}/{total}{failed}, {progress.state}>"
