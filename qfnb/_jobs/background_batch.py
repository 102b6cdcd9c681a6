"""A batch in the background, wherever its results are kept: progress, pausing, stopping, worker count."""

from __future__ import annotations

import asyncio
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Generator
from dataclasses import replace
from typing import Any, Self

from ..errors import AuthError, CredentialsError, NotActivatedError, SandboxError, TLSError
from ..transport import event_loop
from .background_job import BackgroundJob
from .batch_progress import BatchProgress, BatchState, ProgressCounter
from .row_result import summarize_error
from .worker_pool import WorkerPool, validate_worker_count

CANCEL_GRACE_S = 2.0
"""Seconds that rows in flight have to finish after a cancel."""

FATAL_ERRORS = (AuthError, CredentialsError, NotActivatedError, SandboxError, TLSError)
"""Errors that every row would meet: the key or the account is wrong, or the sandbox is down."""

MAX_FATAL_IN_A_ROW = 3
"""Fatal errors in a row that end a batch in which at least one row was answered; before that, one does."""


class BackgroundBatch(BackgroundJob):
    """A batch on the I/O loop; `BatchTask` keeps its results in memory, `qfnb.batch` in a journal.

    Args:
        progress: the progress that it starts with.
    """

    def __init__(self, progress: BatchProgress) -> None:
        super().__init__()
        self._counter = ProgressCounter(progress)
        self._worker_pool: WorkerPool[Any] | None = None
        self._condition = threading.Condition()
        self._fatal_streak = 0
        self._is_ending = self._is_paused = False
        self._side_tasks: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def _run(self) -> None:
        """Work on the rows; runs on the I/O loop."""

    @property
    def progress(self) -> BatchProgress:
        """The present progress, as a value."""
        pool = self._worker_pool
        return self._counter.snapshot(
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
        """Send no further row; rows in flight have two seconds to finish, results so far are kept."""
        self._finish("cancelled", "")

    def pause(self) -> None:
        """Send no further row until `resume`."""
        self._call_on_loop(self._pause_now)

    def resume(self) -> None:
        """Continue after `pause`."""
        self._call_on_loop(self._resume_now)

    def resize(self, workers: int) -> None:
        """Change the number of rows in flight at once, 1 to 1000."""
        workers = validate_worker_count("workers", workers)
        self._call_on_loop(lambda: self._worker_pool.resize(workers) if self._worker_pool else None)

    def __await__(self) -> Generator[Any, None, Self]:
        return self._wait_async().__await__()

    async def _wait_async(self) -> Self:
        await self._wait_for_end_async()
        return self

    def _start(self) -> None:
        self._is_ending = False
        self._update("paused" if self._is_paused else "preparing", ended_at=None, reason="")
        self._start_coroutine(self._run_and_record())

    async def _run_and_record(self) -> None:
        started_at = self._counter.progress.started_at or time.time()
        state: BatchState | None = None if self._is_ending else "paused" if self._is_paused else "running"
        self._update(state, started_at=started_at, ended_at=None)
        try:
            await self._run()
        except Exception as error:
            self._update("stopped", reason=f"{type(error).__name__}: {summarize_error(error)}")
            raise
        finally:
            state = self._counter.progress.state
            self._update("done" if state in {"running", "paused", "waiting"} else state, ended_at=time.time())
            self._notify_waiters()

    def _set_running(self) -> None:
        """Set the state after a wait: running, or paused if it is still paused."""
        self._update("paused" if self._is_paused else "running", reason="")

    def _update(self, state: BatchState | None = None, **facts: Any) -> None:
        """Change fields of the progress; on the I/O loop only."""
        progress = self._counter.progress
        self._counter.progress = replace(progress, state=state or progress.state, **facts)

    def _pause_now(self) -> None:
        if self._is_ending or self._counter.progress.is_finished:
            return
        self._is_paused = True
        if self._worker_pool is not None:
            self._worker_pool.pause()
        self._update("paused", reason="")

    def _resume_now(self) -> None:
        if self._is_ending or not self._is_paused:
            return
        self._is_paused = False
        if self._worker_pool is not None:
            self._worker_pool.resume()
        self._update("running", reason="")

    def _finish(self, state: BatchState, reason: str) -> None:
        """Send no further row, and end in this state."""

        def finish_now() -> None:
            if self._is_ending or self._counter.progress.is_finished:
                return
            self._is_ending, self._is_paused = True, False
            self._update(state, reason=reason)
            if self._worker_pool is not None:
                self._worker_pool.stop()
                self._spawn(self._worker_pool.drain_in_flight(CANCEL_GRACE_S))

        self._call_on_loop(finish_now)

    def _abort_if_hopeless(self, error: Exception | None) -> None:
        """Stop the batch when its errors are of the kind that every row would meet."""
        if error is None:
            self._fatal_streak = 0
            return
        self._fatal_streak = self._fatal_streak + 1 if isinstance(error, FATAL_ERRORS) else 0
        if self._fatal_streak >= MAX_FATAL_IN_A_ROW or (self._fatal_streak and not self._counter.ok):
            self._finish("stopped", f"{type(error).__name__}: {summarize_error(error)}")

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine beside the rows; the set keeps a reference, the loop holds only a weak one."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._side_tasks.add(task)
        task.add_done_callback(self._side_tasks.discard)

    def _call_on_loop(self, action: Callable[[], Any]) -> None:
        if event_loop.is_on_io_thread():
            action()
        else:
            event_loop.loop().call_soon_threadsafe(action)

    def _notify_waiters(self) -> None:
        """Wake the threads that wait for rows."""
        with self._condition:
            self._condition.notify_all()

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        with self._handle_interrupts(), self._condition:
            while not condition():
                self._condition.wait(timeout=event_loop.INTERRUPT_SLICE_S)

    def __repr__(self) -> str:
        progress = self.progress
        total = "?" if progress.total is None else progress.total
        failed = f", {progress.failed} failed" if progress.failed else ""
        return f"<batch {progress.finished_rows}/{total}{failed}, {progress.state}>"
