"""The journal of a batch: its rows, and every answer, on disk before it is counted.

One SQLite file (WAL). An answer is found by its key, that is by content, so a batch that is run
again sends only what is missing, whatever kernel it runs in. One process writes, any number may
read.
"""

import contextlib
import functools
import hashlib
import json
import operator
import os
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .._jobs.row_result import RESULT_COLUMNS, TRANSIENT_ERRORS, RowResult
from ..base.language import tr
from .fork_safe_sqlite import open_database
from .journal_reader import (
    DROPPED_USAGE,
    JournalCounts,
    JournalError,
    JournalInUse,
    answer_columns,
    count_rows,
    count_usage,
    decode_text,
    explain_error,
    item_to_json,
)
from .request_spec import InputRow

SCHEMA_VERSION = 6

_TABLES = f"""
create table if not exists fact(name text primary key, value text) without rowid;
create table if not exists row(
    number integer primary key, key blob not null, asked integer not null, input text not null);
create table if not exists answer(
    place integer primary key, key blob not null unique, run integer not null,
    {", ".join(RESULT_COLUMNS)});
create table if not exists handed(key blob primary key, job integer not null) without rowid;
"""


def connect(path: Path) -> sqlite3.Connection:
    """Open the database of a journal for writing, and create or migrate it where that is needed.

    Raises:
        JournalError: it is broken, or of another version.
    """
    try:
        path.touch(mode=0o600)
        database = open_database(path, isolation_level=None)
        database.text_factory = decode_text
        # small, as each answer is a commit; but several fit
        database.execute("pragma page_size = 2048")
        database.execute("pragma journal_mode = wal")
        database.execute("pragma synchronous = normal")
        database.execute("pragma cache_size = -4096")  # KiB, of each connection
        # `checkpoint` does it, away from the I/O loop
        database.execute("pragma wal_autocheckpoint = 0")
        version = database.execute("pragma user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise JournalError(
                tr(
                    "{path} was written by another version of qfnb ({version}): use another name=",
                    path=path,
                    version=version,
                )
            )
        if version < SCHEMA_VERSION:
            _migrate(database, version)
        elif (problem := database.execute("pragma quick_check(1)").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(problem)
    # of a message about a name in a broken file
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise JournalError(explain_error(error, path)) from None
    return database


def _migrate(database: sqlite3.Connection, version: int) -> None:
    """Create the tables, or bring those of an earlier version up to date; all of it or nothing."""
    database.execute("begin immediate")
    for statement in _TABLES.split(";"):
        database.execute(statement)
    if version:
        # repeats were counted in it while an input was read
        database.execute("drop table if exists seen")
        present = answer_columns(database)
        for name in RESULT_COLUMNS:
            if name not in present:
                database.execute(f"alter table answer add column {name}")
    database.execute(f"pragma user_version = {SCHEMA_VERSION}")
    database.execute("commit")


LOCK_TIMEOUT_S = 0.5
"""Seconds that a lock is waited for: a check whether a journal is in use holds it for an
instant.
"""


def lock_path(path: Path) -> Path:
    """Return where the lock file of a journal is."""
    return path.with_suffix(".lock")


def acquire_lock(path: Path) -> FileLock:
    """Lock a journal for writing; return the lock, which the caller releases.

    Raises:
        JournalError: another process has it, or the folder cannot be written.
    """
    lock = FileLock(lock_path(path), thread_local=False)
    owner = path.with_suffix(".owner")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock.acquire(timeout=LOCK_TIMEOUT_S)
        owner.write_text(
            f"process {os.getpid()} since {time.strftime('%H:%M:%S')}", encoding="utf-8"
        )
    except Timeout:
        owner_text = tr("another process")
        with contextlib.suppress(OSError):
            owner_text = owner.read_text(encoding="utf-8")
        raise JournalInUse(path.stem, owner_text) from None
    except OSError as error:
        raise JournalError(
            tr(
                "the journal {path} cannot be written: {reason}\nset QFNB_STATE_DIR to a writable "
                "folder",
                path=path,
                reason=error.strerror,
            )
        ) from None
    return lock


MAX_LOG_PAGES = 8192
"""Pages of the write-ahead log, of 2 KB, above which it begins anew; each answer adds more than
one.
"""

MAX_ROWS_PER_STATEMENT = 64
"""Answers that one statement, which is one commit, writes at most; SQLite keeps 128 of them
prepared.
"""

_ROW = "select row.number, row.key, row.input"

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

_result_values = operator.attrgetter(*RESULT_COLUMNS)


class Journal:
    """An open journal; only one process at a time has it open for writing.

    Attributes:
        path: the SQLite file.
        database: its connection.
        last_position: of the answer that was written last, 0 before the first.
        had_answers: whether there were any when it was opened.
        run_number: how often it has been opened for writing, from 1.

    Raises:
        JournalError: another process has it, it is broken, or the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.Lock()
        self._lock = acquire_lock(path)
        try:
            self.database = connect(path)
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
        self.database.execute(
            "insert or replace into fact(name, value) values (?, ?)", (name, str(value))
        )

    def insert_answers(self, results: Sequence[tuple[bytes, RowResult]]) -> None:
        """Write results by key (inside `transaction`)."""
        values: list[Any] = []
        for position, (key, result) in enumerate(results, self.last_position + 1):
            values += (position, self.run_number, key, *_result_values(result))
        try:
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
        for number, key, text in self._select(query, *values):
            try:
                rows.append(InputRow(number, key, json.loads(text)))
            except ValueError:  # an earlier version left it in its file, or the disk has changed it
                raise JournalError(
                    tr(
                        "row {number} of the journal {name!r} has changed on the disk and is not "
                        "sent: run the batch "
                        "again with its input, which writes it anew",
                        number=number,
                        name=self.path.stem,
                    )
                ) from None
        return rows

    def _count(self, query: str, *values: Any) -> int:
        return int(self._select(query, *values)[0][0])


@functools.cache
def _insert_statement(rows: int) -> str:
    columns = ("place", "run", "key", *RESULT_COLUMNS)
    marks = ", ".join([f"({placeholders(columns)})"] * rows)
    return f"insert or replace into answer({', '.join(columns)}) values {marks}"  # noqa: S608 - our own names


def placeholders(values: Collection[object]) -> str:
    """Return as many question marks as there are values, for a statement."""
    return ", ".join("?" * len(values))


class RepeatCounter:
    """Counts identical rows by the hashes of their keys: 80 bytes of memory for a row."""

    def __init__(self) -> None:
        self._seen = set[int]()
        self._repeats: dict[int, int] = {}

    def count(self, rows: Sequence[InputRow]) -> list[int]:
        """Return for each of the next rows how many identical ones came before."""
        counts = []
        for row in rows:
            key = hash(row.key)
            if key in self._seen:
                self._repeats[key] = self._repeats.get(key, 0) + 1
            self._seen.add(key)
            counts.append(self._repeats.get(key, 0))
        return counts


def add_rows(
    journal: Journal,
    rows: Sequence[InputRow],
    *,
    dedupe: bool,
    repeats: Sequence[int] | None = None,
) -> list[InputRow]:
    """Add a page of rows (inside `transaction`); return those that have no answer yet.

    An identical row further down gets a key of its own, unless identical rows are sent once.

    Args:
        journal: open for writing.
        rows: the page.
        dedupe: whether identical rows are sent once.
        repeats: how many identical rows came before each one; by default those of this page are
            counted.
    """
    if repeats is None:
        repeats = RepeatCounter().count(rows)
    records = []
    asked = []
    for row, repeat in zip(rows, repeats, strict=True):
        key = row.key if dedupe else repeat_key(row.key, repeat)
        is_asked = row.problem is None and not (dedupe and repeat)
        records.append((row.number, key, int(is_asked), item_to_json(row.item)))
        if row.problem is not None:
            journal.insert_answers([(key, row.problem)])
        if is_asked:
            asked.append(row._replace(key=key))
    journal.database.executemany(
        "insert or replace into row(number, key, asked, input) values (?, ?, ?, ?)", records
    )
    answered = _answered_keys(journal, [row.key for row in asked])
    return [row for row in asked if row.key not in answered]


def _answered_keys(journal: Journal, keys: Sequence[bytes]) -> frozenset[bytes]:
    if not journal.had_answers:  # those of this run are to rows further up, which have other keys
        return frozenset()
    marks = placeholders(keys)
    query = f"select key from answer where key in ({marks}) and (error = '' or run = ?)"  # noqa: S608
    return frozenset(key for (key,) in journal.database.execute(query, (*keys, journal.run_number)))


def repeat_key(key: bytes, repeat: int) -> bytes:
    """Return the key of an identical row further down; `repeat` counts the ones before it."""
    if not repeat:
        return key
    return hashlib.blake2b(key + repeat.to_bytes(8, "big"), digest_size=16).digest()
