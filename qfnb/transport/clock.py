"""Time as the library sees it, so that tests (users' tests too) never sleep.

with qfnb.testing():
    trainer.run()          # polls as often as it likes, without waiting
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_scale = 1.0
_began, _real = 0.0, 0.0
_skipped = 0.0


@contextmanager
def testing(scale: float = 0.0) -> Iterator[None]:
    """Multiply every wait of the library by `scale` (0: none at all) inside the block."""
    before = _scale
    _pace(scale)
    try:
        yield
    finally:
        _pace(before)


def now() -> float:
    """Return seconds of a clock on which shortened waits take their full time; only differences count."""
    return _began + _skipped + (time.monotonic() - _real) / (_scale or 1.0)


async def sleep(seconds: float) -> None:
    """Sleep on the I/O loop."""
    global _skipped
    if not _scale:
        _skipped += seconds
    await asyncio.sleep(seconds * _scale)


def pause(seconds: float, until: threading.Event) -> bool:
    """Sleep on a worker thread until the time is over or the event is set; tell whether it is set."""
    return until.wait(max(seconds * _scale, 0.002))


def _pace(scale: float) -> None:
    """Go on from the present moment at another pace, so that the clock never jumps back."""
    global _began, _real, _scale, _skipped
    _began, _real, _skipped = now(), time.monotonic(), 0.0
    _scale = scale
