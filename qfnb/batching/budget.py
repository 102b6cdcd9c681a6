"""What a batch may cost, and whether one row more would exceed it."""

from __future__ import annotations

from dataclasses import dataclass

from .._jobs.batch_progress import ProgressCounter
from .preflight import Preflight


@dataclass(frozen=True)
class CostBudget:
    """A sum in CNY that is not exceeded.

    Attributes:
        limit: the sum, None for no limit.
        preflight: what the rows were expected to cost.
        counter: what was spent, and on how many rows.
    """

    limit: float | None
    preflight: Preflight
    counter: ProgressCounter

    def refusal(self, rows: int) -> str:
        """Return why so many rows more, those under way included, cannot be paid; "" when they can."""
        cost = self.counter.cost
        if self.limit is None or cost is None or cost + self._cost_per_row() * rows <= self.limit:
            return ""
        return f"预算已到 / the budget of {self.limit:g} CNY allows no more: {cost:.4f} CNY are spent"

    def _cost_per_row(self) -> float:
        """What a row costs: as seen, or as expected before any was seen."""
        answered = self.counter.ok + self.counter.progress.cached
        if answered and self.counter.cost is not None:
            return self.counter.cost / answered
        return (self.preflight.cost or 0) / max(self.preflight.requests, 1)
