"""Condition, Event and Future whose locks no interrupt leaves taken.

Those of Python take their lock in a Python function, `Condition.__enter__`. A `KeyboardInterrupt`
between the acquisition and the return of that function leaves the lock taken for ever, and the I/O
loop, which needs it to deliver a result, waits for ever too. `with` on the lock itself is not
interrupted there (bpo-29988).
"""

import _thread
import concurrent.futures
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class Condition(_thread.RLock):  # type: ignore[misc] # final for type checkers only
    """A `threading.Condition` that is its own lock."""

    def __init__(self) -> None:
        self._waiters: deque[_thread.LockType] = deque()

    def wait(self, timeout: float | None = None) -> bool:
        """Release the lock, wait for a notification, take the lock again; return whether there was
        one.

        Args:
            timeout: seconds; None to wait for ever.
        """
        waiter = _thread.allocate_lock()
        waiter.acquire()
        self._waiters.append(waiter)
        state = self._release_save()  # type: ignore[attr-defined]
        try:
            return waiter.acquire(timeout=-1 if timeout is None else timeout)
        finally:
            self._acquire_restore(state)  # type: ignore[attr-defined]
            with contextlib.suppress(ValueError):  # it was notified
                self._waiters.remove(waiter)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until a predicate is true, and return its value; the last one after `timeout`
        seconds.
        """
        return threading.Condition.wait_for(self, predicate, timeout)  # type: ignore[arg-type]

    def notify_all(self) -> None:
        """Wake all that wait."""
        while self._waiters:
            self._waiters.popleft().release()


class Event(threading.Event):
    """An event that may be waited for and set from an interrupted thread."""

    def __init__(self) -> None:
        super().__init__()
        self._cond = Condition()


class Future(concurrent.futures.Future[T]):
    """A future that may be waited for and cancelled from an interrupted thread."""

    def __init__(self) -> None:
        super().__init__()
        self._condition = Condition()  # type: ignore[assignment]

    def wait(self, timeout_s: float) -> bool:
        """Wait at most some seconds; return whether the future is done.

        `concurrent.futures.wait` takes the lock in a Python function, too.
        """
        with contextlib.suppress(
            concurrent.futures.TimeoutError, concurrent.futures.CancelledError
        ):
            self.exception(timeout_s)
        return self.done()
