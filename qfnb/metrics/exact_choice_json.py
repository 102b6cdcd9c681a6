"""Exact match, edit similarity, patterns, multiple choice and JSON fields of single answers, 0-1."""

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

from .units import normalize


def exact_match(output: str, reference: str) -> float:
    """Return 1 when both texts are the same after normalisation, else 0; NaN for an empty reference."""
    if not reference.strip():
        return math.nan
    return float(normalize(output) == normalize(reference))


def edit_similarity(output: str, reference: str) -> float:
    """Return 1 minus the Levenshtein distance over the longer length, after normalisation.

    NaN for an empty reference.
    """
    from rapidfuzz.distance import Levenshtein  # noqa: PLC0415 - a compiled module that only scoring needs

    if not reference.strip():
        return math.nan
    return float(Levenshtein.normalized_similarity(normalize(output), normalize(reference)))


def matches_pattern(output: str, pattern: str | re.Pattern[str], *, full_match: bool = False) -> float:
    """Return 1 when an answer matches a regular expression, else 0.

    Args:
        output: the answer.
        pattern: what is searched for.
        full_match: the whole answer must match, blanks at its ends aside.
    """
    compiled = re.compile(pattern)
    match = compiled.fullmatch(output.strip()) if full_match else compiled.search(output)
    return float(match is not None)


CHOICE_LETTERS: Final = "ABCD"

_LETTER_LIST = "[{0}](?:[ 、,和及与]*[{0}])*"
_STATED_ANSWER = (
    r"(?:正确(?:的)?(?:答案|选项)|答案|answer|choice)\W{{0,3}}(?:应该|应当|应|就)?\W{{0,3}}(?:是|为|选择?|is)?"
    r"(?:选项|option)?[\s:*(\[{{\"'$]*(?:\\boxed\{{)?({0})(?![a-z])"
)
_SELECTED = r"(?<![不别没])(?:应?选择?(?:选项)?|\\boxed\{{)[\s:*(\[\"']*({0})(?![a-z])"
_LINE_START = r"^[\s*(\[#>]*({0})(?=\s*$|[\s]*[).:、,;\]*。]|\s+[^\sa-z])"
_ALONE = r"(?<![A-Za-z])({0})(?![A-Za-z']|\s+[a-z])"


def multiple_choice(output: str, reference: str, letters: str = CHOICE_LETTERS) -> float:
    r"""Return 1 when the answer chose what the reference did, else 0; NaN when the reference chose nothing.

    Args:
        output: free text: "B", "答案是 B。", "我选(B)，因为 A 不对", "\boxed{B}", "应选 A、C".
        reference: likewise.
        letters: what can be chosen.
    """
    expected = chosen_letters(reference, letters)
    return float(chosen_letters(output, letters) == expected) if expected else math.nan


def chosen_letters(text: str, letters: str = CHOICE_LETTERS) -> str:
    """Return the chosen letters in order, "" when the text chooses none or is ambiguous.

    The last statement of an answer ("答案是 B") has precedence; then the last selection ("选 B"); then a
    letter at the beginning of a line; then the only letter that stands alone.
    """
    normalized = unicodedata.normalize("NFKC", text)
    letter_list = _LETTER_LIST.format(re.escape(letters))
    for pattern in (_STATED_ANSWER, _SELECTED):
        if matches := re.findall(pattern.format(letter_list), normalized, re.IGNORECASE):
            return _sort_letters(matches[-1], letters)
    for pattern, flags in ((_LINE_START, re.MULTILINE | re.IGNORECASE), (_ALONE, re.NOFLAG)):
        matches = re.findall(pattern.format(letter_list), normalized, flags)
        choices = {_sort_letters(match, letters) for match in matches}
        if choices:
            return choices.pop() if len(choices) == 1 else ""
    return ""


def _sort_letters(match: str, letters: str) -> str:
    return "".join(letter for letter in letters if letter in match.upper())


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
        return actual.keys() == expected.keys() and all(_is_equal_json(actual[key], expected[key]) for key in expected)
    return actual == expected and isinstance(actual, bool) == isinstance(expected, bool)
