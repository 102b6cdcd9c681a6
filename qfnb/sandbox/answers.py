"""What an engine says, in the platform's words: whole or as it is written, and its errors as refusals."""

from __future__ import annotations

import math
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from ..wire.base import Plane
from .engines import EngineError, Reply, Speaker, Streaming, Talk, text_of
from .routing import Call, Refusal, Stream, refuse

REASONS_V1 = {"stop": "normal", "tool_calls": "function_call"}

_WORDS = re.compile(r"[A-Za-z0-9_]+|[^\sA-Za-z0-9_]")

_REFUSED: dict[str, tuple[int, str, int, str]] = {
    "server": (336000, "internal_error", 500, "server_error"),
    "busy": (336501, "rpm_rate_limit_exceeded", 429, "rate_limit_exceeded"),
    "argument": (336003, "invalid_argument", 400, "invalid_request_error"),
    "model": (336005, "invalid_model", 404, "invalid_request_error"),
    "length": (336103, "tokens_too_long", 400, "invalid_request_error"),
}
"""Whose trouble it is: v1's number; v2's word, status and type."""


async def said(call: Call, model: Speaker, talk: Talk) -> Reply:
    """Return what a model answers.

    Raises:
        Refusal: it could not.
    """
    try:
        return await model.answer(talk)
    except EngineError as error:
        raise refused(call, error) from None


def refused(call: Call, error: EngineError) -> Refusal:
    """Return an engine's error as the platform says it, with the reason."""
    number, word, status, kind = _REFUSED[error.trouble]
    plane: Plane = "v2" if call.endpoint.plane == "v2" else "v1"
    refusal = refuse(plane, number, error.message, word=word, status=status, kind=kind)
    headers = {"retry-after": error.retry_after} if error.retry_after else {}
    return Refusal(refusal.status, refusal.body, headers)


async def live_v1(call: Call, model: Streaming, talk: Talk, kind: str = "chat.completion") -> Stream:
    """Return a v1 stream of what is written; a refusal if nothing is."""
    head = {"id": call.id, "object": kind, "created": int(time.time())}
    return Stream(_pieces_v1(call, talk, await _begun(call, model, talk), head))


async def live_v2(call: Call, model: Streaming, talk: Talk, name: str) -> Stream:
    """Return a v2 stream of what is written; a refusal if nothing is."""
    head = {"id": call.id, "object": "chat.completion.chunk", "created": int(time.time()), "model": name}
    return Stream(_pieces_v2(call, talk, await _begun(call, model, talk), head), done="[DONE]")


def count_tokens(text: str) -> int:
    """Count tokens the sandbox's way: a word or number is one, any other visible character is one."""
    return len(_WORDS.findall(text))


def usage_of(asked: Sequence[str], answer: str) -> dict[str, int]:
    """Return the tokens of a call."""
    prompt, completion = sum(map(count_tokens, asked)), count_tokens(answer)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def usage_in(talk: Talk, reply: Reply) -> dict[str, int]:
    """Return the tokens of a call as the engine counted them, or the sandbox's way."""
    if reply.usage:
        return dict(reply.usage)
    return usage_of([text_of(turn.get("content")) for turn in talk.messages], reply.text)


def mark_of(reply: Reply) -> dict[str, Any]:
    """Return what every reply says about who wrote it."""
    sure = {} if math.isnan(reply.confidence) else {"confidence": round(reply.confidence, 3)}
    return {"engine": reply.label, "kind": reply.kind} | sure


def function_call_of(reply: Reply) -> dict[str, Any]:
    """Return the field in which v1 tells a call of a function, if the reply is one."""
    calls = reply.more.get("tool_calls")
    return {"function_call": dict(calls[0]["function"])} if calls else {}


Written = AsyncIterator[Mapping[str, Any] | Reply]


async def _begun(call: Call, model: Streaming, talk: Talk) -> Written:
    """Return the pieces after the first has come: until then an error is an answer of its own."""
    pieces = model.pieces(talk)
    try:
        first = await anext(pieces)
    except EngineError as error:
        raise refused(call, error) from None
    return _with(first, pieces)


async def _with(first: Mapping[str, Any] | Reply, pieces: Any) -> Written:
    async with aclosing(pieces):
        yield first
        async for piece in pieces:
            yield piece


async def _pieces_v1(
    call: Call, talk: Talk, written: Written, head: Mapping[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    number = 0
    try:
        async for piece in written:
            tail: dict[str, Any] = {"is_truncated": False, "need_clear_history": False}
            if isinstance(piece, Reply):
                reason = REASONS_V1.get(piece.reason, piece.reason)
                tail |= {"finish_reason": reason, "is_truncated": reason == "length"}
                tail |= {"usage": usage_in(talk, piece), "sandbox": mark_of(piece)} | function_call_of(piece)
                yield {**head, "sentence_id": number, "is_end": True, "result": "", **tail}
            elif piece.get("content"):
                text = piece["content"]
                yield {**head, "sentence_id": number, "is_end": False, "result": text, **tail}
                number += 1
    except EngineError as error:
        raise refused(call, error) from None


async def _pieces_v2(
    call: Call, talk: Talk, written: Written, head: Mapping[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    try:
        async for piece in written:
            if isinstance(piece, Reply):
                end = {"index": 0, "delta": {"content": ""}, "finish_reason": piece.reason, "flag": 0}
                more = {"usage": usage_in(talk, piece), "sandbox": mark_of(piece)}
                yield {**head, "choices": [end], **more}
            else:
                delta = {"role": "assistant", **piece}
                yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None, "flag": 0}]}
    except EngineError as error:
        raise refused(call, error) from None
