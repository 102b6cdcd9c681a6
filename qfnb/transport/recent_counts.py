"""Counts of the last minute, by short intervals; several processes can add theirs up."""

import math
from array import array
from typing import Any


class RecentCounts:
    """Counts by intervals, which are forgotten when they are older than a window.

    Args:
        width_s: seconds of an interval.
        window_s: seconds for which an interval counts, from its start.

    Attributes:
        unshared: what was added since `merge`, by interval; None if it is not shared.
    """

    def __init__(self, width_s: float, window_s: float) -> None:
        self._width_s = width_s
        self._window_s = window_s
        self._counts = array("d", bytes(8 * (math.ceil(window_s / width_s) + 1)))
        self._newest = 0
        self._sum = 0.0
        self.unshared: dict[int, float] | None = None

    def add(self, count: float, now: float) -> None:
        """Count something that happens now."""
        self._forget_old(now)
        self._add(self._newest, count)
        if self.unshared is not None:
            self.unshared[self._newest] = self.unshared.get(self._newest, 0.0) + count

    def total(self, now: float, seconds: float | None = None) -> float:
        """Return the sum of the window, or of the last seconds and the interval in which they
        begin.
        """
        self._forget_old(now)
        if seconds is None:
            return self._sum
        size = len(self._counts)
        oldest = math.floor((now - seconds) / self._width_s)
        numbers = range(max(oldest, self._newest - size + 1), self._newest + 1)
        return sum(self._counts[number % size] for number in numbers)

    def seconds_until_below(self, limit: float, now: float) -> float:
        """Return the seconds until the window's sum is below a limit; not positive if it is."""
        self._forget_old(now)
        remaining = self._sum
        size = len(self._counts)
        if remaining < limit:
            return 0.0
        for number in range(self._newest - size + 1, self._newest + 1):
            remaining -= self._counts[number % size]
            if remaining < limit:
                return number * self._width_s + self._window_s - now
        return self._window_s

    def seconds_until_free(self, now: float) -> float:
        """Return the seconds until the oldest count is forgotten, infinite without one."""
        total = self.total(now)
        if total:
            return max(self.seconds_until_below(total, now), 0.0)
        return math.inf

    def merge(self, stored: dict[str, Any] | None, now: float) -> None:
        """Replace the counts by stored ones, and add what is unshared.

        Raises:
            ValueError: the stored counts are of another size.
        """
        counts = array(
            "d", bytes.fromhex(stored["counts"]) if stored else bytes(8 * len(self._counts))
        )
        if len(counts) != len(self._counts) or not all(map(math.isfinite, counts)):
            raise ValueError("counts of another size")
        self._counts = counts
        if stored:
            self._newest = int(stored["newest"])
        else:
            self._newest = 0
        self._sum = sum(counts)
        self._forget_old(now)
        for number, count in (self.unshared or {}).items():
            if number > self._newest - len(counts):
                self._add(number, count)
        self.unshared = {}

    def clear(self) -> None:
        """Forget everything."""
        self.__init__(self._width_s, self._window_s)  # type: ignore[misc]

    def to_stored(self) -> dict[str, Any]:
        """Return the counts as JSON."""
        return {"newest": self._newest, "counts": self._counts.tobytes().hex()}

    def _add(self, number: int, count: float) -> None:
        self._counts[number % len(self._counts)] += count
        self._sum += count

    def _forget_old(self, now: float) -> None:
        """Clear the intervals that are older than the window, and begin a new one."""
        current = math.floor(now / self._width_s)
        size = len(self._counts)
        if current <= self._newest:
            return
        for number in range(max(self._newest + 1, current - size + 1), current + 1):
            self._sum -= self._counts[number % size]
            self._counts[number % size] = 0.0
        self._newest = current
        if self.unshared is not None and len(self.unshared) > size:
            self.unshared.clear()
