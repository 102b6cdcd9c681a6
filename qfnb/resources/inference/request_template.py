"""Chats that have model and options in common: what is around the text of each is worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from pydantic_core import from_json, to_json

from ...wire import catalog
from ...wire import chat as wire
from ...wire.base import Sendable
from .inference_model import Route
from .messages import to_v1

PLACEHOLDER: Final = uuid4().hex
"""The text that stands where another one comes."""


class RequestTemplate:
    """A request with a gap in it.

    Args:
        record: the request, with `PLACEHOLDER` for the text.
    """

    def __init__(self, record: Sendable) -> None:
        self.record = record
        self.prefix, _, self.suffix = record.to_json().partition(to_json(PLACEHOLDER))

    def render(self, text: str) -> RenderedRequest:
        """Return the request with a text in its gap."""
        return RenderedRequest(self, text)


class RenderedRequest:
    """A form with its text: it is sent as the record would be, and answers for its fields."""

    __slots__ = ("_template", "_text")

    def __init__(self, template: RequestTemplate, text: str) -> None:
        self._template, self._text = template, text

    def to_json(self) -> bytes:
        """Return the JSON text to send."""
        return self._template.prefix + to_json(self._text) + self._template.suffix

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object to send."""
        body: dict[str, Any] = from_json(self.to_json())
        return body

    def __getattr__(self, name: str) -> Any:
        return getattr(self._template.record, name)


@dataclass(frozen=True)
class ChatRequestBuilder:
    """What conversations have in common: where they go, and their options."""

    model: str | None
    endpoint: str | None
    options: Mapping[str, Any]
    stream: bool
    _templates: dict[tuple[int, bool], tuple[Route, RequestTemplate]] = field(default_factory=dict)

    def route_for_text(self, text: str, version: int, *, translate_names: bool) -> Route:
        """Return the call that says one checked text; what is around it is worked out once."""
        cached = self._templates.get((version, translate_names))
        if cached is None:
            route = self.route(
                [wire.Message(role="user", content=PLACEHOLDER)], version, translate_names=translate_names
            )
            cached = self._templates[version, translate_names] = route, RequestTemplate(route.record)
        route, template = cached
        return Route(route.endpoint, template.render(text), route.model)

    def route(self, messages: list[wire.Message], version: int, *, translate_names: bool) -> Route:
        """Return the call in one of the two versions.

        Args:
            messages: the checked conversation.
            version: 1 or 2.
            translate_names: whether names that Qianfan has are translated.
        """
        name = self.model or catalog.DEFAULT_CHAT
        if version == 2:
            model = self.endpoint or (catalog.v2_id("chat", name) if translate_names else name)
            options = {key: value for key, value in self.options.items() if key != "system"}
            record: wire.ChatRequest = wire.ChatRequestV2(
                messages=self._with_system(messages), stream=self.stream, model=model, **options
            )
            return Route(wire.CHAT_V2, record, model)
        messages, options_v1 = to_v1(messages, self.options)
        record = wire.ChatRequest(messages=messages, stream=self.stream, **options_v1)
        return Route(wire.CHAT_V1, record, self.endpoint or catalog.path_segment("chat", name))

    def _with_system(self, messages: list[wire.Message]) -> list[wire.Message]:
        """v2 takes the persona as the first message, v1 as an option of its own."""
        system = self.options.get("system")
        return [wire.Message(role="system", content=system), *messages] if system else messages
