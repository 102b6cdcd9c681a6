"""Chat over v1 and v2 behind one call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Unpack, overload

from ..._jobs.worker_pool import validate_worker_count
from ...errors import InvalidArgumentError
from ...transport import event_loop
from ...transport.client import CallOptions
from . import options
from .batch_task import BatchTask
from .inference_model import (
    InferenceModel,
    PreparedCall,
    Route,
    prepare_row,
    validate_no_stream,
    validate_rows,
)
from .messages import Messages, Turn, validate_messages, validate_prompt
from .options import ChatOptions
from .reply import ChatResponse as ChatResponse
from .reply import create_reply
from .request_template import ChatRequestBuilder

Conversation = Messages | Iterable[Turn] | str


class ChatCompletion(InferenceModel[ChatResponse]):
    """Ask a chat model.

    Args:
        model: name of a preset model; unknown names are passed on to the platform.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2 decides the API; by default an API key or an IAM pair means 2, AK/SK means 1.
        **keys: `api_key`, `access_key` + `secret_key`, `ak` + `sk` or `access_token`; default: the settings'.

    Source: seed 003 (Chat 对话).
    """

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
        """Ask, and return the whole reply, or with `stream=True` an iterator over its pieces.

        Args:
            messages: a `Messages`, a list of {"role", "content"}, or one text.
            model: a model for this call.
            endpoint: a service of your own for this call.
            stream: yield pieces as they come; each piece's text is the new text only.
            request_timeout: seconds for the whole call; default 600, none for streams.
            retry_count: tries in all; default 3.
            **options_: see `ChatOptions`.

        Raises:
            InvalidArgumentError: a message or option is wrong; nothing was sent.
            APIError: the platform refused.
            StreamInterrupted: a stream ended early; `.partial` holds the text so far.
        """
        limits = CallOptions(request_timeout, retry_count)
        ask = self._prepare(messages, model, endpoint, limits, options_, stream=stream)
        return event_loop.iterate(self._stream(ask)) if stream else self._run(ask)

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
        limits = CallOptions(request_timeout, retry_count)
        ask = self._prepare(messages, model, endpoint, limits, options_, stream=stream)
        return event_loop.iterate_async(self._stream(ask)) if stream else await self._run_async(ask)

    def batch_do(  # type: ignore[override] # its rows also go by the seed's name
        self,
        messages_list: Sequence[Conversation] | None = None,
        worker_num: int | None = None,
        *,
        body_list: Sequence[Mapping[str, Any]] | None = None,
        **options_: Any,
    ) -> BatchTask[ChatResponse]:
        """Ask many conversations at once, at most `worker_num` (default 8) at a time; returns at once.

        Args:
            messages_list: a conversation each, as `do` takes it.
            worker_num: 1 to 1000.
            body_list: instead of messages_list: the arguments of `do` for each row, e.g.
                {"messages": [...], "temperature": 0.1}; they win over `options_`.
            **options_: of `do`, the same for all.

        Raises:
            InvalidArgumentError: a row or an option is wrong; it says which; nothing was sent.

        Source: seed 003 (批量推理).
        """
        worker_count = validate_worker_count("worker_num", worker_num)
        if (messages_list is None) == (body_list is None):
            raise InvalidArgumentError("give either messages_list or body_list (二者选一)")
        if body_list is None:
            rows = validate_rows("messages_list", messages_list, "conversations")
            return super().batch_do(rows, worker_count, **options_)
        rows = validate_rows("body_list", body_list, "mappings with 'messages'")
        return self._start_batch(
            [self._prepare_body(index, row, options_) for index, row in enumerate(rows)], worker_count
        )

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
        return task.results()

    def _prepare_body(
        self, index: int, row: Mapping[str, Any], options_: Mapping[str, Any]
    ) -> PreparedCall[ChatResponse]:
        if not isinstance(row, Mapping) or "messages" not in row:
            raise InvalidArgumentError(f"body_list[{index}] is {row!r:.60}: it needs at least 'messages'")
        validate_no_stream(row, f"body_list[{index}]: ")
        arguments = {
            **options_,
            **{name: value for name, value in row.items() if name not in {"messages", "stream"}},
        }
        return prepare_row("body_list", index, self.prepare, row["messages"], arguments)

    def prepare(
        self,
        item: Conversation,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        request_timeout: float | None = None,
        retry_count: int | None = None,
        **options_: Any,
    ) -> PreparedCall[ChatResponse]:
        """Return the checked call for one conversation, which comes as a whole."""
        limits = CallOptions(request_timeout, retry_count)
        return self.call_factory(model, endpoint, limits, **options_)(item)

    def call_factory(
        self,
        model: str | None = None,
        endpoint: str | None = None,
        limits: CallOptions | None = None,
        **options_: Any,
    ) -> Callable[[Conversation], PreparedCall[ChatResponse]]:
        """Return what makes the checked call of each conversation; the options are checked once."""
        validate_no_stream(options_)
        options_.pop("stream", None)
        limits, series = (
            limits or CallOptions(),
            self._request_builder(model, endpoint, options_, stream=False),
        )

        def prepare_call(messages: Conversation) -> PreparedCall[ChatResponse]:
            if isinstance(messages, str):
                return self._call(partial(series.route_for_text, validate_prompt(messages)), series, limits)
            return self._prepare_conversation(messages, series, limits)

        return prepare_call

    def _prepare(
        self,
        messages: Conversation,
        model: str | None,
        endpoint: str | None,
        limits: CallOptions,
        options_: Mapping[str, Any],
        *,
        stream: bool,
    ) -> PreparedCall[ChatResponse]:
        return self._prepare_conversation(
            messages, self._request_builder(model, endpoint, options_, stream=stream), limits
        )

    def _request_builder(
        self, model: str | None, endpoint: str | None, options_: Mapping[str, Any], *, stream: bool
    ) -> ChatRequestBuilder:
        return ChatRequestBuilder(
            *self.resolve_target(model, endpoint), options.validate_options(options_), stream
        )

    def _prepare_conversation(
        self, messages: Conversation, series: ChatRequestBuilder, limits: CallOptions
    ) -> PreparedCall[ChatResponse]:
        _validate_type(messages)
        return self._call(partial(series.route, validate_messages(messages)), series, limits)

    def _call(
        self, route: Callable[..., Route], series: ChatRequestBuilder, limits: CallOptions
    ) -> PreparedCall[ChatResponse]:
        return PreparedCall(
            lambda platform: route(
                self._api_version(platform, series.endpoint), translate_names=not platform.openai
            ),
            _to_reply,
            limits,
        )


_to_reply = partial(create_reply, ChatResponse)


def _validate_type(messages: object) -> None:
    if isinstance(messages, (bytes, Mapping)) or not isinstance(messages, Iterable):
        raise InvalidArgumentError(
            f"messages={messages!r:.60}: it is a text, a Messages or a list of turns "
            "[{'role': 'user', 'content': ...}]"
        )
