"""The state of a batch in the background, and what changes it: progress, pausing, ending, side tasks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from ..errors import AuthError, CredentialsError, NotActivatedError, SandboxError, TLSError
from ..transport import clock, event_loop
from .batch_progress import BatchProgress, BatchState, ProgressCounter
from .row_result import summarize_error
from .worker_pool import WorkerPool

CANCEL_GRACE_S = 2.0
"""Seconds that rows in flight have to finish after a cancel."""

FATAL_ERRORS = (AuthError, CredentialsError, NotActivatedError, SandboxError, TLSError)
"""Errors that every row would meet: the key or the account is wrong, or the sandbox is down."""

MAX_FATAL_IN_A_ROW = 3
"""Fatal errors in a row that end a batch in which at least one row was answered; before that, one does."""


class BatchControl:
    """Shared by a `BackgroundBatch`, whose users steer it, and the code that works on the rows.

    Its methods run on the I/O loop, except `finish`, `call_on_loop`, `notify_waiters` and `wait_until`, which
    any thread may call.

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
        self._condition = threading.Condition()
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
            self.is_ending, self.is_paused = True, False
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
        """Run a coroutine beside the rows; the set keeps a reference, the loop holds only a weak one."""
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
        """Block until a condition holds; it is checked after every `notify_waiters`."""
        with self._condition:
            while not condition():
                self._condition.wait(timeout=event_loop.INTERRUPT_SLICE_S)
