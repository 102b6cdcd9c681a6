"""One rate limit for the workers of all machines: the times at which calls may go, leased for two
seconds by demand.

Each time belongs to one worker, so no sum of shares can exceed the limit; a time that nobody uses
is lost. What a worker may still use when it cannot reach the limiter (half its last lease) is taken
off the others' times.
"""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ...errors import RateLimitError
from ...transport import clock
from ...transport.rate_limiter import PROBE_INTERVAL_S, RateLimiter

LEASE_S: Final = 2.0
"""Seconds ahead for which a worker gets times, and for which an answer without limits is valid."""

CAUTIOUS_LEASE_S: Final = 0.5
"""The same while the rate comes from refusals: the next refusal must stop all workers soon."""

START_CALLS: Final = 4
"""Calls of all workers before the first answer, which may name a limit; as many again after
`LEASE_S` without one.
"""

FORGET_S: Final = 60.0
"""Seconds after which a silent worker is forgotten."""

ASSUMED_TOKENS: Final = 400.0
"""Tokens of a call before the first answer."""

TOKENS_WEIGHT: Final = 0.1
"""Weight of the latest calls in the mean tokens of a call."""


@dataclass
class _Worker:
    seen_at: float
    demand: float = 0.0
    in_flight: int = 0
    lease: int = 0
    is_charged: bool = False


class SlotLimiter(RateLimiter):
    """A rate limiter that gives workers elsewhere the times of their calls; not safe for threads.

    Args:
        now: returns seconds on a clock that never jumps back.
        is_restarted: whether workers may still have leases from an earlier limiter: it first lets
            them run out.
        random_: returns a random number in [0, 1).

    Leases are void after a refusal, and when a limit has become known or lower: then `generation`
    changes.
    """

    def __init__(
        self,
        *,
        now: Callable[[], float] = clock.now,
        is_restarted: bool = False,
        random_: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(random_=random_)
        self._epoch = uuid.uuid4().hex
        self._clock = now
        self._changes = 0
        self._quiet_until = now() + 2 * LEASE_S if is_restarted else -math.inf
        self._slots: list[float] = []
        self._workers: dict[str, _Worker] = {}
        self._tokens_per_call = ASSUMED_TOKENS
        self._has_counted_tokens = False
        self._last_due = -math.inf
        self._has_answer = False
        self._start_calls = 0
        self._start_at = -math.inf

    def _now(self) -> float:
        return self._clock()

    @property
    def generation(self) -> str:
        """The name of the leases that are valid."""
        return f"{self._epoch}.{self._changes}"

    def set_limits(self, requests: float | None, tokens: float | None) -> None:
        """Set the user's limits: requests and tokens a minute, None for none."""
        self.requests.set_ceiling("settings", requests)
        self.tokens.set_ceiling("settings", tokens)

    def adopt(self, report: Mapping[str, Any]) -> None:
        """Take the limits that a worker remembers from an earlier limiter, where this one has none
        yet.

        Args:
            report: `generation`, and `limits` as a lease has them.
        """
        if report["generation"].startswith(self._epoch):
            return
        for pacer, unit in ((self.requests, "requests"), (self.tokens, "tokens")):
            rate, source = report["limits"].get(unit) or (None, "")
            if not rate or pacer.rate is not None:
                continue
            if source == "headers":
                pacer.set_ceiling("headers", float(rate))
            elif source == "refusals":  # it may rise again
                pacer.rate = float(rate)
                pacer.source = "refusals"

    def count(self, report: Mapping[str, Any]) -> None:
        """Count what a worker's calls have come to since its last report.

        Args:
            report: `sends` (those that had no time), `successes` as [refusals before it, number,
                tokens or None, seconds], `headers`, and `refusals` as [refusals before it, code,
                seconds to wait or None].
        """
        limits = (self.requests.rate, self.tokens.rate)
        was_unlimited = self.tokens.ceiling is None
        earlier_refusals = self.refusals
        if report["sends"]:
            self.requests.sends.add(report["sends"], self._now())
        self.in_flight = max(sum(worker.in_flight for worker in self._workers.values()), 1)
        for refusals, number, tokens, seconds in report["successes"]:
            self._count_successes(
                min(refusals, self.refusals), number, tokens, seconds, report["headers"]
            )
        for refusals, code, retry_after in report["refusals"]:
            self.record_refusal(
                min(refusals, self.refusals), RateLimitError(code, "", retry_after=retry_after)
            )
        # what is in flight was sent before it was known
        if was_unlimited and self.tokens.ceiling is not None:
            self.tokens.spend(
                self._tokens_per_call * max(report["in_flight"], self.in_flight), self._now()
            )
        known = [
            (old, new)
            for old, new in zip(limits, (self.requests.rate, self.tokens.rate), strict=True)
            if new
        ]
        if self.refusals > earlier_refusals or any(old is None or new < old for old, new in known):
            self._changes += 1
            self._slots.clear()

    def grant(self, name: str, *, wanted: int, held: int, in_flight: int) -> dict[str, Any]:
        """Return a lease: the seconds until each call may go, or that calls need not wait.

        Args:
            name: of the worker.
            wanted: calls that it could send in the next `LEASE_S`.
            held: times of this generation that it has not used.
            in_flight: its calls without an answer.
        """
        now = self._now()
        self._charge_silent_workers(now)
        worker = self._workers.setdefault(name, _Worker(now))
        worker.seen_at = now
        worker.demand = wanted
        worker.in_flight = in_flight
        worker.is_charged = False
        if now < self._quiet_until:
            slots = list[float]()
            is_free = False
        elif not self._is_paced and self._has_answer:
            slots = list[float]()
            is_free = self._paused_until <= now
        elif not self._is_paced:
            slots = [now] * self._take_start_calls(wanted, now)
            is_free = False
        else:
            self._fill_slots(now)
            slots = self._take(wanted, held)
            is_free = False
        worker.lease = held + len(slots)
        return {
            "generation": self.generation,
            "refusals": self.refusals,
            "slots": [slot - now for slot in slots],
            "is_free": is_free,
            "max_in_flight": self._share_in_flight(worker),
            "limits": {
                unit: (pacer.rate, pacer.source)
                for pacer, unit in ((self.requests, "requests"), (self.tokens, "tokens"))
            },
        }

    def release_worker(self, name: str) -> None:
        """Forget a worker that has ended and uses none of its times any more."""
        self._workers.pop(name, None)

    def _take_start_calls(self, wanted: int, now: float) -> int:
        """Return how many of the first calls a worker may send."""
        if now >= self._start_at + LEASE_S:
            self._start_calls = START_CALLS
            self._start_at = now
        count = min(wanted, self._start_calls) if self._paused_until <= now else 0
        self._start_calls -= count
        return count

    def _count_successes(
        self,
        refusals: int,
        number: int,
        tokens: float | None,
        seconds: float,
        headers: Mapping[str, str],
    ) -> None:
        estimate = self._tokens_per_call
        self._has_answer = True
        for index in range(number):
            self.record_success(
                refusals,
                headers if index == number - 1 else {},
                estimate=estimate,
                used_tokens=None if tokens is None else round(tokens),
                latency_s=seconds,
            )
        if tokens is not None:
            weight = 1 - (1 - TOKENS_WEIGHT) ** number if self._has_counted_tokens else 1.0
            self._tokens_per_call = max(estimate + (tokens - estimate) * weight, 1.0)
            self._has_counted_tokens = True

    def _fill_slots(self, now: float) -> None:
        """Drop times that have passed, and add those of the next seconds."""
        self._slots = [slot for slot in self._slots if slot > now]
        is_cautious = "refusals" in {self.requests.source, self.tokens.source}
        end = now + (CAUTIOUS_LEASE_S if is_cautious else LEASE_S)
        while (due := self._next_due(now)) <= end:
            self.requests.sends.add(1, due)
            self.requests.spend(1, due)
            self.tokens.spend(self._tokens_per_call, due)
            self._last_due = self._sent_at = due
            self._slots.append(due)

    def _next_due(self, now: float) -> float:
        due = max(now, self._last_due, self._paused_until)
        if self._is_probing:
            due = max(due, self._last_due + PROBE_INTERVAL_S)
        return due + max(self.requests.seconds_to_wait(due), self.tokens.seconds_to_wait(due), 0.0)

    def _take(self, wanted: int, held: int) -> list[float]:
        """Return times for one worker, at most its share: the next ones, or some of all where
        others want any.
        """
        total = sum(
            worker.demand
            for worker in self._workers.values()
            if worker.seen_at > self._now() - LEASE_S
        )
        supply = len(self._slots) + sum(worker.lease for worker in self._workers.values())
        share = (
            wanted
            if total <= len(self._slots)
            else min(wanted, math.ceil(supply * wanted / max(total, 1)))
        )
        count = min(max(share - held, 0), len(self._slots))
        step = 1.0 if total <= len(self._slots) or not count else len(self._slots) / count
        indexes = {int(index * step) for index in range(count)}
        taken = [slot for index, slot in enumerate(self._slots) if index in indexes]
        self._slots = [slot for index, slot in enumerate(self._slots) if index not in indexes]
        return taken

    def _share_in_flight(self, worker: _Worker) -> int | None:
        if self.max_in_flight == math.inf:
            return None
        total = sum(each.demand for each in self._workers.values()) or 1
        return max(1, int(self.max_in_flight * worker.demand / total))

    def _charge_silent_workers(self, now: float) -> None:
        """Take off what workers without contact may use by themselves: half their last lease,
        once.
        """
        for name, worker in list(self._workers.items()):
            if now - worker.seen_at > FORGET_S:
                del self._workers[name]
            if now - worker.seen_at <= LEASE_S or worker.is_charged:
                continue
            worker.is_charged = True
            charge = worker.lease // 2
            worker.demand = worker.lease = worker.in_flight = 0
            missing = charge - len(self._slots)
            del self._slots[:charge]
            if missing > 0:
                self.requests.spend(missing, now)
