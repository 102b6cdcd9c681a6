"""Structured answers: what `response_format=` sends, and how the answer is checked against it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, get_origin

from ...base.language import tr, tr_noop
from ...base.text import clip, format_value, is_chinese, turn_text
from ...errors import InvalidArgumentError, UnreadableAnswer
from ...wire import chat as wire
from ...wire.base import JsonObject
from .thinking import CUT_WHILE_THINKING

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

    from .reply import ChatResponse


Turns = Sequence[Mapping[str, Any]]
Prompt = tuple[str, str]
"""A text for an English question, and the one for a Chinese question."""

JSON_ONLY: Final = (
    "Answer with JSON only: no explanation, no code fence.",
    "只输出 JSON，不要解释，不要用代码块。",
)
ROWS_ONLY: Final = (
    "Answer with a JSON array only, one object for each row, no explanation.",
    "只输出一个 JSON 数组，每行数据是一个对象，不要解释。",
)
_CORRECTION: Final = (
    "The answer above cannot be read: {error}\nCorrect it. {instruction}",
    "上面的回答无法解析：{error}\n请改正。{instruction}",
)


def in_language_of(turns: Turns, prompt: Prompt) -> str:
    """Return a prompt in the language of the last question of a conversation."""
    texts = [turn_text(turn) for turn in turns if turn["role"] == "user"]
    corrections = tuple(text.partition("{")[0] for text in _CORRECTION)
    return prompt[
        is_chinese(next((text for text in reversed(texts) if not text.startswith(corrections)), ""))
    ]


def correction_turns(
    answer: str, error: ValueError, instruction: str, turns: Turns
) -> list[JsonObject]:
    """Return the turns that ask once more: the answer, and what was wrong with it.

    Args:
        answer: the text that cannot be read.
        error: what is wrong with it.
        instruction: the form that it must have.
        turns: the conversation, in whose language is asked.
    """
    prompt = in_language_of(turns, _CORRECTION).format(error=error, instruction=instruction)
    return [{"role": "assistant", "content": answer or "…"}, {"role": "user", "content": prompt}]


SCHEMA_KEYWORDS = frozenset(
    [
        "$ref",
        "$defs",
        "allOf",
        "anyOf",
        "const",
        "enum",
        "items",
        "oneOf",
        "properties",
        "required",
        "type",
    ]
)
"""A mapping that has none of these is not a JSON Schema that says anything."""

MAX_JSON_STARTS = 200
"""Positions of an answer at which a JSON value is looked for."""

_FENCE = re.compile(r"```[^\n]*\n(.*?)```", re.DOTALL)
_THINK_TAG = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class ResponseFormat:
    """The form that an answer must have.

    Attributes:
        kind: "text", "json_object" or "json_schema".
        name: of the schema, for the platform and for messages.
        schema: the JSON Schema, None without one.
        load: returns the parsed value of the answer's JSON; raises ValueError.
        is_strict: the platform's own `strict`, None where it is not set.
        is_checked: whether a reply is validated when it arrives; a cell does it itself, since it
            shows the answer.
    """

    kind: str
    name: str = ""
    schema: Mapping[str, Any] | None = None
    load: Callable[[Any], Any] = lambda value: value
    is_strict: bool | None = None
    is_checked: bool = False

    @property
    def field_names(self) -> tuple[str, ...]:
        """The properties of the schema's object, `parsed` for a value of another kind; none without
        a schema.
        """
        if self.schema is None:
            return ()
        reference = str(self.schema.get("$ref", "")).removeprefix("#/$defs/")
        target = self.schema.get("$defs", {}).get(reference, self.schema)
        return tuple(target.get("properties", ())) or ("parsed",)

    def to_option(self, *, takes_schema: bool) -> JsonObject | None:
        """Return the value of `response_format` on the wire, None where nothing is sent.

        Args:
            takes_schema: whether the model takes `json_schema`.
        """
        if self.schema is None:
            return {"type": self.kind}
        if self.schema.get("type") != "object" and not {"$ref", "properties"} & set(self.schema):
            return None  # both JSON modes answer with an object
        if not takes_schema:
            return {"type": "json_object"}
        return self.to_json()

    def to_json(self) -> JsonObject:
        """Return the platform's form of it, which `parse_response_format` takes."""
        if self.schema is None:
            return {"type": self.kind}
        described = {"name": self.name, "schema": dict(self.schema), "strict": self.is_strict}
        if self.is_strict is None:
            del described["strict"]
        return {"type": "json_schema", "json_schema": described}

    def instruction(self, option: Mapping[str, Any] | None, turns: Turns = ()) -> str:
        """Return the instruction that the system message must add to the option, "" where the
        platform sees to the schema.
        """
        if self.schema is None or (option or {}).get("type") == "json_schema":
            return ""
        return (
            f"{in_language_of(turns, JSON_ONLY)}\nJSON "
            f"Schema:\n{json.dumps(self.schema, ensure_ascii=False)}"
        )

    def parse(self, text: str) -> Any:
        """Return the value of an answer: an object of the class, or the JSON.

        Raises:
            ValueError: the answer is not JSON, or does not match the schema; says where.
        """
        try:
            return self.load(parse_json(text))
        except RecursionError:
            raise ValueError(tr("the JSON is nested too deeply")) from None

    def check(
        self, reply: ChatResponse, text: str, turns: Turns, *, retry: bool = True
    ) -> list[JsonObject]:
        """Set the parsed value of a reply; return the turns that ask once more, none for an answer
        that matches.

        Args:
            reply: the reply; one that only calls functions is no answer yet.
            text: its text; of a stream's last piece: the text of all.
            turns: the conversation, in whose language is asked once more.
            retry: False for the last try.

        Raises:
            UnreadableAnswer: the answer does not match, and this was the last try, or it is cut
                off.
        """
        reason = wire.finish_reason(reply.body)
        is_cut_off = reason == "length"
        is_call = reply.tool_calls or reason in {"tool_calls", "function_call"}
        if not self.is_checked or is_call:
            return []
        try:
            reply.parsed = self.parse(text)
        except ValueError as error:
            if retry and not is_cut_off:
                return self.correction(text, error, turns)
            hint = tr("the text is in `.answer` of this error")
            if reply.is_cut_while_thinking:
                hint = tr(CUT_WHILE_THINKING)
            elif is_cut_off:
                hint = tr(
                    "it was cut off at its longest length: set a larger max_completion_tokens"
                )
            message = tr(
                "the answer is not {name}: {error}\n{hint}", name=self.name, error=error, hint=hint
            )
            raise UnreadableAnswer(message, answer=text, reply=reply) from None
        return []

    def correction(self, text: str, error: ValueError, turns: Turns) -> list[JsonObject]:
        """Return the turns that ask once more: the answer, and what was wrong with it."""
        instruction = self.instruction(None, turns) or in_language_of(turns, JSON_ONLY)
        return correction_turns(text, error, instruction, turns)


def parse_response_format(value: Any) -> ResponseFormat:
    """Return the format that a `response_format=` argument describes.

    Args:
        value: "text", "json_object", a pydantic class (or a dataclass, TypedDict or generic such as
            `list[Book]`), a JSON Schema, or the platform's own {"type": ..., "json_schema": {...}}.

    Raises:
        InvalidArgumentError: it is something else, or its schema is not valid or cannot be
            expressed.

    Source: API page (response_format).
    """
    if isinstance(value, ResponseFormat):
        return value
    if isinstance(value, str) and value in _NAMES:
        return ResponseFormat(value)
    if not isinstance(value, (Mapping, str)):
        return _from_type(value)
    if isinstance(value, str) or not SCHEMA_KEYWORDS & set(value):
        raise InvalidArgumentError(
            tr(
                "{name}={value}: {allowed}",
                name="response_format",
                value=format_value(value),
                allowed=tr(_ALLOWED),
            )
        )
    kind = value.get("type")
    if kind in _NAMES and len(value) == 1:
        return ResponseFormat(kind)
    if kind == "json_schema":
        return _from_platform(value.get("json_schema"))
    return _from_schema(value, str(value.get("title") or "answer"))


_NAMES = ("text", "json_object")
_FIELDS = tr_noop(
    "use fields of JSON's types: str, int, float, bool, list, dict, Literal, Optional, other models"
)
_ALLOWED = tr_noop(
    "must be 'text', 'json_object', a pydantic class (not an instance) or a JSON Schema"
)


def extract_code(text: str) -> str:
    """Return the code of an answer: its fenced blocks, or the whole text where it has none."""
    blocks = [block.rstrip("\n") for block in _FENCE.findall(text)]
    if blocks:
        return "\n\n".join(blocks)
    return text.strip()


def parse_json(text: str) -> Any:
    """Return the JSON of an answer, with or without a fence, words or a `<think>` block around it.

    Raises:
        ValueError: the answer has no JSON.
    """
    answer = extract_code(_THINK_TAG.sub("", text))
    try:
        return json.loads(answer)
    except RecursionError:
        raise ValueError(tr("its JSON is nested too deeply")) from None
    except ValueError as error:
        values = list(_json_values(answer))
        if not values:
            if answer[:1] in {"{", "["}:
                reason = tr("it ends inside the JSON")
            else:
                reason = tr("it has no JSON")
            raise ValueError(f"{reason} ({error})" if answer else tr("it is empty")) from None
        return max(values, key=lambda item: item[1])[0]


def _json_values(text: str) -> Iterator[tuple[Any, int]]:
    """Yield the objects and arrays of a text, each with its length."""
    end = 0
    for count, match in enumerate(re.finditer(r"[{\[]", text)):
        if count >= MAX_JSON_STARTS:
            return
        if match.start() < end:
            continue
        try:
            value, end = _DECODER.raw_decode(text, match.start())
        except json.JSONDecodeError as error:
            if error.pos >= len(text) or error.msg.startswith("Unterminated"):
                return  # a value that is cut off is not replaced by a part of itself
            continue
        except RecursionError:
            return
        yield value, end - match.start()


def _from_platform(value: Any) -> ResponseFormat:
    schema = value.get("schema") if isinstance(value, Mapping) else None
    if not isinstance(schema, Mapping):
        raise InvalidArgumentError(
            tr("response_format: 'json_schema' must be {'name': ..., 'schema': {...}}")
        )
    return _from_schema(schema, str(value.get("name") or "answer"), value.get("strict"))


def _from_schema(
    schema: Mapping[str, Any], name: str, is_strict: bool | None = None
) -> ResponseFormat:
    from jsonschema.exceptions import SchemaError, best_match  # noqa: PLC0415 - 50 ms that only schemas should pay
    from jsonschema.validators import Draft202012Validator, validator_for  # noqa: PLC0415
    from referencing import Registry, Resource  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415
    from referencing.jsonschema import DRAFT202012  # noqa: PLC0415

    kind = validator_for(schema, default=Draft202012Validator)
    try:
        kind.check_schema(schema)
        json.dumps(schema)
    except (SchemaError, TypeError, ValueError, RecursionError) as error:
        reason = clip(str(getattr(error, "message", error)), 200)
        raise InvalidArgumentError(
            tr("response_format is not a valid JSON Schema: {reason}", reason=reason)
        ) from None
    resolver = Registry().with_resource("", Resource.from_contents(schema, DRAFT202012)).resolver()
    for reference in _references(schema):
        try:
            resolver.lookup(reference)
        except Unresolvable:
            text = tr(
                "response_format: $ref {name} is not in the schema", name=format_value(reference)
            )
            raise InvalidArgumentError(text) from None
    # an empty registry: the default one would fetch addresses
    validator = kind(schema, registry=Registry())

    def load(value: Any) -> Any:
        if (error := best_match(validator.iter_errors(value))) is not None:
            raise ValueError(f"{error.json_path}: {clip(error.message, 200)}")
        return value

    return ResponseFormat("json_schema", _wire_name(name), schema, load, is_strict, is_checked=True)


def _from_type(kind: Any) -> ResponseFormat:
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 - the message below needs it only
    from pydantic.errors import PydanticUserError  # noqa: PLC0415

    name = getattr(kind, "__name__", str(kind))
    if not isinstance(kind, type) and get_origin(kind) is None:
        raise InvalidArgumentError(
            tr(
                "response_format is a {kind} object: {allowed}",
                kind=type(kind).__name__,
                allowed=tr(_ALLOWED),
            )
        )
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        schema = adapter.json_schema()
    # NameError: an annotation that is not defined
    except (PydanticUserError, NameError, TypeError) as error:
        reason = clip(str(error).splitlines()[0], 200)
        text = tr(
            "response_format={name}: cannot be expressed as JSON Schema: {reason}",
            name=name,
            reason=reason,
        )
        raise InvalidArgumentError(f"{text}\n{tr(_FIELDS)}") from None

    def load(value: Any) -> Any:
        try:
            return adapter.validate_json(json.dumps(value))
        except ValidationError as error:
            raise ValueError(clip("; ".join(list_problems(error, 3, name)), 300)) from None

    return ResponseFormat(
        "json_schema", _wire_name(str(schema.get("title") or name)), schema, load, is_checked=True
    )


def list_problems(error: ValidationError, limit: int, name: str = "") -> list[str]:
    """Return the first problems of a value, each with its place, `name` for the whole value."""
    lines = []
    for problem in error.errors(include_url=False, include_context=False)[:limit]:
        place = ".".join(map(str, problem["loc"])) or name
        lines.append(f"{place}: {problem['msg']}")
    return lines


def _references(schema: Any) -> Iterator[str]:
    """Yield all `$ref`s of a schema."""
    if isinstance(schema, list):
        for value in schema:
            yield from _references(value)
    elif isinstance(schema, Mapping):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)


def _wire_name(name: str) -> str:
    """Return a name as the platform takes it: at most 64 letters, digits, `_` and `-` of ASCII."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:64] or "answer"
