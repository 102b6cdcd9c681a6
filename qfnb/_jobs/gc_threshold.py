"""Let Python's cycle collector look less often while many requests are in flight.

Each look walks through whatever was made lately, and with a thousand requests under way all of that is alive:
a sixth of the CPU went into finding nothing. What is garbage is freed all the same, only a little later.
"""

from __future__ import annotations

import gc
import threading
from typing import Final, Self

OBJECTS_PER_REQUEST: Final = 200
"""Containers that a request in flight may have made; after so many new ones the collector looks."""

_lock = threading.Lock()
_open_blocks: list[RelaxedGC] = []
_user_threshold: tuple[int, int, int] | None = None
_our_threshold = 0


class RelaxedGC:
    """Collect less often inside the block, where so many requests are in flight.

    Blocks may overlap; a setting that the user makes before or meanwhile stays.
    """

    def __init__(self, requests_in_flight: int) -> None:
        self.requests_in_flight = requests_in_flight

    def __enter__(self) -> Self:
        with _lock:
            _open_blocks.append(self)
            _apply_threshold()
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _open_blocks.remove(self)
            _apply_threshold()

    def resize(self, requests_in_flight: int) -> None:
        """Expect so many requests from now on."""
        with _lock:
            self.requests_in_flight = requests_in_flight
            if self in _open_blocks:
                _apply_threshold()


def _apply_threshold() -> None:
    """Set what the open blocks need, or in the end what there was before the first of them."""
    global _user_threshold, _our_threshold
    current = gc.get_threshold()
    if _user_threshold is None:
        _user_threshold, _our_threshold = current, current[0]
    if (
        current[0] == _our_threshold and _our_threshold
    ):  # neither somebody else's setting by now, nor switched off
        needed = max((block.requests_in_flight for block in _open_blocks), default=0) * OBJECTS_PER_REQUEST
        _our_threshold = max(needed, _user_threshold[0])
        gc.set_threshold(_our_threshold, *current[1:])
    if not _open_blocks:
        _user_threshold = None
