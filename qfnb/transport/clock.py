"""The library's clock, which tests (users' tests too) can speed up so that nothing sleeps.

with qfnb.testing():
    trainer.run()          # polls as often as it likes, without waiting
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_scale = 1.0
_virtual_start = 0.0
_real_start = 0.0
_skipped_s = 0.0


@contextmanager
def testing(scale: float = 0.0) -> Iterator[None]:
    """Multiply every wait of the library by `scale` (0: no waiting) inside the block."""
    previous_scale = _scale
    _set_scale(scale)
    try:
        yield
    finally:
        _set_scale(previous_scale)


def now() -> float:
    """Return seconds on a clock that counts shortened waits in full; only differences mean
    anything.
    """
    return _virtual_start + _skipped_s + (time.monotonic() - _real_start) / (_scale or 1.0)


def wall_time() -> float:
    """Return seconds since 1970, which all processes of a computer agree on."""
    return time.time()


def is_scaled() -> bool:
    """Return whether `testing` changes the length of waits."""
    return _scale != 1.0


async def sleep(seconds: float) -> None:
    """Sleep on the I/O loop."""
    global _skipped_s
    if not _scale:
        _skipped_s += seconds
    await asyncio.sleep(seconds * _scale)


def wait(seconds: float, event: threading.Event) -> bool:
    """Wait on a worker thread for an event; return whether it was set in time."""
    return event.wait(max(seconds * _scale, 0.002))


def _set_scale(scale: float) -> None:
    """Change the scale from now on; the clock never jumps back."""
    global _virtual_start, _real_start, _scale, _skipped_s
    _virtual_start = now()
    _real_start = time.monotonic()
    _skipped_s = 0.0
    _scale = scale


@contextmanager
def paused(timeout: asyncio.Timeout | None) -> Iterator[None]:
    """Stop the clock of an `asyncio.timeout` in a block of code."""
    if timeout is None or timeout.when() is None:
        yield
        return
    seconds = remaining_s(timeout)
    timeout.reschedule(None)
    yield
    timeout.reschedule(asyncio.get_running_loop().time() + seconds)


def remaining_s(timeout: asyncio.Timeout | None) -> float:
    """Return the seconds until an `asyncio.timeout` ends, infinite without one."""
    ends_at = timeout.when() if timeout else None
    if ends_at is None:
        return math.inf
    return ends_at - asyncio.get_running_loop().time()
