"""Tables of a report as HTML: numbers aligned, long texts cut where nothing changed, differences marked."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from ...evaluation.report import html
from ...evaluation.report.changes import Change, Edit
from ...evaluation.report.sanitize import to_html
from .charts.style import format_score

CONTEXT_CHARS: Final = 40
"""Characters that are kept before and after a difference."""

MAX_CHARS: Final = 600
"""Characters of an answer; the rest is counted."""

_FRAME: Final = 'style="overflow-x:auto;max-width:100%"'
_TABLE: Final = 'style="border-collapse:collapse;margin:4px 0;font-size:90%"'
_LINE: Final = "padding:3px 8px;border-bottom:1px solid #8884;vertical-align:top"
_TEXT: Final = f'style="text-align:left;overflow-wrap:anywhere;min-width:8em;{_LINE}"'
_LONG: Final = f'style="text-align:left;overflow-wrap:anywhere;white-space:pre-wrap;min-width:9em;{_LINE}"'
_NUMBER: Final = f'style="text-align:right;white-space:nowrap;{_LINE}"'
_CHANGED: Final = ("问题 prompt", "参考 reference", "之前 before", "之后 after", "得分 score")
_MARKS: Final = {
    "<del>": '<del style="background:#d5520033">',
    "<ins>": '<ins style="background:#0072b233;text-decoration:underline">',
}


def render_table(heads: Sequence[str], rows: Sequence[Sequence[Any]], *, text_columns: int) -> str:
    """Return a table; so many columns from the left are text, the others numbers."""
    styles = [_TEXT if index < text_columns else _NUMBER for index in range(len(heads))]
    cells = [[to_html(cell) for cell in row] for row in rows]
    return _table([to_html(head) for head in heads], cells, styles)


def changes_table(changes: Sequence[Change]) -> str:
    """Return questions with both answers, what is gone and what is new being marked."""
    rows = []
    for change in changes:
        before, after = mark_difference(change.edits)
        scores = f"{format_score(change.score_before)} → {format_score(change.score_after)}"
        texts = [to_html(cut_text(text)) for text in (change.prompt, change.reference)]
        rows.append([f"{change.index}. {texts[0]}", texts[1], before, after, scores])
    return _table(list(_CHANGED), rows, [*[_LONG] * 4, _NUMBER])


def mark_difference(edits: Sequence[Edit]) -> tuple[str, str]:
    """Return the two texts of a difference as HTML; long parts that both have are cut."""
    before, after = html.mark_edits(list(_limit_edits(list(_shorten_equal(edits)))))
    for plain, tinted in _MARKS.items():
        before, after = before.replace(plain, tinted), after.replace(plain, tinted)
    return before, after


def details(title: str, content: str) -> str:
    """Return content that is opened by a click; the title is HTML, and "" without content."""
    if not content:
        return ""
    return f'<details style="margin:6px 0"><summary>{title}</summary>{content}</details>'


def format_interval(low: float, high: float, *, plus: bool = False) -> str:
    """Return an interval."""
    if math.isnan(low) or math.isnan(high):
        return "n/a"
    return f"[{low:+.3f}, {high:+.3f}]" if plus else f"[{format_score(low)}, {format_score(high)}]"


def format_difference(value: float) -> str:
    """Return a difference."""
    return "n/a" if math.isnan(value) else f"{value:+.3f}"


def cut_text(text: str, max_chars: int = MAX_CHARS) -> str:
    """Return a text that says by how much it is cut."""
    return text if len(text) <= max_chars else f"{text[:max_chars]}… (+{len(text) - max_chars:,})"


def _shorten_equal(edits: Sequence[Edit]) -> Iterator[Edit]:
    """Yield edits with only the ends of long equal parts."""
    for op, text in edits:
        n_hidden = len(text) - 2 * CONTEXT_CHARS
        if op == "equal" and n_hidden > CONTEXT_CHARS:
            yield op, f"{text[:CONTEXT_CHARS]}… (+{n_hidden:,}) …{text[-CONTEXT_CHARS:]}"
        else:
            yield op, text


def _limit_edits(edits: Sequence[Edit]) -> Iterator[Edit]:
    """Yield edits until either text has MOST characters."""
    remaining = {"delete": MAX_CHARS, "insert": MAX_CHARS}
    for op, text in edits:
        room = min(remaining.values()) if op == "equal" else remaining[op]
        if room > 0:
            yield op, cut_text(text, room)
        for side in remaining:
            remaining[side] -= len(text) if op in {"equal", side} else 0


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str]) -> str:
    """Return a table of cells that are HTML already."""
    head = "".join(f'<th scope="col" {style}>{name}</th>' for name, style in zip(heads, styles, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td {style}>{cell}</td>' for cell, style in zip(row, styles, strict=True))}</tr>"
        for row in rows
    )
    return f"<div {_FRAME}><table {_TABLE}><tr>{head}</tr>{body}</table></div>"
