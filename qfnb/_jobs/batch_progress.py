"""How far a batch is: counters that the workers keep, and the value that panels draw."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, Literal

BatchState = Literal["preparing", "running", "paused", "waiting", "cancelled", "stopped", "done"]

MAX_LATEST_FAILURES = 5
"""Failures that are shown."""

RATE_WINDOW_S = 10.0
"""Seconds over which the speed is measured."""


@dataclass(frozen=True)
class RowFailure:
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
        rate_limits: the present rate limits and where they come from, "" when there are none.
        reason: why it waits or stopped.
        latest_failures: the latest failures.
        mode: `online` or `offline`.
    """

    name: str = ""
    model: str = ""
    state: BatchState = "preparing"
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
    rate_limits: str = ""
    reason: str = ""
    latest_failures: tuple[RowFailure, ...] = ()
    from_sandbox: bool = False
    mode: str = "online"
    notes: tuple[str, ...] = ()

    @property
    def finished_rows(self) -> int:
        """Rows that have an answer or an error."""
        return self.ok + self.failed

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen."""
        return self.ended_at is not None

    @property
    def eta(self) -> float | None:
        """Seconds that the rest will take at the present speed, None when that is not known."""
        if self.total is None or not self.rate or self.is_finished:
            return None
        return (self.total - self.finished_rows) / self.rate

    def elapsed(self, now: float) -> float:
        """Return the seconds since the start, up to the end when there is one."""
        return (self.ended_at or now) - self.started_at if self.started_at is not None else 0.0


@dataclass
class ProgressCounter:
    """The counters behind a progress; changed on the I/O loop only."""

    progress: BatchProgress = field(default_factory=BatchProgress)
    latest_failures: deque[RowFailure] = field(default_factory=lambda: deque(maxlen=MAX_LATEST_FAILURES))
    _rows_per_half_second: deque[tuple[float, int]] = field(default_factory=deque)
    ok: int = 0
    failed: int = 0
    retried: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = 0.0

    def record_answer(
        self, prompt_tokens: int | None, completion_tokens: int | None, cost: float | None, attempts: int
    ) -> None:
        """Count a row that was answered."""
        self.ok += 1
        self.prompt_tokens += prompt_tokens or 0
        self.completion_tokens += completion_tokens or 0
        self.cost = None if self.cost is None or cost is None else self.cost + cost
        self._count_row(attempts)

    def record_failure(self, failure: RowFailure, attempts: int) -> None:
        """Count a row that failed."""
        self.failed += 1
        self.latest_failures.append(failure)
        self._count_row(attempts)

    def retract_failures(self, rows: int) -> None:
        """Take failed rows back: they are asked again."""
        self.failed -= rows

    def snapshot(self, **facts: Any) -> BatchProgress:
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
            rate=self._rows_per_second(),
            latest_failures=tuple(self.latest_failures),
            **facts,
        )

    def _count_row(self, attempts: int) -> None:
        self.retried += max(attempts - 1, 0)
        half_second = time.monotonic() // 0.5 * 0.5
        if self._rows_per_half_second and self._rows_per_half_second[-1][0] == half_second:
            self._rows_per_half_second[-1] = (half_second, self._rows_per_half_second[-1][1] + 1)
        else:
            self._rows_per_half_second.append((half_second, 1))
            while self._rows_per_half_second[0][0] < half_second - RATE_WINDOW_S:
                self._rows_per_half_second.popleft()

    def _rows_per_second(self) -> float | None:
        now, progress = time.monotonic(), self.progress
        recent = [(at, rows) for at, rows in tuple(self._rows_per_half_second) if at > now - RATE_WINDOW_S]
        if not recent:
            return None if not (self.ok + self.failed) or progress.ended_at else 0.0
        return sum(rows for _, rows in recent) / max(now - recent[0][0], 0.5)
