"""Requests that differ in one text only: the JSON around the text is encoded once for a whole batch."""

from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

from pydantic_core import from_json, to_json

from ...wire import chat as wire
from ...wire.base import Sendable
from .inference_model import InferenceRequest

PLACEHOLDER: Final = uuid4().hex
"""The text in a template's record that is replaced by each row's text."""


class RequestTemplate:
    """A request with a placeholder in place of the text.

    Args:
        record: the request, with `PLACEHOLDER` as the text.
    """

    def __init__(self, record: Sendable) -> None:
        self.record = record
        self.prefix, _, self.suffix = record.to_json().partition(to_json(PLACEHOLDER))


class RenderedRequest:
    """A template with its text: encodes as the record would, and has the record's other fields."""

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


class TemplateCache:
    """The templates of one batch, one for each API version in use.

    Args:
        build: builds the request of a conversation, an API version and whether names are translated.
    """

    def __init__(self, build: Callable[[list[wire.Message], int, bool], InferenceRequest]) -> None:
        self._build = build
        self._templates: dict[tuple[int, bool], tuple[InferenceRequest, RequestTemplate]] = {}

    def build_request(self, text: str, version: int, translate_names: bool) -> InferenceRequest:
        """Return the request whose conversation is one validated text of the user.

        Args:
            text: the validated text.
            version: 1 or 2.
            translate_names: whether names of Qianfan's catalogue become v2 ids.
        """
        cached = self._templates.get((version, translate_names))
        if cached is None:
            request = self._build([wire.Message(role="user", content=PLACEHOLDER)], version, translate_names)
            cached = self._templates[version, translate_names] = request, RequestTemplate(request.record)
        request, template = cached
        return InferenceRequest(request.endpoint, RenderedRequest(template, text), request.model)
