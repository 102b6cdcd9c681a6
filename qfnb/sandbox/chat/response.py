"""What an engine says, in the platform's words: whole or as it is written, and its errors as refusals."""

from __future__ import annotations

import math
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from ..engines.protocol import ChatModel, Conversation, EngineError, Reply, StreamingModel, content_text
from ..http.call import Call, Stream
from ..http.refusals import Refusal, v1_refusal, v2_refusal

FINISH_REASONS_V1 = {"stop": "normal", "tool_calls": "function_call"}

_TOKEN = re.compile(r"[A-Za-z0-9_]+|[^\sA-Za-z0-9_]")

_ERRORS_BY_CATEGORY: dict[str, tuple[int, str, int, str]] = {
    "server": (336000, "internal_error", 500, "server_error"),
    "busy": (336501, "rpm_rate_limit_exceeded", 429, "rate_limit_exceeded"),
    "argument": (336003, "invalid_argument", 400, "invalid_request_error"),
    "model": (336005, "invalid_model", 404, "invalid_request_error"),
    "length": (336103, "tokens_too_long", 400, "invalid_request_error"),
}
"""Whose trouble it is: v1's number; v2's word, status and type."""


async def ask_model(call: Call, model: ChatModel, conversation: Conversation) -> Reply:
    """Return what a model answers.

    Raises:
        Refusal: it could not.
    """
    try:
        return await model.answer(conversation)
    except EngineError as error:
        raise engine_refusal(call, error) from None


def engine_refusal(call: Call, error: EngineError) -> Refusal:
    """Return an engine's error as the platform says it, with the reason."""
    number, word, status, type_ = _ERRORS_BY_CATEGORY[error.category]
    if call.endpoint.plane == "v2":
        refusal = v2_refusal(word, error.message, status=status, type_=type_)
    else:
        refusal = v1_refusal(number, error.message)
    if error.retry_after:
        refusal.headers["retry-after"] = error.retry_after
    return refusal


async def stream_v1(
    call: Call, model: StreamingModel, conversation: Conversation, kind: str = "chat.completion"
) -> Stream:
    """Return a v1 stream of what is written; a refusal if nothing is."""
    head = {"id": call.id, "object": kind, "created": int(time.time())}
    return Stream(_v1_events(call, conversation, await _start_stream(call, model, conversation), head))


async def stream_v2(call: Call, model: StreamingModel, conversation: Conversation, model_name: str) -> Stream:
    """Return a v2 stream of what is written; a refusal if nothing is."""
    head = {
        "id": call.id,
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model_name,
    }
    return Stream(
        _v2_events(call, conversation, await _start_stream(call, model, conversation), head), done="[DONE]"
    )


def count_tokens(text: str) -> int:
    """Count tokens the sandbox's way: a word or number is one, any other visible character is one."""
    return len(_TOKEN.findall(text))


def count_usage(prompts: Sequence[str], answer: str) -> dict[str, int]:
    """Return the tokens of a call."""
    prompt, completion = sum(map(count_tokens, prompts)), count_tokens(answer)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def reply_usage(conversation: Conversation, reply: Reply) -> dict[str, int]:
    """Return the tokens of a call as the engine counted them, or the sandbox's way."""
    if reply.usage:
        return dict(reply.usage)
    return count_usage(
        [content_text(message.get("content")) for message in conversation.messages], reply.text
    )


def sandbox_mark(reply: Reply) -> dict[str, Any]:
    """Return what every reply says about who wrote it."""
    confidence = {} if math.isnan(reply.confidence) else {"confidence": round(reply.confidence, 3)}
    return {"engine": reply.label, "kind": reply.kind} | confidence


def v1_function_call(reply: Reply) -> dict[str, Any]:
    """Return the field in which v1 tells a call of a function, if the reply is one."""
    calls = reply.extra.get("tool_calls")
    return {"function_call": dict(calls[0]["function"])} if calls else {}


ReplyPieces = AsyncIterator[Mapping[str, Any] | Reply]


async def _start_stream(call: Call, model: StreamingModel, conversation: Conversation) -> ReplyPieces:
    """Return the pieces after the first has come: until then an error is an answer of its own."""
    pieces = model.stream(conversation)
    try:
        first = await anext(pieces)
    except EngineError as error:
        raise engine_refusal(call, error) from None
    return _prepend(first, pieces)


async def _prepend(first: Mapping[str, Any] | Reply, pieces: Any) -> ReplyPieces:
    async with aclosing(pieces):
        yield first
        async for piece in pieces:
            yield piece


async def _v1_events(
    call: Call, conversation: Conversation, pieces: ReplyPieces, head: Mapping[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    sentence_id = 0
    try:
        async for piece in pieces:
            tail: dict[str, Any] = {"is_truncated": False, "need_clear_history": False}
            if isinstance(piece, Reply):
                reason = FINISH_REASONS_V1.get(piece.reason, piece.reason)
                tail |= {"finish_reason": reason, "is_truncated": reason == "length"}
                tail |= {
                    "usage": reply_usage(conversation, piece),
                    "sandbox": sandbox_mark(piece),
                } | v1_function_call(piece)
                yield {**head, "sentence_id": sentence_id, "is_end": True, "result": "", **tail}
            elif piece.get("content"):
                text = piece["content"]
                yield {**head, "sentence_id": sentence_id, "is_end": False, "result": text, **tail}
                sentence_id += 1
    except EngineError as error:
        raise engine_refusal(call, error) from None


async def _v2_events(
    call: Call, conversation: Conversation, pieces: ReplyPieces, head: Mapping[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    try:
        async for piece in pieces:
            if isinstance(piece, Reply):
                choice = {"index": 0, "delta": {"content": ""}, "finish_reason": piece.reason, "flag": 0}
                extra = {"usage": reply_usage(conversation, piece), "sandbox": sandbox_mark(piece)}
                yield {**head, "choices": [choice], **extra}
            else:
                delta = {"role": "assistant", **piece}
                yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None, "flag": 0}]}
    except EngineError as error:
        raise engine_refusal(call, error) from None
