"""How long a call may take in all: one alarm for all calls, at the earliest of their ends.

An alarm for each call, set and cancelled again, cost a batch more than reading the answers.
"""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Self


class _Alarm:
    """Rings for the calls of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._open: set[Deadline] = set()
        self._next: asyncio.TimerHandle | None = None

    def add(self, deadline: Deadline) -> None:
        """Ring for a call."""
        self._open.add(deadline)
        if self._next is None or deadline.until < self._next.when():
            self._set(deadline.until)

    def drop(self, deadline: Deadline) -> None:
        """Ring no more for a call; the alarm stays set, for a cancelled one costs more than a vain one."""
        self._open.discard(deadline)

    def _set(self, when: float) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = self.loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._next, now = None, self.loop.time()
        for deadline in [one for one in self._open if one.until <= now]:
            self._open.discard(deadline)
            deadline.expire()
        if self._open:
            self._set(min(deadline.until for deadline in self._open))


_alarm: _Alarm | None = None


class Deadline:
    """What `asyncio.timeout` is: cancels what happens inside after so many seconds, and says TimeoutError.

    Args:
        seconds: None for no end.

    Attributes:
        until: the loop's time when it ends.
    """

    __slots__ = ("_alarm", "_cancelling", "_expired", "_seconds", "_task", "until")

    _task: asyncio.Task[object]
    _alarm: _Alarm

    def __init__(self, seconds: float | None) -> None:
        self._seconds, self.until, self._expired = seconds, math.inf, False

    async def __aenter__(self) -> Self:
        global _alarm
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None, "a coroutine runs in a task"
        self._task, self._cancelling = task, task.cancelling()
        if _alarm is None or _alarm.loop is not loop:
            _alarm = _Alarm(loop)
        self._alarm = _alarm
        if self._seconds is not None:
            self.until = loop.time() + self._seconds
            self._alarm.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._alarm.drop(self)
        if self._expired and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def stop(self) -> float:
        """Let no time pass until `go`; return the seconds that are left."""
        self._alarm.drop(self)
        return self.until - self._alarm.loop.time()

    def go(self, left: float) -> None:
        """Let time pass again, with so many seconds left."""
        self.until = self._alarm.loop.time() + left
        if self.until < math.inf:
            self._alarm.add(self)

    def expire(self) -> None:
        """End it: the alarm has rung."""
        self._expired = True
        self._task.cancel()
