"""A batch in the background, wherever its results are kept: progress, pausing, stopping, worker count."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Generator
from typing import Any, Self

from .background_job import BackgroundJob
from .batch_control import BatchControl
from .batch_progress import BatchProgress, BatchState
from .row_result import summarize_error
from .worker_pool import validate_worker_count


class BackgroundBatch(BackgroundJob):
    """A batch on the I/O loop; `BatchTask` keeps its results in memory, `qfnb.batch` in a journal.

    Args:
        progress: the progress that it starts with.
    """

    def __init__(self, progress: BatchProgress) -> None:
        super().__init__()
        self._control = BatchControl(progress)

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
        """Send no further row; rows in flight have two seconds to finish, results so far are kept."""
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
        control = self._control
        control.call_on_loop(lambda: control.worker_pool.resize(workers) if control.worker_pool else None)

    def __await__(self) -> Generator[Any, None, Self]:
        return self._wait_async().__await__()

    async def _wait_async(self) -> Self:
        await self._wait_for_end_async()
        return self

    def _start(self) -> None:
        control = self._control
        control.is_ending, control.fatal_streak = False, 0
        control.update("paused" if control.is_paused else "preparing", ended_at=None, reason="")
        self._start_coroutine(self._run_and_record())

    async def _run_and_record(self) -> None:
        control = self._control
        started_at = control.counter.progress.started_at or time.time()
        state: BatchState | None = None if control.is_ending else "paused" if control.is_paused else "running"
        control.update(state, started_at=started_at, ended_at=None)
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
        with self._handle_interrupts():
            self._control.wait_until(condition)

    def __repr__(self) -> str:
        progress = self.progress
        total = "?" if progress.total is None else progress.total
        failed = f", {progress.failed} failed" if progress.failed else ""
        return f"<batch {progress.finished_rows}/{total}{failed}, {progress.state}>"
