"""The money and tokens that workers may use: each gets an allowance, and their sum never exceeds
the budget.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ...base.language import tr
from ...errors import QianfanError
from ..preflight import format_amount
from .output_files import open_output

Amounts = Mapping[str, float]
"""Unit (`CNY`, `tokens`) -> amount."""

STORE_INTERVAL_S: Final = 1.0
"""Seconds between two writes of promises to an object store, each of which takes a while."""

_TOLERANCE = 1e-9


class BudgetLedger:
    """What each try of a shard may use, stored before it is promised: a restart finds no less.

    Args:
        limits: the budget by unit; empty for none.
        path: of the file, or its address; None keeps it in memory.

    Raises:
        QianfanError: the file cannot be read.
    """

    def __init__(self, limits: Amounts, path: str | Path | None = None) -> None:
        folder, self._name = os.path.split(str(path or ""))
        self._files = open_output(folder) if path and limits else None
        self.limits = dict(limits)
        self._allowances: dict[str, dict[str, float]] = {}
        self._stored: dict[str, dict[str, float]] = {}
        self._stored_at = -STORE_INTERVAL_S
        self._starved: dict[str, bool] = {}
        try:
            content = self._files.read(self._name) if self._files is not None else None
            self._allowances = json.loads(content or "{}")
        except (OSError, ValueError) as error:
            reason = tr("the use of the budget so far cannot be read from {path}", path=path)
            detail = error.strerror if isinstance(error, OSError) else error
            raise QianfanError(f"{reason}: {detail}") from None
        self._stored = dict(self._allowances)

    def promised(self, unit: str) -> float:
        """Return what has been used or may be."""
        return sum(amounts.get(unit, 0.0) for amounts in self._allowances.values())

    def renew(self, attempt: str, committed: Amounts, row: Amounts, rows: int) -> dict[str, float]:
        """Return what a try may use in all, what it has used and reserved included.

        Args:
            attempt: the try of a shard.
            committed: what it has used, and has reserved for rows in flight; used by no other
                meanwhile.
            row: what one row may use.
            rows: that it could send soon.
        """
        allowance = dict(committed)
        previous = self._allowances.get(attempt, {})
        affordable = float(rows)
        for unit, limit in self.limits.items():
            free = limit - self.promised(unit) + previous.get(unit, 0.0) - committed.get(unit, 0.0)
            amount = row.get(unit, 0.0)
            affordable = min(
                affordable, (free + _TOLERANCE) // amount if amount > 0 else affordable
            )
        for unit in self.limits:
            allowance[unit] = committed.get(unit, 0.0) + max(affordable, 0.0) * row.get(unit, 0.0)
        return self._promise(attempt, allowance)

    def settle(self, attempt: str, used: Amounts) -> None:
        """Count what a try has used, and promise it nothing further."""
        if self.limits:
            self._allowances[attempt] = dict(used)
            self._store()
        self._starved.pop(attempt, None)

    def note_demand(self, attempt: str, *, is_starved: bool) -> None:
        """Remember whether a try waits for the amount of one row, and has none in flight."""
        self._starved[attempt] = is_starved and not self._is_unstored(attempt)

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
        limit, spent = (
            format_amount(round(value) if unit == "tokens" else value, unit) for value in amounts
        )
        return tr(
            "the budget of {limit} allows no more: {spent} are spent", limit=limit, spent=spent
        )

    def _promise(self, attempt: str, allowance: dict[str, float]) -> dict[str, float]:
        """Return as much of an allowance as is stored; what is not stored yet comes with a later
        report.
        """
        self._allowances[attempt] = allowance
        is_quick = self._files is None or self._files.has_lock
        if self._is_unstored(attempt) and (
            is_quick or time.monotonic() - self._stored_at >= STORE_INTERVAL_S
        ):
            self._store()
        stored = self._stored.get(attempt, {})
        return {unit: min(amount, stored.get(unit, 0.0)) for unit, amount in allowance.items()}

    def _is_unstored(self, attempt: str) -> bool:
        stored = self._stored.get(attempt, {})
        return any(
            amount > stored.get(unit, 0.0) for unit, amount in self._allowances[attempt].items()
        )

    def _store(self) -> None:
        if self._files is not None:
            with self._files.writing(self._name, is_durable=False) as path:
                path.write_text(json.dumps(self._allowances), encoding="utf-8")
        self._stored = dict(self._allowances)
        self._stored_at = time.monotonic()
