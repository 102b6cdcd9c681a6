"""Waiting in one event loop for what another thread does."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from typing import Any, Final

SLICE: Final = 0.1
"""Seconds between two looks at a waiting call: a kernel interrupt takes effect within one slice."""


class Awake:
    """Keep the running loop from sleeping longer than a slice while somebody in it is inside.

    ipykernel delivers an interrupt only when its loop wakes up. One timer does for all that wait.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._inside = loop, 0

    @classmethod
    def here(cls) -> Awake:
        """Return the one of the running loop."""
        loop = asyncio.get_running_loop()
        return _awake.get(loop) or cls(loop)

    def __enter__(self) -> None:
        self._inside += 1
        if self._inside == 1:
            _awake[self._loop] = self
            self._again()

    def __exit__(self, *_: object) -> None:
        self._inside -= 1
        if not self._inside:
            self._beat.cancel()
            del _awake[self._loop]

    def _again(self) -> None:
        self._beat = self._loop.call_later(SLICE, self._again)


_awake: dict[asyncio.AbstractEventLoop, Awake] = {}


class Mailbox:
    """A queue into the loop that runs where it is made; anybody may put, one coroutine gets."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._items: deque[Any] = deque()
        self._lock = threading.Lock()
        self._news: asyncio.Future[None] | None = None

    def put(self, item: Any) -> None:
        """Add an item; from any thread."""
        with self._lock:
            self._items.append(item)
            news, self._news = self._news, None
        if news is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_wake, news)

    async def get(self) -> Any:
        """Return the next item, waiting for it."""
        while True:
            with self._lock:
                if self._items:
                    return self._items.popleft()
                news = self._news = self._loop.create_future()
            await news


def _wake(news: asyncio.Future[None]) -> None:
    if not news.done():
        news.set_result(None)
