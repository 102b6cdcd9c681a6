"""Chat, answered by the base model or by a tuned one behind its endpoint, or with a function to call."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..wire import catalog
from ..wire import chat as wire
from . import seeing, tools
from .answers import (
    REASONS_V1,
    function_call_of,
    live_v1,
    live_v2,
    mark_of,
    refused,
    said,
    usage_in,
    usage_of,
)
from .engines import EngineError, Reply, Speaker, Streaming, text_of
from .metering import metered
from .routing import Call, Stream, emulates, refuse, refuse_call
from .serving import answering
from .talks import functions_of, talk_v1, talk_v2

PIECE, PACE = 4, 0.025
"""Characters of a piece of a stream, and seconds between two pieces."""

_RANGES = {"temperature": (0.0, 1.0), "top_p": (0.0, 1.0), "penalty_score": (1.0, 2.0)}


@emulates(wire.CHAT_V1)
@metered
async def chat_v1(call: Call, body: wire.ChatRequest) -> dict[str, Any] | Stream:
    """Answer `/chat/<endpoint>`."""
    check_options(call, body.model_extra or {})
    check_talk(call, body.messages)
    _check_length(call, call.path["model"], body.messages)
    if any(message.role == "system" for message in body.messages):
        raise refuse_call(call, "invalid role in message: system is an option of its own here")
    if not len(body.messages) % 2:
        raise refuse_call(call, "the length of messages must be an odd number")
    model, talk = model_at(call, call.path["model"]), talk_v1(body)
    own = _own_answer(model, body)
    if own is None and body.stream and isinstance(model, Streaming):
        return await live_v1(call, model, talk)
    reply = own or _formed(model, body, await said(call, model, talk))
    asked = [text_of(message.content) for message in body.messages]
    return answer_v1(call, reply, asked, body.stream)


@emulates(wire.CHAT_V2)
@metered
async def chat_v2(call: Call, body: wire.ChatRequestV2) -> dict[str, Any] | Stream:
    """Answer `/v2/chat/completions`."""
    check_options(call, body.model_extra or {})
    check_talk(call, body.messages)
    _check_length(call, body.model, body.messages)
    model, talk = model_at(call, body.model), talk_v2(body)
    own = _own_answer(model, body)
    if own is None and body.stream and isinstance(model, Streaming):
        return await live_v2(call, model, talk, body.model)
    reply = own or _formed(model, body, await said(call, model, talk))
    message = {"role": "assistant", "content": reply.text, **reply.more}
    if "tool_calls" in message:
        named = {"id": f"call_{call.id[3:]}", "type": "function"}
        message["tool_calls"] = [named | one for one in message["tool_calls"]]
    usage = usage_in(talk, reply)
    head = {"id": call.id, "created": int(time.time()), "model": body.model, "sandbox": mark_of(reply)}
    if not body.stream:
        choice = {"index": 0, "message": message, "finish_reason": reply.reason, "flag": 0}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
    chunk = {**head, "object": "chat.completion.chunk"}
    return Stream(_pieces_v2(message, chunk, usage, reply.reason), done="[DONE]")


def model_at(call: Call, name: str) -> Speaker:
    """Return the model behind an endpoint or a preset model's name, or refuse."""
    service = call.world.service_at(name)
    if service is not None:
        return tuned(call, answering(call, service)["task"])
    v1, row = call.endpoint.plane == "v1", catalog.find("chat", name)
    if (row is not None and (row.v1 or not v1)) or (not v1 and name in call.world.engines.chosen.names):
        return call.world.base(name)
    if v1:
        raise refuse("v1", 3, "Unsupported openapi method")
    raise refuse(
        "v2", 0, f"No permission to use the model {name!r}: the sandbox has no such model or service",
        word="invalid_model", status=401,
    )  # fmt: skip


def tuned(call: Call, run: str) -> Speaker:
    """Return the model that a run made, or refuse."""
    try:
        return call.world.tuned(run)
    except EngineError as error:
        raise refused(call, error) from None


def check_options(call: Call, extra: Mapping[str, Any]) -> None:
    """Refuse an option that is out of its range."""
    for name, (low, high) in _RANGES.items():
        value = extra.get(name)
        if value is None:
            continue
        fits = (
            isinstance(value, (int, float)) and low <= value <= high and (name != "temperature" or value > 0)
        )
        if not fits:
            raise refuse_call(call, f"{name} must be in [{low}, {high}], it is {value!r}")


def check_talk(call: Call, messages: Sequence[wire.Message]) -> None:
    """Refuse a conversation that does not end with something to answer."""
    talk = [message for message in messages if message.role != "system"]
    if not talk or talk[-1].role not in {"user", "function", "tool"}:
        raise refuse_call(call, "the role of the last message must be user", word="invalid_messages")


def _check_length(call: Call, name: str, messages: Sequence[wire.Message]) -> None:
    """Refuse more characters than a model takes."""
    row = catalog.find("chat", name)
    most = row.chars if row else None
    if most and sum(len(text_of(message.content)) for message in messages) > most:
        if call.endpoint.plane == "v1":
            raise refuse("v1", 336007, f"the max input characters is {most}")
        raise refuse_call(call, f"the max input characters is {most}", word="characters_too_long")


def answer_v1(
    call: Call,
    reply: Reply,
    asked: Sequence[str],
    stream: bool,
    *,
    kind: str = "chat.completion",
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any] | Stream:
    """Return a reply in v1's shape, whole or in pieces; `more` goes into the whole and into every piece."""
    usage = dict(reply.usage or usage_of(asked, reply.text))
    head = {"id": call.id, "object": kind, "created": int(time.time())}
    reason = REASONS_V1.get(reply.reason, reply.reason)
    tail = {"need_clear_history": False, "finish_reason": reason, "usage": usage, "sandbox": mark_of(reply)}
    tail |= function_call_of(reply) | dict(more or {})
    if not stream:
        return {**head, "result": reply.text, "is_truncated": reason == "length", **tail}
    return Stream(_pieces_v1(reply.text, head, tail))


def reply_of(text: str, kind: str) -> Reply:
    """Return a reply that a tool made, not a model."""
    return Reply(kind, 1.0, text)


def _own_answer(model: Speaker, body: wire.ChatRequest) -> Reply | None:
    """Return what the sandbox says itself where a model has no tools and eyes: calls, results, pictures."""
    if "tools" in model.can:
        return None
    last = body.messages[-1]
    if last.role in {"function", "tool"}:
        return reply_of(f"工具的结果是：{text_of(last.content)}", kind="tool result")
    if functions := functions_of(body):
        found = tools.wanted(functions, text_of(last.content))
        if found:
            call = {"function": {"name": found[0], "arguments": found[1]}}
            return replace(
                reply_of("", kind=f"function {found[0]}"), reason="tool_calls", more={"tool_calls": [call]}
            )
    seen = seeing.describe(last.content)
    return reply_of(seen, kind="picture") if seen else None


def _formed(model: Speaker, body: wire.ChatRequest, reply: Reply) -> Reply:
    """Wrap an answer that is no JSON object into one, where that was asked for and the model cannot."""
    wanted = (body.model_extra or {}).get("response_format")
    name = wanted.get("type") if isinstance(wanted, Mapping) else wanted
    if "tools" in model.can or name not in {"json_object", "json_schema"}:
        return reply
    try:
        if isinstance(json.loads(reply.text), dict):
            return reply
    except ValueError:
        pass
    return replace(reply, text=json.dumps({"answer": reply.text}, ensure_ascii=False), confidence=1.0)


async def _pieces_v1(text: str, head: dict[str, Any], tail: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    parts = [text[i : i + PIECE] for i in range(0, len(text), PIECE)] or [""]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        yield {**head, "sentence_id": number, "is_end": last, "is_truncated": False, "result": part, **tail}
        await asyncio.sleep(PACE)


async def _pieces_v2(
    message: dict[str, Any], head: dict[str, Any], usage: dict[str, int], reason: str
) -> AsyncIterator[dict[str, Any]]:
    text, wanted = message["content"], message.get("tool_calls") or ()
    for start in range(0, len(text), PIECE):
        delta = {"role": "assistant", "content": text[start : start + PIECE]}
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None, "flag": 0}]}
        await asyncio.sleep(PACE)
    calls = [{"index": index, **call} for index, call in enumerate(wanted)]
    last = {"content": "", "tool_calls": calls} if calls else {"content": ""}
    end = {"index": 0, "delta": last, "finish_reason": reason, "flag": 0}
    yield {**head, "choices": [end], "usage": usage}
