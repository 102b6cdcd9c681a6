"""One driver at a time for an output folder: a lock where there are locks, and signs of life in any
storage.
"""

import contextlib
import json
import os
import socket
import time
import uuid
from typing import Any, Final

import psutil

from ...base.language import tr
from .output_files import FOLDER, OutputFiles, ShardError, reading_from, write_json, writing_to

HEARTBEAT_S: Final = 10.0
"""Seconds between two signs of life of a driver."""

LOST_AFTER_S: Final = 60.0
"""Seconds after which a driver on another machine counts as gone."""

OWNER: Final = f"{FOLDER}/owner.json"

_claims: set[str] = set()
"""The claims of this process: another with its number may have ended in a container of this
name.
"""


class FolderClaim:
    """The claim of a driver to an output folder.

    Args:
        files: of the folder.
    """

    def __init__(self, files: OutputFiles) -> None:
        self._id = uuid.uuid4().hex
        self._files = files
        self._heartbeat_at = 0.0

    def take(self) -> bool:
        """Take the folder for this driver; return whether an earlier one ended without leaving it.

        Raises:
            ShardError: another driver works on it.
        """
        with writing_to(self._files.folder):
            if not self._files.lock():
                raise ShardError(
                    tr(
                        "{folder} is in use by another process: one run at a time",
                        folder=self._files.folder,
                    )
                )
        try:
            with reading_from(self._files.folder):
                owner = self._read_owner()
            self._refuse_owner(owner)
            self.keep()
            with reading_from(self._files.folder):
                self._refuse_owner(self._read_owner())  # the last of two that began together has it
        except ShardError:
            self._files.unlock()
            raise
        return bool(owner)

    def keep(self) -> None:
        """Show from time to time that this driver is alive.

        Raises:
            ShardError: another driver has taken the folder meanwhile, or it cannot be written.
        """
        now = time.time()
        if now - self._heartbeat_at < HEARTBEAT_S:
            return
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "claim": self._id, "seen": now}
        try:
            if self._heartbeat_at:
                self._refuse_owner(self._read_owner())
            write_json(self._files, OWNER, owner)
        except OSError:
            if now - self._heartbeat_at < LOST_AFTER_S / 2:  # a storage may fail for a moment
                return
            with writing_to(self._files.folder):
                raise
        _claims.add(self._id)
        self._heartbeat_at = now

    def release(self) -> None:
        """Leave the folder to others."""
        _claims.discard(self._id)
        with contextlib.suppress(OSError, ShardError):
            self._refuse_owner(self._read_owner())
            self._files.delete(OWNER)
        self._files.unlock()

    def _read_owner(self) -> dict[str, Any]:
        with contextlib.suppress(ValueError):
            owner: dict[str, Any] = json.loads(self._files.read(OWNER) or "{}")
            return owner
        return {}

    def _refuse_owner(self, owner: dict[str, Any]) -> None:
        """Raise a `ShardError` where another driver was alive a moment ago."""
        age_s = time.time() - float(owner.get("seen", 0))
        if not owner or owner.get("claim") == self._id or age_s >= LOST_AFTER_S:
            return
        if owner["host"] == socket.gethostname() and (self._files.has_lock or not _is_alive(owner)):
            return
        raise ShardError(
            tr(
                "{folder} is in use by process {pid} on {host}, seen {age:.0f} s ago: one run at "
                "a time",
                folder=self._files.folder,
                age=age_s,
                pid=owner["pid"],
                host=owner["host"],
            )
        )


def _is_alive(owner: dict[str, Any]) -> bool:
    """Return whether the process of a driver on this computer is there."""
    if owner["pid"] == os.getpid():
        return owner.get("claim") in _claims
    return bool(psutil.pid_exists(owner["pid"]))
