"""The sandbox's state: documents in SQLite, files beside it."""

import contextlib
import json
import logging
import os
import secrets
import shutil
import sqlite3
import string
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qfnb.wire.base import Id, JsonObject

from ..failures import FAULT_INJECTED

SCHEMA = 4
_TABLES = """
create table if not exists document(
    number integer primary key autoincrement,
    kind text not null, id text not null unique, body text not null);
create index if not exists document_kind on document(kind);
create table if not exists point(task text not null, step integer not null, body text not null);
create index if not exists point_task on point(task);
"""
_MIGRATIONS = {
    1: """
    update document set body = json_set(body, '$.plan', json('[["Serving", null]]'))
        where kind = 'service' and json_type(body, '$.plan') is null;
    update document set body = json_set(body, '$.plan', json('[["Ready", null]]'))
        where kind = 'version' and json_type(body, '$.plan') is null;
    update document set body = json_set(body, '$.released', json('[[2, null]]'))
        where kind = 'dataset' and json_type(body, '$.released') in ('integer', 'real');
    """,  # states were computed from ages before they were plans
    2: "",  # `doomed` came, which may be absent
    3: """
    update document set body = json_remove(json_set(body, '$.appId', json_extract(body, '$.app')),
        '$.app') where kind = 'memory';
    update document set body = json_remove(json_set(body, '$.labelName', json_extract(body, '$.name')),
        '$.name')
        where kind = 'label';
    update document set body = json_remove(json_set(body, '$.templateName', json_extract(body, '$.name'),
        '$.templateContent', json_extract(body, '$.content'), '$.variableIdentifier', json_extract(body,
        '$.identifier'),
        '$.negativeTemplateContent', coalesce(json_extract(body, '$.negative'), ''),
        '$.frameworkType',
        json_extract(body, '$.framework'),
        '$.sceneType', case json_extract(body, '$.scene') when 2 then 'TextToImage' else 'TextToText' end,
        '$.hyperParameters', json(json_extract(body, '$.hyper_parameters')),
        '$.templateVariables', coalesce((select group_concat(value) from json_each(body,
        '$.variables')), ''),
        '$.negativeTemplateVariables',
        coalesce((select group_concat(value) from json_each(body, '$.negative_variables')), '')),
        '$.name', '$.content', '$.identifier', '$.negative', '$.framework', '$.scene', '$.hyper_parameters',
        '$.variables', '$.negative_variables') where kind = 'template';
    update document set body = json_remove(json_set(body, '$.purchaseCount', json_extract(body, '$.count'),
        '$.releaseTime', json_extract(body, '$.until'), '$.billing', json_object('paymentTiming',
        json_extract(body, '$.payment'))),
        '$.count', '$.until', '$.payment') where kind = 'quota';
    update document set body = json_remove(json_set(body, '$.serviceId', json_extract(body, '$.service'),
        '$.replicasCount', json_extract(body, '$.replicas'), '$.billing', json_object('paymentTiming',
        json_extract(body, '$.payment'))),
        '$.service', '$.replicas', '$.payment') where kind = 'unit';
    update document set body = json_remove(json_set(body, '$.sourceDatasetStrId', json_extract(body,
        '$.source'),
        '$.destDatasetStrId', json_extract(body, '$.destination'), '$.entityCount', json_extract(body,
        '$.count')),
        '$.source', '$.destination', '$.count', '$.told') where kind in ('etl', 'enhance');
    update document set body = json_remove(json_set(body, '$.etlTaskName', json_extract(body, '$.name'),
        '$.operationsV2', json(json_extract(body, '$.operations'))), '$.name',
        '$.operations') where kind = 'etl';
    """,  # such documents got the platform's names of fields
}
"""What brings a state of each earlier schema to the next one; no schema was ever released."""

_ALPHABET = string.ascii_lowercase + string.digits

Document = JsonObject

DATABASE = "state.db"
FILES = "files"
MAX_NUMBER = 2**63 - 1
MAX_NUMBER_DIGITS = 20

log = logging.getLogger("qfnb.sandbox")


class StateError(ValueError):
    """The state cannot be opened now; nothing was changed."""


def random_id(prefix: str, length: int = 12) -> str:
    """Return an id in the platform's style: a prefix, then lower-case letters and digits."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(length))


def make_private(folder: Path) -> None:
    """Remove all other users' rights to a folder and everything in it."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            mode = 0o700
        else:
            mode = 0o600
        with contextlib.suppress(OSError):  # it was deleted meanwhile, or belongs to another user
            if path.stat().st_mode & 0o777 != mode:
                path.chmod(mode)


def raise_if_faulted(document: Document) -> None:
    """Check that work on a document may begin.

    Raises:
        RuntimeError: the document was created by a call with the fault `fail`.
    """
    if document.get("doomed"):
        raise RuntimeError("an injected fault")


class Store:
    """Documents by kind and id; every document also has a number, the platform's integer id.

    Attributes:
        now: the clock for the documents' times.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self.now: Callable[[], float] = time.time
        self._closed = False
        self._database = _open_database(folder / DATABASE)
        make_private(folder)

    def close(self) -> None:
        """Close the database; nothing can be written afterwards."""
        with self._lock:
            self._closed = True
            self._database.close()

    def copy_to(self, folder: Path) -> None:
        """Copy the current state into an empty folder; files are linked where that works.

        Files are never changed, only replaced, so that a link keeps its content.
        """
        files = folder / FILES
        with self._lock:
            target = sqlite3.connect(folder / DATABASE)
            self._database.backup(target)
            target.close()
            files.mkdir(mode=0o700)
            for path in (self._folder / FILES).rglob("*"):
                if path.is_file():
                    _link_or_copy(path, files / path.relative_to(self._folder / FILES))

    @staticmethod
    def replace_state(folder: Path, copy: Path) -> None:
        """Replace a closed store by a copy."""
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm"):
            (folder / name).unlink(missing_ok=True)
        shutil.rmtree(folder / FILES, ignore_errors=True)
        for name in (FILES, DATABASE):
            (copy / name).replace(folder / name)
        shutil.rmtree(copy)

    def add(self, kind: str, id_: str, **body: Any) -> Document:
        """Add a document and return it with its id and number."""
        body |= {"doomed": True} if FAULT_INJECTED.get() else {}
        stored = json.dumps(body | {"created": self.now()}, ensure_ascii=False)
        with self._lock:
            cursor = self._database.execute(
                "insert into document(kind, id, body) values (?, ?, ?)", (kind, id_, stored)
            )
        return {**json.loads(stored), "id": id_, "number": cursor.lastrowid}

    def insert_missing(self, kind: str, row: Document) -> None:
        """Add a document of another store, unless it exists here."""
        body = {key: value for key, value in row.items() if key not in {"id", "number"}}
        with self._lock:
            self._database.execute(
                "insert or ignore into document(kind, id, body) values (?, ?, ?)",
                (kind, row["id"], json.dumps(body, ensure_ascii=False)),
            )

    def get(self, kind: str, key: Id) -> Document | None:
        """Return a document by its id or its number, None when it does not exist."""
        if isinstance(key, int) or str(key).isdecimal():
            column = "number"
        else:
            column = "id"
        if column == "number" and (len(str(key)) > MAX_NUMBER_DIGITS or int(key) > MAX_NUMBER):
            return None
        query = f"select number, id, body from document where kind = ? and {column} = ?"  # noqa: S608 - a constant
        return next(self._query(query, kind, str(key)), None)

    def all(self, kind: str, **fields: Any) -> list[Document]:
        """Return all documents of a kind that have these fields, the oldest first."""
        query = "select number, id, body from document where kind = ? order by number"
        documents = []
        for document in self._query(query, kind):
            if document | fields == document:
                documents.append(document)
        return documents

    def update(self, id_: str, **changes: Any) -> None:
        """Change fields of a document."""
        with self._lock:
            row = self._database.execute(
                "select body from document where id = ?", (id_,)
            ).fetchone()
            body = json.dumps(json.loads(row[0]) | changes, ensure_ascii=False)
            self._database.execute("update document set body = ? where id = ?", (body, id_))

    def remove(self, kind: str, id_: str) -> None:
        """Remove a document; its number is not used again."""
        with self._lock:
            self._database.execute("delete from document where kind = ? and id = ?", (kind, id_))

    def drop_points(self, task: str) -> None:
        """Delete the points of a run or a job."""
        with self._lock:
            self._database.execute("delete from point where task = ?", (task,))

    def add_point(self, task: str, body: Document) -> None:
        """Add a point, which has a `step`, to a run's loss curve or a job's checkpoints."""
        with self._lock:
            self._database.execute(
                "insert into point values (?, ?, ?)", (task, body["step"], json.dumps(body))
            )

    def points(self, task: str) -> list[Document]:
        """Return the points of a run or a job, by step."""
        with self._lock:
            rows = self._database.execute(
                "select body from point where task = ? order by step", (task,)
            ).fetchall()
        return [json.loads(body) for (body,) in rows]

    def write_file(self, name: str, content: bytes) -> None:
        """Write a file; its name is made by the sandbox, not by a user."""
        path = self._folder / FILES / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = path.with_suffix(path.suffix + ".tmp")
        with os.fdopen(
            os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb"
        ) as file:
            file.write(content)
        with self._lock:
            assert not self._closed, "the store was closed"
            temporary.replace(path)

    def read_file(self, name: str) -> bytes | None:
        """Return a file, None when it does not exist."""
        try:
            return (self._folder / FILES / name).read_bytes()
        except FileNotFoundError:
            return None

    def remove_file(self, name: str) -> None:
        """Remove a file, if it exists."""
        (self._folder / FILES / name).unlink(missing_ok=True)

    def _query(self, query: str, *values: Any) -> Iterator[Document]:
        with self._lock:
            rows = self._database.execute(query, values).fetchall()
        return (json.loads(body) | {"id": id_, "number": number} for number, id_, body in rows)


def _open_database(path: Path) -> sqlite3.Connection:
    """Open the database and migrate it to the present schema; a broken one is moved aside, not
    deleted.

    Raises:
        StateError: it is of a newer version, or cannot be read or written now.
    """
    try:
        try:
            return _connect(path)
        except sqlite3.OperationalError:
            raise  # locked, or the disk is full: the state itself may be whole
        except sqlite3.DatabaseError as error:
            backup = path.with_name(f"state.{time.time_ns()}.old")
            log.warning("the state could not be used (%s) and was moved to %s", error, backup.name)
            path.replace(backup)
            return _connect(path)
    except sqlite3.OperationalError as error:
        raise StateError(
            f"its state {path} cannot be opened ({error}); nothing was changed"
        ) from None


def _connect(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)  # the files that SQLite adds get the same mode
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        version = database.execute("pragma user_version").fetchone()[0]
        if version > SCHEMA:
            raise StateError(
                f"its state was written by a newer qfnb (schema {version}, this one knows "
                f"{SCHEMA}); nothing was "
                "changed: upgrade qfnb, or set QFNB_STATE_DIR to another folder"
            )
        database.execute("pragma journal_mode = wal")
        # a killed server loses nothing; a power cut may
        database.execute("pragma synchronous = normal")
        if version:
            steps = "".join(_MIGRATIONS[step] for step in range(version, SCHEMA))
        else:
            steps = ""
        database.executescript(f"begin; {_TABLES} {steps} pragma user_version = {SCHEMA}; commit;")
    except BaseException:
        database.close()
        raise
    return database


def _link_or_copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
