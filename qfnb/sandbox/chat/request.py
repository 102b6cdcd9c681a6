"""What a chat request asks, in the words that engines understand: OpenAI's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...wire import chat as wire
from ..engines.protocol import Conversation

_SHARED_OPTIONS = ("temperature", "top_p", "stop", "seed", "frequency_penalty", "presence_penalty")
_V2_OPTIONS = (
    "max_tokens",
    "max_completion_tokens",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
)


def conversation_v1(body: wire.ChatRequest) -> Conversation:
    """Return the talk of a v1 request; its functions are tools, its system is a turn."""
    extra = body.model_extra or {}
    messages = [_message_v1(message) for message in body.messages]
    if extra.get("system"):
        messages.insert(0, {"role": "system", "content": str(extra["system"])})
    options = _options_v1(extra)
    if functions := extra.get("functions"):
        options["tools"] = [{"type": "function", "function": function} for function in functions]
    if extra.get("response_format") in {"text", "json_object"}:
        options["response_format"] = {"type": extra["response_format"]}
    return Conversation(messages, options)


def prompt_conversation(prompt: str, extra: Mapping[str, Any] | None) -> Conversation:
    """Return the talk of one question with v1's options."""
    return Conversation([{"role": "user", "content": prompt}], _options_v1(extra or {}))


def conversation_v2(body: wire.ChatRequest) -> Conversation:
    """Return the talk of a v2 request, which is in OpenAI's form but for what only Qianfan has."""
    extra = body.model_extra or {}
    options = {name: extra[name] for name in (*_SHARED_OPTIONS, *_V2_OPTIONS) if extra.get(name) is not None}
    return Conversation([message.to_wire() for message in body.messages], options)


def offered_functions(body: wire.ChatRequest) -> Sequence[Mapping[str, Any]]:
    """Return the functions that a request of either version offers."""
    extra = body.model_extra or {}
    tools = [tool for tool in extra.get("tools") or () if tool.get("type") == "function"]
    return extra.get("functions") or [tool.get("function") or {} for tool in tools]


def _options_v1(extra: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: extra[name] for name in _SHARED_OPTIONS if extra.get(name) is not None}
    max_tokens = extra.get("max_output_tokens")
    return options | ({"max_tokens": max_tokens} if max_tokens is not None else {})


def _message_v1(message: wire.Message) -> dict[str, Any]:
    """Return a turn; a function's call and result get the one id that v1 has no need of."""
    extra = message.model_extra or {}
    if message.role == "function":
        return {"role": "tool", "tool_call_id": "call_0", "content": message.content or ""}
    converted: dict[str, Any] = {"role": message.role, "content": message.content or ""}
    if call := extra.get("function_call"):
        function = {"name": call.get("name", ""), "arguments": call.get("arguments", "{}")}
        converted["tool_calls"] = [{"id": "call_0", "type": "function", "function": function}]
    return converted
