"""The money and tokens that workers may use: each gets an allowance, and their sum never exceeds the budget."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ..._language import tr
from ..._private_files import write_private
from ..preflight import format_amount

Amounts = Mapping[str, float]
"""Unit (`CNY`, `tokens`) -> amount."""

_TOLERANCE = 1e-9


class BudgetLedger:
    """What each try of a shard may use, on disk before it is promised: a restart finds no less.

    Args:
        limits: the budget by unit; empty for none.
        path: of the file; None keeps it in memory.
    """

    def __init__(self, limits: Amounts, path: Path | None = None) -> None:
        self.limits, self._path = dict(limits), path
        self._allowances: dict[str, dict[str, float]] = {}
        self._starved: dict[str, bool] = {}
        if path is not None and path.exists():
            self._allowances = json.loads(path.read_text(encoding="utf-8"))

    def promised(self, unit: str) -> float:
        """Return what has been used or may be."""
        return sum(amounts.get(unit, 0.0) for amounts in self._allowances.values())

    def renew(self, attempt: str, committed: Amounts, row: Amounts, rows: int) -> dict[str, float]:
        """Return what a try may use in all, what it has used and reserved included.

        Args:
            attempt: the try of a shard.
            committed: what it has used, and has reserved for rows in flight; used by no other meanwhile.
            row: what one row may use.
            rows: that it could send soon.
        """
        allowance = dict(committed)
        previous = self._allowances.get(attempt, {})
        affordable = float(rows)
        for unit, limit in self.limits.items():
            free = limit - self.promised(unit) + previous.get(unit, 0.0) - committed.get(unit, 0.0)
            amount = row.get(unit, 0.0)
            affordable = min(affordable, (free + _TOLERANCE) // amount if amount > 0 else affordable)
        for unit in self.limits:
            allowance[unit] = committed.get(unit, 0.0) + max(affordable, 0.0) * row.get(unit, 0.0)
        self._store(attempt, allowance)
        return allowance

    def settle(self, attempt: str, used: Amounts) -> None:
        """Count what a try has used, and promise it nothing further."""
        if self.limits:
            self._store(attempt, dict(used))
        self._starved.pop(attempt, None)

    def note_demand(self, attempt: str, *, is_starved: bool) -> None:
        """Remember whether a try waits for the amount of one row, and has none in flight."""
        self._starved[attempt] = is_starved

    def is_exhausted(self) -> bool:
        """Return whether all tries under way wait for an amount that nobody will give back."""
        return bool(self._starved) and all(self._starved.values())

    def forget(self, attempt: str) -> None:
        """Count a try that was lost no longer as under way; what it was promised counts as used."""
        self._starved.pop(attempt, None)

    def problem(self) -> str:
        """Return why no further row is sent."""
        unit = next(iter(self.limits))
        amounts = (self.limits[unit], self.promised(unit))
        limit, spent = (format_amount(round(value) if unit == "tokens" else value, unit) for value in amounts)
        return tr("the budget of {limit} allows no more: {spent} are spent", limit=limit, spent=spent)

    def _store(self, attempt: str, allowance: dict[str, float]) -> None:
        if self._allowances.get(attempt) == allowance:
            return
        self._allowances[attempt] = allowance
        if self._path is not None and self.limits:
            write_private(self._path, json.dumps(self._allowances))
