"""Chat over v1 and v2 behind one call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Unpack, overload

from ..errors import InvalidArgumentError
from ..transport import portal
from ..transport.client import Limits
from ..wire import catalog
from ..wire import chat as wire
from . import options
from .asking import Ask, Asking, Route, checked_row, checked_rows, refuse_stream
from .batch import BatchTask
from .crew import checked_size
from .messages import Messages, Turn, checked, for_v1
from .options import ChatOptions
from .reply import ChatResponse as ChatResponse
from .reply import made

Conversation = Messages | Iterable[Turn] | str


@dataclass(frozen=True)
class _Conversation:
    """A checked conversation, and where it is to go."""

    messages: list[wire.Message]
    model: str | None
    endpoint: str | None
    options: Mapping[str, Any]
    stream: bool

    def route(self, version: int, *, aliases: bool) -> Route:
        """Return the call in one of the two versions; `aliases` translates the names that Qianfan has."""
        name = self.model or catalog.DEFAULT_CHAT
        if version == 2:
            model = self.endpoint or (catalog.v2_id("chat", name) if aliases else name)
            rest = {key: value for key, value in self.options.items() if key != "system"}
            record: wire.ChatRequest = wire.ChatRequestV2(
                messages=self._with_system(), stream=self.stream, model=model, **rest
            )
            return Route(wire.CHAT_V2, record, model)
        messages, given = for_v1(self.messages, self.options)
        record = wire.ChatRequest(messages=messages, stream=self.stream, **given)
        return Route(wire.CHAT_V1, record, self.endpoint or catalog.path_segment("chat", name))

    def _with_system(self) -> list[wire.Message]:
        """v2 takes the persona as the first message, v1 as an option of its own."""
        system = self.options.get("system")
        return [wire.Message(role="system", content=system), *self.messages] if system else self.messages


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
        return self._asks(model, endpoint, limits or Limits(), options_, stream=False)

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
        return self._asks(model, endpoint, limits, given, stream=stream)(messages)

    def _asks(
        self,
        model: str | None,
        endpoint: str | None,
        limits: Limits,
        given: Mapping[str, Any],
        *,
        stream: bool,
    ) -> Callable[[Conversation], Ask[ChatResponse]]:
        model, endpoint = self.named(model, endpoint)
        options_, reply = options.check(given), partial(made, ChatResponse)

        def ask(messages: Conversation) -> Ask[ChatResponse]:
            _refuse_others(messages)
            talk = _Conversation(checked(messages), model, endpoint, options_, stream)
            return Ask(
                lambda platform: talk.route(self._version(platform, endpoint), aliases=not platform.openai),
                reply,
                limits,
            )

        return ask


def _refuse_others(messages: object) -> None:
    if isinstance(messages, str):
        return
    if isinstance(messages, (bytes, Mapping)) or not isinstance(messages, Iterable):
        raise InvalidArgumentError(
            f"messages={messages!r:.60}: it is a text, a Messages or a list of turns "
            "[{'role': 'user', 'content': ...}]"
        )
