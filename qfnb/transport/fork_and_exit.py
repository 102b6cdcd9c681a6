"""The two events of a process that its connections must live through: a fork, and the end of
Python.
"""

import asyncio
import concurrent.futures.thread  # noqa: F401 - its handler of a fork takes a lock: registered earlier, it is called later
import contextlib
import importlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from ..base.language import tr, tr_noop
from ..errors import InternalError

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
