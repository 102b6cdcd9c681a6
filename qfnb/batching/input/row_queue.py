"""Rows on their way to the workers: read ahead in pages, away from the I/O loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

from ..journal import Journal
from ..preflight import build_entries
from ..request_spec import RequestSpec
from ..row import PendingRow, RowEntry
from .prefetch import Prefetcher
from .source import Item

T = TypeVar("T")

PAGE_SIZE = 500
"""Rows that are taken at once from a journal or an input; three pages are in memory."""

CLOSE_TIMEOUT_S = 1.0
"""Seconds that the end of a batch waits for an input that blocks."""

PageReader = Callable[[], list[PendingRow]]


def run_in_thread(function: Callable[[], T]) -> asyncio.Future[T]:
    """Do something that may block for ever in a thread that does not keep Python from ending."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def deliver(value: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(value)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def run() -> None:
        try:
            value, error = function(), None
        except BaseException as exception:  # noqa: BLE001 - it is told where it is waited for
            value, error = None, exception
        loop.call_soon_threadsafe(deliver, value, error)

    threading.Thread(target=run, name="qfnb-rows", daemon=True).start()
    return future


class RowQueue:
    """Hands out rows one by one; the next page is read while one is used up.

    Args:
        page: returns the next rows, none at the end; it runs in a thread.
        broken: is told what went wrong with the input; nothing is read after that.
    """

    def __init__(self, next_page: PageReader, on_error: Callable[[Exception], None]) -> None:
        self._next_page, self._on_error = next_page, on_error
        self._rows: deque[PendingRow] = deque()
        self._prefetch: asyncio.Future[list[PendingRow]] | None = None
        self._refill_lock, self._is_exhausted = asyncio.Lock(), False

    async def get(self) -> PendingRow | None:
        """Return the next row, None when there is none."""
        while not self._rows:
            if self._is_exhausted:
                return None
            async with self._refill_lock:
                if not self._rows and not self._is_exhausted:
                    await self._refill()
        return self._rows.popleft()

    @property
    def is_drained(self) -> bool:
        """Whether it is known that there are no more rows."""
        prefetch = self._prefetch
        is_next_empty = (
            prefetch is not None and prefetch.done() and not prefetch.exception() and not prefetch.result()
        )
        return not self._rows and (self._is_exhausted or is_next_empty)

    async def close(self) -> bool:
        """Wait for a page that is being read, but not for ever; tell whether none is left behind."""
        if self._prefetch is None:
            return True
        await asyncio.wait({self._prefetch}, timeout=CLOSE_TIMEOUT_S)
        if self._prefetch.done():
            self._prefetch.exception()  # it was told already, or nobody is left to be told
        return self._prefetch.done()

    async def _refill(self) -> None:
        self._prefetch = self._prefetch or self._start_prefetch()
        try:
            rows = await asyncio.shield(self._prefetch)  # a worker that is dropped does not stop the reading
        except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
            self._is_exhausted, self._prefetch = True, None
            self._on_error(error)
            return
        self._rows.extend(rows)
        self._is_exhausted = not rows
        self._prefetch = self._start_prefetch() if rows else None

    def _start_prefetch(self) -> asyncio.Future[list[PendingRow]]:
        return run_in_thread(self._next_page)


class JournalPages:
    """Pages of rows that the journal holds already.

    Args:
        again: those that failed in this run, instead of those that have no answer.
        after: the number of the row after which it begins.
    """

    def __init__(self, journal: Journal, *, retryable: bool = False, after_number: int = -1) -> None:
        self._query, self._last_number = (
            (journal.retryable_rows if retryable else journal.missing_rows),
            after_number,
        )

    def __call__(self) -> list[PendingRow]:
        """Return the next page."""
        rows = self._query(self._last_number, PAGE_SIZE)
        if rows:
            self._last_number = rows[-1].number
        return rows


class InputPages:
    """Pages of an input that is read while it is asked, and noted in the journal as it is read.

    An input that raises is not read on: nobody knows what it left out.
    """

    def __init__(
        self,
        journal: Journal,
        spec: RequestSpec,
        items: Iterator[Item],
        on_loaded: Callable[[int, int, int | None], None],
    ) -> None:
        self.journal, self._generation = journal, 0
        self._spec, self._prefetcher, self._on_loaded = spec, Prefetcher(items, PAGE_SIZE), on_loaded
        self._next_number = 0
        self._unsaved: list[RowEntry] = []
        self._error: Exception | None = None
        self._lock = threading.Lock()

    def __call__(self) -> list[PendingRow]:
        """Return the next rows that have no answer yet; pages of answered rows are skipped."""
        with self._lock:  # a page that nobody waits for any more may still be coming
            generation = self._generation
            while True:
                entries = self._unsaved or self._read_page()
                if generation != self._generation:
                    self._unsaved = entries  # for whoever reads on
                    return []
                rows = self._save_page(entries)
                if rows or (not entries and self._error is None):
                    return rows
                if not entries and self._error is not None:
                    raise self._error

    def abandon(self) -> None:
        """Leave the page that is being read to the next who asks for one."""
        self._generation += 1

    def _read_page(self) -> list[RowEntry]:
        """Return the next page; what was read before an input broke off is part of it."""
        entries: list[RowEntry] = []
        if self._error is not None:
            return entries
        try:
            for entry, _ in build_entries(self._spec, self._prefetcher.next_page(), self._next_number):
                entries.append(entry)
        except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
            self._error = error
        self._next_number += len(entries)
        return entries

    def _save_page(self, entries: list[RowEntry]) -> list[PendingRow]:
        with self.journal.transaction():
            rows = self.journal.add_rows(entries, dedupe=self._spec.dedupe)
        self._unsaved = []
        invalid = sum(entry.problem is not None for entry in entries)
        is_end = not entries and self._error is None
        self._on_loaded(len(entries) - invalid - len(rows), invalid, self._next_number if is_end else None)
        return rows


class MemoryPages:
    """The rows that were put into the journal a moment ago, as one page."""

    def __init__(self, rows: list[PendingRow]) -> None:
        self._rows = rows

    def __call__(self) -> list[PendingRow]:
        """Return the rows, and nothing after that."""
        rows, self._rows = self._rows, []
        return rows


class ChainedPages:
    """Pages of one, then of the other."""

    def __init__(self, first: PageReader, second: PageReader) -> None:
        self._pages = [first, second]

    def __call__(self) -> list[PendingRow]:
        """Return the next page."""
        while self._pages:
            if rows := self._pages[0]():
                return rows
            self._pages.pop(0)
        return []
