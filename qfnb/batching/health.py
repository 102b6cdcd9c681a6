"""What the outcomes say: whether the first rows succeed, and whether the platform is out of order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from ..resources.outcome import is_transient

OUTAGE: Final = 10
"""So many failures in a row that are no row's fault, and the platform is taken to be out of order."""

Verdict = Literal["", "open", "stop", "outage"]


@dataclass
class Health:
    """Judges a batch by what becomes of its rows.

    Attributes:
        canary: first rows that may still fail before the others are not asked; 0 when that is decided.
        in_a_row: failures that are no row's fault, since the last answer.
        down: whether the platform is out of order.
    """

    canary: int = 0
    in_a_row: int = 0
    down: bool = False

    @property
    def open(self) -> bool:
        """Whether as many rows may be asked at once as the user wants."""
        return not self.canary and not self.down

    def after(self, error: Exception | None, workers: int) -> Verdict:
        """Return what follows from one more outcome.

        Args:
            error: what the row met, None for an answer.
            workers: rows asked at once; so many may fail together without meaning more than one.
        """
        transient = error is not None and is_transient(error)
        self.in_a_row = self.in_a_row + 1 if transient else 0
        if self.canary:
            return self._sung(decisive=error is None or transient)
        if self.down and error is None:
            self.down = False
            return "open"
        if not self.down and self.in_a_row >= max(OUTAGE, workers):
            self.down = True
            return "outage"
        return ""

    def _sung(self, *, decisive: bool) -> Verdict:
        self.canary = 0 if decisive else self.canary - 1
        if self.canary:
            return ""
        return "open" if decisive else "stop"
