"""What happens around every handler: who asks, how fast, what is to go wrong, how the answer is sent."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse

from ...wire.chat import CHAT_V1, CHAT_V2
from ...wire.endpoints import Endpoint, Plane
from ..trial import faults
from ..trial.faults import MAX_SECONDS, Fault
from . import auth
from .call import SANDBOX_HEADER, Call, Refusal, build_refusal

if TYPE_CHECKING:
    from ..state.world import World

RATE_LIMITED = {CHAT_V1.name, CHAT_V2.name}
"""What the limits of requests and tokens are about."""

MAX_SPLITS = 16
"""Places in which the fault `split` tears one piece."""

RequestHandler = Callable[[Call, Request], Awaitable[Response]]

log = logging.getLogger("qfnb.sandbox")


async def serve(
    world: World, endpoint: Endpoint[Any, Any], request: Request, handle: RequestHandler
) -> Response:
    """Return the answer to a request: the handler's, a refusal, or one that breaks on purpose."""
    world.record_activity(endpoint.name)
    app = request.headers.get("appid", "")
    call = Call(world, endpoint, request.path_params, dict(request.query_params), app)
    fault: Fault | None = None
    outcome = "denied"
    try:
        auth.authorize(world, endpoint.plane, auth.signed_request(request))
        outcome = "limits"
        if endpoint.name in RATE_LIMITED:
            await _enforce_rate_limit(world, endpoint.plane, request)
        fault, outcome = faults.requested_fault(request.headers, world.address.control_token), "errors"
        fault = fault or world.fault_rules.match(endpoint.name)
        await _inject_before_answer(endpoint, fault)
        outcome = "validation"
        with faults.fault_injection(fault):
            answer = await handle(call, request)
        outcome = "good"
    except Refusal as refusal:
        answer = as_json(refusal.body, refusal.status, refusal.headers)
    except ClientDisconnect:
        raise
    except Exception:
        log.exception("%s failed", endpoint.name)
        refusal_500, outcome = faults.fault_refusal(endpoint, Fault(status=500)), "broken"
        answer = as_json(refusal_500.body, refusal_500.status)
    world.evidence.note(endpoint, outcome, request.headers, answer)
    return answer if fault is None or outcome != "good" else _corrupt_answer(answer, endpoint, fault)


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that is JSON on one line."""
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(
        content, status, SANDBOX_HEADER | dict(headers or {}), media_type="application/json; charset=utf-8"
    )


async def _enforce_rate_limit(world: World, plane: Plane, request: Request) -> None:
    world.delivery_counter.count(await request.body(), answered=False)
    if exceeded := world.quota.acquire():
        word, code = f"{exceeded}_rate_limit_exceeded", 336501 if exceeded == "rpm" else 336502
        message = f"Rate limit reached for {exceeded.upper()}"
        refusal = build_refusal(plane, code, message, word=word, type_="rate_limit_exceeded", status=429)
        raise Refusal(refusal.status, refusal.body, world.quota.headers())


async def _inject_before_answer(endpoint: Endpoint[Any, Any], fault: Fault | None) -> None:
    """Go through what comes before the answer."""
    if fault is not None and fault.fault == "slow":
        await asyncio.sleep(fault.pause_seconds())
    if fault is not None and fault.fault == "status":
        raise faults.fault_refusal(endpoint, fault)


def _corrupt_answer(answer: Response, endpoint: Endpoint[Any, Any], fault: Fault) -> Response:
    """Return an answer that suffers what comes with or in the middle of it."""
    if isinstance(answer, StreamingResponse):
        answer.body_iterator = _corrupt_stream(answer.body_iterator, endpoint, fault)
        return answer
    if fault.fault == "malformed":
        return Response(
            _first_half(bytes(answer.body)), answer.status_code, SANDBOX_HEADER, answer.media_type
        )
    if fault.fault == "error":
        refusal = faults.fault_refusal(endpoint, fault)
        return as_json(refusal.body, refusal.status, refusal.headers)
    if fault.fault in {"slow", "fail"}:
        return answer
    return StreamingResponse(
        _corrupt_plain_answer(bytes(answer.body), fault), answer.status_code, dict(answer.headers)
    )


async def _corrupt_plain_answer(content: bytes, fault: Fault) -> AsyncIterator[bytes]:
    """Return a plain answer as it comes when the fault is one of the connection."""
    if fault.fault == "stall":
        await asyncio.sleep(fault.pause_seconds() or MAX_SECONDS)
    elif fault.fault in {"cut", "reset"}:
        yield _first_half(content)
        raise ConnectionResetError("a fault that was asked for")
    for part in _split_mid_character(content):
        await asyncio.sleep(fault.pause_seconds() if fault.fault == "drip" else 0.001)
        yield part


async def _corrupt_stream(pieces: Any, endpoint: Endpoint[Any, Any], fault: Fault) -> AsyncIterator[bytes]:
    """Return the pieces of a stream until the fault, and what comes then."""
    count = 0
    async with aclosing(pieces):
        async for piece in pieces:
            count += 1
            if count <= fault.after:
                yield piece
                continue
            if fault.fault == "reset":
                raise ConnectionResetError("a fault that was asked for")
            if fault.fault in {"cut", "error", "malformed"}:
                yield _final_piece(piece, endpoint, fault)
                return
            if fault.fault == "drip":
                await asyncio.sleep(fault.pause_seconds())
            if fault.fault == "stall" and count == fault.after + 1:
                await asyncio.sleep(fault.pause_seconds() or MAX_SECONDS)
            for part in _split_mid_character(piece) if fault.fault == "split" else [piece]:
                yield part
                await asyncio.sleep(0.001 if fault.fault == "split" else 0)


def _final_piece(piece: bytes, endpoint: Endpoint[Any, Any], fault: Fault) -> bytes:
    """Return what a stream ends with in the place of a piece."""
    if fault.fault == "malformed":
        return _first_half(piece) + b"\n\n"
    if fault.fault == "error":
        error_body = faults.fault_refusal(endpoint, Fault(code=336000) if fault.code is None else fault).body
        return f"data: {json.dumps(error_body, ensure_ascii=False)}\n\n".encode()
    return b""


def _first_half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _split_mid_character(content: bytes) -> list[bytes]:
    """Return the parts of a text that is torn inside characters, or in the middle when it is all ASCII."""
    continuations = [index for index, byte in enumerate(content) if byte & 0xC0 == 0x80][: MAX_SPLITS * 2 : 2]
    offsets = [0, *(continuations or [len(content) // 2]), len(content)]
    return [content[start:end] for start, end in pairwise(offsets)]
