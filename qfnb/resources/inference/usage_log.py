"""What this process has asked: one line per call, for `qfnb.usage()`; nothing of what was said."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from .reply import Reply

if TYPE_CHECKING:
    import pandas as pd

MAX_ENTRIES = 100_000
"""Calls that are remembered; the oldest go first."""

ReplyT = TypeVar("ReplyT", bound=Reply[Any])


@dataclass(slots=True)
class UsageEntry:
    """One call.

    Attributes:
        at: Unix seconds when it began.
        seconds: how long it took.
        cost: CNY by list price, None where it is not known.
        error: the class of what ended it, "" when it went well.
    """

    at: float
    model: str
    host: str
    seconds: float = 0.0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    request_id: str = ""
    error: str = ""

    def record_reply(self, reply: ReplyT) -> ReplyT:
        """Take over what a reply says about itself, and name the model on it."""
        reply.model = self.model
        if (usage := reply.usage).total_tokens is not None:
            self.prompt_tokens, self.completion_tokens = usage.prompt_tokens, usage.completion_tokens
            self.cost = reply.cost
        self.request_id = reply.request_id
        return reply


_entries: deque[UsageEntry] = deque(maxlen=MAX_ENTRIES)
_lock = threading.Lock()


class log_call:  # noqa: N801 - it is used like a function
    """Write down one call, however it ends."""

    __slots__ = ("_entry", "_started")

    def __init__(self, model: str, host: str) -> None:
        self._entry, self._started = UsageEntry(time.time(), model, host), time.perf_counter()

    def __enter__(self) -> UsageEntry:
        return self._entry

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._entry.error = kind.__name__ if kind else ""
        self._entry.seconds = time.perf_counter() - self._started
        with _lock:
            _entries.append(self._entry)


def usage() -> pd.DataFrame:
    """Return the calls of this process as a DataFrame, the oldest first: time, model, tokens, cost, error."""
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    with _lock:
        rows = [asdict(entry) for entry in _entries]
    frame = pd.DataFrame(rows, columns=list(UsageEntry.__dataclass_fields__))
    frame["at"] = pd.to_datetime(frame["at"], unit="s", utc=True)
    return frame


def clear() -> None:
    """Empty the list."""
    with _lock:
        _entries.clear()
