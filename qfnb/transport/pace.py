"""How fast units go, spread evenly over the minute, and how a rate falls with refusals and rises again."""

from __future__ import annotations

import math
from collections import deque
from typing import Final, Literal

MARGIN: Final = 1.02
"""Requests are spaced so much wider than allowed: what leaves evenly does not arrive evenly."""

CATCH_UP: Final = 0.05
"""Seconds of lateness that may be made up for; timers are late by milliseconds."""

SLOWER, FASTER, CAREFUL, CALM = 0.8, 1.1, 1.02, 10.0
"""What a refusal does to a rate, what a calm time does, what it does near the rate that was refused last, and
how many seconds of calm it takes."""

DOUBLE, SHORT_CALM, ENOUGH = 2.0, 3.0, 5
"""What a calm time does far below the rate that was refused, and how many seconds and answers it takes."""

LEAST_REQUESTS, LEAST_TOKENS = 60.0, 5000.0
"""A minute; what was answered at a start is less than what is possible: no rate is derived from fewer."""

PERSISTENT = 10.0
"""Seconds of refusals in a row after which they are a limit's, and not a moment's trouble."""

AS_GOOD_AS_NONE = 1000.0
"""A rate that refusals made and calm has brought so many times above the least limits nothing any more."""

Source = Literal["", "settings", "headers", "refusals"]


class Pace:
    """So many units a minute, spread evenly.

    Attributes:
        ceiling: the most that is allowed, None when nobody said.
        rate: what is used now; below the ceiling after a refusal, None for as fast as possible.
        source: who decided the rate.

    Args:
        floor: the lowest rate that is derived from what was answered.
    """

    def __init__(self, floor: float = LEAST_REQUESTS) -> None:
        self._ceilings: dict[Source, float] = {}
        self._floor = floor
        self.rate: float | None = None
        self.source: Source = ""
        self._due, self._changed, self._refused = -math.inf, -math.inf, math.inf
        self._since, self._good, self._risen, self._guessed = -math.inf, 0, True, False

    @property
    def ceiling(self) -> float | None:
        """The lowest of what the settings and the platform allow."""
        return min(self._ceilings.values(), default=None)

    def allow(self, source: Source, rate: float | None) -> None:
        """Take over a limit, or drop it."""
        if self._ceilings.get(source) == rate:
            return
        if rate is None:
            self._ceilings.pop(source, None)
        else:
            self._ceilings[source] = rate
        self._take_ceiling()

    def wait(self, now: float) -> float:
        """Return the seconds until the next unit may go."""
        return 0.0 if self.rate is None else self._due - now

    def spend(self, units: float, now: float) -> None:
        """Count units that go now, or correct an estimate."""
        if self.rate is not None:
            self._due = max(self._due, now - CATCH_UP) + units * 60 * MARGIN / self.rate

    def slow_down(self, measured: float, now: float) -> None:
        """Go slower after a refusal.

        When no rate was known it becomes what was answered in the last minute. At a start that says how long
        it has lasted, not how fast is too fast: then one refusal changes nothing, more of them lead to a
        floor, and only when they go on and on to what was answered.
        """
        again = now - self._changed < 60
        if not again or self._risen:
            self._since = now
        self._changed, self._good = now, 0
        if self.rate is None and measured < self._floor and not again:
            self._risen = False
            return
        if self.rate is None:
            self.rate, self._guessed = max(self._floor, measured), measured < self._floor
            self._risen = not self._guessed
        elif self._guessed and now - self._since > PERSISTENT:
            self.rate, self._guessed = max(1.0, min(self.rate, measured)), False
        else:
            # a few refusals in a row come from the rate before the first of them
            new = self._risen or now - self._since > PERSISTENT
            self._refused = self.rate if new else max(self._refused, self.rate)
            self.rate, self._risen = max(1.0, self.rate * SLOWER), False
        self.source, self._due = "refusals", max(self._due, now)

    def recover(self, now: float) -> None:
        """Go faster after a calm time, up to the ceiling."""
        if self.source != "refusals" or self.rate is None:
            return
        self._good += 1
        far = self.rate * DOUBLE <= self._refused
        if now - self._changed <= (SHORT_CALM if far else CALM) or (far and self._good < ENOUGH):
            return
        near = self.rate * FASTER > self._refused >= self.rate / FASTER
        self.rate *= DOUBLE if far else CAREFUL if near else FASTER
        self._changed, self._good, self._risen, self._guessed = now, 0, True, False
        if self.rate >= (self._floor * AS_GOOD_AS_NONE if self.ceiling is None else self.ceiling):
            self._take_ceiling()

    def _take_ceiling(self) -> None:
        self.rate = self.ceiling
        self.source = min(self._ceilings, key=self._ceilings.__getitem__) if self._ceilings else ""


class Recent:
    """What was answered in the last minute, by the second."""

    def __init__(self) -> None:
        self._seconds: deque[list[float]] = deque()

    def add(self, tokens: float, now: float) -> None:
        """Count one answer."""
        second = math.floor(now)
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append([second, 0, 0])
            while self._seconds[0][0] <= second - 60:
                self._seconds.popleft()
        self._seconds[-1][1] += 1
        self._seconds[-1][2] += tokens

    def requests(self, now: float, seconds: float = 60) -> float:
        """Return the answers of so many seconds."""
        return sum(row[1] for row in self._seconds if row[0] > now - seconds - 1)

    def tokens(self, now: float) -> float:
        """Return the tokens of a minute."""
        return sum(row[2] for row in self._seconds if row[0] > now - 61)
