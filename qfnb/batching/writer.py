"""Answers on their way into the journal: all that have come in one turn of the I/O loop, in one statement.

A worker waits until its answer is on disk, so that a crash repeats one row per worker at most. It does not
wait for a clock or a thread: workers that did would send together, and idle together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from ..resources.outcome import Outcome
from .journal import Journal
from .reading import JournalError
from .row import Pending

SYNC_EVERY: Final = 1.0
"""Seconds between two times that the journal is brought onto the disk."""

Kept = tuple[Pending, Outcome]
Told = Callable[[Sequence[Kept], JournalError | None], None]


class Writer:
    """Writes outcomes down; on the I/O loop only.

    Args:
        journal: where to.
        told: is called with outcomes that were written, or that could not be, and why.

    Attributes:
        waiting: outcomes that are written in the next turn.
    """

    def __init__(self, journal: Journal, told: Told) -> None:
        self._journal, self._told = journal, told
        self.waiting: list[Kept] = []
        self._flushed = 0

    async def keep(self, row: Pending, outcome: Outcome) -> None:
        """Return when the outcome was written, or could not be; it is written also when nobody waits."""
        if not self.waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        self.waiting.append((row, outcome))
        before = self._flushed
        while self._flushed == before:
            await asyncio.sleep(0)  # the flush is first in the queue: a future for each would cost more

    def flush(self) -> None:
        """Write what is waiting."""
        rows, self.waiting = self.waiting, []
        self._flushed += 1
        if not rows:
            return
        error: JournalError | None = None
        try:
            self._journal.keep_all([(row.key, outcome) for row, outcome in rows])
        except JournalError as caught:
            error = caught
        except Exception as caught:  # noqa: BLE001 - the rows are counted in any case, and the batch ends
            error = JournalError(f"an answer cannot be written down: {type(caught).__name__}: {caught}")
        self._told(rows, error)


async def synced(journal: Journal, gone: Callable[[str], None]) -> None:
    """Bring the journal onto the disk now and then, until cancelled; say when somebody has deleted it."""
    while True:
        await asyncio.sleep(SYNC_EVERY)
        if not journal.path.exists():
            gone(f"日志被删除 / the journal was deleted: {journal.path}")
            return
        await asyncio.to_thread(journal.checkpoint)
