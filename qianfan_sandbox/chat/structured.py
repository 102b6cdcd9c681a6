"""Answers in a JSON schema: a value that fits the schema, filled from what the model and the
question say.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from qfnb.wire.base import JsonObject

MAX_DEPTH = 6
"""The depth from which optional parts are omitted, so that recursive schemas end."""

UNSUPPORTED = (
    "not",
    "if",
    "patternProperties",
    "dependentSchemas",
    "dependentRequired",
    "unevaluatedProperties",
)
"""Keywords that are refused, because a value that fits them is not built here."""

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_NEGATIVE = re.compile(r"否|没有|不(?:是|会|能|可以)|\b(?:no|not|false)\b", re.IGNORECASE)
_FORMATS = {
    "date": (re.compile(r"\d{4}-\d{2}-\d{2}"), "2026-01-01"),
    "time": (re.compile(r"\d{2}:\d{2}:\d{2}(?:Z|[+-]\d{2}:\d{2})"), "00:00:00Z"),
    "date-time": (
        re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})"),
        "2026-01-01T00:00:00Z",
    ),
    "email": (re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"), "sandbox@example.com"),
    "uri": (re.compile(r"[a-z][a-z0-9+.-]*://[^\s]+"), "https://example.com/"),
    "uuid": (
        re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
        "00000000-0000-4000-8000-000000000000",
    ),
    "ipv4": (re.compile(r"\d{1,3}(?:\.\d{1,3}){3}"), "127.0.0.1"),
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
        candidate = json.loads(answer)
    except (ValueError, RecursionError):
        candidate = _NOTHING
    try:
        return _Filler(schema, question, answer).fill(schema, candidate, "$")
    except (TypeError, AttributeError) as error:
        raise SchemaError(f"a keyword has a value of the wrong type: {error}") from None


class _Filler:
    def __init__(self, root: Any, question: str, answer: str) -> None:
        self._root = root
        self._source = f"{question}\n{answer}"
        self._numbers = iter([float(number) for number in _NUMBER.findall(question)])
        self._texts = iter([answer])
        self._question = question.strip() or "qfnb"

    def fill(self, schema: Any, candidate: Any, path: str, depth: int = 0) -> Any:
        """Return a value for the part of the schema at a path; `candidate` itself where it fits."""
        if depth > 3 * MAX_DEPTH:
            raise SchemaError(f"{path[:80]}: the schema requires itself without end")
        schema = self._resolve(schema, path)
        if schema is True or schema == {}:
            if candidate is _NOTHING:
                return next(self._texts, self._question)
            return candidate
        if unsupported := [name for name in UNSUPPORTED if name in schema]:
            raise SchemaError(f"{path}: the sandbox cannot fill {unsupported[0]!r}")
        if "const" in schema or "enum" in schema:
            return self._choose(
                [schema["const"]] if "const" in schema else schema["enum"], candidate, path
            )
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self._fill_option(schema, options, candidate, path, depth)
        kind = self._kind(schema, candidate, path)
        return getattr(self, f"_fill_{kind}")(schema, candidate, path, depth)

    def _resolve(self, schema: Any, path: str) -> Any:
        """Return a part of the schema with its references followed and `allOf` merged."""
        for _ in range(MAX_DEPTH):
            if not isinstance(schema, Mapping):
                break
            if reference := schema.get("$ref"):
                siblings = {key: value for key, value in schema.items() if key != "$ref"}
                schema = {**self._find_definition(str(reference), path), **siblings}
            elif parts := schema.get("allOf"):
                siblings = {key: value for key, value in schema.items() if key != "allOf"}
                schema = _merge([siblings, *(self._resolve(part, path) for part in parts)])
            else:
                break
        if not isinstance(schema, (Mapping, bool)) or schema is False:
            raise SchemaError(f"{path}: {schema!r} is not a schema that a value fits")
        return schema

    def _find_definition(self, reference: str, path: str) -> Mapping[str, Any]:
        target = self._root
        for part in reference.removeprefix("#").strip("/").split("/") if reference != "#" else ():
            if not isinstance(target, Mapping):
                target = None
            else:
                target = target.get(part.replace("~1", "/").replace("~0", "~"))
        if not reference.startswith("#") or not isinstance(target, Mapping):
            raise SchemaError(f"{path}: $ref {reference!r} is not in this schema")
        return target

    def _choose(self, options: Any, candidate: Any, path: str) -> Any:
        if not isinstance(options, Sequence) or isinstance(options, str) or not options:
            raise SchemaError(f"{path}: enum must be a list with values")
        if any(candidate is not _NOTHING and _is_equal(candidate, option) for option in options):
            return candidate
        mentioned = [
            option
            for option in options
            if isinstance(option, str) and option and option in self._source
        ]
        if mentioned:
            return max(mentioned, key=len)
        return options[0]

    def _fill_option(
        self, schema: Mapping[str, Any], options: Any, candidate: Any, path: str, depth: int
    ) -> Any:
        siblings = {key: value for key, value in schema.items() if key not in {"anyOf", "oneOf"}}
        branches = [_merge([siblings, self._resolve(option, path)]) for option in options]
        if candidate is not _NOTHING:
            for branch in branches:
                if fits(self._root, branch, candidate):
                    return candidate
        leaves = [branch for branch in branches if _is_leaf(branch)]
        if depth >= MAX_DEPTH and leaves:
            ordered = leaves
        else:
            ordered = branches
        ordered = sorted(
            ordered, key=lambda branch: branch.get("type") == "null" and depth < MAX_DEPTH
        )
        return self.fill(ordered[0], candidate, path, depth + 1)

    def _kind(self, schema: Mapping[str, Any], candidate: Any, path: str) -> str:
        kinds = schema.get("type") or _implied_kind(schema)
        if isinstance(kinds, str):
            kinds = [kinds]
        else:
            kinds = list(kinds)
        if unknown := [kind for kind in kinds if kind not in _TYPES]:
            raise SchemaError(f"{path}: type {unknown[0]!r} is not one of {', '.join(_TYPES)}")
        matching = [
            kind for kind in kinds if candidate is not _NOTHING and _has_type(candidate, kind)
        ]
        return str(next(iter([*matching, *(kind for kind in kinds if kind != "null"), "null"])))

    def _fill_object(
        self, schema: Mapping[str, Any], candidate: Any, path: str, depth: int
    ) -> JsonObject:
        if isinstance(candidate, Mapping):
            source = candidate
        else:
            source = {}
        properties = schema.get("properties") or {}
        required = schema.get("required") or ()
        names = [name for name in properties if depth < MAX_DEPTH or name in required]
        value = {
            name: self.fill(
                properties[name], source.get(name, _NOTHING), f"{path}.{name}", depth + 1
            )
            for name in names
        }
        extra = schema.get("additionalProperties", True)
        for name in [*source, *required]:
            if name not in value and (extra is not False or name in required):
                value[name] = self.fill(
                    extra or True, source.get(name, _NOTHING), f"{path}.{name}", depth + 1
                )
        return value

    def _fill_array(
        self, schema: Mapping[str, Any], candidate: Any, path: str, depth: int
    ) -> list[Any]:
        items = schema.get("items", True)
        prefix = schema.get("prefixItems") or ()
        low = int(schema.get("minItems", 0))
        high = schema.get("maxItems")
        source = list(candidate) if isinstance(candidate, list) else []
        count = max(low, len(source) or len(prefix) or (1 if depth < MAX_DEPTH else 0))
        count = count if high is None else min(count, int(high))
        if items is False:
            count = min(count, len(prefix))
        schemas = [*prefix, *[items] * max(0, count - len(prefix))][:count]
        value = [
            self.fill(
                part,
                source[index] if index < len(source) else _NOTHING,
                f"{path}[{index}]",
                depth + 1,
            )
            for index, part in enumerate(schemas)
        ]
        return self._distinct(value, items, low, path) if schema.get("uniqueItems") else value

    def _distinct(self, values: list[Any], items: Any, low: int, path: str) -> list[Any]:
        choices = self._resolve(items, path)
        if isinstance(choices, Mapping):
            spare = list(choices.get("enum") or ())
        else:
            spare = []
        distinct: list[Any] = []
        for value in [*values, *spare]:
            if not any(_is_equal(value, other) for other in distinct) and len(distinct) < len(
                values
            ):
                distinct.append(value)
        if len(distinct) < low:
            raise SchemaError(f"{path}: the sandbox cannot fill {low} different items")
        return distinct

    def _fill_null(self, *_: Any) -> None:
        return None

    def _fill_boolean(
        self, schema: Mapping[str, Any], candidate: Any, path: str, depth: int
    ) -> bool:
        if isinstance(candidate, bool):
            return candidate
        return not _NEGATIVE.search(self._source)

    def _fill_integer(
        self, schema: Mapping[str, Any], candidate: Any, path: str, depth: int
    ) -> int:
        return int(self._fill_number({"multipleOf": 1, **schema}, candidate, path, depth))

    def _fill_number(
        self, schema: Mapping[str, Any], candidate: Any, path: str, depth: int
    ) -> float:
        unit = float(schema.get("multipleOf") or 0)
        low, high = _bounds(schema, unit or 1e-6)
        # JSON may hold Infinity
        is_number = type(candidate) in {int, float} and -1e300 < candidate < 1e300
        smallest = math.ceil(low) if 0 < low <= math.ceil(low) <= high else max(low, min(high, 0.0))
        number = float(candidate) if is_number else next(self._numbers, smallest)
        number = min(max(number, low), high)
        if unit:
            number = math.floor(number / unit + 1e-9) * unit
            number = number if number >= low else math.ceil(low / unit) * unit
        if not low <= number <= high:
            raise SchemaError(f"{path}: no number fits {low} to {high}")
        return int(number) if is_number and isinstance(candidate, int) else number

    def _fill_string(self, schema: Mapping[str, Any], candidate: Any, path: str, depth: int) -> str:
        low = int(schema.get("minLength", 0))
        high = int(schema.get("maxLength", 1 << 30))
        format_pattern, format_default = _FORMATS.get(str(schema.get("format")), (None, ""))
        pattern = schema.get("pattern")
        texts = [candidate if isinstance(candidate, str) else next(self._texts, self._question)]
        if format_pattern is not None:
            texts += [*format_pattern.findall(self._source), format_default]
        if pattern is not None:
            texts += [
                *islice(re.findall(r"\w+", self._source), 200),
                *_pattern_samples(path, str(pattern)),
            ]
        texts = [text[:high] for text in texts]
        texts += [text.ljust(low, ".") for text in texts]
        for text in texts:
            is_format = format_pattern is None or format_pattern.fullmatch(text)
            if low <= len(text) and is_format and (pattern is None or re.search(pattern, text)):
                return text
        raise SchemaError(f"{path}: the sandbox has no text that fits {dict(schema)}")


def fits(root: Any, schema: Any, value: Any) -> bool:
    """Return whether a value fits a part of a schema: filling it changes nothing."""
    try:
        return _is_equal(_Filler(root, "", "").fill(schema, value, "$"), value)
    except SchemaError:
        return False


_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": Mapping,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def _is_leaf(schema: Mapping[str, Any]) -> bool:
    if isinstance(schema.get("type"), str):
        return schema.get("type") not in {"object", "array"}
    return "enum" in schema


def _has_type(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def _is_equal(first: Any, second: Any) -> bool:
    """Return whether two JSON values are equal; True is not 1."""
    return bool(json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True))


def _implied_kind(schema: Mapping[str, Any]) -> str:
    if {"properties", "required", "additionalProperties"} & set(schema):
        return "object"
    if {"items", "prefixItems", "minItems"} & set(schema):
        return "array"
    if {"minimum", "maximum", "multipleOf"} & set(schema):
        return "number"
    return "string"


def _merge(schemas: Sequence[Any]) -> JsonObject:
    """Return one schema for several that all hold; properties and required names are put
    together.
    """
    merged: JsonObject = {}
    for schema in schemas:
        if isinstance(schema, Mapping):
            parts = schema
        else:
            parts = {}
        properties = {**merged.get("properties", {}), **parts.get("properties", {})}
        required = [*merged.get("required", ()), *parts.get("required", ())]
        merged |= parts
        merged |= {"properties": properties} if properties else {}
        merged |= {"required": required} if required else {}
    return merged


def _bounds(schema: Mapping[str, Any], step: float) -> tuple[float, float]:
    low = float(schema.get("minimum", -math.inf))
    high = float(schema.get("maximum", math.inf))
    if "exclusiveMinimum" in schema:
        low = max(low, float(schema["exclusiveMinimum"]) + step)
    if "exclusiveMaximum" in schema:
        high = min(high, float(schema["exclusiveMaximum"]) - step)
    return low, high


def _pattern_samples(path: str, pattern: str) -> list[str]:
    """Return texts that simple patterns match: classes that are repeated, as in
    `^[A-Z]{3}-[0-9]+$`.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise SchemaError(
            f"{path}: pattern {pattern!r} is not a regular expression: {error}"
        ) from None
    body = pattern.removeprefix("^").removesuffix("$")
    parts = re.findall(
        r"(\[[^\]]+\]|\\[dws]|\\.|[^\\\[\](){}?*+|^$.]|\.)(\{\d+(?:,\d*)?\}|[?*+])?", body
    )
    samples = []
    for filler in ("0", "a", "A"):
        text = ""
        for unit, repeat in parts:
            if digits := re.findall(r"\d+", repeat):
                count = int(digits[0])
            elif repeat in {"?", "*"}:
                count = 0
            else:
                count = 1
            text += _sample_unit(unit, filler) * count
        samples.append(text)
    return samples


def _sample_unit(unit: str, filler: str) -> str:
    if not (unit.startswith("[") or unit in {r"\d", r"\w", r"\s", "."}):
        return unit.removeprefix("\\")
    return next((char for char in filler + "0aA -_中" if re.fullmatch(unit, char)), "0")
