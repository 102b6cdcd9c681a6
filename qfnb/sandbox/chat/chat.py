"""Chat: the base model answers, or the tuned model behind an endpoint; or the answer is a function to call."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...wire import catalog, chat as wire
from ..engines.protocol import ChatModel, EngineError, Reply, StreamingModel, content_text
from ..http.call import Call, Stream, emulates
from ..services.common import active_deployment, find_service
from ..services.metering import metered
from . import conversion, images, plugins
from .conversion import PIECE_CHARS, PIECE_SECONDS, tool_reply

_OPTION_RANGES = {"temperature": (0.0, 1.0), "top_p": (0.0, 1.0), "penalty_score": (1.0, 2.0)}


@emulates(wire.CHAT_V1)
@metered
async def chat_v1(call: Call, body: wire.ChatRequest) -> dict[str, Any] | Stream:
    """Answer `/chat/<endpoint>`."""
    validate_options(call, body.model_extra or {})
    conversion.validate_messages(call, body.messages)
    _validate_length(call, call.path["model"], body.messages)
    if any(message.role == "system" for message in body.messages):
        raise call.refusal("invalid role in message: system is an option of its own here")
    if not len(body.messages) % 2:
        raise call.refusal("the length of messages must be an odd number")
    model, conversation = resolve_model(call, call.path["model"]), conversion.conversation_v1(body)
    sandbox_reply = _sandbox_reply(model, body)
    if sandbox_reply is None and body.stream and isinstance(model, StreamingModel):
        return await conversion.stream_v1(call, model, conversation)
    reply = sandbox_reply or _wrap_as_json(model, body, await conversion.ask_model(call, model, conversation))
    prompts = [content_text(message.content) for message in body.messages]
    return conversion.build_v1_answer(call, reply, prompts, body.stream)


@emulates(wire.CHAT_V2)
@metered
async def chat_v2(call: Call, body: wire.ChatRequestV2) -> dict[str, Any] | Stream:
    """Answer `/v2/chat/completions`."""
    validate_options(call, body.model_extra or {})
    conversion.validate_messages(call, body.messages)
    _validate_length(call, body.model, body.messages)
    model, conversation = resolve_model(call, body.model), conversion.conversation_v2(body)
    sandbox_reply = _sandbox_reply(model, body)
    if sandbox_reply is None and body.stream and isinstance(model, StreamingModel):
        return await conversion.stream_v2(call, model, conversation, body.model)
    reply = sandbox_reply or _wrap_as_json(model, body, await conversion.ask_model(call, model, conversation))
    message = {"role": "assistant", "content": reply.text, **reply.extra}
    if "tool_calls" in message:
        defaults = {"id": f"call_{call.id[3:]}", "type": "function"}
        message["tool_calls"] = [defaults | tool_call for tool_call in message["tool_calls"]]
    usage = conversion.reply_usage(conversation, reply)
    head = {"id": call.id, "created": int(time.time()), "model": body.model, "sandbox": conversion.sandbox_mark(reply)}
    if not body.stream:
        choice = {"index": 0, "message": message, "finish_reason": reply.reason, "flag": 0}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
    chunk = {**head, "object": "chat.completion.chunk"}
    return Stream(_v2_pieces(message, chunk, usage, reply.reason), done="[DONE]")


def resolve_model(call: Call, name: str) -> ChatModel:
    """Return the model behind an endpoint or a preset model's name.

    Raises:
        Refusal: there is no such model, or its service is not ready.
    """
    service = find_service(call, name)
    if service is not None:
        try:
            return call.world.engines.tuned_model(active_deployment(call, service)["task"])
        except EngineError as error:
            raise conversion.engine_refusal(call, error) from None
    is_v1, row = call.endpoint.plane == "v1", catalog.find_model("chat", name)
    if (row is not None and (row.v1 or not is_v1)) or (not is_v1 and name in call.world.engines.active.model_names):
        return call.world.engines.base_model(name)
    raise conversion.unknown_model(call, name, ": the sandbox has no such model or service")


def validate_options(call: Call, extra: Mapping[str, Any]) -> None:
    """Refuse an option that is out of its range."""
    for name, (low, high) in _OPTION_RANGES.items():
        value = extra.get(name)
        if value is None:
            continue
        is_valid = isinstance(value, (int, float)) and low <= value <= high and (name != "temperature" or value > 0)
        if not is_valid:
            raise call.refusal(f"{name} must be in [{low}, {high}], it is {value!r}")


def _validate_length(call: Call, name: str, messages: Sequence[wire.Message]) -> None:
    """Refuse more characters than the model accepts."""
    row = catalog.find_model("chat", name)
    max_chars = row.max_chars if row else None
    if max_chars and sum(len(content_text(message.content)) for message in messages) > max_chars:
        message = f"the max input characters is {max_chars}"
        raise call.refusal(message, code=336007, v2_code="characters_too_long")


def _offered_functions(body: wire.ChatRequest) -> Sequence[Mapping[str, Any]]:
    """Return the functions that a request of either version offers."""
    extra = body.model_extra or {}
    tools = [tool for tool in extra.get("tools") or () if tool.get("type") == "function"]
    return extra.get("functions") or [tool.get("function") or {} for tool in tools]


def _sandbox_reply(model: ChatModel, body: wire.ChatRequest) -> Reply | None:
    """Return the sandbox's own reply to functions, their results and pictures, if the model cannot use them."""
    if "tools" in model.abilities:
        return None
    last_message = body.messages[-1]
    if last_message.role in {"function", "tool"}:
        return tool_reply(f"工具的结果是：{content_text(last_message.content)}", kind="tool result")
    if functions := _offered_functions(body):
        match = plugins.choose_function(functions, content_text(last_message.content))
        if match:
            call = {"function": {"name": match[0], "arguments": match[1]}}
            return replace(
                tool_reply("", kind=f"function {match[0]}"), reason="tool_calls", extra={"tool_calls": [call]}
            )
    description = images.describe_content(last_message.content)
    return tool_reply(description, kind="picture") if description else None


def _wrap_as_json(model: ChatModel, body: wire.ChatRequest, reply: Reply) -> Reply:
    """Return a reply as a JSON object, if the request asks for one and the model does not write it."""
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
