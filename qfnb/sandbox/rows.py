"""What a row of a dataset is, format by format: checked, brought into the platform's shape, read again.

A conversation is a list of turns, as the platform exports it: `[{"prompt": "..", "response": [[".."]]}]`;
what a model answered in an evaluation is a turn without the list; a text is a string; a picture is its file's
name and what is said about it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..wire import data as wire
from ..wire.data_v2 import FORMATS

TEXT, PROMPT = "Text", "Prompt"
PICTURES = {"PromptImage", "PromptImageResponse"}
ANSWERS = {"response", "chosen", "rejected"}

Turn = dict[str, Any]


class BadRow(ValueError):
    """A row that cannot be imported: the platform's number for it, and the reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


def format_of(template: int) -> str:
    """Return the format that v1's template stands for."""
    return next(form for form, known in FORMATS.items() if known == template)


def normal(value: Any, form: str, *, annotated: bool = True) -> Any:
    """Return a row in the platform's shape.

    Args:
        value: what stood in the file: turns, one turn, or a text.
        form: the dataset's format.
        annotated: its answers must be there.

    Raises:
        BadRow: it is none of this format.
    """
    row = _shaped(value, form, annotated)
    if not all(_is_unicode(text) for text in texts(row)):
        raise BadRow(wire.BAD_CHARACTERS, "a text holds half of a surrogate pair")
    return row


def pair(row: Any) -> tuple[str, str]:
    """Return the last question and its first answer; a text is an answer without a question."""
    if isinstance(row, str):
        return "", row
    if isinstance(row, dict) and "image" in row:
        return str(row.get("annotation") or ""), ""
    turn = row if isinstance(row, dict) else row[-1]
    return turn["prompt"], next((_first(turn[key]) for key in ("response", "chosen") if key in turn), "")


def is_annotated(row: Any) -> bool:
    """Tell whether a row has what its kind is annotated with."""
    if isinstance(row, str):
        return False
    if isinstance(row, dict) and "image" in row:
        return bool(row.get("annotation"))
    return bool(ANSWERS & set(row if isinstance(row, dict) else row[-1]))


def bare(row: Any) -> Any:
    """Return a row without its annotations."""
    if isinstance(row, list):
        return [{key: value for key, value in turn.items() if key not in ANSWERS} for turn in row]
    if isinstance(row, dict) and "image" in row:
        return {"image": row["image"]}
    return bare([row])[0] if isinstance(row, dict) else row


def raw(row: Any) -> str:
    """Return a row as it stands in a file."""
    return row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)


def texts(value: Any) -> list[str]:
    """Return all texts of a row."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in texts(part)]


def rewritten(value: Any, change: Callable[[str], str]) -> Any:
    """Return a row with every text of it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [rewritten(part, change) for part in value]
    return {key: rewritten(part, change) for key, part in value.items()} if isinstance(value, dict) else value


def is_blank(row: Any) -> bool:
    """Tell whether a row has lost its question, an answer or its text."""
    found = texts(row)
    return not found or not all(text.strip() for text in found)


def _shaped(value: Any, form: str, annotated: bool) -> Any:
    if form == TEXT:
        return _text(value)
    if form in PICTURES:
        return _picture(value)
    turns = value if isinstance(value, list) else [value]
    if not turns:
        raise BadRow(wire.EMPTY_TEXT, "the row is empty")
    if form in {"PromptResponse", "PromptSortedresponses"}:
        return [_answered(turn, annotated) for turn in turns]
    if form == PROMPT:
        return [_asked(turn) for turn in turns]
    wanted = all if form.startswith("DPO") else any
    return [*(_answered(turn, False) for turn in turns[:-1]), _compared(turns[-1], wanted, annotated)]


def _text(value: Any) -> str:
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    found = value.get("text") if isinstance(value, dict) else value
    if not isinstance(found, str):
        raise BadRow(wire.BAD_TEXT, 'a text is {"text": "..."} or a string')
    if not found.strip():
        raise BadRow(wire.EMPTY_TEXT, "the text is empty")
    return found


def _picture(value: Any) -> Turn:
    if not isinstance(value, dict) or not isinstance(value.get("image"), str):
        raise BadRow(wire.BAD_FORMAT, "a picture has the name of its file")
    return value


def _asked(turn: Any) -> Turn:
    if not isinstance(turn, dict):
        raise BadRow(wire.BAD_TEXT, "a turn is an object with a prompt")
    if not isinstance(turn.get("prompt"), str):
        raise BadRow(wire.BAD_TEXT, "prompt is missing or no text")
    if not turn["prompt"].strip():
        raise BadRow(wire.EMPTY_TEXT, "prompt is empty")
    return turn


def _answered(turn: Any, annotated: bool) -> Turn:
    asked = _asked(turn)
    if asked.get("response") in (None, "", []):
        if annotated:
            raise BadRow(wire.NO_ANNOTATION, "response is missing")
        return {key: value for key, value in asked.items() if key != "response"}
    return asked | {"response": _responses(asked["response"])}


def _responses(value: Any) -> list[list[str]]:
    """Return answers as the platform has them, the best first, each a list of texts."""
    answers = value if isinstance(value, list) else [value]
    nested = [answer if isinstance(answer, list) else [answer] for answer in answers]
    if not all(answer and all(isinstance(text, str) for text in answer) for answer in nested):
        raise BadRow(wire.BAD_TEXT, "response is no text, nor a list of texts")
    if not all(text.strip() for answer in nested for text in answer):
        raise BadRow(wire.EMPTY_TEXT, "response is empty")
    return nested


def _compared(turn: Any, wanted: Callable[[list[bool]], bool], annotated: bool) -> Turn:
    asked = _asked(turn)
    given = [bool(asked.get(key)) for key in ("chosen", "rejected")]
    if annotated and not wanted(given):
        raise BadRow(wire.NO_ANNOTATION, "chosen or rejected is missing")
    kept = {key: value for key, value in asked.items() if value or key == "prompt"}
    for key in ANSWERS & set(kept):
        _responses(kept[key])
    return kept


def _first(value: Any) -> str:
    while isinstance(value, list):
        value = value[0]
    return str(value)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
