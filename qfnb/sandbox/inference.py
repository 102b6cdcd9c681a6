"""Chat, answered by the base model or by a tuned one behind its endpoint."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

from ..wire import catalog
from ..wire import chat as wire
from .routing import Call, Stream, emulates, refuse, refuse_call

if TYPE_CHECKING:
    from .engine import Model, Reply

PIECE, PACE = 4, 0.025
"""Characters of a piece of a stream, and seconds between two pieces."""

_RANGES = {"temperature": (0.0, 1.0), "top_p": (0.0, 1.0), "penalty_score": (1.0, 2.0)}
_WORDS = re.compile(r"[A-Za-z0-9_]+|[^\sA-Za-z0-9_]")


@emulates(wire.CHAT_V1)
def chat_v1(call: Call, body: wire.ChatRequest) -> dict[str, Any] | Stream:
    """Answer `/chat/<endpoint>`."""
    _check(call, body)
    if not len(body.messages) % 2:
        raise refuse_call(call, "the length of messages must be an odd number")
    reply = _answer(_model(call, call.path["model"]), body)
    usage = _usage(body.messages, reply.text)
    head = {"id": call.id, "object": "chat.completion", "created": int(time.time())}
    tail = {"need_clear_history": False, "finish_reason": "normal", "usage": usage, "sandbox": _mark(reply)}
    if not body.stream:
        return {**head, "result": reply.text, "is_truncated": False, **tail}
    return Stream(_pieces_v1(reply.text, head, tail))


@emulates(wire.CHAT_V2)
def chat_v2(call: Call, body: wire.ChatRequestV2) -> dict[str, Any] | Stream:
    """Answer `/v2/chat/completions`."""
    _check(call, body)
    reply = _answer(_model(call, body.model), body)
    usage = _usage(body.messages, reply.text)
    head = {"id": call.id, "created": int(time.time()), "model": body.model, "sandbox": _mark(reply)}
    if not body.stream:
        message = {"role": "assistant", "content": reply.text}
        choice = {"index": 0, "message": message, "finish_reason": "stop", "flag": 0}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
    return Stream(_pieces_v2(reply.text, {**head, "object": "chat.completion.chunk"}, usage), done="[DONE]")


def count_tokens(text: str) -> int:
    """Count tokens the sandbox's way: a word or number is one, any other visible character is one."""
    return len(_WORDS.findall(text))


def _model(call: Call, name: str) -> Model:
    service = call.world.service_at(name)
    if service is not None:
        return call.world.tuned(service["task"])
    v1 = call.endpoint.plane == "v1"
    served = {row.v1 if v1 else row.v2 for row in catalog.CHAT_MODELS.values()} | set(catalog.CHAT_MODELS)
    if name.lower() in served:
        return call.world.base()
    if v1:
        raise refuse("v1", 3, "Unsupported openapi method")
    raise refuse(
        "v2", 0, f"No permission to use the model {name!r}: the sandbox has no such model or service",
        word="invalid_model", status=401,
    )  # fmt: skip


def _check(call: Call, body: wire.ChatRequest) -> None:
    extra = body.model_extra or {}
    for name, (low, high) in _RANGES.items():
        value = extra.get(name)
        if value is None:
            continue
        fits = (
            isinstance(value, (int, float)) and low <= value <= high and (name != "temperature" or value > 0)
        )
        if not fits:
            raise refuse_call(call, f"{name} must be in [{low}, {high}], it is {value!r}")
    talk = [message for message in body.messages if message.role != "system"]
    if not talk or talk[-1].role not in {"user", "function", "tool"}:
        raise refuse_call(call, "the role of the last message must be user", word="invalid_messages")
    if call.endpoint.plane == "v1" and len(talk) != len(body.messages):
        raise refuse_call(call, "invalid role in message: system is an option of its own here")


def _answer(model: Model, body: wire.ChatRequest) -> Reply:
    extra = body.model_extra or {}
    temperature = float(extra.get("temperature") or 0.0) if "seed" in extra else 0.0
    return model.reply(
        _text(body.messages[-1].content), temperature=temperature, seed=int(extra.get("seed") or 0)
    )


def _text(content: str | list[dict[str, Any]] | None) -> str:
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if part.get("type") == "text")
    return (content or "").strip()


def _mark(reply: Reply) -> dict[str, Any]:
    return {
        "engine": "qfnb local model, not ERNIE",
        "kind": reply.kind,
        "confidence": round(reply.confidence, 3),
    }


def _usage(messages: Sequence[wire.Message], text: str) -> dict[str, int]:
    prompt, completion = sum(count_tokens(_text(m.content)) for m in messages), count_tokens(text)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


async def _pieces_v1(text: str, head: dict[str, Any], tail: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    parts = [text[i : i + PIECE] for i in range(0, len(text), PIECE)]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        yield {**head, "sentence_id": number, "is_end": last, "is_truncated": False, "result": part, **tail}
        await asyncio.sleep(PACE)


async def _pieces_v2(text: str, head: dict[str, Any], usage: dict[str, int]) -> AsyncIterator[dict[str, Any]]:
    for start in range(0, len(text), PIECE):
        delta = {"role": "assistant", "content": text[start : start + PIECE]}
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None, "flag": 0}]}
        await asyncio.sleep(PACE)
    end = {"index": 0, "delta": {"content": ""}, "finish_reason": "stop", "flag": 0}
    yield {**head, "choices": [end], "usage": usage}
