"""Timeouts of whole calls: `asyncio.timeout` with one event-loop timer for all calls.

A timer for each call, set and cancelled again, costs a large batch more than reading the responses.
"""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Self


class _Alarm:
    """The timer of one event loop; it fires at the earliest deadline."""

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
        """Stop watching a deadline; the timer stays set: cancelling it costs more than firing in vain."""
        self._deadlines.discard(deadline)

    def _schedule(self, when: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(when, self._expire_due)

    def _expire_due(self) -> None:
        self._timer, now = None, self.loop.time()
        for deadline in [candidate for candidate in self._deadlines if candidate.expires_at <= now]:
            self._deadlines.discard(deadline)
            deadline.expire()
        if self._deadlines:
            self._schedule(min(deadline.expires_at for deadline in self._deadlines))


_alarm: _Alarm | None = None


class Deadline:
    """A context manager like `asyncio.timeout`: cancels its body after a time and raises TimeoutError.

    Args:
        seconds: None for no limit.

    Attributes:
        expires_at: on the loop's clock; infinite without a limit.
    """

    __slots__ = ("_alarm", "_cancelling", "_expired", "_task", "_timeout_s", "expires_at")

    _task: asyncio.Task[object]
    _alarm: _Alarm

    def __init__(self, seconds: float | None) -> None:
        self._timeout_s, self.expires_at, self._expired = seconds, math.inf, False

    async def __aenter__(self) -> Self:
        global _alarm
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None, "a coroutine runs in a task"
        self._task, self._cancelling = task, task.cancelling()
        if _alarm is None or _alarm.loop is not loop:
            _alarm = _Alarm(loop)
        self._alarm = _alarm
        if self._timeout_s is not None:
            self.expires_at = loop.time() + self._timeout_s
            self._alarm.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._alarm.remove(self)
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def pause(self) -> float:
        """Stop the clock until `resume`; return the remaining seconds."""
        self._alarm.remove(self)
        return self.expires_at - self._alarm.loop.time()

    def resume(self, remaining_s: float) -> None:
        """Start the clock again with this many seconds remaining."""
        self.expires_at = self._alarm.loop.time() + remaining_s
        if self.expires_at < math.inf:
            self._alarm.add(self)

    def expire(self) -> None:
        """Cancel the body: the time is up."""
        self._expired = True
        self._task.cancel()
