"""How a handler is tied to a row of the endpoint table, and how it refuses: in the shape of its plane."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pydantic import ValidationError

from ...wire.base import Record
from ...wire.endpoints import Endpoint, Envelope, Plane
from ..state.store import random_id

if TYPE_CHECKING:
    from ..state.world import World

B = TypeVar("B", bound=Record)
R = TypeVar("R")

SANDBOX_HEADER = {"x-qfnb-sandbox": "1"}
"""On every answer, so that no client can take it for the cloud's."""


@dataclass(frozen=True)
class Call:
    """One request that passed authentication; `app` is the application that it says it is from."""

    world: World
    endpoint: Endpoint[Any, Any]
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    app: str = ""
    id: str = field(default_factory=lambda: random_id("as-", 10))


@dataclass(frozen=True)
class Stream:
    """An answer that comes in pieces; `done` is the text of the last event, if the plane has one."""

    pieces: AsyncIterator[dict[str, Any]]
    done: str | None = None


Handler = Callable[[Call, Any], Any]
HANDLERS: dict[str, Handler] = {}


def emulates(endpoint: Endpoint[B, R]) -> Callable[[Callable[[Call, B], Any]], Callable[[Call, B], Any]]:
    """Register the handler of a row; it returns the row's result, a mapping of it, or a Stream."""

    def register(handler: Callable[[Call, B], Any]) -> Callable[[Call, B], Any]:
        assert endpoint.name not in HANDLERS, f"two handlers for {endpoint.name}"
        HANDLERS[endpoint.name] = handler
        return handler

    return register


def parse_request(call: Call, content: bytes) -> Record:
    """Return the record that came with a request: the query of a GET, the body of all others.

    Raises:
        Refusal: the body is no JSON, or a field is wrong.
    """
    if call.endpoint.method == "GET":
        return parse_record(call, dict(call.query))
    try:
        value = json.loads(content or b"{}", parse_constant=_reject_constant)
        if b"\\u" in content:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no character
    except (ValueError, RecursionError):
        raise refusal_for(call, "Invalid JSON", word="malformed_json", code=336002) from None
    return parse_record(call, value)


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def parse_record(call: Call, value: Any) -> Record:
    """Return the record that a call takes.

    Raises:
        Refusal: naming the first field that is wrong.
    """
    try:
        body: Record = call.endpoint.body.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        location = ".".join(map(str, first["loc"])) or "body"
        word = "invalid_messages" if location.startswith("messages") else "invalid_argument"
        raise refusal_for(call, f"param[{location}] invalid: {first['msg']}", word=word) from None
    return body


class Refusal(Exception):
    """An answer that is a no: status, JSON body, extra headers."""

    def __init__(self, status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.status, self.body, self.headers = status, body, dict(headers or {})


def build_refusal(
    plane: Plane,
    code: int,
    message: str,
    *,
    word: str = "invalid_argument",
    status: int = 400,
    type_: str = "invalid_request_error",
    shape: Envelope = "code",
) -> Refusal:
    """Return the refusal in a plane's shape: numbers in HTTP 200 on v1, words in 4xx on v2 and actions."""
    if plane == "v2":
        error = {"code": word, "message": message, "type": type_}
        return Refusal(status, {"error": error, "id": random_id("as-", 10)})
    if plane == "console" and shape == "action":
        text = f"The JSON you provided was valid, but not appropriate for this operation. {message}"
        return Refusal(status, {"requestId": str(uuid.uuid4()), "code": "InappropriateJSON", "message": text})
    if plane == "console" and shape == "status":
        fields = {"status": status, "success": False, "code": str(code), "message": message}
        return Refusal(200, {"log_id": _log_id(), **fields})
    id_field, id_ = ("log_id", _log_id()) if plane == "console" else ("id", random_id("as-", 10))
    return Refusal(200, {"error_code": code, "error_msg": message, id_field: id_})


def refusal_for(call: Call, message: str, *, code: int | None = None, **details: Any) -> Refusal:
    """Return a refusal of this call for a wrong argument."""
    if code is None:
        code = 500001 if call.endpoint.plane == "console" else 336003
    refusal = build_refusal(call.endpoint.plane, code, message, shape=call.endpoint.envelope, **details)
    if call.endpoint.path.startswith("/wenxinworkshop/prompt/"):
        refusal.body["message"] = {"global": message}
    return refusal


def wrap_result(endpoint: Endpoint[Any, Any], result: Any) -> Any:
    """Return what is sent for a result: as it is on the inference planes, wrapped on the management plane."""
    value = [_to_wire(item) for item in result] if isinstance(result, list) else _to_wire(result)
    if endpoint.plane != "console":
        return value
    if endpoint.envelope == "action":
        return {"requestId": str(uuid.uuid4()), "result": value}
    wrapped = {"log_id": _log_id(), "result": value}
    return wrapped | {"status": 200, "success": True} if endpoint.envelope == "status" else wrapped


def gateway_refusal(code: str, message: str) -> Refusal:
    """Return the gateway's refusal of a signature."""
    headers = {"X-Bce-Error-Code": code, "X-Bce-Error-Message": message}
    return Refusal(403, {"code": code, "message": message, "requestId": str(uuid.uuid4())}, headers)


def _to_wire(value: Any) -> Any:
    return value.to_wire() if isinstance(value, Record) else value


def _log_id() -> str:
    return str(uuid.uuid4().int % 10**10)
