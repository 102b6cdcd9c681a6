"""The parts that every output is made of: header, pill, progress, key numbers, notes, folds,
tables, footer.

One stylesheet, `look.css`, draws them in light and dark; without it they read from top to bottom.
Text is escaped unless it is `Html`. The rules are in docs/design.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from ..base.language import html_lang, tr, tr_noop
from .stylesheet import output_sheet
from .text import escape

Kind = Literal["run", "ok", "warn", "bad", "idle"]
"""At work, done, amber, failed, waiting."""

Role = Literal["", "status", "alert"]
"""When a screen reader says a remark: when it is come to, after what it is saying, at once."""

SIGNS: Final[dict[str, str]] = {"run": "●", "ok": "✓", "warn": "⚠︎", "bad": "✕", "idle": "○"}

SANDBOX_MARK: Final = tr_noop("Local sandbox")


class Html(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


def to_html(content: object) -> Html:
    """Return content as HTML: `Html` as it is, anything else escaped."""
    if isinstance(content, Html):
        return content
    return Html(escape(content))


def join(parts: Iterable[object], separator: str = "") -> Html:
    """Return parts as HTML in one string; empty ones are left out."""
    return Html(separator.join(to_html(part) for part in parts if part != ""))


def output(*blocks: object) -> Html:
    """Return an output that stands alone: the blocks, and the rules of the stylesheet that they
    need.
    """
    content = join(blocks)
    sheet, name = output_sheet(content)
    return Html(
        f'<style>{sheet}</style><div class="qf {name}" lang="{html_lang()}">{content}</div>'
    )


def body(*blocks: object) -> Html:
    """Return blocks without the stylesheet, which a page with live outputs holds once."""
    return Html(f'<div class="qf" lang="{html_lang()}">{join(blocks)}</div>')


def panel(label: str, *blocks: object) -> Html:
    """Return a framed panel; `label` is its accessible name."""
    return Html(f'<section class="qf-panel" aria-label="{escape(label)}">{join(blocks)}</section>')


def stack(*blocks: object) -> Html:
    """Return blocks with a panel's distance between them, for a part of a panel that is redrawn."""
    return Html(f'<div class="qf-stack" lang="{html_lang()}">{join(blocks)}</div>')


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
    words = mark or (tr(SANDBOX_MARK) if is_sandbox else "")
    if pill:
        state = f'<span class="qf-side" role="status">{to_html(pill)}</span>'
    else:
        state = ""
    if subtitle:
        below = f'<div class="qf-sub">{to_html(subtitle)}</div>'
    else:
        below = ""
    badge = sandbox_mark(words) if words else ""
    name = f'<div class="qf-name"><h3>{to_html(title)}</h3>{badge}</div>'
    return Html(f'<header class="qf-head">{name}{state}{below}</header>')


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
    if raw:
        title = f' title="{escape(raw)}"'
    else:
        title = ""
    return Html(
        f'<span class="qf-pill qf-{kind}"{title}><span '
        f'aria-hidden="true">{sign or SIGNS[kind]}</span> '
        f"{escape(label)}</span>"
    )


def steps(*items: tuple[Kind, str, str, str]) -> Html:
    """Return the steps of a job: colour, sign, name and a remark ("" for none) of each."""
    rows = "".join(
        f'<li class="qf-{kind}"><b><span aria-hidden="true">{sign}</span> {escape(name)}</b> '
        f"{escape(remark)}</li>"
        for kind, sign, name, remark in items
    )
    return Html(f'<ol class="qf-steps" aria-label="{escape(tr("Steps"))}">{rows}</ol>')


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
    if value is None:
        position = ""
    else:
        position = f'max="{maximum:g}" value="{value:g}" '
    if subtitle:
        below = f'<div class="qf-sub">{to_html(subtitle)}</div>'
    else:
        below = ""
    bar = (
        f'<progress {position}aria-label="{escape(label)}"></progress> <span>{escape(label)}</span>'
    )
    return Html(f'<div class="qf-prog qf-{kind}">{bar}{below}</div>')


def key_numbers(*numbers: tuple[object, object, object]) -> Html:
    """Return the few numbers that matter: label, value and an optional remark ("" for none)."""
    cells = [
        f"<div><dt>{to_html(label)}</dt> <dd>{to_html(value)}"
        + (f" <small>{to_html(remark)}</small>" if remark else "")
        + "</dd></div>"
        for label, value, remark in numbers
    ]
    return Html(f'<dl class="qf-nums">{"".join(cells)}</dl>')


def note(
    kind: Kind, statement: object, remedy: object = "", *, sign: str = "", role: Role = ""
) -> Html:
    """Return a highlighted remark: what is so, and what to do about it; `role` says when it is read
    aloud at once.
    """
    if role:
        role_attribute = f' role="{role}"'
    else:
        role_attribute = ""
    if sign:
        before = f'<span aria-hidden="true">{sign}</span> '
    else:
        before = ""
    if remedy:
        after = f" {to_html(remedy)}"
    else:
        after = ""
    return Html(
        '<div class="qf-note '
        f'qf-{kind}"{role_attribute}><b>{before}{to_html(statement)}</b>{after}</div>'
    )


def button(label: str, tooltip: str = "", *, is_disabled: bool = False) -> Html:
    """Return a button of an output that is drawn without widgets; the page says when it is
    pressed.
    """
    if is_disabled:
        state = " disabled"
    else:
        state = ""
    if tooltip:
        title = f' title="{escape(tooltip)}"'
    else:
        title = ""
    attributes = f'class="qf-btn" data-qf-press data-lm-suppress-shortcuts{title}{state}'
    return Html(f"<button {attributes}>{escape(label)}</button>")


def dim_lines(*lines: object) -> Html:
    """Return remarks in small grey type, a line each; "" without any."""
    if lines:
        return Html(f'<div class="qf-sub">{"<br>".join(map(to_html, lines))}</div>')
    return Html("")


def folds(
    *details: tuple[object, object, object], is_open: bool = False, is_first_open: bool = False
) -> Html:
    """Return details: title, a grey remark ("" for none) and content; folded, unless the page is to
    be printed.
    """
    blocks = [
        _fold(*parts, is_open=is_open or (is_first_open and not n))
        for n, parts in enumerate(details)
    ]
    if blocks:
        return Html(f'<div class="qf-more">{"".join(blocks)}</div>')
    return Html("")


def _fold(title: object, remark: object, content: object, *, is_open: bool) -> str:
    if is_open:
        opening = "<details open>"
    else:
        opening = "<details>"
    if remark:
        aside = f" <small>{to_html(remark)}</small>"
    else:
        aside = ""
    return f"{opening}<summary>{to_html(title)}{aside}</summary>{to_html(content)}</details>"


def table(
    heads: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    numeric: Iterable[int] = (),
    caption: object = "",
    is_wide: bool = False,
) -> Html:
    """Return a table; its first column names the rows.

    Args:
        heads: one for each column.
        rows: as many cells as there are heads.
        numeric: indexes of the columns that are right-aligned.
        caption: one line above.
        is_wide: as wide as the panel.
    """
    right = frozenset(numeric)
    styles = [' class="qf-n"' if n in right else "" for n in range(len(heads))]
    head = "".join(
        f'<th scope="col"{styles[n]}>{to_html(cell)}</th>' for n, cell in enumerate(heads)
    )
    lines = "".join(f"<tr>{_row(row, styles)}</tr>" for row in rows)
    if caption:
        above = f"<caption>{to_html(caption)}</caption>"
    else:
        above = ""
    if is_wide:
        wide = ' class="qf-wide"'
    else:
        wide = ""
    content = f"{above}<thead><tr>{head}</tr></thead><tbody>{lines}</tbody>"
    return Html(f'<div class="qf-scroll"><table{wide}>{content}</table></div>')


def _row(cells: Sequence[object], styles: Sequence[str]) -> str:
    name, *values = cells
    columns = "".join(f"<td{styles[n]}>{to_html(value)}</td>" for n, value in enumerate(values, 1))
    return f'<th scope="row"{styles[0]}>{to_html(name)}</th>{columns}'


def facts(*pairs: tuple[object, object]) -> Html:
    """Return names and values, a line each."""
    lines = "".join(f"<dt>{to_html(name)}</dt> <dd>{to_html(value)}</dd>" for name, value in pairs)
    return Html(f'<dl class="qf-list">{lines}</dl>')


def part(title: str, *blocks: object) -> Html:
    """Return blocks below a heading."""
    return Html(f'<div class="qf-part"><h4>{escape(title)}</h4>{join(blocks)}</div>')


def side_by_side(*parts: object) -> Html:
    """Return parts beside each other where there is room, else one below the other."""
    return Html(f'<div class="qf-two">{join(parts)}</div>')


def footer(*remarks: object) -> Html:
    """Return the last line of an output; empty remarks are left out."""
    parts = " ".join(f"<span>{to_html(remark)}</span>" for remark in remarks if remark)
    if parts:
        return Html(f'<footer class="qf-foot">{parts}</footer>')
    return Html("")


def path(text: str) -> Html:
    """Return a path, whose lines end behind a separator."""
    return Html(re.sub(r"([/\\])", r"\1<wbr>", escape(text)))


def code(text: object) -> Html:
    """Return code within a line."""
    return Html(f"<code>{escape(text)}</code>")


def with_code(message: str) -> Html:
    """Return a message with the parts between backquotes as code."""
    return Html(re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(message)))
