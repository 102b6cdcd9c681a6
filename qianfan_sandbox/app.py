"""The sandbox as an ASGI application: the endpoint table, the control interface and their guard.

Health, stop, and what tests switch on need the control token; programs of this computer are
answered, web pages in a browser are not.
"""

import asyncio
import contextlib
import inspect
import json
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set as AbstractSet
from typing import Any
from urllib.parse import urlsplit

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qfnb.wire.base import JsonMapping, JsonObject
from qfnb.wire.batches import MAX_FILE_BYTES, UPLOAD
from qfnb.wire.endpoints import ENDPOINTS, AnyEndpoint

from . import (
    batches,
    datasets,
    documents,
    evaluation,
    evaluation_worker,
    inference_tasks,
    models,
    responses,
    rows,
    services,
    storage,
)
from .chat import chat, completion_embedding, images
from .engines.protocol import BUILT_IN
from .failures import DeliveryCounter, Fault, describe_error
from .finetune import runs
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
from .http.middleware import RATE_LIMITED, serve
from .state.world import World, create_snapshot, list_snapshots, remove_snapshot, restore_snapshot

MAX_SPEED = 1e6
"""The fastest clock: sandbox seconds in a real second."""

ControlAction = Callable[["World", JsonObject], JsonObject]


def control_routes(world: World) -> list[Route]:
    """Return the routes of the control interface."""
    routes = []
    for name, method, action in _ACTIONS:
        endpoint = _control_endpoint(world, action)
        routes.append(Route(f"/_sandbox/{name}", endpoint, methods=[method]))
    return routes


def _control_endpoint(world: World, action: ControlAction) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(token.encode(), world.address.control_token.encode()):
            return JSONResponse({"error": "the control token is wrong"}, 401)
        try:
            body = json.loads(await request.body() or b"{}")
            if not isinstance(body, dict):
                raise TypeError("the body is a JSON object")
            return JSONResponse(action(world, body | request.path_params))
        except LookupError as error:
            return JSONResponse({"error": str(error.args[0])}, 404)
        except ValueError as error:
            return JSONResponse({"error": describe_error(error)}, 400)
        except TypeError as error:
            return JSONResponse({"error": str(error)}, 400)

    return answer


def _health(world: World, body: JsonObject) -> JsonObject:
    return {
        "pid": world.address.pid,
        "version": world.address.version,
        **{name: queue.unfinished for name, queue in world.queues.items()},
        "engine": {"name": "builtin", "label": BUILT_IN},
        "modes": world.modes.model_dump(),
        "streams": world.open_streams,
        "requests": world.endpoint_counts,
        "refused": world.quota.refused,
    }


def _stop(world: World, body: JsonObject) -> JsonObject:
    world.request_stop()
    return {"stopping": True}


def _list_faults(world: World, body: JsonObject) -> JsonObject:
    return {
        "faults": [fault.model_dump(exclude_defaults=True) for fault in world.fault_rules.rules]
    }


def _add_fault(world: World, body: JsonObject) -> JsonObject:
    fault = Fault.model_validate(body)
    world.fault_rules.rules.append(fault)
    return {"id": fault.id, "faults": len(world.fault_rules.rules)}


def _remove_faults(world: World, body: JsonObject) -> JsonObject:
    """Remove the fault with the id in the path, or all faults."""
    if "id" not in body:
        world.fault_rules.rules.clear()
    elif not world.fault_rules.remove(body["id"]):
        raise LookupError(f"fault {body['id']} does not exist")
    return {"faults": len(world.fault_rules.rules)}


def _set_rate_limits(world: World, body: JsonObject) -> JsonObject:
    world.quota.set_limits(**body)
    return {"rpm": world.quota.rpm, "tpm": world.quota.tpm}


def _reset_delivery_counter(world: World, body: JsonObject) -> JsonObject:
    """Reset the counts, and start or stop counting."""
    marker = str(body.get("marker", "")).encode()
    world.delivery_counter = DeliveryCounter(bool(body.get("on")), marker)
    return {"on": world.delivery_counter.is_on}


def _adjust_clock(world: World, body: JsonObject) -> JsonObject:
    """Return the clock's time and speed; {"speed"} and {"advance"} change them."""
    speed = body.get("speed")
    advance = body.get("advance", 0)
    if not (0 <= (speed or 0) <= MAX_SPEED and advance >= 0):
        raise ValueError(
            f"speed must be 0 to {MAX_SPEED:g} seconds per second, advance seconds: {body}"
        )
    return world.clock.set(speed, advance)


_ACTIONS: tuple[tuple[str, str, ControlAction], ...] = (
    ("health", "GET", _health),
    ("stop", "POST", _stop),
    ("faults", "GET", _list_faults),
    ("faults", "POST", _add_fault),
    ("faults", "DELETE", _remove_faults),
    ("faults/{id}", "DELETE", _remove_faults),
    ("limits", "POST", _set_rate_limits),
    ("modes", "POST", lambda world, body: world.set_modes(body).model_dump()),
    ("clock", "POST", _adjust_clock),
    ("durations", "POST", lambda world, body: dict(world.lifecycle.set(body))),
    ("register", "POST", _reset_delivery_counter),
    ("register", "GET", lambda world, body: dict(world.delivery_counter.report())),
    ("snapshots", "GET", lambda world, body: {"snapshots": list_snapshots(world.folder)}),
    ("snapshots", "POST", lambda world, body: create_snapshot(world, str(body.get("name", "")))),
    ("restore", "POST", lambda world, body: restore_snapshot(world, str(body.get("name", "")))),
    ("snapshots/{name}", "DELETE", lambda world, body: remove_snapshot(world.folder, body["name"])),
    ("openapi.json", "GET", lambda world, body: build_document(world.address.url)),
)
"""Path, method and action of each control; `durations` takes {stage: seconds}, `restore` a
snapshot's name.
"""


Schema = JsonObject

DESCRIPTION = (
    "A Baidu Qianfan on this computer; its models are not ERNIE. A path with a fragment stands "
    "for one "
    "Action of that path: the fragment is not sent. The management plane has its results under "
    "`result`. v1 and the "
    "management paths of v1 answer errors in HTTP 200, with error_code (or success false); v2 "
    "answers 4xx."
)
_JSON = "application/json"
_FORM = {
    "type": "object",
    "properties": {"purpose": {"type": "string"}, "file": {"type": "string", "format": "binary"}},
    "required": ["purpose", "file"],
}


# OpenAPI allows one operation for a method on a path; the platform's v2 routes have one for each
# `?Action=`. Such a
# path is written with the action as its fragment, `/v2/service#CreateService`, as in AWS's
# descriptions: the fragment
# makes it a path of its own and is never sent; the query parameter `Action` is required and has one
# value.


def build_document(url: str) -> Schema:
    """Return the description of all operations of a sandbox."""
    rows: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = []
    for endpoint in ENDPOINTS.values():
        rows.append((endpoint.name, "validation", TypeAdapter(endpoint.body)))
        rows.append((endpoint.name, "serialization", TypeAdapter(endpoint.result)))
    by_use, definitions = TypeAdapter.json_schemas(
        rows, ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, Schema] = {}
    for endpoint in ENDPOINTS.values():
        body = by_use[endpoint.name, "validation"]
        result = by_use[endpoint.name, "serialization"]
        reference = body.get("$ref", "").rpartition("/")[2]
        answer = {"description": "the result", "content": {_JSON: {"schema": result}}}
        operation = {
            "operationId": endpoint.name,
            "tags": [endpoint.name.partition(".")[0]],
            **_describe_request(endpoint, body, definitions["$defs"].get(reference, body)),
            "responses": {"200": answer, "4XX": {"description": "a refusal"}},
        }
        path = endpoint.path + (f"#{endpoint.action}" if endpoint.action else "")
        paths.setdefault(path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "qfnb sandbox", "version": "1", "description": DESCRIPTION},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {"schemas": definitions["$defs"]},
    }


def _describe_request(endpoint: AnyEndpoint, body: Schema, record: Schema) -> Schema:
    """Return the parameters and the body of an operation."""
    in_path = re.findall(r"{(\w+)}", endpoint.path)
    parameters = [_parameter(name, "path", {"type": "string", "minLength": 1}) for name in in_path]
    if endpoint.action:
        parameters.append(_parameter("Action", "query", {"const": endpoint.action}))
    if endpoint.method == "POST":
        content = {_JSON: {"schema": body}}
        if endpoint is UPLOAD:
            content = {"multipart/form-data": {"schema": _FORM}}
        return {"parameters": parameters, "requestBody": {"required": True, "content": content}}
    required = record.get("required", ())
    for name, schema in record.get("properties", {}).items():
        if name not in in_path:
            parameters.append(_parameter(name, "query", schema, required=name in required))
    return {"parameters": parameters}


def _parameter(name: str, location: str, schema: Schema, *, required: bool = True) -> Schema:
    return {"name": name, "in": location, "required": required, "schema": schema}


MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_UPLOAD_BYTES = MAX_FILE_BYTES + 1024 * 1024
"""Bytes of an uploaded file and the form around it."""

STORAGE_PREFIXES = ("/bos/", "/sandbox/")
"""Paths where bodies of any type are put; all of them need a signature."""

DRAIN_SECONDS = 2.0
"""Seconds for which a refused body is still read."""

_LOCAL_HOSTS = {"127.0.0.1", "localhost"}
_NOT_JSON = "a body is JSON (content-type: application/json)"


class HostGuard:
    """Refuses foreign hosts and origins (DNS rebinding, cross-site requests) and bodies that are
    too large.
    """

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app = app
        self._world = world
        self._hosts = _LOCAL_HOSTS | {urlsplit(world.address.url).hostname or ""}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403, 413 or 415, or pass the request on."""
        if scope["type"] != "http":
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        exchange = Exchange(scope, receive, send)
        length = headers.get(b"content-length", "")
        if problem := _host_problem(scope["headers"], self._hosts):
            await JSONResponse({"error": problem}, 403, SANDBOX_HEADER)(
                scope, exchange.receive, exchange.send
            )
        elif length.isdigit() and int(length) > exchange.max_bytes:
            await exchange.reject_too_large()
        elif _is_cross_site_form(scope, headers):
            await JSONResponse({"error": _NOT_JSON}, 415, SANDBOX_HEADER)(
                scope, exchange.receive, exchange.send
            )
        else:
            self._world.record_activity()
            with contextlib.suppress(ClientDisconnect):
                await self._app(scope, exchange.receive, exchange.send)


class Exchange:
    """One request and its answer: the body is counted, and read to its end even when it is not
    used.

    A connection that is closed while a body arrives is reset, and the answer can be lost with it.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        upload = (scope["method"], scope["path"]) == (UPLOAD.method, UPLOAD.path)
        if upload:
            self.max_bytes = MAX_UPLOAD_BYTES
        else:
            self.max_bytes = MAX_BODY_BYTES
        self._received_bytes = 0
        self._body_complete = False
        self._rejected = False

    async def receive(self) -> Message:
        """Return the next piece of the body; one that is too long looks to the application like a
        disconnect.
        """
        if not self._rejected:
            message = await self._receive_next()
            if self._received_bytes <= self.max_bytes:
                return message
            await self.reject_too_large()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Send a piece of the answer; the last one waits for the end of the body."""
        if self._rejected:
            return
        if message["type"] == "http.response.body" and not (
            message.get("more_body") or self._body_complete
        ):
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body"}
        await self._send(message)

    async def reject_too_large(self) -> None:
        """Answer that the body is too long; what the application sends afterwards is dropped."""
        answer = JSONResponse(
            {"error": f"a body may have {self.max_bytes >> 20} MiB at most"},
            413,
            {**SANDBOX_HEADER, "connection": "close"},
        )
        await answer(self._scope, self.receive, self.send)
        self._rejected = True

    async def _receive_next(self) -> Message:
        message = await self._receive()
        self._received_bytes += len(message.get("body", b""))
        self._body_complete = not message.get("more_body", False)
        return message

    async def _drain(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while not self._body_complete:
                    await self._receive_next()


def _host_problem(headers: Sequence[tuple[bytes, bytes]], own_hosts: AbstractSet[str]) -> str:
    """Return why the hosts and origins of a request are refused, "" when all of them are this
    sandbox's.
    """
    hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
    if not hosts or not all(_is_own(host, own_hosts) for host in hosts):
        return f"the sandbox answers to {', '.join(sorted(own_hosts))} only"
    origins = [value.decode("latin-1") for name, value in headers if name == b"origin"]
    if not all(_is_own(origin.partition("://")[2], own_hosts) for origin in origins):
        return "the sandbox does not answer web pages"
    return ""


def _is_own(host: str, own_hosts: AbstractSet[str]) -> bool:
    """Return whether a host, with or without a port, is this sandbox's."""
    name, _, port = host.partition(":")
    return name in own_hosts and (not port or port.isdecimal())


def _is_cross_site_form(scope: Scope, headers: dict[bytes, str]) -> bool:
    """Return whether a web page could send this body without a preflight request: anything but
    JSON.
    """
    if (
        scope["method"] != "POST"
        or scope["path"] == UPLOAD.path
        or scope["path"].startswith(STORAGE_PREFIXES)
    ):
        return False
    kind = headers.get(b"content-type", "").partition(";")[0].strip().lower()
    is_empty = headers.get(b"content-length", "0") == "0" and b"transfer-encoding" not in headers
    return kind != "application/json" and not (is_empty and not kind)


MODULES = (
    batches, chat, completion_embedding, datasets, documents, evaluation, evaluation_worker, images,
    inference_tasks, models, responses, rows, runs, services, storage,
)  # fmt: skip
"""The modules that answer operations; importing them has registered the handlers."""


UNKNOWN_KEYS_HEADER = "x-qfnb-unknown-keys"
"""A header of answers: what the request's body has that the platform does not take."""

OTHER_PATHS = {"/v2/rerankers": "/v2/rerank"}
"""An older path -> the path of the operation that answers it."""


def build_app(world: World) -> HostGuard:
    """Return the application of a world, behind its host guard."""
    actions_by_route: dict[tuple[str, str], dict[str | None, AnyEndpoint]] = {}
    for endpoint in ENDPOINTS.values():
        actions = actions_by_route.setdefault((endpoint.path, endpoint.method), {})
        actions[endpoint.action] = endpoint
    for path, target in OTHER_PATHS.items():
        actions_by_route[path, "POST"] = actions_by_route[target, "POST"]
    # beside the endpoint table
    routes: list[Route] = []
    for module in MODULES:
        if hasattr(module, "routes"):
            routes += module.routes(world)
    routes += control_routes(world)
    for (path, method), actions in actions_by_route.items():
        routes.append(_route(world, path, method, actions))
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
        headers |= world.quota.headers() | {"content-type": "text/event-stream;charset=utf-8"}
        return StreamingResponse(_encode_stream(call, result), headers=SANDBOX_HEADER | headers)
    if endpoint.name in RATE_LIMITED:
        world.delivery_counter.count(content, answered=True)
        world.quota.record_tokens(result)
    if endpoint.plane in {"v1", "v2"}:
        headers |= world.quota.headers()
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
