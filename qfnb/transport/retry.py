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
from ..wire import error_codes

MAX_RETRY_AFTER = 120.0
"""Seconds; a server that asks for more is not waited for."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently to try.

    Attributes:
        attempts: tries in all, the first included.
        base_s, cap_s: seconds; try k waits a random time up to min(base * 2**k, cap).
    """

    attempts: int = 3
    base_s: float = 0.5
    cap_s: float = 8.0

    def next_delay_s(
        self,
        error: Exception,
        n_attempts: int,
        *,
        repeatable: bool,
        random_: Callable[[], float] = random.random,
    ) -> float | None:
        """Return the seconds to wait before the next try, or None when there must be none.

        Args:
            error: what the last try raised.
            n_attempts: how many tries there have been.
            repeatable: whether doing it twice does no harm.
            random_: a random number in [0, 1).
        """
        if n_attempts >= self.attempts or not _is_retryable(error, repeatable=repeatable):
            return None
        requested_s: float | None = getattr(error, "retry_after", None)
        if requested_s is not None:
            return float(requested_s) if requested_s <= MAX_RETRY_AFTER else None
        ceiling_s: float = min(self.base_s * 2**n_attempts, self.cap_s)
        return random_() * ceiling_s


@dataclass
class RetryBudget:
    """Tokens that retries cost and successes earn back; empty means: fail at once."""

    capacity: float = 500
    tokens: float = 500

    def spend(self, error: Exception) -> bool:
        """Pay for one retry (10 after a timeout, else 5); tell whether there was enough."""
        cost = 10 if isinstance(error, errors.RequestTimeoutError) else 5
        if self.tokens < cost:
            return False
        self.tokens -= cost
        return True

    def earn(self) -> None:
        """Count one clean success."""
        self.tokens = min(self.capacity, self.tokens + 1)


def _is_retryable(error: Exception, *, repeatable: bool) -> bool:
    match error:
        case errors.RateLimitError():
            return True  # refused before anything was done
        case errors.APIError():
            return repeatable and error_codes.lookup(error.error_code, error.status).kind == "server"
        case errors.TLSError():
            return False  # the certificate will be the same
        case errors.ConnectionFailed():
            return repeatable or not error.sent
        case errors.RequestTimeoutError():
            return repeatable
    return False
