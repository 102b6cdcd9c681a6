"""Answers in a JSON schema: a value that fits the schema, filled from what the model and the
question say.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, NoReturn

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError as InvalidSchema
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from qfnb.wire.base import JsonMapping, JsonObject

MAX_DEPTH = 6
"""The depth from which optional parts are omitted, so that recursive schemas end."""

UNSUPPORTED = (
    "not", "if", "patternProperties", "dependentSchemas", "dependentRequired",
    "unevaluatedProperties",
)  # fmt: skip
"""Keywords that are refused, because a value that fits them is not built here."""

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_NEGATIVE = re.compile(r"否|没有|不(?:是|会|能|可以)|\b(?:no|not|false)\b", re.IGNORECASE)
_FORMATS = {
    "date": (r"\d{4}-\d{2}-\d{2}", "2026-01-01"),
    "time": (r"\d{2}:\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2})", "00:00:00Z"),
    "date-time": (
        r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})",
        "2026-01-01T00:00:00Z",
    ),
    "email": (r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "sandbox@example.com"),
    "uri": (r"[a-z][a-z0-9+.-]*://[^\s]+", "https://example.com/"),
    "uuid": (
        r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "00000000-0000-4000-8000-000000000000",
    ),
    "ipv4": (r"\d{1,3}(?:\.\d{1,3}){3}", "127.0.0.1"),
}
_IMPLIED_TYPES = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "prefixItems", "minItems"},
    "number": {"minimum", "maximum", "multipleOf"},
}
_NOTHING: Any = object()


class SchemaError(ValueError):
    """A schema is not one, or the sandbox cannot fill it."""


def fill_schema(schema: Any, question: str, answer: str) -> Any:
    """Return a JSON value that fits a schema, the same for the same question and answer.

    What the model wrote is kept where it is JSON that fits; other parts come from the answer and
    the question: choices and numbers that they name, texts, else the smallest value that is
    allowed.

    Args:
        schema: a JSON schema.
        question: the user's last message.
        answer: what the model wrote.

    Raises:
        SchemaError: nothing fits, or a keyword is not supported; the message says where and what.
    """
    try:
        Draft202012Validator.check_schema(schema)
    except InvalidSchema as error:
        raise SchemaError(f"{error.json_path}: {error.message}") from None
    try:
        candidate = json.loads(answer, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        candidate = _NOTHING
    return _Filler(schema, question, answer).fill(schema, candidate, "$")


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


class _Filler:
    def __init__(self, root: Any, question: str, answer: str) -> None:
        resource = DRAFT202012.create_resource(root)
        registry: Registry[Any] = Registry()
        self._resolver = registry.resolver_with_root(resource)
        self._validator = Draft202012Validator(root, registry=registry)
        self._source = f"{question}\n{answer}"
        self._numbers = filter(math.isfinite, map(float, _NUMBER.findall(question)))
        self._texts = iter([answer])
        self._question = question.strip() or "qfnb"

    def fill(self, schema: Any, candidate: Any, path: str, depth: int = 0) -> Any:
        """Return a value for the part of the schema at a path; `candidate` itself where it fits."""
        if depth > 3 * MAX_DEPTH:
            raise SchemaError(f"{path[:80]}: the schema requires itself without end")
        schema = self._resolve(schema, path)
        if unsupported := [name for name in UNSUPPORTED if name in schema]:
            raise SchemaError(f"{path}: the sandbox cannot fill {unsupported[0]!r}")
        if candidate is not _NOTHING and self._fits(schema, candidate):
            return candidate
        if options := schema.get("anyOf") or schema.get("oneOf"):
            branch = self._choose_branch(schema, options, path, depth)
            return self.fill(branch, candidate, path, depth + 1)
        match _type_of(schema):
            case "object":
                return self._fill_object(schema, candidate, path, depth)
            case "array":
                return self._fill_array(schema, candidate, path, depth)
        return self._fill_leaf(schema, path)

    def _fill_leaf(self, schema: JsonMapping, path: str) -> Any:
        if "const" in schema or "enum" in schema:
            return self._choose([schema["const"]] if "const" in schema else schema["enum"])
        match _type_of(schema):
            case "string":
                return self._fill_string(schema, path)
            case "boolean":
                return not _NEGATIVE.search(self._source)
            case "integer":
                return int(self._fill_number({"multipleOf": 1, **schema}, path))
            case "number":
                return self._fill_number(schema, path)
        return None

    def _fits(self, schema: Any, value: Any) -> bool:
        return bool(self._validator.evolve(schema=schema).is_valid(value))

    def _next_text(self) -> str:
        return next(self._texts, self._question)

    def _resolve(self, schema: Any, path: str) -> JsonMapping:
        """Return a part of the schema with its references followed and `allOf` merged."""
        for _ in range(MAX_DEPTH):
            if schema is True:
                return {}
            if schema is False:
                break
            siblings = {key: value for key, value in schema.items() if key not in {"$ref", "allOf"}}
            parts = [self._resolve(part, path) for part in schema.get("allOf", ())]
            if "$ref" in schema:
                parts.append(self._follow(schema["$ref"], path))
            elif not parts:
                return siblings
            schema = _merge([siblings, *parts])
        raise SchemaError(f"{path}: {schema!r} is not a schema that a value fits")

    def _follow(self, reference: str, path: str) -> Any:
        try:
            return self._resolver.lookup(reference).contents
        except Unresolvable:
            raise SchemaError(f"{path}: $ref {reference!r} is not in this schema") from None

    def _choose(self, options: Sequence[Any]) -> Any:
        mentioned = [row for row in options if isinstance(row, str) and row and row in self._source]
        return max(mentioned, key=len, default=options[0])

    def _choose_branch(
        self, schema: JsonMapping, options: Sequence[Any], path: str, depth: int
    ) -> JsonObject:
        """Return the first branch that is not null; deep down one that has no parts."""
        siblings = {key: value for key, value in schema.items() if key not in {"anyOf", "oneOf"}}
        branches = [_merge([siblings, self._resolve(option, path)]) for option in options]
        if depth >= MAX_DEPTH:
            leaves = [row for row in branches if _type_of(row) not in {"object", "array"}]
            return (leaves or branches)[0]
        return next((row for row in branches if row.get("type") != "null"), branches[0])

    def _fill_object(
        self, schema: JsonMapping, candidate: Any, path: str, depth: int
    ) -> JsonObject:
        source = candidate if isinstance(candidate, Mapping) else {}
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        extra = schema.get("additionalProperties", True)
        names = [name for name in properties if depth < MAX_DEPTH or name in required]
        names += [name for name in required if name not in properties]
        if extra is not False:
            names += [name for name in source if name not in names]
        value = {}
        for name in names:
            part = properties.get(name, extra or True)
            value[name] = self.fill(part, source.get(name, _NOTHING), f"{path}.{name}", depth + 1)
        return value

    def _fill_array(self, schema: JsonMapping, candidate: Any, path: str, depth: int) -> list[Any]:
        source = candidate if isinstance(candidate, list) else []
        prefix = schema.get("prefixItems", ())
        items = schema.get("items", True)
        low = schema.get("minItems", 0)
        count = len(source) or len(prefix) or int(depth < MAX_DEPTH)
        count = min(max(low, count), schema.get("maxItems", math.inf))
        if items is False:
            count = min(count, len(prefix))
        schemas = [*prefix, *[items] * count][:count]
        values: list[Any] = []
        for index, part in enumerate(schemas):
            item = source[index] if index < len(source) else _NOTHING
            value = self.fill(part, item, f"{path}[{index}]", depth + 1)
            if value not in values or not schema.get("uniqueItems"):
                values.append(value)
        if len(values) < low:
            raise SchemaError(f"{path}: the sandbox cannot fill {low} different items")
        return values

    def _fill_number(self, schema: JsonMapping, path: str) -> float:
        unit = float(schema.get("multipleOf", 0))
        step = unit or 1e-6
        low = max(
            schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf) + step
        )
        high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf) - step)
        number = float(min(max(next(self._numbers, 0.0), low), high))
        if unit:
            number = math.floor(number / unit + 1e-9) * unit
            if number < low:
                number = math.ceil(low / unit) * unit
        if not low <= number <= high:
            raise SchemaError(f"{path}: no number fits {low} to {high}")
        return number

    def _fill_string(self, schema: JsonMapping, path: str) -> str:
        format_pattern, format_default = _FORMATS.get(str(schema.get("format")), (".*", ""))
        texts = [self._next_text()]
        if format_default:
            texts += [*re.findall(format_pattern, self._source), format_default]
        if "pattern" in schema:
            texts += islice(re.findall(r"\w+", self._source), 200)
            texts += _pattern_samples(schema["pattern"])
        texts = [text[: schema.get("maxLength")] for text in texts]
        texts += [text.ljust(schema.get("minLength", 0), ".") for text in texts]
        for text in texts:
            if re.fullmatch(format_pattern, text, re.DOTALL) and self._fits(schema, text):
                return text
        raise SchemaError(f"{path}: the sandbox has no text that fits {dict(schema)}")


def _type_of(schema: JsonMapping) -> str:
    """Return the type of values of a schema; by its keywords if it names none, "" for a choice."""
    if "const" in schema or "enum" in schema:
        return ""
    types = schema.get("type")
    if isinstance(types, list):
        types = next((name for name in types if name != "null"), "null")
    if types is not None:
        return str(types)
    return next((name for name, keys in _IMPLIED_TYPES.items() if keys & set(schema)), "string")


def _merge(schemas: Sequence[JsonMapping]) -> JsonObject:
    """Return one schema for several that all hold; properties and required names are put
    together.
    """
    merged: JsonObject = {}
    for schema in schemas:
        properties = {**merged.get("properties", {}), **schema.get("properties", {})}
        required = [*merged.get("required", ()), *schema.get("required", ())]
        merged |= schema
        if properties:
            merged["properties"] = properties
        if required:
            merged["required"] = required
    return merged


def _pattern_samples(pattern: str) -> list[str]:
    """Return texts that simple patterns match: classes that are repeated, as in
    `^[A-Z]{3}-[0-9]+$`.
    """
    body = pattern.removeprefix("^").removesuffix("$")
    parts = re.findall(
        r"(\[[^\]]+\]|\\[dws]|\\.|[^\\\[\](){}?*+|^$.]|\.)(\{\d+(?:,\d*)?\}|[?*+])?", body
    )
    samples = []
    for filler in ("0", "a", "A"):
        text = ""
        for unit, repeat in parts:
            count = int(repeat not in {"?", "*"})
            if digits := re.findall(r"\d+", repeat):
                count = int(digits[0])
            text += _sample_unit(unit, filler) * count
        samples.append(text)
    return samples


def _sample_unit(unit: str, filler: str) -> str:
    if not (unit.startswith("[") or unit in {r"\d", r"\w", r"\s", "."}):
        return unit.removeprefix("\\")
    return next((char for char in filler + "0aA -_中" if re.fullmatch(unit, char)), "0")
