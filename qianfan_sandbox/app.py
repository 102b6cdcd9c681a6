"""The sandbox as an ASGI application, built from the endpoint table."""

import importlib
import inspect
import json
from collections.abc import AsyncIterator, Mapping
from itertools import chain
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from qfnb.wire.base import JsonMapping
from qfnb.wire.endpoints import ENDPOINTS, AnyEndpoint

from .http import auth, control_api  # noqa: F401 - auth registers handlers
from .http.call import (
    HANDLERS,
    SANDBOX_HEADER,
    Call,
    Refusal,
    Stream,
    as_json,
    console_refusal,
    parse_request,
    v1_refusal,
    v2_refusal,
    wrap_result,
)
from .http.guard import HostGuard
from .http.middleware import RATE_LIMITED, serve
from .state.world import World

ROOT = Path(__file__).parent

FAMILIES = (
    "batches", "chat", "datasets", "documents", "evaluation", "finetune", "models", "responses",
    "services", "storage",
)  # fmt: skip
"""The modules, and folders of modules, that answer operations; importing registers the handlers."""

MODULES = [
    importlib.import_module(".".join((__package__, *path.relative_to(ROOT).with_suffix("").parts)))
    for family in FAMILIES
    for path in sorted(ROOT.glob(f"{family}/[!_]*.py")) or [ROOT / family]
]


UNKNOWN_KEYS_HEADER = "x-qfnb-unknown-keys"
"""A header of answers: what the request's body has that the platform does not take."""

OTHER_PATHS = {"/v2/rerankers": "/v2/rerank"}
"""An older path -> the path of the operation that answers it."""


def build_app(world: World) -> HostGuard:
    """Return the application of a world, behind its host guard."""
    actions_by_route: dict[tuple[str, str], dict[str | None, AnyEndpoint]] = {}
    for endpoint in ENDPOINTS.values():
        if endpoint.name in HANDLERS:
            actions_by_route.setdefault((endpoint.path, endpoint.method), {})[endpoint.action] = (
                endpoint
            )
    actions_by_route |= {
        (path, "POST"): actions_by_route[target, "POST"] for path, target in OTHER_PATHS.items()
    }
    routes = [
        _route(world, path, method, actions) for (path, method), actions in actions_by_route.items()
    ]
    # beside the endpoint table
    extra = [module.routes(world) for module in MODULES if hasattr(module, "routes")]
    routes = [*chain(*extra), *control_api.routes(world), *routes]
    app = Starlette(routes=routes)
    app.add_route("/{rest:path}", _answer_unknown_path, methods=["GET", "POST", "PUT", "DELETE"])
    return HostGuard(app, world)


def _route(
    world: World, path: str, method: str, actions: Mapping[str | None, AnyEndpoint]
) -> Route:
    async def answer(request: Request) -> Response:
        action = request.query_params.get("Action")
        endpoint = actions.get(action)
        if endpoint is None:
            refusal = console_refusal("action", 0, f"unknown Action {action!r}")
            return refusal.to_response()
        return await serve(world, endpoint, request, _call_handler)

    return Route(path, answer, methods=[method])


async def _call_handler(call: Call, request: Request) -> Response:
    """Return the answer of an operation's handler to a request with a JSON body."""
    world = call.world
    endpoint = call.endpoint
    content = await request.body()
    result = HANDLERS[endpoint.name](call, parse_request(call, content))
    if inspect.isawaitable(result):
        result = await result
    headers = {"x-baidu-request-id": call.id}
    if call.unknown_keys:
        headers[UNKNOWN_KEYS_HEADER] = (
            ", ".join(call.unknown_keys).encode("ascii", "backslashreplace").decode()
        )
    if isinstance(result, Stream):
        headers |= world.rate_headers() | {"content-type": "text/event-stream;charset=utf-8"}
        return StreamingResponse(_encode_stream(call, result), headers=SANDBOX_HEADER | headers)
    if endpoint.name in RATE_LIMITED:
        world.delivery_counter.count(content, answered=True)
        world.quota.record_tokens(result)
    if endpoint.plane in {"v1", "v2"}:
        headers |= world.rate_headers()
    return as_json(wrap_result(endpoint, result), headers=headers)


async def _encode_stream(call: Call, stream: Stream) -> AsyncIterator[bytes]:
    last_usage: JsonMapping = {}
    with call.world.count_stream():
        try:
            async for piece in stream.pieces:
                # the usage of pieces is cumulative
                if piece.get("usage"):
                    last_usage = piece
                yield _encode_event(piece)
        # in mid-stream: the error is the last event, and no end mark follows
        except Refusal as refusal:
            yield _encode_event(refusal.body)
            return
        finally:
            if call.endpoint.name in RATE_LIMITED:
                call.world.quota.record_tokens(last_usage)
        if stream.done is not None:
            yield f"data: {stream.done}\n\n".encode()


def _encode_event(piece: JsonMapping) -> bytes:
    """Return an event as it is sent; `_event` in a piece is its name, `_unsent` has keys that stay
    here.
    """
    if "_event" in piece:
        event_line = f"event: {piece['_event']}\n"
    else:
        event_line = ""
    unsent = {"_event", "_unsent", *piece.get("_unsent", ())}
    data = {key: value for key, value in piece.items() if key not in unsent}
    return f"{event_line}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


async def _answer_unknown_path(request: Request) -> Response:
    """Answer an unknown path in the shape of its plane."""
    if request.url.path.startswith("/_sandbox/"):
        return as_json({"error": "this control does not exist"}, 404)
    if request.url.path.startswith("/v2/"):
        refusal = v2_refusal("invalid_path", "the sandbox does not serve this path", status=404)
        return refusal.to_response()
    refusal = v1_refusal(3, "Unsupported openapi method")
    return refusal.to_response()
