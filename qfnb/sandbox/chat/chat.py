"""Chat, answered by the base model or by a tuned one behind its endpoint, or with a function to call."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...wire import catalog
from ...wire import chat as wire
from ..engines.protocol import ChatModel, EngineError, Reply, StreamingModel, content_text
from ..http.call import Call, Stream, emulates
from ..http.refusals import v1_refusal, v2_refusal
from ..services.common import active_deployment, find_service
from ..services.metering import metered
from . import image_caption, tools
from .request import conversation_v1, conversation_v2, offered_functions
from .response import (
    FINISH_REASONS_V1,
    ask_model,
    count_usage,
    engine_refusal,
    reply_usage,
    sandbox_mark,
    stream_v1,
    stream_v2,
    v1_function_call,
)

PIECE_CHARS, PIECE_SECONDS = 4, 0.025
"""Characters of a piece of a stream, and seconds between two pieces."""

_OPTION_RANGES = {"temperature": (0.0, 1.0), "top_p": (0.0, 1.0), "penalty_score": (1.0, 2.0)}


@emulates(wire.CHAT_V1)
@metered
async def chat_v1(call: Call, body: wire.ChatRequest) -> dict[str, Any] | Stream:
    """Answer `/chat/<endpoint>`."""
    validate_options(call, body.model_extra or {})
    validate_messages(call, body.messages)
    _validate_length(call, call.path["model"], body.messages)
    if any(message.role == "system" for message in body.messages):
        raise call.refusal("invalid role in message: system is an option of its own here")
    if not len(body.messages) % 2:
        raise call.refusal("the length of messages must be an odd number")
    model, conversation = resolve_model(call, call.path["model"]), conversation_v1(body)
    sandbox_reply = _sandbox_reply(model, body)
    if sandbox_reply is None and body.stream and isinstance(model, StreamingModel):
        return await stream_v1(call, model, conversation)
    reply = sandbox_reply or _wrap_as_json(model, body, await ask_model(call, model, conversation))
    prompts = [content_text(message.content) for message in body.messages]
    return build_v1_answer(call, reply, prompts, body.stream)


@emulates(wire.CHAT_V2)
@metered
async def chat_v2(call: Call, body: wire.ChatRequestV2) -> dict[str, Any] | Stream:
    """Answer `/v2/chat/completions`."""
    validate_options(call, body.model_extra or {})
    validate_messages(call, body.messages)
    _validate_length(call, body.model, body.messages)
    model, conversation = resolve_model(call, body.model), conversation_v2(body)
    sandbox_reply = _sandbox_reply(model, body)
    if sandbox_reply is None and body.stream and isinstance(model, StreamingModel):
        return await stream_v2(call, model, conversation, body.model)
    reply = sandbox_reply or _wrap_as_json(model, body, await ask_model(call, model, conversation))
    message = {"role": "assistant", "content": reply.text, **reply.extra}
    if "tool_calls" in message:
        defaults = {"id": f"call_{call.id[3:]}", "type": "function"}
        message["tool_calls"] = [defaults | tool_call for tool_call in message["tool_calls"]]
    usage = reply_usage(conversation, reply)
    head = {"id": call.id, "created": int(time.time()), "model": body.model, "sandbox": sandbox_mark(reply)}
    if not body.stream:
        choice = {"index": 0, "message": message, "finish_reason": reply.reason, "flag": 0}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
    chunk = {**head, "object": "chat.completion.chunk"}
    return Stream(_v2_pieces(message, chunk, usage, reply.reason), done="[DONE]")


def resolve_model(call: Call, name: str) -> ChatModel:
    """Return the model behind an endpoint or a preset model's name, or refuse."""
    service = find_service(call, name)
    if service is not None:
        return load_tuned_model(call, active_deployment(call, service)["task"])
    is_v1, row = call.endpoint.plane == "v1", catalog.find_model("chat", name)
    if (row is not None and (row.v1 or not is_v1)) or (
        not is_v1 and name in call.world.engines.active.model_names
    ):
        return call.world.engines.base_model(name)
    if is_v1:
        raise v1_refusal(3, "Unsupported openapi method")
    raise v2_refusal(
        "invalid_model",
        f"No permission to use the model {name!r}: the sandbox has no such model or service",
        status=401,
    )


def load_tuned_model(call: Call, run: str) -> ChatModel:
    """Return the model that a run made, or refuse."""
    try:
        return call.world.engines.tuned_model(run)
    except EngineError as error:
        raise engine_refusal(call, error) from None


def validate_options(call: Call, extra: Mapping[str, Any]) -> None:
    """Refuse an option that is out of its range."""
    for name, (low, high) in _OPTION_RANGES.items():
        value = extra.get(name)
        if value is None:
            continue
        is_valid = (
            isinstance(value, (int, float)) and low <= value <= high and (name != "temperature" or value > 0)
        )
        if not is_valid:
            raise call.refusal(f"{name} must be in [{low}, {high}], it is {value!r}")


def validate_messages(call: Call, messages: Sequence[wire.Message]) -> None:
    """Refuse a conversation that does not end with something to answer."""
    turns = [message for message in messages if message.role != "system"]
    if not turns or turns[-1].role not in {"user", "function", "tool"}:
        raise call.refusal("the role of the last message must be user", v2_code="invalid_messages")


def _validate_length(call: Call, name: str, messages: Sequence[wire.Message]) -> None:
    """Refuse more characters than a model takes."""
    row = catalog.find_model("chat", name)
    max_chars = row.chars if row else None
    if max_chars and sum(len(content_text(message.content)) for message in messages) > max_chars:
        if call.endpoint.plane == "v1":
            raise v1_refusal(336007, f"the max input characters is {max_chars}")
        raise call.refusal(f"the max input characters is {max_chars}", v2_code="characters_too_long")


def build_v1_answer(
    call: Call,
    reply: Reply,
    prompts: Sequence[str],
    stream: bool,
    *,
    kind: str = "chat.completion",
    extra: Mapping[str, Any] | None = None,
) -> dict[str, Any] | Stream:
    """Return a reply in v1's shape, whole or in pieces; `extra` goes into the whole and into every piece."""
    usage = dict(reply.usage or count_usage(prompts, reply.text))
    head = {"id": call.id, "object": kind, "created": int(time.time())}
    reason = FINISH_REASONS_V1.get(reply.reason, reply.reason)
    tail = {
        "need_clear_history": False,
        "finish_reason": reason,
        "usage": usage,
        "sandbox": sandbox_mark(reply),
    }
    tail |= v1_function_call(reply) | dict(extra or {})
    if not stream:
        return {**head, "result": reply.text, "is_truncated": reason == "length", **tail}
    return Stream(_v1_pieces(reply.text, head, tail))


def tool_reply(text: str, kind: str) -> Reply:
    """Return a reply that a tool made, not a model."""
    return Reply(kind, 1.0, text)


def _sandbox_reply(model: ChatModel, body: wire.ChatRequest) -> Reply | None:
    """Return what the sandbox says itself where a model has no tools and eyes: calls, results, pictures."""
    if "tools" in model.abilities:
        return None
    last_message = body.messages[-1]
    if last_message.role in {"function", "tool"}:
        return tool_reply(f"工具的结果是：{content_text(last_message.content)}", kind="tool result")
    if functions := offered_functions(body):
        match = tools.choose_function(functions, content_text(last_message.content))
        if match:
            call = {"function": {"name": match[0], "arguments": match[1]}}
            return replace(
                tool_reply("", kind=f"function {match[0]}"), reason="tool_calls", extra={"tool_calls": [call]}
            )
    description = image_caption.describe_content(last_message.content)
    return tool_reply(description, kind="picture") if description else None


def _wrap_as_json(model: ChatModel, body: wire.ChatRequest, reply: Reply) -> Reply:
    """Wrap an answer that is no JSON object into one, where that was asked for and the model cannot."""
    response_format = (body.model_extra or {}).get("response_format")
    format_name = response_format.get("type") if isinstance(response_format, Mapping) else response_format
    if "tools" in model.abilities or format_name not in {"json_object", "json_schema"}:
        return reply
    try:
        if isinstance(json.loads(reply.text), dict):
            return reply
    except ValueError:
        pass
    return replace(reply, text=json.dumps({"answer": reply.text}, ensure_ascii=False), confidence=1.0)


async def _v1_pieces(text: str, head: dict[str, Any], tail: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    parts = [text[i : i + PIECE_CHARS] for i in range(0, len(text), PIECE_CHARS)] or [""]
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        yield {
            **head,
            "sentence_id": number,
            "is_end": is_last,
            "is_truncated": False,
            "result": part,
            **tail,
        }
        await asyncio.sleep(PIECE_SECONDS)


async def _v2_pieces(
    message: dict[str, Any], head: dict[str, Any], usage: dict[str, int], reason: str
) -> AsyncIterator[dict[str, Any]]:
    text, tool_calls = message["content"], message.get("tool_calls") or ()
    for start in range(0, len(text), PIECE_CHARS):
        delta = {"role": "assistant", "content": text[start : start + PIECE_CHARS]}
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None, "flag": 0}]}
        await asyncio.sleep(PIECE_SECONDS)
    calls = [{"index": index, **call} for index, call in enumerate(tool_calls)]
    delta_end = {"content": "", "tool_calls": calls} if calls else {"content": ""}
    choice = {"index": 0, "delta": delta_end, "finish_reason": reason, "flag": 0}
    yield {**head, "choices": [choice], "usage": usage}
