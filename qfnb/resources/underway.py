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
from ..transport import portal
from .crew import Crew, checked_size
from .outcome import first_line
from .tally import BatchProgress, State, Tally

GRACE = 2.0
"""Seconds that rows under way have to finish after a cancel."""

HOPELESS = (AuthError, CredentialsError, NotActivatedError, SandboxError, TLSError)
"""Errors that all rows would meet."""

IN_A_ROW = 3
"""So many hopeless errors one after the other end a batch in which something was answered."""


class Underway(ABC):
    """A batch under way: what the one in memory and the one with a journal share."""

    def __init__(self, progress: BatchProgress) -> None:
        self._tally = Tally(progress)
        self._crew: Crew[Any] | None = None
        self._moved = threading.Condition()
        self._hopeless = 0
        self._ending = self._paused = False
        self._asides: set[asyncio.Task[None]] = set()
        self._running: concurrent.futures.Future[None] | None = None

    @abstractmethod
    async def _run(self) -> None:
        """Do the work; runs on the I/O loop."""

    @property
    def progress(self) -> BatchProgress:
        """How far it is, as a value."""
        crew = self._crew
        return self._tally.now(in_flight=crew.in_flight if crew else 0, workers=crew.size if crew else 0)

    def finished_count(self) -> int:
        """Return how many rows have an answer or an error."""
        return self.progress.finished

    def total_count(self) -> int | None:
        """Return how many rows there are; None while an input without length is still being read."""
        return self.progress.total

    task_count = total_count

    def wait(self) -> None:
        """Wait until every row has finished or the batch was stopped; an interrupt cancels the rest."""
        with self._interruptible():
            while not (self._running is None or self._running.done()):
                concurrent.futures.wait([self._running], timeout=portal.SLICE)
        self._raise_if_broken()

    def cancel(self) -> None:
        """Ask no new row; rows under way may finish within two seconds, finished ones stay."""
        self._end("cancelled", "")

    def pause(self) -> None:
        """Ask no new row until `resume`."""
        self._on_loop(self._pause)

    def resume(self) -> None:
        """Go on after `pause`."""
        self._on_loop(self._proceed)

    def resize(self, workers: int) -> None:
        """Ask so many rows at once from now on (1 to 1000)."""
        workers = checked_size("workers", workers)
        self._on_loop(lambda: self._crew.resize(workers) if self._crew else None)

    def __await__(self) -> Generator[Any, None, Self]:
        return self._awaited().__await__()

    async def _awaited(self) -> Self:
        with self._interruptible():
            while not (self._running is None or self._running.done()):
                await asyncio.sleep(0.02)
        self._raise_if_broken()
        return self

    def _start(self) -> None:
        self._ending = False
        self._note("paused" if self._paused else "preparing", ended_at=None, reason="")
        self._running = portal.submit(self._guarded())

    async def _guarded(self) -> None:
        began = self._tally.progress.started_at or time.time()
        state: State | None = None if self._ending else "paused" if self._paused else "running"
        self._note(state, started_at=began, ended_at=None)
        try:
            await self._run()
        except Exception as error:
            self._note("stopped", reason=f"{type(error).__name__}: {first_line(error)}")
            raise
        finally:
            state = self._tally.progress.state
            self._note("done" if state in {"running", "paused", "waiting"} else state, ended_at=time.time())
            self._tell()

    def _raise_if_broken(self) -> None:
        """Raise what no row is to blame for: a mistake of ours, or a cancelled loop."""
        if self._running is not None and self._running.done() and not self._running.cancelled():
            self._running.result()

    def _go_on(self) -> None:
        """Say that it works again, or that it is paused still."""
        self._note("paused" if self._paused else "running", reason="")

    def _note(self, state: State | None = None, **facts: Any) -> None:
        """Change the progress; on the I/O loop only."""
        now = self._tally.progress
        self._tally.progress = replace(now, state=state or now.state, **facts)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Whoever waits here may be interrupted: by ■, Ctrl+C, or because a task was cancelled."""
        try:
            yield
        except (KeyboardInterrupt, asyncio.CancelledError):
            self._interrupted()
            raise

    def _interrupted(self) -> None:
        """Do what an interrupt of the wait means."""
        self.cancel()

    def _pause(self) -> None:
        if self._ending or self._tally.progress.over:
            return
        self._paused = True
        if self._crew is not None:
            self._crew.pause()
        self._note("paused", reason="")

    def _proceed(self) -> None:
        if self._ending or not self._paused:
            return
        self._paused = False
        if self._crew is not None:
            self._crew.proceed()
        self._note("running", reason="")

    def _end(self, state: State, reason: str) -> None:
        """Take no new row; the state says why."""

        def end() -> None:
            if self._ending or self._tally.progress.over:
                return
            self._ending, self._paused = True, False
            self._note(state, reason=reason)
            if self._crew is not None:
                self._crew.stop()
                self._aside(self._crew.settle(GRACE))

        self._on_loop(end)

    def _judge(self, error: Exception | None) -> None:
        """End the batch when errors are such that every row would meet them."""
        if error is None:
            self._hopeless = 0
            return
        self._hopeless = self._hopeless + 1 if isinstance(error, HOPELESS) else 0
        if self._hopeless >= IN_A_ROW or (self._hopeless and not self._tally.ok):
            self._end("stopped", f"{type(error).__name__}: {first_line(error)}")

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the rows; the loop itself would forget it."""
        task = asyncio.get_running_loop().create_task(work)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)

    def _on_loop(self, act: Callable[[], Any]) -> None:
        if portal.on_io_thread():
            act()
        else:
            portal.loop().call_soon_threadsafe(act)

    def _tell(self) -> None:
        """Wake up those who wait for rows."""
        with self._moved:
            self._moved.notify_all()

    def _until(self, holds: Callable[[], bool]) -> None:
        with self._interruptible(), self._moved:
            while not holds():
                self._moved.wait(timeout=portal.SLICE)

    def __repr__(self) -> str:
        now = self.progress
        total = "?" if now.total is None else now.total
        failed = f", {now.failed} failed" if now.failed else ""
        return f"<batch {now.finished}/{total}{failed}, {now.state}>"
