"""The launch form as HTML and as text: labels, the data, the summary."""

from __future__ import annotations

from typing import Any, Final

from pydantic.alias_generators import to_snake

from ...trainer.form.code import render_code
from ...trainer.form.estimate import estimate_launch
from .. import dataset
from ..chat import SANDBOX_LABEL
from ..display import Bundle
from ..escape import escape, strip_controls
from .fields import FIELD_LABELS, FINAL_STEP_LABELS, Field, LauncherState, list_fields

TITLE: Final = "微调 fine-tuning"
LOADING: Final = "正在询问平台可调优的模型… asking the platform what can be tuned…"
PYTHON_HEADING: Final = "等价的 Python 单元格 the same as Python"
READING: Final = "正在读取 reading…"

_BODY = 'style="line-height:1.5"'
_DIM = 'style="font-size:90%;opacity:0.8"'
_LABEL = 'style="display:block;text-align:left;white-space:normal;line-height:1.35;overflow-wrap:anywhere"'
_NOTE = 'style="display:block;font-size:90%;opacity:0.8"'
_ERROR = 'style="display:block;font-size:90%;font-weight:bold;color:#d9363e"'
_WARNING = 'style="display:block;font-size:90%;color:#b7791f"'
_TABLE = 'style="border-collapse:collapse;margin:4px 0;font-size:90%"'
_CELL = 'style="text-align:left;vertical-align:top;padding:2px 10px 2px 0;border-bottom:1px solid #8884"'
_CODE = (
    'style="white-space:pre-wrap;overflow-wrap:anywhere;font-size:90%;line-height:1.4;border:1px solid #8884;'
    'padding:6px 8px;margin:2px 0"'
)


def bundle(state: LauncherState) -> Bundle:
    """Return the form in every format, to be read and not filled in."""
    return {"text/plain": text(state), "text/html": html(state)}


def text(state: LauncherState) -> str:
    """Return the form as lines: the values, the estimate, what is wrong, and the same as Python."""
    if not state.is_loaded:
        return strip_controls(f"{TITLE}\n{state.message or LOADING}")
    rows = [f"{name}: {value}" for name, value in _values(state)]
    lines = [f"  {line}" for line in [*rows, *_estimate_lines(state)]]
    script = render_code(state.form, state.variables)
    code = ["", PYTHON_HEADING, script] if script else []
    return strip_controls("\n".join([title(state), *lines, *_issue_lines(state), *code, *_message(state)]))


def html(state: LauncherState) -> str:
    """Return the form as HTML that needs no kernel."""
    if not state.is_loaded:
        return summary(state)
    rows = "".join(
        f'<tr><th scope="row" {_CELL}>{escape(name)}</th><td {_CELL}>{escape(value)}</td></tr>'
        for name, value in _values(state)
    )
    table = f"<table {_TABLE}>{rows}</table>"
    return f"<div {_BODY}><div><b>{escape(title(state))}</b></div>{table}{summary(state)}</div>"


def summary(state: LauncherState) -> str:
    """Return what stands above the buttons: the estimate, the same as Python, what is wrong, the message."""
    if not state.is_loaded:
        lines = (state.message or LOADING).split("\n")
        return f'<div {_BODY} role="status"><b>{TITLE}</b>{_divs(lines)}</div>'
    script = render_code(state.form, state.variables)
    code = f"<div {_DIM}>{PYTHON_HEADING}</div><pre {_CODE}>{escape(script)}</pre>" if script else ""
    estimate = f"<div {_DIM}>{_divs(_estimate_lines(state))}</div>"
    message = "".join(f"<div><b>{escape(line)}</b></div>" for line in _message(state))
    issues = _divs(_issue_lines(state), _ERROR)
    return f'<div {_BODY}>{estimate}{code}{issues}<div role="status">{message}</div></div>'


def preview(state: LauncherState) -> str:
    """Return the chosen dataset: its first rows, how many they are, and their tokens."""
    source = state.form.draft.dataset
    if not source.strip():
        return ""
    if (info := state.form.datasets.get(source)) is None:
        return f"<div {_DIM}>{READING}</div>"
    if info.dataset is None:
        return ""
    counts = f"<div {_DIM}>{info.rows:,} 行 rows · tokens n/a</div>" if info.tokens is None else ""
    return f"{counts}{dataset.html(info.dataset)}"


def label(state: LauncherState, field: Field) -> str:
    """Return a field's title with its explanation below, and what is wrong with its value."""
    issue, warning = state.form.issues.get(field.name, ""), state.form.warnings.get(field.name, "")
    lines = f"<b>{escape(field.title)}</b><span {_NOTE}>{escape(field.note)}</span>"
    lines += f"<span {_ERROR}>✘ {escape(issue)}</span>" if issue else ""
    lines += f"<span {_WARNING}>⚠ {escape(warning)}</span>" if warning else ""
    return f"<span {_LABEL}>{lines}</span>"


def title(state: LauncherState) -> str:
    """Return what the form is, and where it would train."""
    return f"{TITLE} · {SANDBOX_LABEL}" if state.form.from_sandbox else TITLE


def _values(state: LauncherState) -> list[tuple[str, Any]]:
    """Return the titles and values of the fields that are filled in."""
    rows = {field.title: field.value for field in list_fields(state) if field.name != "config"}
    rows[FIELD_LABELS["after"][0]] = FINAL_STEP_LABELS[state.form.draft.after]
    return [(name, value) for name, value in rows.items() if value not in ("", None, [])]


def _estimate_lines(state: LauncherState) -> list[str]:
    return [f"{name}: {value}" for name, value in estimate_launch(state.form).lines()]


def _issue_lines(state: LauncherState) -> list[str]:
    titles = {
        key: FIELD_LABELS[key][0] if key in FIELD_LABELS else to_snake(key) for key in state.form.issues
    }
    return [f"✘ {titles[key]}: {message}" for key, message in state.form.issues.items()]


def _message(state: LauncherState) -> list[str]:
    return state.message.split("\n") if state.message else []


def _divs(lines: list[str], style: str = "") -> str:
    return "".join(f"<div {style}>{escape(line)}</div>" for line in lines)
