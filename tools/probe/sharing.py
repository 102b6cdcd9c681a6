"""Exchanges as they can be shared: names, numbers and the platform's words; no secret, text, id."""

import functools
import re
from collections.abc import Mapping
from typing import Any

from qfnb.base.text import clip
from qfnb.redact import redact
from qfnb.wire import catalog

from .exchange import Exchange

WORD_FIELDS = frozenset(
    "_event Action checkType code completion_window encoding_format endpoint finish_reason key "
    "modality object order owned_by parameterScale purpose role size status tool_choice "
    "trainMode type".split()
)
"""Fields whose texts are words of the API, if they look like one."""

_ID_NUMBERS = re.compile(r"(?i)(user|account|app|owner|org)_?id$|^(log_?id)$")
_HEADERS = re.compile(r"content-type|retry-after|x-ratelimit-.*")
_WORD = re.compile(r"[\w./+\-]{0,48}|[a-z+]{1,40}->[a-z+]{1,40}", re.ASCII)
_NUMBER = re.compile(r"[-+]?\d{1,9}(\.\d{1,9})?")
_ID = re.compile(r"([a-z]{2,10}[-_])[\w\-]{6,}", re.ASCII)
_LONG_ID = re.compile(r"[\w.\-]*\d[\w.\-]{7,}|[\w.\-]{7,}\d[\w.\-]*", re.ASCII)
_FRACTION = re.compile(r"\d{1,4}\.\d{1,9}")
_DIGITS = re.compile(r"[\d.]+")

MAX_NUMBERS = 3
MAX_MESSAGE = 200


def to_shared(exchange: Exchange) -> dict[str, Any]:
    """Return an exchange as a line of the cassette."""
    request = exchange.request
    path = re.sub(r"/(resp|batch|infer|file)[-_]\w+", r"/\1-***", request.target)
    head = {"method": request.endpoint.method, "path": path, "key": request.key}
    headers = {name: text for name, text in exchange.headers.items() if _HEADERS.fullmatch(name)}
    return {
        "request": {**head, "body": clean(dict(request.body))},
        "status": exchange.status,
        "headers": dict(sorted(headers.items())),
        "error": clean_message(exchange.error),
        "events": clean(exchange.events),
        "body": clean(exchange.body),
    }


def clean(value: Any, name: str = "") -> Any:
    """Return a JSON value without texts, ids and secrets; `name` is the field that it is in."""
    if isinstance(value, Mapping):
        if name == "metadata":
            return f"<object {len(value)}>"
        return {clean_word(str(key)): clean(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        is_vector = len(value) > MAX_NUMBERS and all(isinstance(item, float) for item in value)
        if is_vector:
            return [*value[:MAX_NUMBERS], f"<{len(value) - MAX_NUMBERS} more numbers>"]
        return [clean(item, name) for item in value]
    if isinstance(value, str):
        return _clean_text(value, name)
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return "<id>" if is_number and _ID_NUMBERS.search(name) else value


def clean_word(text: str) -> str:
    """Return a text if it can be a word of the API, else its length."""
    return text if _WORD.fullmatch(text) and redact(text) == text else f"<text {len(text)}>"


def clean_message(text: str) -> str:
    """Return an error's message without secrets and ids."""
    return clip(_LONG_ID.sub(_mask_id, redact(" ".join(text.split()))), MAX_MESSAGE)


def _mask_id(match: re.Match[str]) -> str:
    return match[0] if _FRACTION.fullmatch(match[0]) or is_public_model(match[0]) else "***"


def is_public_model(name: str) -> bool:
    """Return whether a name is in the table of models, or made of the words of names in it."""
    if catalog.find_model(None, name):
        return True
    if clean_word(name) != name or _DIGITS.fullmatch(name):
        return False
    return {_DIGITS.sub("", piece) for piece in name.split("-")} <= _model_words()


@functools.cache
def _model_words() -> frozenset[str]:
    pieces = [piece for row in catalog.load_models() for piece in row.id.split("-")]
    return frozenset(_DIGITS.sub("", piece) for piece in pieces) | {""}


def _clean_text(text: str, name: str) -> str:
    is_number = _NUMBER.fullmatch(text) and not _ID_NUMBERS.search(name)
    is_model = name in {"id", "model", "baseModel"} and is_public_model(text)
    if is_number or is_model:
        return text
    if name == "message":
        return clean_message(text)
    if name in WORD_FIELDS:
        return clean_word(text)
    match = _ID.fullmatch(text)
    return f"{match[1]}***" if match and name.endswith("id") else f"<text {len(text)}>"
