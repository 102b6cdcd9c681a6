"""Pacing: requests or tokens spread evenly over the minute, at a rate that adapts to refusals.

The spacing is that of the generic cell rate algorithm (GCRA) without bursts. The rate adapts as in
TCP's
congestion control: a refusal lowers it by 20 %, a stable period without refusals raises it by 2 to
100 %.
"""

import math
from array import array
from typing import Any, Final, Literal, cast

from ..base.language import tr


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


SPACING_MARGIN: Final = 1.02
"""Factor by which requests are spaced wider than allowed: the network does not keep them evenly
spaced.
"""

MAX_CATCH_UP_S: Final = 0.015
"""Seconds of lateness that may be made up for: timers are late by milliseconds, and a second has 20
to spare.
"""

DECREASE: Final = 0.8
"""Factor of the rate after a refusal."""

INCREASE: Final = 1.1
"""Factor of the rate after `STABLE_SECONDS` without a refusal."""

PROBE_INCREASE: Final = 1.02
"""The same near the rate that was refused last."""

STABLE_SECONDS: Final = 10.0

SLOW_STABLE_SECONDS: Final = 60.0
"""The same for slow rates near the refused one: a minute's limit takes a minute to show itself."""

FAST_INCREASE: Final = 2.0
"""Factor far below the refused rate, after `FAST_STABLE_SECONDS` with `FAST_MIN_SUCCESSES`
successes.
"""

FAST_STABLE_SECONDS: Final = 3.0
FAST_MIN_SUCCESSES: Final = 5

MIN_DERIVED_REQUESTS: Final = 60.0
MIN_DERIVED_TOKENS: Final = 5000.0
"""A minute; the lowest rates that are derived from measured ones, which are low when a batch has
just begun.
"""

PERSISTENT_SECONDS: Final = 10.0
"""Consecutive refusals for longer than this come from a limit, not from a short overload."""

SLOW_REQUESTS: Final = 600.0
SLOW_TOKENS: Final = 300_000.0
"""A minute; a derived rate below this stays lowered after a refusal: single refusals are all it can
learn from.
"""

RAISED_S: Final = 3.0
"""Seconds after a raise in which a refusal is the raise's."""

UNLIMITED_FACTOR: Final = 1000.0
"""A derived rate that has grown to this many times the lowest derived rate is dropped."""

MINUTE_S: Final = 60 * SPACING_MARGIN
"""Seconds in which no more units go than a known limit allows; wider than a minute for the same
reason.
"""

SEND_INTERVAL_S: Final = 0.25
"""Sends are counted by intervals of this length; `MINUTE_S` is longer than a minute by more than
that.
"""

RateSource = Literal["", "settings", "job", "headers", "refusals"]


_ADAPTED: Final = (
    *(
        "rate",
        "source",
        "_changed_at",
        "_refused_rate",
        "_refusals_started_at",
        "_recovered_since_cut",
    ),
    "_rate_is_floor",
)
"""What refusals and recovery change."""


class Pacer:
    """Spreads units (requests or tokens) evenly over time.

    Attributes:
        rate: units a minute; below the ceiling after a refusal, None for no limit.
        source: where the rate comes from.
        min_derived_rate: see below.
        next_at: when the next unit may go.
        sends: requests of the last minute, whatever the rate: they count in a limit that is learned
            later.

    Args:
        min_derived_rate: units a minute; the lowest rate that is derived from a measured one.
        slow_rate: units a minute; a derived rate below it stays lowered after a refusal.
    """

    def __init__(
        self, min_derived_rate: float = MIN_DERIVED_REQUESTS, slow_rate: float = SLOW_REQUESTS
    ) -> None:
        self._ceilings: dict[RateSource, float] = {}
        self.min_derived_rate = min_derived_rate
        self._slow_rate = slow_rate
        self.rate: float | None = None
        self.source: RateSource = ""
        self.next_at = -math.inf
        self._changed_at = self._raised_at = -math.inf
        self._refused_rate = math.inf
        self._refusals_started_at = -math.inf
        self._successes = 0
        self._recovered_since_cut = True
        self._rate_is_floor = False
        self.sends = RecentCounts(SEND_INTERVAL_S, MINUTE_S)
        self._before_refusals: dict[str, object] = {}

    @property
    def ceiling(self) -> float | None:
        """Units a minute: the lowest limit of settings and platform, None without one."""
        return min(self._ceilings.values(), default=None)

    @property
    def was_derived(self) -> bool:
        """Whether a fast rate came from earlier refusals; then spacing does most of what a pause
        does.
        """
        is_fast = self.rate is not None and self.rate >= self._slow_rate
        return is_fast and self._before_refusals.get("source") == "refusals"

    @property
    def is_near_refused_rate(self) -> bool:
        """Whether the rate comes from refusals and is near the one that was refused last."""
        return self.source == "refusals" and (self.rate or 0.0) * INCREASE > self._refused_rate

    def set_ceiling(self, source: RateSource, rate: float | None) -> None:
        """Set the limit of one source, or remove it with None."""
        if self._ceilings.get(source) == rate:
            return
        if rate is None:
            self._ceilings.pop(source, None)
        else:
            self._ceilings[source] = rate
        self._apply_ceiling()

    def seconds_to_wait(self, now: float) -> float:
        """Return the seconds until the next unit may go; not positive if it may go now."""
        if self.rate is None:
            return 0.0
        spacing_s = self.next_at - now
        if (ceiling := self.ceiling) is None:
            return spacing_s
        return max(spacing_s, self.sends.seconds_until_below(max(math.floor(ceiling), 1), now))

    def spend(self, units: float, now: float) -> None:
        """Count units that go now; a negative number corrects an estimate."""
        if self.rate is not None:
            self.next_at = (
                max(self.next_at, now - MAX_CATCH_UP_S) + units * 60 * SPACING_MARGIN / self.rate
            )

    def slow_down(self, measured_rate: float, now: float) -> None:
        """Lower the rate after a refusal.

        Without a rate, it becomes the measured one. In the first minute of a batch that is too low:
        then the first refusal changes nothing, the next set the rate to the lowest derived one, and
        only refusals that persist set it to the measured one.

        Args:
            measured_rate: units of the last minute that succeeded.
            now: seconds on any monotonic clock.
        """
        is_repeated = now - self._changed_at < 60
        if not is_repeated or self._recovered_since_cut:
            self._refusals_started_at = now
        self._changed_at = now
        self._successes = 0
        if self.rate is None and measured_rate < self.min_derived_rate and not is_repeated:
            self._recovered_since_cut = False
            return
        if self.rate is None:
            self.rate = max(self.min_derived_rate, measured_rate)
            self._rate_is_floor = measured_rate < self.min_derived_rate
            self._recovered_since_cut = not self._rate_is_floor
        elif self._rate_is_floor and now - self._refusals_started_at > PERSISTENT_SECONDS:
            self.rate = max(1.0, min(self.rate, measured_rate))
            self._rate_is_floor = False
        else:
            # consecutive refusals come from the rate that was used before the first of them
            is_new_cause = (
                self._recovered_since_cut or now - self._refusals_started_at > PERSISTENT_SECONDS
            )
            if is_new_cause:
                self._refused_rate = self.rate
            else:
                self._refused_rate = max(self._refused_rate, self.rate)
            self.rate = max(1.0, self.rate * DECREASE)
            self._recovered_since_cut = False
        self.source = "refusals"
        self.next_at = max(self.next_at, now)

    def remember(self) -> None:
        """Remember the rate before a refusal, for `undo_slow_down`."""
        self._before_refusals = {name: getattr(self, name) for name in _ADAPTED}

    def undo_slow_down(
        self, now: float, limit: float | None = None, refused_rate: float = math.inf
    ) -> None:
        """Take the rate from before the refusals, which had another cause.

        A rate that was raised just before them goes back to what it was before that.

        Args:
            now: seconds on the clock of the refusals.
            limit: units a minute that replace no rate; None if the refusals came from no limit.
            refused_rate: units a minute near which the rate rises slowly.
        """
        earlier = self._before_refusals
        self._before_refusals = {}
        earlier_rate = cast("float | None", earlier.get("rate"))
        if not earlier or (limit is not None and earlier_rate is not None):
            return
        if earlier["source"] == "refusals" and (earlier_rate or 0.0) < self._slow_rate:
            return
        if earlier_rate is not None and now - self._raised_at < RAISED_S:
            self.rate = max(self.rate or 0.0, earlier_rate / INCREASE)
            return
        self.__dict__.update(earlier)
        if limit is not None:
            self.rate = limit
            self.source = "refusals"
            self._refused_rate = refused_rate
            self._changed_at = now
            self._recovered_since_cut = True
        if self.ceiling is not None and (self.rate is None or self.rate > self.ceiling):
            self._apply_ceiling()
        self.next_at = min(self.next_at, now)

    def recover(self, now: float) -> None:
        """Raise the rate after a stable period, up to the ceiling; called for each success."""
        if self.source != "refusals" or self.rate is None:
            return
        self._successes += 1
        is_near = self.rate * INCREASE > self._refused_rate >= self.rate / INCREASE
        is_slow = is_near and self.rate < self._slow_rate
        if is_slow:
            stable_s = SLOW_STABLE_SECONDS
        else:
            stable_s = STABLE_SECONDS
        is_far_below = self.rate * FAST_INCREASE <= self._refused_rate
        if now - self._changed_at <= (FAST_STABLE_SECONDS if is_far_below else stable_s) or (
            is_far_below and self._successes < FAST_MIN_SUCCESSES
        ):
            return
        self.rate *= FAST_INCREASE if is_far_below else PROBE_INCREASE if is_near else INCREASE
        self._changed_at = self._raised_at = now
        self._successes = 0
        self._recovered_since_cut = True
        self._rate_is_floor = False
        if self.rate >= (
            self.min_derived_rate * UNLIMITED_FACTOR if self.ceiling is None else self.ceiling
        ):
            self._apply_ceiling()

    def describe(self, unit: str) -> str:
        """Return the rate and where it comes from, "" without one."""
        by_user = tr("set by you")
        labels = {
            "settings": by_user,
            "job": by_user,
            "headers": tr("of the platform"),
            "refusals": tr("after refusals"),
        }
        if self.rate is None:
            return ""
        return tr(
            "{n:,.0f} {unit}/min ({source})",
            n=self.rate,
            unit=unit,
            source=labels.get(self.source, ""),
        )

    def to_stored(self) -> dict[str, Any]:
        """Return what was learned from headers and refusals as JSON."""
        names = (*_ADAPTED, "_raised_at", "_before_refusals")
        return {name: getattr(self, name) for name in names} | {
            "headers": self._ceilings.get("headers")
        }

    def read_stored(self, stored: dict[str, Any]) -> None:
        """Take what another process has learned; the ceiling of the settings stays.

        Raises:
            ValueError: it has another form.
        """
        names = {*_ADAPTED, "_raised_at", "_before_refusals"}
        numbers = [*(stored.keys() - {"source", "_before_refusals"})]
        if stored.keys() != names | {"headers"} or not {*stored["_before_refusals"]} <= {*_ADAPTED}:
            raise ValueError("a pacer of another form")
        if not all(
            stored[name] is None or isinstance(stored[name], int | float) for name in numbers
        ):
            raise ValueError("a pacer with texts for numbers")
        self.set_ceiling("headers", stored["headers"])
        self.__dict__.update({name: stored[name] for name in names})
        is_derived = self.source == "refusals" and self.rate is not None
        if not is_derived or (self.rate or 0.0) > (self.ceiling or math.inf):
            self._apply_ceiling()

    def _apply_ceiling(self) -> None:
        self.rate = self.ceiling
        if self._ceilings:
            self.source = min(self._ceilings, key=self._ceilings.__getitem__)
        else:
            self.source = ""
