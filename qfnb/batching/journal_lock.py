"""The lock of a journal: one process writes it, and others are told which."""

import contextlib
import os
import time
from pathlib import Path

from filelock import FileLock, Timeout

from ..base.language import tr
from .journal_reader import JournalError, JournalInUse

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
