"""A stored conversation, read from top to bottom: who said what, answers as Markdown, tools and
reasoning folded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..base.language import tr, tr_noop, trn
from ..base.text import turn_text
from . import components, formats
from .components import Html
from .display import Bundle
from .markdown import render_markdown
from .text import escape, inert, strip_controls

ROLES: Final = {
    "user": tr_noop("You"),
    "assistant": tr_noop("Model"),
    "system": tr_noop("System"),
    "tool": tr_noop("Function"),
    "function": tr_noop("Function"),
}

MAX_TURNS: Final = 40
"""Turns that are shown; the last ones."""


@dataclass(frozen=True)
class ConversationView:
    """A conversation that shows itself.

    Attributes:
        name: of the conversation.
        turns: as they are sent, the oldest first.
        updated: Unix seconds of the last turn.
    """

    name: str
    turns: Sequence[Mapping[str, Any]]
    updated: float

    def _repr_mimebundle_(self, **_: Any) -> Bundle:
        return inert(bundle(self))

    def __repr__(self) -> str:
        return text(self)


def bundle(view: ConversationView) -> Bundle:
    """Return a conversation in every static format."""
    return {"text/plain": text(view), "text/html": html(view)}


def html(view: ConversationView) -> Html:
    """Return a conversation as an output of its own."""
    count = trn("{n} turn", "{n} turns", len(view.turns))
    subtitle = f"{count} · {formats.as_of(view.updated)}"
    earlier = len(view.turns) - MAX_TURNS
    blocks = [
        components.header(f"{tr('Conversation')} · {view.name}", subtitle=subtitle),
        components.dim_lines(trn("{n} earlier turn", "{n} earlier turns", earlier))
        if earlier > 0
        else "",
        *map(_turn_html, view.turns[-MAX_TURNS:]),
        components.footer(components.with_code(_next_step(view))),
    ]
    return components.output(components.panel(view.name, *blocks))


def text(view: ConversationView) -> str:
    """Return a conversation as text."""
    lines = [
        f"{_label(turn)}: {strip_controls(turn_text(turn))}" for turn in view.turns[-MAX_TURNS:]
    ]
    return "\n\n".join([f"{tr('Conversation')} · {view.name}", *lines, _next_step(view)])


def _turn_html(turn: Mapping[str, Any]) -> Html:
    role = str(turn.get("role", ""))
    said = turn_text(turn)
    is_answer = role == "assistant" and not turn.get("tool_calls")
    if is_answer:
        body = f'<div class="qf-md">{render_markdown(said)}</div>'
    else:
        body = f'<div class="qf-text">{escape(said)}</div>'
    if role in {"tool", "function"}:
        body = f"<details><summary>{tr('Result')}</summary><pre>{escape(said)}</pre></details>"
    reasoning = str(turn.get("reasoning_content") or "")
    thought = f'<div class="qf-text">{escape(reasoning)}</div>'
    if reasoning:
        folded = (
            f'<details class="qf-think"><summary>{tr("Reasoning")}</summary>{thought}</details>'
        )
    else:
        folded = ""
    return Html(
        '<article class="qf-answer '
        f'qf-sample"><h4>{escape(_label(turn))}</h4>{folded}{body}</article>'
    )


def _label(turn: Mapping[str, Any]) -> str:
    role = str(turn.get("role", ""))
    if role in ROLES:
        return tr(ROLES[role])
    return role


def _next_step(view: ConversationView) -> str:
    return tr("to go on: `%%qfchat --session {name}`", name=view.name)
