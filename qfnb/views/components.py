"""The parts that every output is made of: header, pill, progress, key numbers, notes, folds,
tables, footer.

One stylesheet, `look.css`, draws them in light and dark; without it they read from top to bottom.
Text is escaped unless it is `Html`. The rules are in docs/design.md.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any, Final, Literal, NamedTuple, Self, TypeVar

from ..base.language import html_lang, tr, tr_noop
from ..base.text import align_columns, labelled
from .formats import as_of, escape, one_line
from .stylesheet import output_sheet

T = TypeVar("T")

Fold = tuple[object, object, object]
"""A title, a grey remark ("" for none), and what is folded."""

Kind = Literal["run", "ok", "warn", "bad", "idle"]
"""At work, done, amber, failed, waiting."""

Role = Literal["", "status", "alert"]
"""When a screen reader says a remark: when it is come to, after what it is saying, at once."""

SIGNS: Final[dict[str, str]] = {"run": "●", "ok": "✓", "warn": "⚠︎", "bad": "✕", "idle": "○"}

SANDBOX_MARK: Final = tr_noop("Local sandbox")


NO_VALUE: Final = "–"
"""The cell of a number that is not known."""

MAX_TEXT: Final = 900
"""Characters of a remark in a terminal."""


class Html(str):  # noqa: SLOT000 - it has text
    """HTML, which is not escaped again, and the same as lines of text for a terminal."""

    text: str

    def __new__(cls, html: str = "", text: str = "") -> Self:
        """Return HTML; `text` is "" for what is seen in a page only."""
        self = super().__new__(cls, html)
        self.text = text
        return self


def to_html(content: object) -> Html:
    """Return content as HTML: `Html` as it is, anything else escaped."""
    if isinstance(content, Html):
        return content
    return Html(escape(content), to_text(content))


def to_text(content: object) -> str:
    """Return content as text: of `Html` its lines, of anything else one line."""
    if isinstance(content, Html):
        return content.text
    return one_line(content, MAX_TEXT)


def _lines(parts: Iterable[object]) -> str:
    return "\n".join(filter(None, map(to_text, parts)))


def join(parts: Iterable[object], separator: str = "") -> Html:
    """Return parts as HTML in one string, as text one below the other; empty ones are left out."""
    visible = []
    for part in parts:
        if part or isinstance(part, Html):
            visible.append(to_html(part))
    return Html(separator.join(filter(None, visible)), _lines(visible))


def output(*blocks: object) -> Html:
    """Return an output that stands alone: the blocks, and the rules of the stylesheet that they
    need.
    """
    content = join(blocks)
    sheet, name = output_sheet(content)
    return Html(
        f'<style>{sheet}</style><div class="qf {name}" lang="{html_lang()}">{content}</div>',
        content.text,
    )


def bundle(label: str, *blocks: object) -> dict[str, Any]:
    """Return a framed panel as an output that stands alone, in both formats."""
    html = panel_output(label, *blocks)
    return {"text/plain": html.text, "text/html": html}


def body(*blocks: object) -> Html:
    """Return blocks without the stylesheet, which a page with live outputs holds once."""
    return Html(f'<div class="qf" lang="{html_lang()}">{join(blocks)}</div>')


def panel(label: str, *blocks: object) -> Html:
    """Return a framed panel; `label` is its accessible name."""
    content = join(blocks)
    name = f'aria-label="{escape(label)}"'
    return Html(f'<section class="qf-panel" {name}>{content}</section>', content.text)


def panel_output(label: str, *blocks: object) -> Html:
    """Return a framed panel as an output that stands alone."""
    return output(panel(label, *blocks))


def stack(*blocks: object) -> Html:
    """Return blocks with a panel's distance between them, for a part of a panel that is redrawn."""
    return Html(f'<div class="qf-stack" lang="{html_lang()}">{join(blocks)}</div>')


def wrap(before: str, content: object, after: str) -> Html:
    """Return content between two pieces of HTML, "" without content."""
    if content:
        return Html(f"{before}{to_html(content)}{after}", to_text(content))
    return Html()


def _attribute(name: str, value: str) -> str:
    """Return an attribute of an element, "" without a value."""
    if value:
        return f' {name}="{escape(value)}"'
    return ""


def header(
    title: object,
    *,
    pill: object = "",
    subtitle: object = "",
    is_sandbox: bool = False,
    mark: str = "",
) -> Html:
    """Return the head of a panel: what it is, the sandbox's mark, the state at the right, one grey
    line below.

    Args:
        title: what it is.
        pill: the state.
        subtitle: the grey line.
        is_sandbox: whether all of it is of the sandbox.
        mark: the text of the sandbox's mark, where only a part is.
    """
    words = mark
    if is_sandbox:
        words = words or tr(SANDBOX_MARK)
    text = to_text(title)
    badge = ""
    if words:
        badge = sandbox_mark(words)
        text = f"{text} [{words}]"
    side = wrap('<span class="qf-side" role="status">', pill, "</span>")
    name = f'<div class="qf-name"><h3>{to_html(title)}</h3>{badge}</div>'
    if pill:
        text = labelled(text, to_text(pill))
    html = f'<header class="qf-head">{name}{side}{dim_lines(subtitle)}</header>'
    return Html(html, _lines([text, subtitle]))


def sandbox_mark(words: str = "") -> Html:
    """Return the mark of what did not come from the platform; `words` say what that is, default
    all.
    """
    reason = escape(tr("Made by the local sandbox, not by a Qianfan model"))
    return Html(
        f'<span class="qf-mark" title="{reason}">{escape(words or tr(SANDBOX_MARK))}</span>'
    )


def pill(kind: Kind, label: str, sign: str = "", *, raw: str = "") -> Html:
    """Return a state: sign, word and colour; `raw` is the platform's word for it, which the pointer
    shows.
    """
    title = _attribute("title", raw)
    sign = sign or SIGNS[kind]
    words = f'<span aria-hidden="true">{sign}</span> {escape(label)}'
    return Html(f'<span class="qf-pill qf-{kind}"{title}>{words}</span>', f"{sign} {label}")


class State(NamedTuple):
    """A state of a job; `raw` is the platform's word for it."""

    kind: Kind
    sign: str
    words: str
    raw: str = ""

    @property
    def pill(self) -> Html:
        """The state as a pill."""
        return pill(self.kind, self.words, self.sign, raw=self.raw)

    def translated(self) -> State:
        """Return a state of a table, whose words are marked only, in the user's language."""
        return self._replace(words=self.words and tr(self.words))


def state_as_of() -> State:
    """Return the state of an output that is saved before the end."""
    return State("idle", "○", as_of(time.time()))


def steps(*items: tuple[Kind, str, str, str]) -> Html:
    """Return the steps of a job: colour, sign, name and a remark ("" for none) of each."""
    rows = "".join(
        f'<li class="qf-{kind}"><b><span aria-hidden="true">{sign}</span> {escape(name)}</b> '
        f"{escape(remark)}</li>"
        for kind, sign, name, remark in items
    )
    text = " → ".join(f"{sign} {name} {remark}".rstrip() for _, sign, name, remark in items)
    return Html(f'<ol class="qf-steps" aria-label="{escape(tr("Steps"))}">{rows}</ol>', text)


def progress_bar(
    value: float | None, maximum: float, label: str, *, subtitle: object = "", kind: Kind = "run"
) -> Html:
    """Return a progress bar with its numbers beside it.

    Args:
        value: what is done; None for a bar that only says that something happens.
        maximum: the whole.
        label: the numbers in words, beside the bar and as its accessible name.
        subtitle: one grey line below: times and rates.
        kind: its colour.
    """
    position = "" if value is None else f'max="{maximum:g}" value="{value:g}" '
    words = escape(label)
    bar = f'<progress {position}aria-label="{words}"></progress> <span>{words}</span>'
    return Html(
        f'<div class="qf-prog qf-{kind}">{bar}{dim_lines(subtitle)}</div>',
        _lines([label, subtitle]),
    )


def key_numbers(*numbers: tuple[object, object, object]) -> Html:
    """Return the few numbers that matter: label, value and an optional remark ("" for none)."""
    cells = "".join(
        f"<div><dt>{to_html(label)}</dt> <dd>{to_html(value)}{_small(remark)}</dd></div>"
        for label, value, remark in numbers
    )
    text = " · ".join(labelled(*map(to_text, number)) for number in numbers)
    return wrap('<dl class="qf-nums">', Html(cells, text), "</dl>")


def _small(remark: object) -> str:
    return wrap(" <small>", remark, "</small>")


def note(
    kind: Kind, statement: object, remedy: object = "", *, sign: str = "", role: Role = ""
) -> Html:
    """Return a highlighted remark: what is so, and what to do about it; `role` says when it is read
    aloud at once.
    """
    before = wrap('<span aria-hidden="true">', sign, "</span> ")
    after = wrap(" ", remedy, "")
    content = f"<b>{before}{to_html(statement)}</b>{after}"
    text = " ".join(filter(None, map(to_text, (sign, statement, remedy))))
    return Html(f'<div class="qf-note qf-{kind}"{_attribute("role", role)}>{content}</div>', text)


def button(label: str, tooltip: str, *, is_disabled: bool) -> Html:
    """Return a button of an output that is drawn without widgets; the page says when it is
    pressed.
    """
    state = ""
    if is_disabled:
        state = " disabled"
    title = f'title="{escape(tooltip)}"'
    attributes = f'class="qf-btn" data-qf-press data-lm-suppress-shortcuts {title}{state}'
    return Html(f"<button {attributes}>{escape(label)}</button>")


def dim_lines(*lines: object) -> Html:
    """Return remarks in small grey type, a line each; "" without any that is not empty."""
    return wrap('<div class="qf-sub">', join(lines, "<br>"), "</div>")


def folds(*details: Fold, is_open: bool = False, is_first_open: bool = False) -> Html:
    """Return details, folded unless the page is to be printed."""
    blocks = ""
    for title, remark, content in details:
        opening = ""
        if is_open or (is_first_open and not blocks):
            opening = " open"
        summary = f"<summary>{to_html(title)}{_small(remark)}</summary>"
        blocks += f"<details{opening}>{summary}{to_html(content)}</details>"
    return wrap('<div class="qf-more">', Html(blocks), "</div>")


def table(
    heads: Sequence[object],
    rows: Iterable[Sequence[object] | Html],
    *,
    numeric: Iterable[int] = (),
    caption: object = "",
    is_wide: bool = False,
    css: str = "",
) -> Html:
    """Return a table, "" without a row; its first column names the rows.

    Args:
        heads: one for each column.
        rows: as many cells as there are heads, or a row as HTML.
        numeric: indexes of the columns that are right-aligned.
        caption: one line above.
        is_wide: as wide as the panel.
        css: other classes of the table.
    """
    right = frozenset(numeric)
    styles = [' class="qf-n"' if n in right else "" for n in range(len(heads))]
    head = "".join(
        f'<th scope="col"{styles[n]}>{to_html(cell)}</th>' for n, cell in enumerate(heads)
    )
    rows = [*rows]
    if not rows:
        return Html()
    lines = "".join(row if isinstance(row, Html) else _row(row, styles) for row in rows)
    cells = []
    for row in (heads, *rows):
        if not isinstance(row, Html):
            cells.append([*map(to_text, row)])
    text = _lines([caption, Html("", "\n".join(align_columns(cells, numeric=right)))])
    above = wrap("<caption>", caption, "</caption>")
    if is_wide:
        css = css or "qf-wide"
    style = _attribute("class", css)
    content = f"{above}<thead><tr>{head}</tr></thead><tbody>{lines}</tbody>"
    return Html(f'<div class="qf-scroll"><table{style}>{content}</table></div>', text)


def column_table(
    rows: Sequence[T],
    columns: Iterable[tuple[str, Callable[[T], object]]],
    numeric: Container[str],
    *,
    is_wide: bool = False,
) -> Html:
    """Return a table with a line for each row, without the columns that say nothing of any.

    Args:
        rows: any values.
        columns: the head of each, and what returns its cell of a row.
        numeric: heads of the columns that are right-aligned.
        is_wide: as wide as the panel.
    """
    heads: list[str] = []
    filled = []
    for head, read in columns:
        cells = [read(row) or "" for row in rows]
        if not {*cells} <= {"", NO_VALUE}:
            heads.append(head)
            filled.append(cells)
    right = [n for n, head in enumerate(heads) if head in numeric]
    return table(heads, zip(*filled, strict=True), numeric=right, is_wide=is_wide)


def _row(cells: Sequence[object], styles: Sequence[str]) -> str:
    name, *values = cells
    columns = "".join(f"<td{styles[n]}>{to_html(value)}</td>" for n, value in enumerate(values, 1))
    return f'<tr><th scope="row"{styles[0]}>{to_html(name)}</th>{columns}</tr>'


def facts(*pairs: tuple[object, object]) -> Html:
    """Return names and values, a line each."""
    lines = "".join(f"<dt>{to_html(name)}</dt> <dd>{to_html(value)}</dd>" for name, value in pairs)
    text = "\n".join(labelled(to_text(name), to_text(value)) for name, value in pairs)
    return Html(f'<dl class="qf-list">{lines}</dl>', text)


def part(title: str, *blocks: object) -> Html:
    """Return blocks below a heading, "" where all of them are empty."""
    content = join(blocks)
    if not content:
        return Html()
    html = f'<div class="qf-part"><h4>{escape(title)}</h4>{content}</div>'
    return Html(html, _lines([title, content]))


def side_by_side(*parts: object) -> Html:
    """Return parts beside each other where there is room, else one below the other."""
    content = join(parts)
    return Html(f'<div class="qf-two">{content}</div>', content.text)


def footer(*remarks: object) -> Html:
    """Return the last line of an output; empty remarks are left out."""
    parts = " ".join(f"<span>{to_html(remark)}</span>" for remark in remarks if remark)
    return wrap('<footer class="qf-foot">', Html(parts, _lines(remarks)), "</footer>")


def next_steps(*steps: str) -> Html:
    """Return the footer with the commands to go on with, which stand between backquotes."""
    return footer(*map(with_code, steps))


def path(text: str) -> Html:
    """Return a path, whose lines end behind a separator."""
    return Html(re.sub(r"([/\\])", r"\1<wbr>", escape(text)), to_text(text))


def code(text: object) -> Html:
    """Return code within a line."""
    return Html(f"<code>{escape(text)}</code>", to_text(text))


def with_code(message: str) -> Html:
    """Return a message with the parts between backquotes as code."""
    return Html(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(message)), to_text(message))
