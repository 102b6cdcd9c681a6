"""Plugins: an application of one's own, or the platform's own plugins by conversation. v1 only."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial
from typing import Any, Literal, overload

from ..errors import InvalidArgumentError
from ..transport import portal
from ..transport.client import Limits
from ..wire import plugin as wire
from . import options
from .asking import Ask, Asking, Route
from .chat import Conversation
from .messages import checked
from .reply import ChatResponse, made


class PluginResponse(ChatResponse):
    """A reply; which plugin did what is in `resp["meta_info"]` or `resp["plugin_info"]`."""


class Plugin(Asking[PluginResponse]):
    """Ask an application that uses plugins.

    With an endpoint the prompt is a text for the application behind it; without one it is a conversation
    with the platform's own plugins.

    Args:
        model: kept for the seeds' signature; the platform's own plugins are the only one.
        endpoint: the application, as the console shows it.
        **keys: see `ChatCompletion`.

    Source: seed 003 (Plugin 插件).
    """

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
        """Ask; with `stream=True` return an iterator over the pieces.

        Args:
            prompt: a text, or without an endpoint a conversation; `query` is another name for it.
            model: kept for the seeds' signature.
            endpoint: the application for this call.
            stream: yield pieces as they come.
            **options_: plugins (a list), history, verbose, llm, fileurl, request_timeout, retry_count.

        Raises:
            InvalidArgumentError: the prompt or the plugins are wrong; nothing was sent.
        """
        ask = self.ask(prompt, model, endpoint, stream=stream, **options_)
        return portal.drain(self._pieces(ask)) if stream else self._run(ask)

    async def ado(
        self,
        prompt: Conversation | None = None,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options_: Any,
    ) -> Any:
        """The awaited form of `do`: a reply, or with `stream=True` an async iterator over its pieces."""
        ask = self.ask(prompt, model, endpoint, stream=stream, **options_)
        pieces: AsyncIterator[PluginResponse]
        if stream:
            pieces = portal.hop_each(self._pieces(ask))
            return pieces
        return await self._arun(ask)

    def ask(
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
    ) -> Ask[PluginResponse]:
        """Return the checked call for one prompt."""
        prompt = query if item is None else item
        if prompt is None:
            raise InvalidArgumentError("prompt is missing: say what is to be answered")
        application = endpoint or self.endpoint
        given = {**options.check(options_), "stream": stream}
        route = (
            _application(prompt, application, plugins, given) if application else _own(prompt, plugins, given)
        )
        return Ask(
            lambda _platform: route, partial(made, PluginResponse), Limits(request_timeout, retry_count)
        )


def _application(
    prompt: Conversation, endpoint: str, plugins: Sequence[str] | None, given: dict[str, Any]
) -> Route:
    if not isinstance(prompt, str) or not len(prompt.strip()) >= 1 or len(prompt) > wire.MOST_CHARS:
        raise InvalidArgumentError(
            f"prompt: an application takes a text of 1 to {wire.MOST_CHARS:,} characters"
        )
    record = wire.PluginRequest(query=prompt, plugins=None if plugins is None else list(plugins), **given)
    return Route(wire.PLUGIN_V1, record, endpoint)


def _own(prompt: Conversation, plugins: Sequence[str] | None, given: dict[str, Any]) -> Route:
    chosen = list(plugins or ("eChart",))
    unknown = next((name for name in chosen if name not in wire.OWN_PLUGINS), None)
    if unknown is not None:
        raise InvalidArgumentError(f"plugins has {unknown!r}: they are {', '.join(wire.OWN_PLUGINS)}")
    record = wire.OwnPluginRequest(messages=checked(prompt), plugins=chosen, **given)
    return Route(wire.OWN_PLUGIN_V1, record, "EBPlugin")
