"""The rate limits that all processes of a user on one key share, through a file that each changes
under a lock.

The file has counts and rates of the last minutes and no key: its name is a keyed hash. Where it
cannot be used (read-only or slow folder, Windows), each process keeps limits of its own.
"""

import contextlib
import functools
import hashlib
import hmac
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ..base.language import tr
from ..config import state_dir
from ..wire.base import JsonObject
from . import clock
from .event_loop import register_child_reset
from .platform import Platform
from .rate_limiter import RateLimiter, SharedState

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
    def change(self) -> Iterator[JsonObject | None]:
        """Yield the object, which is stored at the end; empty for a new or broken file, None if it
        is locked.
        """
        started_at = self._timer()
        descriptor = self._open()
        if descriptor is None:
            yield None
            return
        try:
            stored = _parse(os.pread(descriptor, 1 << 20, 0))
            yield stored
            content = json.dumps(stored).encode()
            os.pwrite(descriptor, content, 0)
            os.ftruncate(descriptor, len(content))
        except OSError as error:  # a full disk
            self._give_up(error.strerror or type(error).__name__)
        finally:
            # a child that was forked just now has a copy of the descriptor
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)
        self._durations_s.append(self._timer() - started_at)
        if len(self._durations_s) == MEASURED_CHANGES:
            if (fastest_s := min(self._durations_s)) > MAX_CHANGE_S:
                self._give_up(
                    tr("the folder is slow ({ms:.0f} ms for each call)", ms=fastest_s * 1000)
                )
            self._durations_s.clear()

    def _give_up(self, reason: str) -> None:
        self.is_usable = False
        log_once(str(self._path.parent), reason)

    def _open(self) -> int | None:
        """Return a locked descriptor, None if there is none."""
        now = clock.now()
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600)
        except OSError as error:
            self._give_up(error.strerror or type(error).__name__)
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            self._busy_since = self._busy_since or now
            if now - self._busy_since > MAX_BUSY_S:
                self._give_up(tr("another process does not unlock it"))
            return None
        self._busy_since = None
        return descriptor


def _parse(content: bytes) -> JsonObject:
    with contextlib.suppress(ValueError):
        stored = json.loads(content)
        if isinstance(stored, dict):
            return stored
    return {}


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


FOLDER: Final = "rate-limits"
SUFFIX: Final = ".v2.json"
"""Another version of the file has another name: processes of two versions do not share."""

MAX_FILE_AGE_S: Final = 86_400.0

_limiters: dict[tuple[object, str, str, bool], RateLimiter] = {}
open_file: Callable[[str], SharedState] | None = None
"""Opens what this process shares limits through, by a name; a worker of `batch_shards` on Ray sets
it.
"""


def get_limiter(platform: Platform, model: str) -> RateLimiter:
    """Return the limiter of a platform's credentials and a model, which the user's processes share.

    Within `qfnb.testing()` it is another one: what is learned on a shortened clock is not true on
    the real one.
    """
    key = (platform.credentials, platform.host, model, clock.is_scaled())
    limiter = _limiters.get(key)
    if limiter is not None:
        return limiter
    return _limiters.setdefault(key, _create_limiter(platform, model))


def _create_limiter(platform: Platform, model: str) -> RateLimiter:
    if clock.is_scaled():
        return RateLimiter()
    name = limiter_name(platform, model)
    if open_file is not None:
        return RateLimiter(open_file(name))
    try:
        return RateLimiter(LockedFile(_prune(state_dir(FOLDER)) / f"{name}{SUFFIX}"))
    except OSError as error:
        log_once(FOLDER, error.strerror or type(error).__name__)
        return RateLimiter()


def limiter_name(platform: Platform, model: str) -> str:
    """Return a name that is the same for everybody with these keys, and does not show them."""
    secret = "\n".join(platform.credentials).encode("utf-8", "replace")
    text = f"qfnb\n{platform.host}\n{model}".encode("utf-8", "replace")
    return hmac.new(secret, text, hashlib.sha256).hexdigest()[:32]


@functools.lru_cache(maxsize=1)
def _prune(folder: Path) -> Path:
    """Remove files that nobody has used for a day; return the folder."""
    for path in folder.glob("*.json"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < clock.wall_time() - MAX_FILE_AGE_S:
                path.unlink()
    return folder


def _reset_in_child() -> object:
    """Drop the parent's limiters, in which the parent's calls wait."""
    global _limiters
    inherited = _limiters
    _limiters = {}
    return inherited


register_child_reset(_reset_in_child)
