"""Retry policy: whether to try again, and after which delay; pure decisions, tested as a table.

Three attempts by default, exponential backoff with full jitter; a server's Retry-After is honoured
up to two minutes; a call that may already have changed something is not repeated.
"""

import math
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from .. import errors
from ..config import Settings
from ..wire import error_codes

MAX_RETRY_AFTER = 120.0
"""Seconds; where a server asks for more, the call fails at once."""


_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m(?!s))?(?:([\d.]+)s)?(?:([\d.]+)ms)?$")


@dataclass(frozen=True)
class RetryPolicy:
    """When to try a call again.

    Attributes:
        attempts: in all, the first included.
        base_s, cap_s: seconds; the delay after attempt k is random, up to min(base_s * 2**k,
        cap_s).
        backoff_s: the official SDK's rule in place of this one: the delay is backoff_s * 2**(k - 1)
            and up to `jitter_s` seconds, `max_wait_s` at most.
        codes: of errors that are tried again, in place of those of a busy platform; a number of v1
            is its word in v2.
    """

    attempts: int = 3
    base_s: float = 0.5
    cap_s: float = 8.0
    backoff_s: float | None = None
    jitter_s: float = 1.0
    max_wait_s: float = 120.0
    codes: frozenset[int | str] | None = None

    def or_configured(self, current: Settings) -> Self:
        """Return this policy, with the delays and codes of the settings where it names none."""
        policy = self
        if self.backoff_s is None and current.llm_api_retry_backoff_factor is not None:
            jitter_s = current.llm_api_retry_jitter
            max_wait_s = current.llm_api_retry_max_wait_interval
            policy = replace(
                policy,
                backoff_s=current.llm_api_retry_backoff_factor,
                jitter_s=jitter_s,
                max_wait_s=max_wait_s,
            )
        if self.codes is None and current.llm_api_retry_err_codes is not None:
            policy = replace(policy, codes=current.llm_api_retry_err_codes)
        return policy

    def next_delay_s(
        self,
        error: Exception,
        n_attempts: int,
        *,
        repeatable: bool,
        random_: Callable[[], float] = random.random,
    ) -> float | None:
        """Return the seconds until the next attempt, None if there must be none.

        Args:
            error: of the last attempt.
            n_attempts: so far, from 1.
            repeatable: whether doing it twice does no harm.
            random_: returns a random number in [0, 1).
        """
        if n_attempts >= self.attempts or not self._is_retryable(error, repeatable=repeatable):
            return None
        requested_s: float | None = getattr(error, "retry_after", None)
        if requested_s is not None:
            if requested_s <= MAX_RETRY_AFTER:
                return float(requested_s)
            return None
        exponent = min(n_attempts, MAX_EXPONENT)
        if self.backoff_s is not None:
            return min(
                self.backoff_s * 2.0 ** (exponent - 1) + random_() * self.jitter_s, self.max_wait_s
            )
        return random_() * min(self.base_s * 2.0**exponent, self.cap_s)

    def _is_retryable(self, error: Exception, *, repeatable: bool) -> bool:
        if isinstance(error, errors.RateLimitError) and not error.was_sent:
            return False  # it has waited already
        if self.codes is not None and isinstance(error, errors.APIError):
            return repeatable and error_codes.is_any_of(error.error_code, self.codes)
        return _is_retryable(error, repeatable=repeatable)


DEFAULT_RETRY = RetryPolicy()

MAX_EXPONENT = 60
"""Doublings of a delay; further ones would leave the range of a float."""


def _is_retryable(error: Exception, *, repeatable: bool) -> bool:
    match error:
        case errors.RateLimitError():
            return True  # refused before anything was done
        case errors.APIError():
            return (
                repeatable and error_codes.lookup(error.error_code, error.status).kind == "server"
            )
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
    if math.isfinite(value):
        return value
    return None


def parse_duration(text: str) -> float | None:
    """Return "12", "1.5s", "6m0s" or "250ms" in seconds, None for anything else."""
    if (plain_seconds := parse_number(text)) is not None:
        return max(plain_seconds, 0.0)
    if not text:
        match = None
    else:
        match = _DURATION.match(text)
    if match is None:
        return None
    hours, minutes, seconds, thousandths = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + thousandths / 1000
