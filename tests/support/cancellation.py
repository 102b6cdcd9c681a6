"""Cancels and interrupts a call at every scheduling point of a loop, and counts what is left
afterwards.

A point is the moment before a loop runs its n-th callback. The I/O loop is held there until the
caller has reacted, so that the point is the same in every run; the server acts in the same thread
(see `lockstep_server`).
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import itertools
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from qfnb.transport import event_loop, http, shared_rate_limiter
from support.lockstep_server import LockstepServer, in_lockstep

T = TypeVar("T")


def _open_files() -> set[str]:
    """Return the paths of open files; none where the system does not list them."""
    paths = []
    for descriptor in Path("/proc/self/fd").iterdir() if sys.platform == "linux" else ():
        with contextlib.suppress(OSError):  # that of this listing
            paths.append(str(descriptor.readlink()))
    return {
        path for path in paths if path.startswith("/") and not path.startswith(("/dev", "/proc"))
    }


SETTLING_S = 60.0
"""Seconds that the I/O loop may take to close what a cancelled call had opened."""

REACTION_S = 1.0
"""Seconds for which the I/O loop is held; a caller that does not react (it has ended) is not waited
for.
"""


class _ReadyQueue(deque[Any]):
    """The callbacks that a loop is about to run; `before_each` is called before every one of
    them.
    """

    before_each: Callable[[], None]

    def popleft(self) -> Any:
        handle = super().popleft()
        self.before_each()
        return handle


@contextlib.contextmanager
def counted(before_each: Callable[[], None]) -> Iterator[None]:
    """Call a function before each callback of the I/O loop."""
    internals: Any = event_loop.loop()

    def set_queue(kind: type[deque[Any]]) -> None:
        ready = kind(internals._ready)
        if isinstance(ready, _ReadyQueue):
            ready.before_each = before_each
        internals._ready = ready

    call_on_io_loop(set_queue, _ReadyQueue)
    yield
    call_on_io_loop(set_queue, deque)


def call_on_io_loop(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function on the I/O thread, and return its result."""

    async def work() -> Any:
        return function(*arguments)

    return event_loop.submit(work()).result(180)


@dataclass
class Laboratory:
    """The I/O loop under observation, beside a server in lockstep with it.

    Attributes:
        server: answers all calls.
        freezes: whether an attack silences the server, so that nothing ends because its answer
            ends.
        errors: what the I/O loop reported to its exception handler.
    """

    server: LockstepServer
    freezes: bool = True
    errors: list[Any] = field(default_factory=list)
    _tasks_before: set[Any] = field(default_factory=set)
    _files_before: set[str] = field(default_factory=_open_files)
    _countdown: int = -1
    _attack: Callable[[], None] | None = None
    _reacted: threading.Event = field(default_factory=threading.Event)

    @property
    def was_attacked(self) -> bool:
        """Whether the point was reached."""
        return self._attack is None

    def arm(self, point: int, attack: Callable[[], None]) -> None:
        """Attack before the I/O loop's callback of this number, counted from now."""
        self._reacted.clear()
        self._countdown = point
        self._attack = attack

    def disarm(self) -> bool:
        """Attack no more; return whether it has been done."""
        self._reacted.set()
        was_attacked = self.was_attacked
        self._attack = None
        self._countdown = -1
        return was_attacked

    def before_each(self) -> None:
        """Count one callback of the I/O loop."""
        if self._attack is None:
            return
        self._countdown -= 1
        if self._countdown < 0:
            attack = self._attack
            self._attack = None
            self.silence()
            attack()
            self._reacted.wait(REACTION_S)

    def silence(self) -> None:
        """Let the server send nothing more, unless it is needed to end a call."""
        if self.freezes:
            self.server.freeze()

    def settle(self, *, hang_up: bool) -> None:
        """Wait until the I/O loop has closed all; fails when something is left.

        Args:
            hang_up: whether the idle connections are closed then, so that the next call opens one.
        """
        self._wait_for_end()
        call_on_io_loop(self.server.thaw)
        if hang_up:
            call_on_io_loop(self.server.close_connections)
            self._wait_for_end()
        assert not self.errors, self.errors

    def _wait_for_end(self) -> None:
        deadline = time.monotonic() + SETTLING_S
        while remains := call_on_io_loop(self._remains):
            assert time.monotonic() < deadline, remains

    def _tasks(self) -> set[Any]:
        return asyncio.all_tasks(event_loop.loop()) - {asyncio.current_task()}

    def _remains(self) -> dict[str, Any]:
        """Return tasks, connections that are neither idle in the pool nor closed, and calls that a
        limiter counts.
        """
        connectors = [
            session.connector
            for transport in http._transports.values()
            for session in (transport._session, transport._fresh_session)  # type: ignore[attr-defined]
        ]
        in_use = [connection for connector in connectors for connection in connector._acquired]
        queues = [
            (key, queue) for connector in connectors for key, queue in connector._conns.items()
        ]
        pooled = (
            each for key, queue in queues if key.port == self.server.port for each, _ in queue
        )
        idle = sum(connection.is_connected() for connection in pooled)
        remains = {"tasks": self._tasks() - self._tasks_before, "connections": in_use}
        remains["calls"] = [
            limiter for limiter in shared_rate_limiter._limiters.values() if limiter.in_flight
        ]
        remains["files"] = _open_files() - self._files_before
        if len(self.server.connections) != idle:
            remains["server"] = (
                f"{len(self.server.connections)} connections at the server, {idle} idle here"
            )
        return {name: values for name, values in remains.items() if values}

    def _react_on_post(self, loop: Any) -> None:
        """Count a caller's message to the I/O loop as its reaction."""
        post = type(loop).call_soon_threadsafe

        def call_soon_threadsafe(*arguments: Any, **options: Any) -> Any:
            handle = post(loop, *arguments, **options)
            if self._attack is None and threading.current_thread().name != "qfnb-io":
                self._reacted.set()
            return handle

        loop.call_soon_threadsafe = call_soon_threadsafe


@contextlib.contextmanager
def observe_io_loop(server: LockstepServer) -> Iterator[Laboratory]:
    """Run a server in lockstep with the I/O loop, and count its callbacks; in the end, threads and
    futures are counted.
    """
    loop: Any = event_loop.loop()
    laboratory = Laboratory(server)
    threads = set(_threads())
    futures = set(map(id, _pending_futures()))
    laboratory._tasks_before = call_on_io_loop(laboratory._tasks)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)  # two threads hand over to each other at every point
    with in_lockstep(loop, server, call_on_io_loop), counted(laboratory.before_each):
        laboratory._react_on_post(loop)
        call_on_io_loop(
            loop.set_exception_handler, lambda _loop, context: laboratory.errors.append(context)
        )
        try:
            yield laboratory
        finally:
            del loop.call_soon_threadsafe
            call_on_io_loop(loop.set_exception_handler, None)
            sys.setswitchinterval(interval)
    server.close()
    assert [thread for thread in _threads() if thread not in threads] == []
    assert [future for future in _pending_futures() if id(future) not in futures] == []


def _threads() -> list[threading.Thread]:
    """Return the threads; those of an executor stay for the next call."""
    return [thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")]


def _pending_futures() -> list[Any]:
    gc.collect()
    kinds = (asyncio.Future, concurrent.futures.Future)
    return [each for each in gc.get_objects() if isinstance(each, kinds) and not each.done()]


def cancel_everywhere(
    laboratory: Laboratory, call: Callable[[], Coroutine[Any, Any, Any]], stride: int = 1
) -> int:
    """Cancel a coroutine of a user's loop at each point of the I/O loop; return the number of
    points.

    Args:
        laboratory: the I/O loop under observation.
        call: returns the coroutine; the one after the last point runs to its end.
        stride: 2 takes every second point, and so on; with 1, also on connections that are open.
    """
    n_points = 0
    with asyncio.Runner() as runner:
        for hang_up in (True, False) if stride == 1 else (True,):
            for point in itertools.count(0, stride):
                was_attacked = runner.run(_then_alone(_cancel_once(laboratory, call, point)))
                laboratory.settle(hang_up=hang_up)
                if not was_attacked:
                    break
                n_points += 1
                if not hang_up:  # the next one uses an idle connection
                    runner.run(_then_alone(call()))
                    laboratory.settle(hang_up=False)
    return n_points


async def _then_alone(work: Coroutine[Any, Any, T]) -> T:
    """Return a result when no task is left on this loop; one that closes an iterator may be under
    way.
    """
    result = await work
    deadline = time.monotonic() + SETTLING_S
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        assert time.monotonic() < deadline, tasks
        await asyncio.sleep(0)
    return result


async def _cancel_once(
    laboratory: Laboratory, call: Callable[[], Coroutine[Any, Any, Any]], point: int
) -> bool:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(call())
    laboratory.arm(point, lambda: loop.call_soon_threadsafe(task.cancel))
    await asyncio.wait({task})
    was_attacked = laboratory.disarm()
    if not task.cancelled():
        task.result()
    else:
        assert was_attacked, "it was cancelled by something else"
    return was_attacked


def interrupt_everywhere(laboratory: Laboratory, call: Callable[[], Any], stride: int = 1) -> int:
    """Press Ctrl+C in the main thread, which blocks in a call, at each point of the I/O loop;
    return their number.

    Args:
        laboratory: the I/O loop under observation.
        call: the call; the one after the last point runs to its end.
        stride: 2 takes every second point, and so on.
    """
    for n_points, point in enumerate(itertools.count(0, stride)):
        was_attacked = _interrupt_once(laboratory, call, point)
        laboratory.settle(hang_up=True)
        if not was_attacked:
            return n_points
    raise AssertionError("unreachable: the points are counted without end")


def _interrupt_once(laboratory: Laboratory, call: Callable[[], Any], point: int) -> bool:
    main = threading.main_thread().ident
    is_calling = True
    assert main == threading.get_ident()

    def interrupt(*_: Any) -> None:
        if is_calling:
            raise KeyboardInterrupt

    previous = signal.signal(signal.SIGINT, interrupt)
    gc.disable()  # an interrupt within a callback of the collector is reported and lost
    try:
        laboratory.arm(point, lambda: signal.pthread_kill(main, signal.SIGINT))
        call()
        is_calling = False
    except KeyboardInterrupt:
        is_calling = False
    finally:
        gc.enable()
    was_attacked = laboratory.disarm()
    signal.signal(signal.SIGINT, previous)
    return was_attacked
