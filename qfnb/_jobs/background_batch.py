"""A batch under way, whatever it keeps its results in: progress, waiting, stopping, pausing."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Generator, Iterator
from dataclasses import replace
from typing import Any, Self

from ..errors import AuthError, CredentialsError, NotActivatedError, SandboxError, TLSError
from ..transport import event_loop
from .batch_progress import BatchProgress, BatchState, ProgressCounter
from .row_result import summarize_error
from .worker_pool import WorkerPool, validate_worker_count

CANCEL_GRACE_S = 2.0
"""Seconds that rows under way have to finish after a cancel."""

FATAL_ERRORS = (AuthError, CredentialsError, NotActivatedError, SandboxError, TLSError)
"""Errors that all rows would meet."""

MAX_FATAL_IN_A_ROW = 3
"""So many hopeless errors one after the other end a batch in which something was answered."""


class BackgroundBatch(ABC):
    """A batch under way: what the one in memory and the one with a journal share."""

    def __init__(self, progress: BatchProgress) -> None:
        self._counter = ProgressCounter(progress)
        self._worker_pool: WorkerPool[Any] | None = None
        self._condition = threading.Condition()
        self._fatal_streak = 0
        self._is_ending = self._is_paused = False
        self._side_tasks: set[asyncio.Task[None]] = set()
        self._future: concurrent.futures.Future[None] | None = None

    @abstractmethod
    async def _run(self) -> None:
        """Do the work; runs on the I/O loop."""

    @property
    def progress(self) -> BatchProgress:
        """How far it is, as a value."""
        pool = self._worker_pool
        return self._counter.snapshot(
            in_flight=pool.in_flight if pool else 0, workers=pool.size if pool else 0
        )

    def finished_count(self) -> int:
        """Return how many rows have an answer or an error."""
        return self.progress.finished_rows

    def total_count(self) -> int | None:
        """Return how many rows there are; None while an input without length is still being read."""
        return self.progress.total

    task_count = total_count

    def wait(self) -> None:
        """Wait until every row has finished or the batch was stopped; an interrupt cancels the rest."""
        with self._cancel_on_interrupt():
            while not (self._future is None or self._future.done()):
                concurrent.futures.wait([self._future], timeout=event_loop.INTERRUPT_SLICE_S)
        self._raise_if_failed()

    def cancel(self) -> None:
        """Ask no new row; rows under way may finish within two seconds, finished ones stay."""
        self._finish("cancelled", "")

    def pause(self) -> None:
        """Ask no new row until `resume`."""
        self._call_on_loop(self._pause_now)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._call_on_loop(self._resume_now)

    def resize(self, workers: int) -> None:
        """Ask so many rows at once from now on (1 to 1000)."""
        workers = validate_worker_count("workers", workers)
        self._call_on_loop(lambda: self._worker_pool.resize(workers) if self._worker_pool else None)

    def __await__(self) -> Generator[Any, None, Self]:
        return self._wait_async().__await__()

    async def _wait_async(self) -> Self:
        with self._cancel_on_interrupt():
            while not (self._future is None or self._future.done()):
                await asyncio.sleep(0.02)
        self._raise_if_failed()
        return self

    def _start(self) -> None:
        self._is_ending = False
        self._update("paused" if self._is_paused else "preparing", ended_at=None, reason="")
        self._future = event_loop.submit(self._run_and_record())

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

    def _raise_if_failed(self) -> None:
        """Raise what no row is to blame for: a mistake of ours, or a cancelled loop."""
        if self._future is not None and self._future.done() and not self._future.cancelled():
            self._future.result()

    def _set_running(self) -> None:
        """Say that it works again, or that it is paused still."""
        self._update("paused" if self._is_paused else "running", reason="")

    def _update(self, state: BatchState | None = None, **facts: Any) -> None:
        """Change the progress; on the I/O loop only."""
        progress = self._counter.progress
        self._counter.progress = replace(progress, state=state or progress.state, **facts)

    @contextlib.contextmanager
    def _cancel_on_interrupt(self) -> Iterator[None]:
        """Whoever waits here may be interrupted: by ■, Ctrl+C, or because a task was cancelled."""
        try:
            yield
        except (KeyboardInterrupt, asyncio.CancelledError):
            self._on_interrupt()
            raise

    def _on_interrupt(self) -> None:
        """Do what an interrupt of the wait means."""
        self.cancel()

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
        """Take no new row; the state says why."""

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
        """End the batch when errors are such that every row would meet them."""
        if error is None:
            self._fatal_streak = 0
            return
        self._fatal_streak = self._fatal_streak + 1 if isinstance(error, FATAL_ERRORS) else 0
        if self._fatal_streak >= MAX_FATAL_IN_A_ROW or (self._fatal_streak and not self._counter.ok):
            self._finish("stopped", f"{type(error).__name__}: {summarize_error(error)}")

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Do something beside the rows; the loop itself would forget it."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._side_tasks.add(task)
        task.add_done_callback(self._side_tasks.discard)

    def _call_on_loop(self, action: Callable[[], Any]) -> None:
        if event_loop.is_on_io_thread():
            action()
        else:
            event_loop.loop().call_soon_threadsafe(action)

    def _notify_waiters(self) -> None:
        """Wake up those who wait for rows."""
        with self._condition:
            self._condition.notify_all()

    def _wait_until(self, condition: Callable[[], bool]) -> None:
        with self._cancel_on_interrupt(), self._condition:
            while not condition():
                self._condition.wait(timeout=event_loop.INTERRUPT_SLICE_S)

    def __repr__(self) -> str:
        progress = self.progress
        total = "?" if progress.total is None else progress.total
        failed = f", {progress.failed} failed" if progress.failed else ""
        return f"<batch {progress.finished_rows}/{total}{failed}, {progress.state}>"
