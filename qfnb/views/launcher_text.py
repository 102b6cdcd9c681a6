"""The form that starts a training, as HTML and as text: what a field says, the data, the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic.alias_generators import to_snake

from ..trainer.launch import Draft, Form
from ..trainer.launch_code import code
from ..trainer.launch_estimate import estimate
from ..wire.finetune import SupportedParameter
from . import dataset
from .chat import SANDBOX
from .display import Bundle
from .safety import escape, plain

Stage = Literal["asking", "unanswered", "editing", "confirming", "launching"]

TITLE: Final = "微调 fine-tuning"
ASKING: Final = "正在询问平台可调优的模型… asking the platform what can be tuned…"
SAME: Final = "等价的 Python 单元格 the same as Python"
READING: Final = "正在读取 reading…"

NAMES: Final[Mapping[str, tuple[str, str]]] = {
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

AFTERS: Final = {
    "train": "仅训练 train only",
    "publish": "发布模型 publish",
    "deploy": "发布并部署 publish and deploy",
    "evaluate": "发布、部署并评估 publish, deploy, evaluate",
}

_BODY = 'style="line-height:1.5"'
_DIM = 'style="font-size:90%;opacity:0.8"'
_LABEL = 'style="display:block;text-align:left;white-space:normal;line-height:1.35;overflow-wrap:anywhere"'
_NOTE = 'style="display:block;font-size:90%;opacity:0.8"'
_WRONG = 'style="display:block;font-size:90%;font-weight:bold;color:#d9363e"'
_DOUBT = 'style="display:block;font-size:90%;color:#b7791f"'
_TABLE = 'style="border-collapse:collapse;margin:4px 0;font-size:90%"'
_CELL = 'style="text-align:left;vertical-align:top;padding:2px 10px 2px 0;border-bottom:1px solid #8884"'
_CODE = (
    'style="white-space:pre-wrap;overflow-wrap:anywhere;font-size:90%;line-height:1.4;border:1px solid #8884;'
    'padding:6px 8px;margin:2px 0"'
)


@dataclass(frozen=True)
class Sheet:
    """A form and how far it is.

    Attributes:
        stage: asking the platform, without its answer, being filled, waiting for the second click, or begun.
        message: what the last click came to.
        variables: the names of datasets that are variables.
        configurations: what can be loaded.
        files: what is beside the notebook.
    """

    form: Form = field(default_factory=Form)
    stage: Stage = "asking"
    message: str = ""
    variables: frozenset[str] = frozenset()
    configurations: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def bundle(sheet: Sheet) -> Bundle:
    """Return the form in every format, as something that is read and not filled in."""
    return {"text/plain": text(sheet), "text/html": html(sheet)}


def text(sheet: Sheet) -> str:
    """Return the form as lines: what is chosen, what is wrong, what it takes, and the cell that does it."""
    if sheet.stage in {"asking", "unanswered"}:
        return plain(f"{TITLE}\n{sheet.message or ASKING}")
    rows = [f"  {name}: {value}" for name, value in _chosen(sheet.form)]
    lines = [title(sheet), *rows, *(f"  {line}" for line in _estimate(sheet)), *_faults(sheet)]
    script = code(sheet.form, sheet.variables)
    return plain("\n".join([*lines, *(["", SAME, script] if script else []), *_message(sheet)]))


def html(sheet: Sheet) -> str:
    """Return the form as HTML that needs no kernel."""
    if sheet.stage in {"asking", "unanswered"}:
        return f"<div {_BODY}><b>{TITLE}</b>{_lines(sheet.message or ASKING)}</div>"
    rows = "".join(
        f'<tr><th scope="row" {_CELL}>{escape(name)}</th><td {_CELL}>{escape(value)}</td></tr>'
        for name, value in _chosen(sheet.form)
    )
    table = f"<table {_TABLE}>{rows}</table>"
    return f"<div {_BODY}><div><b>{escape(title(sheet))}</b></div>{table}{summary(sheet)}</div>"


def summary(sheet: Sheet) -> str:
    """Return what stands above the buttons: the estimate, what is wrong, the same as Python, the message."""
    if sheet.stage in {"asking", "unanswered"}:
        return f'<div {_BODY} role="status"><b>{TITLE}</b>{_lines(sheet.message or ASKING)}</div>'
    estimated = "".join(f"<div>{escape(line)}</div>" for line in _estimate(sheet))
    faults = "".join(f"<div {_WRONG}>{escape(line)}</div>" for line in _faults(sheet))
    script = code(sheet.form, sheet.variables)
    same = f"<div {_DIM}>{SAME}</div><pre {_CODE}>{escape(script)}</pre>" if script else ""
    said = "".join(f"<div><b>{escape(line)}</b></div>" for line in _message(sheet))
    return f'<div {_BODY}><div {_DIM}>{estimated}</div>{same}{faults}<div role="status">{said}</div></div>'


def preview(sheet: Sheet) -> str:
    """Return the chosen dataset: its first rows, how many they are, and their tokens."""
    source = sheet.form.draft.dataset
    if not source.strip():
        return ""
    data = sheet.form.data.get(source)
    if data is None:
        return f"<div {_DIM}>{READING}</div>"
    if data.dataset is None:
        return ""
    counts = f"<div {_DIM}>{data.rows:,} 行 rows · tokens n/a</div>" if data.tokens is None else ""
    return f"{counts}{dataset.html(data.dataset)}"


def label(sheet: Sheet, key: str) -> str:
    """Return a field's name with its explanation below, and what is wrong with its value."""
    name, note = NAMES[key]
    return _label(name, note, sheet, key)


def parameter_label(sheet: Sheet, row: SupportedParameter) -> str:
    """Return a hyper-parameter's name, range and explanation, and what is wrong with its value."""
    name = " ".join(part for part in (row.name, to_snake(row.key)) if part)
    return _label(name, " · ".join(part for part in (_range(row), row.description) if part), sheet, row.key)


def _label(name: str, note: str, sheet: Sheet, key: str) -> str:
    form = sheet.form
    wrong, doubt = form.issues.get(key, ""), form.warnings.get(key, "")
    lines = f"<b>{escape(name)}</b><span {_NOTE}>{escape(note)}</span>"
    lines += f"<span {_WRONG}>✘ {escape(wrong)}</span>" if wrong else ""
    lines += f"<span {_DOUBT}>⚠ {escape(doubt)}</span>" if doubt else ""
    return f"<span {_LABEL}>{lines}</span>"


def _range(row: SupportedParameter) -> str:
    if row.check_type == "range" and len(row.check_value) == 2:
        default = "" if row.default is None else f"，默认 default {row.default}"
        return f"{row.check_value[0]} – {row.check_value[1]}{default}"
    return "" if row.default is None else f"默认 default {row.default}"


def title(sheet: Sheet) -> str:
    """Return what the form is, and where it would train."""
    return f"{TITLE} · {SANDBOX}" if sheet.form.from_sandbox else TITLE


def _chosen(form: Form) -> list[tuple[str, Any]]:
    """Return what is chosen, with names as people read them."""
    draft = form.draft
    first = [
        (NAMES[key][0], getattr(draft, key)) for key in ("dataset", "held_out", "model", "mode", "scale")
    ]
    values = [(to_snake(row.key), draft.values.get(row.key, "")) for row in form.parameters]
    last = [(NAMES[key][0], getattr(draft, key)) for key in ("name", *shown_after(draft))]
    rows = [*first, *values, (NAMES["after"][0], AFTERS[draft.after]), *last]
    return [(name, value) for name, value in rows if value not in ("", None, [])]


def shown_after(draft: Draft) -> tuple[str, ...]:
    """Return the fields that what comes after the training needs."""
    named = ("model_name",) if draft.after != "train" else ()
    served = ("suffix", "replicas", "hours") if draft.after in {"deploy", "evaluate"} else ()
    return (*named, *served, *(("eval_dataset",) if draft.after == "evaluate" else ()))


def _estimate(sheet: Sheet) -> list[str]:
    return [f"{name}: {value}" for name, value in estimate(sheet.form).lines()]


def _faults(sheet: Sheet) -> list[str]:
    return [
        f"✘ {NAMES[key][0] if key in NAMES else to_snake(key)}: {flaw}"
        for key, flaw in sheet.form.issues.items()
    ]


def _message(sheet: Sheet) -> list[str]:
    return sheet.message.split("\n") if sheet.message else []


def _lines(message: str) -> str:
    return "".join(f"<div>{escape(line)}</div>" for line in message.split("\n"))
