"""Chat, v1 (`/chat/<endpoint>`) and v2 (`/v2/chat/completions`), and accessors of the replies of both."""

from collections.abc import Mapping
from typing import Any, Literal

from .base import Record
from .endpoints import Endpoint

V1_PREFIX = "/rpc/2.0/ai_custom/v1/wenxinworkshop"

Role = Literal["system", "user", "assistant", "function", "tool"]


class Message(Record):
    """One turn of a conversation; content is text, or a list of parts for models that see images."""

    role: Role
    content: str | list[dict[str, Any]] | None = None


class Usage(Record):
    """Token counts; every field may be absent."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None

    @property
    def cached_tokens(self) -> int:
        """The part of the prompt that the platform had cached (`prompt_tokens_details`), 0 where it names none."""
        details = (self.model_extra or {}).get("prompt_tokens_details")
        count = details.get("cached_tokens") if isinstance(details, dict) else None
        return count if type(count) is int and count > 0 else 0


class ChatRequest(Record):
    """The fields of both versions; further options are sent as they are."""

    messages: list[Message]
    stream: bool = False


class ChatRequestV2(ChatRequest):
    """v2 names the model in the body."""

    model: str


class ChatReply(Record):
    """A whole v1 reply, or one event of a v1 stream (`result` is then the new text only)."""

    id: str = ""
    object: str = "chat.completion"
    created: int = 0
    result: str = ""
    is_truncated: bool | None = None
    need_clear_history: bool | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    sentence_id: int | None = None
    is_end: bool | None = None


class ChoiceText(Record):
    """The text of a v2 choice: the whole message, or the delta of a stream."""

    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None


class Choice(Record):
    """One answer of a v2 reply."""

    index: int = 0
    message: ChoiceText | None = None
    delta: ChoiceText | None = None
    finish_reason: str | None = None


class ChatReplyV2(Record):
    """A whole v2 reply, or one event of a v2 stream."""

    id: str = ""
    object: str = "chat.completion"
    created: int = 0
    model: str = ""
    choices: list[Choice] = []
    usage: Usage | None = None


CHAT_V1 = Endpoint("chat.v1", V1_PREFIX + "/chat/{model}", ChatRequest, ChatReply, plane="v1")
CHAT_V2 = Endpoint("chat.v2", "/v2/chat/completions", ChatRequestV2, ChatReplyV2, plane="v2")


def text_of(body: Mapping[str, Any]) -> str:
    """Return the text of a reply or of a stream's event, v1 or v2."""
    if body.get("result") is not None:
        return str(body["result"])
    return str(_first_message(body).get("content") or "")


def reasoning_of(body: Mapping[str, Any]) -> str:
    """Return the model's reasoning text, "" without one."""
    message = _first_message(body)
    return str(message.get("reasoning_content") or message.get("reasoning") or "")


def assistant_message(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a reply as a message of the conversation, with its tool and function calls."""
    turn: dict[str, Any] = {"role": "assistant", "content": text_of(body)}
    if tool_calls := _first_message(body).get("tool_calls"):
        turn["tool_calls"] = tool_calls
    if body.get("function_call"):
        turn["function_call"] = body["function_call"]
    return turn


def function_calls(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the function calls of a reply: [{"name", "arguments" (as written), "id"}]."""
    calls = [
        {**(call.get("function") or {}), "id": call.get("id", "")}
        for call in _first_message(body).get("tool_calls") or ()
    ]
    if body.get("function_call"):
        calls.append({**body["function_call"], "id": ""})
    return [{"name": str(call.get("name", "")), "arguments": call.get("arguments"), "id": call["id"]} for call in calls]


def is_final(body: Mapping[str, Any]) -> bool:
    """Return whether an event completes the stream."""
    if body.get("is_end"):
        return True
    return any(choice.get("finish_reason") for choice in body.get("choices") or ())


def finish_reason(body: Mapping[str, Any]) -> str | None:
    """Return the finish reason, None until the model has stopped."""
    for choice in body.get("choices") or ():
        return choice.get("finish_reason") or None
    return body.get("finish_reason") or None


def _first_message(body: Mapping[str, Any]) -> Mapping[str, Any]:
    for choice in body.get("choices") or ():
        return choice.get("message") or choice.get("delta") or {}
    return {}
