"""SQLite connections that a fork waits for.

A child that is forked while another thread is inside SQLite inherits its mutexes locked, and waits
for ever when it opens a journal itself.
"""

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from ..base.language import tr
from ..transport import event_loop  # noqa: F401 - its hold is entered before this one
from ..transport.event_loop import (
    MAX_FORK_DELAY_S,
    Condition,
    register_child_reset,
    register_fork_hold,
)

BUSY_TIMEOUT_S: Final = 10.0


class _Gate:
    """Counts the threads inside SQLite; while a fork is under way, no other enters."""

    def __init__(self) -> None:
        self._condition = Condition()
        self._count = 0
        self._forking_thread: int | None = None

    def __enter__(self) -> None:
        with self._condition:
            while self._forking_thread not in {None, threading.get_ident()}:
                self._condition.wait()
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._condition:
            self._count -= 1
            if self._forking_thread is not None:
                self._condition.notify_all()

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Wait until no thread is inside, and let none in until the fork has been made."""
        with self._condition:
            self._forking_thread = threading.get_ident()
            self._condition.wait_for(lambda: not self._count, MAX_FORK_DELAY_S)
        yield
        with self._condition:
            self._forking_thread = None
            self._condition.notify_all()


inside_sqlite = _Gate()
"""Entered for every call into SQLite."""


class _Rows(list[Any]):
    """What a statement returned: all of its rows, so that none is left open."""

    rowcount: int

    def fetchone(self) -> Any:
        """Return the first row, None without any."""
        return self[0] if self else None

    def fetchall(self) -> list[Any]:
        """Return the rows."""
        return self


class _Connection(sqlite3.Connection):
    def execute(self, sql: str, parameters: Any = (), /) -> _Rows:  # type: ignore[override]
        with inside_sqlite, contextlib.closing(super().execute(sql, parameters)) as cursor:
            rows = _Rows(cursor)
            rows.rowcount = cursor.rowcount
            return rows

    def executemany(self, sql: str, rows: Iterable[Any], /) -> None:  # type: ignore[override]
        values = list(rows)
        with inside_sqlite:
            super().executemany(sql, values).close()

    def close(self) -> None:
        with inside_sqlite:
            super().close()


def open_database(address: str | Path, **options: Any) -> sqlite3.Connection:
    """Return a connection whose calls a fork waits for, for any thread; the options are those of
    `sqlite3.connect`.
    """
    with inside_sqlite:
        return sqlite3.connect(address, factory=_Connection, check_same_thread=False, **options)


@contextlib.contextmanager
def open_for_step(path: Path, tables: str, version: int) -> Iterator[sqlite3.Connection]:
    """Open a private file for one step, so that no kernel keeps it; each statement is a
    transaction.

    Args:
        path: the file, which is created.
        tables: statements that create its tables.
        version: of the tables, from 1.

    Raises:
        ValueError: a newer version of qfnb wrote it.
    """
    path.touch(mode=0o600)
    with contextlib.closing(
        open_database(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)
    ) as database:
        yield prepare_tables(database, tables, version)


def prepare_tables(database: sqlite3.Connection, tables: str, version: int) -> sqlite3.Connection:
    """Create the tables of a database that has none; return the database.

    Raises:
        ValueError: a newer version of qfnb wrote it.
    """
    stored_version = database.execute("pragma user_version").fetchone()[0]
    if stored_version > version:
        raise ValueError(tr("a newer version of qfnb wrote it ({version})", version=stored_version))
    if stored_version < version:
        for statement in tables.split(";"):
            database.execute(statement)
        database.execute(f"pragma user_version = {version}")
    return database


def _reset_in_child() -> None:
    inside_sqlite.__init__()  # type: ignore[misc]


# after that of `event_loop`, whose thread must not wait inside for the fork
register_fork_hold(inside_sqlite.hold)
register_child_reset(_reset_in_child)
