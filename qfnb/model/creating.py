"""Create something that costs money exactly once, also when the answer to the creation is lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, TypeVar

from ..errors import ConnectionFailed, QianfanError, RequestError, ServerError
from ..transport import clock

T = TypeVar("T")

TRIES: Final = 3
LOOKS, BETWEEN = 3, 2.0
"""How often one looks for what may have been made, and seconds between: a list may lag behind."""

log = logging.getLogger("qfnb.model")


def once(
    create: Callable[[], T],
    find: Callable[[], T | None],
    *,
    what: str,
    doubtful: bool = False,
    stopped: threading.Event | None = None,
) -> T:
    """Return what `create` made; when its answer was lost, what `find` finds instead of a second one.

    Args:
        create: makes it; not sent twice by the client.
        find: looks for it by what only this one can have: a name, a note, an origin.
        what: how people call it, for the log.
        doubtful: an earlier attempt may have made it already.
        stopped: set it to give up.

    Raises:
        QianfanError: it could not be made, or it is not known whether it was.
    """
    waiting, tried = stopped or threading.Event(), 0
    while True:
        if doubtful and (found := _found(find, waiting)) is not None:
            log.warning("%s was made already; it is used, and no second one is made", what)
            return found
        tried += 1
        try:
            return create()
        except (RequestError, ServerError) as error:
            unsent = isinstance(error, ConnectionFailed) and not error.sent
            if unsent or tried == TRIES:
                raise
            log.warning("the answer to the creation of %s was lost (%s); looking for it", what, error)
            doubtful = True


def _found(find: Callable[[], T | None], waiting: threading.Event) -> T | None:
    """Look a few times; an error of the last look is raised, for then nobody knows."""
    for left in reversed(range(LOOKS)):
        try:
            if (found := find()) is not None:
                return found
        except QianfanError:
            if not left:
                raise
        if left and clock.pause(BETWEEN, waiting):
            break
    return None
