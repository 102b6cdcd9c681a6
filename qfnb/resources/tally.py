"""How far a batch is: counters that the workers keep, and the value that panels draw."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, Literal

State = Literal["preparing", "running", "paused", "waiting", "cancelled", "stopped", "done"]

LATEST = 5
"""Failures that are shown."""

SPAN = 10.0
"""Seconds over which the speed is measured."""


@dataclass(frozen=True)
class Failure:
    """One row that has no answer.

    Attributes:
        number: its place in the input, from 0.
        input: the beginning of what was asked.
        error, message: the class of the error, and the first line of what it says.
    """

    number: int
    input: str
    error: str
    message: str


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is.

    Attributes:
        total: rows, None while the input has not been read to its end.
        cached: rows whose answer was there already, from an earlier run or an identical row.
        ok, failed: rows answered, rows that failed, `cached` included.
        retried: tries beyond the first of each row.
        in_flight: rows being asked now.
        workers: the most rows asked at once.
        cost: CNY by list price so far, None where a price is not known; `budget` is the most it may be.
        rate: rows per second lately.
        limits: the present rate limits and where they come from, "" when there are none.
        reason: why it waits or stopped.
        latest: the latest failures.
        mode: `online` or `offline`.
    """

    name: str = ""
    model: str = ""
    state: State = "preparing"
    total: int | None = None
    cached: int = 0
    ok: int = 0
    failed: int = 0
    retried: int = 0
    in_flight: int = 0
    workers: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = 0.0
    budget: float | None = None
    rate: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    limits: str = ""
    reason: str = ""
    latest: tuple[Failure, ...] = ()
    from_sandbox: bool = False
    mode: str = "online"
    notes: tuple[str, ...] = ()

    @property
    def finished(self) -> int:
        """Rows that have an answer or an error."""
        return self.ok + self.failed

    @property
    def over(self) -> bool:
        """Whether nothing more will happen."""
        return self.ended_at is not None

    @property
    def eta(self) -> float | None:
        """Seconds that the rest will take at the present speed, None when that is not known."""
        if self.total is None or not self.rate or self.over:
            return None
        return (self.total - self.finished) / self.rate

    def elapsed(self, now: float) -> float:
        """Return the seconds since the start, up to the end when there is one."""
        return (self.ended_at or now) - self.started_at if self.started_at is not None else 0.0


@dataclass
class Tally:
    """The counters behind a progress; changed on the I/O loop only."""

    progress: BatchProgress = field(default_factory=BatchProgress)
    latest: deque[Failure] = field(default_factory=lambda: deque(maxlen=LATEST))
    _finished: deque[tuple[float, int]] = field(default_factory=deque)
    ok: int = 0
    failed: int = 0
    retried: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = 0.0

    def answered(self, prompt: int | None, completion: int | None, cost: float | None, tries: int) -> None:
        """Count a row that was answered."""
        self.ok += 1
        self.prompt_tokens += prompt or 0
        self.completion_tokens += completion or 0
        self.cost = None if self.cost is None or cost is None else self.cost + cost
        self._count(tries)

    def missed(self, failure: Failure, tries: int) -> None:
        """Count a row that failed."""
        self.failed += 1
        self.latest.append(failure)
        self._count(tries)

    def forgive(self, rows: int) -> None:
        """Take failed rows back: they are asked again."""
        self.failed -= rows

    def now(self, **facts: Any) -> BatchProgress:
        """Return the progress, with facts that others know."""
        value = self.progress
        return replace(
            value,
            ok=self.ok + value.cached,
            failed=self.failed,
            retried=self.retried,
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            cost=self.cost,
            rate=self._rate(),
            latest=tuple(self.latest),
            **facts,
        )

    def _count(self, tries: int) -> None:
        self.retried += max(tries - 1, 0)
        second = time.monotonic() // 0.5 * 0.5
        if self._finished and self._finished[-1][0] == second:
            self._finished[-1] = (second, self._finished[-1][1] + 1)
        else:
            self._finished.append((second, 1))
            while self._finished[0][0] < second - SPAN:
                self._finished.popleft()

    def _rate(self) -> float | None:
        now, value = time.monotonic(), self.progress
        recent = [(at, rows) for at, rows in tuple(self._finished) if at > now - SPAN]
        if not recent:
            return None if not (self.ok + self.failed) or value.ended_at else 0.0
        return sum(rows for _, rows in recent) / max(now - recent[0][0], 0.5)
