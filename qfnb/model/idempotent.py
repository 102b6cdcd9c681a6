"""Create a billed object exactly once, also when the answer to the request is lost."""

import logging
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from .._notices import warn_once
from ..base.language import tr
from ..errors import ConnectionFailed, QianfanError, RequestError, ServerError
from ..transport import clock

T = TypeVar("T")

MAX_ATTEMPTS: Final = 3
MAX_LOOKUPS = 3
LOOKUP_INTERVAL_S = 2.0
"""Lookups of an object that may have been created, and seconds between them: a list may lag
behind.
"""

log = logging.getLogger("qfnb.model")


def create_once(
    create: Callable[[], T],
    find_existing: Callable[[], T | None],
    *,
    label: str,
    may_exist: bool = False,
    stop_event: threading.Event | None = None,
) -> T:
    """Return the result of `create`; where its answer was lost, look for the object before a second
    attempt.

    Args:
        create: sends the request once and returns the object.
        find_existing: finds the object by what is unique to it (name, note, origin); None where it
            is not there.
        label: the object's name in the log.
        may_exist: whether an earlier attempt may have created the object.
        stop_event: set it to give up.

    Raises:
        QianfanError: the object was not created, or it is unknown whether it was.
    """
    cancelled = stop_event or threading.Event()
    attempts = 0
    while True:
        if may_exist and (existing := _look_up(find_existing, cancelled)) is not None:
            warn_once(
                tr("{thing} exists already; it is used, and no second one is created", thing=label)
            )
            return existing
        attempts += 1
        try:
            return create()
        except (RequestError, ServerError) as error:
            is_unsent = isinstance(error, ConnectionFailed) and not error.sent
            if is_unsent or attempts == MAX_ATTEMPTS:
                raise
            text = tr(
                "the answer to the creation of {thing} was lost ({reason}); looking for it",
                thing=label,
                reason=error,
            )
            log.warning(text)
            may_exist = True


def _look_up(find_existing: Callable[[], T | None], stop_event: threading.Event) -> T | None:
    """Look the object up `MAX_LOOKUPS` times; an error of the last lookup is raised."""
    for remaining in reversed(range(MAX_LOOKUPS)):
        try:
            if (existing := find_existing()) is not None:
                return existing
        except QianfanError:
            if not remaining:
                raise
        if remaining and clock.wait(LOOKUP_INTERVAL_S, stop_event):
            break
    return None
