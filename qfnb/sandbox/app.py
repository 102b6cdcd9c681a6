"""The sandbox as an ASGI application, built from the endpoint table."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..wire.base import ENDPOINTS, Endpoint, Plane
from ..wire.chat import CHAT_V1, CHAT_V2
from . import (  # noqa: F401 - they register handlers
    auth,
    batch_inference,
    batches,
    control,
    datasets,
    files,
    finetune,
    images,
    inference,
    models,
    plugins,
    services,
    storage,
    texts,
)
from .guard import Guard
from .routing import HANDLERS, MARK, Call, Refusal, Stream, envelope, received, refuse
from .trouble import Fault
from .world import World

log = logging.getLogger("qfnb.sandbox")


def build(world: World) -> Guard:
    """Return the application of one world, guarded."""
    by_route: dict[tuple[str, str], dict[str | None, Endpoint[Any, Any]]] = {}
    for endpoint in ENDPOINTS.values():
        if endpoint.name in HANDLERS:
            by_route.setdefault((endpoint.path, endpoint.method), {})[endpoint.action] = endpoint
    routes = [_route(world, path, method, actions) for (path, method), actions in by_route.items()]
    routes = [
        *files.routes(world),
        *routes,
        *control.routes(world),
        *storage.routes(world),
        *images.routes(world),
    ]
    app = Starlette(routes=routes)
    app.add_route("/{rest:path}", _unknown, methods=["GET", "POST", "PUT", "DELETE"])
    return Guard(app, world)


def _route(world: World, path: str, method: str, actions: Mapping[str | None, Endpoint[Any, Any]]) -> Route:
    async def answer(request: Request) -> Response:
        action = request.query_params.get("Action")
        endpoint = actions.get(action)
        if endpoint is None:
            raised = refuse("console", 0, f"unknown Action {action!r}", shape="action")
            return JSONResponse(raised.body, raised.status, MARK)
        world.touch(endpoint.name)
        try:
            return await _serve(world, endpoint, request)
        except Refusal as refusal:
            return _json(refusal.body, refusal.status, refusal.headers)

    return Route(path, answer, methods=[method])


async def _serve(world: World, endpoint: Endpoint[Any, Any], request: Request) -> Response:
    content = await request.body()
    auth.authorize(world, endpoint.plane, auth.seen(request))
    call = Call(world, endpoint, request.path_params, dict(request.query_params))
    asking = endpoint.name in {CHAT_V1.name, CHAT_V2.name}
    if asking:
        world.register.note(content, answered=False)
    if asking and (over := world.quota.take()):
        raise _too_fast(world, endpoint.plane, over)
    fault = world.trouble.strike(endpoint.name)
    if fault is not None and fault.fault == "status":
        return _failing(endpoint.plane, fault)
    if fault is not None and fault.fault == "slow":
        await asyncio.sleep(fault.seconds)
    result = HANDLERS[endpoint.name](call, received(call, content))
    if inspect.isawaitable(result):
        result = await result
    if isinstance(result, Stream):
        return StreamingResponse(
            _events(world, result, fault),
            headers=MARK
            | world.quota.headers()
            | {"content-type": "text/event-stream;charset=utf-8", "x-baidu-request-id": call.id},
        )
    if fault is not None and fault.fault == "stall":
        await asyncio.sleep(3600)
    if asking:
        world.register.note(content, answered=True)
        world.quota.spend(result)
    headers = {"x-baidu-request-id": call.id}
    if endpoint.plane in {"v1", "v2"}:
        headers |= world.quota.headers()
    answer = _json(envelope(endpoint, result), headers=headers)
    return _broken(answer) if fault is not None and fault.fault in {"reset", "cut"} else answer


def _json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(content, status, MARK | dict(headers or {}), media_type="application/json; charset=utf-8")


async def _events(world: World, stream: Stream, fault: Fault | None) -> AsyncIterator[bytes]:
    with world.streaming():
        count = 0
        async for piece in stream.pieces:
            if fault is not None and count >= fault.after:
                if fault.fault == "stall":
                    await asyncio.sleep(3600)
                if fault.fault == "reset":
                    raise ConnectionResetError("a fault that was asked for")
                if fault.fault == "error":
                    yield _event(
                        {"error_code": 336000, "error_msg": "Internal error", "id": piece.get("id", "")}
                    )
                return
            yield _event(piece)
            count += 1
        if stream.done is not None:
            yield f"data: {stream.done}\n\n".encode()


def _event(piece: Mapping[str, Any]) -> bytes:
    """Write one event; a piece may name it under `_event`."""
    name = f"event: {piece['_event']}\n" if "_event" in piece else ""
    data = {key: value for key, value in piece.items() if key != "_event"}
    return f"{name}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _broken(answer: Response) -> Response:
    """Return an answer whose connection breaks in the middle of it."""

    async def half() -> AsyncIterator[bytes]:
        yield bytes(answer.body)[: len(answer.body) // 2]
        raise ConnectionResetError("a fault that was asked for")

    return StreamingResponse(half(), answer.status_code, dict(answer.headers))


def _too_fast(world: World, plane: Plane, over: str) -> Refusal:
    """Return what the platform says to a request that exceeds a limit."""
    word, code = f"{over}_rate_limit_exceeded", 336501 if over == "rpm" else 336502
    message = f"Rate limit reached for {over.upper()}"
    refusal = refuse(plane, code, message, word=word, kind="rate_limit_exceeded", status=429)
    return Refusal(refusal.status, refusal.body, world.quota.headers())


def _failing(plane: Plane, fault: Fault) -> Response:
    words = {
        400: ("invalid_argument", "Invalid argument", "invalid_request_error"),
        429: ("rpm_rate_limit_exceeded", "Rate limit reached for RPM", "rate_limit_exceeded"),
    }
    word, message, kind = words.get(fault.status, ("internal_error", "Internal error", "server_error"))
    refusal = refuse("v2", 336000, message, word=word, kind=kind, status=fault.status)
    headers = {"retry-after": fault.retry_after} if fault.retry_after else {}
    return _json(refusal.body, fault.status, headers)


async def _unknown(request: Request) -> Response:
    """Answer a path that is not served, in the shape of the plane that the path belongs to."""
    if request.url.path.startswith("/v2/"):
        refusal = refuse("v2", 0, "the sandbox does not serve this path", word="invalid_path", status=404)
        return _json(refusal.body, refusal.status)
    refusal = refuse("v1", 3, "Unsupported openapi method")
    return _json(refusal.body, refusal.status)
