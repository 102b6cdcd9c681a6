"""Requests that differ in one text only: the JSON around the text is encoded once for a whole
batch.
"""

from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

from pydantic_core import from_json, to_json

from ...base.text import is_chinese
from ...wire import chat as wire
from .chat_request import validate_messages
from .inference_model import InferenceRequest

PLACEHOLDER: Final = uuid4().hex
"""The text in a template's record that is replaced by each row's text."""

CHINESE_PLACEHOLDER: Final = f"{PLACEHOLDER}的文字"
"""The same for a Chinese text: the form of an answer is asked for in the question's language."""


class BatchRequests:
    """The requests of a batch's rows on one platform; the JSON around a plain text is encoded once.

    Args:
        build: builds the request of a conversation.

    Attributes:
        build: as above.
        model: the model's id, or its segment of the path; rate limits are kept by it.
    """

    def __init__(self, build: Callable[[list[wire.Message]], InferenceRequest]) -> None:
        self.build = build
        request = build([wire.Message(role="user", content=PLACEHOLDER)])
        self.endpoint = request.endpoint
        self.model = request.model
        self.record = request.record
        self._around = [self._encode_around(text) for text in (PLACEHOLDER, CHINESE_PLACEHOLDER)]
        self._has_languages = self._around[0] != self._around[1]

    def _encode_around(self, placeholder: str) -> tuple[bytes, bytes]:
        """Return the JSON before and behind a text."""
        record = self.build([wire.Message(role="user", content=placeholder)]).record
        before, _, behind = record.to_json().partition(to_json(placeholder))
        return before, behind

    def encode(self, text: str) -> bytes:
        """Return the JSON of a row with this text; what is added to it is in its language."""
        before, behind = self._around[self._has_languages and is_chinese(text)]
        return before + to_json(text) + behind

    def for_row(self, conversation: str | list[dict[str, Any]]) -> InferenceRequest:
        """Return the request of one row: a validated text, or messages.

        Raises:
            InvalidArgumentError: a message is wrong.
        """
        if isinstance(conversation, str):
            return InferenceRequest(self.endpoint, RenderedRequest(self, conversation), self.model)
        return self.build(validate_messages(conversation))


class RenderedRequest:
    """The template of a batch with a row's text: encodes as the record would, and has the record's
    other fields.
    """

    __slots__ = ("_template", "_text")

    def __init__(self, template: BatchRequests, text: str) -> None:
        self._template = template
        self._text = text

    def to_json(self) -> bytes:
        """Return the JSON text to send."""
        return self._template.encode(self._text)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object to send."""
        body: dict[str, Any] = from_json(self.to_json())
        return body

    def __getattr__(self, name: str) -> Any:
        return getattr(self._template.record, name)
