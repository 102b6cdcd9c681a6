"""Rate limits: one limiter for each credential and model, shared by the whole process.

Requests and tokens are each spread evenly over the minute, since a sliding window refuses a burst
at its start; the spacing is that of the generic cell rate algorithm (GCRA) without bursts. The
rates adapt as in TCP's congestion control: a refusal lowers them by 20 %, a stable period without
refusals raises them by 2 to 100 %. They come from the settings, from the platform's headers, or
from its refusals.

A refusal holds back the call that got it, and nobody else. Whether refusals come from a limit is
decided as in statistical process control, by a cumulative sum (CUSUM; Page, Biometrika 1954): a
refusal adds to it, an answer takes a quarter off, so that it stays near 0 below a share of 20 %.
Above `MAX_SUSPICION` all calls slow down, and successes raise the rate again (AIMD). The first
success after that tells the kind of limit: soon, a second's; after a minute, a minute's.
"""

import asyncio
import math
import random
import re
import time
from array import array
from collections.abc import Callable, Mapping
from typing import Final, Literal, cast

from ..base.language import tr, trn
from ..config import Settings, validate_rate_limits
from ..errors import RateLimitError
from ..wire.base import JsonObject
from . import clock
from .clock import Deadline


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

    def merge(self, stored: JsonObject | None, now: float) -> None:
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

    def to_stored(self) -> JsonObject:
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
    "rate",
    "source",
    "_changed_at",
    "_refused_rate",
    "_refusals_started_at",
    "_recovered_since_cut",
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
        stable_s = STABLE_SECONDS
        increase = INCREASE
        min_successes = 0
        if is_near:
            increase = PROBE_INCREASE
            if self.rate < self._slow_rate:
                stable_s = SLOW_STABLE_SECONDS
        if self.rate * FAST_INCREASE <= self._refused_rate:
            stable_s = FAST_STABLE_SECONDS
            increase = FAST_INCREASE
            min_successes = FAST_MIN_SUCCESSES
        if now - self._changed_at <= stable_s or self._successes < min_successes:
            return
        self.rate *= increase
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
        if self.rate is None:
            return ""
        labels = {"headers": tr("of the platform"), "refusals": tr("after refusals")}
        source = labels.get(self.source) or tr("set by you")
        return tr("{n:,.0f} {unit}/min ({source})", n=self.rate, unit=unit, source=source)

    def to_stored(self) -> JsonObject:
        """Return the rate, learned from headers and refusals, as JSON."""
        names = (*_ADAPTED, "_raised_at", "_before_refusals")
        return {name: getattr(self, name) for name in names} | {
            "headers": self._ceilings.get("headers")
        }

    def read_stored(self, stored: JsonObject) -> None:
        """Take what another process has learned; the ceiling of the settings stays.

        Raises:
            ValueError: it has another form.
        """
        learned = dict(stored)
        headers = learned.pop("headers")
        if learned.keys() != {*_ADAPTED, "_raised_at", "_before_refusals"}:
            raise ValueError("a pacer of another form")
        self.set_ceiling("headers", headers)
        self.__dict__.update(learned)
        is_derived = self.source == "refusals" and self.rate is not None
        if not is_derived or (self.rate or 0.0) > (self.ceiling or math.inf):
            self._apply_ceiling()

    def _apply_ceiling(self) -> None:
        self.rate = self.ceiling
        self.source = min(self._ceilings, key=self._ceilings.__getitem__, default="")


MAX_RETRY_AFTER: Final = 120.0
"""Seconds; where a server asks for more, the call fails at once."""

_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?$")

MAX_PAUSE_S: Final = 60.0
"""The platform counts by the minute, so waiting longer has no use."""

MAX_PROBE_PAUSE_S: Final = 30.0
"""The longest pause that refusals without a Retry-After double to: the limit may have been reset
meanwhile.
"""

MOMENT_S: Final = 3.0
"""A call sent this soon after a refusal and answered shows that no minute's limit was exceeded."""

MAX_START_S: Final = 0.1
"""Longest wait for the requests that were sent before the first headers came: they may exceed a
second's limit.
"""

FREE_TOLERANCE_S: Final = 2.0
"""Requests are counted by the second, so the end of their minute is known to about this."""

MAX_SUSPICION: Final = 6.0
"""The cumulative sum from which refusals come from a limit; at 10 % of refusals it is reached once
in 5,000 calls.
"""

ANSWER_RELIEF: Final = 0.25
"""What an answer takes off that sum."""

PROBE_SUSPICION: Final = 4.0
"""What a refusal adds near a rate that was refused before; elsewhere 1."""

PROBE_INTERVAL_S: Final = 0.25
"""Between two calls after a refusal without a Retry-After: the next refusal comes sooner, and stops
the others.
"""

SECOND_S: Final = 0.75
"""Seconds whose counts, with the quarter in which they begin, are those of at most one second."""

_SECOND_LIMITS = {4, 18, "4", "18"}
_TOKEN_LIMITS = {336502, "336502", "tpm_rate_limit_exceeded"}


class RateLimiter:
    """Decides when the calls of one credential to one model may go; lives on the I/O loop.

    Attributes:
        requests, tokens: the two pacers.
        max_in_flight: concurrent calls; finite only after a refusal.
        in_flight: calls that have been sent and not answered.
        refusals: how often the platform answered "too fast", concurrent calls counted once.
    """

    def __init__(self, *, random_: Callable[[], float] = random.random) -> None:
        self.requests = Pacer(MIN_DERIVED_REQUESTS)
        self.tokens = Pacer(MIN_DERIVED_TOKENS, SLOW_TOKENS)
        self.max_in_flight = math.inf
        self.in_flight = 0
        self.refusals = 0
        self._paused_until = -math.inf
        self._consecutive_refusals = 0
        self._is_claimed = False
        self._suspicion = 0.0
        self._refused_at = -math.inf
        self._free_at = math.inf
        self._peak_rate = 0.0
        self._minute_count = 0.0
        self._earlier_max_in_flight = math.inf
        self._answers = RecentCounts(0.25, 61.0)
        self._used_tokens = RecentCounts(0.25, 61.0)
        self._random = random_
        self._sent_at = -math.inf
        self._is_token_limit = False
        self._is_probing = False
        self._applied_settings: Settings | None = None
        self._queue_lock = asyncio.Lock()
        self._slot_released = asyncio.Event()

    def apply_settings(self, settings: Settings) -> None:
        """Set the ceilings of the settings.

        Raises:
            InvalidArgumentError: a limit is negative, or both request limits are set.
        """
        if settings is self._applied_settings:
            return
        validate_rate_limits(settings)
        self._applied_settings = settings
        self.requests.set_ceiling("settings", settings.qps_limit * 60 or settings.rpm_limit or None)
        self.tokens.set_ceiling("settings", settings.tpm_limit or None)

    async def acquire(
        self, tokens: float = 0, deadline: Deadline | None = None, max_wait_s: float | None = None
    ) -> int:
        """Wait until a call may go, in order of arrival; return the refusals so far. `release` must
        follow.

        Args:
            tokens: that the call may use.
            deadline: is paused during the wait.
            max_wait_s: seconds to wait at most; None for no limit.

        Raises:
            RateLimitError: the wait is longer than that; nothing is sent.
        """
        if not self._is_claimed and (self._queue_lock.locked() or not self.claim()):
            remaining_s = deadline.pause() if deadline else 0.0
            await self._wait_in_line(max_wait_s)
            if deadline:
                deadline.resume(remaining_s)
        self._is_claimed = False
        self.in_flight += 1
        self._count_send(tokens)
        return self.refusals

    async def _wait_in_line(self, max_wait_s: float | None) -> None:
        if max_wait_s is not None and self._paused_until - self._now() > max_wait_s:
            raise self._create_wait_error(max_wait_s)
        try:
            async with asyncio.timeout(max_wait_s), self._queue_lock:
                await self._wait_until_available()
        except TimeoutError:
            raise self._create_wait_error(max_wait_s or 0.0) from None

    def _create_wait_error(self, max_wait_s: float) -> RateLimitError:
        """Return the error of a call that would have to wait too long, with the limits and the end
        of the wait.
        """
        wait_s = max(self.seconds_to_wait(), 0.0)
        until = time.strftime("%H:%M:%S", time.localtime(clock.wall_time() + wait_s))
        reason = tr(
            "held back by the rate limit until {time}: {limits}; nothing was sent",
            time=until,
            limits=self.describe() or tr("other calls wait, too"),
        )
        hint = tr("wait, or allow more than {seconds:g} s: request_timeout", seconds=max_wait_s)
        error = RateLimitError("held_back", reason, hint=hint, retry_after=wait_s)
        error.was_sent = False
        return error

    def claim(self) -> bool:
        """Return whether a call may go now, before those that wait; the next `acquire` is then at
        once.
        """
        self._is_claimed = self.in_flight < self.max_in_flight and self._reserve() <= 0
        return self._is_claimed

    def release(self) -> None:
        """Count the end of a call, whatever its outcome."""
        self.in_flight -= 1
        self._slot_released.set()

    def _reserve(self) -> float:
        """Return the seconds until the next call may go; not positive if it may go, and is about
        to.
        """
        return self.seconds_to_wait()

    def _count_send(self, tokens: float) -> None:
        self._sent_at = now = self._now()
        self.requests.sends.add(1, now)
        if self._is_paced:
            self.requests.spend(1, now)
            self.tokens.spend(tokens, now)

    def _now(self) -> float:
        return clock.now()

    @property
    def _is_paced(self) -> bool:
        return self.requests.rate is not None or self.tokens.rate is not None

    def seconds_to_wait(self) -> float:
        """Return the seconds until the next call may go; not positive if it may go now."""
        if self._paused_until == -math.inf and not self._is_paced:
            return 0.0
        now = self._now()
        probe_at = self._sent_at + PROBE_INTERVAL_S if self._is_probing else -math.inf
        return max(
            max(self._paused_until, probe_at) - now,
            self.requests.seconds_to_wait(now),
            self.tokens.seconds_to_wait(now),
        )

    def record_success(
        self,
        refusals: int,
        headers: Mapping[str, str],
        *,
        estimate: float = 0,
        used_tokens: int | None = None,
        latency_s: float = 0,
    ) -> None:
        """Apply the limits in a response's headers and count its tokens.

        Args:
            refusals: what `acquire` returned.
            headers: of the response.
            estimate: tokens that were counted at the start.
            used_tokens: that the reply used, None if it does not say.
            latency_s: seconds since the request was sent.
        """
        now = self._now()
        self._suspicion = max(self._suspicion - ANSWER_RELIEF, 0.0)
        self._answers.add(1, now)
        self._used_tokens.add(used_tokens or 0, now)
        if used_tokens is not None:
            self.correct_tokens(estimate, used_tokens)
        if "x-ratelimit-limit-requests" in headers or "x-ratelimit-limit-tokens" in headers:
            self._apply_headers(headers, now - latency_s)
        if refusals == self.refusals:
            if self._consecutive_refusals:
                self._explain_refusals(now, now - latency_s)
                self._suspicion = 0.0
            self._consecutive_refusals = 0
            self._is_probing = False
            self.max_in_flight += 1 / self.max_in_flight if self.max_in_flight < math.inf else 0
            self.requests.recover(now)
            self.tokens.recover(now)

    def correct_tokens(self, estimate: float, used_tokens: int) -> None:
        """Count the tokens that a reply used instead of the estimate."""
        self.tokens.spend(used_tokens - estimate, self._now())

    def record_refusal(self, refusals: int, error: RateLimitError) -> None:
        """Slow down after refusals that come from a limit, once for all calls that were in flight
        then.

        A call that is to retry after more than `MAX_RETRY_AFTER` fails; that delay does not pause
        the others.

        Args:
            refusals: what `acquire` returned.
            error: the refusal.
        """
        now = self._now()
        if refusals != self.refusals and not self._consecutive_refusals:
            return  # sent before the refusals that have been explained since
        if refusals == self.refusals:
            self._is_token_limit = error.error_code in _TOKEN_LIMITS
            self._suspicion += PROBE_SUSPICION if self._limited[0].is_near_refused_rate else 1.0
            if self._suspicion < MAX_SUSPICION and not self._consecutive_refusals:
                return
            self._is_probing = error.retry_after is None
            if not self._consecutive_refusals:
                self._remember(now)
            pacer, usage = self._limited
            self._minute_count = max(self._minute_count, usage.total(now))
            self.refusals += 1
            self._consecutive_refusals += 1
            self.max_in_flight = max(1.0, min(self.max_in_flight, self.in_flight) / 2)
            is_second_limit = error.error_code in _SECOND_LIMITS
            pacer.slow_down(
                usage.total(now, SECOND_S) * 60 if is_second_limit else self._minute_count, now
            )
        pause_s = error.retry_after
        if pause_s is None or pause_s > MAX_RETRY_AFTER:
            pause_s = min(2.0**self._consecutive_refusals, MAX_PROBE_PAUSE_S) * (
                0.5 + self._random() / 2
            )
            pause_s /= 4 if self._consecutive_refusals == 1 and self._limited[0].was_derived else 1
            free_s = self._answers.seconds_until_free(now)
            if free_s > 1.0 or self._consecutive_refusals <= 2:
                pause_s = min(pause_s, max(free_s, 1.0))
        self._paused_until = max(self._paused_until, now + pause_s)

    def estimate_tokens(self, request_bytes: int, body: object) -> float:
        """Return the tokens that a call may use, 0 if tokens are not limited.

        Args:
            request_bytes: size of the request.
            body: the record that is sent; it may limit the tokens of the reply.
        """
        if self.tokens.rate is None:
            return 0
        names = ("max_completion_tokens", "max_tokens", "max_output_tokens")
        return request_bytes / 3 + next(
            (limit for name in names if (limit := getattr(body, name, None))), 200
        )

    def describe(self) -> str:
        """Return the present limits with their sources, and the present wait; "" without limits."""
        parts = [self.requests.describe(tr("requests")), self.tokens.describe("tokens")]
        if self.max_in_flight < math.inf:
            parts.append(tr("{n} at once", n=int(self.max_in_flight)))
        # without the wait a batch that waits looks like one that hangs
        seconds = self._paused_until - self._now()
        refusals = self._consecutive_refusals
        if refusals and seconds > 0.5:
            parts.append(
                trn(
                    "refused once, waiting {s:.0f} s",
                    "refused {n} times, waiting {s:.0f} s",
                    refusals,
                    s=seconds,
                )
            )
        elif refusals:
            parts.append(trn("refused once", "refused {n} times", refusals))
        elif seconds > 0.5:
            parts.append(tr("waiting {seconds:.0f} s", seconds=seconds))
        return " · ".join(filter(None, parts))

    async def _wait_until_available(self) -> None:
        while (is_full := self.in_flight >= self.max_in_flight) or (seconds := self._reserve()) > 0:
            if is_full:
                self._slot_released.clear()
                await self._slot_released.wait()
            else:
                await clock.sleep(min(seconds, 1.0))  # limits may change meanwhile

    @property
    def _limited(self) -> tuple[Pacer, RecentCounts]:
        """The pacer that the latest refusal limits, and the units that were answered."""
        if self._is_token_limit:
            return (self.tokens, self._used_tokens)
        return (self.requests, self._answers)

    def _remember(self, now: float) -> None:
        """Remember the state before the first of consecutive refusals."""
        self._free_at = now + self._answers.seconds_until_free(now)
        self._refused_at = now
        self._peak_rate = self._limited[1].total(now, SECOND_S) * 60
        self._minute_count = 0.0
        self._earlier_max_in_flight = self.max_in_flight
        self.requests.remember()
        self.tokens.remember()

    def _explain_refusals(self, now: float, sent_at: float) -> None:
        """Correct the rate by the time of the first success after refusals: an overload's, a
        second's or a minute's.
        """
        was_short = (
            self._consecutive_refusals == 1 and self._paused_until - self._refused_at <= MOMENT_S
        )
        pacer, usage = self._limited
        # the answers of that second that came after the refusal, without this success
        answered = usage.total(now, now - self._refused_at + SECOND_S) * (
            1 - 1 / self._answers.total(now)
        )
        peak_rate = max(self._peak_rate, answered * 60)
        if not was_short and sent_at - self._refused_at > MOMENT_S:
            if self._minute_count and sent_at >= self._free_at - FREE_TOLERANCE_S:
                pacer.undo_slow_down(now, self._minute_count, self._minute_count)
            elif peak_rate >= pacer.min_derived_rate:
                pacer.undo_slow_down(now, peak_rate)
            return
        if peak_rate < pacer.min_derived_rate:
            return
        self.max_in_flight = self._earlier_max_in_flight
        pacer.undo_slow_down(now, peak_rate, peak_rate)

    def _apply_headers(self, headers: Mapping[str, str], sent_at: float) -> None:
        for pacer, unit in ((self.requests, "requests"), (self.tokens, "tokens")):
            limit = parse_number(headers.get(f"x-ratelimit-limit-{unit}", ""))
            if limit is None or limit <= 0:
                continue
            is_first = pacer.rate is None
            pacer.set_ceiling("headers", limit)
            if is_first and pacer is self.requests:
                sent = pacer.sends.total(now := self._now(), SECOND_S)
                pacer.next_at = now + min(sent * 60 / limit, MAX_START_S)
            if is_first and pacer is self.tokens:
                pacer.spend(self._used_tokens.total(now := self._now()), now)
            if parse_number(headers.get(f"x-ratelimit-remaining-{unit}", "")) == 0:
                reset_s = parse_duration(headers.get(f"x-ratelimit-reset-{unit}", ""))
                pause_s = min(max(60 / limit, 1.0) if reset_s is None else reset_s, MAX_PAUSE_S)
                self._paused_until = max(self._paused_until, sent_at + pause_s)


def parse_number(text: str) -> float | None:
    """Return the number in a header, None for anything else and for infinity."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def parse_duration(text: str) -> float | None:
    """Return "12", "1.5s", "6m0s" or "250ms" in seconds, None for anything else."""
    if (plain_seconds := parse_number(text)) is not None:
        return max(plain_seconds, 0.0)
    match = _DURATION.match(text)
    if not text or match is None:
        return None
    hours, minutes, seconds, thousandths = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000
