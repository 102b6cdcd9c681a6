"""Who asked a service how much: calls and tokens, by service, application and minute."""

from __future__ import annotations

import functools
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..wire import service as wire
from .routing import Call, Refusal, Stream, refuse_call
from .store import Document

if TYPE_CHECKING:
    from .world import World

APP = 10000001
"""The sandbox's one application; a call that names another one in its `appid` header is counted there."""

KIND, MINUTE = "metric", 60
COUNTS = ("input", "output", "good", "bad")

Handler = Callable[[Call, Any], Any]
_counting = threading.Lock()


def metered(handler: Handler) -> Handler:
    """Count what a handler of chat or completion answers for a service."""

    @functools.wraps(handler)
    def counted_handler(call: Call, body: Any) -> Any:
        name = call.path.get("model") or str(getattr(body, "model", ""))
        service = call.world.service_at(name)
        if service is None or "endpoint" not in service:
            return handler(call, body)
        return _counted(call, service["id"], handler, body)

    return counted_handler


def counted(
    world: World, service_id: str, start: float, end: float, apps: list[str] | str | None
) -> list[dict[str, Any]]:
    """Return what each application asked a service, from the minute of `start` to the minute of `end`."""
    wanted = [apps] if isinstance(apps, str) else apps
    totals: dict[str, dict[str, int]] = {}
    for row in world.store.all(KIND):
        if row["service"] != service_id or not start - MINUTE < row["minute"] <= end:
            continue
        if not wanted or row["app"] in wanted:
            total = totals.setdefault(row["app"], dict.fromkeys(COUNTS, 0))
            total |= {name: total[name] + row[name] for name in COUNTS}
    return [{"appId": app, "metric": _metric(total)} for app, total in sorted(totals.items())]


def parsed(call: Call, field: str, body: wire.AskMetric) -> float:
    """Return one of a request's moments, or refuse."""
    text = getattr(body, field)
    try:
        return datetime.strptime(text, wire.TIME).replace(tzinfo=UTC).timestamp()
    except ValueError:
        name = "startTime" if field == "start_time" else "endTime"
        raise refuse_call(call, f"param[{name}] invalid: {text!r} is not like 2025-03-30T16:00:00Z") from None


async def _counted(call: Call, service_id: str, handler: Handler, body: Any) -> Any:
    try:
        result = handler(call, body)
        if isinstance(result, Awaitable):
            result = await result
    except Refusal:
        _note(call, service_id, None)
        raise
    if isinstance(result, Stream):
        return Stream(_watched(call, service_id, result.pieces), result.done)
    _note(call, service_id, result)
    return result


async def _watched(
    call: Call, service_id: str, pieces: AsyncIterator[dict[str, Any]]
) -> AsyncIterator[dict[str, Any]]:
    """Pass pieces on; the last one has the usage. A stream that is left early is no success."""
    last: dict[str, Any] | None = None
    try:
        async for piece in pieces:
            last = piece if piece.get("usage") else last
            yield piece
    finally:
        _note(call, service_id, last)


def _note(call: Call, service_id: str, answer: Mapping[str, Any] | None) -> None:
    usage = (answer or {}).get("usage") or {}
    store, app = call.world.store, call.app or str(APP)
    minute = int(call.world.clock.now() // MINUTE) * MINUTE
    added = {
        "input": int(usage.get("prompt_tokens", 0)),
        "output": int(usage.get("completion_tokens", 0)),
        "good": int(answer is not None),
        "bad": int(answer is None),
    }
    id_ = f"{KIND}-{service_id}-{app}-{minute}"
    with _counting:
        row: Document | None = store.get(KIND, id_)
        if row is None:
            store.add(KIND, id_, service=service_id, app=app, minute=minute, **added)
        else:
            store.update(id_, **{name: row[name] + added[name] for name in COUNTS})


def _metric(total: Mapping[str, int]) -> dict[str, int]:
    return {
        "inputTokensTotal": total["input"],
        "outputTokensTotal": total["output"],
        "tokensTotal": total["input"] + total["output"],
        "succeedCallTotal": total["good"],
        "failureCallTotal": total["bad"],
        "callTotal": total["good"] + total["bad"],
    }
