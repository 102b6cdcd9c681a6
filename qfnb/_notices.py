"""Remarks with which nothing is wrong: a warning of the log in a script, one grey line in a
notebook.

`views.formatters` shows them in a notebook; who draws an answer collects those that belong to it.
"""

import contextlib
import functools
import logging
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

LOGGER: Final = logging.getLogger("qfnb.notice")

_collected: ContextVar[list[str] | None] = ContextVar("qfnb_notices", default=None)


@functools.cache
def warn_once(text: str) -> None:
    """Log a remark, or hand it to who collects them; the same text once per process."""
    notices = _collected.get()
    if notices is None:
        LOGGER.warning("%s", text)
    else:
        notices.append(text)


@contextlib.contextmanager
def collecting(notices: list[str]) -> Iterator[None]:
    """Append the remarks that arise in a block of code, in this thread or task only, to a list."""
    token = _collected.set(notices)
    try:
        yield
    finally:
        _collected.reset(token)
