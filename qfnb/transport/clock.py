"""The library's clock, which tests (users' tests too) can speed up so that nothing sleeps; and
deadlines.

with qfnb.testing():
    trainer.run()          # polls as often as it likes, without waiting
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

_scale = 1.0
_virtual_start = 0.0
_real_start = 0.0
_skipped_s = 0.0


@contextmanager
def testing(scale: float = 0.0) -> Iterator[None]:
    """Multiply every wait of the library by `scale` (0: no waiting) inside the block."""
    previous_scale = _scale
    _set_scale(scale)
    try:
        yield
    finally:
        _set_scale(previous_scale)


def now() -> float:
    """Return seconds on a clock that counts shortened waits in full; only differences mean
    anything.
    """
    return _virtual_start + _skipped_s + (time.monotonic() - _real_start) / (_scale or 1.0)


def wall_time() -> float:
    """Return seconds since 1970, which all processes of a computer agree on."""
    return time.time()


def is_scaled() -> bool:
    """Return whether `testing` changes the length of waits."""
    return _scale != 1.0


async def sleep(seconds: float) -> None:
    """Sleep on the I/O loop."""
    global _skipped_s
    if not _scale:
        _skipped_s += seconds
    await asyncio.sleep(seconds * _scale)


def wait(seconds: float, event: threading.Event) -> bool:
    """Wait on a worker thread for an event; return whether it was set in time."""
    return event.wait(max(seconds * _scale, 0.002))


def _set_scale(scale: float) -> None:
    """Change the scale from now on; the clock never jumps back."""
    global _virtual_start, _real_start, _scale, _skipped_s
    _virtual_start = now()
    _real_start = time.monotonic()
    _skipped_s = 0.0
    _scale = scale


class _Alarm:
    """The timer of one event loop; it fires at the earliest deadline.

    A timer for each call, set and cancelled again, costs a large batch more than reading the
    responses.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._deadlines: set[Deadline] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, deadline: Deadline) -> None:
        """Watch a deadline."""
        self._deadlines.add(deadline)
        if self._timer is None or deadline.expires_at < self._timer.when():
            self._schedule(deadline.expires_at)

    def remove(self, deadline: Deadline) -> None:
        """Stop watching a deadline; the timer stays set, since cancelling it costs more than firing
        once.
        """
        self._deadlines.discard(deadline)

    def _schedule(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(when, self._expire_due)

    def _expire_due(self) -> None:
        now = self.loop.time()
        self._timer = None
        for deadline in [candidate for candidate in self._deadlines if candidate.expires_at <= now]:
            self._deadlines.discard(deadline)
            deadline.expire()
        if self._deadlines:
            self._schedule(min(deadline.expires_at for deadline in self._deadlines))


_alarm: _Alarm | None = None


class Deadline:
    """A context manager like `asyncio.timeout`: cancels its body after a time and raises
    TimeoutError.

    Args:
        seconds: None for no limit.

    Attributes:
        expires_at: on the loop's clock; infinite without a limit.
    """

    __slots__ = ("_alarm", "_cancelling", "_expired", "_task", "_timeout_s", "expires_at")

    _task: asyncio.Task[object]
    _alarm: _Alarm

    def __init__(self, seconds: float | None) -> None:
        self._timeout_s = seconds
        self.expires_at = math.inf
        self._expired = False

    async def __aenter__(self) -> Self:
        global _alarm
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        assert task is not None, "a coroutine runs in a task"
        self._cancelling = task.cancelling()
        self._task = task
        if _alarm is None or _alarm.loop is not loop:
            _alarm = _Alarm(loop)
        self._alarm = _alarm
        if self._timeout_s is not None:
            self.expires_at = loop.time() + self._timeout_s
            self._alarm.add(self)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._alarm.remove(self)
        if (
            self._expired
            and self._task.uncancel() <= self._cancelling
            and kind is asyncio.CancelledError
        ):
            raise TimeoutError from error

    @property
    def remaining_s(self) -> float:
        """Seconds until it expires, infinite without a limit."""
        return self.expires_at - self._alarm.loop.time()

    def pause(self) -> float:
        """Stop the clock until `resume`; return the remaining seconds."""
        self._alarm.remove(self)
        return self.remaining_s

    def resume(self, remaining_s: float) -> None:
        """Start the clock again with this many seconds remaining."""
        self.expires_at = self._alarm.loop.time() + remaining_s
        if self.expires_at < math.inf:
            self._alarm.add(self)

    def expire(self) -> None:
        """Cancel the body: the time is up."""
        self._expired = True
        self._task.cancel()
