"""Text from models, servers and data files, made inert before it is drawn: escaped, cleaned, cut."""

import base64
import html

from .._text import clip, strip_controls as strip_controls


def escape(text: object) -> str:
    """Return text that is inert inside HTML, attributes included."""
    return html.escape(strip_controls(text), quote=True)


def one_line(value: object, limit: int) -> str:
    """Return text on one line, cut when it is long."""
    return clip(" ".join(strip_controls(value).split()), limit)


def image_html(content: bytes, mime_type: str, alt: str) -> str:
    """Return an <img> that carries its own data."""
    encoded = base64.b64encode(content).decode("ascii")
    return f'<img alt="{escape(alt)}" src="data:{mime_type};base64,{encoded}" style="max-width:100%">'
