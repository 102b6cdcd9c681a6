"""A user's function in a thread of its own, which a time-out or an interrupt ends."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from ...transport import event_loop
from ...transport.interrupt_safe import Future


class ToolTimeout(Exception):
    """The function did not return in time."""


class ToolStopped(BaseException):
    """Raised inside of a function that is ended; no `except Exception` keeps it."""


async def call_in_thread(function: Callable[[], Any], timeout_s: float | None) -> Any:
    """Return what a function returns; it runs in a thread, and an async one on the caller's loop.

    On the I/O loop an async function gets a loop of its own: it may block, and all calls share that
    loop.

    Args:
        function: without arguments; sync or async.
        timeout_s: seconds after which it is ended; None for no limit.

    Raises:
        ToolTimeout: it did not return in time.
    """
    is_async = inspect.iscoroutinefunction(getattr(function, "func", function))
    if is_async and not event_loop.is_on_io_thread():
        return await _within(asyncio.ensure_future(function()), timeout_s)
    thread = ToolThread(function)
    try:
        return await _within(asyncio.wrap_future(thread.future), timeout_s)
    finally:
        if not thread.future.done():
            thread.stop()


async def _within(work: Awaitable[Any], timeout_s: float | None) -> Any:
    """Wait; a `TimeoutError` of the function itself is not the time-out's."""
    future = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({future}, timeout=timeout_s)
    except asyncio.CancelledError:
        future.cancel()
        raise
    if not done:
        future.cancel()
        raise ToolTimeout
    return future.result()


class ToolThread:
    """A function in a daemon thread, with the context of the caller, so that it prints into the
    caller's cell.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()  # from now on only its result ends it
        self._function = function
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), daemon=True, name="qfnb-tool"
        )
        self._thread.start()

    def stop(self) -> None:
        """End the function: at its next line, or where it awaits; a call into C ends first."""
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        else:
            ident = ctypes.c_ulong(self._thread.ident or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(ToolStopped))

    def _run(self) -> None:
        try:
            result = self._function()
            if inspect.isawaitable(result):
                result = asyncio.run(self._await(result))
        except Exception as error:  # noqa: BLE001 - it belongs to the one who waits
            self.future.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - sys.exit() would end the loop of the one who waits
            self.future.set_exception(RuntimeError(f"the function raised {type(error).__name__}"))
        else:
            self.future.set_result(result)

    async def _await(self, result: Awaitable[Any]) -> Any:
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        return await result
