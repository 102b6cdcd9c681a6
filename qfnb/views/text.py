"""Text from models, servers and data files, made inert before it is drawn: escaped, cleaned,
cut.
"""

import base64
import html
from typing import Any, Final

from ..base.text import clip, strip_controls as strip_controls


def escape(text: object) -> str:
    """Return text that is inert inside HTML, attributes included."""
    return html.escape(strip_controls(text), quote=True)


NO_FORMULAS: Final = 'class="mathjax_ignore tex2jax_ignore"'
FORMULA: Final = 'class="mathjax_process tex2jax_process"'
"""Attributes of elements in which a page typesets no formulas, and of a formula within; MathJax 3
and 2 read them.
"""


def without_formulas(html: str) -> str:
    """Return HTML in which a page typesets only elements with `FORMULA`: TeX can draw links and
    styles.
    """
    if html.startswith(f"<div {NO_FORMULAS}>"):
        return html
    return f"<div {NO_FORMULAS}>{html}</div>"


def inert(bundle: dict[str, Any]) -> dict[str, Any]:
    """Return a bundle whose HTML is `without_formulas`."""
    if bundle.get("text/html"):
        return bundle | {"text/html": without_formulas(bundle["text/html"])}
    return bundle


def one_line(value: object, limit: int) -> str:
    """Return text on one line, cut when it is long."""
    return clip(" ".join(strip_controls(value).split()), limit)


def image_html(content: bytes, mime_type: str, alt: str) -> str:
    """Return an <img> that carries its own data."""
    encoded = base64.b64encode(content).decode("ascii")
    return (
        f'<img alt="{escape(alt)}" src="data:{mime_type};base64,{encoded}" style="max-width:100%">'
    )
