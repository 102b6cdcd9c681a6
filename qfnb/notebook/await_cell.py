"""Cells that leave the kernel free while they wait: `%%qfchat` becomes `await ...`, so Stop buttons
work.

The work itself always runs on the I/O loop; a cell only waits for it, with or without blocking the
kernel.
"""

import asyncio
import contextlib
import re
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from ..transport import event_loop
from ..transport.event_loop import Future, InterruptSafeEvent

T = TypeVar("T")
R = TypeVar("R")

# the option that makes a magic return an awaitable; added by the input transformer
AWAIT_OPTION = "--await"
INTERRUPT_GRACE_S = 0.8  # seconds that interrupted work may take to finish its output
_CELL_MAGIC = re.compile(r"get_ipython\(\)\.run_cell_magic\('(qfchat|qfimage)', (['\"])")
_WAIT_MAGIC = re.compile(
    r"get_ipython\(\)\.run_line_magic\("
    r"('(?:qftrain|qfbatch)', ['\"]wait|'qfeval', ['\"](?:wait|only|rescore))(?=[ '\"])"
)
_EMPTY_BODY = re.compile(r", ''\)$", re.MULTILINE)


class Interrupted(KeyboardInterrupt):
    """The kernel was interrupted in a magic; shown as one line, and Run All stops."""

    def _render_traceback_(self) -> list[str]:
        return [f"KeyboardInterrupt: {self}"]


@dataclass
class CancellableTask(Generic[T]):
    """Work on the I/O loop that any thread can cancel; cancelled work returns None.

    Attributes:
        has_ended: set when the work is over.
    """

    has_ended: InterruptSafeEvent = field(default_factory=InterruptSafeEvent)
    _task: asyncio.Task[T] | None = None
    _is_cancelled: bool = False

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T | None]:
        """Start the work; its output goes to the cell that started it."""
        return event_loop.submit(self._run(work))

    def cancel(self) -> None:
        """Cancel the work; it finishes its output and ends."""
        self._is_cancelled = True
        if self._task is not None:
            event_loop.loop().call_soon_threadsafe(self._task.cancel)

    async def _run(self, work: Coroutine[Any, Any, T]) -> T | None:
        self._task = asyncio.ensure_future(work)
        if self._is_cancelled:
            self._task.cancel()
        try:
            with contextlib.suppress(asyncio.CancelledError):
                return await self._task
            return None
        finally:
            self.has_ended.set()


def run_in_cell(
    work: Coroutine[Any, Any, T],
    on_end: Callable[[bool], R],
    message: str,
    *,
    awaited: bool,
    task: CancellableTask[T] | None = None,
) -> Any:
    """Run work on the I/O loop, then `on_end` in the cell's own thread; an awaited cell gets an
    awaitable.

    Raises:
        Interrupted: the kernel was interrupted.
    """
    wait = _wait_async if awaited else _wait_blocking
    return wait(work, task or CancellableTask(), on_end, message)


def transform_cell(lines: list[str]) -> list[str]:
    """Make a cell with one of our magics await it, also without a body (an IPython input
    transformer).
    """
    if not any(_CELL_MAGIC.match(line) or _WAIT_MAGIC.search(line) for line in lines):
        return lines
    # IPython refuses a body of nothing before the magic can answer --help
    if "run_cell_magic(" in lines[0]:
        lines = [_EMPTY_BODY.sub(r", '\\n')", lines[0]), *lines[1:]]
    if _is_inside_another_magic() or not _can_await():
        return lines
    if "run_cell_magic(" in lines[0]:  # the cell below it is text
        call = rf"await get_ipython().run_cell_magic('\1', \2{AWAIT_OPTION} "
        return [_CELL_MAGIC.sub(call, lines[0]), *lines[1:]]
    call = rf"await get_ipython().run_line_magic(\1 {AWAIT_OPTION}"
    return [_WAIT_MAGIC.sub(call, line) for line in lines]


def _wait_blocking(
    work: Coroutine[Any, Any, Any],
    task: CancellableTask[Any],
    on_end: Callable[[bool], R],
    message: str,
) -> R:
    try:
        future = task.start(work)
        while not future.wait(event_loop.INTERRUPT_SLICE_S):
            pass
    except KeyboardInterrupt:
        _abandon(task, on_end)
        raise Interrupted(message) from None
    future.result()
    return on_end(False)


async def _wait_async(
    work: Coroutine[Any, Any, Any],
    task: CancellableTask[Any],
    on_end: Callable[[bool], R],
    message: str,
) -> R:
    try:
        future = task.start(work)
        waiting = asyncio.wrap_future(future)
        while not waiting.done():  # ipykernel delivers an interrupt only when its loop wakes up
            await asyncio.wait({waiting}, timeout=event_loop.INTERRUPT_SLICE_S)
    except (KeyboardInterrupt, asyncio.CancelledError):
        _abandon(task, on_end)
        raise Interrupted(message) from None
    future.result()
    return on_end(False)


def _abandon(task: CancellableTask[Any], on_end: Callable[[bool], Any]) -> None:
    with _ignore_interrupts():
        task.cancel()
        task.has_ended.wait(INTERRUPT_GRACE_S)
        on_end(True)


@contextlib.contextmanager
def _ignore_interrupts() -> Iterator[None]:
    """Ignore interrupts inside the block: a second one would leave the output live for ever."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGINT, lambda *_: None)  # children would inherit SIG_IGN
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler or signal.default_int_handler)


def _can_await() -> bool:
    from IPython import get_ipython  # noqa: PLC0415 - only under IPython

    shell: Any = get_ipython()
    return shell is not None and bool(getattr(shell, "autoawait", False))


def _is_inside_another_magic() -> bool:
    """Return whether another magic (`%%time`) runs the cell: it compiles without top-level
    `await`.
    """
    frame: Any = sys._getframe()  # noqa: SLF001 - IPython does not say who asks
    while frame is not None:
        if "IPython" in frame.f_code.co_filename and "magics" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False
