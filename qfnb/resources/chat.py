"""Chat over v1 and v2 behind one call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Unpack, overload

from .. import connect
from ..errors import InvalidArgumentError, StreamInterrupted
from ..transport import portal
from ..transport.client import Client, Limits
from ..transport.platform import Platform
from ..wire import catalog
from ..wire import chat as wire
from ..wire.base import Endpoint
from . import batch, options
from .messages import Messages, Turn, checked
from .options import ChatOptions, Keys
from .reply import ChatResponse as ChatResponse
from .reply import chat_response

Conversation = Messages | Iterable[Turn] | str
Version = Literal[1, 2, "1", "2"]


@dataclass(frozen=True)
class _Question:
    """A checked call that does not know its platform yet."""

    messages: list[wire.Message]
    model: str | None
    endpoint: str | None
    version: Version | None
    options: Mapping[str, Any]
    limits: Limits
    stream: bool

    def route(self, platform: Platform) -> tuple[Endpoint[Any, Any], wire.ChatRequest, dict[str, str]]:
        """Return where this goes on a platform, the record to send, and the path's parts."""
        if _version(self.version, platform, self.endpoint) == 2:
            name = self.endpoint or catalog.chat_id(self.model or catalog.DEFAULT_CHAT)
            messages = self._with_system()
            rest = {key: value for key, value in self.options.items() if key != "system"}
            request = wire.ChatRequestV2(messages=messages, stream=self.stream, model=name, **rest)
            return wire.CHAT_V2, request, {}
        name = self.endpoint or catalog.chat_endpoint(self.model or catalog.DEFAULT_CHAT)
        request_v1 = wire.ChatRequest(messages=self.messages, stream=self.stream, **self.options)
        return wire.CHAT_V1, request_v1, {"model": name}

    def _with_system(self) -> list[wire.Message]:
        """v2 takes the persona as the first message, v1 as an option of its own."""
        system = self.options.get("system")
        return [wire.Message(role="system", content=system), *self.messages] if system else self.messages


class ChatCompletion:
    """Ask a chat model.

    Args:
        model: name of a preset model; unknown names are passed on to the platform.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2 decides the API; by default an API key or an IAM pair means 2, AK/SK means 1.
        **keys: `api_key`, `access_key` + `secret_key`, `ak` + `sk` or `access_token`; default: the settings'.

    Source: seed 003 (Chat 对话).
    """

    def __init__(
        self,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        version: Version | None = None,
        **keys: Unpack[Keys],
    ) -> None:
        if version not in {None, 1, 2, "1", "2"}:
            raise InvalidArgumentError(f"version={version!r}: it is 1 or 2")
        _refuse_unknown_keys(keys)
        self.model, self.endpoint, self.version = model, endpoint, version
        self._keys: dict[str, Any] = dict(keys)

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
        question = self._question(messages, model, endpoint, stream, request_timeout, retry_count, options_)
        if stream:
            return portal.drain(self._pieces(question))
        return portal.run(self._whole(question))

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
        question = self._question(messages, model, endpoint, stream, request_timeout, retry_count, options_)
        if stream:
            return portal.hop_each(self._pieces(question))
        return await portal.hop(self._whole(question))

    def batch_do(
        self,
        messages_list: Sequence[Conversation],
        worker_num: int | None = None,
        *,
        model: str | None = None,
        endpoint: str | None = None,
        **options_: Unpack[ChatOptions],
    ) -> batch.BatchTask[ChatResponse]:
        """Ask many conversations at once, at most `worker_num` (default 8) at a time; returns at once."""
        ask = partial(self._question, stream=False, timeout=None, retries=None, given=options_)
        questions = [ask(messages, model, endpoint) for messages in messages_list]
        return batch.start([partial(self._whole, question) for question in questions], worker_num)

    async def abatch_do(
        self,
        messages_list: Sequence[Conversation],
        worker_num: int | None = None,
        *,
        model: str | None = None,
        endpoint: str | None = None,
        **options_: Unpack[ChatOptions],
    ) -> list[ChatResponse | Exception]:
        """The awaited form of `batch_do`: one reply or exception for each input, in order."""
        task = self.batch_do(messages_list, worker_num, model=model, endpoint=endpoint, **options_)
        return await batch.gather(task)

    def _question(
        self,
        messages: Conversation,
        model: str | None,
        endpoint: str | None,
        stream: bool,
        timeout: float | None,
        retries: int | None,
        given: ChatOptions,
    ) -> _Question:
        return _Question(
            checked(messages),
            model or self.model,
            endpoint or (None if model else self.endpoint),
            self.version,
            options.check(given),
            Limits(timeout, retries),
            stream,
        )

    async def _client(self) -> Client:
        return await connect.aclient(self._keys)

    async def _whole(self, question: _Question) -> ChatResponse:
        client = await self._client()
        row, request, path = question.route(client.platform)
        return chat_response(await client.send(row, request, path=path, limits=question.limits))

    async def _pieces(self, question: _Question) -> AsyncGenerator[ChatResponse, None]:
        client = await self._client()
        row, request, path = question.route(client.platform)
        pieces = client.stream(row, request, path=path, final=wire.is_final, limits=question.limits)
        text: list[str] = []
        try:
            async for piece in pieces:
                text.append(wire.text_of(piece.body))
                yield chat_response(piece)
        except StreamInterrupted as error:
            raise StreamInterrupted(str(error), partial="".join(text), events=error.events) from None
        finally:
            await pieces.aclose()


def _version(asked: Version | None, platform: Platform, endpoint: str | None) -> int:
    if asked is not None:
        return int(asked)
    keys = platform.credentials
    if endpoint and (keys.get("ak") or keys.get("access_key") or keys.get("access_token")):
        return 1  # services of one's own are addressed by path there
    return 2 if keys.get("api_key") or keys.get("access_key") else 1


def _refuse_unknown_keys(keys: Mapping[str, Any]) -> None:
    unknown = sorted(set(keys) - set(Keys.__annotations__))
    if unknown:
        allowed = ", ".join(Keys.__annotations__)
        raise InvalidArgumentError(f"{unknown[0]!r} is not a key of an account: those are {allowed}")
