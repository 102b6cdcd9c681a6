"""The tables of a journal, their versions, and what has changed on the disk since it was
written.
"""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .._jobs.row_result import RESULT_COLUMNS
from ..base.language import tr
from .fork_safe_sqlite import open_database
from .journal_reader import JournalError, checksum, decode_text, explain_error

SCHEMA_VERSION = 5

_PRIMARY_KEYS = {
    "fact": ("name", "text"),
    "row": ("number", "integer"),
    "answer": ("place", "integer"),
}
"""Table -> the name and type of its primary key; a changed byte in a definition makes it an
ordinary column.
"""

_COLUMNS = {
    "fact": ("name", "value"),
    "row": ("number", "key", "asked", "input"),
    "answer": ("key", *RESULT_COLUMNS),
}
"""Table -> the columns that its checksum covers."""

_TABLES = f"""
create table if not exists fact(name text primary key, value text, checksum integer) without rowid;
create table if not exists row(
    number integer primary key, key blob not null, asked integer not null, input text not null,
    checksum integer);
create table if not exists answer(
    place integer primary key, key blob not null unique, run integer not null,
    {", ".join(RESULT_COLUMNS)}, checksum integer);
create table if not exists handed(key blob primary key, job integer not null) without rowid;
create table if not exists mark(
    number integer primary key, file integer not null, position integer not null, line integer not
    null);
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
        present = {column[1] for column in _definition_of(database, "answer")}
        for name in RESULT_COLUMNS:
            if name not in present:
                database.execute(f"alter table answer add column {name}")
        database.create_function(
            "checksum", -1, lambda *values: checksum(values), deterministic=True
        )
        for table, columns in _COLUMNS.items():
            if all(column[1] != "checksum" for column in _definition_of(database, table)):
                database.execute(f"alter table {table} add column checksum integer")
            database.execute(f"update {table} set checksum = checksum({', '.join(columns)})")  # noqa: S608
    database.execute(f"pragma user_version = {SCHEMA_VERSION}")
    database.execute("commit")


def find_damage(database: sqlite3.Connection) -> tuple[list[int], list[bytes], list[str]]:
    """Return what has changed since it was written: places and keys of answers, and names of facts.

    Rows of the input are checked when they are sent.

    Raises:
        sqlite3.DatabaseError: the file itself is broken.
    """
    if (problem := database.execute("pragma quick_check(1)").fetchone()[0]) != "ok":
        raise sqlite3.DatabaseError(problem)
    for table, columns in _COLUMNS.items():
        definition = {
            (name, type_.lower(), pk)
            for _, name, type_, _, _, pk in _definition_of(database, table)
        }
        if {*columns, "checksum"} - {name for name, _, _ in definition} or (
            *_PRIMARY_KEYS[table],
            1,
        ) not in definition:
            raise sqlite3.DatabaseError(
                tr("the table {table} is not defined as it was", table=table)
            )
    answers = [(place, key) for place, key, *_ in _damaged(database, "answer", "place")]
    names = [name for _, name, *_ in _damaged(database, "fact", "name")]
    return [place for place, _ in answers], [key for _, key in answers], names


def _definition_of(database: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    """Return number, name, type, whether it may be null, default, and position in the key of each
    column.
    """
    return database.execute(f"pragma table_info({table})").fetchall()


def _damaged(
    database: sqlite3.Connection, table: str, primary_key: str
) -> Iterator[tuple[Any, ...]]:
    columns = ", ".join(_COLUMNS[table])
    for row in database.execute(f"select {primary_key}, checksum, {columns} from {table}"):  # noqa: S608
        if row[1] != checksum(row[2:]):
            yield row[0], *row[2:]
