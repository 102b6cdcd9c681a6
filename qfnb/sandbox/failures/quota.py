"""A limit of requests and tokens, and counts of equal requests: for tests and trials.

Only the control token can switch them on; they are off when the server starts.
"""

import hashlib
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

UNLIMITED_RPM = 60_000
"""Requests per minute in the headers when no limit is set."""

WINDOW_SECONDS = 60.0


class RateQuota:
    """A limit of requests and tokens in any sixty seconds; none by default.

    Attributes:
        rpm, tpm: requests and tokens per minute, None without a limit.
        silent: whether the headers omit the limits.
        refused: how many requests exceeded a limit.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.rpm: int | None = None
        self.tpm: int | None = None
        self.silent, self.refused = False, 0
        self._clock = clock
        self._requests: deque[float] = deque()
        self._tokens: deque[tuple[float, int]] = deque()

    def set_limits(self, rpm: int | None = None, tpm: int | None = None, *, silent: bool = False) -> None:
        """Set the limits, and forget earlier requests.

        Args:
            rpm: requests per minute, None without a limit.
            tpm: tokens per minute, None without a limit.
            silent: whether the headers of answers omit the limits.
        """
        self.rpm, self.tpm, self.silent, self.refused = rpm, tpm, silent, 0
        self._requests.clear()
        self._tokens.clear()

    def acquire(self) -> str:
        """Count a request; return the limit that it exceeds, `rpm` or `tpm`, "" for none."""
        if self.rpm is None and self.tpm is None:
            return ""
        self._drop_expired()
        exceeded = ""
        if self.rpm is not None and len(self._requests) >= self.rpm:
            exceeded = "rpm"
        elif self.tpm is not None and sum(tokens for _, tokens in self._tokens) >= self.tpm:
            exceeded = "tpm"
        if exceeded:
            self.refused += 1
        else:
            self._requests.append(self._clock())
        return exceeded

    def record_tokens(self, body: object) -> None:
        """Count the tokens of an answer."""
        usage = body.get("usage") if isinstance(body, Mapping) else None
        if self.tpm is not None and isinstance(usage, Mapping):
            self._tokens.append((self._clock(), int(usage.get("total_tokens") or 0)))

    def headers(self) -> dict[str, str]:
        """Return the headers of an answer about the limits."""
        if self.silent:
            return {}
        limit, used = self.rpm or UNLIMITED_RPM, len(self._requests)
        limits = {"requests": (limit, limit - used)}
        if self.tpm is not None:
            limits["tokens"] = (self.tpm, self.tpm - sum(tokens for _, tokens in self._tokens))
        return {
            f"x-ratelimit-{suffix}-{unit}": str(max(0, value))
            for unit, pair in limits.items()
            for suffix, value in zip(("limit", "remaining"), pair, strict=True)
        }

    def _drop_expired(self) -> None:
        start = self._clock() - WINDOW_SECONDS
        while self._requests and self._requests[0] <= start:
            self._requests.popleft()
        while self._tokens and self._tokens[0][0] <= start:
            self._tokens.popleft()


@dataclass
class DeliveryCounter:
    """Counts how often each request was received and answered, while it is switched on."""

    is_on: bool = False
    received: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)

    def count(self, content: bytes, *, answered: bool) -> None:
        """Count a request by its content."""
        if self.is_on:
            digest = hashlib.sha256(content).hexdigest()[:16]
            (self.answered if answered else self.received)[digest] += 1

    def report(self) -> dict[str, int]:
        """Return the numbers of requests received and answered: all, distinct, and of the most frequent one."""
        return {
            "came": self.received.total(),
            "answered": self.answered.total(),
            "distinct": len(self.received),
            "distinct_answered": len(self.answered),
            "most": max(self.received.values(), default=0),
            "most_answered": max(self.answered.values(), default=0),
        }
