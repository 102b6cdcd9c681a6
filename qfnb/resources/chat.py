"""Chat over v1 and v2 behind one call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Unpack, overload

from ..errors import InvalidArgumentError
from ..transport import portal
from ..transport.client import Limits
from . import options
from .asking import Ask, Asking, Route, checked_row, checked_rows, refuse_stream
from .batch import BatchTask
from .crew import checked_size
from .messages import Messages, Turn, checked, checked_prompt
from .options import ChatOptions
from .reply import ChatResponse as ChatResponse
from .reply import made
from .series import Series

Conversation = Messages | Iterable[Turn] | str


class ChatCompletion(Asking[ChatResponse]):
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
        limits = Limits(request_timeout, retry_count)
        ask = self._ask(messages, model, endpoint, limits, options_, stream=stream)
        return portal.drain(self._pieces(ask)) if stream else self._run(ask)

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
        limits = Limits(request_timeout, retry_count)
        ask = self._ask(messages, model, endpoint, limits, options_, stream=stream)
        return portal.hop_each(self._pieces(ask)) if stream else await self._arun(ask)

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
        size = checked_size("worker_num", worker_num)
        if (messages_list is None) == (body_list is None):
            raise InvalidArgumentError("give either messages_list or body_list (二者选一)")
        if body_list is None:
            rows = checked_rows("messages_list", messages_list, "conversations")
            return super().batch_do(rows, size, **options_)
        rows = checked_rows("body_list", body_list, "mappings with 'messages'")
        return self._batch([self._row_of(place, row, options_) for place, row in enumerate(rows)], size)

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

    def _row_of(self, place: int, row: Mapping[str, Any], options_: Mapping[str, Any]) -> Ask[ChatResponse]:
        if not isinstance(row, Mapping) or "messages" not in row:
            raise InvalidArgumentError(f"body_list[{place}] is {row!r:.60}: it needs at least 'messages'")
        refuse_stream(row, f"body_list[{place}]: ")
        given = {
            **options_,
            **{name: value for name, value in row.items() if name not in {"messages", "stream"}},
        }
        return checked_row("body_list", place, self.ask, row["messages"], given)

    def ask(
        self,
        item: Conversation,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        request_timeout: float | None = None,
        retry_count: int | None = None,
        **options_: Any,
    ) -> Ask[ChatResponse]:
        """Return the checked call for one conversation, which comes as a whole."""
        limits = Limits(request_timeout, retry_count)
        return self.asks(model, endpoint, limits, **options_)(item)

    def asks(
        self,
        model: str | None = None,
        endpoint: str | None = None,
        limits: Limits | None = None,
        **options_: Any,
    ) -> Callable[[Conversation], Ask[ChatResponse]]:
        """Return what makes the checked call of each conversation; the options are checked once."""
        refuse_stream(options_)
        options_.pop("stream", None)
        limits, series = limits or Limits(), self._series(model, endpoint, options_, stream=False)

        def ask(messages: Conversation) -> Ask[ChatResponse]:
            if isinstance(messages, str):
                return self._call(partial(series.prompt, checked_prompt(messages)), series, limits)
            return self._conversation(messages, series, limits)

        return ask

    def _ask(
        self,
        messages: Conversation,
        model: str | None,
        endpoint: str | None,
        limits: Limits,
        given: Mapping[str, Any],
        *,
        stream: bool,
    ) -> Ask[ChatResponse]:
        return self._conversation(messages, self._series(model, endpoint, given, stream=stream), limits)

    def _series(
        self, model: str | None, endpoint: str | None, given: Mapping[str, Any], *, stream: bool
    ) -> Series:
        return Series(*self.named(model, endpoint), options.check(given), stream)

    def _conversation(self, messages: Conversation, series: Series, limits: Limits) -> Ask[ChatResponse]:
        _refuse_others(messages)
        return self._call(partial(series.route, checked(messages)), series, limits)

    def _call(self, route: Callable[..., Route], series: Series, limits: Limits) -> Ask[ChatResponse]:
        return Ask(
            lambda platform: route(self._version(platform, series.endpoint), aliases=not platform.openai),
            _reply,
            limits,
        )


_reply = partial(made, ChatResponse)


def _refuse_others(messages: object) -> None:
    if isinstance(messages, (bytes, Mapping)) or not isinstance(messages, Iterable):
        raise InvalidArgumentError(
            f"messages={messages!r:.60}: it is a text, a Messages or a list of turns "
            "[{'role': 'user', 'content': ...}]"
        )
