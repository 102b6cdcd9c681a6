"""Answers on their way into the journal: all that have come in one turn of the I/O loop, in one statement.

A worker waits until its answer is on disk, so that a crash repeats one row per worker at most. It does not
wait for a clock or a thread: workers that did would send together, and idle together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from .._jobs.row_result import RowResult
from .journal import Journal
from .journal_reader import JournalError
from .row import PendingRow

SYNC_INTERVAL_S: Final = 1.0
"""Seconds between two times that the journal is brought onto the disk."""

WrittenRow = tuple[PendingRow, RowResult]
OnWritten = Callable[[Sequence[WrittenRow], JournalError | None], None]


class GroupCommitWriter:
    """Writes outcomes down; on the I/O loop only.

    Args:
        journal: where to.
        told: is called with outcomes that were written, or that could not be, and why.

    Attributes:
        pending: outcomes that are written in the next turn.
    """

    def __init__(self, journal: Journal, on_written: OnWritten) -> None:
        self._journal, self._on_written = journal, on_written
        self.pending: list[WrittenRow] = []
        self._flush_count = 0

    async def write(self, row: PendingRow, result: RowResult) -> None:
        """Return when the outcome was written, or could not be; it is written also when nobody waits."""
        if not self.pending:
            asyncio.get_running_loop().call_soon(self.flush)
        self.pending.append((row, result))
        flushes_before = self._flush_count
        while self._flush_count == flushes_before:
            await asyncio.sleep(0)  # the flush is first in the queue: a future for each would cost more

    def flush(self) -> None:
        """Write what is waiting."""
        rows, self.pending = self.pending, []
        self._flush_count += 1
        if not rows:
            return
        error: JournalError | None = None
        try:
            self._journal.write_all([(row.key, outcome) for row, outcome in rows])
        except JournalError as exception:
            error = exception
        except Exception as exception:  # noqa: BLE001 - the rows are counted in any case, and the batch ends
            error = JournalError(f"an answer cannot be written down: {type(exception).__name__}: {exception}")
        self._on_written(rows, error)


async def sync_periodically(journal: Journal, on_deleted: Callable[[str], None]) -> None:
    """Bring the journal onto the disk now and then, until cancelled; say when somebody has deleted it."""
    while True:
        await asyncio.sleep(SYNC_INTERVAL_S)
        if not journal.path.exists():
            on_deleted(f"日志被删除 / the journal was deleted: {journal.path}")
            return
        await asyncio.to_thread(journal.checkpoint)
