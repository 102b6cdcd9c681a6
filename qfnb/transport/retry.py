"""Retry policy: whether to try again, and after which delay; pure decisions, tested as a table.

Three attempts by default, exponential backoff with full jitter; a server's Retry-After is honoured up to two
minutes; a call that may already have changed something is not repeated.
"""

import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from .. import errors
from ..wire import error_codes

MAX_RETRY_AFTER = 120.0
"""Seconds; where a server asks for more, the call fails at once."""


_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?$")


@dataclass(frozen=True)
class RetryPolicy:
    """When to try a call again.

    Attributes:
        attempts: in all, the first included.
        base_s, cap_s: seconds; the delay after attempt k is random, up to min(base_s * 2**k, cap_s).
    """

    attempts: int = 3
    base_s: float = 0.5
    cap_s: float = 8.0

    def next_delay_s(
        self, error: Exception, n_attempts: int, *, repeatable: bool, random_: Callable[[], float] = random.random
    ) -> float | None:
        """Return the seconds until the next attempt, None if there must be none.

        Args:
            error: of the last attempt.
            n_attempts: so far, from 1.
            repeatable: whether doing it twice does no harm.
            random_: returns a random number in [0, 1).
        """
        if n_attempts >= self.attempts or not _is_retryable(error, repeatable=repeatable):
            return None
        requested_s: float | None = getattr(error, "retry_after", None)
        if requested_s is not None:
            return float(requested_s) if requested_s <= MAX_RETRY_AFTER else None
        ceiling_s: float = min(self.base_s * 2**n_attempts, self.cap_s)
        return random_() * ceiling_s


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
    match = _DURATION.match(text) if text else None
    if match is None:
        return None
    hours, minutes, seconds, thousandths = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000
