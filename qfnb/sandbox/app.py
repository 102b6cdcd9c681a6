"""The sandbox as an ASGI application, built from the endpoint table."""

from __future__ import annotations

import inspect
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from ..wire.base import ENDPOINTS, Endpoint
from . import (  # noqa: F401 - they register handlers
    auth,
    batch_inference,
    batches,
    charges,
    cleaning,
    compressions,
    control,
    dataset_versions,
    datasets,
    entities,
    evaluation_results,
    evaluation_v2,
    evaluations,
    exports,
    files,
    finetune,
    finetune_v1,
    images,
    imports,
    improving,
    inference,
    memories,
    models,
    models_v2,
    plugins,
    prompts,
    prompts_v2,
    services,
    services_v1,
    storage,
    texts,
)
from .answering import LIMITED, as_json, serve
from .guard import Guard
from .routing import HANDLERS, MARK, Call, Refusal, Stream, envelope, received, refuse
from .world import World


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
        *entities.routes(world),
        *exports.routes(world),
        *imports.routes(world),
        *evaluation_results.routes(world),
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
            return as_json(raised.body, raised.status)
        return await serve(world, endpoint, request, _handle)

    return Route(path, answer, methods=[method])


async def _handle(call: Call, request: Request) -> Response:
    """Return what the handler of a row says to a JSON body."""
    world, endpoint, content = call.world, call.endpoint, await request.body()
    result = HANDLERS[endpoint.name](call, received(call, content))
    if inspect.isawaitable(result):
        result = await result
    headers = {"x-baidu-request-id": call.id}
    if isinstance(result, Stream):
        headers |= world.quota.headers() | {"content-type": "text/event-stream;charset=utf-8"}
        return StreamingResponse(_events(world, result), headers=MARK | headers)
    if endpoint.name in LIMITED:
        world.register.note(content, answered=True)
        world.quota.spend(result)
    if endpoint.plane in {"v1", "v2"}:
        headers |= world.quota.headers()
    return as_json(envelope(endpoint, result), headers=headers)


async def _events(world: World, stream: Stream) -> AsyncIterator[bytes]:
    with world.streaming():
        try:
            async for piece in stream.pieces:
                yield _event(piece)
        except Refusal as refusal:  # in the middle: the last event is what went wrong, and no end mark comes
            yield _event(refusal.body)
            return
        if stream.done is not None:
            yield f"data: {stream.done}\n\n".encode()


def _event(piece: Mapping[str, Any]) -> bytes:
    """Write one event; a piece may name it under `_event`."""
    name = f"event: {piece['_event']}\n" if "_event" in piece else ""
    data = {key: value for key, value in piece.items() if key != "_event"}
    return f"{name}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


async def _unknown(request: Request) -> Response:
    """Answer a path that is not served, in the shape of the plane that the path belongs to."""
    if request.url.path.startswith("/_sandbox/"):
        return as_json({"error": "there is no such control"}, 404)
    if request.url.path.startswith("/v2/"):
        refusal = refuse("v2", 0, "the sandbox does not serve this path", word="invalid_path", status=404)
        return as_json(refusal.body, refusal.status)
    refusal = refuse("v1", 3, "Unsupported openapi method")
    return as_json(refusal.body, refusal.status)
