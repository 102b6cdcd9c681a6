"""Parts of a report as HTML with inline styles: tables, marked differences, folded sections.

They look the same in a notebook, where outputs have no style sheet of their own, and in a saved page.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ..._text import Edit
from .data import Change
from .text import format_score, to_html

CONTEXT_CHARS: Final = 40  # equal characters that are kept before and after a difference
MAX_CHARS: Final = 600  # characters of an answer that are shown; the rest is counted
_FRAME: Final = 'style="overflow-x:auto;max-width:100%"'
_TABLE: Final = 'style="border-collapse:collapse;margin:4px 0;font-size:90%"'
_LINE: Final = "padding:3px 8px;border-bottom:1px solid #8884;vertical-align:top"
_TEXT: Final = f'style="text-align:left;overflow-wrap:anywhere;min-width:8em;{_LINE}"'
_LONG: Final = f'style="text-align:left;overflow-wrap:anywhere;white-space:pre-wrap;min-width:9em;{_LINE}"'
_NUMBER: Final = f'style="text-align:right;white-space:nowrap;{_LINE}"'
_DELETED: Final = 'style="background:#d5520033"'
_INSERTED: Final = 'style="background:#0072b233;text-decoration:underline"'
_CHANGE_HEADS: Final = ("问题 prompt", "参考 reference", "之前 before", "之后 after", "得分 score")


def render_table(
    heads: Sequence[str], rows: Sequence[Sequence[Any]], *, text_column_count: int, long_texts: bool = False
) -> str:
    """Return a table."""
    text_style = _LONG if long_texts else _TEXT
    styles = [text_style if index < text_column_count else _NUMBER for index in range(len(heads))]
    cells = [[to_html(cell) for cell in row] for row in rows]
    return _html_table([to_html(head) for head in heads], cells, styles)


def changes_table(changes: Sequence[Change]) -> str:
    """Return questions with both answers, deleted and inserted parts being marked."""
    rows = []
    for change in changes:
        before, after = mark_difference(change.edits)
        scores = f"{format_score(change.score_before)} → {format_score(change.score_after)}"
        prompt, reference = (to_html(cut_text(text)) for text in (change.prompt, change.reference))
        rows.append([f"{change.index}. {prompt}", reference, before, after, scores])
    return _html_table(_CHANGE_HEADS, rows, [*[_LONG] * 4, _NUMBER])


def mark_difference(edits: Sequence[Edit]) -> tuple[str, str]:
    """Return the two texts of a difference as HTML; long parts that both have are shortened."""
    return mark_edits([*_limit_edits([*_shorten_equal(edits)])])


def mark_edits(edits: Sequence[Edit]) -> tuple[str, str]:
    """Return the two texts of a difference as HTML, deleted and inserted parts being marked."""
    before = "".join(
        f"<del {_DELETED}>{to_html(text)}</del>" if op == "delete" else to_html(text)
        for op, text in edits
        if op != "insert"
    )
    after = "".join(
        f"<ins {_INSERTED}>{to_html(text)}</ins>" if op == "insert" else to_html(text)
        for op, text in edits
        if op != "delete"
    )
    return before, after


def details(title: str, content: str, *, is_open: bool = False) -> str:
    """Return content that a click opens; "" without content."""
    if not content:
        return ""
    opened = " open" if is_open else ""
    return f'<details style="margin:6px 0"{opened}><summary>{title}</summary>{content}</details>'


def cut_text(text: str, max_chars: int = MAX_CHARS) -> str:
    """Return a text of at most `max_chars` characters and the number of those that were cut off."""
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
    """Yield edits until either text has MAX_CHARS characters."""
    remaining = {"delete": MAX_CHARS, "insert": MAX_CHARS}
    for op, text in edits:
        room = min(remaining.values()) if op == "equal" else remaining[op]
        if room > 0:
            yield op, cut_text(text, room)
        for side in remaining:
            remaining[side] -= len(text) if op in {"equal", side} else 0


def _html_table(heads: Sequence[str], rows: Sequence[Sequence[str]], styles: Sequence[str]) -> str:
    head = "".join(f'<th scope="col" {style}>{name}</th>' for name, style in zip(heads, styles, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td {style}>{cell}</td>' for cell, style in zip(row, styles, strict=True))}</tr>"
        for row in rows
    )
    return f"<div {_FRAME}><table {_TABLE}><tr>{head}</tr>{body}</table></div>"
