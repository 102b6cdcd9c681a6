"""Time as the library sees it, so that tests (users' tests too) never sleep.

with qfnb.testing():
    trainer.run()          # polls as often as it likes, without waiting
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_scale = 1.0


@contextmanager
def testing(scale: float = 0.0) -> Iterator[None]:
    """Multiply every wait of the library by `scale` (0: none at all) inside the block."""
    global _scale
    before, _scale = _scale, scale
    try:
        yield
    finally:
        _scale = before


async def sleep(seconds: float) -> None:
    """Sleep on the I/O loop."""
    await asyncio.sleep(seconds * _scale)


def pause(seconds: float, until: threading.Event) -> bool:
    """Sleep on a worker thread until the time is over or the event is set; tell whether it is set."""
    return until.wait(max(seconds * _scale, 0.002))
