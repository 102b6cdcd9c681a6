"""Completion of a prompt, and plugins (v1 only): an application of your own, or the platform's
plugins.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal, Unpack, overload

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...transport.platform import Platform
from ...transport.response import Response
from ...wire import catalog, chat as chat_wire, inference as wire
from ...wire.base import JsonObject
from .arguments import ChatOptions
from .chat import (
    Conversation,
    build_chat_request,
    to_v2_options,
    validate_encodable,
    validate_messages,
    validate_options,
)
from .inference_model import InferenceCall, InferenceModel, InferenceRequest
from .model_choice import ModelChoice, find_target, refuse_v1_only
from .reply import ChatResponse
from .v1_words import to_v1_options


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
    ) -> Any:
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
        return self.answer(self.prepare(prompt, model, endpoint, stream=stream, **options_))

    async def ado(
        self,
        prompt: str,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options_: Unpack[ChatOptions],
    ) -> Any:
        """The awaited form of `do`: a reply, or with `stream=True` an async iterator over its
        pieces.
        """
        call = self.prepare(prompt, model, endpoint, stream=stream, **options_)
        return await self.answer_async(call)

    def validate(
        self, item: str, options: JsonObject, choice: ModelChoice, /
    ) -> tuple[str, JsonObject]:
        """Return a prompt and valid options."""
        if not isinstance(item, str) or not item.strip():
            raise InvalidArgumentError(
                tr("prompt={item!r}: must be a string that is not empty", item=item)
            )
        validate_encodable("prompt", item)
        return item, validate_options(options)

    @staticmethod
    def build_request(call: InferenceCall[Any], platform: Platform, /) -> InferenceRequest:
        """Return the request as a platform takes it: a chat, but for v1's own models and a text
        that is to be filled.
        """
        choice = call.choice
        stream = call.is_streamed
        version, model, _ = find_target(choice, platform)
        is_completion = choice.endpoint or catalog.find_model(
            "completion", choice.model or catalog.V1_DEFAULTS["completion"]
        )
        if version == 1 and is_completion:
            fields = to_v1_options(call.options)
            record = wire.CompletionRequest(prompt=call.item, stream=stream, **fields)
            return InferenceRequest(wire.COMPLETION_V1, record, model)
        if version == 2 and not choice.endpoint:
            choice = replace(choice, model=model)
        choice = replace(choice, kind="chat")
        if version == 2 and "suffix" in call.options:
            model = find_target(choice, platform).model
            fields = to_v2_options(dict(call.options), is_qianfan=platform.is_qianfan)
            gap = wire.FillRequest(prompt=call.item, model=model, stream=stream, **fields)
            return InferenceRequest(wire.COMPLETION_V2, gap, model)
        messages = [chat_wire.Message(role="user", content=call.item)]
        return build_chat_request(messages, platform, choice, call.options, stream=stream)

    def to_reply(self, response: Response[Any]) -> ChatResponse:
        """Return a response, or one piece of a stream, as the reply to a prompt."""
        reply = super().to_reply(response)
        reply.body["object"] = "completion"
        return reply


class PluginResponse(ChatResponse):
    """A reply; `resp["meta_info"]` or `resp["plugin_info"]` has the calls of plugins."""


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

    def do(
        self,
        prompt: Conversation | None = None,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options_: Any,
    ) -> Any:
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
        return self.answer(self.prepare(prompt, model, endpoint, stream=stream, **options_))

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
        return await self.answer_async(call)

    def validate(
        self, item: Conversation | None, options: JsonObject, choice: ModelChoice, /
    ) -> tuple[Any, JsonObject]:
        """Return a prompt and valid options: for an application a text, else records of a
        conversation.
        """
        query = options.pop("query", None)
        prompt: Any = query if item is None else item
        if prompt is None:
            raise InvalidArgumentError(tr("prompt is missing: write the question"))
        fields = validate_options(options)
        if not choice.endpoint:
            names = fields["plugins"] = list(fields.get("plugins") or ("eChart",))
            for name in names:
                if name not in wire.BUILTIN_PLUGINS:
                    raise InvalidArgumentError(
                        tr(
                            "plugins has {unknown!r}: must be some of {names}",
                            unknown=name,
                            names=tr(", ").join(wire.BUILTIN_PLUGINS),
                        )
                    )
            return validate_messages(prompt), fields
        is_text = isinstance(prompt, str) and prompt.strip()
        if not is_text or len(prompt) > wire.MAX_PLUGIN_QUERY_CHARS:
            raise InvalidArgumentError(
                tr(
                    "prompt: an application takes 1 to {limit:,} characters",
                    limit=wire.MAX_PLUGIN_QUERY_CHARS,
                )
            )
        return prompt, fields

    @staticmethod
    def build_request(call: InferenceCall[Any], platform: Platform, /) -> InferenceRequest:
        """Return the request of v1, the same for each platform that has it."""
        refuse_v1_only(platform, "Plugin", tr("ChatCompletion takes tools= and web_search="))
        fields = {**call.options, "stream": call.is_streamed}
        if endpoint := call.choice.endpoint:
            return InferenceRequest(
                wire.PLUGIN_V1, wire.AppPluginRequest(query=call.item, **fields), endpoint
            )
        record = wire.BuiltinPluginRequest(messages=call.item, **fields)
        if call.choice.model == "EBPluginV2":
            return InferenceRequest(wire.BUILTIN_PLUGIN_2_V1, record, "EBPluginV2")
        return InferenceRequest(wire.BUILTIN_PLUGIN_V1, record, "EBPlugin")
