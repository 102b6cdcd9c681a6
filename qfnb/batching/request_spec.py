"""What is sent for every row: model, template, system message, options; and the key that finds its
answer.
"""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import PurePath
from typing import Any, NamedTuple

from .. import config
from .._jobs.row_result import RowResult
from ..base.language import tr, tr_noop
from ..base.text import clip, closest, did_you_mean, is_missing, listed
from ..connect import PlatformInfo
from ..errors import CredentialsError, InvalidArgumentError
from ..resources.inference.chat import validate_encodable, validate_messages
from ..resources.inference.response_format import ResponseFormat, parse_response_format
from ..transport.platform import Platform
from .input_source import Item, RowSource


class RowTemplate:
    """A text with `{column}` placeholders; `{{` and `}}` are braces.

    Raises:
        InvalidArgumentError: a brace is alone, or a placeholder is more than a column's name.
    """

    def __init__(self, text: str) -> None:
        try:
            self._parts = self._parse(text)
        except ValueError as error:
            raise InvalidArgumentError(
                tr(
                    "prompt={text!r}: {error}; {remedy}",
                    text=clip(text, 61),
                    error=error,
                    remedy=tr(_BRACES),
                )
            ) from None
        self.names = tuple(dict.fromkeys(name for _, name in self._parts if name is not None))

    def validate_columns(self, columns: Sequence[str]) -> None:
        """Check that every placeholder is a column.

        Raises:
            InvalidArgumentError: names the placeholder and the columns.
        """
        for name in self.names:
            if name not in columns:
                hint = did_you_mean(name, columns, "{{{}}}")
                error = InvalidArgumentError(
                    tr(
                        "prompt has {{{name}}}, which is not a column{hint} (the columns are: "
                        "{columns}); {remedy}",
                        name=name,
                        hint=hint,
                        columns=tr(", ").join(columns) or tr("none"),
                        remedy=tr(_BRACES),
                    )
                )
                # the first column that is not there yet may be meant, where no name is alike
                unused = [column for column in columns if column not in self.names]
                if match := closest(name, columns) or next(iter(unused), None):
                    error.correction = (f"{{{name}}}", f"{{{match}}}")
                raise error

    def fill(self, row: Mapping[str, Any]) -> str:
        """Return the text for one row.

        Raises:
            InvalidArgumentError: the row lacks a column, or its cell is empty.
        """
        return "".join(
            literal if name is None else literal + cell_text(row, name)
            for literal, name in self._parts
        )

    @staticmethod
    def _parse(text: str) -> list[tuple[str, str | None]]:
        try:
            parsed = list(string.Formatter().parse(text))
        except ValueError:
            raise ValueError(tr("a brace has no partner")) from None
        for _, name, spec, conversion in parsed:
            if spec or conversion or name == "":
                raise ValueError(tr("{{{name}...}} is not a column's name", name=name or ""))
        return [(literal, name) for literal, name, _, _ in parsed]


_BRACES = tr_noop("write {{ and }} for braces that are text")


def cell_text(row: Mapping[str, Any], name: str) -> str:
    """Return a cell as text.

    Raises:
        InvalidArgumentError: the cell is missing or empty (None, NaN, blank).
    """
    if name not in row:
        raise InvalidArgumentError(tr("it has no {name!r}", name=name))
    value = row[name]
    if isinstance(value, str):
        return validate_text(name, value)
    if is_missing(value):
        raise InvalidArgumentError(
            tr("{name} is empty", name=name) if value is None else tr("{name} is NaN", name=name)
        )
    return str(value)


def validate_text(name: str, text: str) -> str:
    """Return a text that is not blank.

    Raises:
        InvalidArgumentError: it is blank.
    """
    if not text.strip():
        raise InvalidArgumentError(tr("{name} is empty", name=name))
    return text


Conversation = str | list[dict[str, Any]]
"""A prompt, or messages with `role` and `content`."""


class InputRow(NamedTuple):
    """One row of the input.

    Attributes:
        number: its position in the input, from 0.
        key: 16 bytes that identify the request, and so the answer in the journal.
        item: the row as the user gave it.
        conversation: what is sent for it, None for a row that was read back from the journal.
        problem: why it cannot be sent, None for a valid row.
    """

    number: int
    key: bytes
    item: Item
    conversation: Conversation | None = None
    problem: RowResult | None = None


@dataclass(frozen=True)
class RequestSpec:
    """What is sent for every row; journals hold it as JSON, so its field names are stored.

    Attributes:
        platform: `sandbox`, or the host that answers: the two give different answers.
        model, endpoint: who answers.
        prompt: the template, None when the rows are prompts or conversations themselves.
        options: of `ChatCompletion.do`, the system message among them.
        dedupe: whether identical rows are sent once.
    """

    platform: str
    model: str | None = None
    endpoint: str | None = None
    prompt: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    dedupe: bool = False

    @cached_property
    def digest(self) -> bytes:
        """The hash of all fields."""
        return _hash(
            json.dumps(asdict(self), sort_keys=True, ensure_ascii=False, default=str).encode()
        )

    @cached_property
    def template(self) -> RowTemplate | None:
        """The prompt, parsed."""
        if self.prompt is None:
            return None
        return RowTemplate(self.prompt)

    @cached_property
    def response_format(self) -> ResponseFormat | None:
        """The form that answers must have, None without one; of a class only its schema is
        stored.
        """
        value = self.options.get("response_format")
        if value is None:
            return None
        return parse_response_format(value)

    def validate_columns(self, source: RowSource) -> None:
        """Check what would be wrong with every row, before any is read.

        Raises:
            InvalidArgumentError: the template names an unknown column, or no column holds prompts;
                of several files the first that lacks it is named.
        """
        if self.template is not None and source.columns is not None:
            self.template.validate_columns(source.columns)
        elif source.columns == ():
            raise InvalidArgumentError(
                tr("the input has no columns ({description})", description=source.description)
            )
        elif source.columns is not None and not {"prompt", "messages"} & set(source.columns):
            error = InvalidArgumentError(
                tr(
                    "which column is the prompt? The columns are {columns}: write "
                    "prompt='...{{{first}}}...'",
                    columns=tr(", ").join(source.columns),
                    first=source.columns[0],
                )
            )
            error.columns = source.columns
            raise error
        if self.template is not None:
            needed = self.template.names
        else:
            needed = ("prompt",)
        for path, columns in source.headings.items():
            if self.template is None and "messages" in columns:
                continue
            for name in needed:
                if name not in columns:
                    raise InvalidArgumentError(
                        tr(
                            "{file} has no column {name!r}; it has {columns}",
                            file=PurePath(path).name,
                            name=name,
                            columns=listed(columns),
                        )
                    )

    def build_conversation(self, item: Item) -> Conversation:
        """Return the request of one row.

        Raises:
            InvalidArgumentError: the row cannot be sent.
        """
        if isinstance(item, str) and self.template is None:
            validate_encodable("prompt", validate_text("prompt", item))
            return item
        for name in item if isinstance(item, Mapping) else ():
            if not isinstance(name, str):
                reason = tr(
                    "it has the column {name!r}, a {kind}: column names must be strings",
                    name=name,
                    kind=type(name).__name__,
                )
                raise InvalidArgumentError(reason)
        if self.template is not None:
            text = self.template.fill(item if isinstance(item, Mapping) else {"prompt": item})
        elif isinstance(item, Mapping) and "messages" not in item:
            text = cell_text(item, "prompt")
        elif isinstance(item, (Mapping, list)):
            return _parse_messages(item["messages"] if isinstance(item, Mapping) else item)
        else:
            text = cell_text({"prompt": item}, "prompt")
        validate_encodable("prompt", text)
        return text

    def input_rows(
        self, source: RowSource, items: Iterable[Item], start: int = 0
    ) -> Iterator[InputRow]:
        """Yield the rows of an input with what is sent for them; those that cannot be sent have a
        problem.

        Args:
            source: the input.
            items: rows of it, as the user gave them.
            start: the number of the first one.
        """
        limit_mb = config.settings().max_row_mb
        for number, item in enumerate(items, start):
            try:
                conversation = self.build_conversation(item)
                _validate_length(conversation, limit_mb)
            except InvalidArgumentError as error:
                # its keys may be anything, and the journal holds JSON
                if isinstance(item, Mapping):
                    item = {str(name): value for name, value in item.items()}  # noqa: PLW2901
                if place := source.locate(number):
                    error = InvalidArgumentError(f"{place}: {error}")
                key = self.row_key(f"\0{number}")
                yield InputRow(number, key, item, problem=RowResult.from_error(error))
            else:
                yield InputRow(number, self.row_key(conversation), item, conversation)

    def sent_text(self, item: Item, conversation: Conversation | None = None) -> str:
        """Return the text of one row's request, for people: of a conversation the last turn."""
        try:
            conversation = conversation or self.build_conversation(item)
        except InvalidArgumentError:
            return str(item)
        if isinstance(conversation, str):
            return conversation
        return str(conversation[-1].get("content") or "")

    def to_json(self) -> str:
        """Return it as JSON, for the journal."""
        return json.dumps(asdict(self), ensure_ascii=False, default=str)

    @classmethod
    def from_json(cls, text: str) -> RequestSpec:
        """Return the value that a journal holds as JSON."""
        return cls(**json.loads(text))

    def differences(self, stored: RequestSpec) -> list[str]:
        """Return the fields in which a stored one differs, a line each."""
        new_fields = asdict(self)
        stored_fields = asdict(stored)
        lines = []
        for name, new in new_fields.items():
            earlier = stored_fields[name]
            if new != earlier:
                lines.append(
                    tr("{name}: {earlier!r}, now {new!r}", name=name, earlier=earlier, new=new)
                )
        return lines

    def row_key(self, conversation: Conversation) -> bytes:
        """Return the key of a request: 16 bytes, the same in every process."""
        text = conversation
        if not isinstance(text, str):
            text = json.dumps(text, sort_keys=True)
        return _hash(self.digest + type(conversation).__name__.encode() + text.encode("utf-8"))


def text_of(conversation: Conversation | None) -> str:
    """Return the texts of a conversation; the tokens of pictures are not known."""
    if isinstance(conversation, str):
        return conversation
    texts = []
    for message in conversation or ():
        content = message.get("content") or ""
        if isinstance(content, str):
            texts.append(content)
        else:
            texts += [str(part.get("text") or "") for part in content]
    return " ".join(texts)


def _validate_length(conversation: Conversation, limit_mb: float) -> None:
    """Check that a row's text is not longer than any model reads; pictures are the platform's to
    judge.
    """
    text = text_of(conversation)
    limit = limit_mb * 1e6
    if 4 * len(text) > limit and (size := len(text.encode("utf-8", "replace"))) > limit:
        raise InvalidArgumentError(
            tr(
                "it has {size:,.1f} MB of text, and no model reads as much: at most {limit_mb:g} "
                "MB are sent "
                "(QIANFAN_MAX_ROW_MB)",
                size=size / 1000000.0,
                limit_mb=limit_mb,
            )
        )


def _parse_messages(value: Any) -> list[dict[str, Any]]:
    """Return a conversation; a cell of a file may hold it as JSON."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise InvalidArgumentError(
                tr("messages is not a JSON list of {'role', 'content'}")
            ) from None
    validate_messages(value)
    return [dict(message) for message in value]


def platform_name(platform: Platform | PlatformInfo) -> str:
    """Return the platform's name in a `RequestSpec`: `sandbox` on any port, or the host."""
    if platform.name == "sandbox":
        return "sandbox"
    return platform.host


def validate_platform(platform: Platform, expected: str) -> None:
    """Check that calls go where a journal's answers are from.

    Raises:
        CredentialsError: they go elsewhere.
    """
    if (name := platform_name(platform)) != expected:
        names = {"platform": name, "expected": expected}
        raise CredentialsError(
            tr("calls go to {platform} now, and this batch is of {expected}", **names)
        )


def _hash(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()
