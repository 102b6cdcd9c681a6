"""The progress of a batch: counters that the workers keep, and the value that panels draw."""

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ..wire.prices import PriceRange

BatchState = Literal["preparing", "running", "paused", "waiting", "cancelled", "stopped", "done"]

MAX_LATEST_FAILURES = 5
"""The number of failures that a progress keeps."""

RATE_WINDOW_S = 10.0
"""Seconds over which the rate is measured."""


@dataclass(frozen=True)
class RowFailure:
    """One row that failed.

    Attributes:
        number: its index in the input, from 0.
        input: the beginning of the prompt.
        error, message: the class of the error, and the first line of its message.
    """

    number: int
    input: str
    error: str
    message: str


@dataclass(frozen=True)
class BatchProgress:
    """The progress of a batch.

    Attributes:
        total: rows of the input; None until it has been read to its end.
        cached: rows whose answer is from an earlier run or an identical row.
        ok, failed: rows answered (cached ones too) and rows failed.
        retried: attempts after the first of each row.
        in_flight: rows sent and not answered yet.
        workers: the limit of rows in flight.
        uncounted: rows answered without counts of tokens.
        cost, cost_low: CNY by list price so far, the ends of its range; None if a price is unknown.
        `budget` limits
            the upper end.
        budget_tokens: the limit of `prompt_tokens` and `completion_tokens` together, None without
            one.
        rate: rows per second, over the last ten seconds.
        rate_limits: the rate limits in force and where they come from; "" without any.
        reason: why the batch waits or stopped.
        latest_failures: the last failures, oldest first.
        mode: `online`, `offline`, or `shards` of several processes.
        notes, remarks: what was noticed before the start, and while it worked.
        rows_name: the variable or the file whose rows are asked, "" where they have no name.
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
    uncounted: int = 0
    budget_tokens: int | None = None
    cost_low: float | None = None
    remarks: tuple[str, ...] = ()
    rows_name: str = ""

    @property
    def cost_range(self) -> PriceRange | None:
        """The cost so far, None if a price is unknown."""
        if self.cost is None:
            return None
        return PriceRange(self.cost if self.cost_low is None else self.cost_low, self.cost)

    @property
    def finished_rows(self) -> int:
        """The number of rows with an answer or an error."""
        return self.ok + self.failed

    @property
    def is_finished(self) -> bool:
        """Whether the batch has ended."""
        return self.ended_at is not None

    @property
    def eta(self) -> float | None:
        """Seconds to the end at the present rate, None if that is unknown."""
        if self.total is None or not self.rate or self.is_finished:
            return None
        return (self.total - self.finished_rows) / self.rate

    def elapsed(self, now: float) -> float:
        """Return the seconds from the start to the end, or to `now` (Unix seconds) while it
        runs.
        """
        if self.started_at is not None:
            return (self.ended_at or now) - self.started_at
        return 0.0


_COUNTS = (
    "failed",
    "retried",
    "prompt_tokens",
    "completion_tokens",
    "uncounted",
    "cost",
    "cost_low",
)
"""What a counter and a progress call the same."""


@dataclass
class ProgressCounter:
    """The counters behind a `BatchProgress`; changed on the I/O loop only.

    Attributes:
        lost: answers that did not arrive and may be charged; budgets count each as a row is
            expected to use.
    """

    progress: BatchProgress = field(default_factory=BatchProgress)
    latest_failures: deque[RowFailure] = field(
        default_factory=lambda: deque(maxlen=MAX_LATEST_FAILURES)
    )
    _rows_per_half_second: deque[tuple[float, int]] = field(default_factory=deque)
    ok: int = 0
    failed: int = 0
    retried: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    uncounted: int = 0
    lost: int = 0
    cost: float | None = 0.0
    cost_low: float = 0.0

    def record_answer(
        self,
        prompt_tokens: int | None,
        completion_tokens: int | None,
        cost: PriceRange | None,
        attempts: int,
    ) -> None:
        """Count a row that was answered.

        Args:
            prompt_tokens: counted by the platform, None if unknown.
            completion_tokens: counted by the platform, None if unknown.
            cost: CNY by list price, None if unknown.
            attempts: how often the row was sent, from 1.
        """
        self.ok += 1
        self.record_usage(prompt_tokens, completion_tokens, cost)
        self._count_row(attempts)

    def record_usage(
        self, prompt_tokens: int | None, completion_tokens: int | None, cost: PriceRange | None
    ) -> None:
        """Count tokens and cost (CNY) of a row; None where not known."""
        self.prompt_tokens += prompt_tokens or 0
        self.completion_tokens += completion_tokens or 0
        self.uncounted += prompt_tokens is None
        if cost is None:
            self.cost = None
            return
        self.cost_low += cost.low
        if self.cost is not None:
            self.cost += cost.high

    def record_failure(self, failure: RowFailure, attempts: int) -> None:
        """Count a row that failed."""
        self.failed += 1
        self.latest_failures.append(failure)
        self._count_row(attempts)

    def retract_failures(self, rows: int) -> None:
        """Uncount failed rows, because they are sent again."""
        self.failed -= rows

    def snapshot(self, **fields: Any) -> BatchProgress:
        """Return the progress, with further fields from the caller."""
        counts = {name: getattr(self, name) for name in _COUNTS}
        return replace(
            self.progress,
            ok=self.ok + self.progress.cached,
            rate=self._rows_per_second(),
            latest_failures=tuple(self.latest_failures),
            **counts,
            **fields,
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
        now = time.monotonic()
        progress = self.progress
        first_at = now
        rows = 0
        for at, count in tuple(self._rows_per_half_second):
            if at > now - RATE_WINDOW_S:
                first_at = min(first_at, at)
                rows += count
        if not rows:
            if not (self.ok + self.failed) or progress.ended_at:
                return None
            return 0.0
        return rows / max(now - first_at, 0.5)
