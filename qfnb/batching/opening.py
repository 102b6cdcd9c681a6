"""Open a journal: one writer at a time, small pages, no surprise from another version."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from filelock import FileLock, Timeout

from .._jobs.row_result import RESULT_COLUMNS
from .journal_reader import JournalError, JournalInUse, explain_error, lock_path

SCHEMA_VERSION = 1

LOCK_TIMEOUT_S = 0.5
"""Seconds that a lock is waited for: who only looks whether a journal is in use has it for an instant."""
_TABLES = f"""
create table if not exists fact(name text primary key, value text) without rowid;
create table if not exists row(
    number integer primary key, key blob not null, asked integer not null, input text not null);
create table if not exists answer(
    place integer primary key, key blob not null unique, run integer not null,
    {", ".join(RESULT_COLUMNS)});
create table if not exists handed(key blob primary key, job integer not null) without rowid;
create table if not exists seen(key blob primary key, times integer not null) without rowid;
"""


def acquire_lock(path: Path) -> FileLock:
    """Return the lock of a journal, taken.

    Raises:
        JournalError: another process has it, or the folder cannot be written.
    """
    lock, owner = FileLock(lock_path(path), thread_local=False), path.with_suffix(".owner")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock.acquire(timeout=LOCK_TIMEOUT_S)
        owner.write_text(f"process {os.getpid()} since {time.strftime('%H:%M:%S')}", encoding="utf-8")
    except Timeout:
        owner_text = "another process"
        with contextlib.suppress(OSError):
            owner_text = owner.read_text(encoding="utf-8")
        raise JournalInUse(path.stem, owner_text) from None
    except OSError as error:
        raise JournalError(
            f"the journal {path} cannot be written: {error.strerror}\n"
            "设置 QFNB_STATE_DIR 换一个文件夹 / set QFNB_STATE_DIR to a writable folder"
        ) from None
    return lock


def connect(path: Path) -> sqlite3.Connection:
    """Return the database of a journal, made when there is none.

    Raises:
        JournalError: it is broken, or of another version.
    """
    try:
        path.touch(mode=0o600)
        database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        database.execute("pragma page_size = 1024")  # an answer is written in small pages, a commit each
        database.execute("pragma journal_mode = wal")
        database.execute("pragma synchronous = normal")
        database.execute("pragma wal_autocheckpoint = 0")  # `checkpoint` does it, away from the I/O loop
        version = database.execute("pragma user_version").fetchone()[0]
        if version not in {0, SCHEMA_VERSION}:
            raise JournalError(
                f"{path} was written by another version of qfnb ({version}): use another name="
            )
        database.executescript(_TABLES)
        database.execute(f"pragma user_version = {SCHEMA_VERSION}")
    except (sqlite3.Error, OSError) as error:
        raise JournalError(explain_error(error, path)) from None
    return database
