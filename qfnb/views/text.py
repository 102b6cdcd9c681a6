"""Text from models, servers and data files is data: what could act is taken out before anything is drawn."""

from __future__ import annotations

import base64
import html
import re

from .._text import clip

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_DIRECTION = re.compile(r"[\u202a-\u202e\u2066-\u2069\u200e\u200f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def strip_controls(text: object) -> str:
    """Return text without terminal escapes, control characters, direction overrides and lone surrogates."""
    cleaned = _ANSI.sub("", str(text).replace("\r\n", "\n"))
    cleaned = _DIRECTION.sub("", _CONTROL.sub("", cleaned))
    return _SURROGATE.sub("\ufffd", cleaned)


def escape(text: object) -> str:
    """Return text that is inert inside HTML, attributes included."""
    return html.escape(strip_controls(text), quote=True)


def one_line(value: object, limit: int) -> str:
    """Return text on one line, cut when it is long."""
    return clip(" ".join(strip_controls(value).split()), limit)


def image_html(content: bytes, mime_type: str, alt: str) -> str:
    """Return an <img> that carries its own data.

    Args:
        content: the image.
        mime_type: e.g. image/png.
        alt: the description of the image.
    """
    encoded = base64.b64encode(content).decode("ascii")
    return f'<img alt="{escape(alt)}" src="data:{mime_type};base64,{encoded}" style="max-width:100%">'
