"""Create something that costs money exactly once, also when the answer to the creation is lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from ..errors import ConnectionFailed, QianfanError, RequestError, ServerError
from ..transport import clock

T = TypeVar("T")

MAX_ATTEMPTS: Final = 3
MAX_LOOKUPS, LOOKUP_INTERVAL_S = 3, 2.0
"""How often one looks for what may have been made, and seconds between: a list may lag behind."""

log = logging.getLogger("qfnb.model")


def create_once(
    create: Callable[[], T],
    find_existing: Callable[[], T | None],
    *,
    label: str,
    may_exist: bool = False,
    stop_event: threading.Event | None = None,
) -> T:
    """Return what `create` made; when its answer was lost, what `find_existing` finds instead of a second one.

    Args:
        create: makes it; not sent twice by the client.
        find_existing: looks for it by what only this one can have: a name, a note, an origin.
        label: how people call it, for the log.
        may_exist: an earlier attempt may have made it already.
        stop_event: set it to give up.

    Raises:
        QianfanError: it could not be made, or it is not known whether it was.
    """
    cancelled, attempts = stop_event or threading.Event(), 0
    while True:
        if may_exist and (existing := _look_up(find_existing, cancelled)) is not None:
            log.warning("%s was made already; it is used, and no second one is made", label)
            return existing
        attempts += 1
        try:
            return create()
        except (RequestError, ServerError) as error:
            is_unsent = isinstance(error, ConnectionFailed) and not error.sent
            if is_unsent or attempts == MAX_ATTEMPTS:
                raise
            log.warning("the answer to the creation of %s was lost (%s); looking for it", label, error)
            may_exist = True


def _look_up(find_existing: Callable[[], T | None], stop_event: threading.Event) -> T | None:
    """Look a few times; an error of the last look is raised, for then nobody knows."""
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
