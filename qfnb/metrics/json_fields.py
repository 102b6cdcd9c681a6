"""The share of the expected JSON fields that an answer has right, 0-1."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .units import normalize


def json_fields(output: str, reference: str, fields: Sequence[str] | None = None) -> float:
    """Return the share of the expected fields that the answer's JSON object has with the same value.

    Texts are compared after normalisation, numbers as numbers.

    Args:
        output: an answer with a JSON object in it, in a Markdown fence or among other words.
        reference: a JSON object.
        fields: the names that count; default: all of the reference.

    Returns:
        0 for an answer without an object; NaN when the reference is not an object or has none of the fields.
    """
    expected = find_json_object(reference) or {}
    names = [name for name in expected if fields is None or name in fields]
    if not names:
        return math.nan
    actual = find_json_object(output) or {}
    return sum(name in actual and _is_equal_json(actual[name], expected[name]) for name in names) / len(names)


def find_json_object(text: str) -> Mapping[str, Any] | None:
    """Return the first JSON object in a text, None when it has no object."""
    decoder = json.JSONDecoder()
    for start in re.finditer(r"\{", text):
        try:
            value, _ = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        return value if isinstance(value, dict) else None
    return None


def _is_equal_json(actual: object, expected: object) -> bool:
    if isinstance(actual, str) and isinstance(expected, str):
        return normalize(actual) == normalize(expected)
    if isinstance(actual, list) and isinstance(expected, list):
        return len(actual) == len(expected) and all(map(_is_equal_json, actual, expected))
    if isinstance(actual, dict) and isinstance(expected, dict):
        return actual.keys() == expected.keys() and all(
            _is_equal_json(actual[key], expected[key]) for key in expected
        )
    return actual == expected and isinstance(actual, bool) == isinstance(expected, bool)
