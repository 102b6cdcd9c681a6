"""Completion: a prompt is continued, by a completion model or by a chat model that is asked it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal, Unpack, overload

from ...errors import InvalidArgumentError
from ...transport import event_loop
from ...transport.client import CallOptions
from ...transport.response import Response
from ...wire import catalog
from ...wire import chat as chat_wire
from ...wire import inference as wire
from .chat import build_chat_request
from .inference_model import InferenceModel, InferenceRequest, PreparedCall
from .messages import validate_encodable
from .options import ChatOptions, validate_options
from .reply import ChatResponse


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

    reply_type = ChatResponse

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
        call = self.prepare(prompt, model, endpoint, stream=stream, **options_)
        return event_loop.iterate(self._stream(call)) if stream else self._run(call)

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
        call = self.prepare(prompt, model, endpoint, stream=stream, **options_)
        return event_loop.iterate_async(self._stream(call)) if stream else await self._run_async(call)

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
        """Return the validated call for one prompt."""
        if not isinstance(item, str) or not item.strip():
            raise InvalidArgumentError(f"prompt={item!r}: it is a text that is not empty")
        validate_encodable("prompt", item)
        model, endpoint = self.resolve_target(model, endpoint)
        valid_options = validate_options(options_)
        name = model or catalog.DEFAULTS["completion"]
        is_chat_model = endpoint is None and catalog.find_model("completion", name) is None
        messages = [chat_wire.Message(role="user", content=item)]

        def build_request(version: int, translate_names: bool) -> InferenceRequest:
            if version == 1 and not is_chat_model:
                record = wire.CompletionRequest(prompt=item, stream=stream, **valid_options)
                segment = endpoint or catalog.path_segment("completion", name)
                return InferenceRequest(wire.COMPLETION_V1, record, segment)
            return build_chat_request(
                messages,
                version,
                translate_names,
                model=name,
                endpoint=endpoint,
                options=valid_options,
                stream=stream,
            )

        return self._create_call(build_request, CallOptions(request_timeout, retry_count), endpoint)

    def _to_reply(self, response: Response[Any]) -> ChatResponse:
        reply = super()._to_reply(response)
        reply.body["object"] = "completion"
        return reply
