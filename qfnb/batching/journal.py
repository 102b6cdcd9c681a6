"""The journal of a batch: what is asked, and every answer, on disk before it is counted.

One SQLite file (WAL). An answer is found by its key, that is by content, so a batch that is run again asks
only for what is missing, whatever kernel it runs in. One process writes, any number may read.
"""

from __future__ import annotations

import contextlib
import json
import operator
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .._jobs.row_result import RESULT_COLUMNS, TRANSIENT_ERRORS, RowResult
from . import journal_reader
from .journal_reader import JournalCounts, JournalError
from .opening import acquire_lock, connect
from .request_spec import repeat_key
from .row import PendingRow, RowEntry
from .statements import MISSING_ROWS, RETRYABLE_ROWS, insert_answers, placeholders

MAX_ROWS_PER_STATEMENT = 64
"""Answers that one statement, which is one commit, writes at most; SQLite keeps 128 of them prepared."""

_result_values = operator.attrgetter(*RESULT_COLUMNS)


class Journal:
    """An open journal; only one process at a time has it open for writing.

    Raises:
        JournalError: another process has it, it is broken, or the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.Lock()
        self._lock = acquire_lock(path)
        try:
            self._database = connect(path)
            self.run_number = int(self.get_fact("run", "0")) + 1
            self._last_position = int(
                self._database.execute("select coalesce(max(place), 0) from answer").fetchone()[0]
            )
            with self.transaction():
                self._set_fact("run", self.run_number)
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Bring everything into the main file, and let others have the journal."""
        with self._mutex, contextlib.suppress(sqlite3.Error):
            self._database.close()
        self._lock.release()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make changes together or not at all."""
        with self._mutex:
            try:
                self._database.execute("begin immediate")
                yield
                self._database.execute("commit")
            except sqlite3.Error as error:
                self._rollback()
                raise JournalError(journal_reader.explain_error(error, self.path)) from None
            except BaseException:
                self._rollback()
                raise

    def get_fact(self, name: str, default: str = "") -> str:
        """Return a fact about the batch."""
        return _read_fact(self._database, name, default)

    def set_facts(self, **facts: object) -> None:
        """Note facts about the batch."""
        with self.transaction():
            for name, value in facts.items():
                self._set_fact(name, value)

    def reset_input(self, *, keep_rows: bool) -> None:
        """Make ready for reading the input anew (inside `transaction`); answers stay."""
        if not keep_rows:
            self._database.execute("delete from row")
        self._database.execute("delete from seen")

    def mark_complete(self, rows: int) -> None:
        """Note that the input has so many rows and no more."""
        with self.transaction():
            self._database.execute("delete from row where number >= ?", (rows,))
            self._set_fact("complete", 1)

    def count_failed_repeats(self) -> int:
        """Return how many rows share the failure of an identical one."""
        query = """select count(*) from row join answer using(key)
            where not row.asked and answer.error <> '' and answer.run = ?
            and key in (select key from row where asked)"""
        return self._query_count(query, (self.run_number,))

    def add_rows(
        self, entries: Sequence[RowEntry], *, dedupe: bool, repeat_counts: dict[bytes, int] | None = None
    ) -> list[PendingRow]:
        """Add a page of rows (inside `transaction`); return those that have no answer yet.

        An identical row further down has a key of its own, unless identical rows are asked once.

        Args:
            entries: the rows.
            dedupe: whether identical rows are asked once.
            repeat_counts: how often each row was repeated in earlier pages; by default the journal remembers it.
        """
        repeats = (
            self._count_repeats(entries) if repeat_counts is None else _repeats_before(entries, repeat_counts)
        )
        rows = [
            (entry, entry.key if dedupe else repeat_key(entry.key, repeat), not (dedupe and repeat))
            for entry, repeat in zip(entries, repeats, strict=True)
        ]
        self._database.executemany(
            "insert or replace into row values (?, ?, ?, ?)",
            [(e.number, key, is_first and e.problem is None, e.to_json()) for e, key, is_first in rows],
        )
        for entry, key, _ in rows:
            if entry.problem is not None:
                self._insert_answers([(key, entry.problem)])
        answered = self._answered_keys([key for _, key, _ in rows])
        return [
            PendingRow(entry.number, key, entry.item)
            for entry, key, is_first in rows
            if is_first and entry.problem is None and key not in answered
        ]

    def count_foreign_rows(self, entries: Sequence[RowEntry]) -> int:
        """Return how many of an input's first rows are not the journal's."""
        stored_keys = dict(
            self._database.execute("select number, key from row where number < ?", (len(entries),))
        )
        repeat_counts: dict[bytes, int] = {}
        foreign_rows = 0
        for entry in entries:
            repeat = repeat_counts[entry.key] = repeat_counts.get(entry.key, -1) + 1
            expected = stored_keys.get(entry.number)
            foreign_rows += expected is not None and expected not in {
                entry.key,
                repeat_key(entry.key, repeat),
            }
        return foreign_rows

    def count_orphaned_answers(self) -> int:
        """Return how many answers belong to no row of the input."""
        query = "select count(*) from answer where error = '' and key not in (select key from row)"
        return int(self._database.execute(query).fetchone()[0])

    def drop_orphaned_answers(self) -> None:
        """Forget the answers that belong to no row (inside `transaction`)."""
        self._database.execute("delete from answer where key not in (select key from row)")

    def missing_rows(self, after: int, limit: int) -> list[PendingRow]:
        """Return the next rows that have no answer, or one that failed in an earlier run."""
        query = f"select row.number, row.key, row.input {MISSING_ROWS} order by row.number limit ?"
        return self._query_rows(query, (after, self.run_number, limit))

    def drop_failures(self) -> None:
        """Forget the failures of earlier runs whose rows are asked again."""
        with self.transaction():
            self._database.execute(
                "delete from answer where error <> '' and key in (select key from row where asked)"
            )

    def rows_without_job(self, limit: int) -> list[PendingRow]:
        """Return rows that have no answer and are with no offline job."""
        query = f"""select row.number, row.key, row.input {MISSING_ROWS}
            and row.key not in (select key from handed) order by row.number limit ?"""  # noqa: S608 - a constant
        return self._query_rows(query, (-1, self.run_number, limit))

    def assign_to_job(self, job: int, rows: Sequence[PendingRow]) -> None:
        """Note that rows are with an offline job."""
        with self.transaction():
            self._database.executemany(
                "insert or replace into handed values (?, ?)", [(row.key, job) for row in rows]
            )

    def rows_of_job(self, job: int) -> list[PendingRow]:
        """Return the rows of an offline job that have no answer."""
        query = f"""select row.number, row.key, row.input {MISSING_ROWS}
            and row.key in (select key from handed where job = ?)"""  # noqa: S608
        return self._query_rows(query, (-1, self.run_number, job))

    def release_from_job(self, job: int) -> None:
        """Note that a job was stopped: rows that it did not answer may be handed over again."""
        with self.transaction():
            self._database.execute("delete from handed where job = ?", (job,))

    def retryable_rows(self, after: int, limit: int) -> list[PendingRow]:
        """Return the next rows that failed in this run through no fault of theirs."""
        query = f"select row.number, row.key, row.input {RETRYABLE_ROWS} order by row.number limit ?"
        return self._query_rows(query, (after, self.run_number, *TRANSIENT_ERRORS, limit))

    def count_missing(self) -> int:
        """Return how many rows are to be asked."""
        return self._query_count(f"select count(*) {MISSING_ROWS}", (-1, self.run_number))

    def count_retryable(self) -> int:
        """Return how many rows failed in this run through no fault of theirs."""
        return self._query_count(
            f"select count(*) {RETRYABLE_ROWS}", (-1, self.run_number, *TRANSIENT_ERRORS)
        )

    def write(self, key: bytes, outcome: RowResult) -> None:
        """Write what became of a row; when this returns, a crash of the process cannot lose it.

        Raises:
            JournalError: it could not be written.
        """
        self.write_all([(key, outcome)])

    def write_all(self, rows: Sequence[tuple[bytes, RowResult]]) -> None:
        """Write what became of some rows; they are all safe when this returns.

        Raises:
            JournalError: they could not be written.
        """
        with self._mutex:
            try:
                for start in range(0, len(rows), MAX_ROWS_PER_STATEMENT):
                    self._insert_answers(rows[start : start + MAX_ROWS_PER_STATEMENT])
            except sqlite3.Error as error:
                raise JournalError(journal_reader.explain_error(error, self.path)) from None

    def checkpoint(self) -> None:
        """Bring what was written into the main file and onto the disk; called from a thread of its own."""
        address = f"{self.path.as_uri()}?mode=rw"  # a file that somebody deleted is not made anew
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(address, uri=True)) as database,
        ):
            database.execute("pragma wal_checkpoint(passive)")

    def counts(self) -> JournalCounts:
        """Return what there is now."""
        with self._mutex:
            return journal_reader.count_rows(self._database)

    def _insert_answers(self, rows: Sequence[tuple[bytes, RowResult]]) -> None:
        values: list[Any] = []
        for key, outcome in rows:
            self._last_position += 1
            values += (self._last_position, key, self.run_number, *_result_values(outcome))
        self._database.execute(insert_answers(len(rows)), values)

    def _set_fact(self, name: str, value: object) -> None:
        self._database.execute("insert or replace into fact values (?, ?)", (name, str(value)))

    def _count_repeats(self, entries: Sequence[RowEntry]) -> list[int]:
        keys = [entry.key for entry in entries]
        query = f"select key, times from seen where key in ({placeholders(keys)})"  # noqa: S608 - marks only
        repeat_counts: dict[bytes, int] = dict(self._database.execute(query, keys))
        repeats = _repeats_before(entries, repeat_counts)
        self._database.executemany("insert or replace into seen values (?, ?)", repeat_counts.items())
        return repeats

    def _answered_keys(self, keys: Sequence[bytes]) -> frozenset[bytes]:
        if not self._last_position:
            return frozenset()
        query = f"select key from answer where key in ({placeholders(keys)}) and (error = '' or run = ?)"  # noqa: S608
        return frozenset(key for (key,) in self._database.execute(query, (*keys, self.run_number)))

    def _query_rows(self, query: str, values: tuple[Any, ...]) -> list[PendingRow]:
        with self._mutex:
            records = self._database.execute(query, values).fetchall()
        return [PendingRow(number, key, json.loads(item)) for number, key, item in records]

    def _query_count(self, query: str, values: tuple[Any, ...]) -> int:
        with self._mutex:
            return int(self._database.execute(query, values).fetchone()[0])

    def _rollback(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("rollback")


def _read_fact(database: sqlite3.Connection, name: str, default: str) -> str:
    record = database.execute("select value from fact where name = ?", (name,)).fetchone()
    return record[0] if record else default


def _repeats_before(entries: Sequence[RowEntry], repeat_counts: dict[bytes, int]) -> list[int]:
    """Count rows as seen; return for each how many identical ones came before it."""
    repeats = []
    for entry in entries:
        repeat_counts[entry.key] = repeat_counts.get(entry.key, -1) + 1
        repeats.append(repeat_counts[entry.key])
    return repeats
