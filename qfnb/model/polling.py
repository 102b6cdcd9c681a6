"""Poll an object on the platform until it reaches a state; failed polls and unknown states are
waited out.
"""

import random
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from .. import connect
from ..base.language import tr
from ..errors import APIError, QianfanError, RateLimitError, RequestError, SandboxError, ServerError
from ..transport import clock

T = TypeVar("T")

TRANSIENT_ERRORS = (RequestError, ServerError, RateLimitError)
"""Errors that pass by themselves: the job on the platform continues meanwhile."""

MAX_REFUSALS: Final = 3
"""Number of other errors in a row that ends the polling."""

MAX_RETRY_INTERVAL_S: Final = 60.0
"""Longest pause in seconds while the platform does not answer, unless the interval is longer."""

SPEED_UP = 8.0
GROWTH = 1.6
"""Factor by which polls are more frequent after a change, and by which each further pause grows."""


@dataclass(frozen=True)
class PollResult(Generic[T]):
    """The result of one poll: an answer, or an error.

    Attributes:
        failing_since: Unix seconds of the first of the failed polls in a row, None after an answer.
    """

    answer: T | None
    error: QianfanError | None = None
    failing_since: float | None = None


class Poller(Generic[T]):
    """Polls often after a change, and rarely while nothing changes.

    Args:
        fetch: asks the platform.
        interval: seconds between two polls while nothing changes; shorter in the sandbox.
        stop_event: set it to end the polling.
    """

    def __init__(
        self, fetch: Callable[[], T], interval: float, stop_event: threading.Event
    ) -> None:
        self._fetch = fetch
        self._stop_event = stop_event
        self._interval_s = connect.polling_interval(interval)
        self._next_interval_s = self._interval_s / SPEED_UP

    def reset_interval(self) -> None:
        """Poll more often again, after a change."""
        self._next_interval_s = self._interval_s / SPEED_UP

    def __iter__(self) -> Iterator[PollResult[T]]:
        """Yield the result of each poll until `stop_event` is set.

        Raises:
            QianfanError: the platform refused `MAX_REFUSALS` polls in a row.
        """
        failures = 0
        refusals = 0
        failing_since = None
        while True:
            try:
                result: PollResult[T] = PollResult(self._fetch())
                failures = 0
                refusals = 0
                failing_since = None
            except (*TRANSIENT_ERRORS, APIError, SandboxError) as error:
                if isinstance(error, TRANSIENT_ERRORS):
                    refusals = 0
                else:
                    refusals = refusals + 1
                if refusals == MAX_REFUSALS:
                    raise
                failures = failures + 1
                failing_since = failing_since or time.time()
                result = PollResult(None, error, failing_since)
            yield result
            if clock.wait(self._next_pause(failures), self._stop_event):
                return

    def _next_pause(self, failure_count: int) -> float:
        if failure_count:
            longest = max(MAX_RETRY_INTERVAL_S, self._interval_s)
            pause_s = min(self._interval_s * 2.0 ** min(failure_count, 10), longest)
            return pause_s * random.uniform(0.8, 1.0)  # noqa: S311
        pause_s = self._next_interval_s
        self._next_interval_s = min(self._next_interval_s * GROWTH, self._interval_s)
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
    """Poll until the state is one of `done_states`, and return that answer; unknown states are
    waited out.

    Args:
        fetch: asks the platform.
        state_of: returns the state of an answer.
        done_states: states that end the wait.
        failed_states: states that raise.
        interval: seconds between two polls while nothing changes.
        label: what is waited for, in the messages.
        stop_event: set it to give up.

    Raises:
        QianfanError: the state is one of `failed_states`, the wait was stopped, or the platform
            refuses to answer.
    """
    poller = Poller(fetch, interval, stop_event or threading.Event())
    last_state = ""
    for poll in poller:
        if poll.answer is None:
            continue
        state = state_of(poll.answer)
        if state in done_states:
            return poll.answer
        if state in failed_states:
            raise QianfanError(tr("{job} ended in the state {state}", job=label, state=repr(state)))
        if state != last_state:
            poller.reset_interval()
        last_state = state
    raise QianfanError(tr("waiting for {job} was stopped", job=label))
