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

from ..wire.base import Endpoint, Plane
from ..wire.chat import CHAT_V1, CHAT_V2
from . import auth, faults
from .faults import FOR_EVER, Fault
from .routing import MARK, Call, Refusal, refuse

if TYPE_CHECKING:
    from .world import World

LIMITED = {CHAT_V1.name, CHAT_V2.name}
"""What the limits of requests and tokens are about."""

TEARS = 16
"""Places in which the fault `split` tears one piece."""

Handle = Callable[[Call, Request], Awaitable[Response]]

log = logging.getLogger("qfnb.sandbox")


async def serve(world: World, endpoint: Endpoint[Any, Any], request: Request, handle: Handle) -> Response:
    """Return the answer to a request: the handler's, a refusal, or one that breaks on purpose."""
    world.touch(endpoint.name)
    app = request.headers.get("appid", "")
    call = Call(world, endpoint, request.path_params, dict(request.query_params), app)
    fault: Fault | None = None
    ended = "denied"
    try:
        auth.authorize(world, endpoint.plane, auth.seen(request))
        ended = "limits"
        if endpoint.name in LIMITED:
            await _limit(world, endpoint.plane, request)
        fault, ended = faults.asked(request.headers, world.address.control_token), "errors"
        fault = fault or world.trouble.strike(endpoint.name)
        await _suffer(endpoint, fault)
        ended = "validation"
        with faults.suffered(fault):
            answer = await handle(call, request)
        ended = "good"
    except Refusal as refusal:
        answer = as_json(refusal.body, refusal.status, refusal.headers)
    except ClientDisconnect:
        raise
    except Exception:
        log.exception("%s failed", endpoint.name)
        failed, ended = faults.refusal(endpoint, Fault(status=500)), "broken"
        answer = as_json(failed.body, failed.status)
    world.evidence.note(endpoint, ended, request.headers, answer)
    return answer if fault is None or ended != "good" else _broken(answer, endpoint, fault)


def as_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that is JSON on one line."""
    content = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Response(content, status, MARK | dict(headers or {}), media_type="application/json; charset=utf-8")


async def _limit(world: World, plane: Plane, request: Request) -> None:
    world.register.note(await request.body(), answered=False)
    if over := world.quota.take():
        word, code = f"{over}_rate_limit_exceeded", 336501 if over == "rpm" else 336502
        message = f"Rate limit reached for {over.upper()}"
        refusal = refuse(plane, code, message, word=word, kind="rate_limit_exceeded", status=429)
        raise Refusal(refusal.status, refusal.body, world.quota.headers())


async def _suffer(endpoint: Endpoint[Any, Any], fault: Fault | None) -> None:
    """Go through what comes before the answer."""
    if fault is not None and fault.fault == "slow":
        await asyncio.sleep(fault.pause())
    if fault is not None and fault.fault == "status":
        raise faults.refusal(endpoint, fault)


def _broken(answer: Response, endpoint: Endpoint[Any, Any], fault: Fault) -> Response:
    """Return an answer that suffers what comes with or in the middle of it."""
    if isinstance(answer, StreamingResponse):
        answer.body_iterator = _struck(answer.body_iterator, endpoint, fault)
        return answer
    if fault.fault == "malformed":
        return Response(_half(bytes(answer.body)), answer.status_code, MARK, answer.media_type)
    if fault.fault == "error":
        failed = faults.refusal(endpoint, fault)
        return as_json(failed.body, failed.status, failed.headers)
    if fault.fault in {"slow", "fail"}:
        return answer
    return StreamingResponse(_pieces(bytes(answer.body), fault), answer.status_code, dict(answer.headers))


async def _pieces(content: bytes, fault: Fault) -> AsyncIterator[bytes]:
    """Return a plain answer as it comes when the fault is one of the connection."""
    if fault.fault == "stall":
        await asyncio.sleep(fault.pause() or FOR_EVER)
    elif fault.fault in {"cut", "reset"}:
        yield _half(content)
        raise ConnectionResetError("a fault that was asked for")
    for piece in _torn(content):
        await asyncio.sleep(fault.pause() if fault.fault == "drip" else 0.001)
        yield piece


async def _struck(pieces: Any, endpoint: Endpoint[Any, Any], fault: Fault) -> AsyncIterator[bytes]:
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
                yield _last(piece, endpoint, fault)
                return
            if fault.fault == "drip":
                await asyncio.sleep(fault.pause())
            if fault.fault == "stall" and count == fault.after + 1:
                await asyncio.sleep(fault.pause() or FOR_EVER)
            for part in _torn(piece) if fault.fault == "split" else [piece]:
                yield part
                await asyncio.sleep(0.001 if fault.fault == "split" else 0)


def _last(piece: bytes, endpoint: Endpoint[Any, Any], fault: Fault) -> bytes:
    """Return what a stream ends with in the place of a piece."""
    if fault.fault == "malformed":
        return _half(piece) + b"\n\n"
    if fault.fault == "error":
        said = faults.refusal(endpoint, Fault(code=336000) if fault.code is None else fault).body
        return f"data: {json.dumps(said, ensure_ascii=False)}\n\n".encode()
    return b""


def _half(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _torn(content: bytes) -> list[bytes]:
    """Return the parts of a text that is torn inside characters, or in the middle when it is all ASCII."""
    inside = [place for place, byte in enumerate(content) if byte & 0xC0 == 0x80][: TEARS * 2 : 2]
    places = [0, *(inside or [len(content) // 2]), len(content)]
    return [content[start:end] for start, end in pairwise(places)]
