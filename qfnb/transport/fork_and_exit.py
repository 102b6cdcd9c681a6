"""The two events of a process that its connections must live through: a fork, and the end of Python."""

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

from .._language import tr, tr_noop
from ..errors import InternalError

T = TypeVar("T")


FORKED: Final = tr_noop("this call belongs to the process that forked this one; call again here")

_expected: weakref.WeakSet[asyncio.Future[Any]] = weakref.WeakSet()


def expected(future: asyncio.Future[T]) -> asyncio.Future[T]:
    """Return a future that the I/O thread completes; in a forked child it raises instead of waiting for ever."""
    _expected.add(future)
    return future


def register_child_reset(reset: Callable[[], object]) -> None:
    """Call `reset` in each forked child; what it returns is never freed there."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=lambda: keep_forever(reset()))


def keep_forever(value: object) -> None:
    """Keep an object until the process is gone, even during interpreter shutdown.

    Connections and loops clean up when they are freed. A forked child's copies share their sockets and selector with
    the parent, which would then wait forever on unwatched sockets; at the end of Python there is no loop to do it.
    """
    import ctypes  # noqa: PLC0415 - with the first request, or in a forked child

    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


def is_python_ending() -> bool:
    """Return whether only handlers of `atexit` still run: threads cannot be started then, nor pools of them used."""
    return not threading.main_thread().is_alive()


@contextlib.contextmanager
def exit_explained() -> Iterator[None]:
    """Say in words what a call in a handler of `atexit` cannot do: start a thread, or look up a host in one."""
    try:
        yield
    except RuntimeError as error:
        if "shutdown" not in str(error):
            raise
        raise InternalError(
            tr(
                "Python is ending, and this call needs a thread ({error}): call before the end of the script",
                error=error,
            )
        ) from None


def _fail_in_child() -> None:
    for future in _expected:
        if not future.done():
            future.set_exception(InternalError(tr(FORKED)))


register_child_reset(_fail_in_child)
