"""Items of the Responses API as messages of chat, and chat's answers as items."""

from collections.abc import Mapping, Sequence
from typing import Any

from qfnb.wire import responses as wire

from ..http.call import Call
from ..state.store import random_id

Item = dict[str, Any]

_CHAT_OPTIONS = (
    "temperature",
    "top_p",
    "tool_choice",
    "parallel_tool_calls",
    "thinking",
    "enable_thinking",
    "thinking_budget",
)
_ID_PREFIXES = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
}


def input_items(body: wire.CreateResponse) -> list[Item]:
    """Return the input of a request as items, each with an id and a type."""
    items = [{"role": "user", "content": body.input}] if isinstance(body.input, str) else body.input
    typed = [{**item, "type": item.get("type") or "message"} for item in items]
    return [{**item, "id": item.get("id") or item_id(item["type"])} for item in typed]


def item_id(type_: object) -> str:
    """Return a new id for an item."""
    return random_id(_ID_PREFIXES.get(str(type_), "item_"), 24)


def validate_outputs(call: Call, items: Sequence[Item], earlier: Sequence[Item]) -> None:
    """Refuse an output that does not stand right after its call, there or at the end of the earlier
    response.

    Args:
        call: the request.
        items: its input.
        earlier: the items of the conversation before it.
    """
    pending = {item.get("call_id") for item in earlier if item["type"] == "function_call"}
    pending -= {item.get("call_id") for item in earlier if item["type"] == "function_call_output"}
    for index, item in enumerate(items):
        if item["type"] != "function_call_output":
            continue
        before = items[index - 1] if index else {}
        follows_call = before.get("type") == "function_call" and before.get("call_id") == item.get(
            "call_id"
        )
        if not (follows_call or item.get("call_id") in pending):
            message = f"input[{index}]: the function_call_output does not follow its function_call"
            raise call.refusal(message, v2_code="invalid_messages")


def to_chat_request(body: wire.CreateResponse, items: Sequence[Item]) -> dict[str, Any]:
    """Return the request of chat for a conversation; what chat does not know is dropped."""
    extra = body.model_extra or {}
    system = [{"role": "system", "content": body.instructions}] if body.instructions else []
    request = {"model": body.model, "messages": [*system, *_to_messages(items)]}
    request |= {name: extra[name] for name in _CHAT_OPTIONS if extra.get(name) is not None}
    if isinstance(extra.get("reasoning"), Mapping) and extra["reasoning"].get("effort"):
        request["reasoning_effort"] = extra["reasoning"]["effort"]
    if extra.get("max_output_tokens") is not None:
        request["max_completion_tokens"] = extra["max_output_tokens"]
    if tools := [
        _to_chat_tool(tool) for tool in body.tools or () if tool.get("type") == "function"
    ]:
        request["tools"] = tools
    return request | ({"stream": True} if body.stream else {})


def message_item(text: str, status: str = "completed", id_: str | None = None) -> Item:
    """Return the item of an answer's text.

    Args:
        text: the text; "" for an answer that begins.
        status: in_progress or completed.
        id_: the item's id; default: a new one.
    """
    content = (
        [{"type": "output_text", "text": text, "annotations": []}]
        if text or status == "completed"
        else []
    )
    return {
        "type": "message", "id": id_ or item_id("message"), "status": status, "role": "assistant",
        "content": content,
    }  # fmt: skip


def reasoning_item(text: str, status: str = "completed", id_: str | None = None) -> Item:
    """Return the item of an answer's reasoning, with the same arguments."""
    content = [{"type": "reasoning_text", "text": text}] if text else []
    return {
        "type": "reasoning",
        "id": id_ or item_id("reasoning"),
        "status": status,
        "summary": [],
        "content": content,
    }


def call_item(
    tool_call: Mapping[str, Any], status: str = "completed", id_: str | None = None
) -> Item:
    """Return the item of one of chat's tool calls, with the same arguments."""
    function = tool_call.get("function") or {}
    return {
        "type": "function_call",
        "id": id_ or item_id("function_call"),
        "status": status,
        "call_id": tool_call.get("id") or random_id("call_", 24),
        "name": function.get("name") or "",
        "arguments": function.get("arguments") or "",
    }


def output_items(message: Mapping[str, Any]) -> list[Item]:
    """Return the items of a whole answer of chat: reasoning, text, function calls."""
    items = (
        [reasoning_item(message["reasoning_content"])] if message.get("reasoning_content") else []
    )
    tool_calls = message.get("tool_calls") or ()
    if message.get("content") or not tool_calls:
        items.append(message_item(message.get("content") or ""))
    return items + [call_item(tool_call) for tool_call in tool_calls]


def to_usage(usage: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return chat's usage under the names of this API."""
    if not usage:
        return None
    prompt, completion = (
        usage.get(f"{name}_tokens_details") or {} for name in ("prompt", "completion")
    )
    return {
        "input_tokens": usage.get("prompt_tokens", 0),
        "input_tokens_details": {"cached_tokens": prompt.get("cached_tokens", 0)},
        "output_tokens": usage.get("completion_tokens", 0),
        "output_tokens_details": {"reasoning_tokens": completion.get("reasoning_tokens", 0)},
        "total_tokens": usage.get("total_tokens", 0),
    }


def _to_messages(items: Sequence[Item]) -> list[Item]:
    """Return the items as messages; calls that follow each other are one message."""
    messages: list[Item] = []
    for item in items:
        if item["type"] == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            tool_call = {"id": item.get("call_id"), "type": "function", "function": function}
            if messages and messages[-1].get("tool_calls"):
                messages[-1]["tool_calls"].append(tool_call)
            else:
                messages.append({"role": "assistant", "content": "", "tool_calls": [tool_call]})
        elif item["type"] == "function_call_output":
            output = item.get("output")
            messages.append(
                {
                    "role": "tool",
                    "tool_call_id": item.get("call_id"),
                    "content": _to_content(output),
                }
            )
        elif item["type"] == "message":
            messages.append({"role": item.get("role"), "content": _to_content(item.get("content"))})
    return messages


def _to_content(content: Any) -> Any:
    """Return a message's content in chat's form: a text, or parts when there are pictures."""
    if not isinstance(content, list):
        return content
    parts = [_to_part(part) for part in content if isinstance(part, Mapping)]
    has_pictures = any(part["type"] != "text" for part in parts)
    return parts if has_pictures else "".join(part["text"] for part in parts)


def _to_part(part: Mapping[str, Any]) -> Item:
    if part.get("type") == "input_image":
        return {"type": "image_url", "image_url": {"url": str(part.get("image_url") or "")}}
    return {"type": "text", "text": str(part.get("text") or "")}


def _to_chat_tool(tool: Mapping[str, Any]) -> Item:
    function = {
        name: tool[name] for name in ("name", "description", "parameters", "strict") if name in tool
    }
    return {"type": "function", "function": function}
