"""What a chat model answers: one shape for both versions, whole or in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..transport.response import Response
from ..wire import chat as wire


class ChatBody(dict[str, Any]):
    """The JSON as it came; `["result"]` and `["choices"]` both answer, whichever version it is."""

    def __missing__(self, key: str) -> Any:
        if key == "result" and self.get("choices"):
            return wire.text_of(self)
        if key == "choices" and self.get("result") is not None:
            message = {"role": "assistant", "content": self["result"]}
            return [{"index": 0, "message": message, "finish_reason": self.get("finish_reason")}]
        raise KeyError(key)


class ChatResponse(Response[wire.ChatReply | wire.ChatReplyV2]):
    """A reply, or one piece of a stream; the same subscripts work for both versions."""

    @property
    def text(self) -> str:
        """The answer's text (of a piece: the new text only)."""
        return wire.text_of(self.body)

    @property
    def usage(self) -> wire.Usage:
        """Tokens counted by the platform; None where it did not say."""
        return wire.Usage.model_validate(self.body.get("usage") or {})

    @property
    def from_sandbox(self) -> bool:
        """Whether the local sandbox wrote this."""
        return "sandbox" in self.body

    def __repr__(self) -> str:
        return self.text


def chat_response(answer: Response[Any]) -> ChatResponse:
    """Return an answer of a chat endpoint, or a piece of one, as a reply."""
    return ChatResponse(
        ChatBody(answer.body), answer.data_type, answer.code, answer.headers, answer.statistic, answer.unwrap
    )


def joined(pieces: Sequence[ChatResponse], text: str, seconds: float) -> ChatResponse:
    """Return the pieces of a stream as the one reply that they make up."""
    last = pieces[-1]
    if "choices" in last.body:
        message = {"role": "assistant", "content": text}
        reason = wire.finish_reason(last.body)
        body = {**last.body, "choices": [{"index": 0, "message": message, "finish_reason": reason}]}
    else:
        body = {**last.body, "result": text}
    return ChatResponse(
        ChatBody(body), last.data_type, last.code, last.headers, {"total_latency": seconds, **last.statistic}
    )
