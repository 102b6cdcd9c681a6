"""Work in the background: what a batch, a training and an evaluation have in common."""

import asyncio
import contextlib
import contextvars
import math
import os
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

from ..base.language import tr
from ..errors import InternalError
from ..transport import event_loop
from ..transport.event_loop import FORKED, Future

POLL_INTERVAL_S: Final = 0.02
"""Seconds between two checks of a coroutine that waits for the end; it may run on any event
loop.
"""


class BackgroundJob(ABC):
    """Work that runs while its caller continues, on the I/O loop or on a thread of its own.

    A subclass starts the work with `_start_coroutine` (network calls) or `_start_thread` (blocking
    code), and waits with `_wait_for_end` or `_wait_for_end_async`, which raise the exception that
    ended the work. The wait may be interrupted (■, Ctrl+C, a cancelled task); `_on_interrupt`
    decides what that means for the work.
    """

    def __init__(self) -> None:
        self._future: Future[Any] | None = None
        self._process_id = os.getpid()

    @abstractmethod
    def cancel(self) -> None:
        """End the work early; returns at once."""

    @property
    def is_running(self) -> bool:
        """Whether the work has been started and has not ended."""
        return self._future is not None and not self._future.done()

    def call_at_end(self, callback: Callable[[], object]) -> None:
        """Call a function when the work has ended, in its thread; at once if it has ended."""
        if self._future is not None:
            self._future.add_done_callback(lambda _: callback())

    def _start_coroutine(self, work: Coroutine[Any, Any, object]) -> None:
        """Start the work on the I/O loop."""
        future = self._future = Future[object]()
        try:
            event_loop.submit(work, future)
        except BaseException:  # an interrupt: nobody gets this job, and so nobody could end it
            future.cancel()
            raise

    def _start_thread(self, work: Callable[[], object], name: str) -> None:
        """Start the work on a daemon thread with this name; its output goes to the cell that starts
        it.
        """
        future = self._future = Future[Any]()
        run_in_context = contextvars.copy_context().run
        arguments = (complete_future, work, future)
        threading.Thread(target=run_in_context, args=arguments, name=name, daemon=True).start()

    def _wait_for_end(self, timeout_s: float | None = None) -> None:
        """Wait until the work has ended, at most `timeout_s` seconds; raise the exception that
        ended it.
        """
        deadline = time.monotonic() + (math.inf if timeout_s is None else timeout_s)
        self._raise_if_forked()
        with self._handle_interrupts():
            while (future := self._future) is not None and not future.done():
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0:
                    return
                future.wait(min(event_loop.INTERRUPT_SLICE_S, remaining_s))
        self._raise_if_failed()

    async def _wait_for_end_async(self) -> None:
        """Wait in a coroutine, on any event loop."""
        with self._handle_interrupts():
            while self.is_running:
                self._raise_if_forked()
                await asyncio.sleep(POLL_INTERVAL_S)
        self._raise_if_failed()

    @contextlib.contextmanager
    def _handle_interrupts(self) -> Iterator[None]:
        try:
            yield
        except (KeyboardInterrupt, asyncio.CancelledError) as error:
            line = f"{type(error).__name__}: {self._on_interrupt()}"
            error._render_traceback_ = lambda: [line]  # type: ignore[union-attr]  # IPython shows this one line
            raise

    def _on_interrupt(self) -> str:
        """Handle an interrupt of a wait, and return what it means for the work; by default it is
        cancelled.
        """
        self.cancel()
        return tr("cancelled; what has finished is kept, and the same cell goes on from there")

    def _raise_if_forked(self) -> None:
        """Refuse to wait in a forked child, which has neither the I/O loop nor the threads of its
        parent.

        Raises:
            InternalError: this is a forked child, and the work is its parent's.
        """
        if os.getpid() != self._process_id and self.is_running:
            raise InternalError(tr(FORKED))

    def _raise_if_failed(self) -> None:
        if self._future is not None and self._future.done() and not self._future.cancelled():
            self._future.result()


def complete_future(work: Callable[[], object], future: Future[Any]) -> None:
    """Call a function, and give its result or exception to a future."""
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - raised again where the future is waited for
        future.set_exception(error)
