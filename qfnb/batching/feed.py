"""Rows on their way to the workers: read ahead in pages, away from the I/O loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice

from .journal import Journal, Pending
from .plan import Plan
from .source import Item
from .survey import numbered

PAGE = 500
"""Rows that are read at once; two pages are in memory."""

Page = Callable[[], list[Pending]]


class Feed:
    """Hands out rows one by one; the next page is read while one is used up.

    Args:
        page: returns the next rows, none at the end; it runs in a thread.
        broken: is told what went wrong with the input; nothing is read after that.
    """

    def __init__(self, page: Page, broken: Callable[[Exception], None]) -> None:
        self._page, self._broken = page, broken
        self._rows: deque[Pending] = deque()
        self._ahead: asyncio.Task[list[Pending]] | None = None
        self._turn, self._ended = asyncio.Lock(), False

    async def take(self) -> Pending | None:
        """Return the next row, None when there is none."""
        while not self._rows:
            if self._ended:
                return None
            async with self._turn:
                if not self._rows and not self._ended:
                    await self._refill()
        return self._rows.popleft()

    async def close(self) -> None:
        """Wait for a page that is being read."""
        if self._ahead is not None:
            await asyncio.gather(self._ahead, return_exceptions=True)

    async def _refill(self) -> None:
        self._ahead = self._ahead or self._read()
        try:
            rows = await asyncio.shield(self._ahead)  # a worker that is dropped does not stop the reading
        except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
            self._ended, self._ahead = True, None
            self._broken(error)
            return
        self._rows.extend(rows)
        self._ended = not rows
        self._ahead = self._read() if rows else None

    def _read(self) -> asyncio.Task[list[Pending]]:
        return asyncio.get_running_loop().create_task(asyncio.to_thread(self._page))


class FromJournal:
    """Pages of rows that the journal holds already; `again` for those that failed in this run."""

    def __init__(self, journal: Journal, *, again: bool = False) -> None:
        self._ask, self._after = (journal.again if again else journal.missing), -1

    def __call__(self) -> list[Pending]:
        """Return the next page."""
        rows = self._ask(self._after, PAGE)
        if rows:
            self._after = rows[-1].number
        return rows


class FromInput:
    """Pages of an input that is read while it is asked, and noted in the journal as it is read."""

    def __init__(
        self,
        journal: Journal,
        plan: Plan,
        items: Iterator[Item],
        loaded: Callable[[int, int, int | None], None],
        *,
        start: int = 0,
    ) -> None:
        self._journal, self._plan, self._items = journal, plan, items
        self._number, self._loaded = start, loaded

    def __call__(self) -> list[Pending]:
        """Return the next rows that have no answer yet; pages of answered rows are skipped."""
        while True:
            entries = [entry for entry, _ in numbered(self._plan, islice(self._items, PAGE), self._number)]
            with self._journal.writing():
                rows = self._journal.add(entries, dedupe=self._plan.dedupe)
            self._number += len(entries)
            wrong = sum(entry.problem is not None for entry in entries)
            self._loaded(len(entries) - wrong - len(rows), wrong, None if entries else self._number)
            if rows or not entries:
                return rows


class Chain:
    """Pages of one, then of the other."""

    def __init__(self, first: Page, then: Page) -> None:
        self._pages = [first, then]

    def __call__(self) -> list[Pending]:
        """Return the next page."""
        while self._pages:
            if rows := self._pages[0]():
                return rows
            self._pages.pop(0)
        return []
