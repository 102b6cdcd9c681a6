"""How fast units go, spread evenly over the minute, and how a rate falls with refusals and rises again."""

from __future__ import annotations

import math
from collections import deque
from typing import Final, Literal

SPACING_MARGIN: Final = 1.02
"""Requests are spaced so much wider than allowed: what leaves evenly does not arrive evenly."""

MAX_CATCH_UP_S: Final = 0.05
"""Seconds of lateness that may be made up for; timers are late by milliseconds."""

DECREASE, INCREASE, PROBE_INCREASE, STABLE_SECONDS = 0.8, 1.1, 1.02, 10.0
"""What a refusal does to a rate, what a calm time does, what it does near the rate that was refused last, and
how many seconds of calm it takes."""

FAST_INCREASE, FAST_STABLE_SECONDS, FAST_MIN_SUCCESSES = 2.0, 3.0, 5
"""What a calm time does far below the rate that was refused, and how many seconds and answers it takes."""

MIN_DERIVED_REQUESTS, MIN_DERIVED_TOKENS = 60.0, 5000.0
"""A minute; what was answered at a start is less than what is possible: no rate is derived from fewer."""

PERSISTENT_SECONDS = 10.0
"""Seconds of refusals in a row after which they are a limit's, and not a moment's trouble."""

UNLIMITED_FACTOR = 1000.0
"""A rate that refusals made and calm has brought so many times above the least limits nothing any more."""

RateSource = Literal["", "settings", "headers", "refusals"]


class Pacer:
    """So many units a minute, spread evenly.

    Attributes:
        ceiling: the most that is allowed, None when nobody said.
        rate: what is used now; below the ceiling after a refusal, None for as fast as possible.
        source: who decided the rate.

    Args:
        floor: the lowest rate that is derived from what was answered.
    """

    def __init__(self, min_derived_rate: float = MIN_DERIVED_REQUESTS) -> None:
        self._ceilings: dict[RateSource, float] = {}
        self._min_derived_rate = min_derived_rate
        self.rate: float | None = None
        self.source: RateSource = ""
        self._next_at, self._changed_at, self._refused_rate = -math.inf, -math.inf, math.inf
        self._refusals_started_at, self._successes, self._recovered_since_cut, self._rate_is_floor = (
            -math.inf,
            0,
            True,
            False,
        )

    @property
    def ceiling(self) -> float | None:
        """The lowest of what the settings and the platform allow."""
        return min(self._ceilings.values(), default=None)

    def set_ceiling(self, source: RateSource, rate: float | None) -> None:
        """Take over a limit, or drop it."""
        if self._ceilings.get(source) == rate:
            return
        if rate is None:
            self._ceilings.pop(source, None)
        else:
            self._ceilings[source] = rate
        self._apply_ceiling()

    def seconds_to_wait(self, now: float) -> float:
        """Return the seconds until the next unit may go."""
        return 0.0 if self.rate is None else self._next_at - now

    def spend(self, units: float, now: float) -> None:
        """Count units that go now, or correct an estimate."""
        if self.rate is not None:
            self._next_at = max(self._next_at, now - MAX_CATCH_UP_S) + units * 60 * SPACING_MARGIN / self.rate

    def slow_down(self, measured_rate: float, now: float) -> None:
        """Go slower after a refusal.

        When no rate was known it becomes what was answered in the last minute. At a start that says how long
        it has lasted, not how fast is too fast: then one refusal changes nothing, more of them lead to a
        floor, and only when they go on and on to what was answered.
        """
        is_repeated = now - self._changed_at < 60
        if not is_repeated or self._recovered_since_cut:
            self._refusals_started_at = now
        self._changed_at, self._successes = now, 0
        if self.rate is None and measured_rate < self._min_derived_rate and not is_repeated:
            self._recovered_since_cut = False
            return
        if self.rate is None:
            self.rate, self._rate_is_floor = (
                max(self._min_derived_rate, measured_rate),
                measured_rate < self._min_derived_rate,
            )
            self._recovered_since_cut = not self._rate_is_floor
        elif self._rate_is_floor and now - self._refusals_started_at > PERSISTENT_SECONDS:
            self.rate, self._rate_is_floor = max(1.0, min(self.rate, measured_rate)), False
        else:
            # a few refusals in a row come from the rate before the first of them
            is_new_cause = self._recovered_since_cut or now - self._refusals_started_at > PERSISTENT_SECONDS
            self._refused_rate = self.rate if is_new_cause else max(self._refused_rate, self.rate)
            self.rate, self._recovered_since_cut = max(1.0, self.rate * DECREASE), False
        self.source, self._next_at = "refusals", max(self._next_at, now)

    def recover(self, now: float) -> None:
        """Go faster after a calm time, up to the ceiling."""
        if self.source != "refusals" or self.rate is None:
            return
        self._successes += 1
        is_far_below = self.rate * FAST_INCREASE <= self._refused_rate
        if now - self._changed_at <= (FAST_STABLE_SECONDS if is_far_below else STABLE_SECONDS) or (
            is_far_below and self._successes < FAST_MIN_SUCCESSES
        ):
            return
        is_near = self.rate * INCREASE > self._refused_rate >= self.rate / INCREASE
        self.rate *= FAST_INCREASE if is_far_below else PROBE_INCREASE if is_near else INCREASE
        self._changed_at, self._successes, self._recovered_since_cut, self._rate_is_floor = (
            now,
            0,
            True,
            False,
        )
        if self.rate >= (self._min_derived_rate * UNLIMITED_FACTOR if self.ceiling is None else self.ceiling):
            self._apply_ceiling()

    def _apply_ceiling(self) -> None:
        self.rate = self.ceiling
        self.source = min(self._ceilings, key=self._ceilings.__getitem__) if self._ceilings else ""


class RecentUsage:
    """What was answered in the last minute, by the second."""

    def __init__(self) -> None:
        self._by_second: deque[list[float]] = deque()

    def add(self, tokens: float, now: float) -> None:
        """Count one answer."""
        second = math.floor(now)
        if not self._by_second or self._by_second[-1][0] != second:
            self._by_second.append([second, 0, 0])
            while self._by_second[0][0] <= second - 60:
                self._by_second.popleft()
        self._by_second[-1][1] += 1
        self._by_second[-1][2] += tokens

    def requests(self, now: float, seconds: float = 60) -> float:
        """Return the answers of so many seconds."""
        return sum(row[1] for row in self._by_second if row[0] > now - seconds - 1)

    def tokens(self, now: float) -> float:
        """Return the tokens of a minute."""
        return sum(row[2] for row in self._by_second if row[0] > now - 61)
