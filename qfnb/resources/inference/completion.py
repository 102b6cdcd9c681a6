"""Completion: a prompt is continued, by a completion model or by a chat model that is asked it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from typing import Any, Literal, Unpack, overload

from ...errors import InvalidArgumentError
from ...transport import event_loop
from ...transport.client import CallOptions
from ...transport.platform import Platform
from ...transport.response import Response
from ...wire import catalog
from ...wire import chat as chat_wire
from ...wire import completion as wire
from . import options
from .inference_model import InferenceModel, PreparedCall, Route
from .messages import validate_encodable
from .options import ChatOptions
from .reply import ChatResponse, create_reply


class Completion(InferenceModel[ChatResponse]):
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
        ask = self.prepare(prompt, model, endpoint, stream=stream, **options_)
        return event_loop.iterate(self._stream(ask)) if stream else self._run(ask)

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
        ask = self.prepare(prompt, model, endpoint, stream=stream, **options_)
        return event_loop.iterate_async(self._stream(ask)) if stream else await self._run_async(ask)

    def prepare(
        self,
        item: str,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        stream: bool = False,
        request_timeout: float | None = None,
        retry_count: int | None = None,
        **options_: Any,
    ) -> PreparedCall[ChatResponse]:
        """Return the checked call for one prompt."""
        if not isinstance(item, str) or not item.strip():
            raise InvalidArgumentError(f"prompt={item!r}: it is a text that is not empty")
        validate_encodable("prompt", item)
        model, endpoint = self.resolve_target(model, endpoint)
        valid_options = options.validate_options(options_)

        def route(platform: Platform) -> Route:
            version = self._api_version(platform, endpoint)
            return _build_route(
                item, model, endpoint, valid_options, stream, version, translate_names=not platform.openai
            )

        return PreparedCall(route, _to_reply, CallOptions(request_timeout, retry_count))


def _build_route(
    prompt: str,
    model: str | None,
    endpoint: str | None,
    options_: Mapping[str, Any],
    stream: bool,
    version: int,
    *,
    translate_names: bool,
) -> Route:
    name = model or catalog.DEFAULTS["completion"]
    messages = [chat_wire.Message(role="user", content=prompt)]
    if version == 2:
        model_id = endpoint or (catalog.v2_id("chat", name) if translate_names else name)
        asked = chat_wire.ChatRequestV2(messages=messages, stream=stream, model=model_id, **options_)
        return Route(chat_wire.CHAT_V2, asked, model_id)
    if endpoint is None and catalog.find_model("completion", name) is None:
        talk = chat_wire.ChatRequest(messages=messages, stream=stream, **options_)
        return Route(chat_wire.CHAT_V1, talk, catalog.path_segment("chat", name))
    written = wire.CompletionRequest(prompt=prompt, stream=stream, **options_)
    return Route(wire.COMPLETION_V1, written, endpoint or catalog.path_segment("completion", name))


def _to_reply(answer: Response[Any]) -> ChatResponse:
    reply = partial(create_reply, ChatResponse)(answer)
    reply.body["object"] = "completion"
    return reply
