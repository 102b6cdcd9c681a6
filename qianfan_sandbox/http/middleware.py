"""What happens around every handler: credentials, rate limits, injected faults, and how an answer
is sent.
"""

import asyncio
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from qfnb.wire import auth as wire
from qfnb.wire.base import JsonObject
from qfnb.wire.catalog import MODELS_V2
from qfnb.wire.chat import CHAT_V1, CHAT_V2
from qfnb.wire.endpoints import AnyEndpoint

from ..failures import MAX_SECONDS, Fault, describe_error, fault_injection
from ..state.store import random_id
from ..state.world import World
from .call import (
    INVALID_REQUEST,
    SANDBOX_HEADER,
    Call,
    Refusal,
    emulates,
    gateway_refusal,
    utc,
    v1_refusal,
    v2_refusal,
)

TOKEN_SECONDS = 30 * 24 * 3600
BEARER_SECONDS = 43200
_OWN_KEYS_ONLY = "this is the qfnb sandbox: it takes only its own keys (run `qfnb sandbox env`)"


def authorize(world: World, endpoint: AnyEndpoint, request: Request) -> None:
    """Check that the caller may use an operation.

    Args:
        world: the state with the sandbox's keys.
        endpoint: the operation.
        request: the request.

    Raises:
        Refusal: the credentials are missing or wrong.
    """
    header = request.headers.get("authorization", "")
    plane = endpoint.plane
    if plane == "oauth":
        return
    if not header and endpoint is MODELS_V2:
        message = "no key (Authorization: Bearer bce-v3/...) was given"
        raise v2_refusal("access_denied", message, status=403)
    if plane == "v2":
        _verify_bearer(world, header)
    elif plane == "v1" and not header.startswith("bce-auth-v1/"):
        _verify_access_token(world, request.query_params.get("access_token", ""))
    else:
        raw_path: bytes = request.scope.get("raw_path") or request.url.path.encode()
        verify_signature(world, header, request, raw_path.split(b"?")[0].decode("ascii"))


def verify_signature(world: World, header: str, request: Request, path: str) -> None:
    """Check that an IAM signature is right, recent, and made with this sandbox's keys.

    Args:
        world: the state with the sandbox's keys.
        header: the signature, `bce-auth-v1/...`.
        request: the signed request.
        path: its path as it was signed, URL-quoted.

    Raises:
        Refusal: 403, as the platform's gateway answers.
    """
    claim = wire.SignatureHeader.parse(header)
    if claim is None:
        raise gateway_refusal(
            "AccessDenied", "no IAM signature (Authorization: bce-auth-v1/...) was given"
        )
    if claim.access_key != world.address.access_key:
        raise gateway_refusal(
            "NotFound", f"NotFound, cause: Could not find credential. {_OWN_KEYS_ONLY}"
        )
    if claim.is_expired(time.time()):
        raise gateway_refusal(
            "RequestExpired", "RequestExpired, cause: the signature is too old; check the clock"
        )
    is_valid = claim.verify(
        world.address.secret_key,
        method=request.method,
        path=path,
        query=parse_qsl(request.url.query, keep_blank_values=True),
        headers=dict(request.headers),
    )
    if not is_valid:
        raise gateway_refusal(
            "SignatureDoesNotMatch",
            "SignatureDoesNotMatch, cause: Fail to authn user: Signature does not match",
        )


def _verify_bearer(world: World, header: str) -> None:
    token = header.removeprefix("Bearer ").strip()
    if secrets.compare_digest(token.encode(), world.address.api_key.encode()):
        return
    # a number would name a document, too
    issued = world.store.get("bearer", token) if token.startswith("bce-v3/") else None
    if issued is None or issued["until"] < time.time():
        raise v2_refusal("invalid_iam_token", _OWN_KEYS_ONLY, status=401)


def _verify_access_token(world: World, token: str) -> None:
    issued = world.store.get("token", token) if token.startswith("24.") else None
    if issued is None:
        raise v1_refusal(110, f"Access token invalid or no longer valid; {_OWN_KEYS_ONLY}")
    if issued["until"] < time.time():
        raise v1_refusal(111, "Access token expired")


@emulates(wire.OAUTH_TOKEN)
def oauth_token(call: Call, body: Any) -> JsonObject:
    """Exchange AK and SK, in the query or the body, for an access token."""
    params = {**(body.model_extra or {}), **call.query}
    address = call.world.address
    if params.get("client_id") != address.ak:
        raise _client_refusal(f"unknown client id; {_OWN_KEYS_ONLY}")
    if not secrets.compare_digest(
        str(params.get("client_secret", "")).encode(), address.sk.encode()
    ):
        raise _client_refusal("Client authentication failed")
    token = f"24.{secrets.token_hex(16)}.{TOKEN_SECONDS}.{int(time.time())}.sandbox"
    call.store.add("token", token, until=time.time() + TOKEN_SECONDS)
    return {
        "access_token": token,
        "expires_in": TOKEN_SECONDS,
        "refresh_token": f"25.{secrets.token_hex(16)}",
        "scope": "public ai_custom_yiyan_com",
        "session_key": "",
        "session_secret": "",
    }


def _client_refusal(description: str) -> Refusal:
    return Refusal(401, {"error": "invalid_client", "error_description": description})


@emulates(wire.BCE_BEARER)
def exchange_bearer(call: Call, body: wire.CreateBearer) -> JsonObject:
    """Exchange an IAM signature for a bearer."""
    seconds = body.expire_in_seconds
    if seconds is None:
        seconds = BEARER_SECONDS
    now = time.time()
    token = f"{random_id('bce-v3/ALTAK-sandbox')}/{secrets.token_hex(20)}"
    call.store.add("bearer", token, until=now + seconds)
    return {
        "userId": "sandbox",
        "token": token,
        "status": "enable",
        "createTime": utc(now).replace("Z", ".000Z"),
        "expireTime": utc(now + seconds).replace("Z", ".000Z"),
    }


RATE_LIMITED = {CHAT_V1.name, CHAT_V2.name}
"""The operations that the limits of requests and tokens are for."""

V1_ENDED = "Unsupported openapi method: v1 inference ended on 2026-08-31, use /v2"

RequestHandler = Callable[[Call, Request], Awaitable[Response]]

log = logging.getLogger("qfnb.sandbox")


async def serve(
    world: World, endpoint: AnyEndpoint, request: Request, handle: RequestHandler
) -> Response:
    """Return the answer to a request: the handler's, a refusal, or one that a fault breaks.

    The request's state says afterwards which `operation` it was and its `outcome`: denied, limits,
    errors, validation, good, faulted or broken.

    Args:
        world: the state of the sandbox.
        endpoint: the operation.
        request: the request.
        handle: what answers the call; it may raise a Refusal.
    """
    world.record_activity(endpoint.name)
    app = request.headers.get("appid", "")
    call = Call(world, endpoint, request.path_params, dict(request.query_params), app)
    state = request.state
    fault = None
    state.operation = endpoint.name
    state.outcome = "denied"
    try:
        authorize(world, endpoint, request)
        if call.is_strict and endpoint.plane == "v1":
            raise v1_refusal(3, V1_ENDED)
        state.outcome = "limits"
        if endpoint.name in RATE_LIMITED:
            await _enforce_rate_limit(call, request)
        fault = requested_fault(request.headers, world.address.control_token)
        state.outcome = "errors"
        fault = fault or world.fault_rules.match(endpoint.name)
        await inject_before_answer(call, fault)
        state.outcome = "validation"
        with fault_injection(fault):
            answer = await handle(call, request)
    except Refusal as refusal:
        return refusal.to_response()
    except ClientDisconnect:
        raise
    except Exception:
        log.exception("%s failed", endpoint.name)
        state.outcome = "broken"
        return fault_refusal(call, Fault(status=500)).to_response()
    if fault is None:
        state.outcome = "good"
        return answer
    state.outcome = "faulted"
    return corrupt_answer(answer, call, fault)


async def _enforce_rate_limit(call: Call, request: Request) -> None:
    quota = call.world.quota
    call.world.delivery_counter.count(await request.body(), answered=False)
    if exceeded := quota.acquire():
        refusal = call.refusal(
            f"Rate limit reached for {exceeded.upper()}",
            code=336501 if exceeded == "rpm" else 336502,
            v2_code=f"{exceeded}_rate_limit_exceeded",
            status=429,
            type_="rate_limit_exceeded",
        )
        refusal.headers.update(call.world.quota.headers())
        raise refusal


FAULT_HEADER = "x-qfnb-fault"
CONTROL_HEADER = "x-qfnb-control"
"""The fault of this one request, e.g. `rst@3`, and the control token that allows it."""

MAX_SPLITS = 16
"""How often the fault `split` splits one piece."""

HOLD_POLLING_S = 0.01
"""Seconds between two looks at whether the fault `hold` was removed."""


class PlatformError(NamedTuple):
    """An error of the platform: its HTTP status, v1's number, v2's word, and the text."""

    status: int
    code: int
    v2_code: str
    message: str


_ERRORS = [
    PlatformError(400, 336003, "invalid_argument", "Invalid argument"),
    PlatformError(401, 110, "invalid_iam_token", "Access token invalid"),
    PlatformError(403, 336004, "access_denied", "No permission"),
    PlatformError(404, 3, "invalid_path", "Not found"),
    PlatformError(429, 336501, "rpm_rate_limit_exceeded", "Rate limit reached for RPM"),
    PlatformError(429, 336502, "tpm_rate_limit_exceeded", "Rate limit reached for TPM"),
    PlatformError(429, 18, "qps_rate_limit_exceeded", "Open api qps request limit reached"),
    PlatformError(429, 18, "RATE_LIMIT_TOTAL_QPS", "Rate limit reached for QPS"),
    PlatformError(429, 17, "QUOTA_USER_DAILY_REQUEST", "Daily request limit reached"),
    PlatformError(429, 17, "QUOTA_USER_DAILY_FREE", "Daily free quota used up"),
    PlatformError(429, 17, "BILLING_INSUFFICIENT_BALANCE", "The account is in arrears"),
    PlatformError(401, 336004, "no_parameter_permission", "No permission for this"),
    PlatformError(401, 336005, "invalid_model", "No permission to use the model"),
    PlatformError(503, 336100, "server_busy", "Please try again"),
    PlatformError(500, 500000, "internal_error", "Internal error"),
    PlatformError(500, 336000, "internal_error", "Internal error"),
]
"""The first one stands for all other words, the last one for all other numbers."""

_ACTION_CODES = {
    400: "InappropriateJSON",
    401: "AccessDenied",
    403: "AccessDenied",
    404: "NotFound",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
}
"""The codes of actions by status; else InternalError."""


def _error_type(error: PlatformError) -> str:
    """Return v2's type of an error."""
    if error.status >= 500:
        return "server_error"
    if error.v2_code.endswith("_unsafe"):
        return "unsafe_request"
    return {403: "access_denied", 429: "rate_limit_exceeded"}.get(error.status, INVALID_REQUEST)


def requested_fault(headers: Mapping[str, str], token: str) -> Fault | None:
    """Return the fault that a request asks for in its headers, None without one.

    Raises:
        Refusal: the control token is missing or wrong, or the header does not describe a fault.
    """
    if (text := headers.get(FAULT_HEADER)) is None:
        return None
    if not secrets.compare_digest(headers.get(CONTROL_HEADER, "").encode(), token.encode()):
        raise Refusal(403, {"error": f"{FAULT_HEADER} needs the control token in {CONTROL_HEADER}"})
    try:
        return Fault.parse(text)
    except ValueError as error:
        raise Refusal(400, {"error": f"{FAULT_HEADER}: {describe_error(error)}"}) from None


def fault_refusal(call: Call, fault: Fault) -> Refusal:
    """Return the refusal that a fault stands for, in the operation's own shape.

    An HTTP status is sent as it is; a platform's code with the status that the plane gives it.
    """
    error = _find_error(fault)
    action_code = _ACTION_CODES.get(error.status, "InternalError")
    if isinstance(fault.code, str):
        error = error._replace(v2_code=fault.code)
        action_code = fault.code
    elif fault.code is not None:
        error = error._replace(code=fault.code)
    refusal = call.refusal(
        error.message,
        code=error.code,
        v2_code=error.v2_code,
        status=error.status,
        type_=_error_type(error),
    )
    if call.endpoint.envelope == "action":
        refusal.body.update(code=action_code, message=error.message)
    if fault.status:
        refusal.status = fault.status
    elif fault.code is None:
        refusal.status = 503
    if fault.retry_after:
        refusal.headers["retry-after"] = fault.retry_after
    return refusal


async def inject_before_answer(call: Call, fault: Fault | None) -> None:
    """Do what a fault does before a call is answered.

    Raises:
        Refusal: the fault is one.
    """
    if fault is None:
        return
    if fault.fault == "status":
        raise fault_refusal(call, fault)
    if fault.fault == "slow":
        await asyncio.sleep(fault.seconds)
    while fault.fault == "hold" and fault in call.world.fault_rules.rules:
        await asyncio.sleep(HOLD_POLLING_S)


def corrupt_answer(answer: Response, call: Call, fault: Fault) -> Response:
    """Return an answer with what a fault does to its body."""
    if isinstance(answer, StreamingResponse):
        answer.body_iterator = _corrupt_stream(answer.body_iterator, call, fault)
        return answer
    content = bytes(answer.body)
    if fault.fault == "malformed":
        return Response(_first_half(content), answer.status_code, SANDBOX_HEADER, answer.media_type)
    if fault.fault == "error":
        return fault_refusal(call, fault).to_response()
    if fault.fault in {"slow", "hold", "fail"}:
        return answer
    pieces = _corrupt_body(content, fault)
    return StreamingResponse(pieces, answer.status_code, dict(answer.headers))


async def _corrupt_body(content: bytes, fault: Fault) -> AsyncIterator[bytes]:
    """Yield the pieces of a plain answer when the fault is one of the connection."""
    if fault.fault == "stall":
        await asyncio.sleep(fault.seconds or MAX_SECONDS)
    elif fault.fault in {"cut", "reset"}:
        yield _first_half(content)
        raise ConnectionResetError("an injected fault")
    pause = 0.001
    if fault.fault == "drip":
        pause = fault.seconds
    for piece in _split_mid_character(content):
        await asyncio.sleep(pause)
        yield piece


async def _corrupt_stream(pieces: Any, call: Call, fault: Fault) -> AsyncIterator[bytes]:
    """Yield the pieces of a stream up to the fault, and what the fault makes of the others."""
    count = 0
    async with aclosing(pieces):
        async for piece in pieces:
            count += 1
            if count <= fault.after:
                yield piece
                continue
            if fault.fault == "reset":
                raise ConnectionResetError("an injected fault")
            if fault.fault in {"cut", "error", "malformed"}:
                yield _final_piece(piece, call, fault)
                return
            if fault.fault == "drip":
                await asyncio.sleep(fault.seconds)
            if fault.fault == "stall" and count == fault.after + 1:
                await asyncio.sleep(fault.seconds or MAX_SECONDS)
            if fault.fault != "split":
                yield piece
                continue
            for part in _split_mid_character(piece):
                yield part
                await asyncio.sleep(0.001)


def _final_piece(piece: bytes, call: Call, fault: Fault) -> bytes:
    """Return what a stream ends with instead of a piece."""
    if fault.fault == "malformed":
        return _first_half(piece) + b"\n\n"
    if fault.fault == "error":
        refusal = fault_refusal(call, fault)
        return f"data: {json.dumps(refusal.body, ensure_ascii=False)}\n\n".encode()
    return b""


def _first_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _split_mid_character(content: bytes) -> list[bytes]:
    """Return the parts of a text that is split inside its characters; in the middle when it is all
    ASCII.
    """
    inside = [index for index, byte in enumerate(content) if byte & 0xC0 == 0x80]
    offsets = inside[: MAX_SPLITS * 2 : 2] or [len(content) // 2]
    pieces = []
    for start, end in pairwise([0, *offsets, len(content)]):
        pieces.append(content[start:end])
    return pieces


def _find_error(fault: Fault) -> PlatformError:
    for row in _ERRORS:
        if fault.code is None and fault.status == row.status < 500:
            return row
        codes = (row.code, row.v2_code, _ACTION_CODES.get(row.status))
        if fault.code is not None and fault.code in codes:
            return row
    if isinstance(fault.code, str):
        return _ERRORS[0]
    return _ERRORS[-1]
