"""The sandbox's control interface: health, stop, and what tests switch on; all of it needs the
control token.
"""

import json
import re
import secrets
from collections.abc import Callable
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qfnb.wire.base import JsonObject
from qfnb.wire.batches import UPLOAD
from qfnb.wire.endpoints import ENDPOINTS, AnyEndpoint

from ..failures import DeliveryCounter, Fault, describe_error
from ..state.world import World, create_snapshot, list_snapshots, remove_snapshot, restore_snapshot

MAX_SPEED = 1e6
"""The fastest clock: sandbox seconds in a real second."""

ControlAction = Callable[["World", JsonObject], JsonObject]


def routes(world: World) -> list[Route]:
    """Return the routes of the control interface."""
    return [
        Route(f"/_sandbox/{name}", _control_endpoint(world, action), methods=[method])
        for name, method, action in _ACTIONS
    ]


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
        "engine": world.engines.describe(),
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
    return {"rpm": world.quota.rpm, "tpm": world.quota.tpm, "output_tpm": world.quota.output_tpm}


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
