"""Watch something on the platform until it is over: bad polls and unknown states are waited out."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from .. import connect
from ..errors import APIError, QianfanError, RateLimitError, RequestError, SandboxError, ServerError
from ..transport import clock

T = TypeVar("T")

PASSING = (RequestError, ServerError, RateLimitError)
"""Errors that go away by themselves: a job on the platform goes on meanwhile."""

REFUSALS: Final = 3
"""So many other errors in a row end the watch."""

LONGEST: Final = 60.0
"""Seconds between two looks while nobody answers, unless the interval itself is longer."""

SOONER, GROWTH = 8.0, 1.6
"""After a change one looks so many times as often, and then each time so much later, up to the interval."""


@dataclass(frozen=True)
class Look(Generic[T]):
    """One look: an answer, or why there is none.

    Attributes:
        since: Unix seconds since when nobody has answered, None while somebody does.
    """

    answer: T | None
    error: QianfanError | None = None
    since: float | None = None


class Watch(Generic[T]):
    """Looks again and again, often after a change and rarely when nothing moves.

    Args:
        look: asks the platform.
        interval: seconds between two looks when nothing moves; in the sandbox it looks at once.
        stopped: set it to end the watch.
    """

    def __init__(self, look: Callable[[], T], interval: float, stopped: threading.Event) -> None:
        self._look, self._stopped = look, stopped
        self._interval = connect.polling_interval(interval)
        self._seconds = self._interval / SOONER

    def moved(self) -> None:
        """Look more often again: something has changed."""
        self._seconds = self._interval / SOONER

    def __iter__(self) -> Iterator[Look[T]]:
        """Yield what each look saw, without end, until the watch is stopped.

        Raises:
            QianfanError: the platform refuses to answer, several times in a row.
        """
        bad, refused, since = 0, 0, None
        while True:
            try:
                seen: Look[T] = Look(self._look())
                bad, refused, since = 0, 0, None
            except (*PASSING, APIError, SandboxError) as error:
                refused = 0 if isinstance(error, PASSING) else refused + 1
                if refused == REFUSALS:
                    raise
                bad, since = bad + 1, since or time.time()
                seen = Look(None, error, since)
            yield seen
            if clock.pause(self._pause(bad), self._stopped):
                return

    def _pause(self, bad: int) -> float:
        if bad:
            longest = max(LONGEST, self._interval)
            return min(self._interval * 2.0 ** min(bad, 10), longest) * random.uniform(0.8, 1.0)  # noqa: S311
        seconds, self._seconds = self._seconds, min(self._seconds * GROWTH, self._interval)
        return seconds


def until(
    look: Callable[[], T],
    state_of: Callable[[T], str],
    *,
    done: Collection[str],
    failed: Collection[str],
    interval: float,
    what: str,
    stopped: threading.Event | None = None,
) -> T:
    """Look again and again until the state is one of `done`; unknown states count as "not yet".

    Raises:
        QianfanError: the state is one of `failed`, the wait was stopped, or the platform refuses to answer.
    """
    watch, last = Watch(look, interval, stopped or threading.Event()), ""
    for seen in watch:
        if seen.answer is None:
            continue
        state = state_of(seen.answer)
        if state in done:
            return seen.answer
        if state in failed:
            raise QianfanError(f"{what} ended as {state!r}")
        if state != last:
            watch.moved()
        last = state
    raise QianfanError(f"waiting for {what} was stopped")
