"""Cells that leave the kernel free while they wait: `%%qfchat` becomes `await ...`, so Stop buttons work.

The work itself always runs on the I/O loop; a cell only waits for it, with or without blocking the kernel.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import re
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from ..transport import portal

T = TypeVar("T")
R = TypeVar("R")

FLAG = "--await"
"""The option by which a transformed cell tells its magic to return something to await."""

PATIENCE = 0.8
"""Seconds that interrupted work may take to put its output in order."""

_CELL = re.compile(r"get_ipython\(\)\.run_cell_magic\('(qfchat|qfimage)', (['\"])")
_WAIT = re.compile(
    r"get_ipython\(\)\.run_line_magic\("
    r"('(?:qftrain|qfbatch)', ['\"]wait|'qfeval', ['\"](?:wait|only|rescore))(?=[ '\"])"
)


class Interrupted(KeyboardInterrupt):
    """The kernel was interrupted in a magic; shown as one line, and Run All stops."""

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {self}"]


class Job(Generic[T]):
    """Work on the I/O loop that can be stopped from anywhere; stopped work ends with None."""

    def __init__(self) -> None:
        self._task: asyncio.Task[T] | None = None
        self._stopped = False

    def start(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T | None]:
        """Start the work; what it shows belongs to the cell that started it."""
        return portal.submit(self._run(work))

    def stop(self) -> None:
        """Cancel the work; it puts its output in order and ends."""
        self._stopped = True
        if self._task is not None:
            portal.loop().call_soon_threadsafe(self._task.cancel)

    async def _run(self, work: Coroutine[Any, Any, T]) -> T | None:
        self._task = asyncio.ensure_future(work)
        if self._stopped:
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            return await self._task
        return None


def finish(
    work: Coroutine[Any, Any, T], job: Job[T], end: Callable[[bool], R], message: str, *, awaited: bool
) -> Any:
    """Do work, then `end` it in the cell's own thread; for an awaited cell return something to await.

    Args:
        work: what to do.
        job: by which a button can stop it.
        end: shows the end and returns the result; it is told whether the kernel was interrupted.
        message: what an interrupt says, on one line.
        awaited: do not block.

    Raises:
        Interrupted: the kernel was interrupted.
    """
    future = job.start(work)
    wait = _awaiting if awaited else _blocking
    return wait(future, job, end, message)


def transform(lines: list[str]) -> list[str]:
    """Make a cell of ours an awaited one (an IPython input transformer)."""
    if not any(_CELL.match(line) or _WAIT.search(line) for line in lines):
        return lines
    if _inside_another_magic() or not _can_await():
        return lines
    if "run_cell_magic(" in lines[0]:  # the cell below it is text
        return [_CELL.sub(rf"await get_ipython().run_cell_magic('\1', \2{FLAG} ", lines[0]), *lines[1:]]
    return [_WAIT.sub(rf"await get_ipython().run_line_magic(\1 {FLAG}", line) for line in lines]


def _blocking(
    future: concurrent.futures.Future[Any], job: Job[Any], end: Callable[[bool], R], message: str
) -> R:
    try:
        while not future.done():
            concurrent.futures.wait([future], timeout=portal.INTERRUPT_SLICE_S)
    except KeyboardInterrupt:
        _give_up(future, job, end)
        raise Interrupted(message) from None
    future.result()
    return end(False)


async def _awaiting(
    future: concurrent.futures.Future[Any], job: Job[Any], end: Callable[[bool], R], message: str
) -> R:
    waiting = asyncio.wrap_future(future)
    try:
        while not waiting.done():  # ipykernel delivers an interrupt only when its loop wakes up
            await asyncio.wait({waiting}, timeout=portal.INTERRUPT_SLICE_S)
    except (KeyboardInterrupt, asyncio.CancelledError):
        _give_up(future, job, end)
        raise Interrupted(message) from None
    future.result()
    return end(False)


def _give_up(future: concurrent.futures.Future[Any], job: Job[Any], end: Callable[[bool], Any]) -> None:
    job.stop()
    concurrent.futures.wait([future], timeout=PATIENCE)
    end(True)


def _can_await() -> bool:
    from IPython import get_ipython  # noqa: PLC0415 - only under IPython

    shell: Any = get_ipython()
    return shell is not None and bool(getattr(shell, "autoawait", False))


def _inside_another_magic() -> bool:
    """Tell whether another magic (`%%time`) reads the cell: it compiles without `await`."""
    frame: Any = sys._getframe()  # noqa: SLF001 - IPython does not say who asks
    while frame is not None:
        if "IPython" in frame.f_code.co_filename and "magics" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False
