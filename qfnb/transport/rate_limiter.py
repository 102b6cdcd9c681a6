"""Rate limits: one limiter for each credential and model, shared by all processes that use one
state.

Requests and tokens are each spread evenly over the minute, since a sliding window refuses a burst
at its start; the spacing is that of the generic cell rate algorithm (GCRA) without bursts. The
rates come from the settings, from the platform's headers, or from its refusals; those adapt as in
TCP's congestion control: a refusal lowers them by 20 %, a stable period without refusals raises
them by 2 to 100 %.

A refusal holds back the call that got it, and nobody else. Whether refusals come from a limit is
decided as in statistical process control, by a cumulative sum (CUSUM; Page, Biometrika 1954): a
refusal adds to it, an answer takes a quarter off, so that it stays near 0 below a share of 20 %.
Above `MAX_SUSPICION` all calls pause. The first success after that tells the kind of limit: soon, a
second's; after a minute, a minute's.

A process takes permits for the next tenth of a second, when they are due, so that a process that
dies takes none with it, and tells the others in the same interval what it counted.
"""

import asyncio
import contextlib
import math
import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..base.language import tr, trn
from ..config import Settings, validate_rate_limits
from ..errors import RateLimitError
from ..wire.base import JsonObject
from . import clock

SPACING_MARGIN: Final = 1.02
"""Factor by which requests are spaced wider than allowed: the network does not keep them evenly
spaced.
"""

MINUTE_S: Final = 60 * SPACING_MARGIN
"""Seconds in which no more units go than a known limit allows; wider than a minute for the same
reason.
"""

INTERVAL_S: Final = 0.25
"""Units are counted by intervals of this length; `MINUTE_S` is longer than a minute by more than
that.
"""

SECOND_S: Final = 0.75
"""Seconds whose counts, with the quarter in which they begin, are those of at most one second."""


class RecentCounts(BaseModel):
    """Counts of the last minute.

    Attributes:
        rows: beginning and count of each interval, the oldest first.
    """

    model_config = ConfigDict(extra="forbid")

    rows: list[list[float]] = []

    def add(self, count: float, now: float) -> None:
        """Count something that happens now."""
        start = now // INTERVAL_S * INTERVAL_S
        if self.rows and self.rows[-1][0] >= start:
            self.rows[-1][1] += count
        else:
            self.rows.append([start, count])
        while self.rows[0][0] + MINUTE_S <= now:
            del self.rows[0]

    def total(self, now: float, seconds: float = MINUTE_S - INTERVAL_S) -> float:
        """Return the sum of the last seconds and the interval in which they begin."""
        start = now - seconds - INTERVAL_S
        return sum(row[1] for row in self.rows if row[0] > start)

    def seconds_until_below(self, limit: float, now: float) -> float:
        """Return the seconds until the minute's sum is below a limit; 0 if it is."""
        remaining = self.total(now)
        wait_s = 0.0
        for start, count in self.rows:
            if remaining < limit:
                break
            if start + MINUTE_S > now:
                remaining -= count
                wait_s = start + MINUTE_S - now
        return wait_s

    def seconds_until_free(self, now: float) -> float:
        """Return the seconds until the oldest count is forgotten, infinite without one."""
        return self.seconds_until_below(self.total(now), now) or math.inf


MAX_CATCH_UP_S: Final = 0.015
"""Seconds of lateness that may be made up for: timers are late by milliseconds, and a second has 20
to spare.
"""

DECREASE: Final = 0.8
"""Factor of the rate after a refusal."""

INCREASE: Final = 1.1
"""Factor of the rate after `STABLE_SECONDS` without a refusal."""

FAST_INCREASE: Final = 2.0
"""Factor far below the rate that was refused last, after `FAST_STABLE_SECONDS`."""

FAST_STABLE_SECONDS: Final = 3.0

PROBE_INCREASE: Final = 1.02
"""The same near the rate that was refused last."""

STABLE_SECONDS: Final = 10.0

SLOW_STABLE_SECONDS: Final = 60.0
"""The same for slow rates near the refused one: a minute's limit takes a minute to show itself."""

MIN_DERIVED_REQUESTS: Final = 60.0
MIN_DERIVED_TOKENS: Final = 5000.0
"""A minute; the lowest rates that are derived from measured ones, which are low when a batch has
just begun.
"""

SLOW_REQUESTS: Final = 600.0
SLOW_TOKENS: Final = 300_000.0
"""A minute; slower rates need a minute to show that they are too fast."""

RAISED_S: Final = 3.0
"""Seconds after a raise in which a refusal is the raise's."""

UNLIMITED_FACTOR: Final = 1000.0
"""A derived rate that has grown to this many times the lowest derived rate is dropped."""

RateSource = Literal["settings", "job", "headers", "refusals"]


class Pacer(BaseModel):
    """Spreads units (requests or tokens) evenly over time.

    Attributes:
        min_derived_rate: units a minute; the lowest rate that is derived from a measured one.
        slow_rate: units a minute; see `SLOW_REQUESTS`.
        own: the limits that only this process has, by their source.
        headers: the platform's limit, None where it states none.
        derived: the rate after refusals, None before.
        refused_rate: near it the rate rises slowly.
        changed_at, raised_at: when refusals or recovery changed the rate, and when it rose.
        next_at: when the next unit may go.
    """

    model_config = ConfigDict(extra="forbid")

    min_derived_rate: float
    slow_rate: float
    own: dict[RateSource, float] = Field(default={}, exclude=True)
    headers: float | None = None
    derived: float | None = None
    refused_rate: float = math.inf
    changed_at: float = -math.inf
    raised_at: float = -math.inf
    next_at: float = -math.inf

    @property
    def limits(self) -> dict[RateSource, float]:
        """Units a minute, by where they come from; those of the settings and the platform first."""
        limits = dict(self.own)
        if self.headers is not None:
            limits["headers"] = self.headers
        if self.derived is not None:
            limits["refusals"] = self.derived
        return limits

    @property
    def ceiling(self) -> float | None:
        """Units a minute: the lowest limit of settings and platform, None without one."""
        limits = [*self.own.values(), *filter(None, [self.headers])]
        return min(limits, default=None)

    @property
    def rate(self) -> float | None:
        """Units a minute; below the ceiling after a refusal, None for no limit."""
        return min(self.limits.values(), default=None)

    @property
    def source(self) -> RateSource | None:
        """Where the rate comes from."""
        limits = self.limits
        return min(limits, key=limits.__getitem__, default=None)

    def set_ceiling(self, source: RateSource, rate: float | None) -> None:
        """Set the limit of this process from one source, or remove it with None."""
        self.own.pop(source, None)
        if rate is not None:
            self.own[source] = rate

    def spend(self, units: float, now: float) -> None:
        """Count units that go now; a negative number corrects an estimate."""
        if rate := self.rate:
            earliest = max(self.next_at, now - MAX_CATCH_UP_S)
            self.next_at = earliest + units * 60 * SPACING_MARGIN / rate

    def slow_down(self, limit: float, refused_rate: float, now: float) -> None:
        """Lower the rate after refusals.

        Args:
            limit: units a minute that refusals tell; the rate where there is none yet.
            refused_rate: near it that rate rises slowly.
            now: seconds on the clock of the refusals.
        """
        rate = self.rate
        if rate is None:
            self.derived = limit
            self.refused_rate = refused_rate
        else:
            factor = 1 / INCREASE if now - self.raised_at < RAISED_S else DECREASE
            self.derived = max(1.0, rate * factor)
            self.refused_rate = rate
        self.changed_at = now

    def recover(self, now: float) -> None:
        """Raise the rate after a stable period, up to the ceiling; called after successes."""
        if self.derived is None:
            return
        stable_s = STABLE_SECONDS
        increase = INCREASE
        if self.is_near_refused_rate:
            increase = PROBE_INCREASE
            if self.derived < self.slow_rate:
                stable_s = SLOW_STABLE_SECONDS
        elif self.derived * FAST_INCREASE <= self.refused_rate:
            stable_s = FAST_STABLE_SECONDS
            increase = FAST_INCREASE
        if now - self.changed_at <= stable_s:
            return
        self.derived *= increase
        self.changed_at = self.raised_at = now
        if self.derived >= (self.ceiling or self.min_derived_rate * UNLIMITED_FACTOR):
            self.derived = None

    @property
    def is_near_refused_rate(self) -> bool:
        """Whether the rate comes from refusals and is near the one that was refused last."""
        if self.derived is None:
            return False
        return self.derived / INCREASE <= self.refused_rate < self.derived * INCREASE

    def describe(self, unit: str) -> str:
        """Return the rate and where it comes from, "" without one."""
        if self.rate is None:
            return ""
        labels = {"headers": tr("of the platform"), "refusals": tr("after refusals")}
        source = labels.get(self.source or "") or tr("set by you")
        return tr("{n:,.0f} {unit}/min ({source})", n=self.rate, unit=unit, source=source)


class LimiterState(BaseModel):
    """What all processes share.

    Attributes:
        written_at: when it was stored.
        requests, tokens: the two pacers.
        sends, answers, used: requests that were sent and answered, and tokens that were used.
        paused_until: nothing is sent before.
        refusals: how often the platform answered "too fast", concurrent calls counted once.
        consecutive_refusals: those that no success has explained yet; below, what was so at the
            first of them.
        refused_at, free_at: its time, and when the oldest answer before it is a minute old.
        peak_rate, minute_count: units a minute of the second before it, and of the minute.
        is_token_limit: whether tokens are limited.
        sender, waiting, waiting_at: the process that sent last, another one that waits, and since
            when.
    """

    model_config = ConfigDict(extra="forbid")

    written_at: float = 0
    requests: Pacer = Pacer(min_derived_rate=MIN_DERIVED_REQUESTS, slow_rate=SLOW_REQUESTS)
    tokens: Pacer = Pacer(min_derived_rate=MIN_DERIVED_TOKENS, slow_rate=SLOW_TOKENS)
    sends: RecentCounts = RecentCounts()
    answers: RecentCounts = RecentCounts()
    used: RecentCounts = RecentCounts()
    paused_until: float = -math.inf
    refusals: int = 0
    consecutive_refusals: int = 0
    refused_at: float = -math.inf
    free_at: float = math.inf
    peak_rate: float = 0
    minute_count: float = 0
    is_token_limit: bool = False
    sender: str = ""
    waiting: str = ""
    waiting_at: float = -math.inf

    @property
    def limited(self) -> tuple[Pacer, RecentCounts]:
        """The pacer that the latest refusal limits, and the units that were answered."""
        if self.is_token_limit:
            return self.tokens, self.used
        return self.requests, self.answers


class SharedState(Protocol):
    """A JSON object that processes change one after the other: a `LockedFile`, or an actor of
    Ray.
    """

    is_usable: bool

    def change(self) -> contextlib.AbstractContextManager[JsonObject | None]:
        """Yield the object, which is stored at the end; None if it cannot be had now."""


MAX_RETRY_AFTER: Final = 120.0
"""Seconds; where a server asks for more, the call fails at once."""

_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?$")

MAX_PAUSE_S: Final = 60.0
"""The platform counts by the minute, so waiting longer has no use."""

MAX_SHORT_PAUSES: Final = 4
"""Pauses in a row of the length that the server names; later ones are longer."""

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
"""Requests are counted by the interval, so the end of their minute is known to about this."""

MAX_SUSPICION: Final = 6.0
"""The cumulative sum from which refusals come from a limit; at 10 % of refusals it is reached once
in 5,000 calls.
"""

ANSWER_RELIEF: Final = 0.25
"""What an answer takes off that sum."""

PROBE_SUSPICION: Final = 4.0
"""What a refusal adds near a rate that was refused before; elsewhere 1."""

LEASE_S: Final = 0.1
"""Seconds for which permits are taken at once: at high rates a call costs a fraction of an
exchange.
"""

MEMORY_S: Final = 120.0
"""Age of a state that is not read any more: what refusals taught then is no limit of now."""

CLOCK_TOLERANCE_S: Final = 1.0
"""Difference of the clocks of two machines; a state from later than that is not read."""

TURN_S: Final = 0.02
"""Seconds that the process that sent last lets another one go first."""

WAITING_S: Final = 1.5
"""Seconds after which a process that waited is taken for dead; waiting ones look at least every
second.
"""

BUSY_RETRY_S: Final = 0.002
"""Seconds between two looks at a state that another process has locked."""

_SECOND_LIMITS: Final = frozenset([4, 18, "4", "18"])
_TOKEN_LIMITS: Final = frozenset([336502, "336502", "tpm_rate_limit_exceeded"])


class RateLimiter:
    """Decides when the calls of one credential to one model may go; lives on the I/O loop.

    Args:
        shared: where the state of all processes is; None for limits of this process alone.
        random_: returns a random number in [0, 1).

    Attributes:
        state: as it was last read, with what this process has changed since.
        max_in_flight: concurrent calls; finite only after a refusal.
        in_flight: calls that have been sent and not answered.
    """

    def __init__(
        self, shared: SharedState | None = None, *, random_: Callable[[], float] = random.random
    ) -> None:
        self.state = LimiterState()
        self.max_in_flight = math.inf
        self.in_flight = 0
        self._shared = shared
        self._random = random_
        self._id = f"{random.getrandbits(64):016x}"  # not a secret
        self._now = clock.now if clock.is_scaled() else clock.wall_time
        self._suspicion = 0.0
        self._earlier_max_in_flight = math.inf
        self._waiting = 0
        self._permits = 0.0
        self._lease_ends_at = self._next_send_at = -math.inf
        self._pending: defaultdict[str, float] = defaultdict(float)
        self._publication: asyncio.TimerHandle | None = None
        self._applied_settings: Settings | None = None
        self._queue_lock = asyncio.Lock()
        self._slot_released = asyncio.Event()

    @property
    def requests(self) -> Pacer:
        """The pacer of requests."""
        return self.state.requests

    @property
    def tokens(self) -> Pacer:
        """The pacer of tokens."""
        return self.state.tokens

    @property
    def refusals(self) -> int:
        """How often the platform answered "too fast", concurrent calls counted once."""
        return self.state.refusals

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
        self,
        tokens: float = 0,
        deadline: asyncio.Timeout | None = None,
        max_wait_s: float | None = None,
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
        self._waiting += 1
        try:
            if self._queue_lock.locked() or self._is_full or self._reserve() > 0:
                with clock.paused(deadline):
                    await self._wait_in_line(max_wait_s)
        finally:
            self._waiting -= 1
        self.in_flight += 1
        self._count_send(tokens)
        return self.state.refusals

    @property
    def _is_full(self) -> bool:
        return self.in_flight >= self.max_in_flight

    async def _wait_in_line(self, max_wait_s: float | None) -> None:
        if max_wait_s is not None and self.state.paused_until - self._now() > max_wait_s:
            raise self._create_wait_error(max_wait_s)
        try:
            async with asyncio.timeout(max_wait_s), self._queue_lock:
                await self._wait_until_available()
        except TimeoutError:
            raise self._create_wait_error(max_wait_s or 0.0) from None

    async def _wait_until_available(self) -> None:
        while self._is_full or (seconds := self._reserve()) > 0:
            if self._is_full:
                self._slot_released.clear()
                await self._slot_released.wait()
            else:
                await clock.sleep(min(seconds, 1.0))  # limits may change meanwhile

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

    def release(self) -> None:
        """Count the end of a call, whatever its outcome."""
        self.in_flight -= 1
        self._slot_released.set()

    def seconds_to_wait(self) -> float:
        """Return the seconds until the next call of any process may go; not positive if it may go
        now.
        """
        now = self._now()
        wait_s = max(self.requests.next_at - now, self._pause_s(now))
        if ceiling := self.requests.ceiling:
            limit = max(math.floor(ceiling), 1)
            wait_s = max(wait_s, self.state.sends.seconds_until_below(limit, now))
        return wait_s

    def _pause_s(self, now: float) -> float:
        """Return the seconds of the pause after a refusal, and until tokens are free."""
        return max(self.state.paused_until, self.tokens.next_at) - now

    def _reserve(self) -> float:
        """Take permits where this process has none; return the seconds until the next call may
        go, not positive if it may go now.
        """
        now = self._now()
        is_unlimited = self.requests.rate is None
        has_permit = self._permits >= 1 and (self._permits == math.inf) == is_unlimited
        if has_permit and now < self._lease_ends_at <= now + 2 * LEASE_S:
            return max(self._next_send_at - now, self._pause_s(now))
        with self._exchange() as is_locked:
            if not is_locked and self._is_shared:
                return BUSY_RETRY_S
            wait_s = self.seconds_to_wait()
            if self._yields_turn(now):
                wait_s = max(wait_s, self.requests.next_at + TURN_S - now)
            if wait_s <= 0:
                self._take_permits(now)
            elif self.state.sender != self._id:
                self.state.waiting = self._id
                self.state.waiting_at = now
        return wait_s

    def _yields_turn(self, now: float) -> bool:
        """Return whether this process has sent last, and another one waits."""
        state = self.state
        is_other_waiting = state.waiting != self._id and state.waiting_at > now - WAITING_S
        return state.sender == self._id and is_other_waiting and state.requests.rate is not None

    def _take_permits(self, now: float) -> None:
        """Take a permit for each call that waits, at most those of `LEASE_S`."""
        self._lease_ends_at = now + 2 * LEASE_S
        self.state.sender = self._id
        self._next_send_at = max(self.requests.next_at, now - MAX_CATCH_UP_S)
        rate = self.requests.rate
        if rate is None:
            self._permits = math.inf
            return
        room = (self.requests.ceiling or math.inf) - self.state.sends.total(now)
        self._permits = max(1, math.floor(min(self._waiting, rate * LEASE_S / 60, room)))
        self.requests.spend(self._permits, now)
        self.state.sends.add(self._permits, now)

    def _count_send(self, tokens: float) -> None:
        now = self._now()
        if self._permits == math.inf:
            self._pending["sends"] += 1
        else:
            self._permits -= 1
            earliest = max(self._next_send_at, now - MAX_CATCH_UP_S)
            self._next_send_at = earliest + 60 * SPACING_MARGIN / (self.requests.rate or math.inf)
        self._spend_tokens(tokens, now)
        self._publish_soon()

    def _spend_tokens(self, tokens: float, now: float) -> None:
        """Count tokens here, and for the next exchange."""
        self.tokens.spend(tokens, now)
        self._pending["tokens"] += tokens

    def correct_tokens(self, estimate: float, used_tokens: int) -> None:
        """Count the tokens that a reply used instead of the estimate."""
        self._spend_tokens(used_tokens - estimate, self._now())

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
        self._pending["answers"] += 1
        self._pending["used"] += used_tokens or 0
        if used_tokens is not None:
            self.correct_tokens(estimate, used_tokens)
        for unit in ("requests", "tokens"):
            limit = parse_number(headers.get(f"x-ratelimit-limit-{unit}", ""))
            if limit is not None and limit > 0:
                self._apply_limit(unit, limit, headers, now - latency_s)
        if refusals == self.state.refusals:
            if self.state.consecutive_refusals:
                with self._exchange() as is_locked:
                    if is_locked:  # otherwise the next success does
                        self._explain_refusals(now, now - latency_s)
            self._pending["successes"] += 1
            self.max_in_flight += 1 / self.max_in_flight
        self._publish_soon()

    def _apply_limit(
        self, unit: str, limit: float, headers: Mapping[str, str], sent_at: float
    ) -> None:
        """Take the limit of requests or tokens in the headers of a response, and pause where
        nothing remains.
        """
        now = self._now()
        if getattr(self.state, unit).headers != limit:
            with self._exchange():
                pacer: Pacer = getattr(self.state, unit)
                is_first = pacer.rate is None
                pacer.headers = limit
                if is_first and unit == "tokens":
                    pacer.spend(self.state.used.total(now), now)
                elif is_first:
                    sent = self.state.sends.total(now, SECOND_S)
                    pacer.next_at = now + min(sent * 60 / limit, MAX_START_S)
        if parse_number(headers.get(f"x-ratelimit-remaining-{unit}", "")) == 0:
            reset_s = parse_duration(headers.get(f"x-ratelimit-reset-{unit}", ""))
            pause_s = min(max(60 / limit, 1.0) if reset_s is None else reset_s, MAX_PAUSE_S)
            with self._exchange():
                self._pause_until(sent_at + pause_s)

    def _pause_until(self, end: float) -> None:
        self.state.paused_until = max(self.state.paused_until, end)

    def record_refusal(self, refusals: int, error: RateLimitError) -> None:
        """Pause after refusals that come from a limit, once for all calls that were in flight
        then.

        A call that is to retry after more than `MAX_RETRY_AFTER` fails; that delay does not pause
        the others.

        Args:
            refusals: what `acquire` returned.
            error: the refusal.
        """
        with self._exchange():
            state = self.state
            if refusals == state.refusals:
                state.is_token_limit = error.error_code in _TOKEN_LIMITS
                is_probe = state.limited[0].is_near_refused_rate
                self._suspicion += PROBE_SUSPICION if is_probe else 1.0
                if self._suspicion < MAX_SUSPICION and not state.consecutive_refusals:
                    return
                self._count_refusal(error)
            elif not state.consecutive_refusals:
                return  # sent before the refusals that have been explained since
            now = self._now()
            pause_s = error.retry_after
            if pause_s is None or pause_s > MAX_RETRY_AFTER:
                pause_s = self._probe_pause_s(now)
            elif state.consecutive_refusals > MAX_SHORT_PAUSES:
                pause_s = max(pause_s, self._probe_pause_s(now))
            self._pause_until(now + pause_s)

    def _count_refusal(self, error: RateLimitError) -> None:
        now = self._now()
        state = self.state
        usage = state.limited[1]
        if not state.consecutive_refusals:
            state.refused_at = now
            state.free_at = now + state.answers.seconds_until_free(now)
            state.peak_rate = usage.total(now, SECOND_S) * 60
            state.minute_count = 0
            self._earlier_max_in_flight = self.max_in_flight
        if error.error_code not in _SECOND_LIMITS:
            state.minute_count = max(state.minute_count, usage.total(now))
        state.refusals += 1
        state.consecutive_refusals += 1
        self.max_in_flight = 1  # the next refusal stops the others

    def _probe_pause_s(self, now: float) -> float:
        """Return the seconds after which to look whether the platform answers again."""
        state = self.state
        count = state.consecutive_refusals
        pause_s = min(2.0**count, MAX_PROBE_PAUSE_S) * (0.5 + self._random() / 2)
        free_s = state.answers.seconds_until_free(now)
        if free_s > 1.0 or count <= 2:
            pause_s = min(pause_s, max(free_s, 1.0))
        return pause_s

    def _explain_refusals(self, now: float, sent_at: float) -> None:
        """Set the rate by the time of the first success after refusals: an overload's, a second's
        or a minute's.
        """
        state = self.state
        pacer, usage = state.limited
        pause_s = state.paused_until - state.refused_at
        is_moment = state.consecutive_refusals == 1 and pause_s <= MOMENT_S
        is_moment |= sent_at - state.refused_at <= MOMENT_S
        # the answers of that second that came after the refusal, without this success
        answered = usage.total(now, now - state.refused_at + SECOND_S)
        answered *= 1 - 1 / state.answers.total(now)
        peak_rate = max(state.peak_rate, answered * 60)
        if is_moment:
            self.max_in_flight = self._earlier_max_in_flight
            if peak_rate >= pacer.min_derived_rate or pacer.rate is not None:
                pacer.slow_down(peak_rate, peak_rate, now)
        elif state.minute_count and sent_at >= state.free_at - FREE_TOLERANCE_S:
            pacer.slow_down(state.minute_count, state.minute_count, now)
        else:
            pacer.slow_down(max(peak_rate, pacer.min_derived_rate), math.inf, now)
        state.consecutive_refusals = 0
        self._suspicion = 0.0

    def estimate_tokens(self, request_bytes: int, body: object) -> float:
        """Return the tokens that a call may use, 0 if tokens are not limited.

        Args:
            request_bytes: size of the request.
            body: the record that is sent; it may limit the tokens of the reply.
        """
        if self.tokens.rate is None:
            return 0
        names = ("max_completion_tokens", "max_tokens", "max_output_tokens")
        limits = [getattr(body, name, None) for name in names]
        return request_bytes / 3 + next(filter(None, limits), 200)

    def describe(self) -> str:
        """Return the present limits with their sources, and the present wait; "" without limits."""
        parts = [self.requests.describe(tr("requests")), self.tokens.describe("tokens")]
        if self.max_in_flight < math.inf:
            parts.append(tr("{n} at once", n=int(self.max_in_flight)))
        # without the wait a batch that waits looks like one that hangs
        seconds = self.state.paused_until - self._now()
        refusals = self.state.consecutive_refusals
        if refusals:
            parts.append(trn("refused once", "refused {n} times", refusals))
        if seconds > 0.5:
            parts.append(tr("waiting {seconds:.0f} s", seconds=seconds))
        return " · ".join(filter(None, parts))

    @property
    def _is_shared(self) -> bool:
        is_usable = self._shared is not None and self._shared.is_usable
        return is_usable and not clock.is_scaled()

    def _publish_soon(self) -> None:
        """Tell the other processes what was counted, also when this one sends nothing more."""
        if not self._is_shared:
            self._publish()
        elif self._publication is None:
            self._publication = asyncio.get_running_loop().call_later(LEASE_S, self._publish)

    def _publish(self) -> None:
        self._publication = None
        with self._exchange():
            pass

    @contextlib.contextmanager
    def _exchange(self) -> Iterator[bool]:
        """Take what other processes have stored, and store what the body adds; yield whether that
        was possible.
        """
        if self._shared is None or not self._is_shared:
            self._apply_pending()
            yield True
            return
        with self._shared.change() as stored:
            if stored is None:
                yield False
                return
            if stored:
                self._take_state(stored)
            self._apply_pending()
            yield True
            self.state.written_at = self._now()
            stored.clear()
            stored.update(self.state.model_dump())

    def _take_state(self, stored: JsonObject) -> None:
        """Take the state that another process has stored, unless it is broken or of another time;
        its refusal limits the calls in flight here, too.
        """
        try:
            read = LimiterState.model_validate(stored)
        except ValidationError:
            return  # it is overwritten
        now = self._now()
        earlier = self.state
        if not now - MEMORY_S < read.written_at < now + CLOCK_TOLERANCE_S:
            read = LimiterState()
        read.requests.own = earlier.requests.own
        read.tokens.own = earlier.tokens.own
        read.tokens.spend(self._pending["tokens"], now - LEASE_S)
        self.state = read
        if read.refusals > earlier.refusals and read.consecutive_refusals:
            if not earlier.consecutive_refusals:
                self._earlier_max_in_flight = self.max_in_flight
            self.max_in_flight = 1
        elif earlier.consecutive_refusals and not read.consecutive_refusals:
            self.max_in_flight = self._earlier_max_in_flight
            self._slot_released.set()

    def _apply_pending(self) -> None:
        """Add what this process has counted since the last exchange."""
        now = self._now()
        pending = self._pending
        self._pending = defaultdict(float)
        for name in ("sends", "answers", "used"):
            if pending[name]:
                getattr(self.state, name).add(pending[name], now)
        if pending["successes"]:
            self.requests.recover(now)
            self.tokens.recover(now)


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
