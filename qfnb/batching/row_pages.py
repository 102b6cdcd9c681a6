"""Pages of rows: what a journal has without an answer, and an input that is read and stored while
rows are sent.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

from ..base.language import tr
from . import journal_store
from .input_source import Prefetcher, RowSource
from .journal import Journal, RepeatCounter, add_rows, repeat_key
from .journal_reader import JournalError
from .preflight import InputScan
from .request_spec import InputRow, RequestSpec

PAGE_SIZE = 500
"""Rows that are read at once from a journal or an input; at most three pages are in memory."""

PageReader = Callable[[], list[InputRow]]


class JournalPages:
    """Pages of rows that the journal holds.

    Args:
        query: returns the rows after a number, at most a number of them.
    """

    def __init__(self, query: Callable[[int, int], list[InputRow]]) -> None:
        self._query = query
        self._last_number = -1

    def __call__(self) -> list[InputRow]:
        """Return the next page."""
        rows = self._query(self._last_number, PAGE_SIZE)
        if rows:
            self._last_number = rows[-1].number
        return rows


class InputPages:
    """Pages of an input that is read while rows are sent, and written into the journal as it is
    read.

    An input that raises is not read further: what it left out is unknown.

    Args:
        journal: open for writing.
        rows: the input.
        dedupe: whether identical rows are sent once.
        on_loaded: called in the reading thread after each page, with the number of rows that have
            an answer already, the number of invalid ones, and at the end the total number of rows,
            before that None.
    """

    def __init__(
        self,
        journal: Journal,
        rows: Iterator[InputRow],
        *,
        dedupe: bool,
        on_loaded: Callable[[int, int, int | None], None],
    ) -> None:
        self._prefetcher = Prefetcher(rows, PAGE_SIZE)
        self._journal = journal
        self._dedupe = dedupe
        self._on_loaded = on_loaded
        self._stored_pages: JournalPages | None = None
        self._row_count = self._generation = 0
        self._unsaved: list[InputRow] = []
        self._counter = RepeatCounter()
        self._repeats = list[int]()
        self._error: Exception | None = None
        self._lock = threading.Lock()

    def __call__(self) -> list[InputRow]:
        """Return the next rows that have no answer yet; pages of answered rows are skipped."""
        if self._stored_pages is not None:
            if stored := self._stored_pages():
                return stored
            self._stored_pages = None
        with self._lock:  # a page that was abandoned may still be coming
            generation = self._generation
            while True:
                page = self._unsaved or self._read_page()
                if generation != self._generation:
                    self._unsaved = page  # for the next reader
                    return []
                rows = self._save_page(page)
                if rows or (not page and self._error is None):
                    return rows
                if not page and self._error is not None:
                    raise self._error

    def abandon(self) -> None:
        """Leave the page that is being read to the next reader."""
        self._generation += 1

    def continue_in(self, journal: Journal) -> None:
        """Continue in a journal that was opened again: first with its rows that have no answer."""
        self._stored_pages = JournalPages(journal.missing_rows)
        self._journal = journal

    def _read_page(self) -> list[InputRow]:
        """Return the next page; what was read before an input raised is part of it."""
        self._repeats = []
        if self._error is not None:
            return []
        try:
            page = self._prefetcher.next_page()
        except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
            self._error = error
            return []
        self._row_count += len(page)
        self._repeats = self._counter.count(page)
        return page

    def _save_page(self, page: list[InputRow]) -> list[InputRow]:
        with self._journal.transaction():
            rows = add_rows(self._journal, page, dedupe=self._dedupe, repeats=self._repeats)
        self._unsaved = []
        invalid = sum(row.problem is not None for row in page)
        total = None
        if not page and self._error is None:
            total = self._row_count
            with self._journal.transaction():
                self._journal.database.execute("delete from row where number >= ?", (total,))
            self._journal.set_facts(complete=1)
        self._on_loaded(len(page) - invalid - len(rows), invalid, total)
        return rows


def load_input(
    journal: Journal,
    request: RequestSpec,
    source: RowSource,
    scan: InputScan,
    *,
    allow_changed_input: bool | Literal["keep"],
) -> None:
    """Put the rows of an input into the journal, or check that it is that of the journal.

    Args:
        journal: open for writing.
        request: what is sent for each row.
        source: the input; one that can be read only once is read while rows are sent.
        scan: the rows that were read already.
        allow_changed_input: whether answers of rows that are not in this input are dropped; "keep"
            leaves them for another input.

    Raises:
        JournalError: the journal has other rows, or they were sent otherwise.
    """
    stored = journal.get_fact("plan")
    database = journal.database
    if stored and allow_changed_input is not True:
        _validate_same_request(journal.path, request, stored)
    foreign_rows = 0
    with journal.transaction():
        if source.is_rereadable:
            database.execute("delete from row")
            rows = request.input_rows(source.items())
            counter = RepeatCounter()
            while page := list(islice(rows, PAGE_SIZE)):
                repeats = counter.count(page)
                add_rows(journal, page, dedupe=request.dedupe, repeats=repeats)
            query = (
                "select count(*) from answer where error = '' and key not in (select key from row)"
            )
            foreign_rows = database.execute(query).fetchone()[0]
            if allow_changed_input is True:
                database.execute("delete from answer where key not in (select key from row)")
        elif stored:
            foreign_rows = _count_foreign_rows(journal, scan.first_rows)
        if foreign_rows and not allow_changed_input:
            raise JournalError(
                tr(
                    "the journal {name!r} has answers to {count} rows that are not in this input: "
                    "give this one "
                    "another name (--name), or drop them (allow_changed_input=True, --update)",
                    name=journal.path.stem,
                    count=foreign_rows,
                )
            )
    journal.set_facts(
        plan=request.to_json(),
        input=source.description,
        complete=int(source.is_rereadable),
        created=journal.get_fact("created") or time.time(),
    )


def _validate_same_request(path: Path, request: RequestSpec, stored: str) -> None:
    if differences := request.differences(journal_store.load_request_spec(path, stored)):
        raise JournalError(
            tr(
                "the rows of journal {name!r} were sent otherwise ({differences}): give this one "
                "another name=",
                name=path.stem,
                differences=tr("; ").join(differences)[:200],
            )
        )


def _count_foreign_rows(journal: Journal, rows: Sequence[InputRow]) -> int:
    """Return how many of an input's first rows differ from the journal's."""
    stored_keys = dict(
        journal.database.execute("select number, key from row where number < ?", (len(rows),))
    )
    repeats = RepeatCounter().count(rows)
    return sum(
        stored_keys.get(row.number, row.key) not in {row.key, repeat_key(row.key, repeat)}
        for row, repeat in zip(rows, repeats, strict=True)
    )
