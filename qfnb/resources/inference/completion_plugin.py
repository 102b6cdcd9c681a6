"""Completion of a prompt, and plugins (v1 only): an application of your own, or the platform's plugins."""

from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, Literal, Unpack, overload

from ...errors import InvalidArgumentError
from ...transport import event_loop
from ...transport.client import CallOptions
from ...transport.response import Response
from ...wire import catalog, chat as chat_wire, inference as wire
from .arguments import ChatOptions, validate_encodable, validate_messages, validate_options
from .chat import Conversation
from .chat_request import build_chat_request
from .inference_model import InferenceModel, InferenceRequest, PreparedCall
from .reply import ChatResponse


class Completion(InferenceModel[ChatResponse]):
    """Continue a prompt.

    A chat model, and every model of v2, is sent the prompt as a chat; the reply's `object` is still "completion".

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
        """Continue the prompt, and return the reply, or with `stream=True` an iterator over its pieces.

        Args:
            prompt: a text that is not empty.
            model: a model for this call.
            endpoint: a service of your own for this call.
            stream: yield pieces as they come.
            **options_: see `ChatOptions`; also request_timeout (seconds) and retry_count (attempts in all).

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
            raise InvalidArgumentError(f"prompt={item!r}: must be a text that is not empty")
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
            if version == 2 and "suffix" in valid_options:
                model_id = endpoint or catalog.v2_id("chat", name)
                gap = wire.FillRequest(prompt=item, model=model_id, stream=stream, **valid_options)
                return InferenceRequest(wire.COMPLETION_V2, gap, model_id)
            return build_chat_request(
                messages, version, translate_names, model=name, endpoint=endpoint, options=valid_options, stream=stream
            )

        return self._create_call(build_request, CallOptions(request_timeout, retry_count), endpoint)

    def _to_reply(self, response: Response[Any]) -> ChatResponse:
        reply = super()._to_reply(response)
        reply.body["object"] = "completion"
        return reply


class PluginResponse(ChatResponse):
    """A reply; `resp["meta_info"]` or `resp["plugin_info"]` has the calls of plugins."""


class Plugin(InferenceModel[PluginResponse]):
    """An application that uses plugins.

    With an endpoint the prompt is a text for that application; without one it is a conversation with the
    platform's own plugins.

    Args:
        model: unused; it is in the seeds' signature.
        endpoint: the application, as the console names it.
        **keys: see `ChatCompletion`.

    Source: seed 003 (Plugin 插件).
    """

    reply_type = PluginResponse

    @overload
    def do(
        self,
        prompt: Conversation | None = ...,
        model: str | None = ...,
        endpoint: str | None = ...,
        stream: Literal[False] = ...,
        **options_: Any,
    ) -> PluginResponse: ...
    @overload
    def do(
        self,
        prompt: Conversation | None = ...,
        model: str | None = ...,
        endpoint: str | None = ...,
        *,
        stream: Literal[True],
        **options_: Any,
    ) -> Iterator[PluginResponse]: ...
    def do(
        self,
        prompt: Conversation | None = None,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options_: Any,
    ) -> PluginResponse | Iterator[PluginResponse]:
        """Send a prompt, and return the reply, or with `stream=True` an iterator over its pieces.

        Args:
            prompt: a text, or without an endpoint a conversation; `query` is another name for it.
            model: unused; it is in the seeds' signature.
            endpoint: the application for this call.
            stream: yield pieces as they come.
            **options_: plugins (a list), history, verbose, llm, fileurl, request_timeout, retry_count.

        Raises:
            InvalidArgumentError: the prompt or the plugins are wrong; nothing was sent.
        """
        call = self.prepare(prompt, model, endpoint, stream=stream, **options_)
        return event_loop.iterate(self._stream(call)) if stream else self._run(call)

    async def ado(
        self,
        prompt: Conversation | None = None,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options_: Any,
    ) -> Any:
        """The awaited form of `do`: a reply, or with `stream=True` an async iterator over its pieces."""
        call = self.prepare(prompt, model, endpoint, stream=stream, **options_)
        pieces: AsyncIterator[PluginResponse]
        if stream:
            pieces = event_loop.iterate_async(self._stream(call))
            return pieces
        return await self._run_async(call)

    def prepare(
        self,
        item: Conversation | None,
        model: str | None = None,
        endpoint: str | None = None,
        *,
        query: Conversation | None = None,
        plugins: Sequence[str] | None = None,
        stream: bool = False,
        request_timeout: float | None = None,
        retry_count: int | None = None,
        **options_: Any,
    ) -> PreparedCall[PluginResponse]:
        """Return the validated call for one prompt."""
        prompt = query if item is None else item
        if prompt is None:
            raise InvalidArgumentError("prompt is missing: it needs a text to answer")
        application = endpoint or self.endpoint
        valid_options = {**validate_options(options_), "stream": stream}
        if application:
            request = _application_request(prompt, application, plugins, valid_options)
        else:
            request = _platform_plugin_request(prompt, plugins, valid_options)
        return self._create_call(lambda *_: request, CallOptions(request_timeout, retry_count))


def _application_request(
    prompt: Conversation, endpoint: str, plugins: Sequence[str] | None, options_: dict[str, Any]
) -> InferenceRequest:
    if not isinstance(prompt, str) or not len(prompt.strip()) >= 1 or len(prompt) > wire.MAX_PLUGIN_QUERY_CHARS:
        raise InvalidArgumentError(
            f"prompt: an application takes a text of 1 to {wire.MAX_PLUGIN_QUERY_CHARS:,} characters"
        )
    record = wire.AppPluginRequest(query=prompt, plugins=None if plugins is None else list(plugins), **options_)
    return InferenceRequest(wire.PLUGIN_V1, record, endpoint)


def _platform_plugin_request(
    prompt: Conversation, plugins: Sequence[str] | None, options_: dict[str, Any]
) -> InferenceRequest:
    names = list(plugins or ("eChart",))
    unknown = next((name for name in names if name not in wire.BUILTIN_PLUGINS), None)
    if unknown is not None:
        raise InvalidArgumentError(f"plugins has {unknown!r}: must be some of {', '.join(wire.BUILTIN_PLUGINS)}")
    record = wire.BuiltinPluginRequest(messages=validate_messages(prompt), plugins=names, **options_)
    return InferenceRequest(wire.BUILTIN_PLUGIN_V1, record, "EBPlugin")
