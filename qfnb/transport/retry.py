"""When to try again, and after how long: pure decisions, so that they can be tested as a table.

At most three attempts, full jitter, a server's Retry-After is honoured up to two minutes, a call that may
already have changed something is not repeated, and a budget shared by all calls with the same credentials
keeps a broken platform from being hammered.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from .. import errors
from ..wire import codes

MAX_RETRY_AFTER = 120.0
"""Seconds; a server that asks for more is not waited for."""


@dataclass(frozen=True)
class Retry:
    """How often and how patiently to try.

    Attributes:
        attempts: tries in all, the first included.
        base, cap: seconds; try k waits a random time up to min(base * 2**k, cap).
    """

    attempts: int = 3
    base: float = 0.5
    cap: float = 8.0

    def wait(
        self,
        error: Exception,
        attempt: int,
        *,
        repeatable: bool,
        draw: Callable[[], float] = random.random,
    ) -> float | None:
        """Return the seconds to wait before the next try, or None when there must be none.

        Args:
            error: what the last try raised.
            attempt: how many tries there have been.
            repeatable: whether doing it twice does no harm.
            draw: a random number in [0, 1).
        """
        if attempt >= self.attempts or not _worth_it(error, repeatable=repeatable):
            return None
        asked: float | None = getattr(error, "retry_after", None)
        if asked is not None:
            return float(asked) if asked <= MAX_RETRY_AFTER else None
        ceiling: float = min(self.base * 2**attempt, self.cap)
        return draw() * ceiling


@dataclass
class Budget:
    """Tokens that retries cost and successes earn back; empty means: fail at once."""

    capacity: float = 500
    tokens: float = 500

    def spend(self, error: Exception) -> bool:
        """Pay for one retry (10 after a timeout, else 5); tell whether there was enough."""
        price = 10 if isinstance(error, errors.RequestTimeoutError) else 5
        if self.tokens < price:
            return False
        self.tokens -= price
        return True

    def earn(self) -> None:
        """Count one clean success."""
        self.tokens = min(self.capacity, self.tokens + 1)


def _worth_it(error: Exception, *, repeatable: bool) -> bool:
    match error:
        case errors.RateLimitError():
            return True  # refused before anything was done
        case errors.APIError():
            return repeatable and codes.meaning(error.error_code, error.status).kind == "server"
        case errors.TLSError():
            return False  # the certificate will be the same
        case errors.ConnectionFailed():
            return repeatable or not error.sent
        case errors.RequestTimeoutError():
            return repeatable
    return False
