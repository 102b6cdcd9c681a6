"""The time that the sandbox's objects live in: as it is, faster, or moved on by hand.

It is kept in the store, so that a server that was started again goes on from where it was.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from .store import Store

ID = "clock"
LOOK = 0.05
"""Seconds after which a wait looks again whether it is to be given up."""


class Clock:
    """Seconds since the epoch, as the sandbox's objects see them.

    Attributes:
        speed: seconds that pass in a second; 1 is real time, 0 stands still until `advance`.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._moved = store, threading.Condition()
        kept = store.get("setting", ID) or store.add(
            "setting", ID, speed=1.0, shown=time.time(), real=time.time()
        )
        self.speed, self._shown, self._real = kept["speed"], kept["shown"], kept["real"]

    def now(self) -> float:
        """Return the time."""
        return float(self._shown + (time.time() - self._real) * self.speed)

    def set(self, speed: float | None = None, advance: float = 0.0) -> dict[str, Any]:
        """Change the speed, or move the time on by so many seconds; return what it is then."""
        with self._moved:
            self._shown, self._real = self.now() + advance, time.time()
            self.speed = self.speed if speed is None else speed
            self._store.update(ID, speed=self.speed, shown=self._shown, real=self._real)
            self._moved.notify_all()
        return {"now": self.now(), "speed": self.speed}

    def wait(self, moment: float, *given_up: threading.Event) -> bool:
        """Wait for a moment; False when one of the events came first."""
        with self._moved:
            while (left := moment - self.now()) > 0:
                if any(event.is_set() for event in given_up):
                    return False
                self._moved.wait(min(LOOK, left / self.speed) if self.speed else LOOK)
        return not any(event.is_set() for event in given_up)
