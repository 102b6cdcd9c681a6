"""Waiting in one event loop for what another thread does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from typing import Any, Final

INTERRUPT_SLICE_S: Final = 0.1
"""Seconds between two looks at a waiting call: a kernel interrupt takes effect within one slice."""


class LoopTicker:
    """Keep the running loop from sleeping longer than a slice while somebody in it is inside.

    ipykernel delivers an interrupt only when its loop wakes up. One timer does for all that wait.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._n_waiting = loop, 0

    @classmethod
    def for_running_loop(cls) -> LoopTicker:
        """Return the one of the running loop."""
        loop = asyncio.get_running_loop()
        return _tickers.get(loop) or cls(loop)

    def __enter__(self) -> None:
        self._n_waiting += 1
        if self._n_waiting == 1:
            _tickers[self._loop] = self
            self._tick()

    def __exit__(self, *_: object) -> None:
        self._n_waiting -= 1
        if not self._n_waiting:
            self._timer.cancel()
            del _tickers[self._loop]

    def _tick(self) -> None:
        self._timer = self._loop.call_later(INTERRUPT_SLICE_S, self._tick)


_tickers: dict[asyncio.AbstractEventLoop, LoopTicker] = {}


class CrossLoopQueue:
    """A queue into the loop that runs where it is made; anybody may put, one coroutine gets."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._items: deque[Any] = deque()
        self._lock = threading.Lock()
        self._waiter: asyncio.Future[None] | None = None

    def put(self, item: Any) -> None:
        """Add an item; from any thread."""
        with self._lock:
            self._items.append(item)
            waiter, self._waiter = self._waiter, None
        if waiter is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_wake, waiter)

    async def get(self) -> Any:
        """Return the next item, waiting for it."""
        while True:
            with self._lock:
                if self._items:
                    return self._items.popleft()
                waiter = self._waiter = self._loop.create_future()
            await waiter


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
