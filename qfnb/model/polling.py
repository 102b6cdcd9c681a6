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

TRANSIENT_ERRORS = (RequestError, ServerError, RateLimitError)
"""Errors that go away by themselves: a job on the platform goes on meanwhile."""

MAX_REFUSALS: Final = 3
"""So many other errors in a row end the watch."""

MAX_RETRY_INTERVAL_S: Final = 60.0
"""Seconds between two looks while nobody answers, unless the interval itself is longer."""

SPEED_UP, GROWTH = 8.0, 1.6
"""After a change one looks so many times as often, and then each time so much later, up to the interval."""


@dataclass(frozen=True)
class PollResult(Generic[T]):
    """One look: an answer, or why there is none.

    Attributes:
        failing_since: Unix seconds since when nobody has answered, None while somebody does.
    """

    answer: T | None
    error: QianfanError | None = None
    failing_since: float | None = None


class Poller(Generic[T]):
    """Looks again and again, often after a change and rarely when nothing moves.

    Args:
        look: asks the platform.
        interval: seconds between two looks when nothing moves; in the sandbox it looks at once.
        stopped: set it to end the watch.
    """

    def __init__(self, fetch: Callable[[], T], interval: float, stop_event: threading.Event) -> None:
        self._fetch, self._stop_event = fetch, stop_event
        self._interval_s = connect.polling_interval(interval)
        self._next_interval_s = self._interval_s / SPEED_UP

    def reset_interval(self) -> None:
        """Look more often again: something has changed."""
        self._next_interval_s = self._interval_s / SPEED_UP

    def __iter__(self) -> Iterator[PollResult[T]]:
        """Yield what each look saw, without end, until the watch is stopped.

        Raises:
            QianfanError: the platform refuses to answer, several times in a row.
        """
        failures, refusals, failing_since = 0, 0, None
        while True:
            try:
                result: PollResult[T] = PollResult(self._fetch())
                failures, refusals, failing_since = 0, 0, None
            except (*TRANSIENT_ERRORS, APIError, SandboxError) as error:
                refusals = 0 if isinstance(error, TRANSIENT_ERRORS) else refusals + 1
                if refusals == MAX_REFUSALS:
                    raise
                failures, failing_since = failures + 1, failing_since or time.time()
                result = PollResult(None, error, failing_since)
            yield result
            if clock.wait(self._next_pause(failures), self._stop_event):
                return

    def _next_pause(self, failures: int) -> float:
        if failures:
            longest = max(MAX_RETRY_INTERVAL_S, self._interval_s)
            return min(self._interval_s * 2.0 ** min(failures, 10), longest) * random.uniform(0.8, 1.0)  # noqa: S311
        pause_s, self._next_interval_s = (
            self._next_interval_s,
            min(self._next_interval_s * GROWTH, self._interval_s),
        )
        return pause_s


def wait_for_state(
    fetch: Callable[[], T],
    state_of: Callable[[T], str],
    *,
    done_states: Collection[str],
    failed_states: Collection[str],
    interval: float,
    label: str,
    stop_event: threading.Event | None = None,
) -> T:
    """Look again and again until the state is one of `done_states`; unknown states count as "not yet".

    Raises:
        QianfanError: the state is one of `failed_states`, the wait was stopped, or the platform refuses to answer.
    """
    poller, last_state = Poller(fetch, interval, stop_event or threading.Event()), ""
    for poll in poller:
        if poll.answer is None:
            continue
        state = state_of(poll.answer)
        if state in done_states:
            return poll.answer
        if state in failed_states:
            raise QianfanError(f"{label} ended as {state!r}")
        if state != last_state:
            poller.reset_interval()
        last_state = state
    raise QianfanError(f"waiting for {label} was stopped")
