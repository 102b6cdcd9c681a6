"""Rows on their way to the workers: read ahead in pages, away from the I/O loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

from .journal import Journal
from .plan import Plan
from .row import Entry, Pending
from .source import Item
from .survey import numbered
from .trickle import Trickle

T = TypeVar("T")

PAGE = 500
"""Rows that are taken at once from a journal or an input; three pages are in memory."""

CLOSING = 1.0
"""Seconds that the end of a batch waits for an input that blocks."""

Page = Callable[[], list[Pending]]


def in_thread(act: Callable[[], T]) -> asyncio.Future[T]:
    """Do something that may block for ever in a thread that does not keep Python from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def tell(value: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(value)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def run() -> None:
        try:
            value, error = act(), None
        except BaseException as caught:  # noqa: BLE001 - it is told where it is waited for
            value, error = None, caught
        loop.call_soon_threadsafe(tell, value, error)

    threading.Thread(target=run, name="qfnb-rows", daemon=True).start()
    return future


class Feed:
    """Hands out rows one by one; the next page is read while one is used up.

    Args:
        page: returns the next rows, none at the end; it runs in a thread.
        broken: is told what went wrong with the input; nothing is read after that.
    """

    def __init__(self, page: Page, broken: Callable[[Exception], None]) -> None:
        self._page, self._broken = page, broken
        self._rows: deque[Pending] = deque()
        self._ahead: asyncio.Future[list[Pending]] | None = None
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

    @property
    def drained(self) -> bool:
        """Whether it is known that there are no more rows."""
        ahead = self._ahead
        nothing = ahead is not None and ahead.done() and not ahead.exception() and not ahead.result()
        return not self._rows and (self._ended or nothing)

    async def close(self) -> bool:
        """Wait for a page that is being read, but not for ever; tell whether none is left behind."""
        if self._ahead is None:
            return True
        await asyncio.wait({self._ahead}, timeout=CLOSING)
        if self._ahead.done():
            self._ahead.exception()  # it was told already, or nobody is left to be told
        return self._ahead.done()

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

    def _read(self) -> asyncio.Future[list[Pending]]:
        return in_thread(self._page)


class FromJournal:
    """Pages of rows that the journal holds already.

    Args:
        again: those that failed in this run, instead of those that have no answer.
        after: the number of the row after which it begins.
    """

    def __init__(self, journal: Journal, *, again: bool = False, after: int = -1) -> None:
        self._ask, self._after = (journal.again if again else journal.missing), after

    def __call__(self) -> list[Pending]:
        """Return the next page."""
        rows = self._ask(self._after, PAGE)
        if rows:
            self._after = rows[-1].number
        return rows


class FromInput:
    """Pages of an input that is read while it is asked, and noted in the journal as it is read.

    An input that raises is not read on: nobody knows what it left out.
    """

    def __init__(
        self,
        journal: Journal,
        plan: Plan,
        items: Iterator[Item],
        loaded: Callable[[int, int, int | None], None],
    ) -> None:
        self.journal, self._reader = journal, 0
        self._plan, self._items, self._loaded = plan, Trickle(items, PAGE), loaded
        self._number = 0
        self._unsaved: list[Entry] = []
        self._problem: Exception | None = None
        self._turn = threading.Lock()

    def __call__(self) -> list[Pending]:
        """Return the next rows that have no answer yet; pages of answered rows are skipped."""
        with self._turn:  # a page that nobody waits for any more may still be coming
            reader = self._reader
            while True:
                entries = self._unsaved or self._read()
                if reader != self._reader:
                    self._unsaved = entries  # for whoever reads on
                    return []
                rows = self._saved(entries)
                if rows or (not entries and self._problem is None):
                    return rows
                if not entries and self._problem is not None:
                    raise self._problem

    def abandon(self) -> None:
        """Leave the page that is being read to the next who asks for one."""
        self._reader += 1

    def _read(self) -> list[Entry]:
        """Return the next page; what was read before an input broke off is part of it."""
        entries: list[Entry] = []
        if self._problem is not None:
            return entries
        try:
            for entry, _ in numbered(self._plan, self._items.take(), self._number):
                entries.append(entry)
        except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
            self._problem = error
        self._number += len(entries)
        return entries

    def _saved(self, entries: list[Entry]) -> list[Pending]:
        with self.journal.writing():
            rows = self.journal.add(entries, dedupe=self._plan.dedupe)
        self._unsaved = []
        wrong = sum(entry.problem is not None for entry in entries)
        ended = not entries and self._problem is None
        self._loaded(len(entries) - wrong - len(rows), wrong, self._number if ended else None)
        return rows


class FromMemory:
    """The rows that were put into the journal a moment ago, as one page."""

    def __init__(self, rows: list[Pending]) -> None:
        self._rows = rows

    def __call__(self) -> list[Pending]:
        """Return the rows, and nothing after that."""
        rows, self._rows = self._rows, []
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
