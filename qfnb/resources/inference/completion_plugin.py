"""Completion of a prompt, and plugins (v1 only): an application of your own, or the platform's
plugins.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Unpack, overload

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...transport import event_loop
from ...transport.client import CallOptions
from ...transport.platform import Platform
from ...transport.response import Response
from ...wire import catalog, chat as chat_wire, inference as wire
from .arguments import ChatOptions
from .chat import Conversation
from .chat_request import (
    build_chat_request,
    validate_encodable,
    validate_messages,
    validate_options,
)
from .inference_model import InferenceCall, InferenceModel, InferenceRequest
from .model_choice import ModelChoice, find_target, refuse_v1_only
from .reply import ChatResponse
from .v1_words import to_v1_options, to_v2_options


@dataclass(frozen=True)
class CompletionCall(InferenceCall[ChatResponse]):
    """A prompt that is sent."""

    prompt: str = ""

    def request_for(self, platform: Platform) -> InferenceRequest:
        """Return the request as a platform takes it: a chat, but for v1's own models and a text
        that is to be filled.
        """
        choice = self.choice
        version, model, _ = find_target(choice, platform)
        is_completion = choice.endpoint or catalog.find_model(
            "completion", choice.model or catalog.V1_DEFAULTS["completion"]
        )
        if version == 1 and is_completion:
            fields = to_v1_options(self.options)
            record = wire.CompletionRequest(prompt=self.prompt, stream=self.is_streamed, **fields)
            return InferenceRequest(wire.COMPLETION_V1, record, model)
        if version == 2 and not choice.endpoint:
            choice = replace(choice, model=model)
        choice = replace(choice, kind="chat")
        if version == 2 and "suffix" in self.options:
            model = find_target(choice, platform).model
            fields = to_v2_options(self.options, is_qianfan=platform.is_qianfan)
            gap = wire.FillRequest(
                prompt=self.prompt, model=model, stream=self.is_streamed, **fields
            )
            return InferenceRequest(wire.COMPLETION_V2, gap, model)
        messages = [chat_wire.Message(role="user", content=self.prompt)]
        return build_chat_request(messages, platform, choice, self.options, stream=self.is_streamed)


class Completion(InferenceModel[ChatResponse]):
    """Continue a prompt.

    A chat model, and every model of v2, is sent the prompt as a chat; the reply's `object` is still
    "completion".

    Args:
        model: name of a preset model; unknown names are passed on to the platform.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2 decides the API; see `ChatCompletion`.
        **keys: see `ChatCompletion`.

    Source: seed 003 (Completion).
    """

    reply_type = ChatResponse
    kind = "completion"
    items_name = "prompt_list"

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
        """Continue the prompt, and return the reply, or with `stream=True` an iterator over its
        pieces.

        Args:
            prompt: a text that is not empty.
            model: a model for this call.
            endpoint: a service of your own for this call.
            stream: yield pieces as they come.
            **options_: see `ChatOptions`; also request_timeout (seconds) and retry_count (attempts
                in all).

        Raises:
            InvalidArgumentError: the prompt or an option is wrong; nothing was sent.
            APIError: the platform refused.
            StreamInterrupted: a stream ended early; `.partial` holds the text so far.
        """
        call = self.prepare(prompt, model, endpoint, stream=stream, **options_)
        if stream:
            return event_loop.iterate(self._stream_pieces(call))
        return self._run(call)

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
        if stream:
            return event_loop.iterate_async(self._stream_pieces(call))
        return await self._run_async(call)

    def prepare_call(
        self,
        item: str,
        choice: ModelChoice,
        options: Mapping[str, Any],
        call_options: CallOptions,
        *,
        stream: bool,
    ) -> CompletionCall:
        """Return the validated call for one prompt."""
        if not isinstance(item, str) or not item.strip():
            raise InvalidArgumentError(
                tr("prompt={item!r}: must be a string that is not empty", item=item)
            )
        validate_encodable("prompt", item)
        valid_options = validate_options(options)
        return CompletionCall(choice, valid_options, call_options, stream, item)

    def _to_reply(self, response: Response[Any]) -> ChatResponse:
        reply = super()._to_reply(response)
        reply.body["object"] = "completion"
        return reply


class PluginResponse(ChatResponse):
    """A reply; `resp["meta_info"]` or `resp["plugin_info"]` has the calls of plugins."""


@dataclass(frozen=True)
class PluginCall(InferenceCall[PluginResponse]):
    """A request of v1, the same for each platform that has it."""

    request: InferenceRequest | None = None

    def request_for(self, platform: Platform) -> InferenceRequest:
        """Return the request."""
        refuse_v1_only(platform, "Plugin", tr("ChatCompletion takes tools= and web_search="))
        assert self.request is not None
        return self.request


class Plugin(InferenceModel[PluginResponse]):
    """An application that uses plugins.

    With an endpoint the prompt is a text for that application; without one it is a conversation
    with the platform's own plugins.

    Args:
        model: unused; it is in the seeds' signature.
        endpoint: the application, as the console names it.
        **keys: see `ChatCompletion`.

    Source: seed 003 (Plugin).
    """

    reply_type = PluginResponse
    kind = "plugin"
    items_name = "query_list"

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
            **options_: plugins (a list), history, verbose, llm, fileurl, request_timeout,
                retry_count.

        Raises:
            InvalidArgumentError: the prompt or the plugins are wrong; nothing was sent.
        """
        call = self.prepare(prompt, model, endpoint, stream=stream, **options_)
        if stream:
            return event_loop.iterate(self._stream_pieces(call))
        return self._run(call)

    async def ado(
        self,
        prompt: Conversation | None = None,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options_: Any,
    ) -> Any:
        """The awaited form of `do`: a reply, or with `stream=True` an async iterator over its
        pieces.
        """
        call = self.prepare(prompt, model, endpoint, stream=stream, **options_)
        pieces: AsyncIterator[PluginResponse]
        if stream:
            pieces = event_loop.iterate_async(self._stream_pieces(call))
            return pieces
        return await self._run_async(call)

    def prepare_call(
        self,
        item: Conversation | None,
        choice: ModelChoice,
        options: Mapping[str, Any],
        call_options: CallOptions,
        *,
        stream: bool,
    ) -> PluginCall:
        """Return the validated call for one prompt."""
        if item is None:
            prompt = options.get("query")
        else:
            prompt = item
        if prompt is None:
            raise InvalidArgumentError(tr("prompt is missing: write the question"))
        plugins = options.get("plugins")
        fields = validate_options(
            {name: options[name] for name in options if name not in {"query", "plugins"}}
        )
        fields["stream"] = stream
        if choice.endpoint:
            request = _application_request(prompt, choice.endpoint, plugins, fields)
        else:
            request = _platform_plugin_request(prompt, plugins, choice.model, fields)
        return PluginCall(choice, fields, call_options, stream, request)


def _application_request(
    prompt: Conversation, endpoint: str, plugins: Sequence[str] | None, options_: dict[str, Any]
) -> InferenceRequest:
    if (
        not isinstance(prompt, str)
        or not len(prompt.strip()) >= 1
        or len(prompt) > wire.MAX_PLUGIN_QUERY_CHARS
    ):
        raise InvalidArgumentError(
            tr(
                "prompt: an application takes 1 to {limit:,} characters",
                limit=wire.MAX_PLUGIN_QUERY_CHARS,
            )
        )
    record = wire.AppPluginRequest(
        query=prompt, plugins=None if plugins is None else list(plugins), **options_
    )
    return InferenceRequest(wire.PLUGIN_V1, record, endpoint)


def _platform_plugin_request(
    prompt: Conversation, plugins: Sequence[str] | None, model: str | None, options_: dict[str, Any]
) -> InferenceRequest:
    names = list(plugins or ("eChart",))
    unknown = next((name for name in names if name not in wire.BUILTIN_PLUGINS), None)
    if unknown is not None:
        raise InvalidArgumentError(
            tr(
                "plugins has {unknown!r}: must be some of {names}",
                unknown=unknown,
                names=tr(", ").join(wire.BUILTIN_PLUGINS),
            )
        )
    record = wire.BuiltinPluginRequest(
        messages=validate_messages(prompt), plugins=names, **options_
    )
    if model == "EBPluginV2":
        return InferenceRequest(wire.BUILTIN_PLUGIN_2_V1, record, model)
    return InferenceRequest(wire.BUILTIN_PLUGIN_V1, record, "EBPlugin")
