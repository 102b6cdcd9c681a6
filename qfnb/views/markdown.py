"""Markdown from a model as static HTML: no raw HTML, no scripts, no pictures from the network."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

from .escape import escape, strip_controls

MAX_CHARS = 200_000
"""Characters that are rendered; a longer answer ends with a note."""

_SCHEMES = {"http", "https", "mailto"}


def render(text: str) -> str:
    """Return safe HTML; half-finished Markdown (an answer that still streams) renders as far as it goes."""
    cut = strip_controls(text[:MAX_CHARS])
    note = "<p><em>… (cut)</em></p>" if len(text) > MAX_CHARS else ""
    return str(_parser().render(cut)) + note


@functools.cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
    parser.validateLink = _is_allowed_url  # type: ignore[method-assign]
    parser.add_render_rule("image", _render_image)
    parser.add_render_rule("link_open", _render_link)
    return parser


def _is_allowed_url(url: str) -> bool:
    return urlsplit(url.strip()).scheme.lower() in _SCHEMES


def _render_image(
    _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: Any, _env: Any
) -> str:
    """Name a picture instead of fetching it: fetching would tell a stranger's server what was answered."""
    token = tokens[index]
    host = urlsplit(str(token.attrGet("src") or "")).hostname or "?"
    return f"[{escape(token.content or 'image')}: {escape(host)}]"


def _render_link(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("target", "_blank")
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    return renderer.renderToken(tokens, index, options, env)
