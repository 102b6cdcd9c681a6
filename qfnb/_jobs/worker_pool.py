"""A pool of workers on the I/O loop that take items from one source; it can be resized and paused
while it runs.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Final, Generic, Self, TypeVar

from ..base.language import tr
from ..errors import InvalidArgumentError
from ..transport import clock
from ..transport.client import WireState, wire_state
from ..transport.event_loop import register_child_reset

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
        self._relaxed_gc = RelaxedGC(size)
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
        with self._relaxed_gc:
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
        self._relaxed_gc.resize(size)
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
    if value is None:
        count = DEFAULT_WORKERS
    else:
        count = value
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


OBJECTS_PER_REQUEST: Final = 200
"""Containers that one request in flight may have allocated; the collector runs after that many for
each.
"""

_lock = threading.Lock()
_open_blocks: list[RelaxedGC] = []
_user_threshold: tuple[int, int, int] | None = None
_our_threshold = 0


class RelaxedGC:
    """Run Python's cycle collector less often inside the block.

    Each run walks through whatever was allocated lately, and with a thousand requests in flight all
    of that is
    alive: a sixth of the CPU time went into finding nothing. Garbage is freed all the same, only
    later. Blocks may overlap; a threshold that the user sets before or meanwhile stays.

    Args:
        requests_in_flight: the number of requests that the threshold must allow for.
    """

    def __init__(self, requests_in_flight: int) -> None:
        self.requests_in_flight = requests_in_flight

    def __enter__(self) -> Self:
        with _lock:
            _open_blocks.append(self)
            _apply_threshold()
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _open_blocks.remove(self)
            _apply_threshold()

    def resize(self, requests_in_flight: int) -> None:
        """Change the number of requests in flight."""
        with _lock:
            self.requests_in_flight = requests_in_flight
            if self in _open_blocks:
                _apply_threshold()


def _apply_threshold() -> None:
    """Set the threshold that the open blocks need; after the last block, the one before the
    first.
    """
    global _user_threshold, _our_threshold
    current = gc.get_threshold()
    if _user_threshold is None:
        _user_threshold = current
        _our_threshold = current[0]
    if current[0] == _our_threshold and _our_threshold:  # still our setting, and not switched off
        needed = (
            max((block.requests_in_flight for block in _open_blocks), default=0)
            * OBJECTS_PER_REQUEST
        )
        _our_threshold = max(needed, _user_threshold[0])
        gc.set_threshold(_our_threshold, *current[1:])
    if not _open_blocks:
        _user_threshold = None


def _reset_in_child() -> None:
    """Drop the parent's blocks, which nobody closes in a forked child, and its lock, which may be
    in use.
    """
    global _lock
    _lock = threading.Lock()
    with _lock:
        if _open_blocks:
            _open_blocks.clear()
            _apply_threshold()


register_child_reset(_reset_in_child)
