"""Rate limits that all processes of a user on one key share, through a file that each changes under
a lock.

A process takes permits for the next tenth of a second, when they are due, so that a process that
dies takes none with it; those that wait take turns. What one learns from headers and refusals, all
adopt. The file has counts and rates of
the last minutes and no key: its name is a keyed hash. Where it cannot be used (read-only or slow
folder, Windows), each process keeps limits of its own.
"""

import asyncio
import contextlib
import functools
import hashlib
import hmac
import json
import logging
import math
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from ..base.language import tr
from ..config import Settings, state_dir
from ..errors import RateLimitError
from ..wire.base import JsonObject
from . import clock
from .event_loop import register_child_reset
from .platform import Platform
from .rate_limiter import SPACING_MARGIN, RateLimiter

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

    def _read(self, descriptor: int) -> JsonObject | None:
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

    def _write(self, descriptor: int, stored: JsonObject) -> None:
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


FOLDER: Final = "rate-limits"
SUFFIX: Final = ".v1.json"
"""Another version of the file has another name: processes of two versions do not share."""

LEASE_S: Final = 0.1
"""Seconds for which permits are taken at once: at high rates a call costs a fraction of an
exchange.
"""

MEMORY_S: Final = 120.0
"""Age of a file that is not read any more: what refusals taught then is no limit of now."""

CLOCK_TOLERANCE_S: Final = 0.5
"""Difference of two clocks above which the computer slept or its clock was set."""

TURN_S: Final = 0.02
"""Seconds that a process lets each process go first that has waited longer."""

WAITING_S: Final = 1.5
"""Seconds after which a process that waited is taken for dead; waiting ones look at least every
second.
"""

BUSY_RETRY_S: Final = 0.002
"""Seconds between two looks at a file that another process has locked."""

MAX_FILE_AGE_S: Final = 86_400.0

_LEARNED: Final = (
    "refusals",
    "_consecutive_refusals",
    "_refused_at",
    "_free_at",
    "_peak_rate",
    "_minute_count",
    "_is_token_limit",
    "_is_probing",
)


class SharedState(Protocol):
    """A JSON object that processes change one after the other: a `LockedFile`, or an actor of
    Ray.
    """

    is_usable: bool

    def change(self) -> contextlib.AbstractContextManager[JsonObject | None]:
        """Yield the object, which is stored at the end; None if it cannot be had now."""


class SharedRateLimiter(RateLimiter):
    """A rate limiter whose limits and counts are those of all processes that use one file.

    Args:
        file: where they are.
        random_: returns a random number in [0, 1).
    """

    def __init__(self, file: SharedState, *, random_: Callable[[], float] = random.random) -> None:
        super().__init__(random_=random_)
        self._file = file
        self._is_enabled = True
        self._id = f"{random.getrandbits(64):016x}"  # not a secret
        self._skew_s = clock.wall_time() - clock.now()
        self._permits = 0.0
        self._lease_size = 1.0
        self._lease_ends_at = -math.inf
        self._published = self._to_learned()
        self._version = -1
        self._next_lease_at = self._stored_token_at = -math.inf
        self._publication: asyncio.TimerHandle | None = None
        self._turns: dict[str, list[float]] = {}
        self._windows = {
            "sends": self.requests.sends,
            "answers": self._answers,
            "tokens": self._used_tokens,
        }
        for counts in self._windows.values():
            counts.unshared = {}

    def apply_settings(self, settings: Settings) -> None:
        """Set the ceilings of the settings, and whether limits are shared."""
        super().apply_settings(settings)
        self._is_enabled = settings.share_rate_limits

    @property
    def _is_shared(self) -> bool:
        return self._is_enabled and self._file.is_usable and not clock.is_scaled()

    def record_success(self, refusals: int, *args: Any, **options: Any) -> None:
        """Apply a response as `RateLimiter` does; the first success after refusals is told to all
        processes.
        """
        is_explanation = (
            self._consecutive_refusals and refusals == self.refusals and self._is_shared
        )
        with self._exchange() if is_explanation else contextlib.nullcontext():
            super().record_success(refusals, *args, **options)
            if is_explanation:
                self._next_lease_at = min(self._next_lease_at, self.requests.next_at)
        self._publish_soon()

    def record_refusal(self, refusals: int, error: RateLimitError) -> None:
        """Slow all processes down after a refusal, once for all calls that were in flight then."""
        with self._exchange() if self._is_shared else contextlib.nullcontext():
            super().record_refusal(refusals, error)

    def _now(self) -> float:
        return clock.now() + self._skew_s

    def _reserve(self) -> float:
        if not self._is_shared:
            return super()._reserve()
        is_unlimited = self.requests.rate is None
        has_permit = self._permits >= 1 and (self._permits == math.inf) == is_unlimited
        if has_permit and self._now() < self._lease_ends_at:
            return self.seconds_to_wait()
        with self._exchange() as is_locked:
            if not is_locked:
                if self._is_shared:
                    return BUSY_RETRY_S
                return self.seconds_to_wait()
            now = self._now()
            self.requests.next_at = max(self.requests.next_at, self._next_lease_at)
            wait_s = self._seconds_until_turn(now)
            if wait_s <= 0:
                self._take_lease(now)
        return wait_s

    def _count_send(self, tokens: float) -> None:
        if not self._is_shared or self._permits == math.inf:
            super()._count_send(tokens)
            self._publish_soon()
            return
        self._sent_at = now = self._now()
        self._permits -= 1
        self.requests.spend(1, now)
        self.tokens.spend(tokens, now)

    def _publish_soon(self) -> None:
        """Tell the other processes what was counted, also when this one sends nothing more."""
        if self._publication is None and self._is_shared:
            self._publication = asyncio.get_running_loop().call_later(LEASE_S, self._publish)

    def _publish(self) -> None:
        self._publication = None
        if self._is_shared and any(counts.unshared for counts in self._windows.values()):
            with self._exchange():
                pass

    def _seconds_until_turn(self, now: float) -> float:
        """Return the seconds until this process may take permits: it lets those go first that have
        waited longer.
        """
        self._turns = {id_: turn for id_, turn in self._turns.items() if turn[0] > now - WAITING_S}
        latest = self._turns.get(self._id, [now, -math.inf])[1]
        earlier = sum(turn[1] < latest for turn in self._turns.values())
        wait_s = self.seconds_to_wait()
        if self._is_paced and earlier:
            wait_s = max(wait_s, self.requests.next_at + earlier * TURN_S - now)
        if wait_s > 0:
            self._turns[self._id] = [now, latest]
        return wait_s

    def _take_lease(self, now: float) -> None:
        """Take permits, at most those of `LEASE_S`, and about as many as were used lately."""
        self._lease_ends_at = now + LEASE_S
        rate = self.requests.rate
        if rate is None:
            self._permits = math.inf
            return
        unused = self._permits if self._permits < math.inf else 0.0
        if unused >= 1:
            self._lease_size = max(self._lease_size - unused, 1.0)
        else:
            self._lease_size = self._lease_size * 2
        available = min(
            rate * LEASE_S / 60,
            (self.requests.ceiling or math.inf) - self.requests.sends.total(now),
        )
        self._permits = self._lease_size = float(
            max(1, math.floor(min(self._lease_size, available)))
        )
        self.requests.spend(self._permits, now)
        self._next_lease_at = self.requests.next_at
        self.requests.next_at -= self._permits * 60 * SPACING_MARGIN / rate
        self.requests.sends.add(self._permits, now)
        if self._id in self._turns:
            self._turns[self._id] = [now, now]

    @contextlib.contextmanager
    def _exchange(self) -> Iterator[bool]:
        """Take what other processes have stored, and store what the body adds; yield whether that
        was possible.
        """
        with self._file.change() as stored:
            if stored is None:
                yield False
                return
            self._follow_wall_clock()
            # it is overwritten
            with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
                self._read_stored(stored, self._now())
            yield True
            learned = self._to_learned()
            if learned != self._published:
                self._version = self._version + 1
                self._published = learned
            stored.clear()
            stored.update(self._to_stored())

    def _follow_wall_clock(self) -> None:
        """Follow the computer's clock, which all processes agree on, when it was set or the
        computer slept.
        """
        jump_s = clock.wall_time() - self._now()
        if abs(jump_s) < CLOCK_TOLERANCE_S:
            return
        self._skew_s += jump_s
        if jump_s < 0:
            self._paused_until = self.requests.next_at = self.tokens.next_at = (
                self._next_lease_at
            ) = -math.inf
            for counts in self._windows.values():
                counts.clear()

    def _to_learned(self) -> JsonObject:
        learned = {name: getattr(self, name) for name in _LEARNED}
        return learned | {"requests": self.requests.to_stored(), "tokens": self.tokens.to_stored()}

    def _to_stored(self) -> JsonObject:
        for counts in self._windows.values():
            counts.unshared = {}
        self._stored_token_at = self.tokens.next_at
        return {
            "version": self._version,
            "written_at": self._now(),
            "paused_until": self._paused_until,
            "next_lease_at": self._next_lease_at,
            "next_token_at": self.tokens.next_at,
            "turns": self._turns,
            "learned": self._published,
            **{name: counts.to_stored() for name, counts in self._windows.items()},
        }

    def _read_stored(self, stored: JsonObject, now: float) -> None:
        if not stored or not now - MEMORY_S < stored["written_at"] < now + CLOCK_TOLERANCE_S * 2:
            return
        if stored["version"] != self._version:
            self._adopt(stored["learned"])
            self._published = self._to_learned()
            self._version = int(stored["version"])
        for name, counts in self._windows.items():
            counts.merge(stored[name], now)
        self._turns = {
            id_: [float(seen), float(turn)] for id_, (seen, turn) in stored["turns"].items()
        }
        self._paused_until = max(self._paused_until, float(stored["paused_until"]))
        self._next_lease_at = float(stored["next_lease_at"])
        token_at = float(stored["next_token_at"])
        if token_at > self._stored_token_at > -math.inf:
            # what the others have used since
            self.tokens.next_at += token_at - self._stored_token_at
        else:
            self.tokens.next_at = max(self.tokens.next_at, token_at)

    def _adopt(self, learned: JsonObject) -> None:
        """Take what another process has learned; its refusal limits the calls in flight here,
        too.
        """
        values = {name: type(getattr(self, name))(learned[name]) for name in _LEARNED}
        self.requests.read_stored(learned["requests"])
        self.tokens.read_stored(learned["tokens"])
        if values["_consecutive_refusals"] and values["refusals"] > self.refusals:
            if not self._consecutive_refusals:
                self._earlier_max_in_flight = self.max_in_flight
            self.max_in_flight = max(1.0, min(self.max_in_flight, self.in_flight) / 2)
        elif self._consecutive_refusals and not values["_consecutive_refusals"]:
            self.max_in_flight = self._earlier_max_in_flight
            self._slot_released.set()
        values["refusals"] = max(values["refusals"], self.refusals)
        self.__dict__.update(values)


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
        return SharedRateLimiter(open_file(name))
    try:
        return SharedRateLimiter(LockedFile(_prune(state_dir(FOLDER)) / f"{name}{SUFFIX}"))
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
