"""Workers on the I/O loop that pull from one source: so many at a time, more or fewer while they work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Generic, TypeVar

from ..errors import InvalidArgumentError
from ..transport.calls import on_wire
from .collector import InFlight

T = TypeVar("T")

DEFAULT_WORKERS = 8
MAX_WORKERS = 1000


class Crew(Generic[T]):
    """Workers that take one item after the other.

    Args:
        pull: returns the next item, None when there is none left.
        work: does one item; what it raises ends the whole crew.
        size: how many items are worked on at once.
    """

    def __init__(
        self, pull: Callable[[], Awaitable[T | None]], work: Callable[[T], Awaitable[None]], size: int
    ) -> None:
        self._pull, self._work, self.size = pull, work, size
        self._collecting = InFlight(size)
        self.in_flight = self._alive = 0
        self.stopping = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._sent: set[asyncio.Task[Any]] = set()
        self._exhausted = False
        self._failure: BaseException | None = None
        self._go, self._over = asyncio.Event(), asyncio.Event()
        self._go.set()

    @property
    def waiting(self) -> int:
        """Workers that wait for an item."""
        return self._alive - self.in_flight

    @property
    def paused(self) -> bool:
        """Whether new items wait."""
        return not self._go.is_set()

    async def run(self) -> None:
        """Work until the source is empty or somebody stops it.

        Raises:
            BaseException: what an item raised.
        """
        with self._collecting:
            self._hire()
            try:
                await self._over.wait()
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    def resize(self, size: int) -> None:
        """Work on so many items at once from now on; items under way are finished."""
        self.size = size
        self._collecting.resize(size)
        self._hire()

    def pause(self) -> None:
        """Take no new item until `proceed`."""
        self._go.clear()

    def proceed(self) -> None:
        """Take new items again."""
        self._go.set()

    def stop(self) -> None:
        """Take no new item, and drop those of which nothing was sent; `settle` waits for the others."""
        self.stopping = True
        self._go.set()
        for task in self._tasks - self._sent - {asyncio.current_task()}:
            task.cancel()

    async def settle(self, grace: float) -> None:
        """Wait for what is under way; what is not finished after `grace` seconds is cancelled."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=grace)
        self._over.set()

    def _hire(self) -> None:
        while self._alive < self.size and not (self._exhausted or self.stopping):
            self._alive += 1
            task = asyncio.get_running_loop().create_task(self._worker())
            self._tasks.add(task)
            task.add_done_callback(self._left)
        if not self._tasks:
            self._over.set()

    async def _worker(self) -> None:
        task = asyncio.current_task()
        assert task is not None, "a worker is a task"
        on_wire.set(partial(self._mark, task))
        try:
            while (item := await self._item()) is not None:
                self.in_flight += 1
                try:
                    await self._work(item)
                finally:
                    self.in_flight -= 1
                    self._sent.discard(task)
        finally:
            self._alive -= 1

    def _mark(self, task: asyncio.Task[Any], sent: bool) -> None:
        (self._sent.add if sent else self._sent.discard)(task)

    async def _item(self) -> T | None:
        """Return the next item for one worker, None when this worker is to go."""
        if not self._go.is_set():
            await self._go.wait()
        if self.stopping or self._exhausted or self._alive > self.size:
            return None
        item = await self._pull()
        self._exhausted = self._exhausted or item is None
        if not self._go.is_set():
            await self._go.wait()
        return None if self.stopping else item

    def _left(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error
            self._over.set()
        if not self._tasks:
            self._over.set()


def checked_size(name: str, given: int | None) -> int:
    """Return how many items are worked on at once: 1 to 1000, by default 8.

    Raises:
        InvalidArgumentError: it is out of range.
    """
    size = DEFAULT_WORKERS if given is None else given
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MAX_WORKERS:
        raise InvalidArgumentError(f"{name}={given!r}: it is a whole number from 1 to {MAX_WORKERS}")
    return size
