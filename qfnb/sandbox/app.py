"""The sandbox as an ASGI application, built from the endpoint table."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import secrets
import uuid
from collections.abc import AsyncIterator, Mapping
from typing import Any

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..wire.base import ENDPOINTS, Endpoint, Plane, Record
from . import (  # noqa: F401 - they register handlers
    auth,
    datasets,
    finetune,
    images,
    inference,
    models,
    plugins,
    services,
    texts,
)
from .guard import Guard
from .routing import HANDLERS, Call, Refusal, Stream, refuse
from .world import Fault, World

log = logging.getLogger("qfnb.sandbox")

MARK = {"x-qfnb-sandbox": "1"}
"""On every answer, so that no client can take it for the cloud's."""


def build(world: World) -> Guard:
    """Return the application of one world, guarded."""
    by_route: dict[tuple[str, str], dict[str | None, Endpoint[Any, Any]]] = {}
    for endpoint in ENDPOINTS.values():
        if endpoint.name in HANDLERS:
            by_route.setdefault((endpoint.path, endpoint.method), {})[endpoint.action] = endpoint
    routes = [_route(world, path, method, actions) for (path, method), actions in by_route.items()]
    app = Starlette(routes=[*routes, *_control(world), *datasets.object_routes(world), *images.routes(world)])
    app.add_route("/{rest:path}", _unknown, methods=["GET", "POST", "PUT", "DELETE"])
    return Guard(app, world)


def _route(world: World, path: str, method: str, actions: Mapping[str | None, Endpoint[Any, Any]]) -> Route:
    async def answer(request: Request) -> Response:
        action = request.query_params.get("Action")
        endpoint = actions.get(action)
        if endpoint is None:
            raised = refuse("console", 0, f"unknown Action {action!r}", action=True)
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
    fault = world.strike(endpoint.name)
    if fault is not None and fault.fault == "status":
        return _failing(endpoint.plane, fault)
    body = _parse(endpoint, content)
    result = HANDLERS[endpoint.name](call, body)
    if inspect.isawaitable(result):
        result = await result
    if isinstance(result, Stream):
        return StreamingResponse(
            _events(world, result, fault),
            headers=MARK
            | world.limits()
            | {"content-type": "text/event-stream;charset=utf-8", "x-baidu-request-id": call.id},
        )
    if fault is not None and fault.fault == "stall":
        await asyncio.sleep(3600)
    headers = {"x-baidu-request-id": call.id}
    if endpoint.plane in {"v1", "v2"}:
        headers |= world.limits()
    return _json(_envelope(endpoint, result), headers=headers)


def _parse(endpoint: Endpoint[Any, Any], content: bytes) -> Record:
    action = bool(endpoint.action)
    try:
        value = json.loads(content or b"{}")
    except (ValueError, RecursionError):
        raise refuse(endpoint.plane, 336002, "Invalid JSON", word="malformed_json", action=action) from None
    try:
        body: Record = endpoint.body.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        word = "invalid_messages" if where.startswith("messages") else "invalid_argument"
        message = f"param[{where}] invalid: {first['msg']}"
        raise refuse(endpoint.plane, 336003, message, word=word, action=action) from None
    return body


def _envelope(endpoint: Endpoint[Any, Any], result: Any) -> Any:
    value = [_plain(item) for item in result] if isinstance(result, list) else _plain(result)
    if endpoint.plane != "console":
        return value
    if endpoint.action:
        return {"requestId": str(uuid.uuid4()), "result": value}
    return {"log_id": str(uuid.uuid4().int % 10**10), "result": value, "status": 200, "success": True}


def _plain(value: Any) -> Any:
    return value.to_wire() if isinstance(value, Record) else value


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


def _control(world: World) -> list[Route]:
    """Return the routes of the sandbox's own control, which need the control token."""

    def guarded(handle: Any) -> Any:
        async def answer(request: Request) -> Response:
            given = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not secrets.compare_digest(given.encode(), world.address.control_token.encode()):
                return _json({"error": "the control token is wrong"}, 401)
            return _json(handle(json.loads(await request.body() or b"{}")))

        return answer

    def health(_: Any) -> dict[str, Any]:
        now = {"pid": world.address.pid, "version": world.address.version, "trainings": world.workshop.busy}
        return now | {"streams": world.streams, "requests": world.requests}

    def stop(_: Any) -> dict[str, bool]:
        world.stop()
        return {"stopping": True}

    def add_fault(body: dict[str, Any]) -> dict[str, int]:
        world.faults.append(Fault(**body))
        return {"faults": len(world.faults)}

    return [
        Route("/_sandbox/health", guarded(health), methods=["GET"]),
        Route("/_sandbox/stop", guarded(stop), methods=["POST"]),
        Route("/_sandbox/faults", guarded(add_fault), methods=["POST"]),
    ]
