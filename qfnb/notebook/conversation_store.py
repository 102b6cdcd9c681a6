"""Conversations on disk: one SQLite file beside the journals, for all kernels of this user.

A conversation has a number; a name may have several, one for each time that it was begun. Turns are
only added, in one transaction for a question with its answer, so two kernels that talk in one
conversation lose none.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ..base.language import tr
from ..base.text import did_you_mean
from ..batching.fork_safe_sqlite import open_database, open_for_step, prepare_tables
from ..errors import InvalidArgumentError, QianfanError

FILE_NAME: Final = "conversations.db"
SCHEMA_VERSION: Final = 1

_TABLES: Final = """
create table if not exists conversation(
    id integer primary key, name text not null, created real not null, updated real not null);
create table if not exists turn(
    conversation integer not null, position integer not null, content text not null,
    primary key(conversation, position)) without rowid;
"""

Turn = dict[str, Any]


class ConversationsError(QianfanError):
    """The file of the conversations cannot be used."""


@dataclass(frozen=True)
class StoredConversation:
    """One conversation; times in Unix seconds."""

    id: int
    name: str
    turns: int
    created: float
    updated: float


class ConversationStore:
    """The conversations in a file; those in memory, without one, end with the kernel.

    Args:
        path: the SQLite file, created with the first conversation; None for memory.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        if path:
            memory = None
        else:
            memory = open_database(":memory:", isolation_level=None)
        if memory is None:
            self._memory = None
        else:
            self._memory = prepare_tables(memory, _TABLES, SCHEMA_VERSION)

    def begin(self, name: str) -> int:
        """Begin a conversation; return its number."""
        with self._open() as database:
            now = time.time()
            values = (name, now, now)
            row = database.execute(
                "insert into conversation(name, created, updated) values (?, ?, ?)", values
            )
            return int(row.lastrowid or 0)

    def add(self, id_: int, turns: Sequence[Turn]) -> bool:
        """Add turns at the end, all of them or none; return False where the conversation was
        deleted.
        """
        with self._open() as database, _transaction(database):
            if not database.execute(
                "update conversation set updated = ? where id = ?", (time.time(), id_)
            ).rowcount:
                return False
            query = "select coalesce(max(position), -1) + 1 from turn where conversation = ?"
            start = database.execute(query, (id_,)).fetchone()[0]
            rows = [
                (id_, n, json.dumps(turn, ensure_ascii=False, default=str))
                for n, turn in enumerate(turns, start)
            ]
            database.executemany("insert into turn values (?, ?, ?)", rows)
            return True

    def read(self, id_: int) -> list[Turn]:
        """Return the turns of a conversation, in their order."""
        with self._open() as database:
            query = "select content from turn where conversation = ? order by position"
            return [
                json.loads(content) for (content,) in database.execute(query, (id_,)).fetchall()
            ]

    def cut(self, id_: int, length: int) -> None:
        """Remove the turns from a position on."""
        with self._open() as database:
            database.execute(
                "delete from turn where conversation = ? and position >= ?", (id_, length)
            )

    def delete(self, id_: int) -> None:
        """Delete a conversation with its turns."""
        with self._open() as database, _transaction(database):
            database.execute("delete from turn where conversation = ?", (id_,))
            database.execute("delete from conversation where id = ?", (id_,))

    def list_all(self) -> list[StoredConversation]:
        """Return all conversations, the latest first."""
        if self.path is not None and not self.path.exists():
            return []
        with self._open() as database:
            query = """select id, name, count(turn.position), created, updated
                from conversation left join turn on turn.conversation = id group by id
    order by updated desc, id desc"""
            return [StoredConversation(*row) for row in database.execute(query).fetchall()]

    def find(self, key: str) -> StoredConversation:
        """Return the conversation with a number, or the latest with a name.

        Raises:
            InvalidArgumentError: there is none.
        """
        rows = self.list_all()
        matches = [row for row in rows if row.name == key] or [
            row for row in rows if str(row.id) == key
        ]
        if not matches:
            hint = did_you_mean(key, [row.name for row in rows])
            raise InvalidArgumentError(
                tr(
                    "no conversation {name!r} is stored{hint} (`%qfchat list` shows all)",
                    name=key,
                    hint=hint,
                )
            )
        return matches[0]

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one step, so that no kernel keeps it.

        Raises:
            ConversationsError: it cannot be used.
        """
        if self._memory is not None:
            yield self._memory
            return
        assert self.path is not None
        try:
            with open_for_step(self.path, _TABLES, SCHEMA_VERSION) as database:
                yield database
        except (sqlite3.Error, OSError, ValueError) as error:
            raise ConversationsError(
                tr(
                    "the conversations cannot be read or written: {path}: {reason}",
                    path=self.path,
                    reason=error,
                )
            ) from None


@contextlib.contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("begin immediate")
    try:
        yield
    except BaseException:
        database.execute("rollback")
        raise
    database.execute("commit")
