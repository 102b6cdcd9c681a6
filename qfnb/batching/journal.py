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

from ..resources.outcome import COLUMNS, TRANSIENT, Outcome
from . import reading
from .opening import connected, locked
from .plan import repeated
from .reading import Counts, JournalError
from .row import Entry, Pending
from .statements import AGAIN, MISSING, filling, marks

AT_ONCE = 64
"""Answers that one statement, which is one commit, writes at most; SQLite keeps 128 of them prepared."""

_facts = operator.attrgetter(*COLUMNS)


class Journal:
    """An open journal; only one process at a time has it open for writing.

    Raises:
        JournalError: another process has it, it is broken, or the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.Lock()
        self._lock = locked(path)
        try:
            self._database = connected(path)
            self.run = int(self.fact("run", "0")) + 1
            self._place = int(
                self._database.execute("select coalesce(max(place), 0) from answer").fetchone()[0]
            )
            with self.writing():
                self._set("run", self.run)
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Bring everything into the main file, and let others have the journal."""
        with self._mutex, contextlib.suppress(sqlite3.Error):
            self._database.close()
        self._lock.release()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Make changes together or not at all."""
        with self._mutex:
            try:
                self._database.execute("begin immediate")
                yield
                self._database.execute("commit")
            except sqlite3.Error as error:
                self._roll_back()
                raise JournalError(reading.explain(error, self.path)) from None
            except BaseException:
                self._roll_back()
                raise

    def fact(self, name: str, default: str = "") -> str:
        """Return a fact about the batch."""
        return _fact(self._database, name, default)

    def set(self, **facts: object) -> None:
        """Note facts about the batch."""
        with self.writing():
            for name, value in facts.items():
                self._set(name, value)

    def start_over(self, *, keep_rows: bool) -> None:
        """Make ready for reading the input anew (inside `writing`); answers stay."""
        if not keep_rows:
            self._database.execute("delete from row")
        self._database.execute("delete from seen")

    def end_at(self, rows: int) -> None:
        """Note that the input has so many rows and no more."""
        with self.writing():
            self._database.execute("delete from row where number >= ?", (rows,))
            self._set("complete", 1)

    def failed_repeats(self) -> int:
        """Return how many rows share the failure of an identical one."""
        query = """select count(*) from row join answer using(key)
            where not row.asked and answer.error <> '' and answer.run = ?
            and key in (select key from row where asked)"""
        return self._count(query, (self.run,))

    def add(
        self, entries: Sequence[Entry], *, dedupe: bool, seen: dict[bytes, int] | None = None
    ) -> list[Pending]:
        """Add a page of rows (inside `writing`); return those that have no answer yet.

        An identical row further down has a key of its own, unless identical rows are asked once.

        Args:
            entries: the rows.
            dedupe: whether identical rows are asked once.
            seen: how often each row was repeated in earlier pages; by default the journal remembers it.
        """
        found = self._times(entries) if seen is None else _counted(entries, seen)
        rows = [
            (entry, entry.key if dedupe else repeated(entry.key, times), not (dedupe and times))
            for entry, times in zip(entries, found, strict=True)
        ]
        self._database.executemany(
            "insert or replace into row values (?, ?, ?, ?)",
            [(e.number, key, first and e.problem is None, e.to_json()) for e, key, first in rows],
        )
        for entry, key, _ in rows:
            if entry.problem is not None:
                self._keep([(key, entry.problem)])
        answered = self._answered([key for _, key, _ in rows])
        return [
            Pending(entry.number, key, entry.item)
            for entry, key, first in rows
            if first and entry.problem is None and key not in answered
        ]

    def other(self, first: Sequence[Entry]) -> int:
        """Return how many of an input's first rows are not the journal's."""
        known = dict(self._database.execute("select number, key from row where number < ?", (len(first),)))
        seen: dict[bytes, int] = {}
        wrong = 0
        for entry in first:
            times = seen[entry.key] = seen.get(entry.key, -1) + 1
            expected = known.get(entry.number)
            wrong += expected is not None and expected not in {entry.key, repeated(entry.key, times)}
        return wrong

    def strangers(self) -> int:
        """Return how many answers belong to no row of the input."""
        query = "select count(*) from answer where error = '' and key not in (select key from row)"
        return int(self._database.execute(query).fetchone()[0])

    def drop_strangers(self) -> None:
        """Forget the answers that belong to no row (inside `writing`)."""
        self._database.execute("delete from answer where key not in (select key from row)")

    def missing(self, after: int, most: int) -> list[Pending]:
        """Return the next rows that have no answer, or one that failed in an earlier run."""
        query = f"select row.number, row.key, row.input {MISSING} order by row.number limit ?"
        return self._pending(query, (after, self.run, most))

    def drop_failures(self) -> None:
        """Forget the failures of earlier runs whose rows are asked again."""
        with self.writing():
            self._database.execute(
                "delete from answer where error <> '' and key in (select key from row where asked)"
            )

    def unhanded(self, most: int) -> list[Pending]:
        """Return rows that have no answer and are with no offline job."""
        query = f"""select row.number, row.key, row.input {MISSING}
            and row.key not in (select key from handed) order by row.number limit ?"""  # noqa: S608 - a constant
        return self._pending(query, (-1, self.run, most))

    def hand(self, job: int, rows: Sequence[Pending]) -> None:
        """Note that rows are with an offline job."""
        with self.writing():
            self._database.executemany(
                "insert or replace into handed values (?, ?)", [(row.key, job) for row in rows]
            )

    def handed(self, job: int) -> list[Pending]:
        """Return the rows of an offline job that have no answer."""
        query = f"""select row.number, row.key, row.input {MISSING}
            and row.key in (select key from handed where job = ?)"""  # noqa: S608
        return self._pending(query, (-1, self.run, job))

    def take_back(self, job: int) -> None:
        """Note that a job was stopped: rows that it did not answer may be handed over again."""
        with self.writing():
            self._database.execute("delete from handed where job = ?", (job,))

    def again(self, after: int, most: int) -> list[Pending]:
        """Return the next rows that failed in this run through no fault of theirs."""
        query = f"select row.number, row.key, row.input {AGAIN} order by row.number limit ?"
        return self._pending(query, (after, self.run, *TRANSIENT, most))

    def count_missing(self) -> int:
        """Return how many rows are to be asked."""
        return self._count(f"select count(*) {MISSING}", (-1, self.run))

    def count_again(self) -> int:
        """Return how many rows failed in this run through no fault of theirs."""
        return self._count(f"select count(*) {AGAIN}", (-1, self.run, *TRANSIENT))

    def keep(self, key: bytes, outcome: Outcome) -> None:
        """Write what became of a row; when this returns, a crash of the process cannot lose it.

        Raises:
            JournalError: it could not be written.
        """
        self.keep_all([(key, outcome)])

    def keep_all(self, rows: Sequence[tuple[bytes, Outcome]]) -> None:
        """Write what became of some rows; they are all safe when this returns.

        Raises:
            JournalError: they could not be written.
        """
        with self._mutex:
            try:
                for start in range(0, len(rows), AT_ONCE):
                    self._keep(rows[start : start + AT_ONCE])
            except sqlite3.Error as error:
                raise JournalError(reading.explain(error, self.path)) from None

    def checkpoint(self) -> None:
        """Bring what was written into the main file and onto the disk; called from a thread of its own."""
        address = f"{self.path.as_uri()}?mode=rw"  # a file that somebody deleted is not made anew
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(address, uri=True)) as database,
        ):
            database.execute("pragma wal_checkpoint(passive)")

    def counts(self) -> Counts:
        """Return what there is now."""
        with self._mutex:
            return reading.counts(self._database)

    def _keep(self, rows: Sequence[tuple[bytes, Outcome]]) -> None:
        values: list[Any] = []
        for key, outcome in rows:
            self._place += 1
            values += (self._place, key, self.run, *_facts(outcome))
        self._database.execute(filling(len(rows)), values)

    def _set(self, name: str, value: object) -> None:
        self._database.execute("insert or replace into fact values (?, ?)", (name, str(value)))

    def _times(self, entries: Sequence[Entry]) -> list[int]:
        keys = [entry.key for entry in entries]
        query = f"select key, times from seen where key in ({marks(keys)})"  # noqa: S608 - marks only
        seen: dict[bytes, int] = dict(self._database.execute(query, keys))
        times = _counted(entries, seen)
        self._database.executemany("insert or replace into seen values (?, ?)", seen.items())
        return times

    def _answered(self, keys: Sequence[bytes]) -> frozenset[bytes]:
        if not self._place:
            return frozenset()
        query = f"select key from answer where key in ({marks(keys)}) and (error = '' or run = ?)"  # noqa: S608
        return frozenset(key for (key,) in self._database.execute(query, (*keys, self.run)))

    def _pending(self, query: str, values: tuple[Any, ...]) -> list[Pending]:
        with self._mutex:
            found = self._database.execute(query, values).fetchall()
        return [Pending(number, key, json.loads(item)) for number, key, item in found]

    def _count(self, query: str, values: tuple[Any, ...]) -> int:
        with self._mutex:
            return int(self._database.execute(query, values).fetchone()[0])

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._database.execute("rollback")


def _fact(database: sqlite3.Connection, name: str, default: str) -> str:
    found = database.execute("select value from fact where name = ?", (name,)).fetchone()
    return found[0] if found else default


def _counted(entries: Sequence[Entry], seen: dict[bytes, int]) -> list[int]:
    """Count rows as seen; return for each how many identical ones came before it."""
    times = []
    for entry in entries:
        seen[entry.key] = seen.get(entry.key, -1) + 1
        times.append(seen[entry.key])
    return times
