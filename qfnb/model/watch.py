"""Wait until something on the platform reaches a state: one loop, tolerant of bad polls."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from typing import TypeVar

from .. import connect
from ..errors import QianfanError, RequestError, ServerError
from ..transport import clock

T = TypeVar("T")

BAD_POLLS = 20
"""Polls in a row that may fail before the wait gives up."""


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
        QianfanError: the state is one of `failed`, the wait was stopped, or the platform stayed out of reach.
    """
    seconds, waiting, bad = connect.polling_interval(interval), stopped or threading.Event(), 0
    while True:
        try:
            answer, bad = look(), 0
        except (RequestError, ServerError):
            bad += 1
            if bad >= BAD_POLLS:
                raise
        else:
            state = state_of(answer)
            if state in done:
                return answer
            if state in failed:
                raise QianfanError(f"{what} ended as {state!r}")
        if clock.pause(min(seconds * (1 + bad), 60), waiting):
            raise QianfanError(f"waiting for {what} was stopped")
