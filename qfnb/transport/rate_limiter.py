"""Rate limits: one limiter for each credential and model, shared by the whole process.

Requests and tokens are each spread evenly over the minute, since a sliding window refuses a burst
at its start. The rates come from the settings, from the platform's headers, or from its refusals.

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
from collections.abc import Callable, Mapping
from typing import Final

from ..base.language import tr, trn
from ..config import Settings, validate_rate_limits
from ..errors import RateLimitError
from . import clock
from .clock import Deadline
from .pacer import MIN_DERIVED_REQUESTS, MIN_DERIVED_TOKENS, SLOW_TOKENS, Pacer, RecentCounts

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
            if deadline:
                remaining_s = deadline.pause()
            else:
                remaining_s = 0.0
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
        if self._is_probing:
            probe_at = self._sent_at + PROBE_INTERVAL_S
        else:
            probe_at = -math.inf
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
        if self.max_in_flight < math.inf:
            at_once = tr("{n} at once", n=int(self.max_in_flight))
        else:
            at_once = ""
        parts = [self.requests.describe(tr("requests")), self.tokens.describe("tokens"), at_once]
        return " · ".join(filter(None, parts + self._describe_wait()))

    def _describe_wait(self) -> list[str]:
        """Return the present wait in words: without them a batch that waits looks like one that
        hangs.
        """
        seconds = self._paused_until - self._now()
        refusals = self._consecutive_refusals
        if seconds <= 0.5:
            if refusals:
                return [trn("refused once", "refused {n} times", refusals)]
            return []
        if not refusals:
            return [tr("waiting {seconds:.0f} s", seconds=seconds)]
        return [
            trn(
                "refused once, waiting {s:.0f} s",
                "refused {n} times, waiting {s:.0f} s",
                refusals,
                s=seconds,
            )
        ]

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
