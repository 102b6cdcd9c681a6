"""What the outcomes say: whether the first rows succeed, and whether the platform is out of order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from .._jobs.row_result import is_transient

OUTAGE_FAILURES: Final = 10
"""So many failures in a row that are no row's fault, and the platform is taken to be out of order."""

Verdict = Literal["", "open", "stop", "outage"]


@dataclass
class CircuitBreaker:
    """Judges a batch by what becomes of its rows.

    Attributes:
        remaining_canaries: first rows that may still fail before the others are not asked; 0 when that is decided.
        consecutive_failures: failures that are no row's fault, since the last answer.
        is_down: whether the platform is out of order.
    """

    remaining_canaries: int = 0
    consecutive_failures: int = 0
    is_down: bool = False

    @property
    def allows_all_workers(self) -> bool:
        """Whether as many rows may be asked at once as the user wants."""
        return not self.remaining_canaries and not self.is_down

    def record(self, error: Exception | None, workers: int) -> Verdict:
        """Return what follows from one more outcome.

        Args:
            error: what the row met, None for an answer.
            workers: rows asked at once; so many may fail together without meaning more than one.
        """
        has_transient_error = error is not None and is_transient(error)
        self.consecutive_failures = self.consecutive_failures + 1 if has_transient_error else 0
        if self.remaining_canaries:
            return self._judge_canary(settled=error is None or has_transient_error)
        if self.is_down and error is None:
            self.is_down = False
            return "open"
        if not self.is_down and self.consecutive_failures >= max(OUTAGE_FAILURES, workers):
            self.is_down = True
            return "outage"
        return ""

    def _judge_canary(self, *, settled: bool) -> Verdict:
        self.remaining_canaries = 0 if settled else self.remaining_canaries - 1
        if self.remaining_canaries:
            return ""
        return "open" if settled else "stop"
