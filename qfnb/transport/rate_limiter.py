"""Rate limits: one limiter for each credential and model, shared by the whole process.

Requests and tokens are each spread evenly over the minute, since a sliding window refuses a burst at its
start. The rates come from the settings, from the platform's headers, or from its refusals: a refusal slows
all calls down, and successes raise the rate again.
"""

import asyncio
import math
import random
import re
from collections.abc import Callable, Mapping
from typing import Final

from ..config import Settings
from ..errors import InvalidArgumentError, RateLimitError
from . import clock, event_loop
from .clock import Deadline
from .pacer import MIN_DERIVED_REQUESTS, MIN_DERIVED_TOKENS, Pacer, RecentUsage
from .platform import Platform
from .retry import MAX_RETRY_AFTER

MAX_PAUSE_S: Final = 60.0
"""The platform counts by the minute, so waiting longer has no use."""

_SECOND_LIMITS = {4, 18, "4", "18"}
_TOKEN_LIMITS = {336502, "336502", "tpm_rate_limit_exceeded"}
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?$")


class RateLimiter:
    """Decides when the calls of one credential to one model may go; lives on the I/O loop.

    Attributes:
        requests, tokens: the two pacers.
        max_in_flight: concurrent calls; finite only after a refusal.
        in_flight: calls that have been sent and not answered.
        refusals: how often the platform answered "too fast", concurrent calls counted once.
    """

    def __init__(self, *, random_: Callable[[], float] = random.random) -> None:
        self.requests, self.tokens = Pacer(MIN_DERIVED_REQUESTS), Pacer(MIN_DERIVED_TOKENS)
        self.max_in_flight, self.in_flight, self.refusals = math.inf, 0, 0
        self._paused_until, self._consecutive_refusals = -math.inf, 0
        self._recent_usage, self._random = RecentUsage(), random_
        self._applied_settings: Settings | None = None
        self._queue_lock, self._slot_released = asyncio.Lock(), asyncio.Event()

    def apply_settings(self, settings: Settings) -> None:
        """Set the ceilings of the settings.

        Raises:
            InvalidArgumentError: a limit is negative, or both request limits are set.
        """
        if settings is self._applied_settings:
            return
        _validate_limits(settings)
        self._applied_settings = settings
        self.requests.set_ceiling("settings", settings.qps_limit * 60 or settings.rpm_limit or None)
        self.tokens.set_ceiling("settings", settings.tpm_limit or None)

    async def acquire(self, tokens: float = 0, deadline: Deadline | None = None) -> int:
        """Wait until a call may go, in order of arrival; return the refusals so far. `release` must follow.

        Args:
            tokens: that the call may use.
            deadline: is paused during the wait.
        """
        if self._queue_lock.locked() or self.in_flight >= self.max_in_flight or self.seconds_to_wait() > 0:
            remaining_s = deadline.pause() if deadline else 0.0
            async with self._queue_lock:
                await self._wait_until_available()
            if deadline:
                deadline.resume(remaining_s)
        self.in_flight += 1
        if self._is_paced:
            now = clock.now()
            self.requests.spend(1, now)
            self.tokens.spend(tokens, now)
        return self.refusals

    def release(self) -> None:
        """Count the end of a call, whatever its outcome."""
        self.in_flight -= 1
        self._slot_released.set()

    @property
    def _is_paced(self) -> bool:
        return self.requests.rate is not None or self.tokens.rate is not None

    def seconds_to_wait(self) -> float:
        """Return the seconds until the next call may go; not positive if it may go now."""
        if self._paused_until == -math.inf and not self._is_paced:
            return 0.0
        now = clock.now()
        return max(self._paused_until - now, self.requests.seconds_to_wait(now), self.tokens.seconds_to_wait(now))

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
        now = clock.now()
        self._recent_usage.add(used_tokens or 0, now)
        if used_tokens is not None:
            self.correct_tokens(estimate, used_tokens)
        if "x-ratelimit-limit-requests" in headers or "x-ratelimit-limit-tokens" in headers:
            self._apply_headers(headers, now - latency_s)
        if refusals == self.refusals:
            self._consecutive_refusals = 0
            self.max_in_flight += 1 / self.max_in_flight if self.max_in_flight < math.inf else 0
            self.requests.recover(now)
            self.tokens.recover(now)

    def correct_tokens(self, estimate: float, used_tokens: int) -> None:
        """Count the tokens that a reply used instead of the estimate."""
        self.tokens.spend(used_tokens - estimate, clock.now())

    def record_refusal(self, refusals: int, error: RateLimitError) -> None:
        """Slow down after a refusal, once for all calls that were in flight then.

        A call that is to retry after more than `MAX_RETRY_AFTER` fails; that delay does not pause the others.

        Args:
            refusals: what `acquire` returned.
            error: the refusal.
        """
        now = clock.now()
        if refusals == self.refusals:
            self.refusals += 1
            self._consecutive_refusals += 1
            self.max_in_flight = max(1.0, min(self.max_in_flight, self.in_flight) / 2)
            self._slow_down(error, now)
        pause_s = error.retry_after
        if pause_s is None or pause_s > MAX_RETRY_AFTER:
            pause_s = min(2.0**self._consecutive_refusals, MAX_PAUSE_S) * (0.5 + self._random() / 2)
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
        return request_bytes / 3 + next((limit for name in names if (limit := getattr(body, name, None))), 200)

    def describe(self) -> str:
        """Return the present limits with their sources, and the present wait; "" without limits."""
        source_labels = {"settings": "设置 set", "headers": "平台 platform", "refusals": "限流后 after refusals"}
        parts = [
            f"{pacer.rate:,.0f} {unit}/min ({source_labels.get(pacer.source, '')})"
            for pacer, unit in ((self.requests, "requests"), (self.tokens, "tokens"))
            if pacer.rate is not None
        ]
        if self.max_in_flight < math.inf:
            parts.append(f"{int(self.max_in_flight)} at once")
        return " · ".join(parts + self._describe_wait())

    def _describe_wait(self) -> list[str]:
        """Return the present wait in words: without them a batch that waits looks like one that hangs."""
        seconds, refusals = self._paused_until - clock.now(), self._consecutive_refusals
        if seconds <= 0.5:
            return [f"平台限流 / refused {_format_times(refusals)}"] if refusals else []
        if not refusals:
            return [f"waiting {seconds:.0f} s"]
        return [f"平台限流，等待 {seconds:.0f} s / refused {_format_times(refusals)}, waiting {seconds:.0f} s"]

    async def _wait_until_available(self) -> None:
        while True:
            if self.in_flight >= self.max_in_flight:
                self._slot_released.clear()
                await self._slot_released.wait()
            elif (seconds := self.seconds_to_wait()) > 0:
                await clock.sleep(min(seconds, 1.0))  # limits may change meanwhile
            else:
                return

    def _slow_down(self, error: RateLimitError, now: float) -> None:
        if error.error_code in _TOKEN_LIMITS:
            self.tokens.slow_down(self._recent_usage.tokens(now), now)
        elif error.error_code in _SECOND_LIMITS:
            self.requests.slow_down(self._recent_usage.requests(now, seconds=1) * 60, now)
        else:
            self.requests.slow_down(self._recent_usage.requests(now), now)

    def _apply_headers(self, headers: Mapping[str, str], sent_at: float) -> None:
        for pacer, unit in ((self.requests, "requests"), (self.tokens, "tokens")):
            limit = _parse_number(headers.get(f"x-ratelimit-limit-{unit}", ""))
            if limit is None or limit <= 0:
                continue
            pacer.set_ceiling("headers", limit)
            if _parse_number(headers.get(f"x-ratelimit-remaining-{unit}", "")) == 0:
                reset_s = _parse_duration(headers.get(f"x-ratelimit-reset-{unit}", ""))
                pause_s = min(max(60 / limit, 1.0) if reset_s is None else reset_s, MAX_PAUSE_S)
                self._paused_until = max(self._paused_until, sent_at + pause_s)


_limiters: dict[tuple[object, str, str], RateLimiter] = {}


def get_limiter(platform: Platform, model: str) -> RateLimiter:
    """Return the shared limiter of a platform's credentials and a model."""
    key = (platform.credentials, platform.host, model)
    limiter = _limiters.get(key)
    return limiter if limiter is not None else _limiters.setdefault(key, RateLimiter())


def _validate_limits(settings: Settings) -> None:
    for name in ("qps_limit", "rpm_limit", "tpm_limit"):
        if not math.isfinite(value := getattr(settings, name)) or value < 0:
            raise InvalidArgumentError(f"QIANFAN_{name.upper()}={value!r}: it is a number, 0 for no limit")
    if settings.qps_limit and settings.rpm_limit:
        raise InvalidArgumentError("QIANFAN_QPS_LIMIT and QIANFAN_RPM_LIMIT are both set: keep one (二者只能设一个)")


def _format_times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _parse_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _parse_duration(text: str) -> float | None:
    """Return "12", "1.5s", "6m0s" or "250ms" in seconds, None for anything else."""
    if (plain_seconds := _parse_number(text)) is not None:
        return max(plain_seconds, 0.0)
    match = _DURATION.match(text) if text else None
    if match is None:
        return None
    hours, minutes, seconds, thousandths = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _reset_in_child() -> object:
    """Drop the parent's limiters, in which the parent's calls wait."""
    global _limiters
    inherited, _limiters = _limiters, {}
    return inherited


event_loop.register_child_reset(_reset_in_child)
