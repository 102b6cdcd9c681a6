"""Chats that have model and options in common: what is around the text of each is worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from pydantic_core import from_json, to_json

from ..wire import catalog
from ..wire import chat as wire
from ..wire.base import Sendable
from .asking import Route
from .messages import for_v1

GAP: Final = uuid4().hex
"""The text that stands where another one comes."""


class Form:
    """A request with a gap in it.

    Args:
        record: the request, with `GAP` for the text.
    """

    def __init__(self, record: Sendable) -> None:
        self.record = record
        self.before, _, self.after = record.to_json().partition(to_json(GAP))

    def filled(self, text: str) -> Filled:
        """Return the request with a text in its gap."""
        return Filled(self, text)


class Filled:
    """A form with its text: it is sent as the record would be, and answers for its fields."""

    __slots__ = ("_form", "_text")

    def __init__(self, form: Form, text: str) -> None:
        self._form, self._text = form, text

    def to_json(self) -> bytes:
        """Return the JSON text to send."""
        return self._form.before + to_json(self._text) + self._form.after

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object to send."""
        found: dict[str, Any] = from_json(self.to_json())
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._form.record, name)


@dataclass(frozen=True)
class Series:
    """What conversations have in common: where they go, and their options."""

    model: str | None
    endpoint: str | None
    options: Mapping[str, Any]
    stream: bool
    _forms: dict[tuple[int, bool], tuple[Route, Form]] = field(default_factory=dict)

    def prompt(self, text: str, version: int, *, aliases: bool) -> Route:
        """Return the call that says one checked text; what is around it is worked out once."""
        known = self._forms.get((version, aliases))
        if known is None:
            route = self.route([wire.Message(role="user", content=GAP)], version, aliases=aliases)
            known = self._forms[version, aliases] = route, Form(route.record)
        route, form = known
        return Route(route.endpoint, form.filled(text), route.model)

    def route(self, messages: list[wire.Message], version: int, *, aliases: bool) -> Route:
        """Return the call in one of the two versions.

        Args:
            messages: the checked conversation.
            version: 1 or 2.
            aliases: whether names that Qianfan has are translated.
        """
        name = self.model or catalog.DEFAULT_CHAT
        if version == 2:
            model = self.endpoint or (catalog.v2_id("chat", name) if aliases else name)
            rest = {key: value for key, value in self.options.items() if key != "system"}
            record: wire.ChatRequest = wire.ChatRequestV2(
                messages=self._with_system(messages), stream=self.stream, model=model, **rest
            )
            return Route(wire.CHAT_V2, record, model)
        messages, given = for_v1(messages, self.options)
        record = wire.ChatRequest(messages=messages, stream=self.stream, **given)
        return Route(wire.CHAT_V1, record, self.endpoint or catalog.path_segment("chat", name))

    def _with_system(self, messages: list[wire.Message]) -> list[wire.Message]:
        """v2 takes the persona as the first message, v1 as an option of its own."""
        system = self.options.get("system")
        return [wire.Message(role="system", content=system), *messages] if system else messages
