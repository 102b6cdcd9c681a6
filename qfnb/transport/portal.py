"""One event loop, in one daemon thread, for all network I/O.

A notebook already runs a loop in its main thread, so a blocking call cannot start another there, and an
HTTP client may not be shared between loops. Every request therefore runs on this loop: blocking callers
wait for it, async callers await it. Interrupting either one cancels the request and closes its socket.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, Final, TypeVar

from .mailbox import SLICE as SLICE
from .mailbox import Awake, Mailbox

T = TypeVar("T")

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
        RuntimeError: called on the I/O thread itself, where waiting would wait for ever.
    """
    if on_io_thread():
        coro.close()
        raise RuntimeError("a blocking qfnb call was made on qfnb's own I/O thread; await the async form")
    future = submit(coro)
    try:
        return _wait(future)
    except BaseException:
        future.cancel()
        raise


async def hop(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from async code, whatever loop the caller is on."""
    if on_io_thread():
        return await coro
    waiting = asyncio.wrap_future(submit(coro))
    try:
        with Awake.here():
            return await waiting
    finally:
        waiting.cancel()


def drain(items: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """Iterate from blocking code over an async iterator that lives on the I/O loop.

    The iterator runs ahead of a slow consumer; leaving the iteration closes it.
    """
    arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
    pumping = run(_started(_pump(items, arrived)))
    try:
        while (item := _taken(arrived)) is not _END:
            yield item
        run(_joined(pumping))
    finally:
        run(_ended(pumping, items))


async def hop_each(items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Iterate from async code over an async iterator that lives on the I/O loop.

    The iterator runs ahead of a slow consumer; leaving the iteration closes it.
    """
    if on_io_thread():
        async with contextlib.aclosing(items):
            async for item in items:
                yield item
        return
    arrived = Mailbox()
    pumping = await hop(_started(_pump(items, arrived)))
    try:
        with Awake.here():
            while (item := await arrived.get()) is not _END:
                yield item
        await hop(_joined(pumping))
    finally:
        await hop(_ended(pumping, items))


async def _pump(items: AsyncGenerator[T, None], arrived: queue.SimpleQueue[Any] | Mailbox) -> None:
    try:
        async for item in items:
            arrived.put(item)
    finally:
        arrived.put(_END)


async def _started(work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    return asyncio.ensure_future(work)


async def _joined(task: asyncio.Task[T]) -> T:
    return await task


async def _ended(task: asyncio.Task[Any], items: AsyncGenerator[Any, None]) -> None:
    """Close an iterator that a task may be in the middle of."""
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled():
        task.exception()  # it was raised already, or nobody is left to hear of it
    await items.aclose()


def _taken(arrived: queue.SimpleQueue[Any]) -> Any:
    while True:
        try:
            return arrived.get(timeout=SLICE)
        except queue.Empty:
            continue


def _wait(future: concurrent.futures.Future[T]) -> T:
    while True:
        try:
            return future.result(timeout=SLICE)
        except concurrent.futures.TimeoutError:
            if future.done():
                return future.result()


def on_io_thread() -> bool:
    """Tell whether the caller runs on the I/O loop."""
    try:
        return asyncio.get_running_loop() is _loop
    except RuntimeError:
        return False


def in_child(forget: Callable[[], object]) -> None:
    """Call `forget` in each forked child; what it returns is kept there for ever, untouched."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: _immortalise(forget()))


def _immortalise(inherited: object) -> None:
    """Keep an object until the process is gone, even while the interpreter ends.

    Connections and loops clean up after themselves, and the child's copies share sockets and the list of
    watched sockets with the parent: the parent would wait for ever for what is not watched any more.
    """
    import ctypes  # noqa: PLC0415 - only a forked child needs it

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


def _forget() -> object:
    """Leave the parent's loop to the parent: a forked child starts its own."""
    global _lock, _loop
    inherited = _loop
    _lock, _loop = threading.Lock(), None
    return inherited


in_child(_forget)
