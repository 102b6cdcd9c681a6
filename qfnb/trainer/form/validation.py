"""What is wrong with a launch form, what is still missing, and what may be wrong: for each field,
with a remedy.

The rules are those of `TrainConfig`, `DeployConfig` and the platform's offer, applied to one field
at a time.
"""

from __future__ import annotations

import keyword
from dataclasses import dataclass, field
from typing import Any

from ...base.language import tr, trn
from ...base.text import clip, listed
from ...errors import InvalidArgumentError
from ...wire import finetune as wire
from ..configs import DeployConfig
from ..finetune import TRAINER_CLASSES, LLMFinetune
from ..offer import (
    compare_with_offer,
    describe_difference,
    describe_range,
    plain_number as plain_number,
    validate_type,
)
from .inspection import validate_dataset
from .launch_form import COUNTS, LaunchForm, is_blank


@dataclass(frozen=True)
class Issue:
    """What keeps a form from being launched.

    Attributes:
        message: what is wrong and what is allowed, or what is still to be chosen.
        fixes: a value that is allowed, by the name of the field; empty where there is none to
            suggest.
        is_hint: nothing is wrong yet: the field is empty, or its data are being read.
    """

    message: str
    fixes: dict[str, Any] = field(default_factory=dict)
    is_hint: bool = False


def find_issues(form: LaunchForm) -> dict[str, Issue]:
    """Return the issues that keep a form from being launched, by field."""
    draft = form.draft
    issues = {
        "dataset": _dataset_issue(form, "dataset", draft.mode),
        "model": None if draft.model.strip() else Issue(tr("Choose a model."), is_hint=True),
        "method": _method_issue(form),
        "variable": _variable_issue(form.variable),
        "held_out": _count_issue(form, "held_out"),
    }
    if draft.after in {"deploy", "evaluate"}:
        try:
            DeployConfig(endpoint_suffix=draft.suffix.strip())
        except InvalidArgumentError:
            issues["suffix"] = Issue(tr("Up to 30 lower-case letters, digits and _ are allowed."))
        issues["replicas"] = _count_issue(form, "replicas")
        issues["hours"] = _count_issue(form, "hours")
    if draft.after == "evaluate":
        issues["eval_dataset"] = _dataset_issue(form, "eval_dataset", wire.SFT)
    if not issues["model"] and not issues["method"]:
        for key, (problem, _) in _judge_parameters(form).items():
            if problem:
                values = {name: value for name, value in draft.values.items() if name != key}
                issues[key] = Issue(problem, {} if key == "others" else {"values": values})
    return {name: issue for name, issue in issues.items() if issue is not None}


def find_warnings(form: LaunchForm) -> dict[str, str]:
    """Return the warnings by field; a form with warnings can be launched."""
    draft = form.draft
    messages = {}
    if form.supported_models and not form.supported_model and draft.model.strip():
        messages["model"] = tr("The platform does not list this model; it is tried all the same.")
    length = form.hyper_parameters().get("maxSeqLen")
    data = form.datasets.get(draft.dataset)
    if data and isinstance(length, int) and (too_long := data.longer_than(length)):
        messages["dataset"] = trn(
            "{n} row has more than {limit} tokens and is cut off: raise the maximum length.",
            "{n} rows have more than {limit} tokens and are cut off: raise the maximum length.",
            too_long,
            limit=f"{length:,}",
        )
    if draft.after == "evaluate" and draft.eval_dataset == draft.dataset:
        messages["eval_dataset"] = tr(
            "These are the rows of the training: the score will say little."
        )
    for key, (_, text) in _judge_parameters(form).items():
        if text:
            messages[key] = tr(
                "{text} The platform's list may be old, so it is sent as it is.", text=text
            )
    if form.variable in form.taken_names:
        messages["variable"] = tr(
            "There is a variable {name} already; it will be replaced.", name=form.variable
        )
    return messages


def count_limits(name: str) -> tuple[int, int | None]:
    """Return the smallest and the largest value of one of `COUNTS`, None where the platform
    decides.
    """
    config, setting = COUNTS[name]
    limits = config.model_fields[setting].metadata
    low = next(limit.ge for limit in limits if hasattr(limit, "ge"))
    high = next((limit.le for limit in limits if hasattr(limit, "le")), None)
    return low, high


def _count_issue(form: LaunchForm, name: str) -> Issue | None:
    try:
        text = describe_range(form.count(name), *count_limits(name))
    except InvalidArgumentError as error:
        text = str(error)
    return Issue(text, {name: ""}) if text else None


def _judge_parameters(form: LaunchForm) -> dict[str, tuple[str, str]]:
    """Return by field why a hyper-parameter cannot be sent, and how it leaves the platform's list;
    "" where it can, or does not.
    """
    texts = {row.key: _judge_parameter(form, row) for row in form.parameters}
    values = form.draft.values.items()
    unlisted = {key: value for key, value in values if key not in texts and not is_blank(value)}
    differences: list[str] = []
    error_text = ""
    try:
        config = form.train_config(unlisted)
        if form.supported_model is not None:
            model = form.draft.model.strip()
            differences = compare_with_offer(model, config, form.supported_models, form.draft.mode)
    except InvalidArgumentError as error:
        error_text = str(error).split("\n")[0]
    texts["others"] = error_text, " ".join(differences)
    return texts


def _judge_parameter(form: LaunchForm, row: wire.SupportedParameter) -> tuple[str, str]:
    text = ""
    try:
        values = form.parse_parameter(row)
        if values:
            text = describe_difference(values[row.key], row)
            validate_type(row.key, values[row.key], row, form.method)
        form.train_config(values)
    except InvalidArgumentError as error:
        return text or str(error).split("\n")[0], ""
    # the sandbox's list is what it accepts; the platform's may be old
    return (text, "") if form.from_sandbox else ("", text)


def _method_issue(form: LaunchForm) -> Issue | None:
    mode = form.draft.mode
    if mode in TRAINER_CLASSES:
        return None
    modes = listed(TRAINER_CLASSES)
    return Issue(tr("qfnb has no trainer for {mode}: choose {modes}.", mode=mode, modes=modes))


def _variable_issue(name: str) -> Issue | None:
    if name.isidentifier() and not keyword.iskeyword(name):
        return None
    message = tr(
        "“{name}” is not a Python name: use letters, digits and _, and begin with a letter.",
        name=clip(name, 40),
    )
    return Issue(message, {"variable": "trainer"}, is_hint=not name.strip())


def _dataset_issue(form: LaunchForm, name: str, mode: str) -> Issue | None:
    source = getattr(form.draft, name)
    if not source.strip():
        example = TRAINER_CLASSES.get(mode, LLMFinetune).schemas[0].expected
        message = tr(
            "Choose a variable, a file (.jsonl, .csv, …), or a dataset of the platform (ds-…). "
            "A row: {example}",
            example=example,
        )
        return Issue(message, is_hint=True)
    if (data := form.datasets.get(source)) is None:
        return Issue(tr("Reading…"), is_hint=True)
    try:
        validate_dataset(data, mode)
    except InvalidArgumentError as error:
        fixes = {name: data.suggestion} if data.suggestion else {}
        return Issue(str(error).split("\n")[0], fixes)
    return None
