"""The launch form as HTML and as text: labels, the data, the summary."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from pydantic.alias_generators import to_snake

from ...trainer.form.code_estimate import estimate_launch, render_code
from ...trainer.form.launch_form import CHOICE_TYPES, Draft, LaunchForm
from ...wire.finetune_v2 import SupportedParameter
from .. import dataset, styles
from ..display import Bundle
from ..text import NO_FORMULAS, escape, strip_controls

LaunchStage = Literal["loading", "unavailable", "editing", "confirming", "launching"]

FIELD_LABELS: Final[Mapping[str, tuple[str, str]]] = {
    "config": ("配置 configuration", "保存的名称，或过去的训练 a saved name, or a past run"),
    "dataset": ("数据集 dataset", "变量、文件或 a variable, a file, or ds-..."),
    "held_out": ("验证集比例 held out, %", "0 – 100，不参与训练的行 rows that are not trained on"),
    "model": ("模型 model", "平台列出的，或其他名称 listed by the platform, or another name"),
    "mode": ("训练方式 train mode", "SFT 有监督微调 · PostPretrain 续训 · DPO, KTO 偏好对齐"),
    "scale": ("参数规模 parameter scale", "LoRA 低秩 · FullFineTuning 全量 · PromptTuning 提示"),
    "others": ("其他超参 other hyper-parameters", ""),
    "after": ("训练之后 afterwards", "每一步包含前面各步 each step includes those before it"),
    "model_name": ("模型名称 model's name", "留空为 empty: m_<task_id>"),
    "suffix": ("服务后缀 endpoint suffix", "≤ 30：a-z 0-9 _，可留空 may be empty"),
    "replicas": ("副本数 replicas", "1 – 100"),
    "hours": ("时长 hours", "1 – 720，预付 paid in advance"),
    "eval_dataset": ("评估数据 evaluation data", "exact match, F1, ROUGE-L"),
    "name": ("任务名称 job's name", "留空则自动生成 empty: made by qfnb"),
}
"""The title of each field and the explanation below it; `others` are hyper-parameters that the model lacks."""

FINAL_STEP_LABELS: Final = {
    "train": "仅训练 train only",
    "publish": "发布模型 publish",
    "deploy": "发布并部署 publish and deploy",
    "evaluate": "发布、部署并评估 publish, deploy, evaluate",
}

_WIDGETS: Final = {
    **dict.fromkeys(("mode", "scale", "after"), "Dropdown"),
    **dict.fromkeys(("config", "dataset", "eval_dataset", "model"), "Combobox"),
    "choice": "Dropdown",
    "mult_choice": "SelectMultiple",
}
"""The widget of a field, and of a kind of hyper-parameter, where it is not a Text."""


@dataclass(frozen=True)
class LauncherState:
    """A form and how far it is.

    Attributes:
        stage: loading the choices, unavailable without them, editing, confirming a launch, or launching.
        message: the result of the last click.
        variables: names of datasets that are variables of the notebook.
        configurations: names of drafts and past runs that can be loaded.
        files: data files beside the notebook.
    """

    form: LaunchForm = field(default_factory=LaunchForm)
    stage: LaunchStage = "loading"
    message: str = ""
    variables: frozenset[str] = frozenset()
    configurations: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def is_loaded(self) -> bool:
        """Whether the choices are there, so that the form can be filled in."""
        return self.stage not in {"loading", "unavailable"}


class Field(NamedTuple):
    """One field of the form.

    Attributes:
        name: what `Launcher.choose` takes.
        title, note: the label, and the explanation below it.
        value: as it is typed or chosen.
        widget: Text, Combobox, Dropdown or SelectMultiple.
        choices: values, or pairs of a label and a value.
        rule: the range of a hyper-parameter; a field with a different rule is a different field.
    """

    name: str
    title: str
    note: str
    value: Any
    widget: str = "Text"
    choices: tuple[Any, ...] = ()
    rule: str = ""


def list_fields(state: LauncherState) -> list[Field]:
    """Return the fields that a form needs, in their order."""
    form, data = state.form, (*sorted(state.variables), *state.files)
    choices: dict[str, tuple[Any, ...]] = {
        "config": state.configurations,
        "dataset": data,
        "eval_dataset": data,
        "model": tuple(row.model for row in form.supported_models),
        "mode": tuple(form.modes),
        "scale": tuple(form.scales),
        "after": tuple((label, key) for key, label in FINAL_STEP_LABELS.items()),
    }

    def create_field(name: str) -> Field:
        value, widget = getattr(form.draft, name, ""), _WIDGETS.get(name, "Text")
        return Field(name, *FIELD_LABELS[name], value, widget, choices.get(name, ()))

    return [
        *map(create_field, ("config", "dataset", "held_out", "model", "mode", "scale")),
        *(_parameter_field(row, form.draft.values.get(row.key, "")) for row in form.parameters),
        *map(create_field, ("after", *_final_step_fields(form.draft), "name")),
    ]


def _parameter_field(row: SupportedParameter, value: Any) -> Field:
    title = " ".join(filter(None, (row.name, to_snake(row.key))))
    note = " · ".join(filter(None, (_range(row), row.description)))
    rule = f"{row.check_type}{row.check_value}{row.default}"
    if row.check_type not in CHOICE_TYPES or not row.check_value:
        return Field(row.key, title, note, value, rule=rule)
    is_blank = value == "" or row.default not in row.check_value
    blank = [("—", "")] if row.check_type == "choice" and is_blank else []
    choices = (*blank, *((str(choice), choice) for choice in row.check_value))
    return Field(row.key, title, note, value, _WIDGETS[row.check_type], choices, rule)


def _range(row: SupportedParameter) -> str:
    default = "" if row.default is None else f"默认 default {row.default}"
    if row.check_type == "range" and len(row.check_value) == 2:
        return f"{row.check_value[0]} – {row.check_value[1]}{default and '，'}{default}"
    return default


def _final_step_fields(draft: Draft) -> tuple[str, ...]:
    """Return the names of the fields that the steps after the training need."""
    model_fields = ("model_name",) if draft.after != "train" else ()
    service_fields = ("suffix", "replicas", "hours") if draft.after in {"deploy", "evaluate"} else ()
    return (*model_fields, *service_fields, *(("eval_dataset",) if draft.after == "evaluate" else ()))


TITLE: Final = "微调 fine-tuning"
LOADING: Final = "正在询问平台可调优的模型… asking the platform what can be tuned…"
PYTHON_HEADING: Final = "等价的 Python 单元格 the same as Python"
READING: Final = "正在读取 reading…"


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
        f'<tr><th scope="row" {styles.CELL_FLUSH}>{escape(name)}</th><td {styles.CELL_FLUSH}>{escape(value)}</td></tr>'
        for name, value in _values(state)
    )
    table = f"<table {styles.TABLE}>{rows}</table>"
    return f"<div {styles.BODY_COMPACT}><div><b>{escape(title(state))}</b></div>{table}{summary(state)}</div>"


def summary(state: LauncherState) -> str:
    """Return what stands above the buttons: the estimate, the same as Python, what is wrong, the message."""
    if not state.is_loaded:
        lines = (state.message or LOADING).split("\n")
        return f'<div {styles.BODY_COMPACT} role="status"><b>{TITLE}</b>{_divs(lines)}</div>'
    script = render_code(state.form, state.variables)
    code = f"<div {styles.DIM}>{PYTHON_HEADING}</div><pre {styles.CODE}>{escape(script)}</pre>" if script else ""
    estimate = f"<div {styles.DIM}>{_divs(_estimate_lines(state))}</div>"
    message = "".join(f"<div><b>{escape(line)}</b></div>" for line in _message(state))
    issues = _divs(_issue_lines(state), styles.ERROR)
    return f'<div {styles.BODY_COMPACT}>{estimate}{code}{issues}<div role="status">{message}</div></div>'


def preview(state: LauncherState) -> str:
    """Return the chosen dataset: its first rows, how many they are, and their tokens."""
    source = state.form.draft.dataset
    if not source.strip():
        return ""
    if (info := state.form.datasets.get(source)) is None:
        return f"<div {styles.DIM}>{READING}</div>"
    if info.dataset is None:
        return ""
    counts = f"<div {styles.DIM}>{info.rows:,} 行 rows · tokens n/a</div>" if info.tokens is None else ""
    return f"{counts}{dataset.html(info.dataset)}"


def label(state: LauncherState, field: Field) -> str:
    """Return a field's title with its explanation below, and what is wrong with its value."""
    issue, warning = state.form.issues.get(field.name, ""), state.form.warnings.get(field.name, "")
    content = f"<b>{escape(field.title)}</b><span {styles.DIM_BLOCK}>{escape(field.note)}</span>"
    content += f"<span {styles.ERROR}>✘ {escape(issue)}</span>" if issue else ""
    content += f"<span {styles.WARNING}>⚠ {escape(warning)}</span>" if warning else ""
    return f"<span {styles.LABEL} {NO_FORMULAS}>{content}</span>"


def title(state: LauncherState) -> str:
    """Return what the form is, and where it would train."""
    return f"{TITLE} · {styles.SANDBOX_LABEL}" if state.form.from_sandbox else TITLE


def _values(state: LauncherState) -> list[tuple[str, Any]]:
    """Return the titles and values of the fields that are filled in."""
    rows = {field.title: field.value for field in list_fields(state) if field.name != "config"}
    rows[FIELD_LABELS["after"][0]] = FINAL_STEP_LABELS[state.form.draft.after]
    return [(name, value) for name, value in rows.items() if value not in ("", None, [])]


def _estimate_lines(state: LauncherState) -> list[str]:
    return [f"{name}: {value}" for name, value in estimate_launch(state.form).lines()]


def _issue_lines(state: LauncherState) -> list[str]:
    titles = {key: FIELD_LABELS[key][0] if key in FIELD_LABELS else to_snake(key) for key in state.form.issues}
    return [f"✘ {titles[key]}: {message}" for key, message in state.form.issues.items()]


def _message(state: LauncherState) -> list[str]:
    return state.message.split("\n") if state.message else []


def _divs(lines: list[str], style: str = "") -> str:
    return "".join(f"<div {style}>{escape(line)}</div>" for line in lines)
