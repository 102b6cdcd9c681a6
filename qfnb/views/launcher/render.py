"""The form that starts a training, as HTML and as text: what a field says, the data, the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic.alias_generators import to_snake

from ...trainer.form.code import render_code
from ...trainer.form.estimate import estimate_launch
from ...trainer.form.value import Draft, LaunchForm
from ...wire.finetune import SupportedParameter
from .. import dataset
from ..chat import SANDBOX_LABEL
from ..display import Bundle
from ..escape import escape, strip_controls

LaunchStage = Literal["asking", "unanswered", "editing", "confirming", "launching"]

TITLE: Final = "微调 fine-tuning"
LOADING: Final = "正在询问平台可调优的模型… asking the platform what can be tuned…"
PYTHON_HEADING: Final = "等价的 Python 单元格 the same as Python"
READING: Final = "正在读取 reading…"

FIELD_LABELS: Final[Mapping[str, tuple[str, str]]] = {
    "config": ("配置 configuration", "保存的名称，或过去的训练 a saved name, or a past run"),
    "dataset": ("数据集 dataset", "变量、文件或 a variable, a file, or ds-..."),
    "held_out": ("验证集比例 held out, %", "0 – 100，不参与训练的行 rows that are not trained on"),
    "model": ("模型 model", "平台列出的，或其他名称 listed by the platform, or another name"),
    "mode": ("训练方式 train mode", "SFT 有监督微调 · PostPretrain 续训 · DPO 偏好对齐"),
    "scale": ("参数规模 parameter scale", "LoRA 低秩 · FullFineTuning 全量 · PromptTuning 提示"),
    "others": ("其他超参 other hyper-parameters", "key=value; key=value"),
    "after": ("训练之后 afterwards", "每一步包含前面各步 each step includes those before it"),
    "model_name": ("模型名称 model's name", "留空为 empty: m_<task_id>"),
    "suffix": ("服务后缀 endpoint suffix", "≤ 30：a-z 0-9 _，可留空 may be empty"),
    "replicas": ("副本数 replicas", "1 – 100"),
    "hours": ("时长 hours", "1 – 720，预付 paid in advance"),
    "eval_dataset": ("评估数据 evaluation data", "exact match, F1, ROUGE-L"),
    "name": ("任务名称 job's name", "留空则自动生成 empty: made by qfnb"),
}
"""The label of each field and what it says below."""

FINAL_STEP_LABELS: Final = {
    "train": "仅训练 train only",
    "publish": "发布模型 publish",
    "deploy": "发布并部署 publish and deploy",
    "evaluate": "发布、部署并评估 publish, deploy, evaluate",
}

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


@dataclass(frozen=True)
class LauncherState:
    """A form and how far it is.

    Attributes:
        stage: asking the platform, without its answer, being filled, waiting for the second click, or begun.
        message: what the last click came to.
        variables: the names of datasets that are variables.
        configurations: what can be loaded.
        files: what is beside the notebook.
    """

    form: LaunchForm = field(default_factory=LaunchForm)
    stage: LaunchStage = "asking"
    message: str = ""
    variables: frozenset[str] = frozenset()
    configurations: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def bundle(state: LauncherState) -> Bundle:
    """Return the form in every format, as something that is read and not filled in."""
    return {"text/plain": text(state), "text/html": html(state)}


def text(state: LauncherState) -> str:
    """Return the form as lines: what is chosen, what is wrong, what it takes, and the cell that does it."""
    if state.stage in {"asking", "unanswered"}:
        return strip_controls(f"{TITLE}\n{state.message or LOADING}")
    rows = [f"  {name}: {value}" for name, value in _selected_rows(state.form)]
    lines = [title(state), *rows, *(f"  {line}" for line in _estimate_lines(state)), *_issue_lines(state)]
    script = render_code(state.form, state.variables)
    return strip_controls(
        "\n".join([*lines, *(["", PYTHON_HEADING, script] if script else []), *_message_lines(state)])
    )


def html(state: LauncherState) -> str:
    """Return the form as HTML that needs no kernel."""
    if state.stage in {"asking", "unanswered"}:
        return f"<div {_BODY}><b>{TITLE}</b>{_message_html(state.message or LOADING)}</div>"
    rows = "".join(
        f'<tr><th scope="row" {_CELL}>{escape(name)}</th><td {_CELL}>{escape(value)}</td></tr>'
        for name, value in _selected_rows(state.form)
    )
    table = f"<table {_TABLE}>{rows}</table>"
    return f"<div {_BODY}><div><b>{escape(title(state))}</b></div>{table}{summary(state)}</div>"


def summary(state: LauncherState) -> str:
    """Return what stands above the buttons: the estimate, what is wrong, the same as Python, the message."""
    if state.stage in {"asking", "unanswered"}:
        return f'<div {_BODY} role="status"><b>{TITLE}</b>{_message_html(state.message or LOADING)}</div>'
    estimate_html = "".join(f"<div>{escape(line)}</div>" for line in _estimate_lines(state))
    issues = "".join(f"<div {_ERROR}>{escape(line)}</div>" for line in _issue_lines(state))
    script = render_code(state.form, state.variables)
    python_html = f"<div {_DIM}>{PYTHON_HEADING}</div><pre {_CODE}>{escape(script)}</pre>" if script else ""
    message = "".join(f"<div><b>{escape(line)}</b></div>" for line in _message_lines(state))
    return f'<div {_BODY}><div {_DIM}>{estimate_html}</div>{python_html}{issues}<div role="status">{message}</div></div>'


def preview(state: LauncherState) -> str:
    """Return the chosen dataset: its first rows, how many they are, and their tokens."""
    source = state.form.draft.dataset
    if not source.strip():
        return ""
    info = state.form.datasets.get(source)
    if info is None:
        return f"<div {_DIM}>{READING}</div>"
    if info.dataset is None:
        return ""
    counts = f"<div {_DIM}>{info.rows:,} 行 rows · tokens n/a</div>" if info.tokens is None else ""
    return f"{counts}{dataset.html(info.dataset)}"


def label(state: LauncherState, key: str) -> str:
    """Return a field's name with its explanation below, and what is wrong with its value."""
    name, note = FIELD_LABELS[key]
    return _label(name, note, state, key)


def parameter_label(state: LauncherState, row: SupportedParameter) -> str:
    """Return a hyper-parameter's name, range and explanation, and what is wrong with its value."""
    name = " ".join(part for part in (row.name, to_snake(row.key)) if part)
    return _label(name, " · ".join(part for part in (_range(row), row.description) if part), state, row.key)


def _label(name: str, note: str, state: LauncherState, key: str) -> str:
    form = state.form
    issue, warning = form.issues.get(key, ""), form.warnings.get(key, "")
    lines = f"<b>{escape(name)}</b><span {_NOTE}>{escape(note)}</span>"
    lines += f"<span {_ERROR}>✘ {escape(issue)}</span>" if issue else ""
    lines += f"<span {_WARNING}>⚠ {escape(warning)}</span>" if warning else ""
    return f"<span {_LABEL}>{lines}</span>"


def _range(row: SupportedParameter) -> str:
    if row.check_type == "range" and len(row.check_value) == 2:
        default = "" if row.default is None else f"，默认 default {row.default}"
        return f"{row.check_value[0]} – {row.check_value[1]}{default}"
    return "" if row.default is None else f"默认 default {row.default}"


def title(state: LauncherState) -> str:
    """Return what the form is, and where it would train."""
    return f"{TITLE} · {SANDBOX_LABEL}" if state.form.from_sandbox else TITLE


def _selected_rows(form: LaunchForm) -> list[tuple[str, Any]]:
    """Return what is chosen, with names as people read them."""
    draft = form.draft
    first = [
        (FIELD_LABELS[key][0], getattr(draft, key))
        for key in ("dataset", "held_out", "model", "mode", "scale")
    ]
    values = [(to_snake(row.key), draft.values.get(row.key, "")) for row in form.parameters]
    last = [(FIELD_LABELS[key][0], getattr(draft, key)) for key in ("name", *final_step_fields(draft))]
    rows = [*first, *values, (FIELD_LABELS["after"][0], FINAL_STEP_LABELS[draft.after]), *last]
    return [(name, value) for name, value in rows if value not in ("", None, [])]


def final_step_fields(draft: Draft) -> tuple[str, ...]:
    """Return the fields that what comes after the training needs."""
    model_fields = ("model_name",) if draft.after != "train" else ()
    service_fields = ("suffix", "replicas", "hours") if draft.after in {"deploy", "evaluate"} else ()
    return (*model_fields, *service_fields, *(("eval_dataset",) if draft.after == "evaluate" else ()))


def _estimate_lines(state: LauncherState) -> list[str]:
    return [f"{name}: {value}" for name, value in estimate_launch(state.form).lines()]


def _issue_lines(state: LauncherState) -> list[str]:
    return [
        f"✘ {FIELD_LABELS[key][0] if key in FIELD_LABELS else to_snake(key)}: {message}"
        for key, message in state.form.issues.items()
    ]


def _message_lines(state: LauncherState) -> list[str]:
    return state.message.split("\n") if state.message else []


def _message_html(message: str) -> str:
    return "".join(f"<div>{escape(line)}</div>" for line in message.split("\n"))
