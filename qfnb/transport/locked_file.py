"""A JSON file that processes change under a lock, for what is worth nothing after a minute."""

import functools
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ..base.language import tr
from . import clock

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

log = logging.getLogger("qfnb.transport")

MAX_BUSY_S: Final = 1.0
"""Seconds after which a file that another process has locked is given up."""

MAX_CHANGE_S: Final = 0.005
"""Seconds of a change; a folder is too slow to wait for, as on a network, if none of
`MEASURED_CHANGES` is faster.
"""

MEASURED_CHANGES: Final = 32


class LockedFile:
    """A JSON object that processes read and change under a lock; never raises.

    Args:
        path: of the file, which is created with mode 0600.
        timer: returns seconds, to measure the disk.

    Attributes:
        is_usable: False for good after an error, which is logged once for each process.
    """

    def __init__(self, path: Path, timer: Callable[[], float] = time.perf_counter) -> None:
        self._path = path
        self._timer = timer
        self.is_usable = fcntl is not None
        self._busy_since: float | None = None
        self._durations_s: list[float] = []

    @contextmanager
    def change(self) -> Iterator[dict[str, Any] | None]:
        """Yield the object, which is stored at the end; empty for a new or broken file, None if it
        is locked.
        """
        started_at = self._timer()
        descriptor = self._open()
        if descriptor is None:
            yield None
            return
        try:
            stored = self._read(descriptor)
            yield stored
            if stored is not None:
                self._write(descriptor, stored)
        finally:
            # a child that was forked just now has a copy of the descriptor
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)
        self._durations_s.append(self._timer() - started_at)
        if len(self._durations_s) == MEASURED_CHANGES:
            if (fastest_s := min(self._durations_s)) > MAX_CHANGE_S:
                self.give_up(
                    tr("the folder is slow ({ms:.0f} ms for each call)", ms=fastest_s * 1000)
                )
            self._durations_s.clear()

    def give_up(self, reason: str) -> None:
        """Stop using the file."""
        self.is_usable = False
        log_once(str(self._path.parent), reason)

    def _open(self) -> int | None:
        """Return a locked descriptor, None if there is none."""
        descriptor = None
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._count_busy()
        except OSError as error:
            self.give_up(error.strerror or type(error).__name__)
        else:
            self._busy_since = None
            return descriptor
        if descriptor is not None:
            os.close(descriptor)
        return None

    def _count_busy(self) -> None:
        now = clock.now()
        if self._busy_since is None:
            self._busy_since = now
        if now - self._busy_since > MAX_BUSY_S:
            self.give_up(tr("another process does not unlock it"))

    def _read(self, descriptor: int) -> dict[str, Any] | None:
        try:
            stored = json.loads(os.pread(descriptor, 1 << 20, 0) or b"{}")
        except ValueError:
            return {}
        except OSError as error:
            self.give_up(error.strerror or type(error).__name__)
            return None
        if isinstance(stored, dict):
            return stored
        return {}

    def _write(self, descriptor: int, stored: dict[str, Any]) -> None:
        content = json.dumps(stored).encode()
        try:
            os.pwrite(descriptor, content, 0)
            os.ftruncate(descriptor, len(content))
        except OSError as error:
            self.give_up(error.strerror or type(error).__name__)


@functools.cache
def log_once(folder: str, reason: str) -> None:
    """Log that limits are not shared, once for each process."""
    log.warning(
        "%s",
        tr(
            "rate limits are not shared with your other processes: {folder}: {reason}",
            folder=folder,
            reason=reason,
        ),
    )
