"""The journal of a batch: its rows, and every answer, on disk before it is counted.

One SQLite file (WAL). An answer is found by its key, that is by content, so a batch that is run again sends
only what is missing, whatever kernel it runs in. One process writes, any number may read.
"""

import contextlib
import functools
import json
import operator
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from .._jobs.row_result import RESULT_COLUMNS, TRANSIENT_ERRORS, RowResult
from . import journal_reader, journal_store
from .journal_reader import JournalCounts, JournalError
from .request_spec import InputRow, repeat_key

MAX_ROWS_PER_STATEMENT = 64
"""Answers that one statement, which is one commit, writes at most; SQLite keeps 128 of them prepared."""

_ROW = "select row.number, row.key, row.input"

_MISSING = """
from row left join answer using(key)
where row.number > ? and row.asked and (answer.key is null or (answer.error <> '' and answer.run < ?))
"""
"""Rows after a number that have no answer, or one that failed in a run before this one."""

_RETRYABLE = f"""
from row join answer using(key)
where row.number > ? and row.asked and answer.run = ?
    and answer.error in ({", ".join("?" * len(TRANSIENT_ERRORS))})
"""
"""Rows after a number that failed in this run with an error that says nothing about the row."""

_result_values = operator.attrgetter(*RESULT_COLUMNS)


class Journal:
    """An open journal; only one process at a time has it open for writing.

    Attributes:
        path: the SQLite file.
        run_number: how often it has been opened for writing, from 1.

    Raises:
        JournalError: another process has it, it is broken, or the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.Lock()
        self._lock = journal_store.acquire_lock(path)
        try:
            self._database = journal_store.connect(path)
            self.run_number = int(self.get_fact("run", "0")) + 1
            self._last_position = self._count("select coalesce(max(place), 0) from answer")
            with self.transaction():
                self._set_fact("run", self.run_number)
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Write everything into the main file, and let other processes have the journal."""
        with self._mutex, contextlib.suppress(sqlite3.Error):
            self._database.close()
        self._lock.release()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make changes atomically: all of them, or none if the block raises."""
        with self._mutex:
            try:
                self._database.execute("begin immediate")
                yield
                self._database.execute("commit")
            except BaseException as error:
                with contextlib.suppress(sqlite3.Error):
                    self._database.execute("rollback")
                if isinstance(error, sqlite3.Error):
                    raise JournalError(journal_reader.explain_error(error, self.path)) from None
                raise

    def get_fact(self, name: str, default: str = "") -> str:
        """Return a fact about the batch."""
        record = self._database.execute("select value from fact where name = ?", (name,)).fetchone()
        return record[0] if record else default

    def set_facts(self, **facts: object) -> None:
        """Store facts about the batch; their names are stored too."""
        with self.transaction():
            for name, value in facts.items():
                self._set_fact(name, value)

    def reset_input(self, *, keep_rows: bool) -> None:
        """Prepare for reading the input again (inside `transaction`); answers are kept."""
        if not keep_rows:
            self._database.execute("delete from row")
        self._database.execute("delete from seen")

    def mark_complete(self, rows: int) -> None:
        """Store that the input has this many rows and no more."""
        with self.transaction():
            self._database.execute("delete from row where number >= ?", (rows,))
            self._set_fact("complete", 1)

    def add_rows(
        self, rows: Sequence[InputRow], *, dedupe: bool, repeat_counts: dict[bytes, int] | None = None
    ) -> list[InputRow]:
        """Add a page of rows (inside `transaction`); return those that have no answer yet.

        An identical row further down gets a key of its own, unless identical rows are sent once.

        Args:
            rows: the page.
            dedupe: whether identical rows are sent once.
            repeat_counts: how often each key was repeated in earlier pages; it is updated. By default the
                journal stores it.
        """
        repeats = self._count_repeats(rows) if repeat_counts is None else _repeats_before(rows, repeat_counts)
        keys = [row.key if dedupe else repeat_key(row.key, repeat) for row, repeat in zip(rows, repeats, strict=True)]
        is_sent = [row.problem is None and not (dedupe and repeat) for row, repeat in zip(rows, repeats, strict=True)]
        self._database.executemany(
            "insert or replace into row values (?, ?, ?, ?)",
            [(row.number, key, sent, row.to_json()) for row, key, sent in zip(rows, keys, is_sent, strict=True)],
        )
        for row, key in zip(rows, keys, strict=True):
            if row.problem is not None:
                self._insert_answers([(key, row.problem)])
        answered = self._answered_keys(keys)
        return [
            row if row.key == key else row._replace(key=key)
            for row, key, sent in zip(rows, keys, is_sent, strict=True)
            if sent and key not in answered
        ]

    def count_foreign_rows(self, rows: Sequence[InputRow]) -> int:
        """Return how many of an input's first rows differ from the journal's."""
        query = "select number, key from row where number < ?"
        stored_keys = dict(self._database.execute(query, (len(rows),)))
        return sum(
            stored_keys.get(row.number, row.key) not in {row.key, repeat_key(row.key, repeat)}
            for row, repeat in zip(rows, _repeats_before(rows, {}), strict=True)
        )

    def count_orphaned_answers(self) -> int:
        """Return how many answers belong to no row of the input (inside `transaction`)."""
        query = "select count(*) from answer where error = '' and key not in (select key from row)"
        return int(self._database.execute(query).fetchone()[0])

    def drop_orphaned_answers(self) -> None:
        """Delete the answers that belong to no row (inside `transaction`)."""
        self._database.execute("delete from answer where key not in (select key from row)")

    def drop_failures(self) -> None:
        """Delete the failures of earlier runs whose rows are sent again."""
        with self.transaction():
            self._database.execute("delete from answer where error <> '' and key in (select key from row where asked)")

    def missing_rows(self, after: int, limit: int) -> list[InputRow]:
        """Return the next rows that have no answer, or one that failed in an earlier run."""
        query = f"{_ROW} {_MISSING} order by row.number limit ?"
        return self._rows(query, after, self.run_number, limit)

    def retryable_rows(self, after: int, limit: int) -> list[InputRow]:
        """Return the next rows that failed in this run with an error that says nothing about the row."""
        query = f"{_ROW} {_RETRYABLE} order by row.number limit ?"
        return self._rows(query, after, self.run_number, *TRANSIENT_ERRORS, limit)

    def rows_without_job(self, limit: int) -> list[InputRow]:
        """Return the first rows that have no answer and are in no offline job."""
        query = f"{_ROW} {_MISSING} and row.key not in (select key from handed) order by row.number limit ?"  # noqa: S608
        return self._rows(query, -1, self.run_number, limit)

    def rows_of_job(self, job: int) -> list[InputRow]:
        """Return the rows of an offline job that have no answer."""
        query = f"{_ROW} {_MISSING} and row.key in (select key from handed where job = ?)"  # noqa: S608
        return self._rows(query, -1, self.run_number, job)

    def assign_to_job(self, job: int, rows: Sequence[InputRow]) -> None:
        """Store that rows are in an offline job."""
        with self.transaction():
            self._database.executemany("insert or replace into handed values (?, ?)", [(row.key, job) for row in rows])

    def release_from_job(self, job: int) -> None:
        """Store that a job was stopped: rows that it did not answer may be in another one."""
        with self.transaction():
            self._database.execute("delete from handed where job = ?", (job,))

    def count_missing(self) -> int:
        """Return the number of `missing_rows`."""
        return self._count(f"select count(*) {_MISSING}", -1, self.run_number)

    def count_retryable(self) -> int:
        """Return the number of `retryable_rows`."""
        return self._count(f"select count(*) {_RETRYABLE}", -1, self.run_number, *TRANSIENT_ERRORS)

    def count_failed_repeats(self) -> int:
        """Return how many rows share the failure of an identical one."""
        query = """select count(*) from row join answer using(key)
            where not row.asked and answer.error <> '' and answer.run = ?
            and key in (select key from row where asked)"""
        return self._count(query, self.run_number)

    def counts(self) -> JournalCounts:
        """Return the present counts."""
        with self._mutex:
            return journal_reader.count_rows(self._database)

    def write(self, results: Sequence[tuple[bytes, RowResult]]) -> None:
        """Write results by key; when this returns, a crash of the process cannot lose them.

        Raises:
            JournalError: they could not be written.
        """
        with self._mutex:
            try:
                for start in range(0, len(results), MAX_ROWS_PER_STATEMENT):
                    self._insert_answers(results[start : start + MAX_ROWS_PER_STATEMENT])
            except sqlite3.Error as error:
                raise JournalError(journal_reader.explain_error(error, self.path)) from None

    def checkpoint(self) -> None:
        """Write everything into the main file and onto the disk; called from a thread of its own."""
        address = f"{self.path.as_uri()}?mode=rw"  # does not create the file again once it was deleted
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(address, uri=True)) as database:
            database.execute("pragma wal_checkpoint(passive)")

    def _set_fact(self, name: str, value: object) -> None:
        self._database.execute("insert or replace into fact values (?, ?)", (name, str(value)))

    def _insert_answers(self, results: Sequence[tuple[bytes, RowResult]]) -> None:
        values: list[Any] = []
        for key, result in results:
            self._last_position += 1
            values += (self._last_position, key, self.run_number, *_result_values(result))
        self._database.execute(_insert_statement(len(results)), values)

    def _count_repeats(self, rows: Sequence[InputRow]) -> list[int]:
        keys = [row.key for row in rows]
        query = f"select key, times from seen where key in ({_placeholders(keys)})"  # noqa: S608 - marks only
        repeat_counts: dict[bytes, int] = dict(self._database.execute(query, keys))
        repeats = _repeats_before(rows, repeat_counts)
        self._database.executemany("insert or replace into seen values (?, ?)", repeat_counts.items())
        return repeats

    def _answered_keys(self, keys: Sequence[bytes]) -> frozenset[bytes]:
        if not self._last_position:
            return frozenset()
        marks = _placeholders(keys)
        query = f"select key from answer where key in ({marks}) and (error = '' or run = ?)"  # noqa: S608
        return frozenset(key for (key,) in self._database.execute(query, (*keys, self.run_number)))

    def _rows(self, query: str, *values: Any) -> list[InputRow]:
        with self._mutex:
            records = self._database.execute(query, values).fetchall()
        return [InputRow(number, key, json.loads(item)) for number, key, item in records]

    def _count(self, query: str, *values: Any) -> int:
        with self._mutex:
            return int(self._database.execute(query, values).fetchone()[0])


@functools.cache
def _insert_statement(rows: int) -> str:
    columns = ("place", "key", "run", *RESULT_COLUMNS)
    marks = ", ".join([f"({_placeholders(columns)})"] * rows)
    return f"insert or replace into answer({', '.join(columns)}) values {marks}"  # noqa: S608 - our own names


def _placeholders(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))


def _repeats_before(rows: Sequence[InputRow], repeat_counts: dict[bytes, int]) -> list[int]:
    """Count the keys; return for each row how many identical ones came before it."""
    repeats = []
    for row in rows:
        repeat_counts[row.key] = repeat_counts.get(row.key, -1) + 1
        repeats.append(repeat_counts[row.key])
    return repeats
