"""A pool of workers on the I/O loop that take items from one source; it can be resized and paused
while it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final, Generic, TypeVar

from ..base.language import tr
from ..errors import InvalidArgumentError
from ..transport import clock
from ..transport.client import WireState, wire_state

T = TypeVar("T")

DEFAULT_WORKERS = 8
MAX_WORKERS = 1000

MAX_RESTING: Final = 1000
"""Items that wait at once without holding up others: they are in memory."""

MIN_REST_S: Final = 1.0
"""Seconds from which another item is taken meanwhile: it may be refused in the same moment."""


class WorkerPool(Generic[T]):
    """Workers that each process one item after the other.

    Args:
        pull: returns the next item, None at the end.
        process: processes one item; an exception ends the whole pool.
        size: the number of items in progress at once.
    """

    def __init__(
        self,
        pull: Callable[[], Awaitable[T | None]],
        process: Callable[[T], Awaitable[None]],
        size: int,
    ) -> None:
        self._pull = pull
        self._process = process
        self.size = size
        self.in_flight = self._worker_count = 0
        self._resting = self._returning = 0
        self.is_stopping = False
        self._tasks: dict[asyncio.Task[Any], WireState] = {}
        self._exhausted = False
        self._failure: BaseException | None = None
        self._not_paused = asyncio.Event()
        self._all_ended = asyncio.Event()
        self._item_ended = asyncio.Event()
        self._not_paused.set()

    @property
    def idle_workers(self) -> int:
        """The number of workers that wait for an item."""
        return self._worker_count - self.in_flight

    @property
    def is_paused(self) -> bool:
        """Whether no new item is taken."""
        return not self._not_paused.is_set()

    async def run(self) -> None:
        """Work until the source is empty or the pool is stopped.

        Raises:
            BaseException: the first exception of an item.
        """
        with relaxed_gc():
            self._spawn_workers()
            try:
                await self._all_ended.wait()
            finally:
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failure is not None:
            raise self._failure

    def resize(self, size: int) -> None:
        """Change the number of items in progress at once; items in progress are finished."""
        self.size = size
        self._spawn_workers()

    def pause(self) -> None:
        """Take no new item until `resume`."""
        self._not_paused.clear()

    def resume(self) -> None:
        """Take new items again."""
        self._not_paused.set()

    def stop(self) -> None:
        """Take no new item, and drop those of which nothing was sent; `drain_in_flight` waits for
        the others.
        """
        self.is_stopping = True
        self._not_paused.set()
        for task, state in self._tasks.items():
            if not state.is_on_wire and task is not asyncio.current_task():
                task.cancel()

    async def drain_in_flight(self, grace_s: float) -> None:
        """Wait for the items in progress; those that are not finished after `grace_s` seconds are
        cancelled.
        """
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        self._all_ended.set()

    async def rest(self, seconds: float) -> None:
        """Wait with the item of one worker; another worker takes items meanwhile, unless the wait
        is short.
        """
        if seconds < MIN_REST_S:
            await clock.sleep(seconds)
            return
        self._resting += 1
        if self._resting <= MAX_RESTING:
            self._spawn_workers()
        try:
            await clock.sleep(seconds)
            self._returning += 1
            try:
                while self.in_flight - self._resting >= self.size:
                    self._item_ended.clear()
                    await self._item_ended.wait()
            finally:
                self._returning -= 1
        finally:
            self._resting -= 1

    @property
    def _active_workers(self) -> int:
        """Workers that take or process items, without those that wait with one."""
        return self._worker_count - min(self._resting, MAX_RESTING)

    def _spawn_workers(self) -> None:
        while self._active_workers < self.size and not (self._exhausted or self.is_stopping):
            self._worker_count += 1
            state = WireState(rest=self.rest)
            task = asyncio.get_running_loop().create_task(self._work_loop(state))
            self._tasks[task] = state
            task.add_done_callback(self._on_worker_end)
        if not self._tasks:
            self._all_ended.set()

    async def _work_loop(self, state: WireState) -> None:
        wire_state.set(state)
        try:
            while (item := await self._next_item()) is not None:
                self.in_flight += 1
                try:
                    await self._process(item)
                finally:
                    self.in_flight -= 1
                    self._item_ended.set()
                    state.is_on_wire = False
        finally:
            self._worker_count -= 1

    async def _next_item(self) -> T | None:
        """Return the next item for one worker, None when the worker shall end."""
        if not self._not_paused.is_set():
            await self._not_paused.wait()
        if (
            self.is_stopping
            or self._exhausted
            or self._active_workers + self._returning > self.size
        ):
            return None
        item = await self._pull()
        self._exhausted = self._exhausted or item is None
        if not self._not_paused.is_set():
            await self._not_paused.wait()
        if self.is_stopping:
            return None
        return item

    def _on_worker_end(self, task: asyncio.Task[Any]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failure = self._failure or error
            self._all_ended.set()
        if not self._tasks:
            self._all_ended.set()


def validate_worker_count(name: str, value: int | None) -> int:
    """Return the number of workers: 1 to 1000, by default 8.

    Raises:
        InvalidArgumentError: it is out of range.
    """
    count = DEFAULT_WORKERS if value is None else value
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_WORKERS:
        raise InvalidArgumentError(
            tr(
                "{name}={value!r}: must be an integer from 1 to {limit}",
                name=name,
                value=value,
                limit=MAX_WORKERS,
            )
        )
    return count


GC_THRESHOLD: Final = 100_000
"""Containers that are allocated between two runs of the cycle collector while a pool works."""

_pools_at_work = 0
_user_threshold = (0, 0, 0)


@contextlib.contextmanager
def relaxed_gc() -> Iterator[None]:
    """Run Python's cycle collector less often inside the block, which is on the I/O loop.

    Each run walks through whatever was allocated lately, and with a thousand requests in flight all
    of that is alive: a sixth of the CPU time went into finding nothing. Garbage is freed all the
    same, only later. Blocks may overlap; a threshold that the user sets meanwhile stays.
    """
    global _pools_at_work, _user_threshold
    if not _pools_at_work:
        _user_threshold = gc.get_threshold()
        if 0 < _user_threshold[0] < GC_THRESHOLD:
            gc.set_threshold(GC_THRESHOLD, *_user_threshold[1:])
    _pools_at_work += 1
    try:
        yield
    finally:
        _pools_at_work -= 1
        if not _pools_at_work and gc.get_threshold()[0] == GC_THRESHOLD:
            gc.set_threshold(*_user_threshold)
