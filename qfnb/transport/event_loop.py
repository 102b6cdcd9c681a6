"""The I/O loop: one event loop in one daemon thread, for all network I/O (compare AnyIO's BlockingPortal).

A notebook already runs a loop in its main thread, so a blocking call cannot start another one there, and an
HTTP client cannot be shared between loops. Every request therefore runs on this loop: blocking callers wait
for it, async callers await it. Interrupting either cancels the request and closes its socket.
"""

import asyncio
import concurrent.futures
import contextlib
import os
import queue
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, Final, TypeVar

T = TypeVar("T")

INTERRUPT_SLICE_S: Final = 0.1
"""Seconds between two checks of a waiting call: a kernel interrupt takes effect within this time."""

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_END: Final[Any] = object()


def loop() -> asyncio.AbstractEventLoop:
    """Return the I/O loop, starting its thread on first use."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="qfnb-io", daemon=True).start()
        return _loop


def submit(coro: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Start a coroutine on the I/O loop; cancelling the future cancels the coroutine."""
    return asyncio.run_coroutine_threadsafe(coro, loop())


def run(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from blocking code; Ctrl-C or the kernel's interrupt cancels it.

    Raises:
        RuntimeError: called on the I/O thread itself, where it would wait forever.
    """
    if is_on_io_thread():
        coro.close()
        raise RuntimeError("a blocking qfnb call was made on qfnb's own I/O thread; await the async form")
    future = submit(coro)
    try:
        return _wait_interruptibly(future)
    except BaseException:
        future.cancel()
        raise


class LoopTicker:
    """Wakes the running loop every `INTERRUPT_SLICE_S` while a call waits inside this context manager.

    ipykernel delivers an interrupt only when its loop wakes up. All waiting calls of a loop share one timer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._n_waiting = loop, 0

    @classmethod
    def for_running_loop(cls) -> "LoopTicker":
        """Return the ticker of the running loop."""
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
    """A queue from any thread to one coroutine of the loop in which it is created."""

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
            with contextlib.suppress(RuntimeError):  # the loop is closed: no coroutine waits
                self._loop.call_soon_threadsafe(_wake, waiter)

    async def get(self) -> Any:
        """Wait for the next item and return it."""
        while True:
            with self._lock:
                if self._items:
                    return self._items.popleft()
                waiter = self._waiter = self._loop.create_future()
            await waiter


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


async def run_async(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the I/O loop from async code on any loop."""
    if is_on_io_thread():
        return await coro
    future = asyncio.wrap_future(submit(coro))
    try:
        with LoopTicker.for_running_loop():
            return await future
    finally:
        future.cancel()


def iterate(items: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """Iterate from blocking code over an async iterator that lives on the I/O loop.

    The iterator runs ahead of a slow consumer; leaving the iteration closes it.
    """
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    forwarding = run(_start_task(_forward(items, inbox)))
    try:
        while (item := _get_interruptibly(inbox)) is not _END:
            yield item
        run(_join(forwarding))
    finally:
        run(_close_iteration(forwarding, items))


async def iterate_async(items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Iterate from async code over an async iterator that lives on the I/O loop.

    The iterator runs ahead of a slow consumer; leaving the iteration closes it.
    """
    if is_on_io_thread():
        async with contextlib.aclosing(items):
            async for item in items:
                yield item
        return
    inbox = CrossLoopQueue()
    forwarding = await run_async(_start_task(_forward(items, inbox)))
    try:
        with LoopTicker.for_running_loop():
            while (item := await inbox.get()) is not _END:
                yield item
        await run_async(_join(forwarding))
    finally:
        await run_async(_close_iteration(forwarding, items))


async def _forward(items: AsyncGenerator[T, None], inbox: queue.SimpleQueue[Any] | CrossLoopQueue) -> None:
    try:
        async for item in items:
            inbox.put(item)
    finally:
        inbox.put(_END)


async def _start_task(coro: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    return asyncio.ensure_future(coro)


async def _join(task: asyncio.Task[T]) -> T:
    return await task


async def _close_iteration(task: asyncio.Task[Any], items: AsyncGenerator[Any, None]) -> None:
    """Close an iterator that a task may still be reading."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # marks it as retrieved: it was raised already, or the caller has left
    await items.aclose()


def _get_interruptibly(inbox: queue.SimpleQueue[Any]) -> Any:
    while True:
        try:
            return inbox.get(timeout=INTERRUPT_SLICE_S)
        except queue.Empty:
            continue


def _wait_interruptibly(future: concurrent.futures.Future[T]) -> T:
    while True:
        try:
            return future.result(timeout=INTERRUPT_SLICE_S)
        except concurrent.futures.TimeoutError:
            if future.done():
                return future.result()


def is_on_io_thread() -> bool:
    """Return whether the caller runs on the I/O loop."""
    try:
        return asyncio.get_running_loop() is _loop
    except RuntimeError:
        return False


def register_child_reset(reset: Callable[[], object]) -> None:
    """Call `reset` in each forked child; what it returns is never freed there."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: _keep_forever(reset()))


def _keep_forever(inherited: object) -> None:
    """Keep an object until the process is gone, even during interpreter shutdown.

    Connections and loops clean up when they are freed, and a child's copies share their sockets and selector
    with the parent, which would then wait forever on unwatched sockets.
    """
    import ctypes  # noqa: PLC0415 - only a forked child needs it

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


def _reset_in_child() -> object:
    """Drop the parent's loop: a forked child starts its own."""
    global _lock, _loop
    inherited = _loop
    _lock, _loop = threading.Lock(), None
    return inherited


register_child_reset(_reset_in_child)
