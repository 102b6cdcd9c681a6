"""What became of one row of a batch, as plain facts: the columns of result frames and of journals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from ..errors import QianfanError
from ..redact import redact
from ..resources.inference.reply import ChatResponse, Reply
from ..wire import chat as wire

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class RowResult:
    """One row's answer or error.

    Attributes:
        text: the answer, None where there is none (a failed row, a vector, a picture).
        finish_reason: why the model stopped: `stop`, `length` (cut off), `content_filter`, `tool_calls`...
        cost: CNY by list price, None where it is not known.
        seconds: how long the last try took.
        attempts: how often the row was sent.
        error, message: the class of what went wrong, "" when nothing did, and what it says.
    """

    text: str | None = None
    reasoning: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    seconds: float | None = None
    attempts: int = 1
    error: str = ""
    message: str = ""
    request_id: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is an answer."""
        return not self.error

    @classmethod
    def of(cls, reply: Reply[Any]) -> RowResult:
        """Return the facts of a reply."""
        usage, chat = reply.usage, isinstance(reply, ChatResponse)
        return cls(
            text=replace_surrogates(wire.text_of(reply.body)) if chat else None,
            reasoning=replace_surrogates(wire.reasoning_of(reply.body)) or None if chat else None,
            finish_reason=_finish_reason(reply.body) if chat else None,
            prompt_tokens=_plausible_count(usage.prompt_tokens),
            completion_tokens=_plausible_count(usage.completion_tokens),
            cost=reply.cost
            if _plausible_count(usage.total_tokens) is not None or reply.from_sandbox
            else None,
            seconds=reply.statistic.get("total_latency"),
            attempts=int(reply.statistic.get("attempts", 1)),
            request_id=replace_surrogates(str(reply.request_id)),
        )

    @classmethod
    def from_error(cls, error: BaseException) -> RowResult:
        """Return the facts of an error."""
        return cls(
            attempts=getattr(error, "attempts", 1),
            error=type(error).__name__,
            message=summarize_error(error),
            request_id=replace_surrogates(str(getattr(error, "request_id", ""))),
        )


MAX_TOKENS = 1 << 53
"""What a column can hold, and more than anybody counts."""

RESULT_COLUMNS = tuple(f.name for f in fields(RowResult))


def results_to_frame(
    results: Iterable[RowResult], leading_columns: dict[str, Sequence[Any]] | None = None
) -> pd.DataFrame:
    """Return outcomes as a DataFrame, one row each; `leading_columns` are further columns, before them."""
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    rows = list(results)
    columns = {name: [getattr(row, name) for row in rows] for name in RESULT_COLUMNS}
    frame = pd.DataFrame({**(leading_columns or {}), **columns})
    return frame.astype({"prompt_tokens": "Int64", "completion_tokens": "Int64", "cost": "float64"})


def summarize_error(error: BaseException) -> str:
    """Return what an error says, without secrets, on one line."""
    lines = str(error).splitlines()
    return replace_surrogates(redact(lines[0])) if lines else type(error).__name__


def replace_surrogates(text: str) -> str:
    """Return a text that can be written as UTF-8: a model may send half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def is_transient(error: BaseException) -> bool:
    """Tell whether the same row may be answered later: the platform's or the network's trouble."""
    return isinstance(error, QianfanError) and type(error).__name__ in TRANSIENT_ERRORS


TRANSIENT_ERRORS = frozenset(
    {
        "ConnectionFailed",
        "RateLimitError",
        "RequestTimeoutError",
        "ServerError",
        "StreamInterrupted",
        "UnexpectedContent",
    }
)
"""Errors that say nothing about the row itself."""


def _plausible_count(tokens: int | None) -> int | None:
    """Return a count that can be one; a server may send any number."""
    return tokens if tokens is not None and 0 <= tokens < MAX_TOKENS else None


def _finish_reason(body: Any) -> str | None:
    """Return why a model stopped, in v2's words; v1 says it in flags, and "normal" for "stop"."""
    if body.get("is_truncated"):
        return "length"
    if body.get("need_clear_history") or body.get("flag"):
        return "content_filter"
    reason = wire.finish_reason(body)
    return "stop" if reason == "normal" else None if reason is None else replace_surrogates(str(reason))
