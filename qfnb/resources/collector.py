"""Let Python's cycle collector look less often while many requests are in flight.

Each look walks through whatever was made lately, and with a thousand requests under way all of that is alive:
a sixth of the CPU went into finding nothing. What is garbage is freed all the same, only a little later.
"""

from __future__ import annotations

import gc
import threading
from typing import Final, Self

EACH: Final = 200
"""Containers that a request in flight may have made; after so many new ones the collector looks."""

_lock = threading.Lock()
_open: list[InFlight] = []
_before: tuple[int, int, int] | None = None
_ours = 0


class InFlight:
    """Collect less often inside the block, where so many requests are in flight.

    Blocks may overlap; a setting that the user makes before or meanwhile stays.
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def __enter__(self) -> Self:
        with _lock:
            _open.append(self)
            _set()
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _open.remove(self)
            _set()

    def resize(self, size: int) -> None:
        """Expect so many requests from now on."""
        with _lock:
            self.size = size
            if self in _open:
                _set()


def _set() -> None:
    """Set what the open blocks need, or in the end what there was before the first of them."""
    global _before, _ours
    now = gc.get_threshold()
    if _before is None:
        _before, _ours = now, now[0]
    if now[0] == _ours and _ours:  # neither somebody else's setting by now, nor switched off
        wanted = max((block.size for block in _open), default=0) * EACH
        _ours = max(wanted, _before[0])
        gc.set_threshold(_ours, *now[1:])
    if not _open:
        _before = None
