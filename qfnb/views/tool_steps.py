"""The calls of Python functions before an answer: each with its arguments, its result and its
duration.
"""

import json
from collections.abc import Sequence

from ..base.language import tr
from ..base.text import clip
from ..resources.inference.reply import ToolStep
from ..resources.inference.tools import describe_call
from . import formats
from .text import escape, one_line, strip_controls

MAX_SHOWN_CHARS = 2000
"""Characters of arguments and of a result that are shown."""


def steps_html(steps: Sequence[ToolStep], running: str = "") -> str:
    """Return the calls as folded blocks, and the one that is running as a line; "" without calls.

    Args:
        steps: the calls that have ended.
        running: the call that has not, "" for none.
    """
    blocks = "".join(map(_step_html, steps))
    return blocks + (
        f"<div>⚙ <code>{escape(running)}</code> {tr('running')}…</div>" if running else ""
    )


def _step_html(step: ToolStep) -> str:
    arguments = json.dumps(step.call.arguments, ensure_ascii=False, indent=1, default=str)
    parts = [
        (tr("Arguments"), arguments),
        (tr("Error") if step.is_error else tr("Result"), step.result),
    ]
    body = "".join(
        f'<div class="qf-sub">{label}</div><pre>{escape(clip(text, MAX_SHOWN_CHARS))}</pre>'
        for label, text in parts
    )
    sign, outcome = ("✕", f" {escape(one_line(step.result, 100))}") if step.is_error else ("⚙", "")
    summary = (
        f"{sign} <code>{escape(describe_call(step.call, 120))}</code>{outcome} · "
        f"{formats.seconds(step.seconds)}"
    )
    return f"<details><summary>{summary}</summary>{body}</details>"


def steps_text(steps: Sequence[ToolStep]) -> str:
    """Return the calls as text, a line each."""
    return "\n".join(
        f"{'✕' if step.is_error else '⚙'} {strip_controls(describe_call(step.call, 120))}"
        f" → {one_line(step.result, 200)} · {formats.seconds(step.seconds)}"
        for step in steps
    )
