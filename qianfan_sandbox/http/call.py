"""A call of an operation, and the handlers that answer the operations of the endpoint table.

Calls come over HTTP, or from a file of requests (`dispatch`).
"""

import asyncio
import functools
import inspect
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from qfnb.wire.base import Record
from qfnb.wire.body_keys import unknown_keys
from qfnb.wire.endpoints import Endpoint

from ..state.store import Document, random_id
from ..state.world import World
from .refusals import INVALID_REQUEST, Refusal, build_refusal, log_id

CREATOR = "sandbox"
"""The name of the user that has created everything."""

B = TypeVar("B", bound=Record)
R = TypeVar("R")


@dataclass(frozen=True)
class Call:
    """One request that passed authentication.

    Attributes:
        world: the state of the sandbox.
        endpoint: the operation.
        path: the parameters in the path.
        query: the parameters of the query.
        app: the application that the request says it is from.
        caller: a digest of the caller's credentials, "" for a batch.
        allows_undeployed: whether a model version (`amv-...`) can be called without a service.
        id: the id that the answer carries.
        unknown_keys: what the body has that the platform does not take; a strict sandbox refuses
            it.
    """

    world: World
    endpoint: Endpoint[Any, Any]
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    app: str = ""
    caller: str = ""
    allows_undeployed: bool = False
    id: str = field(default_factory=lambda: random_id("as-", 10))
    unknown_keys: list[str] = field(default_factory=list)

    def refusal(
        self,
        message: str,
        *,
        code: int | None = None,
        v2_code: str = "invalid_argument",
        status: int = 400,
        type_: str = INVALID_REQUEST,
    ) -> Refusal:
        """Return a refusal of this call, in its operation's shape; by default for a wrong argument.

        Args:
            message: the reason.
            code: v1's number, by default that of a wrong argument.
            v2_code: v2's code, a word.
            status: the HTTP status of v2 and of actions.
            type_: v2's type of error.
        """
        number = code or (500001 if self.endpoint.plane == "console" else 336003)
        refusal = build_refusal(
            self.endpoint, message, code=number, v2_code=v2_code, status=status, type_=type_
        )
        if self.endpoint.path.startswith("/wenxinworkshop/prompt/"):
            # v1's prompts have a message of their own shape
            refusal.body["message"] = {"global": message}
        return refusal

    def find(self, kind: str, key: int | str, field: str, noun: str = "") -> Document:
        """Return the document of a kind with an id or a number.

        Args:
            kind: the kind.
            key: the id or the number.
            field: the name of the request's field that holds the key.
            noun: what a document of this kind is called in the message.

        Raises:
            Refusal: it does not exist; the message names the field.
        """
        document = self.world.store.get(kind, key)
        if document is None:
            raise self.invalid(field, f"{noun} {key} does not exist".strip())
        return document

    def invalid(self, field: str, reason: str) -> Refusal:
        """Return a refusal for a field of the request."""
        return self.refusal(f"param[{field}] invalid: {reason}")

    def validate_choice(self, field: str, value: Any, allowed: Iterable[Any]) -> None:
        """Raise a refusal unless a field has one of the allowed values.

        Args:
            field: the field's name.
            value: its value.
            allowed: the values that it may have, in the order in which the message lists them.
        """
        if value not in (options := list(allowed)):
            raise self.invalid(field, f"{value!r}; must be one of {', '.join(map(str, options))}")

    def validate_range(self, field: str, value: float, low: float, high: float) -> None:
        """Raise a refusal unless a field is a number from `low` to `high`, both included."""
        if not low <= value <= high:
            raise self.invalid(field, f"{value}; must be {low} to {high}")


@dataclass(frozen=True)
class Stream:
    """An answer in pieces.

    Attributes:
        pieces: the JSON object of each event; `_event` in it names the event, `_unsent` has keys
            that are not sent.
        done: the text of a last event, None without one.
    """

    pieces: AsyncIterator[dict[str, Any]]
    done: str | None = None


Handler = Callable[[Call, Any], Any]
HANDLERS: dict[str, Handler] = {}

log = logging.getLogger("qfnb.sandbox")


def emulates(
    endpoint: Endpoint[B, R],
) -> Callable[[Callable[[Call, B], Any]], Callable[[Call, B], Any]]:
    """Register the handler of an operation; it returns the result, as a record or a mapping, or a
    Stream.
    """

    def register(handler: Callable[[Call, B], Any]) -> Callable[[Call, B], Any]:
        assert endpoint.name not in HANDLERS, f"two handlers for {endpoint.name}"
        HANDLERS[endpoint.name] = handler
        return handler

    return register


def parse_request(call: Call, content: bytes) -> Record:
    """Return the record in a request: in the query of a GET, in the body of all others.

    Raises:
        Refusal: the body is not JSON, or a field is wrong.
    """
    if call.endpoint.method == "GET":
        return parse_record(call, dict(call.query))
    try:
        value = json.loads(content or b"{}", parse_constant=_reject_constant)
        if b"\\u" in content:
            json.dumps(value, ensure_ascii=False).encode()  # raises for half a surrogate pair
    except (ValueError, RecursionError):
        raise call.refusal("Invalid JSON", v2_code="malformed_json", code=336002) from None
    return parse_record(call, value)


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def parse_record(call: Call, value: Any) -> Record:
    """Return a JSON value as the record of a call.

    Raises:
        Refusal: a field is wrong; the message names the first.
    """
    try:
        body: Record = call.endpoint.body.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        location = ".".join(map(str, first["loc"])) or "body"
        v2_code = "invalid_messages" if location.startswith("messages") else "invalid_argument"
        raise call.refusal(f"param[{location}] invalid: {first['msg']}", v2_code=v2_code) from None
    if unknown := unknown_keys(call.endpoint.name, value):
        _report_unknown_keys(call, unknown)
    return body


def _report_unknown_keys(call: Call, unknown: Sequence[str]) -> None:
    """Refuse keys that the platform does not take; a sandbox that is not strict names them, and
    goes on.
    """
    names = ", ".join(unknown)
    if call.world.modes.strict:
        is_message = unknown[0].startswith("messages")
        v2_code = "invalid_messages" if is_message else "invalid_argument"
        raise call.refusal(
            f"param[{names}] invalid: {call.endpoint.path} does not take it", v2_code=v2_code
        )
    call.unknown_keys.extend(unknown)
    _log_unknown_keys(call.endpoint.path, names)


@functools.lru_cache(maxsize=256)
def _log_unknown_keys(path: str, names: str) -> None:
    """Write to the log, once, that the platform may refuse keys; a strict sandbox does."""
    log.warning(
        "%s does not take %s: the platform may refuse it, and a strict sandbox does", path, names
    )


def wrap_result(endpoint: Endpoint[Any, Any], result: Any) -> Any:
    """Return what is sent for a result: bare on the inference planes, in its envelope on the
    management plane.
    """
    value = [_to_wire(item) for item in result] if isinstance(result, list) else _to_wire(result)
    if endpoint.plane != "console":
        return value
    if endpoint.envelope == "action":
        return {"requestId": str(uuid.uuid4()), "result": value}
    wrapped = {"log_id": log_id(), "result": value}
    return wrapped | {"status": 200, "success": True} if endpoint.envelope == "status" else wrapped


def _to_wire(value: Any) -> Any:
    return value.to_wire() if isinstance(value, Record) else value


@dataclass(frozen=True)
class DispatchResult:
    """The answer to one request."""

    status: int
    id: str
    body: dict[str, Any]

    @property
    def is_success(self) -> bool:
        """Whether it is an answer and not a refusal; v1 refuses inside HTTP 200."""
        return self.status < 300 and "error_code" not in self.body


def dispatch(
    world: World, endpoint: Endpoint[Any, Any], body: Any, path: Mapping[str, str] | None = None
) -> DispatchResult:
    """Answer one request as its handler does; an error is an answer too.

    Args:
        world: the state of the sandbox.
        endpoint: the operation.
        body: the JSON body.
        path: the parameters in the path.
    """
    call = Call(world, endpoint, path or {}, allows_undeployed=True)
    try:
        if isinstance(body, dict) and body.get("stream"):
            raise call.invalid("stream", "a batch has no streams")
        result = HANDLERS[endpoint.name](call, parse_record(call, body))
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
        return DispatchResult(200, call.id, dict(_to_wire(result)))
    except Refusal as refusal:
        return DispatchResult(refusal.status, call.id, refusal.body)
    except Exception:  # one request must not end the others
        log.exception("a request of a batch failed")
        internal = call.refusal(
            "Internal error",
            code=336000,
            v2_code="internal_error",
            status=500,
            type_="server_error",
        )
        return DispatchResult(internal.status, call.id, internal.body)
