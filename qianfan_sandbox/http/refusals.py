"""Refusals: the error answers of each plane, as exceptions that a handler raises; and answers that
are JSON.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from qfnb.wire.endpoints import Endpoint, Envelope

from ..state.store import random_id

SANDBOX_HEADER = {"x-qfnb-sandbox": "1"}
"""A header of every answer, so that no client can take it for the cloud's."""

INVALID_REQUEST = "invalid_request_error"
"""The type of v2's errors that are the caller's."""


class Refusal(Exception):
    """An error answer.

    Attributes:
        status: the HTTP status.
        body: the JSON object.
        headers: headers beside the usual ones.
    """

    def __init__(
        self, status: int, body: dict[str, Any], headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, body)
        self.status = status
        self.body = body
        self.headers = dict(headers or {})

    def to_response(self) -> Response:
        """Return what is sent."""
        return as_json(self.body, self.status, self.headers)


def build_refusal(
    endpoint: Endpoint[Any, Any],
    message: str,
    *,
    code: int,
    v2_code: str = "invalid_argument",
    status: int = 400,
    type_: str = INVALID_REQUEST,
) -> Refusal:
    """Return a refusal in an operation's own shape.

    Args:
        endpoint: the operation.
        message: the reason.
        code: the number of v1 and of v1's management.
        v2_code: v2's code, a word.
        status: the HTTP status of v2 and of actions; v1 refuses inside HTTP 200.
        type_: v2's type of error.
    """
    if endpoint.plane == "v2":
        return v2_refusal(v2_code, message, status=status, type_=type_)
    if endpoint.plane == "console":
        return console_refusal(endpoint.envelope, code, message, status=status)
    return v1_refusal(code, message)


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
