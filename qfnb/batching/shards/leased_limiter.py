"""A worker's side of the limits that it shares with workers elsewhere: it sends at the times of its
leases only.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final

from ...config import Settings
from ...errors import RateLimitError
from ...transport import clock
from ...transport.rate_limiter import RateLimiter
from ...transport.recent_counts import RecentCounts
from .slot_limiter import LEASE_S

MAX_LATE_S: Final = 0.5
"""Seconds after which a time is lost: a worker that was held up must not send all it missed at
once.
"""

EXCHANGE_S: Final = 0.25
"""Seconds between two reports."""

POLL_S: Final = 0.02
"""Seconds between two looks for a lease."""

GROWTH: Final = 1.1
"""Factor by which more is asked for than was used lately; it is 2 when that did not suffice."""


class LeasedRateLimiter(RateLimiter):
    """A rate limiter whose times come from a `SlotLimiter` elsewhere, by `take_report` and `apply`.

    Attributes:
        name: of the worker, for the limiter.
        wake: set when a report should be sent soon.
    """

    def __init__(self) -> None:
        super().__init__()
        self.name = uuid.uuid4().hex
        self.wake = threading.Event()
        self._mutex = threading.Lock()
        self._slots: deque[float] = deque()
        self._free_until = self._lost_until = -math.inf
        self._generation = ""
        self._lease_size = 0
        self._is_lost = False
        self._waiting = 0
        self._unslotted = 0
        self._has_reported_limits = False
        self._ask_at = -math.inf
        self._has_run_out = False
        self._used = RecentCounts(0.25, LEASE_S)
        self._successes: dict[int, list[float]] = {}
        self._headers: dict[str, str] = {}
        self._refusals: list[tuple[int, Any, float | None]] = []
        self._limits: Mapping[str, Any] = {}

    def apply_settings(self, settings: Settings) -> None:
        """Change nothing: the limits of the whole job are kept where the leases come from."""

    async def acquire(
        self,
        tokens: float = 0,
        deadline: clock.Deadline | None = None,
        max_wait_s: float | None = None,
    ) -> int:
        """Wait for a time, in order of arrival; return the refusals so far. `release` must
        follow.
        """
        self._waiting += 1
        try:
            return await super().acquire(tokens, deadline, max_wait_s)
        finally:
            self._waiting -= 1

    def _reserve(self) -> float:
        now = self._now()
        with self._mutex:
            while self._slots and self._slots[0] < now - MAX_LATE_S:
                self._slots.popleft()
            if self._slots:
                return self._slots[0] - now
            if now < self._free_until:
                return 0.0
            self._has_run_out = True
        if now >= self._ask_at:
            self._ask_at = now + EXCHANGE_S
            self.wake.set()
        return POLL_S

    def _count_send(self, tokens: float) -> None:
        with self._mutex:
            self._used.add(1, self._now())
            if self._slots:
                self._slots.popleft()
            else:
                self._unslotted += 1

    def record_success(
        self,
        refusals: int,
        headers: Mapping[str, str],
        *,
        estimate: float = 0,
        used_tokens: int | None = None,
        latency_s: float = 0,
    ) -> None:
        """Count an answer for the next report; the arguments are those of `RateLimiter`."""
        limits = {name: value for name, value in headers.items() if name.startswith("x-ratelimit-")}
        with self._mutex:
            counts = self._successes.setdefault(refusals, [0, 0, 0, 0.0])
            counts[0] += 1
            counts[1] += used_tokens is not None
            counts[2] += used_tokens or 0
            counts[3] += latency_s
            self._headers = limits or self._headers
        if limits and not self._has_reported_limits:
            self._has_reported_limits = True
            self.wake.set()

    def record_refusal(self, refusals: int, error: RateLimitError) -> None:
        """Report a refusal at once; whether it comes from a limit is decided where the leases come
        from.
        """
        with self._mutex:
            self._refusals.append((refusals, error.error_code, error.retry_after))
        self.wake.set()

    def correct_tokens(self, estimate: float, used_tokens: int) -> None:
        """Change nothing: tokens are reported with the answers."""

    def describe(self) -> str:
        """Return "": the limits are those of the whole job, which shows them."""
        return ""

    def take_report(self) -> dict[str, Any]:
        """Return what has happened since the last report, and how many calls could go."""
        now = self._now()
        with self._mutex:
            used = self._used.total(now, LEASE_S) * (2 if self._has_run_out else GROWTH)
            successes = [
                (refusals, int(count), tokens / counted if counted else None, seconds / count)
                for refusals, (count, counted, tokens, seconds) in self._successes.items()
            ]
            report = {
                "worker": self.name,
                "wanted": math.ceil(used) + self._waiting,
                "held": len(self._slots),
                "in_flight": self.in_flight,
                "generation": self._generation,
                "sends": self._unslotted,
                "successes": successes,
                "headers": self._headers,
                "refusals": self._refusals,
                "limits": self._limits,
            }
            self._unslotted = 0
            self._successes = {}
            self._headers = {}
            self._refusals = []
            self._has_run_out = False
        return report

    def apply(self, lease: Mapping[str, Any], delay_s: float = 0.0) -> None:
        """Take a lease.

        Args:
            lease: what `SlotLimiter.grant` returned.
            delay_s: seconds since it did.
        """
        now = self._now() - delay_s
        with self._mutex:
            if lease["generation"] != self._generation:
                self._slots.clear()
            self._slots = deque(
                sorted([*self._slots, *(now + offset for offset in lease["slots"])])
            )
            self._free_until = now + LEASE_S if lease["is_free"] else -math.inf
            self._generation = lease["generation"]
            self._lease_size = len(self._slots)
            self._is_lost = False
            self.refusals = lease["refusals"]
            self._limits = lease["limits"]
        self.max_in_flight = lease["max_in_flight"] or math.inf

    def fall_back(self) -> None:
        """Without contact, when the times are used up, take half as many once more; after that,
        none.
        """
        now = self._now()
        with self._mutex:
            if (
                not self._is_lost
                and not (self._slots and self._slots[-1] > now)
                and now >= self._free_until
            ):
                self._is_lost = True
                count = self._lease_size // 2
                self._slots = deque(now + LEASE_S * (index + 1) / count for index in range(count))


Exchange = Callable[[dict[str, Any]], Mapping[str, Any]]
"""Hands a report to where the leases come from, and returns the answer; raises OSError or EOFError
without contact.
"""


class LeaseThread:
    """Exchanges reports for leases until it is closed.

    Args:
        limiter: gets the leases.
        exchange: hands over a report.
        add_facts: adds to the report what the job wants to know.
        on_answer: called with each answer, and with None when there was no contact.
    """

    def __init__(
        self,
        limiter: LeasedRateLimiter,
        exchange: Exchange,
        add_facts: Callable[[dict[str, Any]], None],
        on_answer: Callable[[Mapping[str, Any] | None], None],
    ) -> None:
        self._limiter = limiter
        self._exchange = exchange
        self._add_facts = add_facts
        self._on_answer = on_answer
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="qfnb-lease", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End, after a last report."""
        self._is_closed = True
        self._limiter.wake.set()
        self._thread.join()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self._limiter.wake.wait(EXCHANGE_S)
            time.sleep(POLL_S)  # what happens meanwhile goes along
            self._limiter.wake.clear()
            is_last = self._is_closed
            self.exchange_once()

    def exchange_once(self) -> None:
        """Send one report, and take the answer."""
        report = self._limiter.take_report()
        self._add_facts(report)
        sent_at = clock.now()
        try:
            answer = self._exchange(report)
        except (OSError, EOFError):
            self._limiter.fall_back()
            self._on_answer(None)
            return
        self._limiter.apply(answer["lease"], (clock.now() - sent_at) / 2)
        self._on_answer(answer)
