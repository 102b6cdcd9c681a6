"""The I/O loop: one event loop in one daemon thread, for all network I/O (compare AnyIO's
BlockingPortal); and how it lives through interrupts, forks and the end of Python.

A notebook already runs a loop in its main thread, so a blocking call cannot start another one
there, and an HTTP client cannot be shared between loops. Every request therefore runs on this loop:
blocking callers wait for it, async callers await it. Interrupting either cancels the request and
closes its socket.

The locks of Python's Condition, Event and Future are taken in a Python function,
`Condition.__enter__`. A `KeyboardInterrupt` between the acquisition and the return of that function
leaves the lock taken for ever, and the I/O loop, which needs it to deliver a result, waits for ever
too. `with` on the lock itself is not interrupted there (bpo-29988): those here are such locks.
"""

import _thread
import asyncio
import concurrent.futures
import concurrent.futures.thread  # its handler of a fork takes a lock: registered earlier
import contextlib
import functools
import importlib
import inspect
import os
import queue
import sys
import threading
import time
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from typing import Any, Final, ParamSpec, TypeVar

from ..base.language import tr, tr_noop
from ..errors import InternalError

P = ParamSpec("P")
T = TypeVar("T")

MAX_FORK_DELAY_S: Final = 10.0
"""Seconds that a fork waits at most for each hold: longer than SQLite waits for the lock of a
database.
"""

_IMPORT_CHECK_S: Final = 0.001

_THREAD_NAMES: Final = "qfnb-", "asyncio_"
"""How the names of threads begin that run qfnb's work; an import of the user's own threads may last
for ever.
"""

FORKED: Final = tr_noop("this call belongs to the process that forked this one; call again here")

_expected: weakref.WeakSet[asyncio.Future[Any]] = weakref.WeakSet()


def expected(future: asyncio.Future[T]) -> asyncio.Future[T]:
    """Return a future that the I/O thread completes; in a forked child it raises instead of waiting
    for ever.
    """
    _expected.add(future)
    return future


def register_child_reset(reset: Callable[[], object]) -> None:
    """Call `reset` in each forked child; what it returns is never freed there."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: keep_forever(reset()))


_holds: list[Callable[[], contextlib.AbstractContextManager[object]]] = []
_fork = threading.local()


def register_fork_hold(hold: Callable[[], contextlib.AbstractContextManager[object]]) -> None:
    """Enter `hold()` before each fork, the earliest registered first, and leave it in the parent
    afterwards.
    """
    _holds.append(hold)


def _begin_fork() -> None:
    _fork.held = contextlib.ExitStack()
    for hold in _holds:
        _fork.held.enter_context(hold())
    _wait_for_imports()


def _end_fork() -> None:
    _fork.held.close()


def _drop_holds() -> object:
    """Leave no hold in the child: the locks inside may belong to threads that it has not."""
    return vars(_fork).pop("held", None)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_begin_fork, after_in_parent=_end_fork)
register_child_reset(_drop_holds)


def _wait_for_imports() -> None:
    """Wait until no thread of qfnb imports a module: a child would inherit it half loaded, and its
    lock for ever.
    """
    deadline = time.monotonic() + MAX_FORK_DELAY_S
    while _is_importing() and time.monotonic() < deadline:
        time.sleep(_IMPORT_CHECK_S)


def _is_importing() -> bool:
    references: dict[str, Any] = getattr(importlib, "_bootstrap")._module_locks  # noqa: B009, SLF001 - nothing public tells
    owners = {getattr(reference(), "owner", None) for reference in list(references.values())}
    owners.discard(threading.get_ident())
    return any(
        thread.ident in owners and thread.name.startswith(_THREAD_NAMES)
        for thread in threading.enumerate()
    )


def keep_forever(value: object) -> None:
    """Keep an object until the process is gone, even during interpreter shutdown.

    Connections and loops clean up when they are freed. A forked child's copies share their sockets
    and selector with the parent, which would then wait forever on unwatched sockets; at the end of
    Python there is no loop to do it.
    """
    import ctypes  # noqa: PLC0415 - with the first request, or in a forked child

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


def is_python_ending() -> bool:
    """Return whether only handlers of `atexit` still run: threads cannot be started then, nor pools
    of them used.
    """
    return not threading.main_thread().is_alive()


@contextlib.contextmanager
def exit_explained() -> Iterator[None]:
    """Say in words what a call in a handler of `atexit` cannot do: start a thread, or look up a
    host in one.
    """
    try:
        yield
    except RuntimeError as error:
        if "shutdown" not in str(error):
            raise
        raise InternalError(
            tr(
                "Python is ending, and this call needs a thread ({error}): call before the end of "
                "the script",
                error=error,
            )
        ) from None


def _fail_in_child() -> None:
    for future in _expected:
        if not future.done():
            future.set_exception(InternalError(tr(FORKED)))


register_child_reset(_fail_in_child)


class Condition(_thread.RLock):  # type: ignore[misc] # final for type checkers only
    """A `threading.Condition` that is its own lock."""

    def __init__(self) -> None:
        self._waiters: deque[_thread.LockType] = deque()

    def wait(self, timeout: float | None = None) -> bool:
        """Release the lock, wait for a notification, take the lock again; return whether there was
        one.

        Args:
            timeout: seconds; None to wait for ever.
        """
        waiter = _thread.allocate_lock()
        waiter.acquire()
        self._waiters.append(waiter)
        state = self._release_save()  # type: ignore[attr-defined]
        try:
            return waiter.acquire(timeout=-1 if timeout is None else timeout)
        finally:
            self._acquire_restore(state)  # type: ignore[attr-defined]
            with contextlib.suppress(ValueError):  # it was notified
                self._waiters.remove(waiter)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until a predicate is true, and return its value; the last one after `timeout`
        seconds.
        """
        return threading.Condition.wait_for(self, predicate, timeout)  # type: ignore[arg-type]

    def notify_all(self) -> None:
        """Wake all that wait."""
        while self._waiters:
            self._waiters.popleft().release()


class InterruptSafeEvent(threading.Event):
    """An event that may be waited for and set from an interrupted thread."""

    def __init__(self) -> None:
        super().__init__()
        self._cond = Condition()


class Future(concurrent.futures.Future[T]):
    """A future that may be waited for and cancelled from an interrupted thread."""

    def __init__(self) -> None:
        super().__init__()
        self._condition = Condition()  # type: ignore[assignment]

    def wait(self, timeout_s: float) -> bool:
        """Wait at most some seconds; return whether the future is done.

        `concurrent.futures.wait` takes the lock in a Python function, too.
        """
        with contextlib.suppress(
            concurrent.futures.TimeoutError, concurrent.futures.CancelledError
        ):
            self.exception(timeout_s)
        return self.done()


INTERRUPT_SLICE_S: Final = 0.1
"""Seconds between two checks of a waiting call: a kernel interrupt takes effect within this
time.
"""

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_END: Final[Any] = object()


def loop() -> asyncio.AbstractEventLoop:
    """Return the I/O loop, starting its thread on first use.

    Raises:
        InternalError: Python is ending, and starts no threads any more.
    """
    global _loop
    if _loop is not None:  # without the lock, which a fork holds
        return _loop
    with _lock, exit_explained():
        if _loop is None:
            new_loop = asyncio.new_event_loop()
            threading.Thread(target=new_loop.run_forever, name="qfnb-io", daemon=True).start()
            _loop = new_loop
        return _loop


def submit(coro: Coroutine[Any, Any, T], future: Future[T] | None = None) -> Future[T]:
    """Start a coroutine on the I/O loop; cancelling the future cancels the coroutine.

    Args:
        coro: the coroutine.
        future: for its result; a caller that creates it can cancel it even if an interrupt ends
            this function.
    """
    promise = future or Future[T]()
    try:
        io_loop = loop()
    except InternalError:
        coro.close()
        raise
    io_loop.call_soon_threadsafe(_start, coro, promise)
    return promise


def _start(coro: Coroutine[Any, Any, T], future: concurrent.futures.Future[T]) -> None:
    if future.cancelled():
        coro.close()
    else:  # as `asyncio.run_coroutine_threadsafe` does, which creates the future itself
        asyncio.futures._chain_future(asyncio.ensure_future(coro), future)  # type: ignore[attr-defined] # noqa: SLF001


def run(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from blocking code; Ctrl-C or the kernel's interrupt cancels it.

    Raises:
        RuntimeError: called on the I/O thread itself, where it would wait forever.
    """
    if is_on_io_thread():
        coro.close()
        raise RuntimeError(
            tr("a blocking qfnb call was made on qfnb's own I/O thread; await the async form")
        )
    future = Future[T]()
    try:
        with exit_explained():
            return _wait_interruptibly(submit(coro, future))
    except BaseException:
        future.cancel()
        raise


class LoopTicker:
    """Wakes the running loop every `INTERRUPT_SLICE_S` while a call waits inside this context
    manager.

    ipykernel delivers an interrupt only when its loop wakes up. All waiting calls of a loop share
    one timer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._n_waiting = 0

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
    """A queue from the I/O thread to one coroutine of the loop in which it is created."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._io_loop = loop()
        self._items: deque[Any] = deque()
        self._lock = threading.Lock()
        self._waiter: asyncio.Future[None] | None = None

    def put(self, item: Any) -> None:
        """Add an item."""
        with self._lock:
            self._items.append(item)
            waiter = self._waiter
            self._waiter = None
        if waiter is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: no coroutine waits
                self._loop.call_soon_threadsafe(_wake, waiter)

    async def get(self) -> Any:
        """Wait for the next item and return it.

        Raises:
            InternalError: this is a forked child, to which nobody sends items.
        """
        while not self._items:
            if self._io_loop is not _loop:
                raise InternalError(tr(FORKED))
            with self._lock:
                if self._items:
                    break
                waiter = self._waiter = expected(self._loop.create_future())
            await waiter
        return self._items.popleft()


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


async def run_async(coro: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the I/O loop from async code on any loop."""
    if is_on_io_thread():
        return await coro
    future = Future[T]()
    try:
        with exit_explained(), LoopTicker.for_running_loop():
            return await expected(asyncio.wrap_future(submit(coro, future)))
    finally:
        future.cancel()


def blocking(start: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Return the blocking form of a function that validates its arguments and returns a coroutine
    of the I/O loop.
    """

    @functools.wraps(start)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(start(*args, **kwargs))

    return call


def awaited(call: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return the awaited form of a function that `blocking` returned."""
    start: Any = inspect.unwrap(call)

    @functools.wraps(call)
    async def acall(*args: P.args, **kwargs: P.kwargs) -> T:
        result: T = await run_async(start(*args, **kwargs))
        return result

    acall.__doc__ = f"The awaited form of `{call.__name__}`."
    return acall


def iterate(items: AsyncGenerator[T, None]) -> Generator[T, None, None]:
    """Iterate from blocking code over an async iterator that lives on the I/O loop.

    The iterator runs ahead of a slow consumer; leaving the iteration closes it.

    Raises:
        InternalError: the iteration is continued in a forked child, which has no connections of its
            parent.
    """
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    forwarding = _Forwarding(items, inbox)
    try:
        forwarding.start()
        while (item := _get_interruptibly(inbox, forwarding)) is not _END:
            yield item
        run(forwarding.join())
    finally:
        if forwarding.has_loop:
            _wait_interruptibly(forwarding.close())


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
    forwarding = _Forwarding(items, inbox)
    try:
        forwarding.start()
        with LoopTicker.for_running_loop():
            while (item := await inbox.get()) is not _END:
                yield item
        await run_async(forwarding.join())
    finally:
        if forwarding.has_loop:
            # a second cancellation ends the wait, not the closing
            await asyncio.shield(asyncio.wrap_future(forwarding.close()))


class _Forwarding:
    """Reads an async iterator on the I/O loop into an inbox; may be started and closed at any
    moment.
    """

    def __init__(
        self, items: AsyncGenerator[Any, None], inbox: queue.SimpleQueue[Any] | CrossLoopQueue
    ) -> None:
        self._loop = loop()
        self._items = items
        self._inbox = inbox
        self._task: asyncio.Task[None] | None = None

    @property
    def has_loop(self) -> bool:
        """Whether the loop runs: it does not in a forked child, nor after Python has ended its
        daemon threads.
        """
        return self._loop is _loop and not sys.is_finalizing()

    def start(self) -> None:
        """Begin to read, without waiting."""
        self._loop.call_soon_threadsafe(self._start_task)

    def _start_task(self) -> None:
        self._task = self._loop.create_task(self._forward())

    async def _forward(self) -> None:
        try:
            async for item in self._items:
                self._inbox.put(item)
        finally:
            self._inbox.put(_END)

    async def join(self) -> None:
        """Raise what ended the iterator, if it was an error."""
        assert self._task is not None
        await self._task

    def close(self) -> Future[None]:
        """Begin to close the iterator; it goes on if nobody waits for the future."""
        return submit(self._close())

    async def _close(self) -> None:
        if self._task is not None:  # `start` was called before, so the loop has created it before
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                # marks it as retrieved: it was raised already, or the caller has left
                self._task.exception()
        await self._items.aclose()


def _get_interruptibly(inbox: queue.SimpleQueue[Any], forwarding: _Forwarding) -> Any:
    while True:
        try:
            return inbox.get(timeout=INTERRUPT_SLICE_S)
        except queue.Empty:
            if not forwarding.has_loop:
                raise InternalError(tr(FORKED)) from None


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


def _reset_in_child() -> object:
    """Drop the parent's loop: a forked child starts its own."""
    global _lock, _loop
    inherited = _loop
    _lock = threading.Lock()
    _loop = None
    return inherited


register_child_reset(_reset_in_child)


@contextlib.contextmanager
def _hold_loop() -> Iterator[None]:
    """Hold the I/O loop between two callbacks, where it imports nothing and has no lock."""
    with _lock:
        if _loop is None or is_on_io_thread() or sys.is_finalizing():
            yield
            return
        paused = _thread.allocate_lock()
        resumed = _thread.allocate_lock()
        paused.acquire()
        with resumed:
            _loop.call_soon_threadsafe(_pause, paused, resumed)
            paused.acquire(timeout=MAX_FORK_DELAY_S)
            yield


def _pause(paused: _thread.LockType, resumed: _thread.LockType) -> None:
    paused.release()
    with resumed:
        pass


register_fork_hold(_hold_loop)
