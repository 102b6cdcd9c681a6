"""The launch form as values: how far it is, and its fields with their labels, values and choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple

from pydantic.alias_generators import to_snake

from ...trainer.form.value import CHOICE_TYPES, Draft, LaunchForm
from ...wire.finetune import SupportedParameter

LaunchStage = Literal["loading", "unavailable", "editing", "confirming", "launching"]

FIELD_LABELS: Final[Mapping[str, tuple[str, str]]] = {
    "config": ("配置 configuration", "保存的名称，或过去的训练 a saved name, or a past run"),
    "dataset": ("数据集 dataset", "变量、文件或 a variable, a file, or ds-..."),
    "held_out": ("验证集比例 held out, %", "0 – 100，不参与训练的行 rows that are not trained on"),
    "model": ("模型 model", "平台列出的，或其他名称 listed by the platform, or another name"),
    "mode": ("训练方式 train mode", "SFT 有监督微调 · PostPretrain 续训 · DPO 偏好对齐"),
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
        rule: the range of a hyper-parameter; with another rule it is another field.
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
    blank = [("—", "")] if row.check_type == "choice" and row.default not in row.check_value else []
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
