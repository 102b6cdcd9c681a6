"""Group commit: all results of one turn of the I/O loop go into the journal in one statement.

A worker waits until its result is on disk, so that a crash repeats at most one row per worker. It does not
wait for a clock or a thread: workers that did would all send together, and all idle together.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from .._jobs.row_result import RowResult
from .journal import Journal
from .journal_reader import JournalError
from .request_spec import InputRow

SYNC_INTERVAL_S: Final = 1.0
"""Seconds between two checkpoints of the journal."""

WrittenRow = tuple[InputRow, RowResult]
OnWritten = Callable[[Sequence[WrittenRow], JournalError | None], None]


class GroupCommitWriter:
    """Writes results; on the I/O loop only.

    Args:
        journal: open for writing.
        on_written: called with the rows of each commit, and the error if it failed.

    Attributes:
        pending: results that are written in the next turn of the loop.
    """

    def __init__(self, journal: Journal, on_written: OnWritten) -> None:
        self._journal, self._on_written = journal, on_written
        self.pending: list[WrittenRow] = []
        self._flush_count = 0

    async def write(self, row: InputRow, result: RowResult) -> None:
        """Return when the result is on disk or the commit failed; a cancelled caller's result is written too."""
        if not self.pending:
            asyncio.get_running_loop().call_soon(self.flush)
        self.pending.append((row, result))
        flushes_before = self._flush_count
        while self._flush_count == flushes_before:
            await asyncio.sleep(0)  # the flush is first in the queue: a future for each would cost more

    def flush(self) -> None:
        """Write the pending results."""
        rows, self.pending = self.pending, []
        self._flush_count += 1
        if not rows:
            return
        error: JournalError | None = None
        try:
            self._journal.write([(row.key, result) for row, result in rows])
        except JournalError as exception:
            error = exception
        except Exception as exception:  # noqa: BLE001 - the rows are counted in any case, and the batch ends
            error = JournalError(f"an answer cannot be written: {type(exception).__name__}: {exception}")
        self._on_written(rows, error)


async def sync_periodically(journal: Journal, on_deleted: Callable[[str], None]) -> None:
    """Write checkpoints until cancelled; end with a call of `on_deleted` when the file is gone."""
    while True:
        await asyncio.sleep(SYNC_INTERVAL_S)
        if not journal.path.exists():
            on_deleted(f"日志被删除 / the journal was deleted: {journal.path}")
            return
        await asyncio.to_thread(journal.checkpoint)
