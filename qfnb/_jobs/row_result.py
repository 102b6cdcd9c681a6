"""The result of one row of a batch as plain values: the columns of result frames and of
journals.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from ..base.text import replace_surrogates
from ..errors import QianfanError
from ..redact import redact
from ..wire.prices import PriceRange

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class RowResult:
    """The answer or the error of one row; the names of the fields are stored in journals.

    Attributes:
        text: the answer; None for a failed row, a vector or an image; of `qfnb.batch` the path of a
            saved picture.
        reasoning: the model's reasoning; None when it shows none.
        finish_reason: why the model stopped: `stop`, `length` (cut off), `content_filter`,
            `tool_calls`...
        prompt_tokens, completion_tokens: counted by the platform; None when unknown.
        cached_tokens, reasoning_tokens: the parts of these that were cached, and that are thinking.
        cost: CNY by list price; None when unknown. Of a range it is the upper end, and `cost_low`
            the lower.
        seconds: duration of the last attempt.
        attempts: how often the row was sent, from 1.
        error, message: the error's class and its first line; "" for an answered row.
        request_id: the platform's id of the request.
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
    cost_low: float | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None

    @property
    def ok(self) -> bool:
        """Whether the row was answered."""
        return not self.error

    @property
    def cost_range(self) -> PriceRange | None:
        """The cost; journals of earlier versions have no lower end."""
        if self.cost is None:
            return None
        return PriceRange(self.cost if self.cost_low is None else self.cost_low, self.cost)

    def encodable(self) -> RowResult:
        """Return it with lone surrogates replaced, so that it can be stored and shown; models do
        send them.
        """
        texts: dict[str, Any] = {
            name: replace_surrogates(value)
            for name in RESULT_COLUMNS
            if isinstance(value := getattr(self, name), str)
        }
        return replace(self, **texts)

    @classmethod
    def from_error(cls, error: BaseException) -> RowResult:
        """Return the result of a row that failed with this error."""
        return cls(
            attempts=getattr(error, "attempts", 1),
            error=type(error).__name__,
            message=summarize_error(error),
            request_id=str(getattr(error, "request_id", "")),
        )


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
"""Errors of the platform or the network, not of the row. Journals store and query these names."""

RESULT_COLUMNS = tuple(f.name for f in fields(RowResult))

_COLUMN_TYPES = dict.fromkeys(
    ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens"), "Int64"
)
_COLUMN_TYPES |= dict.fromkeys(("cost", "cost_low"), "float64")


def results_to_frame(
    results: Iterable[RowResult], leading_columns: dict[str, Sequence[Any]] | None = None
) -> pd.DataFrame:
    """Return a DataFrame with one row per result; an answered row's `error` and `message` are
    missing.

    Args:
        results: the rows.
        leading_columns: cells by name, put before those of the results.
    """
    import pandas as pd  # noqa: PLC0415 - 0.3 s that only frames should pay

    rows = [row.encodable() for row in results]
    columns: dict[str, list[Any]] = {
        name: [getattr(row, name) for row in rows] for name in RESULT_COLUMNS
    }
    columns |= {name: [text or None for text in columns[name]] for name in ("error", "message")}
    frame = pd.DataFrame({**(leading_columns or {}), **columns})
    return frame.astype(_COLUMN_TYPES)


def summarize_error(error: BaseException) -> str:
    """Return the first line of an error's message, without secrets."""
    lines = str(error).splitlines()
    if lines:
        return replace_surrogates(redact(lines[0]))
    return type(error).__name__


def is_transient(error: BaseException) -> bool:
    """Return whether the same row may succeed later, because the platform or the network failed."""
    return isinstance(error, QianfanError) and type(error).__name__ in TRANSIENT_ERRORS
