"""What a model answers: tokens, cost and origin for all kinds; text and tool calls for those that write."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from pydantic import ValidationError

from ...transport.response import Response
from ...wire import catalog
from ...wire import chat as wire

R = TypeVar("R")
ReplyT = TypeVar("ReplyT", bound="Reply[Any]")


class Reply(Response[R]):
    """An answer of a model. `model` is the name that it was asked by."""

    model: str = ""

    @cached_property
    def usage(self) -> wire.Usage:
        """Tokens counted by the platform; None where it did not say."""
        raw = self.body.get("usage")
        if not raw:
            return wire.Usage()
        try:
            return wire.Usage.model_validate(raw)
        except ValidationError:
            return wire.Usage()

    @property
    def cost(self) -> float | None:
        """CNY by list price; None where price or tokens are not known, 0 in the sandbox."""
        if self.from_sandbox:
            return 0.0
        return catalog.reply_cost(self.model, self.usage.prompt_tokens, self.usage.completion_tokens)

    @property
    def from_sandbox(self) -> bool:
        """Whether the local sandbox wrote this."""
        return "sandbox" in self.body


@dataclass(frozen=True)
class ToolCall:
    """A function that the model wants called; `arguments` is what it wrote, parsed."""

    name: str
    arguments: dict[str, Any]
    id: str = ""


class ChatBody(dict[str, Any]):
    """The JSON as it came; `["result"]` and `["choices"]` both answer, whichever version it is."""

    def __missing__(self, key: str) -> Any:
        if key == "result" and self.get("choices"):
            return wire.text_of(self)
        if key == "choices" and self.get("result") is not None:
            message = {"role": "assistant", "content": self["result"]}
            return [{"index": 0, "message": message, "finish_reason": self.get("finish_reason")}]
        raise KeyError(key)


class ChatResponse(Reply[Any]):
    """A reply, or one piece of a stream; the same subscripts work for both versions.

    `value` is what `%%qfchat -f` made of it: a DataFrame, parsed JSON, code, a pydantic object.
    """

    value: Any = None

    @property
    def text(self) -> str:
        """The answer's text (of a piece: the new text only)."""
        return wire.text_of(self.body)

    @property
    def reasoning(self) -> str:
        """The model's thinking, "" when it shows none."""
        return wire.reasoning_of(self.body)

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The functions that the model wants called, from either version."""
        calls = wire.function_calls(self.body)
        return [ToolCall(call["name"], _parse_arguments(call["arguments"]), call["id"]) for call in calls]

    @property
    def json(self) -> Any:
        """The answer read as JSON, with or without a Markdown fence around it.

        Raises:
            ValueError: it is no JSON.
        """
        text = self.text.strip()
        if text.startswith("```"):
            text = text.split("\n", 1)[-1].rsplit("```", 1)[0]
        return json.loads(text)

    def __repr__(self) -> str:
        return self.text


def create_reply(kind: type[ReplyT], response: Response[Any], model: str = "") -> ReplyT:
    """Return an answer, or a piece of one, as a kind of reply."""
    body = ChatBody(response.body) if issubclass(kind, ChatResponse) else response.body
    reply = kind(
        body, response.data_type, response.code, response.headers, response.statistic, response.unwrap
    )
    reply.model = model
    return reply


def join_pieces(pieces: Sequence[ChatResponse], text: str, seconds: float) -> ChatResponse:
    """Return the pieces of a stream as the one reply that they make up."""
    last = pieces[-1]
    if "choices" in last.body:
        message: dict[str, Any] = {"role": "assistant", "content": text}
        if reasoning := "".join(piece.reasoning for piece in pieces):
            message["reasoning_content"] = reasoning
        reason = wire.finish_reason(last.body)
        body = {**last.body, "choices": [{"index": 0, "message": message, "finish_reason": reason}]}
    else:
        body = {**last.body, "result": text}
    response = Response(
        body, last.data_type, last.code, last.headers, {**last.statistic, "total_latency": seconds}
    )
    return create_reply(ChatResponse, response, last.model)


def _parse_arguments(text: object) -> dict[str, Any]:
    try:
        value = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        return {"": text}
    return value if isinstance(value, dict) else {"": value}
