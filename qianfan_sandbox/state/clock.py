"""The time that the sandbox's objects live in: it runs in real time, faster, or by hand, and is
kept in the store.
"""

import threading
import time
from typing import Any

from .store import Store

CLOCK_ID = "clock"

POLL_SECONDS = 0.05  # seconds after which a wait checks whether it is cancelled


class Clock:
    """Seconds since the epoch, as the sandbox's objects see them.

    Attributes:
        speed: seconds that pass in a second; 1 is real time, 0 stands still until `advance`.
        n_changes: how often it was set or advanced since the server's start.
    """

    def __init__(self, store: Store) -> None:
        self._changed = threading.Condition()
        self._store = store
        self.n_changes = 0
        stored = store.get("setting", CLOCK_ID) or store.add(
            "setting", CLOCK_ID, speed=1.0, shown=time.time(), real=time.time()
        )
        self.speed = stored["speed"]
        self._sandbox_time = stored["shown"]
        self._real_time = stored["real"]

    def now(self) -> float:
        """Return the time."""
        return float(self._sandbox_time + (time.time() - self._real_time) * self.speed)

    def set(self, speed: float | None = None, advance: float = 0.0) -> dict[str, Any]:
        """Change the speed, or advance the time by some seconds; return the new `now` and
        `speed`.
        """
        with self._changed:
            self._sandbox_time = self.now() + advance
            self._real_time = time.time()
            self.speed = self.speed if speed is None else speed
            self._store.update(
                CLOCK_ID, speed=self.speed, shown=self._sandbox_time, real=self._real_time
            )
            self.n_changes += 1
            self._changed.notify_all()
        return {"now": self.now(), "speed": self.speed}

    def wait_until(self, timestamp: float, *cancelled: threading.Event) -> bool:
        """Wait until a time; return False when one of the events was set first."""
        with self._changed:
            while (remaining := timestamp - self.now()) > 0:
                if any(event.is_set() for event in cancelled):
                    return False
                self._changed.wait(
                    min(POLL_SECONDS, remaining / self.speed) if self.speed else POLL_SECONDS
                )
        return not any(event.is_set() for event in cancelled)
