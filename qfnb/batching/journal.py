"""The journal of a batch: its rows, and every answer, on disk before it is counted.

One SQLite file (WAL). An answer is found by its key, that is by content, so a batch that is run
again sends only what is missing, whatever kernel it runs in. One process writes, any number may
read.
"""

import contextlib
import functools
import json
import logging
import operator
import sqlite3
import threading
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from .._jobs.row_result import RESULT_COLUMNS, TRANSIENT_ERRORS, RowResult
from ..base.language import tr, tr_noop
from .fork_safe_sqlite import open_database
from .journal_checksum import checksum, pack_text
from .journal_lock import acquire_lock
from .journal_reader import (
    DROPPED_USAGE,
    JournalCounts,
    JournalError,
    count_rows,
    count_usage,
    explain_error,
)
from .journal_schema import connect, find_damage
from .request_spec import InputRow
from .stored_inputs import StoredInputs

EMPTIED = tr_noop("the journal was an empty file: if it had answers, they are lost and asked again")

HEADER_BYTES = 100
"""Bytes of the shortest database that is none of SQLite's empty ones."""

MAX_NAMED_ROWS = 10
"""Damaged rows that a message names."""

MAX_LOG_PAGES = 8192
"""Pages of the write-ahead log, of 2 KB, above which it begins anew; each answer adds more than
one.
"""

MAX_ROWS_PER_STATEMENT = 64
"""Answers that one statement, which is one commit, writes at most; SQLite keeps 128 of them
prepared.
"""

_ROW = "select row.number, row.key, row.asked, row.input, row.checksum"

_MISSING = """
from row left join answer using(key)
where row.number > ? and row.asked and (answer.key is null or (answer.error <> '' and answer.run <
?))
"""
"""Rows after a number that have no answer, or one that failed in a run before this one."""

_RETRYABLE = f"""
from row join answer using(key)
where row.number > ? and row.asked and answer.run = ?
    and answer.error in ({", ".join("?" * len(TRANSIENT_ERRORS))})
"""
"""Rows after a number that failed in this run with an error that says nothing about the row."""

_texts = operator.attrgetter(*RESULT_COLUMNS[:2])
_numbers_and_names = operator.attrgetter(*RESULT_COLUMNS[2:])


class Journal:
    """An open journal; only one process at a time has it open for writing.

    Attributes:
        path: the SQLite file.
        database: its connection.
        last_position: of the answer that was written last, 0 before the first.
        had_answers: whether there were any when it was opened.
        run_number: how often it has been opened for writing, from 1.
        damage: what had changed on the disk and is dropped, so that it is asked again; "" for
            nothing.

    Raises:
        JournalError: another process has it, it is broken, or the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._inputs = StoredInputs(path)
        self.path = path
        self._mutex = threading.Lock()
        self._lock = acquire_lock(path)
        try:
            is_emptied = (
                path.is_file()
                and path.stat().st_size < HEADER_BYTES
                and not path.with_suffix(".db-wal").is_file()
            )
            self.database = connect(path)
            self.damage = tr(EMPTIED) if is_emptied else self._drop_damaged()
            self.run_number = int(self.get_fact("run", "0")) + 1
            self.last_position = self._count("select coalesce(max(place), 0) from answer")
            self.had_answers = self.last_position > 0
            with self.transaction():
                self._set_fact("run", self.run_number)
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Write everything into the main file, and let other processes have the journal."""
        with self._mutex, contextlib.suppress(sqlite3.Error):
            self.database.close()
        self._lock.release()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Make changes atomically: all of them, or none if the block raises."""
        with self._mutex:
            try:
                self.database.execute("begin immediate")
                yield
                self.database.execute("commit")
            except BaseException as error:
                with contextlib.suppress(sqlite3.Error):
                    self.database.execute("rollback")
                if isinstance(error, sqlite3.Error):
                    raise JournalError(explain_error(error, self.path)) from None
                raise

    def get_fact(self, name: str, default: str = "") -> str:
        """Return a fact about the batch."""
        record = self.database.execute("select value from fact where name = ?", (name,)).fetchone()
        return record[0] if record else default

    def set_facts(self, **facts: object) -> None:
        """Store facts about the batch; their names are stored too."""
        with self.transaction():
            for name, value in facts.items():
                self._set_fact(name, value)

    def drop_failures(self) -> None:
        """Delete the failures of earlier runs whose rows are sent again."""
        with self.transaction():
            failures = "from answer where error <> '' and key in (select key from row where asked)"
            usage = count_usage(self.database, failures)
            if any(usage):
                self._set_fact(DROPPED_USAGE, json.dumps(usage))
            self.database.execute(f"delete {failures}")

    def missing_rows(
        self, after: int, limit: int, condition: str = "", *values: Any
    ) -> list[InputRow]:
        """Return the next rows that have no answer, or one that failed in an earlier run.

        Args:
            after: the number before the first.
            limit: at most as many, -1 for all.
            condition: of SQL, `and ...` over row.key.
            values: of its question marks.
        """
        query = f"{_ROW} {_MISSING} {condition} order by row.number limit ?"
        return self._rows(query, after, self.run_number, *values, limit)

    def retryable_rows(self, after: int, limit: int) -> list[InputRow]:
        """Return the next rows that failed in this run with an error that says nothing about the
        row.
        """
        query = f"{_ROW} {_RETRYABLE} order by row.number limit ?"
        return self._rows(query, after, self.run_number, *TRANSIENT_ERRORS, limit)

    def count_missing(self, condition: str = "") -> int:
        """Return the number of `missing_rows`, of those with a `condition`."""
        return self._count(f"select count(*) {_MISSING} {condition}", -1, self.run_number)

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
            return count_rows(self.database)

    def write(self, results: Sequence[tuple[bytes, RowResult]]) -> None:
        """Write results by key; when this returns, a crash of the process cannot lose them.

        Raises:
            JournalError: they could not be written.
        """
        with self._mutex:
            try:
                for start in range(0, len(results), MAX_ROWS_PER_STATEMENT):
                    self.insert_answers(results[start : start + MAX_ROWS_PER_STATEMENT])
            except sqlite3.Error as error:
                raise JournalError(explain_error(error, self.path)) from None

    def checkpoint(self) -> None:
        """Write everything into the main file and onto the disk; called from a thread of its own.

        The log begins anew only after a checkpoint of all of it. Where answers come all the time
        the first leaves some, so of a long log the second, which is short, lets none in; otherwise
        it would grow to ten times the answers.
        """
        # does not create the file again once it was deleted
        address = f"{self.path.as_uri()}?mode=rw"
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(open_database(address, uri=True)) as database,
        ):
            _, log_pages, _ = database.execute("pragma wal_checkpoint(passive)").fetchone()
            if log_pages > MAX_LOG_PAGES:
                with self._mutex:
                    database.execute("pragma wal_checkpoint(passive)")

    def _set_fact(self, name: str, value: object) -> None:
        values = (name, str(value))
        self.database.execute(
            "insert or replace into fact values (?, ?, ?)", (*values, checksum(values))
        )

    def _drop_damaged(self) -> str:
        """Delete what has changed on the disk since it was written; return which rows that
        concerns.
        """
        try:
            places, keys, names = find_damage(self.database)
        except sqlite3.Error as error:
            raise JournalError(explain_error(error, self.path)) from None
        if not places and not names:
            return ""
        with self.transaction():
            self.database.executemany(
                "delete from answer where place = ?", [(place,) for place in places]
            )
            self.database.executemany(
                "delete from fact where name = ?", [(name,) for name in names]
            )
            query = f"select number from row where key in ({placeholders(keys)}) order by number"  # noqa: S608
            numbers = [str(number) for (number,) in self.database.execute(query, keys)]
        rows = tr("row {row}", row=tr(", ").join(numbers[:MAX_NAMED_ROWS]))
        named = rows if numbers else tr(", ").join(names)
        count = len(places)
        text = tr(
            "{n} answers have changed on the disk: asked again ({named})", n=count, named=named
        )
        logging.getLogger("qfnb").warning("%s: %s", self.path, text)
        return text

    def insert_answers(self, results: Sequence[tuple[bytes, RowResult]]) -> None:
        """Write results by key (inside `transaction`)."""
        try:
            records = [
                (key, *map(pack_text, _texts(result)), *_numbers_and_names(result))
                for key, result in results
            ]
            values: list[Any] = []
            for position, record in enumerate(records, self.last_position + 1):
                values += (position, self.run_number, *record, checksum(record))
            self.database.execute(_insert_statement(len(results)), values)
            self.last_position += len(results)
        except UnicodeEncodeError:
            self.insert_answers([(key, result.encodable()) for key, result in results])

    def _select(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with self._mutex:
            try:
                return self.database.execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise JournalError(explain_error(error, self.path)) from None

    def _rows(self, query: str, *values: Any) -> list[InputRow]:
        rows = []
        for *facts, text, written in self._select(query, *values):
            stored = text
            if not text:
                with self._mutex:
                    self._inputs.load(self.database)
                stored = self._inputs.read((*facts, text), written)
            elif written != checksum((*facts, text)):
                raise JournalError(
                    tr(
                        "row {number} of the journal {name!r} has changed on the disk and is not "
                        "sent: run the batch "
                        "again with its input, which writes it anew",
                        number=facts[0],
                        name=self.path.stem,
                    )
                )
            rows.append(InputRow(facts[0], facts[1], json.loads(stored)))
        return rows

    def _count(self, query: str, *values: Any) -> int:
        return int(self._select(query, *values)[0][0])


@functools.cache
def _insert_statement(rows: int) -> str:
    columns = ("place", "run", "key", *RESULT_COLUMNS, "checksum")
    marks = ", ".join([f"({placeholders(columns)})"] * rows)
    return f"insert or replace into answer({', '.join(columns)}) values {marks}"  # noqa: S608 - our own names


def placeholders(values: Collection[object]) -> str:
    """Return as many question marks as there are values, for a statement."""
    return ", ".join("?" * len(values))
