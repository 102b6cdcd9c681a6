"""Exact match, edit similarity and JSON fields of single answers, 0-1."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from .units import fold_values, to_ascii_marks

_END_MARKS = re.compile(r"\A[\s,;:!?]*(?:\.(?!\d)[\s.,;:!?]*)?|(?:[\s.,;:?]|(?<![\d)])!)+\Z")


def comparable(text: str) -> str:
    """Return a text as it is compared: NFKC, ASCII punctuation, lower case, no blanks and marks at
    its ends.

    Numbers keep their values: ".5" is not "5", "10⁵" is "10^5" and not "105". A text of marks only
    stays one.
    """
    # A full-width mark at the end is no operator; "5!" is 120.
    stripped = text.strip()
    folded = fold_values(stripped.rstrip("！") or stripped).casefold()
    line = " ".join(to_ascii_marks(folded).split())
    return _END_MARKS.sub("", line) or line


def exact_match(output: str, reference: str) -> float:
    """Return 1 when both texts are the same after normalisation, else 0; NaN for an empty
    reference.
    """
    if not reference.strip():
        return math.nan
    return float(comparable(output) == comparable(reference))


def edit_similarity(output: str, reference: str) -> float:
    """Return 1 minus the Levenshtein distance over the longer length, after normalisation.

    NaN for an empty reference.
    """
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415 - a compiled module that only scoring needs

    if not reference.strip():
        return math.nan
    return float(Levenshtein.normalized_similarity(comparable(output), comparable(reference)))


def json_fields(output: str, reference: str, fields: Sequence[str] | None = None) -> float:
    """Return the share of the expected fields that the answer's JSON object has with the same
    value.

    Texts are compared after normalisation, numbers as numbers.

    Args:
        output: an answer with a JSON object in it, in a Markdown fence or among other words.
        reference: a JSON object.
        fields: the names that count; default: all of the reference.

    Returns:
        0 for an answer without an object; NaN when the reference is not an object or has none of
        the fields.
    """
    expected = find_json_object(reference) or {}
    names = [name for name in expected if fields is None or name in fields]
    if not names:
        return math.nan
    actual = find_json_object(output) or {}
    shared = [name for name in names if name in actual]
    return sum(_is_equal_json(actual[name], expected[name]) for name in shared) / len(names)


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
        return comparable(actual) == comparable(expected)
    if isinstance(actual, list) and isinstance(expected, list):
        return len(actual) == len(expected) and all(map(_is_equal_json, actual, expected))
    if isinstance(actual, dict) and isinstance(expected, dict):
        return actual.keys() == expected.keys() and all(
            _is_equal_json(actual[key], expected[key]) for key in expected
        )
    return actual == expected and isinstance(actual, bool) == isinstance(expected, bool)
