"""The fields of the launch form: their titles, hints, choices, and what is wrong with their
values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic.alias_generators import to_snake

from ...base.language import language, tr, tr_noop, trn
from ...trainer.form.inspection import DatasetInfo
from ...trainer.form.launch_form import CHOICE_TYPES, LaunchForm, default_count, is_blank
from ...trainer.form.validation import Issue, count_limits, find_issues, find_warnings, plain_number
from ...wire.finetune import SupportedParameter
from ..controls import FieldKind

TITLES: Final[Mapping[str, str]] = {
    "dataset": tr_noop("Training data"),
    "model": tr_noop("Base model"),
    "method": tr_noop("Method"),
    "name": tr_noop("Job name"),
    "after": tr_noop("Afterwards"),
    "variable": tr_noop("Variable"),
    "eval_dataset": tr_noop("Evaluation data"),
    "replicas": tr_noop("Replicas"),
    "hours": tr_noop("Hours"),
    "held_out": tr_noop("Held out, %"),
    "model_name": tr_noop("Name of the model"),
    "suffix": tr_noop("Endpoint suffix"),
    "others": tr_noop("Other settings"),
}
"""The titles of fields; `others` are hyper-parameters that the model lacks."""

PARAMETER_TITLES: Final[Mapping[str, str]] = {
    "epoch": tr_noop("Epochs"),
    "learningRate": tr_noop("Learning rate"),
    "batchSize": tr_noop("Batch size"),
    "globalBatchSize": tr_noop("Global batch size"),
    "maxSeqLen": tr_noop("Maximum length"),
    "loraRank": tr_noop("LoRA rank"),
    "loraAlpha": tr_noop("LoRA scaling"),
    "loraDropout": tr_noop("LoRA dropout"),
    "loraAllLinear": tr_noop("LoRA on all linear layers"),
    "loraTargetModules": tr_noop("LoRA modules"),
    "warmupRatio": tr_noop("Warm-up"),
    "weightDecay": tr_noop("Weight decay"),
    "seed": tr_noop("Seed"),
    "beta": tr_noop("Distance penalty"),
    "loggingSteps": tr_noop("Steps between log lines"),
    "pseudoSamplingProb": tr_noop("Joined turns"),
    "lrSchedulerType": tr_noop("Learning rate schedule"),
    "schedulerName": tr_noop("Learning rate schedule"),
    "numCycles": tr_noop("Cosine waves"),
    "lrEnd": tr_noop("Last learning rate"),
    "power": tr_noop("Polynomial power"),
    "checkpointSaveStrategy": tr_noop("Save checkpoints by"),
    "saveStep": tr_noop("Steps between checkpoints"),
    "checkpointCount": tr_noop("Checkpoints"),
    "validationStep": tr_noop("Steps between validations"),
    "earlyStopping": tr_noop("Early stopping"),
    "earlyStopMetric": tr_noop("Early stopping by"),
    "earlyStoppingThreshold": tr_noop("Early stopping threshold"),
    "earlyStoppingPatience": tr_noop("Early stopping patience"),
}
"""The titles of the platform's hyper-parameters; of one that is new the platform's name is
shown.
"""

FINAL_STEPS: Final = {
    "train": tr_noop("Train only"),
    "publish": tr_noop("Publish the model"),
    "deploy": tr_noop("Publish and deploy"),
    "evaluate": tr_noop("Publish, deploy and evaluate"),
}
FINAL_STEP_HINTS: Final = {
    "train": tr_noop("the platform keeps the checkpoints"),
    "publish": tr_noop("it can be deployed later"),
    "deploy": tr_noop("it can be asked at once"),
    "evaluate": tr_noop("it is asked the evaluation data, and scored"),
}
MODE_HINTS: Final = {
    "SFT": tr_noop("learns from questions and answers"),
    "PostPretrain": tr_noop("goes on with pre-training, on texts"),
    "DPO": tr_noop("learns from pairs of a better and a worse answer"),
    "KTO": tr_noop("learns from answers that were judged one by one"),
}
SCALE_HINTS: Final = {
    "LoRA": tr_noop("few weights: fast and cheap"),
    "LoRA-GA": tr_noop("few weights, with a better start"),
    "FullFineTuning": tr_noop("all weights"),
    "PromptTuning": tr_noop("only a prefix of the prompt"),
}
SCALES: Final = {"FullFineTuning": tr_noop("full"), "PromptTuning": tr_noop("prompt tuning")}


EPOCHS: Final = "epoch"
USUAL_PARAMETERS: Final = (EPOCHS, "learningRate", "batchSize", "maxSeqLen", "loraRank")
"""Hyper-parameters that people change, the first ones first."""


@dataclass(frozen=True)
class Field:
    """One field of the form, as it is drawn.

    Attributes:
        name: what `Launcher.choose` takes.
        title: the label.
        value: as it is typed or chosen; "" for the default.
        parameter: the name of a hyper-parameter, shown after the title; "" for others.
        hint: a line below the field.
        placeholder: what applies while it is empty.
        description: the platform's explanation, shown when the pointer rests on it.
        widget: the kind of the widget.
        choices: values, or pairs of a label and a value.
        rule: the range of a hyper-parameter; a field with a different rule is a different field.
        is_advanced: whether it is folded.
        issue: what keeps the form from being launched.
        warning: what may be wrong.
    """

    name: str
    title: str
    value: Any
    parameter: str = ""
    hint: str = ""
    placeholder: str = ""
    description: str = ""
    widget: FieldKind = "Text"
    choices: tuple[Any, ...] = ()
    rule: str = ""
    is_advanced: bool = False
    issue: Issue | None = field(default=None, compare=False)
    warning: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether its value is wrong, not only missing."""
        return self.issue is not None and not self.issue.is_hint


def list_fields(form: LaunchForm, data: tuple[str, ...] = ()) -> list[Field]:
    """Return the fields that a form needs, in their order.

    Args:
        form: the form.
        data: names of variables and files that are offered as data.
    """
    issues = find_issues(form)
    warnings = find_warnings(form)
    facts = {
        name: {"issue": issues.get(name), "warning": warnings.get(name, "")}
        for name in (*TITLES, *issues)
    }
    parameters = {
        row.key: _parameter_field(form, row, issues.get(row.key), warnings.get(row.key, ""))
        for row in sorted(form.parameters, key=_rank)
    }
    if EPOCHS in parameters:
        epochs = [replace(parameters.pop(EPOCHS), is_advanced=False)]
    else:
        epochs = []
    names = ("name", "after", "variable", *_final_step_fields(form))
    later = ("held_out", *_folded_step_fields(form))
    return [
        *(_create_field(form, name, data, facts[name]) for name in ("dataset", "model", "method")),
        *epochs,
        *(_create_field(form, name, data, facts[name]) for name in names),
        *(_create_field(form, name, data, facts[name], is_advanced=True) for name in later),
        *parameters.values(),
    ]


def _rank(row: SupportedParameter) -> int:
    """Return the place of a hyper-parameter: those that people change most come first."""
    if row.key in USUAL_PARAMETERS:
        return USUAL_PARAMETERS.index(row.key)
    return len(USUAL_PARAMETERS)


def field_title(form: LaunchForm, name: str) -> str:
    """Return the title of a field or a hyper-parameter."""
    if name in TITLES:
        return tr(TITLES[name])
    row = next((row for row in form.parameters if row.key == name), None)
    if row is not None:
        return _parameter_title(row)
    return to_snake(name)


def fix_label(form: LaunchForm, name: str, issue: Issue) -> str:
    """Return the words on the button that corrects a field, "" where there is nothing to
    suggest.
    """
    if not issue.fixes:
        return ""
    value = next(iter(issue.fixes.values()))
    if isinstance(value, dict):  # the hyper-parameters without this one
        value = next((row.default for row in form.parameters if row.key == name), "")
    elif value == "":
        value = default_count(name)
    if is_blank(value):
        return tr("Use the default")
    return tr("Use {value}", value=plain_number(value))


def _create_field(
    form: LaunchForm,
    name: str,
    data: tuple[str, ...],
    facts: dict[str, Any],
    *,
    is_advanced: bool = False,
) -> Field:
    if name == "variable":
        value = form.variable
    elif name == "method":
        value = form.method
    else:
        value = getattr(form.draft, name)
    create = _FIELDS.get(name, lambda _form, _data: {})
    return Field(
        name, tr(TITLES[name]), value, is_advanced=is_advanced, **create(form, data), **facts
    )


def _dataset_field(name: str, form: LaunchForm, data: tuple[str, ...]) -> dict[str, Any]:
    info = form.datasets.get(getattr(form.draft, name))
    if info is not None and not info.problem:
        hint = _describe_data(info)
    else:
        hint = ""
    return {
        "widget": "Combobox",
        "choices": data,
        "hint": hint,
        "placeholder": tr("a variable, a file, or ds-…"),
    }


def _describe_data(info: DatasetInfo) -> str:
    rows = trn("{n} row", "{n} rows", info.rows)
    if info.tokens is None:
        return tr("{rows} · on the platform", rows=rows)
    tokens = trn("{n} token", "{n} tokens", info.tokens)
    if info.exact:
        return f"{rows} · {tokens}"
    return tr("{rows} · about {tokens}", rows=rows, tokens=tokens)


def _model_field(form: LaunchForm, _: tuple[str, ...]) -> dict[str, Any]:
    models = tuple(row.model for row in form.supported_models)
    return {
        "widget": "Combobox",
        "choices": models,
        "hint": trn("{n} to choose from", "{n} to choose from", len(models)),
    }


def _method_field(form: LaunchForm, _: tuple[str, ...]) -> dict[str, Any]:
    mode = form.draft.mode
    scale = form.draft.scale
    hints = [
        tr(table[name])
        for table, name in ((MODE_HINTS, mode), (SCALE_HINTS, scale))
        if name in table
    ]
    if form.method in form.methods:
        methods = form.methods
    else:
        methods = [form.method, *form.methods]
    return {
        "widget": "Dropdown",
        "choices": tuple((method_title(method), method) for method in methods),
        "hint": tr("; ").join(hints),
    }


def method_title(method: str) -> str:
    """Return a method in words: `SFT · LoRA`."""
    mode, _, scale = method.partition(" ")
    return f"{mode} · {tr(SCALES[scale]) if scale in SCALES else scale}"


def _after_field(form: LaunchForm, _: tuple[str, ...]) -> dict[str, Any]:
    choices = tuple((tr(label), key) for key, label in FINAL_STEPS.items())
    is_billed = form.draft.after in {"deploy", "evaluate"} and not form.from_sandbox
    if is_billed:
        hint = tr("a service is paid by the hour, in advance")
    else:
        hint = ""
    return {
        "widget": "Dropdown",
        "choices": choices,
        "hint": hint or tr(FINAL_STEP_HINTS[form.draft.after]),
    }


def _name_field(_form: LaunchForm, _: tuple[str, ...]) -> dict[str, Any]:
    return {"placeholder": tr("automatic"), "hint": tr("how the platform's console shows it")}


def _variable_field(form: LaunchForm, _: tuple[str, ...]) -> dict[str, Any]:
    return {"hint": tr("keeps the training: {code}", code=f"{form.variable}.progress")}


def _count_field(name: str, form: LaunchForm, _: tuple[str, ...]) -> dict[str, Any]:
    low, high = count_limits(name)
    if high is not None:
        hint = tr("{low} to {high}", low=low, high=high)
    else:
        hint = tr("{low} or more", low=low)
    if name == "held_out":
        hint = tr("{low} to {high}; rows that are not trained on", low=low, high=high)
    return {"placeholder": str(default_count(name)), "hint": hint}


_FIELDS: Final[Mapping[str, Any]] = {
    "dataset": lambda form, data: _dataset_field("dataset", form, data),
    "eval_dataset": lambda form, data: _dataset_field("eval_dataset", form, data),
    "model": _model_field,
    "method": _method_field,
    "after": _after_field,
    "name": _name_field,
    "variable": _variable_field,
    "held_out": lambda form, data: _count_field("held_out", form, data),
    "replicas": lambda form, data: _count_field("replicas", form, data),
    "hours": lambda form, data: _count_field("hours", form, data),
    "model_name": lambda _form, _data: {"placeholder": "m_<task_id>"},
    "suffix": lambda _form, _data: {
        "placeholder": tr("automatic"),
        "hint": tr("the readable part of its address"),
    },
}
"""What is special about a field."""


def _parameter_field(
    form: LaunchForm, row: SupportedParameter, issue: Issue | None, warning: str
) -> Field:
    value = form.draft.values.get(row.key, "")
    if is_blank(row.default):
        default = ""
    else:
        default = plain_number(row.default)
    choices: tuple[Any, ...] = ()
    widget: FieldKind = "Text"
    if row.check_type in CHOICE_TYPES and row.check_value:
        if row.check_type == "mult_choice":
            widget = "SelectMultiple"
        else:
            widget = "Dropdown"
        if widget == "Dropdown":
            blank = [(tr("default: {value}", value=default) if default else "—", "")]
        else:
            blank = []
        choices = (*blank, *((plain_number(choice), choice) for choice in row.check_value))
        if widget == "SelectMultiple" and is_blank(value):
            value = row.default
    return Field(
        row.key,
        _parameter_title(row),
        value,
        parameter=to_snake(row.key),
        hint=_range_hint(row, default),
        placeholder=default,
        description=row.description if row.description and _is_readable(row.description) else "",
        widget=widget,
        choices=choices,
        rule=f"{row.check_type}{row.check_value}{row.default}",
        is_advanced=True,
        issue=issue,
        warning=warning,
    )


def _parameter_title(row: SupportedParameter) -> str:
    if row.key in PARAMETER_TITLES:
        return tr(PARAMETER_TITLES[row.key])
    if row.name and _is_readable(row.name):
        return row.name
    return to_snake(row.key).replace("_", " ").capitalize()


def _is_readable(text: str) -> bool:
    """Return whether a text of the platform, which speaks Chinese, goes with the language of the
    form.
    """
    return language() == "zh" or text.isascii()


def _range_hint(row: SupportedParameter, default: str) -> str:
    if row.check_type != "range" or len(row.check_value) != 2:
        return ""
    low, high = map(plain_number, row.check_value)
    if not default:
        return tr("{low} to {high}", low=low, high=high)
    return tr("{low} to {high}, default {default}", low=low, high=high, default=default)


def _final_step_fields(form: LaunchForm) -> tuple[str, ...]:
    """Return the fields of the first screen that the steps after the training need."""
    service = ("hours", "replicas") if form.draft.after in {"deploy", "evaluate"} else ()
    return (*(("eval_dataset",) if form.draft.after == "evaluate" else ()), *service)


def _folded_step_fields(form: LaunchForm) -> tuple[str, ...]:
    suffix = ("suffix",) if form.draft.after in {"deploy", "evaluate"} else ()
    return (*(("model_name",) if form.draft.after != "train" else ()), *suffix)
