"""Answers on their way into the journal: written on a thread, all that have come meanwhile in one statement.

A worker waits until its answer is on disk, so that a crash repeats one row per worker at most; the I/O loop
goes on meanwhile, and SQLite's work is done beside it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ..resources.outcome import Outcome
from .journal import Journal, Pending
from .reading import JournalError

Kept = tuple[Pending, Outcome]
Told = Callable[[Sequence[Kept], JournalError | None], None]


class Writer:
    """Writes outcomes down; on the I/O loop only.

    Args:
        journal: where to.
        told: is called with outcomes that were written, or that could not be, and why.
    """

    def __init__(self, journal: Journal, told: Told) -> None:
        self._journal, self._told = journal, told
        self._thread = ThreadPoolExecutor(1, "qfnb-journal")
        self._group: list[tuple[Kept, asyncio.Future[None]]] = []
        self._idle = asyncio.Event()
        self._idle.set()

    async def keep(self, row: Pending, outcome: Outcome) -> None:
        """Return when the outcome was written, or could not be; it is written also when nobody waits."""
        written = asyncio.get_running_loop().create_future()
        self._group.append(((row, outcome), written))
        self._go_on()
        await written

    async def close(self) -> None:
        """Wait for what is on its way."""
        await self._idle.wait()
        self._thread.shutdown(wait=False)

    def _go_on(self) -> None:
        if not self._idle.is_set() or not self._group:
            return
        self._idle.clear()
        group, self._group = self._group, []
        rows = [(row.key, outcome) for (row, outcome), _ in group]
        writing = asyncio.get_running_loop().run_in_executor(self._thread, self._journal.keep_all, rows)
        writing.add_done_callback(lambda done: self._written(group, done.exception()))

    def _written(self, group: list[tuple[Kept, asyncio.Future[None]]], error: BaseException | None) -> None:
        self._idle.set()
        self._told([kept for kept, _ in group], JournalError(str(error)) if error is not None else None)
        for _, waiting in group:
            if not waiting.done():
                waiting.set_result(None)
        self._go_on()
