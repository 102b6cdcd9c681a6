"""Rules about text that every layer shares: suggestions, clipping, inert text, durations,
differences, NaN.
"""

import difflib
import heapq
import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from .language import language, tr, tr_noop

Edit = tuple[Literal["equal", "delete", "insert"], str]
"""A part of two texts: in both, only in the first, or only in the second."""

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
_DIRECTION = re.compile(r"[\u202a-\u202e\u2066-\u2069\u200e\u200f]")


MIN_LIKENESS = 0.62
"""The share of equal characters (difflib's ratio) from which a name is proposed for another."""


def closest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate most like a name, None where none is alike.

    Of a short name, one wrong letter is much; it counts as alike all the same.
    """
    names = list(candidates)
    matches = difflib.get_close_matches(name, names, 1, MIN_LIKENESS)
    return next(iter(matches), None) or (near_miss(name, names) if len(name) > 1 else None) or None


def near_miss(word: str, candidates: Iterable[str]) -> str:
    """Return the candidate that a word is one slip of the finger away from, "" for none.

    A slip is a letter too many, too few, wrong, or swapped with the next one, or a capital one.
    """
    from rapidfuzz.distance import OSA  # noqa: PLC0415 - a compiled module that only mistakes need

    return next(
        (row for row in candidates if row != word and OSA.distance(word.lower(), row) <= 1), ""
    )


def nearest_names(name: str, candidates: Iterable[str]) -> list[str]:
    """Return the three candidates that are most like a name, the nearest first."""
    likeness = lambda row: difflib.SequenceMatcher(None, name.lower(), row.lower()).ratio()  # noqa: E731 - one expression
    return heapq.nlargest(3, candidates, key=likeness)


def did_you_mean(name: str, candidates: Iterable[str], template: str = "{}") -> str:
    """Return the end of an error message, `; did you mean x?`, or "" where no candidate is alike.

    Args:
        name: what the user wrote.
        candidates: what would have been right.
        template: how a candidate is written in the message: `{{{}}}` puts it into braces.
    """
    match = closest(name, candidates)
    if match:
        return tr("; did you mean {match}?", match=template.format(match))
    return ""


def listed(values: Iterable[object]) -> str:
    """Return values in one line, with the comma of the user's language."""
    return tr(", ").join(map(str, values))


def labelled(name: object, value: object, remark: object = "") -> str:
    """Return `name: value (remark)`, with the punctuation of the user's language."""
    text = tr("{name}: {value}", name=name, value=value)
    if remark:
        return tr("{text} ({remark})", text=text, remark=remark)
    return text


def clip(text: str, limit: int) -> str:
    """Return text of at most `limit` characters; one that is cut ends in an ellipsis."""
    if len(text) <= limit:
        return text
    return f"{text[: limit - 1]}…"


def clip_start(text: str, limit: int) -> str:
    """Return the last `limit` characters of a text: a path says most at its end."""
    if len(text) <= limit:
        return text
    return f"…{text[1 - limit :]}"


def format_loss(loss: float | None) -> str:
    """Return a loss with three decimals, a small one with three digits that count; "" for None."""
    if loss is None:
        return ""
    if 0 < abs(loss) < 0.1:
        return f"{loss:.3g}"
    return f"{loss:.3f}"


def strip_controls(text: object) -> str:
    """Return text without terminal escapes, control characters, direction overrides and lone
    surrogates.
    """
    cleaned = _ANSI.sub("", str(text).replace("\r\n", "\n"))
    return replace_surrogates(_DIRECTION.sub("", _CONTROL.sub("", cleaned)))


def align_columns(rows: Iterable[Sequence[object]], *, numeric: Iterable[int] = ()) -> list[str]:
    """Return rows as lines whose columns are aligned, also where a character is two cells wide;
    nothing is cut.

    Args:
        rows: the heads first, each with as many cells.
        numeric: indexes of the columns that are right-aligned.
    """
    lines = [[" ".join(strip_controls(cell).split()) for cell in row] for row in rows]
    widths = [max(map(terminal_cells, column)) for column in zip(*lines, strict=True)]
    right = frozenset(numeric)
    aligned = []
    for line in lines:
        gaps = [
            " " * (width - terminal_cells(cell)) for cell, width in zip(line, widths, strict=True)
        ]
        padded = (
            f"{gaps[n]}{cell}" if n in right else f"{cell}{gaps[n]}" for n, cell in enumerate(line)
        )
        aligned.append("  ".join(padded).rstrip())
    return aligned


def terminal_cells(text: str) -> int:
    """Return how many cells of a terminal a text takes."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def replace_surrogates(text: str) -> str:
    """Return the text with lone surrogates replaced, so that it can be encoded as UTF-8; models do
    send them.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def duration(seconds: float) -> str:
    """Return a duration in at most two units: `42 s`, `3 min 05 s`, `2 h 10 min`."""
    whole = max(0, int(seconds))
    if whole < 60:
        return tr("{seconds} s", seconds=whole)
    if whole < 3600:
        return tr("{minutes} min {seconds} s", minutes=whole // 60, seconds=f"{whole % 60:02d}")
    return tr("{hours} h {minutes} min", hours=whole // 3600, minutes=f"{whole % 3600 // 60:02d}")


def approximate_duration(seconds: float) -> str:
    """Return an estimated duration in one unit: `42 s`, `3 min`, `2.2 h`."""
    if seconds < 90:
        return tr("{seconds} s", seconds=max(1, round(seconds)))
    if seconds < 5400:
        return tr("{minutes} min", minutes=f"{seconds / 60:.0f}")
    return tr("{hours} h", hours=f"{seconds / 3600:.1f}")


def format_value(value: object) -> str:
    """Return a value for an error message: quoted, at most 60 characters, on one line."""
    try:
        if isinstance(value, str):
            text = value
        else:
            text = json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, RecursionError, TypeError):
        text = f"a {type(value).__name__}"
    return repr(clip(text, 61))


def is_missing(value: object) -> bool:
    """Return whether a value is None, NaN, NaT or pandas' NA, without importing pandas; "" is not
    missing.
    """
    if value is None or type(value).__name__ in {"NAType", "NaTType"}:
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 - NaN differs from itself
    except (TypeError, ValueError):  # an array
        return False


WORD_OR_CHARACTER: Final = re.compile(r"[A-Za-z0-9_\u00C0-\u024F]+|.", re.DOTALL)


def diff_texts(before: str, after: str) -> list[Edit]:
    """Return the shortest list of edits that turns one text into the other: of words, and of single
    characters where a script has no spaces.

    Of a replacement the deleted part comes first; the equal and the deleted parts add up to the
    first text, the equal and the inserted ones to the second.
    """
    from rapidfuzz.distance import Indel  # noqa: PLC0415 - a compiled module that only differences need

    edits: list[Edit] = []
    deleted = inserted = ""
    old = WORD_OR_CHARACTER.findall(before)
    new = WORD_OR_CHARACTER.findall(after)
    for code in [*Indel.opcodes(old, new), None]:
        if code is not None and code.tag != "equal":
            deleted += "".join(old[code.src_start : code.src_end])
            inserted += "".join(new[code.dest_start : code.dest_end])
            continue
        edits += [("delete", deleted)] if deleted else []
        edits += [("insert", inserted)] if inserted else []
        if code is not None:
            edits.append(("equal", "".join(old[code.src_start : code.src_end])))
        deleted = inserted = ""
    return edits


def turn_text(turn: Mapping[str, Any]) -> str:
    """Return the text of a turn of a conversation, and the functions that it calls; pictures are
    named only.
    """
    content = turn.get("content")
    if isinstance(content, list):
        content = " ".join(str(part.get("text", "[image]")) for part in content)
    calls = [call.get("function") or {} for call in turn.get("tool_calls") or ()]
    lines = [f"→ {call.get('name', '')}({call.get('arguments', '')})" for call in calls]
    return "\n".join(filter(None, [str(content or ""), *lines]))


_CJK = re.compile(r"[\u4e00-\u9fff]")
_WORD = re.compile(r"[^\W_]+")
_TOKEN_START = re.compile(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+")


def has_chinese(text: str) -> bool:
    """Return whether a text has a Chinese character."""
    return _CJK.search(text) is not None


def is_chinese(text: str) -> bool:
    """Return whether a text has more Chinese characters than other words; without any, the display
    decides.
    """
    others, characters = _CJK.subn(" ", text)
    words = len(_WORD.findall(others))
    if characters or words:
        return characters > words
    return language() == "zh"


def count_tokens(text: str) -> int:
    """Return about how many tokens a text has, as the official SDK: 0.625 for a Chinese character,
    1 for a word.
    """
    others, characters = _CJK.subn(" ", text)
    return int(0.625 * characters + len(_WORD.findall(others)))


def cut_to_tokens(text: str, limit: int) -> str:
    """Return the longest start of a text that has at most `limit` tokens, as `count_tokens`
    counts.
    """
    total = 0.0
    for match in _TOKEN_START.finditer(text):
        total += 0.625 if _CJK.match(match[0]) else 1
        if int(total) > limit:
            return text[: match.start()]
    return text


_RULES: Final = {
    "missing": tr_noop("it is missing"),
    "extra_forbidden": tr_noop("there is no such field"),
    "greater_than": tr_noop("must be above {gt}"),
    "greater_than_equal": tr_noop("must be {ge} or more"),
    "less_than": tr_noop("must be below {lt}"),
    "less_than_equal": tr_noop("must be {le} or less"),
    "finite_number": tr_noop("must be a finite number"),
    "string_too_short": tr_noop("must have at least {min_length} characters"),
    "string_too_long": tr_noop("must have at most {max_length} characters"),
    "too_short": tr_noop("must have at least {min_length} items"),
    "too_long": tr_noop("must have at most {max_length} items"),
    "literal_error": tr_noop("must be one of {expected}"),
    "enum": tr_noop("must be one of {expected}"),
    "value_error": tr_noop("{error}"),
    "int": tr_noop("must be an integer"),
    "float": tr_noop("must be a number"),
    "string": tr_noop("must be a string"),
    "bool": tr_noop("must be True or False"),
    "list": tr_noop("must be a list"),
    "dict": tr_noop("must be a dictionary"),
    "model": tr_noop("must be a dictionary"),
}
"""pydantic's kind of error, `missing`, or the first word of it, `int_parsing` -> what is
allowed.
"""


def describe_problem(problem: Mapping[str, Any]) -> str:
    """Return which rule of a record a value breaks, in the user's language; a rare one in
    pydantic's words.

    Args:
        problem: one of `ValidationError.errors()`.
    """
    rule = _RULES.get(problem["type"]) or _RULES.get(problem["type"].split("_")[0])
    values = dict(problem.get("ctx", {}))
    if "expected" in values:
        values["expected"] = values["expected"].replace(" or ", ", ")
    if rule:
        return tr(rule, **values)
    return str(problem["msg"])
