"""The rows of each dataset format: validated, normalized to the platform's shape, and read.

A conversation is a list of turns, as the platform exports it: `[{"prompt": "..", "response":
[[".."]]}]`. An answer of an evaluation is one turn without the list, a text is a string, an image
is its file's name and its annotation.
"""

import json
from collections.abc import Callable
from typing import Any

from qfnb.wire import data_v1 as wire
from qfnb.wire.data_v2 import FORMATS

TEXT = "Text"
PROMPT = "Prompt"
IMAGE_FORMATS = {"PromptImage", "PromptImageResponse"}
ANSWER_KEYS = {"response", "chosen", "rejected"}

Turn = dict[str, Any]


class InvalidRow(ValueError):
    """A row that cannot be imported, with the platform's error code and the reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def format_of_template(template: int) -> str:
    """Return v2's format of a template of v1."""
    return next(name for name, template_number in FORMATS.items() if template_number == template)


def normalize(value: Any, data_format: str, *, annotated: bool = True) -> Any:
    """Return a row in the platform's shape.

    Raises:
        InvalidRow: it is not a row of the format.
    """
    row = _normalize_shape(value, data_format, annotated)
    try:
        "".join(all_texts(row)).encode()
    except UnicodeEncodeError:
        raise InvalidRow(wire.BAD_CHARACTERS, "a text holds half of a surrogate pair") from None
    return row


def last_pair(row: Any) -> tuple[str, str]:
    """Return the last prompt and its first response; a text is a response without a prompt."""
    if isinstance(row, str):
        return "", row
    if isinstance(row, dict) and "image" in row:
        return str(row.get("annotation") or ""), ""
    turn = row if isinstance(row, dict) else row[-1]
    return turn["prompt"], next(
        (_first_text(turn[key]) for key in ("response", "chosen") if key in turn), ""
    )


def judged_answers(row: Any) -> list[tuple[str, str, str]]:
    """Return (prompt, chosen, rejected) of a row's last turn, "" for an answer that it does not
    have.

    A ranking gives a row for each answer but the best one; a row of another kind gives none.
    """
    turn = row[-1] if isinstance(row, list) else row
    if not isinstance(turn, dict) or "prompt" not in turn:
        return []
    if turn.get("chosen") or turn.get("rejected"):
        chosen, rejected = (_first_text(turn.get(key) or "") for key in ("chosen", "rejected"))
        return [(turn["prompt"], chosen, rejected)]
    best, *others = turn.get("response") or [""]
    return [(turn["prompt"], _first_text(best), _first_text(other)) for other in others]


def is_annotated(row: Any) -> bool:
    """Return whether a row has responses, or an image its annotation."""
    if isinstance(row, str):
        return False
    if isinstance(row, dict) and "image" in row:
        return bool(row.get("annotation"))
    return bool(ANSWER_KEYS & set(row if isinstance(row, dict) else row[-1]))


def strip_annotations(row: Any) -> Any:
    """Return a row without its responses, an image without its annotation."""
    if isinstance(row, list):
        return [
            {key: value for key, value in turn.items() if key not in ANSWER_KEYS} for turn in row
        ]
    if isinstance(row, dict) and "image" in row:
        return {"image": row["image"]}
    return strip_annotations([row])[0] if isinstance(row, dict) else row


def to_text(row: Any) -> str:
    """Return a row as a line of a file."""
    return row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)


def all_texts(value: Any) -> list[str]:
    """Return all texts in a row."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in all_texts(part)]


def _normalize_shape(value: Any, data_format: str, annotated: bool) -> Any:
    if data_format == TEXT:
        return _normalize_text(value)
    if data_format in IMAGE_FORMATS:
        if not isinstance(value, dict) or not isinstance(value.get("image"), str):
            raise InvalidRow(wire.BAD_FORMAT, "an image row has the name of its file")
        return value
    turns = value if isinstance(value, list) else [value]
    if not turns:
        raise InvalidRow(wire.EMPTY_TEXT, "the row is empty")
    if data_format in {"PromptResponse", "PromptSortedresponses"}:
        return [_normalize_turn(turn, annotated) for turn in turns]
    if data_format == PROMPT:
        return [_validate_prompt(turn) for turn in turns]
    required = all if data_format.startswith("DPO") else any
    return [
        *(_normalize_turn(turn, False) for turn in turns[:-1]),
        _normalize_preference(turns[-1], required, annotated),
    ]


def _normalize_text(value: Any) -> str:
    value = value[0] if isinstance(value, list) and len(value) == 1 else value
    text = value.get("text") if isinstance(value, dict) else value
    if not isinstance(text, str):
        raise InvalidRow(wire.BAD_TEXT, 'a text is {"text": "..."} or a string')
    if not text.strip():
        raise InvalidRow(wire.EMPTY_TEXT, "the text is empty")
    return text


def _validate_prompt(turn: Any) -> Turn:
    if not isinstance(turn, dict):
        raise InvalidRow(wire.BAD_TEXT, "a turn is an object with a prompt")
    if not isinstance(turn.get("prompt"), str):
        raise InvalidRow(wire.BAD_TEXT, "prompt is missing or not a text")
    if not turn["prompt"].strip():
        raise InvalidRow(wire.EMPTY_TEXT, "prompt is empty")
    return turn


def _normalize_turn(turn: Any, annotated: bool) -> Turn:
    prompt_turn = _validate_prompt(turn)
    if prompt_turn.get("response") in (None, "", []):
        if annotated:
            raise InvalidRow(wire.NO_ANNOTATION, "response is missing")
        return {key: value for key, value in prompt_turn.items() if key != "response"}
    return prompt_turn | {"response": _normalize_responses(prompt_turn["response"])}


def _normalize_responses(value: Any) -> list[list[str]]:
    """Return responses in the platform's shape: the best first, each a list of texts."""
    answers = value if isinstance(value, list) else [value]
    nested = [answer if isinstance(answer, list) else [answer] for answer in answers]
    if not all(answer and all(isinstance(text, str) for text in answer) for answer in nested):
        raise InvalidRow(wire.BAD_TEXT, "response is neither a text nor a list of texts")
    if not all(text.strip() for answer in nested for text in answer):
        raise InvalidRow(wire.EMPTY_TEXT, "response is empty")
    return nested


def _normalize_preference(
    turn: Any, required: Callable[[list[bool]], bool], annotated: bool
) -> Turn:
    prompt_turn = _validate_prompt(turn)
    present = [bool(prompt_turn.get(key)) for key in ("chosen", "rejected")]
    if annotated and not required(present):
        raise InvalidRow(wire.NO_ANNOTATION, "chosen or rejected is missing")
    fields = {key: value for key, value in prompt_turn.items() if value or key == "prompt"}
    for key in ANSWER_KEYS & set(fields):
        _normalize_responses(fields[key])
    return fields


def _first_text(value: Any) -> str:
    while isinstance(value, list):
        value = value[0]
    return str(value)
