"""The result of the row of a batch that got a reply, or an error."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..._jobs.row_result import RowResult
from ...errors import UnreadableAnswer
from ...redact import hide_keys
from ...wire import chat as wire
from ...wire.prices import sum_prices
from .reply import ChatResponse, Reply, plausible_count


def row_result_of(reply: Reply[Any], *, at_list_price: bool = False) -> RowResult:
    """Return the result of the row of a batch that got this reply.

    Args:
        reply: the reply.
        at_list_price: what it would cost on the platform is the cost of a sandbox answer too, which
            nobody bills.
    """
    usage = reply.usage
    is_chat = isinstance(reply, ChatResponse)
    is_counted = reply.from_sandbox
    is_counted = is_counted or plausible_count(usage.total_tokens) is not None
    cost = (reply.list_price if at_list_price else reply.cost_range) if is_counted else None
    details = usage.model_extra or {}
    counts: dict[str, Any] = {
        "prompt_tokens": plausible_count(usage.prompt_tokens),
        "completion_tokens": plausible_count(usage.completion_tokens),
        "cached_tokens": usage.cached_tokens if "prompt_tokens_details" in details else None,
        "reasoning_tokens": usage.reasoning_tokens
        if "completion_tokens_details" in details
        else None,
    }
    if reply.earlier:
        before = [row_result_of(each, at_list_price=at_list_price) for each in reply.earlier]
        cost = sum_prices([cost, *(each.cost_range for each in before)])
        counts = {
            name: _sum([count, *(getattr(each, name) for each in before)])
            for name, count in counts.items()
        }
    return RowResult(
        text=hide_keys(wire.text_of(reply.body)) if is_chat else None,
        reasoning=hide_keys(wire.reasoning_of(reply.body)) or None if is_chat else None,
        finish_reason=_finish_reason(reply.body) if is_chat else None,
        **counts,
        cost_low=cost.low if cost else None,
        cost=cost.high if cost else None,
        seconds=reply.statistic.get("total_latency"),
        attempts=int(reply.statistic.get("attempts", 1)),
        request_id=hide_keys(str(reply.request_id)),
    )


def failed_result(error: Exception, *, at_list_price: bool = False) -> RowResult:
    """Return the result of a row that failed; an answer that is not in the requested format is kept
    and counted.
    """
    failure = RowResult.from_error(error)
    if not isinstance(error, UnreadableAnswer) or error.reply is None:
        return failure
    return replace(
        row_result_of(error.reply, at_list_price=at_list_price),
        error=failure.error,
        message=failure.message,
    )


def _sum(values: Sequence[int | None]) -> int | None:
    """Return the sum, None if any value is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _finish_reason(body: Any) -> str | None:
    """Return why the model stopped, in v2's words; v1 has flags, and "normal" for "stop"."""
    if body.get("is_truncated"):
        return "length"
    if body.get("need_clear_history") or body.get("flag"):
        return "content_filter"
    reason = wire.finish_reason(body)
    return "stop" if reason == "normal" else None if reason is None else str(reason)
