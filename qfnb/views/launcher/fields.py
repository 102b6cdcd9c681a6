"""The state of the launch form, and its fields: their titles, hints, choices, and what is wrong
with their values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from pydantic.alias_generators import to_snake

from ...base.language import language, tr, tr_noop, trn
from ...trainer.form.inspection import DatasetInfo
from ...trainer.form.launch_form import CHOICE_TYPES, LaunchForm, default_count, is_blank
from ...trainer.form.validation import Issue, count_limits, find_issues, find_warnings, plain_number
from ...wire.finetune import SFT, SupportedParameter
from ..panel import FieldKind

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
    "suffix": tr_noop("Name of the service"),
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
HINTS: Final = {
    "name": tr_noop("how the platform's console shows it"),
    "suffix": tr_noop("the end of its address, and what `-e` takes"),
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
    first = [_create_field(form, name, data) for name in ("dataset", "model", "method")]
    folded: list[Field] = []
    for row in sorted(form.parameters, key=_rank):
        (first if row.key == EPOCHS else folded).append(_parameter_field(form, row))
    after = form.draft.after
    has_service = after in {"deploy", "evaluate"}
    names = ["name", "after", "variable"]
    if after == "evaluate":
        names.append("eval_dataset")
    if has_service:
        names.append("suffix")
    if has_service and not form.from_sandbox:
        names += ["hours", "replicas"]
    later = ["held_out"]
    if after != "train":
        later.append("model_name")
    first += [_create_field(form, name, data) for name in names]
    advanced = [_create_field(form, name, data) for name in later] + folded
    fields = [*first, *(replace(item, is_advanced=True) for item in advanced)]
    return [
        replace(item, issue=issues.get(item.name), warning=warnings.get(item.name, ""))
        for item in fields
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
    for row in form.parameters:
        if row.key == name:
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


def _create_field(form: LaunchForm, name: str, data: tuple[str, ...]) -> Field:  # noqa: PLR0911 - one for each kind
    if name in {"variable", "method"}:
        value = getattr(form, name)
    else:
        value = getattr(form.draft, name)
    field = Field(name, tr(TITLES[name]), value, hint=tr(HINTS[name]) if name in HINTS else "")
    if name in {"dataset", "eval_dataset"}:
        info = form.datasets.get(value)
        hint = ""
        if info and not info.problem:
            hint = _describe_data(info)
        placeholder = tr("a variable, a file, or ds-…")
        return replace(field, widget="Combobox", choices=data, hint=hint, placeholder=placeholder)
    if name == "model":
        models = tuple(row.model for row in form.supported_models)
        hint = trn("{n} to choose from", "{n} to choose from", len(models))
        return replace(field, widget="Combobox", choices=models, hint=hint)
    if name == "method":
        methods = dict.fromkeys([*form.methods, value])
        choices = tuple((method_title(method), method) for method in methods)
        hints = [MODE_HINTS.get(form.draft.mode), SCALE_HINTS.get(form.draft.scale)]
        hint = tr("; ").join(tr(text) for text in hints if text)
        return replace(field, widget="Dropdown", choices=choices, hint=hint)
    if name == "after":
        choices = tuple((tr(label), key) for key, label in FINAL_STEPS.items())
        hint = tr(FINAL_STEP_HINTS[value])
        if value in {"deploy", "evaluate"} and not form.from_sandbox:
            hint = tr("a service is paid by the hour, in advance")
        return replace(field, widget="Dropdown", choices=choices, hint=hint)
    if name == "variable":
        return replace(
            field, hint=tr("keeps the training: {code}", code=f"{form.variable}.progress")
        )
    if name in {"held_out", "replicas", "hours"}:
        return replace(field, placeholder=str(default_count(name)), hint=_count_hint(name))
    placeholder = "m_<task_id>" if name == "model_name" else tr("automatic")
    return replace(field, placeholder=placeholder)


def _describe_data(info: DatasetInfo) -> str:
    rows = trn("{n} row", "{n} rows", info.rows)
    if info.tokens is None:
        return tr("{rows} · on the platform", rows=rows)
    tokens = trn("{n} token", "{n} tokens", info.tokens)
    if info.exact:
        return f"{rows} · {tokens}"
    return tr("{rows} · about {tokens}", rows=rows, tokens=tokens)


def method_title(method: str) -> str:
    """Return a method in words: `SFT · LoRA`."""
    mode, _, scale = method.partition(" ")
    return f"{mode} · {tr(SCALES[scale]) if scale in SCALES else scale}"


def _count_hint(name: str) -> str:
    low, high = count_limits(name)
    if name == "held_out":
        return tr("{low} to {high}; rows that are not trained on", low=low, high=high)
    if high is None:
        return tr("{low} or more", low=low)
    return tr("{low} to {high}", low=low, high=high)


def _parameter_field(form: LaunchForm, row: SupportedParameter) -> Field:
    value = form.draft.values.get(row.key, "")
    default = "" if is_blank(row.default) else plain_number(row.default)
    widget: FieldKind = "Text"
    choices: list[tuple[str, Any]] = []
    if row.check_type in CHOICE_TYPES and row.check_value:
        choices = [(plain_number(choice), choice) for choice in row.check_value]
        if row.check_type == "mult_choice":
            widget = "SelectMultiple"
            if is_blank(value):
                value = row.default
        else:
            widget = "Dropdown"
            choices.insert(0, (tr("default: {value}", value=default) if default else "—", ""))
    return Field(
        row.key,
        _parameter_title(row),
        value,
        parameter=to_snake(row.key),
        hint=_range_hint(row, default),
        placeholder=default,
        description=_readable(row.description),
        widget=widget,
        choices=tuple(choices),
        rule=f"{row.check_type}{row.check_value}{row.default}",
    )


def _parameter_title(row: SupportedParameter) -> str:
    if row.key in PARAMETER_TITLES:
        return tr(PARAMETER_TITLES[row.key])
    return _readable(row.name) or to_snake(row.key).replace("_", " ").capitalize()


def _readable(text: str | None) -> str:
    """Return a text of the platform, which speaks Chinese, where it goes with the language of the
    form, else "".
    """
    return text if text and (language() == "zh" or text.isascii()) else ""


def _range_hint(row: SupportedParameter, default: str) -> str:
    if row.check_type != "range" or len(row.check_value) != 2:
        return ""
    low, high = map(plain_number, row.check_value)
    if not default:
        return tr("{low} to {high}", low=low, high=high)
    return tr("{low} to {high}, default {default}", low=low, high=high, default=default)


LaunchStage = Literal["loading", "unavailable", "editing", "confirming", "launching"]
Dialog = Literal["", "load", "save"]

FOLDS: Final = {
    "advanced": tr_noop("Advanced settings"),
    "preview": tr_noop("The first rows"),
    "python": tr_noop("The same in Python"),
}


@dataclass(frozen=True)
class LauncherState:
    """A form and how far it is.

    Attributes:
        stage: loading the choices, unavailable without them, editing, confirming a launch, or
            launching.
        message: the result of the last click.
        is_error: whether the message says that something failed.
        same_run: the id of a run with the same data, model and settings, while a launch waits to be
            confirmed.
        dialog: the question that is open: which settings to load or under which name to save them.
        unfolded: the keys of `FOLDS` that are open.
        variables: names of the notebook's variables that hold data.
        configurations: names of drafts and past runs that can be loaded.
        files: data files beside the notebook.
    """

    form: LaunchForm = field(default_factory=LaunchForm)
    stage: LaunchStage = "loading"
    message: str = ""
    is_error: bool = False
    same_run: str = ""
    dialog: Dialog = ""
    unfolded: frozenset[str] = frozenset()
    variables: frozenset[str] = frozenset()
    configurations: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    @property
    def is_loaded(self) -> bool:
        """Whether the choices are there, so that the form can be filled in."""
        return self.stage not in {"loading", "unavailable"}

    @property
    def has_issues(self) -> bool:
        """Whether something is wrong or missing, so that it cannot be launched."""
        return bool(find_issues(self.form))

    @property
    def offers_sample(self) -> bool:
        """Whether the sample rows are offered: nothing is chosen, and they fit the method."""
        draft = self.form.draft
        return self.stage == "editing" and not draft.dataset.strip() and draft.mode == SFT

    @property
    def fields(self) -> list[Field]:
        """The fields of the form."""
        return list_fields(self.form, (*sorted(self.variables), *self.files))
