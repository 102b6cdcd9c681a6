"""Markdown from a model becomes static HTML: no raw HTML, no scripts, no pictures from the network.

Formulas stay TeX, which the page typesets; whatever else has a `$` or a backslash is no formula to
the page.
"""

import functools
import itertools
import re
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.amsmath import amsmath_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.tasklists import tasklists_plugin

from .formats import FORMULA, escape, strip_controls

MAX_CHARS = 200_000
"""Characters of Markdown that are rendered; a longer answer ends with a note."""

MAX_CODE_CHARS = 20_000
"""Characters of a code block that are coloured; a longer one takes too long at ten redraws a
second.
"""

MAX_FORMULA_CHARS = 2000
"""Characters of a formula in `\\( \\)`; so far its end is searched."""

MAX_MATH_STEPS = 500_000
"""Formulas that open, times lines: a bound of the search for their ends, about a second."""

_LINK_SCHEMES = {"http", "https", "mailto"}
_CLOSERS = {"$": "$", "$$": "$$", r"\(": r"\)", r"\[": r"\]"}
_OPENERS = re.compile(r"\$\$|\\[(\[]|\\begin\{")
# links, styles, ids, loading of code, and definitions that reach the formulas of other cells
_ACTIVE_TEX = re.compile(
    r"\\(href|url|unicode|require|class|cssId|style|data|html\w*|bbox|includegraphics|mmlToken|texttip|toggle|csname"
    r"|[egx]?def|let|futurelet|(re)?newcommand|providecommand|(re)?newenvironment|Newextarrow|Declare\w+)(?![A-Za-z])"
)


def render_markdown(text: str) -> str:
    """Return safe HTML; half-finished Markdown (an answer that still streams) renders as far as it
    goes.
    """
    cut = strip_controls(text[:MAX_CHARS])
    note = ""
    if len(text) > MAX_CHARS:
        note = "<p><em>… (cut)</em></p>"
    steps = len(_OPENERS.findall(cut)) * (cut.count("\n") + 1)
    return str(_parser(has_math=steps <= MAX_MATH_STEPS).render(cut)) + note


@functools.cache
def _parser(*, has_math: bool) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "highlight": _highlight})
    parser.enable(["table", "strikethrough"]).use(tasklists_plugin)
    if has_math:
        _add_math(parser)
    parser.validateLink = _is_allowed_url  # type: ignore[method-assign]
    _render_by(parser, _render_text, "text")
    _render_by(parser, _render_checkbox, "html_inline")
    _render_by(parser, _render_image, "image")
    parser.add_render_rule("link_open", _render_link)
    return parser


def _render_by(parser: MarkdownIt, render: Callable[[Token], str], *kinds: str) -> None:
    """Render tokens of these kinds by a function of the token alone."""

    def rule(
        _renderer: RendererHTML, tokens: Sequence[Token], index: int, _options: Any, _env: Any
    ) -> str:
        return render(tokens[index])

    for kind in kinds:
        parser.add_render_rule(kind, rule)


def _add_math(parser: MarkdownIt) -> None:
    r"""Add `$ $`, `$$ $$`, `\( \)`, `\[ \]` and the environments of amsmath.

    The rules of blocks are our own: dollarmath's cannot follow a line of text, and texmath's drops
    what stands behind a `\]`.
    """
    parser.use(dollarmath_plugin, allow_space=False, allow_digits=False, double_inline=True).use(
        amsmath_plugin
    )
    parser.disable("math_block")
    interrupts: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    parser.block.ruler.before("fence", "math_display", _parse_display, interrupts)
    parser.inline.ruler.before("escape", "math_bracket", _parse_bracket)
    _render_by(parser, _render_math, "math_inline", "math_inline_double", "math_display", "amsmath")


def _parse_bracket(state: StateInline, silent: bool) -> bool:
    opener = state.src[state.pos : state.pos + 2]
    if opener not in {r"\(", r"\["}:
        return False
    start = state.pos + 2
    end = state.src.find(_CLOSERS[opener], start, start + MAX_FORMULA_CHARS)
    if end <= start:
        return False
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.markup = opener
        token.content = state.src[start:end]
    state.pos = end + 2
    return True


def _parse_display(state: StateBlock, first: int, after_last: int, silent: bool) -> bool:
    r"""Read a formula whose lines begin with `$$` or `\[` and end with its partner; a blank line
    ends the search.
    """
    start = state.bMarks[first] + state.tShift[first]
    opener = state.src[start : start + 2]
    if opener not in {"$$", r"\["} or state.is_code_block(first):
        return False
    parts: list[str] = []
    for line in range(first, after_last):
        begin = state.bMarks[line] + state.tShift[line] + 2 * (line == first)
        content, closer, behind = state.src[begin : state.eMarks[line]].partition(_CLOSERS[opener])
        if behind.strip() or (
            line > first and (state.isEmpty(line) or state.sCount[line] < state.blkIndent)
        ):
            return False
        parts.append(content)
        if closer:
            break
    else:
        return False
    if not "".join(parts).strip():
        return False
    if not silent:
        token = state.push("math_display", "math", 0)
        token.content = "\n".join(parts)
        token.block = True
        token.markup = opener
        token.map = [first, line + 1]
    state.line = line + 1
    return True


def _render_math(token: Token) -> str:
    """Return TeX for the page to typeset; as code, which no page typesets, where it could do more
    than draw.
    """
    tex = escape(f"{token.markup}{token.content}{_CLOSERS.get(token.markup, '')}")
    element = "span"
    if token.block:
        element = "div"
    if _ACTIVE_TEX.search(token.content):
        tex = f"<code>{tex}</code>"
    return f"<{element} {FORMULA}>{tex}</{element}>"


def _highlight(code: str, language: str, _attributes: str) -> str:
    if language and len(code) <= MAX_CODE_CHARS:
        return color_code(code, language)
    return ""


# an answer that streams is drawn again and again, its finished blocks do not change
@functools.lru_cache(maxsize=64)
def color_code(code: str, language: str) -> str:
    """Return code as HTML with the classes that `look.css` colours, "" for a language that Pygments
    does not know.
    """
    from pygments.lexers import get_lexer_by_name  # noqa: PLC0415 - only with code
    from pygments.token import Comment, Keyword, Name, Number, Operator, String  # noqa: PLC0415
    from pygments.util import ClassNotFound  # noqa: PLC0415

    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return ""
    classes = (
        (Keyword, "k"),
        (Operator.Word, "k"),
        (String, "s"),
        (Comment, "c"),
        (Number, "m"),
        (Name.Function, "nf"),
        (Name.Class, "nf"),
        (Name.Decorator, "nf"),
    )

    def name_class(token: tuple[Any, str]) -> str:
        return next((name for kind, name in classes if token[0] in kind), "")

    parts = []
    for name, tokens in itertools.groupby(lexer.get_tokens(code), name_class):
        content = escape("".join(text for _, text in tokens))
        if name:
            content = f'<span class="{name}">{content}</span>'
        parts.append(content)
    return "".join(parts)


def _is_allowed_url(url: str) -> bool:
    return urlsplit(url.strip()).scheme.lower() in _LINK_SCHEMES


def _inert(text: str) -> str:
    """Return text in which the page sees no formula: it looks for delimiters within one element
    only.
    """
    return re.sub(r"[$\\]", r"<span>\g<0></span>", escape(text))


def _render_text(token: Token) -> str:
    return _inert(token.content)


def _render_checkbox(token: Token) -> str:
    """Draw the box of a task; with raw HTML off, no other token of this type exists."""
    if "checked=" in token.content:
        return "☑"
    return "☐"


def _render_image(token: Token) -> str:
    """Name an image instead of fetching it: a request would tell a foreign server that the answer
    is read.
    """
    host = urlsplit(str(token.attrGet("src") or "")).hostname or "?"
    return f"[{_inert(token.content or 'image')}: {_inert(host)}]"


def _render_link(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    tokens[index].attrSet("target", "_blank")
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    return renderer.renderToken(tokens, index, options, env)
