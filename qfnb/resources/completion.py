"""Completion: a prompt is continued, by a completion model or by a chat model that is asked it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from typing import Any, Literal, Unpack, overload

from ..errors import InvalidArgumentError
from ..transport import portal
from ..transport.client import Limits
from ..transport.platform import Platform
from ..transport.response import Response
from ..wire import catalog
from ..wire import chat as chat_wire
from ..wire import completion as wire
from . import options
from .asking import Ask, Asking, Route
from .messages import refuse_surrogates
from .options import ChatOptions
from .reply import ChatResponse, made


class Completion(Asking[ChatResponse]):
    """Continue a prompt.

    A model that is no completion model, and every model of v2, is asked as a chat model; the reply's
    `object` is "completion" all the same.

    Args:
        model: name of a preset model; unknown names are passed on to the platform.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2 decides the API; see `ChatCompletion`.
        **keys: see `ChatCompletion`.

    Source: seed 003 (Completion 续写).
    """

    @overload
    def do(
        self,
        prompt: str,
        model: str | None = ...,
        endpoint: str | None = ...,
        stream: Literal[False] = ...,
        **options_: Unpack[ChatOptions],
    ) -> ChatResponse: ...
    @overload
    def do(
        self,
        prompt: str,
        model: str | None = ...,
        endpoint: str | None = ...,
        *,
        stream: Literal[True],
        **options_: Unpack[ChatOptions],
    ) -> Iterator[ChatResponse]: ...
    def do(
        self,
        prompt: str,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options_: Unpack[ChatOptions],
    ) -> ChatResponse | Iterator[ChatResponse]:
        """Continue the prompt; with `stream=True` return an iterator over the pieces.

        Raises:
            InvalidArgumentError: the prompt or an option is wrong; nothing was sent.
            APIError: the platform refused.
            StreamInterrupted: a stream ended early; `.partial` holds the text so far.
        """
        ask = self.ask(prompt, model, endpoint, stream=stream, **options_)
        return portal.drain(self._pieces(ask)) if stream else self._run(ask)

    @overload
    async def ado(
        self,
        prompt: str,
        model: str | None = ...,
        endpoint: str | None = ...,
        stream: Literal[False] = ...,
        **options_: Unpack[ChatOptions],
    ) -> ChatResponse: ...
    @overload
    async def ado(
        self,
        prompt: str,
        model: str | None = ...,
        endpoint: str | None = ...,
        *,
        stream: Literal[True],
        **options_: Unpack[ChatOptions],
    ) -> AsyncIterator[ChatResponse]: ...
    async def ado(
        self,
        prompt: str,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options_: Unpack[ChatOptions],
    ) -> ChatResponse | AsyncIterator[ChatResponse]:
        """The awaited form of `do`."""
        ask = self.ask(prompt, model, endpoint, stream=stream, **options_)
        return portal.hop_each(self._pieces(ask)) if stream else await self._arun(ask)

    def ask(
        self,
        item: str,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        stream: bool = False,
        request_timeout: float | None = None,
        retry_count: int | None = None,
        **options_: Any,
    ) -> Ask[ChatResponse]:
        """Return the checked call for one prompt."""
        if not isinstance(item, str) or not item.strip():
            raise InvalidArgumentError(f"prompt={item!r}: it is a text that is not empty")
        refuse_surrogates("prompt", item)
        model, endpoint = self.named(model, endpoint)
        given = options.check(options_)

        def route(platform: Platform) -> Route:
            version = self._version(platform, endpoint)
            return _route(item, model, endpoint, given, stream, version, aliases=not platform.openai)

        return Ask(route, _reply, Limits(request_timeout, retry_count))


def _route(
    prompt: str,
    model: str | None,
    endpoint: str | None,
    given: Mapping[str, Any],
    stream: bool,
    version: int,
    *,
    aliases: bool,
) -> Route:
    name = model or catalog.DEFAULTS["completion"]
    question = [chat_wire.Message(role="user", content=prompt)]
    if version == 2:
        chosen = endpoint or (catalog.v2_id("chat", name) if aliases else name)
        asked = chat_wire.ChatRequestV2(messages=question, stream=stream, model=chosen, **given)
        return Route(chat_wire.CHAT_V2, asked, chosen)
    if endpoint is None and catalog.find("completion", name) is None:
        talk = chat_wire.ChatRequest(messages=question, stream=stream, **given)
        return Route(chat_wire.CHAT_V1, talk, catalog.path_segment("chat", name))
    written = wire.CompletionRequest(prompt=prompt, stream=stream, **given)
    return Route(wire.COMPLETION_V1, written, endpoint or catalog.path_segment("completion", name))


def _reply(answer: Response[Any]) -> ChatResponse:
    reply = partial(made, ChatResponse)(answer)
    reply.body["object"] = "completion"
    return reply
