"""How fast a model may be asked: one limiter per credential and model, for the whole process.

Requests and tokens are each spread evenly over the minute: a burst at its start is what a sliding window
refuses. The rates come from the settings, from the platform's headers, or from what it refused; a refusal
slows everybody down once, and clean answers bring the speed back.
"""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections.abc import Callable, Mapping
from typing import Final

from ..config import Settings
from ..errors import InvalidArgumentError, RateLimitError
from . import clock, portal
from .pace import LEAST_REQUESTS, LEAST_TOKENS, Pace, Recent
from .platform import Platform
from .retry import MAX_RETRY_AFTER

LONGEST_HOLD: Final = 60.0
"""Seconds: the platform counts by the minute, so nothing is gained by waiting longer."""

_SECOND_LIMITS = {4, 18, "4", "18"}
_TOKEN_LIMITS = {336502, "336502", "tpm_rate_limit_exceeded"}
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?$")


class Limiter:
    """Lets the calls of one credential to one model go, one after the other; lives on the I/O loop.

    Attributes:
        requests, tokens: the two paces.
        window: the most calls at once; finite only after a refusal.
        in_flight: calls that are under way.
        refusals: how often the platform said "too fast".
    """

    def __init__(self, *, draw: Callable[[], float] = random.random) -> None:
        self.requests, self.tokens = Pace(LEAST_REQUESTS), Pace(LEAST_TOKENS)
        self.window, self.in_flight, self.refusals = math.inf, 0, 0
        self._held_until, self._cut_at, self._in_a_row = -math.inf, -math.inf, 0
        self._recent, self._draw = Recent(), draw
        self._allowed: Settings | None = None
        self._turn, self._freed = asyncio.Lock(), asyncio.Event()

    def allow(self, now: Settings) -> None:
        """Take over the limits of the settings."""
        if now is self._allowed:
            return
        _check(now)
        self._allowed = now
        self.requests.allow("settings", now.qps_limit * 60 or now.rpm_limit or None)
        self.tokens.allow("settings", now.tpm_limit or None)

    async def take(self, tokens: float = 0) -> float:
        """Wait for a turn, in the order of asking; return when it came. Each turn is given back."""
        if self.free():
            return self.go(tokens)
        async with self._turn:
            await self._until_it_may_go()
            return self.go(tokens)

    def free(self) -> bool:
        """Tell whether a call may go at once."""
        return not self._turn.locked() and self.in_flight < self.window and self.wait(clock.now()) <= 0

    def go(self, tokens: float = 0) -> float:
        """Take a turn that is free, or was waited for; return when."""
        now = clock.now()
        self.in_flight += 1
        self.requests.spend(1, now)
        self.tokens.spend(tokens, now)
        return now

    def give_back(self) -> None:
        """End a turn, however it went."""
        self.in_flight -= 1
        self._freed.set()

    def wait(self, now: float) -> float:
        """Return the seconds until the next call may go."""
        return max(self._held_until - now, self.requests.wait(now), self.tokens.wait(now))

    def answered(
        self, since: float, headers: Mapping[str, str], estimate: float = 0, used: int | None = None
    ) -> None:
        """Learn from a good answer: the limits in its headers, the tokens that it took."""
        now = clock.now()
        self._recent.add(used or 0, now)
        if used is not None:
            self.correct(estimate, used)
        if "x-ratelimit-limit-requests" in headers or "x-ratelimit-limit-tokens" in headers:
            self._learn(headers, since)
        if since > self._cut_at:
            self._in_a_row = 0
            self.window += 1 / self.window if self.window < math.inf else 0
            self.requests.recover(now)
            self.tokens.recover(now)

    def correct(self, estimate: float, used: int) -> None:
        """Count the tokens that an answer took instead of the estimate."""
        self.tokens.spend(used - estimate, clock.now())

    def refused(self, since: float, error: RateLimitError) -> None:
        """Slow down after a "too fast": once for all calls that were under way then.

        Who is told to come back much later fails at once; that alone does not hold up the others.
        """
        now = clock.now()
        if since > self._cut_at:
            self._cut_at, self.refusals, self._in_a_row = now, self.refusals + 1, self._in_a_row + 1
            self.window = max(1.0, min(self.window, self.in_flight) / 2)
            self._slow_down(error, now)
        asked = error.retry_after
        if asked is None or asked > MAX_RETRY_AFTER:
            asked = min(2.0**self._in_a_row, LONGEST_HOLD) * (0.5 + self._draw() / 2)
        self._held_until = max(self._held_until, now + asked)

    def estimate(self, size: int, body: object) -> float:
        """Return the tokens that a call may take, 0 when nobody counts them.

        Args:
            size: bytes of the request.
            body: the record that is sent; it may say how many tokens the answer may have.
        """
        if self.tokens.rate is None:
            return 0
        most = getattr(body, "max_output_tokens", None) or getattr(body, "max_completion_tokens", None)
        return size / 3 + (most or 200)

    def describe(self) -> str:
        """Return the present limits, where they come from, and what is waited for; "" when there are none."""
        words = {"settings": "设置 set", "headers": "平台 platform", "refusals": "限流后 after refusals"}
        parts = [
            f"{pace.rate:,.0f} {unit}/min ({words.get(pace.source, '')})"
            for pace, unit in ((self.requests, "requests"), (self.tokens, "tokens"))
            if pace.rate is not None
        ]
        if self.window < math.inf:
            parts.append(f"{int(self.window)} at once")
        return " · ".join(parts + self._waiting())

    def _waiting(self) -> list[str]:
        """Return what to tell while nothing is answered: a batch that waits looks like one that hangs."""
        seconds, times = self._held_until - clock.now(), self._in_a_row
        if seconds <= 0.5:
            return [f"平台限流 / refused {_times(times)}"] if times else []
        if not times:
            return [f"waiting {seconds:.0f} s"]
        return [f"平台限流，等待 {seconds:.0f} s / refused {_times(times)}, waiting {seconds:.0f} s"]

    async def _until_it_may_go(self) -> None:
        while True:
            if self.in_flight >= self.window:
                self._freed.clear()
                await self._freed.wait()
            elif (seconds := self.wait(clock.now())) > 0:
                await clock.sleep(min(seconds, 1.0))  # limits may change meanwhile
            else:
                return

    def _slow_down(self, error: RateLimitError, now: float) -> None:
        if error.error_code in _TOKEN_LIMITS:
            self.tokens.slow_down(self._recent.tokens(now), now)
        elif error.error_code in _SECOND_LIMITS:
            self.requests.slow_down(self._recent.requests(now, seconds=1) * 60, now)
        else:
            self.requests.slow_down(self._recent.requests(now), now)

    def _learn(self, headers: Mapping[str, str], since: float) -> None:
        for pace, unit in ((self.requests, "requests"), (self.tokens, "tokens")):
            limit = _number(headers.get(f"x-ratelimit-limit-{unit}", ""))
            if limit is None or limit <= 0:
                continue
            pace.allow("headers", limit)
            if _number(headers.get(f"x-ratelimit-remaining-{unit}", "")) == 0:
                fresh = _seconds(headers.get(f"x-ratelimit-reset-{unit}", ""))
                hold = min(max(60 / limit, 1.0) if fresh is None else fresh, LONGEST_HOLD)
                self._held_until = max(self._held_until, since + hold)


_limiters: dict[tuple[object, str, str], Limiter] = {}


def of(platform: Platform, model: str) -> Limiter:
    """Return the limiter of a credential and a model."""
    key = (platform.credentials, platform.host, model)
    found = _limiters.get(key)
    return found if found is not None else _limiters.setdefault(key, Limiter())


def _check(now: Settings) -> None:
    for name in ("qps_limit", "rpm_limit", "tpm_limit"):
        if not math.isfinite(value := getattr(now, name)) or value < 0:
            raise InvalidArgumentError(f"QIANFAN_{name.upper()}={value!r}: it is a number, 0 for no limit")
    if now.qps_limit and now.rpm_limit:
        raise InvalidArgumentError(
            "QIANFAN_QPS_LIMIT and QIANFAN_RPM_LIMIT are both set: keep one (二者只能设一个)"
        )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _seconds(text: str) -> float | None:
    """Return the seconds of "12", "1.5s", "6m0s" or "250ms", None for anything else."""
    if (plain := _number(text)) is not None:
        return max(plain, 0.0)
    found = _DURATION.match(text) if text else None
    if found is None:
        return None
    hours, minutes, seconds, thousandths = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000


def _forget() -> object:
    """Leave the limiters to the parent: calls that are not this process's wait in them."""
    global _limiters
    inherited, _limiters = _limiters, {}
    return inherited


portal.in_child(_forget)
