"""What a batch may cost, and whether one row more would exceed it."""

from __future__ import annotations

from dataclasses import dataclass

from ..resources.tally import Tally
from .survey import Preflight


@dataclass(frozen=True)
class Budget:
    """A sum in CNY that is not exceeded.

    Attributes:
        most: the sum, None for no limit.
        preflight: what the rows were expected to cost.
        tally: what was spent, and on how many rows.
    """

    most: float | None
    preflight: Preflight
    tally: Tally

    def refuses(self, rows: int) -> str:
        """Return why so many rows more, those under way included, cannot be paid; "" when they can."""
        spent = self.tally.cost
        if self.most is None or spent is None or spent + self._each() * rows <= self.most:
            return ""
        return f"预算已到 / the budget of {self.most:g} CNY allows no more: {spent:.4f} CNY are spent"

    def _each(self) -> float:
        """What a row costs: as seen, or as expected before any was seen."""
        answered = self.tally.ok + self.tally.progress.cached
        if answered and self.tally.cost is not None:
            return self.tally.cost / answered
        return (self.preflight.cost or 0) / max(self.preflight.to_ask, 1)
