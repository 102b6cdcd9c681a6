"""Pages of rows: what a journal has without an answer, and an input that is read and stored while rows are sent."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from .._language import tr
from . import journal_store
from .input_scan import InputScan
from .input_source import Item, Prefetcher, RowSource
from .journal import Journal, placeholders
from .journal_checksum import checksum
from .journal_reader import JournalError
from .request_spec import InputRow, RequestSpec

PAGE_SIZE = 500
"""Rows that are read at once from a journal or an input; at most three pages are in memory."""

_UTF8_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)
_ASCII_ENCODER = json.JSONEncoder(default=str)

PageReader = Callable[[], list[InputRow]]


class JournalPages:
    """Pages of rows that the journal holds.

    Args:
        journal: open for writing.
        retryable: the rows that failed in this run, instead of those that have no answer.
        first_page: rows that are in memory and come first.
        after: number of the row after which the journal is read.
    """

    def __init__(
        self, journal: Journal, *, retryable: bool = False, first_page: list[InputRow] | None = None, after: int = -1
    ) -> None:
        self._query = journal.retryable_rows if retryable else journal.missing_rows
        self._first_page, self._last_number = first_page or [], after

    def __call__(self) -> list[InputRow]:
        """Return the next page."""
        if rows := self._first_page:
            self._first_page = []
            return rows
        rows = self._query(self._last_number, PAGE_SIZE)
        if rows:
            self._last_number = rows[-1].number
        return rows


class InputPages:
    """Pages of an input that is read while rows are sent, and written into the journal as it is read.

    An input that raises is not read further: what it left out is unknown.

    Args:
        journal: open for writing.
        rows: the input.
        dedupe: whether identical rows are sent once.
        on_loaded: called in the reading thread after each page, with the number of rows that have an answer
            already, the number of invalid ones, and at the end the total number of rows, before that None.
    """

    def __init__(
        self,
        journal: Journal,
        rows: Iterator[InputRow],
        *,
        dedupe: bool,
        on_loaded: Callable[[int, int, int | None], None],
    ) -> None:
        self._journal, self._prefetcher = journal, Prefetcher(rows, PAGE_SIZE)
        self._dedupe, self._on_loaded = dedupe, on_loaded
        self._stored_pages: JournalPages | None = None
        self._row_count = self._generation = 0
        self._unsaved: list[InputRow] = []
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
        self._journal, self._stored_pages = journal, JournalPages(journal)

    def _read_page(self) -> list[InputRow]:
        """Return the next page; what was read before an input raised is part of it."""
        if self._error is not None:
            return []
        try:
            page = self._prefetcher.next_page()
        except Exception as error:  # noqa: BLE001 - an input is the user's code, and may raise anything
            self._error = error
            return []
        self._row_count += len(page)
        return page

    def _save_page(self, page: list[InputRow]) -> list[InputRow]:
        with self._journal.transaction():
            rows = add_rows(self._journal, page, dedupe=self._dedupe)
        self._unsaved = []
        invalid = sum(row.problem is not None for row in page)
        total = None if page or self._error is not None else self._row_count
        if total is not None:
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
) -> JournalPages | None:
    """Put the rows of an input into the journal; return those without an answer.

    Args:
        journal: open for writing.
        request: what is sent for each row.
        source: the input; one that can be read only once is read while rows are sent, so None is returned.
        scan: the rows that were read already.
        allow_changed_input: whether answers of rows that are not in this input are dropped; "keep" leaves them for
            another input.

    Raises:
        JournalError: the journal has other rows, or they were sent otherwise.
    """
    stored, database = journal.get_fact("plan"), journal.database
    if stored and allow_changed_input is not True:
        _validate_same_request(journal.path, request, stored)
    with journal.transaction():
        database.execute("delete from seen")
        if source.is_rereadable:
            database.execute("delete from row")
            pages = _add_all_rows(journal, request, source, scan.first_rows)
            query = "select count(*) from answer where error = '' and key not in (select key from row)"
            foreign_rows = database.execute(query).fetchone()[0]
            if allow_changed_input is True:
                database.execute("delete from answer where key not in (select key from row)")
        else:
            pages, foreign_rows = None, _count_foreign_rows(journal, scan.first_rows) if stored else 0
        if foreign_rows and not allow_changed_input:
            raise JournalError(
                tr(
                    "the journal {name!r} has answers to {count} rows that are not in this input: give this one "
                    "another name (--name), or drop them (allow_changed_input=True, --update)",
                    name=journal.path.stem,
                    count=foreign_rows,
                )
            )
    facts = {"plan": request.to_json(), "input": source.description, "complete": int(source.is_rereadable)}
    journal.set_facts(**facts, created=journal.get_fact("created") or time.time())
    return pages


def _validate_same_request(path: Path, request: RequestSpec, stored: str) -> None:
    if differences := request.differences(journal_store.load_request_spec(path, stored)):
        raise JournalError(
            tr(
                "the rows of journal {name!r} were sent otherwise ({differences}): give this one another name=",
                name=path.stem,
                differences=tr("; ").join(differences)[:200],
            )
        )


def _add_all_rows(
    journal: Journal, request: RequestSpec, source: RowSource, first_rows: list[InputRow]
) -> JournalPages:
    """Add all rows; those that are in memory need not be read from the journal again."""
    first_count = len(first_rows)
    later_rows = request.input_rows(islice(source.items(), first_count, None), first_count)
    rows, missing = chain(first_rows, later_rows), list[InputRow]()
    repeat_counts, last_number = dict[bytes, int](), -1
    while page := list(islice(rows, PAGE_SIZE)):
        missing_of_page = add_rows(journal, page, dedupe=request.dedupe, repeat_counts=repeat_counts)
        if page[0].number < first_count:
            missing += missing_of_page
            last_number = page[-1].number
    return JournalPages(journal, first_page=missing, after=last_number)


def add_rows(
    journal: Journal, rows: Sequence[InputRow], *, dedupe: bool, repeat_counts: dict[bytes, int] | None = None
) -> list[InputRow]:
    """Add a page of rows (inside `transaction`); return those that have no answer yet.

    An identical row further down gets a key of its own, unless identical rows are sent once.

    Args:
        journal: open for writing.
        rows: the page.
        dedupe: whether identical rows are sent once.
        repeat_counts: how often each key was repeated in earlier pages; it is updated. By default the
            journal stores it.
    """
    repeats = _count_repeats(journal, rows) if repeat_counts is None else _repeats_before(rows, repeat_counts)
    keys = [row.key if dedupe else repeat_key(row.key, repeat) for row, repeat in zip(rows, repeats, strict=True)]
    is_sent = [row.problem is None and not (dedupe and repeat) for row, repeat in zip(rows, repeats, strict=True)]
    journal.database.executemany(
        "insert or replace into row values (?, ?, ?, ?, ?)",
        [
            (*values, checksum(values))
            for row, key, sent in zip(rows, keys, is_sent, strict=True)
            for values in [(row.number, key, int(sent), _to_json(row.item))]
        ],
    )
    for row, key in zip(rows, keys, strict=True):
        if row.problem is not None:
            journal.insert_answers([(key, row.problem)])
    answered = _answered_keys(journal, keys)
    return [
        row if row.key == key else row._replace(key=key)
        for row, key, sent in zip(rows, keys, is_sent, strict=True)
        if sent and key not in answered
    ]


def _to_json(item: Item) -> str:
    """Return an item as JSON that SQLite can hold: half a surrogate pair cannot be written as UTF-8."""
    text = _UTF8_ENCODER.encode(item)
    try:
        text.encode()
    except UnicodeEncodeError:
        return _ASCII_ENCODER.encode(item)
    return text


def _count_repeats(journal: Journal, rows: Sequence[InputRow]) -> list[int]:
    keys = [row.key for row in rows]
    query = f"select key, times from seen where key in ({placeholders(keys)})"  # noqa: S608 - marks only
    repeat_counts: dict[bytes, int] = dict(journal.database.execute(query, keys))
    repeats = _repeats_before(rows, repeat_counts)
    journal.database.executemany("insert or replace into seen values (?, ?)", repeat_counts.items())
    return repeats


def _answered_keys(journal: Journal, keys: Sequence[bytes]) -> frozenset[bytes]:
    if not journal.last_position:
        return frozenset()
    marks = placeholders(keys)
    query = f"select key from answer where key in ({marks}) and (error = '' or run = ?)"  # noqa: S608
    return frozenset(key for (key,) in journal.database.execute(query, (*keys, journal.run_number)))


def _repeats_before(rows: Sequence[InputRow], repeat_counts: dict[bytes, int]) -> list[int]:
    """Count the keys; return for each row how many identical ones came before it."""
    repeats = []
    for row in rows:
        repeat_counts[row.key] = repeat_counts.get(row.key, -1) + 1
        repeats.append(repeat_counts[row.key])
    return repeats


def _count_foreign_rows(journal: Journal, rows: Sequence[InputRow]) -> int:
    """Return how many of an input's first rows differ from the journal's."""
    stored_keys = dict(journal.database.execute("select number, key from row where number < ?", (len(rows),)))
    return sum(
        stored_keys.get(row.number, row.key) not in {row.key, repeat_key(row.key, repeat)}
        for row, repeat in zip(rows, _repeats_before(rows, {}), strict=True)
    )


def repeat_key(key: bytes, repeat: int) -> bytes:
    """Return the key of an identical row further down; `repeat` counts the ones before it."""
    return key if not repeat else hashlib.blake2b(key + repeat.to_bytes(8, "big"), digest_size=16).digest()
