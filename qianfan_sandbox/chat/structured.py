"""Answers in a JSON schema: a value that fits the schema, filled from what the model and the
question say.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError as InvalidSchema
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from qfnb.wire.base import JsonMapping, JsonObject

from ..http.call import reject_constant

MAX_DEPTH = 6
"""The depth from which optional parts are omitted, so that recursive schemas end."""

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_NEGATIVE = re.compile(r"否|没有|不(?:是|会|能|可以)|\b(?:no|not|false)\b", re.IGNORECASE)
_FORMATS = {
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "date-time": "2026-01-01T00:00:00Z",
    "email": "sandbox@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
}
"""A text of each format."""

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
        SchemaError: nothing fits; the message says where and what.
    """
    try:
        Draft202012Validator.check_schema(schema)
    except InvalidSchema as error:
        raise SchemaError(f"{error.json_path}: {error.message}") from None
    try:
        candidate = json.loads(answer, parse_constant=reject_constant)
    except (ValueError, RecursionError):
        candidate = _NOTHING
    return _Filler(schema, question, answer).fill(schema, candidate, "$")


class _Filler:
    def __init__(self, root: Any, question: str, answer: str) -> None:
        registry: Registry[Any] = Registry()
        self._resolver = registry.resolver_with_root(DRAFT202012.create_resource(root))
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
        if candidate is not _NOTHING and self._fits(schema, candidate):
            return candidate
        if options := schema.get("anyOf") or schema.get("oneOf"):
            branch = self._choose_branch(schema, options, path, depth)
            return self.fill(branch, candidate, path, depth + 1)
        for value in self._values(schema, candidate, path, depth):
            if self._fits(schema, value):
                return value
        raise SchemaError(f"{path}: the sandbox has nothing that fits {dict(schema)}")

    def _values(self, schema: JsonMapping, candidate: Any, path: str, depth: int) -> Iterator[Any]:
        """Yield values of the type of a schema, the best first."""
        match _type_of(schema):
            case "const":
                yield schema["const"]
            case "enum":
                choices = [row for row in schema["enum"] if row and str(row) in self._source]
                yield max(choices, key=lambda row: len(str(row)), default=schema["enum"][0])
            case "object":
                yield self._fill_object(schema, candidate, path, depth)
            case "array":
                yield self._fill_array(schema, candidate, path, depth)
            case "boolean":
                yield not _NEGATIVE.search(self._source)
            case "integer":
                yield from map(round, self._number_values(schema))
            case "number":
                yield from self._number_values(schema)
            case "string":
                text = next(self._texts, self._question)
                text = _FORMATS.get(str(schema.get("format")), text)
                yield text[: schema.get("maxLength")].ljust(schema.get("minLength", 0), ".")
        yield None

    def _number_values(self, schema: JsonMapping) -> Iterator[float]:
        unit = schema.get("multipleOf", 1)
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        high = schema.get("maximum", schema.get("exclusiveMaximum", low))
        yield next(self._numbers, 0)
        yield from (0, low, (low // unit + 1) * unit, high, (low + high) / 2)

    def _fits(self, schema: Any, value: Any) -> bool:
        return bool(self._validator.evolve(schema=schema).is_valid(value))

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

    def _choose_branch(
        self, schema: JsonMapping, options: Sequence[Any], path: str, depth: int
    ) -> JsonObject:
        """Return the first branch that is not null; deep down one that has no parts."""
        siblings = {key: value for key, value in schema.items() if key not in {"anyOf", "oneOf"}}
        branches = [_merge([siblings, self._resolve(option, path)]) for option in options]
        avoided = {"null"}
        if depth >= MAX_DEPTH:
            avoided = {"object", "array"}
        for branch in branches:
            if _type_of(branch) not in avoided:
                return branch
        return branches[0]

    def _fill_object(
        self, schema: JsonMapping, candidate: Any, path: str, depth: int
    ) -> JsonObject:
        source = candidate if isinstance(candidate, dict) else {}
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        extra = schema.get("additionalProperties", True)
        names = []
        if depth < MAX_DEPTH:
            names += properties
        names += required
        if extra is not False:
            names += source
        values = {}
        for name in dict.fromkeys(names):
            property_schema = properties.get(name, extra or True)
            value = source.get(name, _NOTHING)
            values[name] = self.fill(property_schema, value, f"{path}.{name}", depth + 1)
        return values

    def _fill_array(self, schema: JsonMapping, candidate: Any, path: str, depth: int) -> list[Any]:
        source = candidate if isinstance(candidate, list) else []
        count = max(schema.get("minItems", 0), len(source) or int(depth < MAX_DEPTH))
        count = min(count, schema.get("maxItems", count))
        items = [*source, *[_NOTHING] * count][:count]
        item_schema = schema.get("items", True)
        values = []
        for index, item in enumerate(items):
            values.append(self.fill(item_schema, item, f"{path}[{index}]", depth + 1))
        return values


def _type_of(schema: JsonMapping) -> str:
    """Return the type of values of a schema, by its keywords if it names none; "const" or "enum"
    for a choice.
    """
    for name in ("const", "enum"):
        if name in schema:
            return name
    types = schema.get("type")
    if isinstance(types, list):
        types = [name for name in types if name != "null"] or ["null"]
        return str(types[0])
    if types is not None:
        return str(types)
    for name, keys in _IMPLIED_TYPES.items():
        if keys & set(schema):
            return name
    return "string"


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
