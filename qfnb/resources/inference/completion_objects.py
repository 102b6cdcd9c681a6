"""Replies as objects with attributes, as `ChatCompletion.create` returns them: OpenAI's shape."""

import copy
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from .reply import ChatResponse


class _Object(BaseModel):
    """A part of a reply; fields that are not named here are kept."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class FunctionCall(_Object):
    """The function that a model asks for; `arguments` is JSON text."""

    name: str = ""
    arguments: str = ""


class ToolCallObject(_Object):
    """A call that a model asks for."""

    id: str = ""
    type: str = "function"
    function: FunctionCall


class SearchResult(_Object):
    """A page that the model has read."""

    index: int = 0
    url: str = ""
    title: str = ""
    datasource_id: str = ""


class ChatCompletionMessage(_Object):
    """The model's turn."""

    content: str | None = None
    reasoning_content: str | None = None
    role: str = "assistant"
    name: str | None = None
    tool_calls: list[ToolCallObject] | None = None
    tool_call_id: str | None = None


class Choice(_Object):
    """One answer."""

    finish_reason: str | None = None
    index: int = 0
    message: ChatCompletionMessage
    ban_round: int | None = None
    flag: int | None = None


class CompletionUsage(_Object):
    """Tokens."""

    completion_tokens: int = 0
    prompt_tokens: int = 0
    total_tokens: int = 0


class CompletionStatistic(_Object):
    """Seconds; of a piece, since the request was sent."""

    first_token_latency: float = 0
    request_latency: float = 0
    total_latency: float = 0
    start_timestamp: float = 0
    avg_output_tokens_per_second: float = 0


class Completion(_Object):
    """A whole reply; `raw` is its JSON."""

    id: str = ""
    choices: list[Choice]
    created: int = 0
    model: str = ""
    object: str = "chat.completion"
    usage: CompletionUsage | None = None
    statistic: CompletionStatistic | None = None
    raw: Any = None


class ChoiceDelta(_Object):
    """The new part of an answer."""

    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCallObject] | None = None


class CompletionChunkChoice(_Object):
    """One answer's new part."""

    delta: ChoiceDelta
    finish_reason: str | None = None
    index: int = 0
    ban_round: int | None = None
    flag: int | None = None


class CompletionChunk(_Object):
    """A piece of a stream; `raw` is its JSON."""

    id: str = ""
    choices: list[CompletionChunkChoice]
    created: int = 0
    model: str = ""
    object: str = "chat.completion.chunk"
    usage: CompletionUsage | None = None
    statistic: CompletionStatistic | None = None
    web_search: SearchResult | None = None
    raw: Any = None


class CreatesCompletions:
    """`create` and `acreate`: `do` and `ado` with replies as objects."""

    _is_raw = False

    @property
    def with_raw_response(self) -> Self:
        """The same model, whose `create` returns replies as `do` does."""
        raw = copy.copy(self)
        raw._is_raw = True  # noqa: SLF001 - of this class
        return raw

    def create(
        self,
        messages: Any,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options: Any,
    ) -> Any:
        """Send a conversation, and return a `Completion`, or with `stream=True` an iterator over
        `CompletionChunk`s.

        Args:
            messages: the conversation.
            model: a model for this call.
            endpoint: a service of your own for this call.
            stream: yield pieces as they come.
            **options: of `do`.

        Source: the official SDK's ChatCompletion.create.
        """
        model_: Any = self
        reply = model_.do(messages, model, endpoint, stream=stream, **options)
        if self._is_raw:
            return reply
        if stream:
            return _chunks(reply)
        return _completion(reply)

    async def acreate(
        self,
        messages: Any,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options: Any,
    ) -> Any:
        """The awaited form of `create`."""
        model_: Any = self
        reply = await model_.ado(messages, model, endpoint, stream=stream, **options)
        if self._is_raw:
            return reply
        if stream:
            return _chunks_async(reply)
        return _completion(reply)


def _completion(reply: ChatResponse) -> Completion | ChatResponse:
    """Return a reply as an object; that of v1, which has no choices, as it is."""
    if "choices" not in reply.body:
        return reply
    return Completion.model_validate(
        {**reply.body, "statistic": reply.statistic, "raw": reply.body}
    )


def _chunk(piece: ChatResponse) -> CompletionChunk | ChatResponse:
    if "choices" not in piece.body:
        return piece
    return CompletionChunk.model_validate(
        {**piece.body, "statistic": piece.statistic, "raw": piece.body}
    )


def _chunks(pieces: Iterator[ChatResponse]) -> Iterator[CompletionChunk | ChatResponse]:
    return map(_chunk, pieces)


async def _chunks_async(
    pieces: AsyncIterator[ChatResponse],
) -> AsyncIterator[CompletionChunk | ChatResponse]:
    async for piece in pieces:
        yield _chunk(piece)
