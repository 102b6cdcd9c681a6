"""The usage of services: calls and tokens by service, application and minute."""

import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from qfnb.wire import service_v2 as wire

from ..http import timestamps
from ..http.call import Call, Stream
from ..http.refusals import Refusal
from ..state.store import Document
from ..state.world import World
from .common import find_service

# the sandbox's application; a call with another one in its `appid` header is counted for that one
APP_ID = 10000001
KIND = "metric"
MINUTE_SECONDS = 60
COUNT_FIELDS = ("input", "output", "good", "bad")

Handler = Callable[[Call, Any], Any]
_lock = threading.Lock()


def metered(handler: Handler) -> Handler:
    """Decorate a handler of chat or completion, to count its answers for a service."""

    @functools.wraps(handler)
    def counted_handler(call: Call, body: Any) -> Any:
        name = call.path.get("model") or str(getattr(body, "model", ""))
        service = find_service(call, name)
        if service is None or "endpoint" not in service:
            return handler(call, body)
        return _call_and_count(call, service["id"], handler, body)

    return counted_handler


def usage_by_app(
    world: World, service_id: str, start: float, end: float, apps: list[str] | str | None
) -> list[dict[str, Any]]:
    """Return the usage of a service by each application, from the minute of `start` to that of
    `end`.
    """
    app_ids = [apps] if isinstance(apps, str) else apps
    totals: dict[str, dict[str, int]] = {}
    for row in world.store.all(KIND):
        if row["service"] != service_id or not start - MINUTE_SECONDS < row["minute"] <= end:
            continue
        if not app_ids or row["app"] in app_ids:
            total = totals.setdefault(row["app"], dict.fromkeys(COUNT_FIELDS, 0))
            total |= {name: total[name] + row[name] for name in COUNT_FIELDS}
    return [
        {"appId": app, "metric": _metric_to_wire(total)} for app, total in sorted(totals.items())
    ]


def parse_time(call: Call, attribute: str, body: wire.MetricQuery) -> float:
    """Return a time of a request in Unix seconds."""
    text = getattr(body, attribute)
    try:
        return timestamps.parse_utc(text)
    except ValueError:
        name = "startTime" if attribute == "start_time" else "endTime"
        raise call.invalid(name, f"{text!r} is not like 2025-03-30T16:00:00Z") from None


async def _call_and_count(call: Call, service_id: str, handler: Handler, body: Any) -> Any:
    try:
        result = handler(call, body)
        if isinstance(result, Awaitable):
            result = await result
    except Refusal:
        _record_call(call, service_id, None)
        raise
    if isinstance(result, Stream):
        return Stream(_count_stream(call, service_id, result.pieces), result.done)
    _record_call(call, service_id, result)
    return result


async def _count_stream(
    call: Call, service_id: str, pieces: AsyncIterator[dict[str, Any]]
) -> AsyncIterator[dict[str, Any]]:
    """Yield the pieces, and record the usage of the last one; a stream that is closed early counts
    as failed.
    """
    usage_piece: dict[str, Any] | None = None
    try:
        async for piece in pieces:
            usage_piece = piece if piece.get("usage") else usage_piece
            yield piece
    finally:
        _record_call(call, service_id, usage_piece)


def _record_call(call: Call, service_id: str, answer: Mapping[str, Any] | None) -> None:
    usage = (answer or {}).get("usage") or {}
    store = call.world.store
    app = call.app or str(APP_ID)
    minute = int(call.world.clock.now() // MINUTE_SECONDS) * MINUTE_SECONDS
    added = {
        "input": int(usage.get("prompt_tokens", 0)),
        "output": int(usage.get("completion_tokens", 0)),
        "good": int(answer is not None),
        "bad": int(answer is None),
    }
    id_ = f"{KIND}-{service_id}-{app}-{minute}"
    with _lock:
        row: Document | None = store.get(KIND, id_)
        if row is None:
            store.add(KIND, id_, service=service_id, app=app, minute=minute, **added)
        else:
            store.update(id_, **{name: row[name] + added[name] for name in COUNT_FIELDS})


def _metric_to_wire(total: Mapping[str, int]) -> dict[str, int]:
    return {
        "inputTokensTotal": total["input"],
        "outputTokensTotal": total["output"],
        "tokensTotal": total["input"] + total["output"],
        "succeedCallTotal": total["good"],
        "failureCallTotal": total["bad"],
        "callTotal": total["good"] + total["bad"],
    }
