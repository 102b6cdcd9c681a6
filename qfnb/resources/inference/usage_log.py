"""The log of this process's calls: tokens, cost and errors, and nothing of prompt or answer."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ..._tables import frame_class
from .reply import ReplyT

if TYPE_CHECKING:
    import pandas as pd

MAX_ENTRIES = 100_000
"""The number of calls in the log; older ones are dropped."""


@dataclass(slots=True)
class UsageEntry:
    """One call in the log; the fields are the columns of `usage()`, and nothing of prompt or
    answer.

    Attributes:
        at: Unix seconds of the start.
        seconds: its duration.
        cached_tokens, reasoning_tokens: parts of prompt and completion, 0 where the platform names
        none.
        cost_low, cost: CNY by list price, the ends of its range; None if unknown.
        error: the class of the exception that ended it, "" for a reply.
    """

    at: float
    model: str
    host: str
    seconds: float = 0.0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cost_low: float | None = None
    cost: float | None = None
    request_id: str = ""
    error: str = ""

    def record_reply(self, reply: ReplyT) -> ReplyT:
        """Copy tokens, cost and request id from a reply, and set the reply's model."""
        reply.model = self.model
        if (usage := reply.usage).total_tokens is not None:
            self.prompt_tokens = usage.prompt_tokens
            self.completion_tokens = usage.completion_tokens
            self.cached_tokens = usage.cached_tokens
            self.reasoning_tokens = usage.reasoning_tokens
        if (cost := reply.cost_range) is not None:
            self.cost_low = cost.low
            self.cost = cost.high
        self.request_id = reply.request_id
        return reply


# without a lock, which a forked child could inherit locked
_entries: deque[UsageEntry] = deque(maxlen=MAX_ENTRIES)


def log_usage(entry: UsageEntry) -> None:
    """Add a call that has ended to the log."""
    entry.seconds = max(time.time() - entry.at, 0.0)
    _entries.append(entry)


def entries() -> list[UsageEntry]:
    """Return the calls of this process, oldest first."""
    return list(_entries)


def usage() -> pd.DataFrame:
    """Return the calls of this process as a DataFrame, oldest first: time, model, tokens, cost,
    error.

    A notebook shows the last of them, and what all used.
    """
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    rows = [asdict(entry) for entry in entries()]
    frame: pd.DataFrame = frame_class("UsageTable")(
        rows, columns=list(UsageEntry.__dataclass_fields__)
    )
    frame["at"] = pd.to_datetime(frame["at"], unit="s", utc=True)
    return frame
