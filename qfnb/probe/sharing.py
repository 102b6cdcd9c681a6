"""Exchanges as they can be shared: names, numbers and the platform's own words; no secret, no text,
no id.
"""

import functools
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from ..base.text import clip
from ..redact import redact
from ..wire import catalog
from .exchange import Exchange

WORD_FIELDS: Final = (
    *(
        "_event",
        "Action",
        "checkType",
        "code",
        "completion_window",
        "encoding_format",
        "endpoint",
        "finish_reason",
    ),
    *(
        "key",
        "modality",
        "object",
        "order",
        "owned_by",
        "parameterScale",
        "purpose",
        "role",
        "size",
        "status",
    ),
    *("tool_choice", "trainMode", "type"),
)
"""Fields whose texts are words of the API, if they look like one."""

MODEL_FIELDS = frozenset(["id", "model", "baseModel"])
"""Fields whose texts are shown if they are the name of a public model."""

NUMBER_FIELDS = re.compile(r"(?i)(user|account|app|owner|org)_?id$|^(log_?id)$")
"""Fields whose numbers are ids."""

HEADERS = re.compile(r"^(content-type|retry-after|x-ratelimit-.*)$")

_WORD = re.compile(r"[\w./+\-]{0,48}|text->text|[a-z+]{1,40}->[a-z+]{1,40}", re.ASCII)
_FRACTION = re.compile(r"\d{1,4}\.\d{1,9}")
_PRICE = re.compile(r"[-+]?\d{1,9}(\.\d{1,9})?")
_ID = re.compile(r"^([a-z]{2,10}[-_])[\w\-]{6,}$", re.ASCII)
_LONG_ID = re.compile(r"[\w.\-]*\d[\w.\-]{7,}|[\w.\-]{7,}\d[\w.\-]*", re.ASCII)
_DIGITS = re.compile(r"[\d.]+")

MAX_NUMBERS = 3
MAX_MESSAGE = 200


def to_shared(exchange: Exchange) -> dict[str, Any]:
    """Return an exchange as a line of the cassette, {"request", "status", "headers", "body" or
    "events"}.
    """
    request = exchange.request
    line: dict[str, Any] = {
        "request": {
            "method": request.endpoint.method,
            "path": re.sub(r"/(resp|batch|infer|file)[-_]\w+", r"/\1-***", request.target),
            "key": request.key,
            "body": clean(dict(request.body)),
        },
        "status": exchange.status,
        "headers": {
            name: value for name, value in sorted(exchange.headers.items()) if HEADERS.match(name)
        },
    }
    if exchange.error:
        line["error"] = clean_message(exchange.error)
    if exchange.events:
        return {**line, "events": [clean(event) for event in exchange.events]}
    return {**line, "body": clean(exchange.body)}


def clean(value: Any, name: str = "") -> Any:
    """Return a JSON value without texts, ids and secrets; `name` is the field that it is in."""
    if isinstance(value, Mapping):
        if name == "metadata":
            return f"<object {len(value)}>"
        return {clean_word(str(key)): clean(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        numbers = value if all(isinstance(item, float) for item in value) else []
        if len(numbers) > MAX_NUMBERS:
            return [*value[:MAX_NUMBERS], f"<{len(value) - MAX_NUMBERS} more numbers>"]
        return [clean(item, name) for item in value]
    if isinstance(value, str):
        return _clean_text(value, name)
    is_id = isinstance(value, int) and not isinstance(value, bool) and NUMBER_FIELDS.search(name)
    return "<id>" if is_id else value


def clean_word(text: str) -> str:
    """Return a text if it can be a word of the API, else its length."""
    return text if _WORD.fullmatch(text) and redact(text) == text else f"<text {len(text)}>"


def clean_message(text: str) -> str:
    """Return an error's message without secrets and ids."""
    words = _LONG_ID.sub(_mask_id, redact(" ".join(text.split())))
    return clip(words, MAX_MESSAGE)


def _mask_id(match: re.Match[str]) -> str:
    return match[0] if _FRACTION.fullmatch(match[0]) or is_public_model(match[0]) else "***"


def is_public_model(name: str) -> bool:
    """Return whether a name is that of a public model: in the table, or made of the words that are
    in its names.
    """
    if catalog.find_model(None, name):
        return True
    return (
        clean_word(name) == name
        and not _DIGITS.fullmatch(name)
        and {_DIGITS.sub("", part) for part in name.split("-")} <= _model_words()
    )


@functools.cache
def _model_words() -> frozenset[str]:
    """Return the words that the names of public models are made of."""
    parts = (part for row in catalog.load_models() for part in row.id.split("-"))
    return frozenset(_DIGITS.sub("", part) for part in parts) | {""}


def to_json_line(value: Mapping[str, Any]) -> str:
    """Return an object as one line."""
    return json.dumps(value, ensure_ascii=False) + "\n"


def _clean_text(text: str, name: str) -> str:
    if _PRICE.fullmatch(text) and not NUMBER_FIELDS.search(name):
        return text
    if name in MODEL_FIELDS and is_public_model(text):
        return text
    if name == "message":
        return clean_message(text)
    if name in WORD_FIELDS:
        return clean_word(text)
    match = _ID.match(text)
    return f"{match[1]}***" if match and name.endswith("id") else f"<text {len(text)}>"
