"""Answers of several models side by side, with what they cost and where they differ."""

from __future__ import annotations

from collections.abc import Callable

from .._text import diff_texts
from . import chat, stop_button, styles
from .chat import StreamedAnswer
from .display import Bundle, LiveOutput
from .escape import escape, strip_controls

Answers = tuple[StreamedAnswer, ...]

MAX_COMPARED_CHARS = 4000
"""Characters of an answer that are compared; longer ones take too long."""


def html(answers: Answers) -> str:
    """Return the answers as columns, and what each has that the first has not."""
    heads = "".join(f"<th {styles.CELL_FRAMED}>{escape(answer.model)}</th>" for answer in answers)
    cells = "".join(f"<td {styles.CELL_FRAMED}>{chat.html(answer)}</td>" for answer in answers)
    return f"<div><table {styles.TABLE_FIXED}><tr>{heads}</tr><tr>{cells}</tr></table>{_differences_html(answers)}</div>"


def text(answers: Answers) -> str:
    """Return the answers one below the other."""
    return "\n\n".join(f"== {strip_controls(answer.model)} ==\n{chat.text(answer)}" for answer in answers)


def bundle(answers: Answers) -> Bundle:
    """Return the comparison in every format."""
    return {"text/plain": text(answers), "text/html": html(answers)}


def open_live(answers: Answers, stop: Callable[[], None]) -> LiveOutput:
    """Return a live output for answers that are about to stream."""
    return LiveOutput(
        answers,
        widget=lambda: stop_button.create(stop, tooltip="Stop these answers"),
        draw=lambda box, state: stop_button.update_html(box, html(state)),
        final=bundle,
    )


def diff_html(first: str, second: str) -> str:
    """Return the second text as HTML, with what the first has not and has marked."""
    tags = {"delete": f"<del {styles.REMOVED}>{{}}</del>", "insert": f"<ins {styles.ADDED}>{{}}</ins>"}
    edits = diff_texts(first[:MAX_COMPARED_CHARS], second[:MAX_COMPARED_CHARS])
    return "".join(tags.get(op, "{}").format(escape(part)) for op, part in edits)


def _differences_html(answers: Answers) -> str:
    """Return the difference of each answer to the first, folded; nothing while they stream."""
    first = answers[0]
    rows = [
        f"<p><b>{escape(first.model)} → {escape(later.model)}</b><br>{diff_html(first.text, later.text)}</p>"
        for later in answers[1:]
        if first.text and later.text and first.text != later.text
    ]
    if not rows or any(answer.state in {"waiting", "streaming"} for answer in answers):
        return ""
    return f"<details><summary>差异 differences</summary>{''.join(rows)}</details>"
