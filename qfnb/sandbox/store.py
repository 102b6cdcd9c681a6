"""The sandbox's state: documents in SQLite, files beside it."""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
import string
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

SCHEMA = 2
_TABLES = """
create table if not exists document(
    number integer primary key autoincrement,
    kind text not null, id text not null unique, body text not null);
create index if not exists document_kind on document(kind);
create table if not exists point(task text not null, step integer not null, body text not null);
create index if not exists point_task on point(task);
"""
_ALPHABET = string.ascii_lowercase + string.digits

Document = dict[str, Any]

log = logging.getLogger("qfnb.sandbox")


def random_id(prefix: str, length: int = 12) -> str:
    """Return an id in the platform's style: a prefix and lower-case letters and digits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


class Store:
    """Documents by kind and id; every document also has a number, the platform's integer id.

    Attributes:
        now: the clock that documents are dated by.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._lock = folder, threading.Lock()
        self.now: Callable[[], float] = time.time
        self._database = _open(folder / "state.db")

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def add(self, kind: str, id_: str, **body: Any) -> Document:
        """Add a document and return it with its id and number."""
        stored = json.dumps(body | {"created": self.now()}, ensure_ascii=False)
        with self._lock:
            cursor = self._database.execute(
                "insert into document(kind, id, body) values (?, ?, ?)", (kind, id_, stored)
            )
        return {**json.loads(stored), "id": id_, "number": cursor.lastrowid}

    def get(self, kind: str, key: int | str) -> Document | None:
        """Return a document by its id or its number, None when there is none."""
        column = "number" if isinstance(key, int) or str(key).isdigit() else "id"
        rows = self._rows(f"select number, id, body from document where kind = ? and {column} = ?", kind, key)  # noqa: S608 - a constant
        return next(rows, None)

    def all(self, kind: str) -> list[Document]:
        """Return all documents of a kind, the oldest first."""
        return list(self._rows("select number, id, body from document where kind = ? order by number", kind))

    def update(self, id_: str, **changes: Any) -> None:
        """Change fields of a document."""
        with self._lock:
            row = self._database.execute("select body from document where id = ?", (id_,)).fetchone()
            body = json.dumps(json.loads(row[0]) | changes, ensure_ascii=False)
            self._database.execute("update document set body = ? where id = ?", (body, id_))

    def remove(self, kind: str, id_: str) -> None:
        """Remove a document; its number is not given out again."""
        with self._lock:
            self._database.execute("delete from document where kind = ? and id = ?", (kind, id_))

    def drop_points(self, task: str) -> None:
        """Forget a run's loss curve."""
        with self._lock:
            self._database.execute("delete from point where task = ?", (task,))

    def add_point(self, task: str, body: Document) -> None:
        """Add a point, which has a "step", to a run's loss curve."""
        with self._lock:
            self._database.execute(
                "insert into point values (?, ?, ?)", (task, body["step"], json.dumps(body))
            )

    def points(self, task: str) -> list[Document]:
        """Return a run's loss curve."""
        with self._lock:
            found = self._database.execute(
                "select body from point where task = ? order by step", (task,)
            ).fetchall()
        return [json.loads(body) for (body,) in found]

    def write_file(self, name: str, content: bytes) -> None:
        """Keep a file under a name of its own making."""
        path = self._folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_suffix(path.suffix + ".tmp")
        temporary.write_bytes(content)
        temporary.replace(path)

    def read_file(self, name: str) -> bytes | None:
        """Return a kept file, None when there is none."""
        try:
            return (self._folder / "files" / name).read_bytes()
        except FileNotFoundError:
            return None

    def _rows(self, query: str, *values: Any) -> Iterator[Document]:
        with self._lock:
            found = self._database.execute(query, values).fetchall()
        return (json.loads(body) | {"id": id_, "number": number} for number, id_, body in found)


def _open(path: Path) -> sqlite3.Connection:
    """Open the database; one of another version or a broken one is moved aside, not deleted."""
    try:
        database = _connect(path)
        version = database.execute("pragma user_version").fetchone()[0]
        if version not in {0, SCHEMA}:
            database.close()
            raise sqlite3.DatabaseError(f"version {version}")
    except sqlite3.DatabaseError as error:
        aside = path.with_name(f"state.{int(time.time())}.old")
        log.warning("the state could not be used (%s) and was moved to %s", error, aside.name)
        path.replace(aside)
        database = _connect(path)
    database.executescript(_TABLES)
    database.execute(f"pragma user_version = {SCHEMA}")
    return database


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    database.execute("pragma journal_mode = wal")
    return database
