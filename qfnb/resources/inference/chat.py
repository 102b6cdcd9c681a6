"""Chat: one call for both API versions."""

import copy
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Self, Unpack, overload

from pydantic import BaseModel, ConfigDict

from ..._jobs.worker_pool import validate_worker_count
from ...base.language import tr
from ...errors import InvalidArgumentError
from ...transport import event_loop
from ...transport.platform import Platform
from .arguments import ChatOptions, Messages, Turn
from .batch_task import BatchTask, prepare_row, prepare_rows, validate_rows
from .chat_request import (
    BatchRequests,
    Conversation as Conversation,
    build_chat_request,
    prepare_chat_call,
)
from .inference_model import InferenceCall, InferenceModel
from .reply import ChatResponse as ChatResponse, ToolCall, ToolStep
from .tool_loop import DEFAULT_ROUNDS, create_loop, validate_rounds
from .tools import Tool


class ChatCompletion(InferenceModel[ChatResponse]):
    """A chat model.

    Args:
        model: name of a preset model; unknown names are passed on to the platform.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2 decides the API; by default an API key or an IAM pair means 2, AK/SK means
            1.
        **keys: `api_key`, `access_key` + `secret_key`, `ak` + `sk` or `access_token`; default: the
            settings'.

    Source: seed 003 (Chat).
    """

    reply_type = ChatResponse
    kind = "chat"
    items_name = "messages_list"
    prepare_call = staticmethod(prepare_chat_call)
    _is_raw = False

    @overload
    def do(
        self,
        messages: Conversation,
        model: str | None = ...,
        endpoint: str | None = ...,
        stream: Literal[False] = ...,
        *,
        request_timeout: float | None = ...,
        retry_count: int | None = ...,
        **options_: Unpack[ChatOptions],
    ) -> ChatResponse: ...
    @overload
    def do(
        self,
        messages: Conversation,
        model: str | None = ...,
        endpoint: str | None = ...,
        *,
        stream: Literal[True],
        request_timeout: float | None = ...,
        retry_count: int | None = ...,
        **options_: Unpack[ChatOptions],
    ) -> Iterator[ChatResponse]: ...
    def do(
        self,
        messages: Conversation,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        *,
        request_timeout: float | None = None,
        retry_count: int | None = None,
        **options_: Unpack[ChatOptions],
    ) -> ChatResponse | Iterator[ChatResponse]:
        """Send a conversation, and return the reply, or with `stream=True` an iterator over its
        pieces.

        Args:
            messages: a `Messages`, a list of {"role", "content"}, or one text.
            model: a model for this call.
            endpoint: a service of your own for this call.
            stream: yield pieces as they come; each piece's text is the new text only, and the last
                has `parsed`.
            request_timeout: seconds for the whole call; default 600, none for streams.
            retry_count: attempts in all; default 3.
            **options_: see `ChatOptions`.

        Raises:
            InvalidArgumentError: a message or option is wrong; nothing was sent.
            UnreadableAnswer: the answer does not match `response_format`, after one more try (a
                stream: none).
            APIError: the platform refused.
            StreamInterrupted: a stream ended early; `.partial` holds the text so far.
        """
        limits: Any = {"request_timeout": request_timeout, "retry_count": retry_count}
        call = self.prepare(messages, model, endpoint, stream=stream, **limits, **options_)
        if stream:
            return event_loop.iterate(self._stream_pieces(call))
        return self._run(call)

    @overload
    async def ado(
        self,
        messages: Conversation,
        model: str | None = ...,
        endpoint: str | None = ...,
        stream: Literal[False] = ...,
        *,
        request_timeout: float | None = ...,
        retry_count: int | None = ...,
        **options_: Unpack[ChatOptions],
    ) -> ChatResponse: ...
    @overload
    async def ado(
        self,
        messages: Conversation,
        model: str | None = ...,
        endpoint: str | None = ...,
        *,
        stream: Literal[True],
        request_timeout: float | None = ...,
        retry_count: int | None = ...,
        **options_: Unpack[ChatOptions],
    ) -> AsyncIterator[ChatResponse]: ...
    async def ado(
        self,
        messages: Conversation,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        *,
        request_timeout: float | None = None,
        retry_count: int | None = None,
        **options_: Unpack[ChatOptions],
    ) -> ChatResponse | AsyncIterator[ChatResponse]:
        """The awaited form of `do`."""
        limits: Any = {"request_timeout": request_timeout, "retry_count": retry_count}
        call = self.prepare(messages, model, endpoint, stream=stream, **limits, **options_)
        if stream:
            return event_loop.iterate_async(self._stream_pieces(call))
        return await self._run_async(call)

    def batch_do(  # type: ignore[override] # its rows also go by the seed's name
        self,
        messages_list: Sequence[Conversation] | None = None,
        worker_num: int | None = None,
        *,
        body_list: Sequence[Mapping[str, Any]] | None = None,
        **options_: Any,
    ) -> BatchTask[ChatResponse]:
        """Send many conversations, at most `worker_num` at a time; returns at once.

        Args:
            messages_list: conversations as `do` takes them.
            worker_num: 1 to 1000, default 8.
            body_list: instead of messages_list: the arguments of `do` for each row, e.g.
                {"messages": [...], "temperature": 0.1}; they win over `options_`.
            **options_: of `do`, the same for all; with stream=True each result is an iterator over
                the pieces.

        Raises:
            InvalidArgumentError: an option is wrong, or no row can be sent; nothing was sent. One
                wrong row among others is an error in its place in `results()`.

        Source: seed 003 (batch inference).
        """
        worker_count = validate_worker_count("worker_num", worker_num)
        if (messages_list is None) == (body_list is None):
            raise InvalidArgumentError(
                tr("messages_list and body_list: only one of them can be used")
            )
        if body_list is None:
            rows = validate_rows("messages_list", messages_list, tr("conversations"))
            return super().batch_do(rows, worker_count, **options_)
        rows = validate_rows("body_list", body_list, tr("mappings with 'messages'"))
        prepare = lambda index, row: self._prepare_body(index, row, options_)  # noqa: E731 - one expression
        return self._start_batch(prepare_rows(rows, prepare), worker_count)

    async def abatch_do(  # type: ignore[override]
        self,
        messages_list: Sequence[Conversation] | None = None,
        worker_num: int | None = None,
        *,
        body_list: Sequence[Mapping[str, Any]] | None = None,
        **options_: Any,
    ) -> list[ChatResponse | Exception]:
        """The awaited form of `batch_do`: one reply or exception for each row, in order."""
        task = await self.batch_do(messages_list, worker_num, body_list=body_list, **options_)
        return task.awaited_results()

    def _prepare_body(
        self, index: int, row: Mapping[str, Any], options_: Mapping[str, Any]
    ) -> InferenceCall[ChatResponse]:
        if not isinstance(row, Mapping) or "messages" not in row:
            raise InvalidArgumentError(
                tr(
                    "body_list[{index}]={row!r:.60}: must be a mapping with at least 'messages'",
                    index=index,
                    row=row,
                )
            )
        own_options = {name: value for name, value in row.items() if name != "messages"}
        return prepare_row(
            "body_list", index, row["messages"], self.prepare, {**options_, **own_options}
        )

    def batch_requests(
        self,
        platform: Platform,
        model: str | None,
        endpoint: str | None,
        options: Mapping[str, Any],
    ) -> BatchRequests:
        """Return the builder of the requests of a batch's rows for a platform.

        Args:
            platform: the requests go to it.
            model: a model for these calls.
            endpoint: a service of your own for these calls.
            options: validated ones of `do`, without `stream`.
        """
        choice = self.choose(model, endpoint)
        return BatchRequests(
            partial(
                build_chat_request, platform=platform, choice=choice, options=options, stream=False
            )
        )

    def run(
        self,
        messages: Iterable[Turn] | str,
        tools: Iterable[Callable[..., Any] | Tool],
        *,
        max_rounds: int = DEFAULT_ROUNDS,
        on_step: Callable[[ToolStep], object] | None = None,
        confirm: Callable[[ToolCall], bool] | None = None,
        **options: Any,
    ) -> ChatResponse:
        """Ask a model that may call Python functions, run what it calls, and return its final
        reply.

        The functions run one after the other, in a thread with a time-out; an interrupt ends them.
        What they raise is told to the model. `messages.append(reply)` adds the calls and results
        before the answer.

        Args:
            messages: as `do` takes them.
            tools: functions with annotations and a docstring (Google style: its `Args:` describe
                the arguments); `@qfnb.tool(confirm=True, timeout=60)` sets options.
            max_rounds: replies that may call functions, default 8.
            on_step: called after each call of a function.
            confirm: returns whether a call is allowed, for functions with `confirm=True`; default:
                ask by `input()`.
            **options: of `do`, without `stream`.

        Raises:
            InvalidArgumentError: a function cannot be described; nothing was sent.
            ToolLoopError: the model still calls functions after `max_rounds` replies; `.steps` has
                the calls.
            APIError: the platform refused.

        Source: API page (tools, tool_choice, parallel_tool_calls).
        """
        loop = create_loop(tools, max_rounds, on_step, confirm)
        turns = validate_rounds(messages, options)
        return event_loop.run(loop.run(self._ask_round, turns, options))

    async def arun(
        self,
        messages: Iterable[Turn] | str,
        tools: Iterable[Callable[..., Any] | Tool],
        *,
        max_rounds: int = DEFAULT_ROUNDS,
        on_step: Callable[[ToolStep], object] | None = None,
        confirm: Callable[[ToolCall], bool] | None = None,
        **options: Any,
    ) -> ChatResponse:
        """The awaited form of `run`; async functions run on the caller's loop."""
        loop = create_loop(tools, max_rounds, on_step, confirm)
        turns = validate_rounds(messages, options)
        return await loop.run(self._ask_round, turns, options)

    async def _ask_round(self, messages: Messages, options: dict[str, Any]) -> ChatResponse:
        reply: ChatResponse = await self.ado(messages, **options)
        return reply

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
        ask: Any = self.do  # the overloads of `do` know no `bool`
        reply = ask(messages, model, endpoint, stream=stream, **options)
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
        ask: Any = self.ado
        reply = await ask(messages, model, endpoint, stream=stream, **options)
        if self._is_raw:
            return reply
        if stream:
            return _chunks_async(reply)
        return _completion(reply)


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
