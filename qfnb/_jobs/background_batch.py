"""A batch in the background, wherever its results are kept: progress, pausing, stopping, worker
count.
"""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Generator
from dataclasses import replace
from typing import Any, Self

from ..errors import AuthError, CredentialsError, NotActivatedError, SandboxError, TLSError
from ..transport import clock, event_loop
from ..transport.event_loop import Condition
from .background_job import BackgroundJob
from .batch_progress import BatchProgress, BatchState, ProgressCounter
from .row_result import summarize_error
from .worker_pool import WorkerPool, validate_worker_count

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
        counter: the rows counted so far, and the progress.
        worker_pool: the workers that send the rows, None before there are any.
        is_ending: whether no further row is sent.
        is_paused: whether no further row is sent until `resume`.
        fatal_streak: errors of `FATAL_ERRORS` since the last row that met none.
    """

    def __init__(self, progress: BatchProgress) -> None:
        self.counter = ProgressCounter(progress)
        self.worker_pool: WorkerPool[Any] | None = None
        self.is_ending = self.is_paused = False
        self.fatal_streak = 0
        self._condition = Condition()
        self._side_tasks: set[asyncio.Task[None]] = set()

    @property
    def is_finished(self) -> bool:
        """Whether the batch has ended."""
        return self.counter.progress.is_finished

    def update(self, state: BatchState | None = None, **fields: Any) -> None:
        """Change fields of the progress."""
        progress = self.counter.progress
        self.counter.progress = replace(progress, state=state or progress.state, **fields)

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
        if self.fatal_streak >= MAX_FATAL_IN_A_ROW or (self.fatal_streak and not self.counter.ok):
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
        return self._control.counter.snapshot(
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
        started_at = control.counter.progress.started_at or time.time()
        if not control.is_ending:
            control.set_running()
        control.update(started_at=started_at, ended_at=None)
        try:
            await self._run()
        except Exception as error:
            control.update("stopped", reason=f"{type(error).__name__}: {summarize_error(error)}")
            raise
        finally:
            state = control.counter.progress.state
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
