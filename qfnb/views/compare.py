"""Answers of several models side by side, with what they cost and where they differ."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from . import chat, stopping
from .chat import Answer
from .display import Bundle, Live
from .safety import escape, plain

Answers = tuple[Answer, ...]

_TABLE = 'style="table-layout:fixed;width:100%"'
_CELL = 'style="text-align:left;vertical-align:top;padding:4px 10px;border:1px solid #8884"'
_ADDED = 'style="background-color:#22c55e55;text-decoration:none"'
_REMOVED = 'style="background-color:#ef444455"'
LONGEST = 4000
"""Characters of an answer that are compared; longer ones take too long."""


def html(answers: Answers) -> str:
    """Return the answers as columns, and what each has that the first has not."""
    heads = "".join(f"<th {_CELL}>{escape(answer.model)}</th>" for answer in answers)
    cells = "".join(f"<td {_CELL}>{chat.html(answer)}</td>" for answer in answers)
    return f"<div><table {_TABLE}><tr>{heads}</tr><tr>{cells}</tr></table>{_differences(answers)}</div>"


def text(answers: Answers) -> str:
    """Return the answers one below the other."""
    return "\n\n".join(f"== {plain(answer.model)} ==\n{chat.text(answer)}" for answer in answers)


def bundle(answers: Answers) -> Bundle:
    """Return the comparison in every format."""
    return {"text/plain": text(answers), "text/html": html(answers)}


def live(answers: Answers, stop: Callable[[], None]) -> Live:
    """Return a live output for answers that are about to stream."""
    return Live(
        answers,
        widget=lambda: stopping.widget(stop, tooltip="Stop these answers"),
        draw=lambda box, state: stopping.draw(box, html(state)),
        final=bundle,
    )


def difference(first: str, second: str) -> str:
    """Return the second text as HTML, with what the first has not and has marked."""
    a, b = first[:LONGEST], second[:LONGEST]
    parts = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag != "equal" and i2 > i1:
            parts.append(f"<del {_REMOVED}>{escape(a[i1:i2])}</del>")
        if j2 > j1:
            shown = escape(b[j1:j2])
            parts.append(shown if tag == "equal" else f"<ins {_ADDED}>{shown}</ins>")
    return "".join(parts)


def _differences(answers: Answers) -> str:
    """Return the difference of each answer to the first, folded; nothing while they stream."""
    first = answers[0]
    rows = [
        f"<p><b>{escape(first.model)} → {escape(other.model)}</b><br>{difference(first.text, other.text)}</p>"
        for other in answers[1:]
        if first.text and other.text and first.text != other.text
    ]
    if not rows or any(answer.state in {"waiting", "streaming"} for answer in answers):
        return ""
    return f"<details><summary>差异 differences</summary>{''.join(rows)}</details>"
