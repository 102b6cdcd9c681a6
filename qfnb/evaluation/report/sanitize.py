"""Inert texts for exported files: no markup, no formula, no secret takes effect where they are opened."""

from __future__ import annotations

import html
import re
from typing import Final

from ..._jobs.row_result import replace_surrogates
from ...redact import redact

_ANSI: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe\uffff]")
_DIRECTION: Final = re.compile(r"[\u202a-\u202e\u2066-\u2069\u200e\u200f]")
_MARKS: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|~>])")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def redact_text(text: str) -> str:
    """Return a text that can be written as UTF-8, with everything that looks like a credential hidden."""
    return redact(replace_surrogates(text))


def to_plain(text: object) -> str:
    """Return text without secrets, terminal escapes, control characters and direction overrides."""
    cleaned = _ANSI.sub("", redact_text(str(text)).replace("\r\n", "\n"))
    return _DIRECTION.sub("", _CONTROL.sub("", cleaned))


def to_html(text: object) -> str:
    """Return text that is inert inside HTML, attributes included."""
    return html.escape(to_plain(text), quote=True)


def to_markdown(text: object) -> str:
    """Return text that is only text in a cell of a Markdown table."""
    escaped = _MARKS.sub(r"\\\1", to_plain(text).replace("\t", " "))
    return html.escape(escaped, quote=False).replace("\n", "<br>")


def to_sheet_text(text: object) -> str:
    """Return text that a spreadsheet takes for text: one that begins with = + - @ gets an apostrophe."""
    cleaned = to_plain(text)
    return f"'{cleaned}" if cleaned.startswith(_FORMULA) else cleaned
