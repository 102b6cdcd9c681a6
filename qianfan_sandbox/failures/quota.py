"""A limit of requests and tokens, and counts of equal requests: for tests and trials.

Only the control token can switch them on; they are off when the server starts.
"""

import hashlib
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

UNLIMITED_RPM = 60_000
UNLIMITED_TPM = 60_000_000
"""Requests and tokens per minute in the headers when no limit is set."""

WINDOW_SECONDS = 60.0


class RateQuota:
    """A limit of requests and tokens in any sixty seconds; none by default.

    Attributes:
        rpm: requests per minute, None without a limit.
        tpm: tokens per minute, None without a limit; input tokens only, if there is an
            `output_tpm`.
        output_tpm: output tokens per minute, None to count them with the others.
        silent: whether the headers omit the limits.
        refused: how many requests exceeded a limit.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.rpm: int | None = None
        self.tpm: int | None = None
        self.output_tpm: int | None = None
        self.silent = False
        self.refused = 0
        self._clock = clock
        self._requests: deque[float] = deque()
        self._tokens: deque[tuple[float, int, int]] = deque()

    def set_limits(
        self,
        rpm: int | None = None,
        tpm: int | None = None,
        *,
        output_tpm: int | None = None,
        silent: bool = False,
    ) -> None:
        """Set the limits, and forget earlier requests.

        Args:
            rpm: requests per minute, None without a limit.
            tpm: tokens per minute, None without a limit.
            output_tpm: output tokens per minute; `tpm` is then for input tokens, and the headers
                name the two apart.
            silent: whether the headers of answers omit the limits.
        """
        self.rpm = rpm
        self.tpm = tpm
        self.output_tpm = output_tpm
        self.silent = silent
        self.refused = 0
        self._requests.clear()
        self._tokens.clear()

    def acquire(self) -> str:
        """Count a request; return the limit that it exceeds, `rpm` or `tpm`, "" for none."""
        if self.rpm is None and self.tpm is None and self.output_tpm is None:
            return ""
        self._drop_expired()
        exceeded = ""
        if self.rpm is not None and len(self._requests) >= self.rpm:
            exceeded = "rpm"
        elif any(used >= limit for limit, used in self._token_limits().values()):
            exceeded = "tpm"
        if exceeded:
            self.refused += 1
        else:
            self._requests.append(self._clock())
        return exceeded

    def record_tokens(self, body: object) -> None:
        """Count the tokens of an answer."""
        usage = body.get("usage") if isinstance(body, Mapping) else None
        if isinstance(usage, Mapping) and not (self.tpm is None and self.output_tpm is None):
            total, output = (
                int(usage.get(f"{name}_tokens") or 0) for name in ("total", "completion")
            )
            self._tokens.append((self._clock(), total - output, output))

    def headers(self, *, is_split: bool = False) -> dict[str, str]:
        """Return the headers of an answer about the limits; split: those of input and output tokens
        apart.
        """
        if self.silent:
            return {}
        limits = {
            "requests": (self.rpm or UNLIMITED_RPM, len(self._requests)),
            **self._token_limits(),
        }
        if is_split:
            limit, used = limits.pop("tokens", (UNLIMITED_TPM, 0))
            limits = dict.fromkeys(("input-tokens", "output-tokens"), (limit, used)) | limits
        return {
            f"x-ratelimit-{suffix}-{unit}": str(max(0, value))
            for unit, (limit, used) in limits.items()
            for suffix, value in (("limit", limit), ("remaining", limit - used))
        }

    def _token_limits(self) -> dict[str, tuple[int, int]]:
        """Return limit and use of each unit of tokens that has a limit."""
        inputs = sum(row[1] for row in self._tokens)
        outputs = sum(row[2] for row in self._tokens)
        if self.output_tpm is None:
            limits = {"tokens": (self.tpm, inputs + outputs)}
        else:
            limits = {
                "input-tokens": (self.tpm, inputs),
                "output-tokens": (self.output_tpm, outputs),
            }
        return {unit: (limit, used) for unit, (limit, used) in limits.items() if limit is not None}

    def _drop_expired(self) -> None:
        start = self._clock() - WINDOW_SECONDS
        while self._requests and self._requests[0] <= start:
            self._requests.popleft()
        while self._tokens and self._tokens[0][0] <= start:
            self._tokens.popleft()


@dataclass
class DeliveryCounter:
    """Counts how often each request was received and answered, while it is switched on.

    Attributes:
        marker: only requests that contain it are counted.
    """

    is_on: bool = False
    marker: bytes = b""
    received: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)

    def count(self, content: bytes, *, answered: bool) -> None:
        """Count a request by its content."""
        if self.is_on and self.marker in content:
            digest = hashlib.sha256(content).hexdigest()[:16]
            (self.answered if answered else self.received)[digest] += 1

    def report(self) -> dict[str, int]:
        """Return the numbers of requests received and answered: all, distinct, and of the most
        frequent one.
        """
        return {
            "came": self.received.total(),
            "answered": self.answered.total(),
            "distinct": len(self.received),
            "distinct_answered": len(self.answered),
            "most": max(self.received.values(), default=0),
            "most_answered": max(self.answered.values(), default=0),
        }
