"""What is asked of every row: model, template, persona, options; and the key by which an answer is known."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from ..connect import PlatformInfo
from ..errors import InvalidArgumentError
from ..resources.inference.messages import validate_encodable, validate_messages
from ..transport.platform import Platform
from .input.source import Item, RowSource
from .prompt_template import PromptTemplate, cell_text, validate_text

Conversation = str | list[dict[str, Any]]


@dataclass(frozen=True)
class RequestSpec:
    """What is asked of every row.

    Attributes:
        platform: `sandbox`, or the host that answers: what one says is not what the other would.
        model, endpoint: whose answer it is.
        prompt: the template, None when the rows are prompts or conversations themselves.
        options: of `ChatCompletion.do`, the persona among them.
        dedupe: whether identical rows are asked once.
    """

    platform: str
    model: str | None = None
    endpoint: str | None = None
    prompt: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    dedupe: bool = False

    @cached_property
    def digest(self) -> bytes:
        """What distinguishes this plan from others."""
        return _hash(json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, default=str).encode())

    @cached_property
    def template(self) -> PromptTemplate | None:
        """The prompt, parsed."""
        return None if self.prompt is None else PromptTemplate(self.prompt)

    def validate_columns(self, source: RowSource) -> None:
        """Refuse what is wrong for every row, before any is read.

        Raises:
            InvalidArgumentError: the template names no column, or there is no column to ask.
        """
        if self.template is not None and source.columns is not None:
            self.template.validate_columns(source.columns)
        elif source.columns == ():
            raise InvalidArgumentError(f"there are no columns in it ({source.description})")
        elif source.columns is not None and not {"prompt", "messages"} & set(source.columns):
            raise InvalidArgumentError(
                f"which column is asked? The columns are {', '.join(source.columns)}: "
                f"say prompt='...{{{source.columns[0]}}}...' (用 prompt= 指定模板)"
            )

    def build_conversation(self, item: Item) -> Conversation:
        """Return what is asked for one row.

        Raises:
            InvalidArgumentError: the row cannot be asked.
        """
        if isinstance(item, str) and self.template is None:
            return _validated_text(validate_text("prompt", item))
        if isinstance(item, Mapping):
            _validate_keys(item)
        if self.template is not None:
            text = self.template.fill(item if isinstance(item, Mapping) else {"prompt": item})
        elif isinstance(item, Mapping) and "messages" not in item:
            text = cell_text(item, "prompt")
        elif isinstance(item, (Mapping, list)):
            return _parse_messages(item["messages"] if isinstance(item, Mapping) else item)
        else:
            text = cell_text({"prompt": item}, "prompt")
        return _validated_text(text)

    def display_text(self, item: Item) -> str:
        """Return what is asked for one row, for people."""
        try:
            conversation = self.build_conversation(item)
        except InvalidArgumentError:
            return str(item)
        return conversation if isinstance(conversation, str) else str(conversation[-1].get("content") or "")

    def row_key(self, conversation: Conversation) -> bytes:
        """Return the key of what is asked: 16 bytes, the same in every process."""
        text = conversation if isinstance(conversation, str) else json.dumps(conversation, sort_keys=True)
        return _hash(self.digest + type(conversation).__name__.encode() + text.encode("utf-8"))

    def to_json(self) -> str:
        """Return the plan as text, for the journal."""
        return json.dumps(asdict(self), ensure_ascii=False, default=str)

    @classmethod
    def from_json(cls, text: str) -> RequestSpec:
        """Return a plan that a journal holds."""
        return cls(**json.loads(text))

    def differences(self, stored: RequestSpec) -> list[str]:
        """Return what another plan has different, a line each."""
        new_fields, stored_fields = asdict(self), asdict(stored)
        return [
            f"{name}: {stored_fields[name]!r}, now {new_fields[name]!r}"
            for name in new_fields
            if new_fields[name] != stored_fields[name]
        ]


def _validated_text(text: str) -> str:
    validate_encodable("prompt", text)
    return text


def _validate_keys(row: Mapping[Any, Any]) -> None:
    for name in row:
        if not isinstance(name, str):
            raise InvalidArgumentError(
                f"it has the column {name!r}, a {type(name).__name__}: names are texts"
            )


def _parse_messages(value: Any) -> list[dict[str, Any]]:
    """Return a conversation; a cell of a file may hold it as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise InvalidArgumentError("messages is no JSON list of {'role', 'content'}") from None
    validate_messages(value)
    return [dict(message) for message in value]


def platform_name(platform: Platform | PlatformInfo) -> str:
    """Return who answers, for a plan: a sandbox is a sandbox at whatever port."""
    return "sandbox" if platform.name == "sandbox" else platform.host


def repeat_key(key: bytes, repeat: int) -> bytes:
    """Return the key of the so-many-th identical row: 0 for the first."""
    return key if not repeat else _hash(key + repeat.to_bytes(8, "big"))


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
