"""The calls of Python functions before an answer: each with its arguments, its result and its duration."""

import json
from collections.abc import Sequence

from .._text import clip
from ..resources.inference.reply import ToolStep
from ..resources.inference.tools import describe_call
from . import styles
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
    return blocks + (f"<div>⚙ <code>{escape(running)}</code> … 正在运行 / running</div>" if running else "")


def _step_html(step: ToolStep) -> str:
    arguments = json.dumps(step.call.arguments, ensure_ascii=False, indent=1, default=str)
    parts = [("参数 arguments", arguments), ("错误 error" if step.is_error else "结果 result", step.result)]
    body = "".join(
        f"<div {styles.DIM}>{label}</div><pre {styles.CODE}>{escape(clip(text, MAX_SHOWN_CHARS))}</pre>"
        for label, text in parts
    )
    sign, outcome = ("✘", f" {escape(one_line(step.result, 100))}") if step.is_error else ("⚙", "")
    summary = f"{sign} <code>{escape(describe_call(step.call, 120))}</code>{outcome} · {step.seconds:.2f} s"
    return f"<details><summary {styles.SUMMARY}>{summary}</summary>{body}</details>"


def steps_text(steps: Sequence[ToolStep]) -> str:
    """Return the calls as text, a line each."""
    return "\n".join(
        f"{'✘' if step.is_error else '⚙'} {strip_controls(describe_call(step.call, 120))}"
        f" → {one_line(step.result, 200)} · {step.seconds:.2f} s"
        for step in steps
    )
