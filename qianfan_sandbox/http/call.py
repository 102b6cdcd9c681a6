"""A call of an operation, its refusals and pages, and the handlers that answer the operations of
the endpoint table.

Calls come over HTTP, or from a file of requests (`dispatch`).
"""

import asyncio
import functools
import inspect
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from starlette.responses import Response

from qfnb.wire.base import Id, JsonMapping, JsonObject, PageRequest, Record
from qfnb.wire.endpoints import AnyEndpoint, Endpoint, Envelope
from qfnb.wire.inference import unknown_keys

from ..state.lifecycle import Lifecycle
from ..state.store import Document, Store, random_id
from ..state.world import World

SANDBOX_HEADER = {"x-qfnb-sandbox": "1"}
"""A header of every answer, so that no client can take it for the cloud's."""

INVALID_REQUEST = "invalid_request_error"
"""The type of v2's errors that are the caller's."""

WRONG_ARGUMENT = 336003
WRONG_CONSOLE_ARGUMENT = 500001
"""v1's numbers of a wrong argument, of inference and of management."""


class Refusal(Exception):
    """An error answer.

    Attributes:
        status: the HTTP status.
        body: the JSON object.
        headers: headers beside the usual ones.
    """

    def __init__(
        self, status: int, body: JsonObject, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def to_response(self) -> Response:
        """Return what is sent."""
        return as_json(self.body, self.status, self.headers)


def v1_refusal(code: int, message: str) -> Refusal:
    """Return an error of v1's inference."""
    return Refusal(200, {"error_code": code, "error_msg": message, "id": random_id("as-", 10)})


def v2_refusal(
    code: str, message: str, *, status: int = 400, type_: str = INVALID_REQUEST
) -> Refusal:
    """Return an error of v2's inference.

    Args:
        code: a word, e.g. `invalid_model`.
        message: the reason.
        status: the HTTP status.
        type_: the type of the error.
    """
    error = {"code": code, "message": message, "type": type_}
    return Refusal(status, {"error": error, "id": random_id("as-", 10)})


def console_refusal(envelope: Envelope, code: int, message: str, *, status: int = 400) -> Refusal:
    """Return an error of the management plane.

    Args:
        envelope: the shape of the operation's answers.
        code: the platform's number; actions have none.
        message: the reason.
        status: the HTTP status of actions; the others refuse inside HTTP 200.
    """
    if envelope == "action":
        text = f"The JSON you provided was valid, but not appropriate for this operation. {message}"
        return Refusal(
            status, {"requestId": str(uuid.uuid4()), "code": "InappropriateJSON", "message": text}
        )
    if envelope == "status":
        fields = {"status": status, "success": False, "code": str(code), "message": message}
        return Refusal(200, {"log_id": log_id(), **fields})
    return Refusal(200, {"error_code": code, "error_msg": message, "log_id": log_id()})


def gateway_refusal(code: str, message: str) -> Refusal:
    """Return the gateway's refusal of a signature."""
    headers = {"X-Bce-Error-Code": code, "X-Bce-Error-Message": message}
    return Refusal(403, {"code": code, "message": message, "requestId": str(uuid.uuid4())}, headers)


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that is JSON on one line."""
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    all_headers = SANDBOX_HEADER | dict(headers or {})
    return Response(content, status, all_headers, media_type="application/json; charset=utf-8")


def log_id() -> str:
    """Return a new id of the management plane's log."""
    return str(uuid.uuid4().int % 10**10)


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
        allows_undeployed: whether a model version (`amv-...`) can be called without a service.
        id: the id that the answer carries.
        unknown_keys: what the body has that the platform does not take; a strict sandbox refuses
            it.
    """

    world: World
    endpoint: AnyEndpoint
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    app: str = ""
    allows_undeployed: bool = False
    id: str = field(default_factory=lambda: random_id("as-", 10))
    unknown_keys: list[str] = field(default_factory=list)

    @property
    def store(self) -> Store:
        """The documents of the world."""
        return self.world.store

    @property
    def is_strict(self) -> bool:
        """Whether retired models, v1's inference and unknown keys are refused."""
        return self.world.modes.strict

    @property
    def lifecycle(self) -> Lifecycle:
        """The states of the world's documents."""
        return self.world.lifecycle

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
            code: the number of v1 and of v1's management; default: that of a wrong argument.
            v2_code: v2's code, a word.
            status: the HTTP status of v2 and of actions; v1 refuses inside HTTP 200.
            type_: v2's type of error.
        """
        endpoint = self.endpoint
        if endpoint.plane == "v2":
            return v2_refusal(v2_code, message, status=status, type_=type_)
        if endpoint.plane != "console":
            return v1_refusal(code or WRONG_ARGUMENT, message)
        number = code or WRONG_CONSOLE_ARGUMENT
        refusal = console_refusal(endpoint.envelope, number, message, status=status)
        if endpoint.path.startswith("/wenxinworkshop/prompt/"):
            # v1's prompts have a message of their own shape
            refusal.body["message"] = {"global": message}
        return refusal

    def head(self, kind: str) -> JsonObject:
        """Return what answers of inference begin with; `kind` is their `object`."""
        return {"id": self.id, "object": kind, "created": int(time.time())}

    def find(self, kind: str, key: Id, field: str) -> Document:
        """Return the document of a kind with an id or a number.

        Args:
            kind: the kind.
            key: the id or the number.
            field: the name of the request's field that holds the key.

        Raises:
            Refusal: it does not exist; the message names the field.
        """
        document = self.store.get(kind, key)
        if document is None:
            raise self.invalid(field, f"{key} does not exist")
        return document

    def find_in_path(self, kind: str) -> Document:
        """Return the document of a kind that the path names, as `batch_id`; a refusal of v2 without
        it.
        """
        return self.find_v2(kind, self.path[f"{kind}_id"])

    def find_v2(self, kind: str, key: str) -> Document:
        """Return the document of a kind with an id, unless it was deleted; a refusal of v2 without
        it.
        """
        document = self.store.get(kind, key)
        if document is None or document.get("deleted"):
            raise v2_refusal(f"{kind}_not_found", f"No such {kind}: {key}", status=404)
        return document

    def invalid(self, field: str, reason: str) -> Refusal:
        """Return a refusal for a field of the request."""
        message = f"param[{field}] invalid: {reason}"
        if field.startswith("messages"):
            return self.refusal(message, v2_code="invalid_messages")
        return self.refusal(message)

    def validate_choice(self, field: str, value: Any, allowed: Iterable[Any]) -> None:
        """Raise a refusal unless a field has one of the allowed values.

        Args:
            field: the field's name.
            value: its value.
            allowed: the values that it may have, in the order in which the message lists them.
        """
        options = list(allowed)
        if value not in options:
            choices = ", ".join(map(str, options))
            raise self.invalid(field, f"{value!r}; must be one of {choices}")

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

    pieces: AsyncIterator[JsonObject]
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


DocumentHandler = Callable[[Call, Document], Any]


def handles(endpoint: Endpoint[B, R], kind: str, field: str, handler: DocumentHandler) -> None:
    """Register the handler of an operation on the document of a kind that a field of the request
    names.
    """

    def handle(call: Call, body: B) -> Any:
        return handler(call, call.find(kind, body.to_wire()[field], field))

    emulates(endpoint)(handle)


def parse_request(call: Call, content: bytes) -> Record:
    """Return the record in a request: in the query of a GET, in the body of all others.

    Raises:
        Refusal: the body is not JSON, or a field is wrong.
    """
    if call.endpoint.method == "GET":
        return parse_record(call, dict(call.query))
    try:
        value = json.loads(content or b"{}", parse_constant=reject_constant)
        if b"\\u" in content:
            json.dumps(value, ensure_ascii=False).encode()  # raises for half a surrogate pair
    except (ValueError, RecursionError):
        raise call.refusal("Invalid JSON", v2_code="malformed_json", code=336002) from None
    return parse_record(call, value)


def reject_constant(constant: str) -> NoReturn:
    """Raise for NaN and the like, which Python reads as JSON."""
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
        raise call.invalid(location, first["msg"]) from None
    if unknown := unknown_keys(call.endpoint.name, value):
        names = ", ".join(unknown)
        if call.is_strict:
            raise call.invalid(names, f"{call.endpoint.path} does not take it")
        call.unknown_keys.extend(unknown)
        _log_unknown_keys(call.endpoint.path, names)
    return body


@functools.lru_cache(maxsize=256)
def _log_unknown_keys(path: str, names: str) -> None:
    """Write to the log, once, that the platform may refuse keys; a strict sandbox does."""
    log.warning(
        "%s does not take %s: the platform may refuse it, and a strict sandbox does", path, names
    )


def wrap_result(endpoint: AnyEndpoint, value: Any) -> Any:
    """Return what is sent for a result: bare on the inference planes, in its envelope on the
    management plane.
    """
    if endpoint.plane != "console":
        return value
    if endpoint.envelope == "action":
        return {"requestId": str(uuid.uuid4()), "result": value}
    wrapped = {"log_id": log_id(), "result": value}
    if endpoint.envelope == "status":
        return wrapped | {"status": 200, "success": True}
    return wrapped


def fields_of(document: JsonMapping, *names: str, **renamed: str) -> JsonObject:
    """Return fields of a document as they are sent: with the same name, or as `sent="stored"`."""
    fields = {name: document[name] for name in names}
    return fields | {sent: document[stored] for sent, stored in renamed.items()}


@dataclass(frozen=True)
class DispatchResult:
    """The answer to one request."""

    status: int
    id: str
    body: JsonObject

    @property
    def is_success(self) -> bool:
        """Whether it is an answer and not a refusal; v1 refuses inside HTTP 200."""
        return self.status < 300 and "error_code" not in self.body


def dispatch(
    world: World, endpoint: AnyEndpoint, body: Any, path: Mapping[str, str] | None = None
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
        return DispatchResult(200, call.id, dict(result))
    except Refusal as refusal:
        return DispatchResult(refusal.status, call.id, refusal.body)
    except Exception:  # one request must not end the others
        log.exception("a request of a batch failed")
        internal = call.refusal("Internal error", code=336000, v2_code="internal_error", status=500)
        return DispatchResult(internal.status, call.id, internal.body)


T = TypeVar("T")

DEFAULT_PAGE_SIZE = 10
MAX_PAGE_SIZE = 100
"""Rows of a page: the default, and the maximum."""


def page_by_marker(
    call: Call,
    documents: Sequence[Document],
    request: PageRequest,
    show: DocumentHandler,
    name: str = "items",
) -> JsonObject:
    """Return a page of documents under a name, and its `pageInfo`.

    Args:
        call: the call.
        documents: all documents, the newest first; markers are their ids.
        request: the requested page.
        show: returns a document as it is sent.
        name: the key of the page in the answer.
    """
    size = DEFAULT_PAGE_SIZE
    if request.max_keys is not None:
        size = _validate_size(call, "maxKeys", request.max_keys)
    candidates = list(documents)
    if request.page_reverse:
        candidates.reverse()
    marker = request.marker or ""
    if marker:
        ids = [document["id"] for document in candidates]
        if marker not in ids:
            raise call.invalid("marker", f"{marker} does not exist")
        candidates = candidates[ids.index(marker) + 1 :]
    page = candidates[:size]
    info = {"marker": marker, "maxKeys": size, "isTruncated": size < len(candidates)}
    if info["isTruncated"]:
        info["nextMarker"] = page[-1]["id"]
    if request.page_reverse:
        page.reverse()
    rows = [show(call, document) for document in page]
    return {name: rows, "pageInfo": info}


def page_by_id(
    call: Call,
    rows: Sequence[JsonObject],
    after: str | None,
    limit: int,
    show: Callable[[JsonObject], JsonObject] = dict,
) -> JsonObject:
    """Return the answer with at most `limit` rows after the one with an id, in OpenAI's form."""
    if after:
        ids = [row["id"] for row in rows]
        if after not in ids:
            raise call.invalid("after", f"{after} is not in the list")
        rows = rows[ids.index(after) + 1 :]
    page = [show(row) for row in rows[:limit]]
    ends = {"first_id": None, "last_id": None}
    if page:
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]}
    return {"object": "list", "data": page, **ends, "has_more": limit < len(rows)}


def page_by_number(call: Call, rows: Sequence[T], page: int | None, size: int | None) -> list[T]:
    """Return a page of rows by its number.

    Args:
        call: the call.
        rows: all rows.
        page: the number of the page, from 1; default: 1.
        size: rows of a page, 1 to 100; default: 20.

    Raises:
        Refusal: the number or the size is out of range.
    """
    if page is None:
        page = 1
    if size is None:
        size = 20
    if page < 1:
        raise call.invalid("pageNo", f"{page}; pages count from 1")
    return page_by_offset(call, rows, (page - 1) * size, size)


def page_by_offset(
    call: Call, rows: Sequence[T], offset: int, size: int, *, max_size: int = MAX_PAGE_SIZE
) -> list[T]:
    """Return a page of rows from an offset.

    Args:
        call: the call.
        rows: all rows.
        offset: the index of the first row, from 0.
        size: rows of a page, 1 to `max_size`.
        max_size: the largest page.

    Raises:
        Refusal: the offset or the size is out of range.
    """
    size = _validate_size(call, "pageSize", size, max_size)
    if offset < 0:
        raise call.invalid("offset", f"{offset}; rows count from 0")
    return list(rows[offset : offset + size])


def _validate_size(call: Call, name: str, size: int, max_size: int = MAX_PAGE_SIZE) -> int:
    if size < 1 or (size > max_size and name != "maxKeys"):
        raise call.invalid(name, f"{size}; a page has 1 to {max_size} rows")
    return min(size, max_size)  # a larger maxKeys counts as the maximum, as the API pages say


BEIJING = timezone(timedelta(hours=8))
_UTC = "%Y-%m-%dT%H:%M:%SZ"
_SPACED = "%Y-%m-%d %H:%M:%S"


def utc(timestamp: float | None) -> str:
    """Return `2024-01-31T08:00:00Z`, zeros without a time."""
    if timestamp:
        return datetime.fromtimestamp(timestamp, UTC).strftime(_UTC)
    return "0000-00-00T00:00:00Z"


def utc_spaced(timestamp: float | None) -> str:
    """Return `2024-01-31 08:00:00`, in UTC, "" without a time."""
    if timestamp:
        return datetime.fromtimestamp(timestamp, UTC).strftime(_SPACED)
    return ""


def beijing(timestamp: float) -> str:
    """Return `2024-01-31T16:00:00+08:00`."""
    return datetime.fromtimestamp(timestamp, BEIJING).isoformat(timespec="seconds")


def beijing_spaced(timestamp: float | None) -> str:
    """Return `2024-01-31 16:00:00`, in Beijing's time, zeros without a time."""
    if timestamp:
        return datetime.fromtimestamp(timestamp, BEIJING).strftime(_SPACED)
    return "0000-00-00 00:00:00"


def parse_utc(text: str) -> float:
    """Return the Unix seconds of `2024-01-31T08:00:00Z`.

    Raises:
        ValueError: the text has a different form.
    """
    return datetime.strptime(text, _UTC).replace(tzinfo=UTC).timestamp()
