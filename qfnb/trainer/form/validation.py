"""What is wrong with a launch form, what is still missing, and what may be wrong: for each field,
with a remedy.

The rules are those of `TrainConfig`, `DeployConfig` and the platform's offer, applied to one field
at a time.
"""

from __future__ import annotations

import contextlib
import keyword
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...base.language import tr, trn
from ...base.text import clip
from ...errors import InvalidArgumentError
from ...wire import finetune as wire
from .. import configs
from ..finetune import TRAINER_CLASSES, LLMFinetune
from .data import validate_dataset
from .launch_form import COUNTS, LaunchForm, is_blank

SANDBOX_ROWS = 20_000
SANDBOX_MAX_ROWS = 50_000
"""Rows that the sandbox's built-in engine learns in two minutes, and the most that it takes."""


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
        check = lambda: configs.DeployConfig(endpoint_suffix=draft.suffix.strip())  # noqa: E731 - one expression
        issues["suffix"] = _raised(
            check, tr("Up to 30 lower-case letters, digits and _ are allowed.")
        )
        issues |= {name: _count_issue(form, name) for name in ("replicas", "hours")}
    if draft.after == "evaluate":
        issues["eval_dataset"] = _dataset_issue(form, "eval_dataset", wire.SFT)
    if not issues["model"] and not issues["method"]:
        issues |= {row.key: _parameter_issue(form, row) for row in form.parameters}
        unknown = {
            key: value
            for key, value in draft.values.items()
            if key not in issues and not is_blank(value)
        }
        issues["others"] = _raised(lambda: _compare_values(form, unknown))
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
    if data and form.from_sandbox and data.rows > SANDBOX_ROWS:
        messages["dataset"] = tr(
            "The sandbox's small model is made for {usual} rows at most, which take it two "
            "minutes; {n} take longer, "
            "and more than {limit} are refused. Use a part of the data.",
            usual=f"{SANDBOX_ROWS:,}",
            n=f"{data.rows:,}",
            limit=f"{SANDBOX_MAX_ROWS:,}",
        )
    if draft.after == "evaluate" and draft.eval_dataset == draft.dataset:
        messages["eval_dataset"] = tr(
            "These are the rows of the training: the score will say little."
        )
    messages |= _parameter_warnings(form)
    if form.variable in form.taken_names:
        messages["variable"] = tr(
            "There is a variable {name} already; it will be replaced.", name=form.variable
        )
    return messages


def describe_overlap(form: LaunchForm) -> tuple[str, str] | None:
    """Return a statement about rows for evaluation that nearly repeat training rows, and an
    example; None without.
    """
    draft = form.draft
    data = form.datasets.get(form.draft.dataset)
    if draft.after != "evaluate":
        overlap = None
    else:
        overlap = form.overlaps.get((draft.dataset, draft.eval_dataset))
    if overlap is not None and overlap.pair:
        statement = trn(
            "{n} of {compared} evaluation rows nearly repeats a training row: scores will look "
            "too good.",
            "{n} of {compared} evaluation rows nearly repeat training rows: scores will look too "
            "good.",
            overlap.count,
            compared=f"{overlap.compared:,}",
        )
        return statement, _example(overlap.pair)
    if not (data is not None and _holds_rows_out(form)):
        overlap = None
    else:
        overlap = data.near_duplicates
    if overlap is None or not overlap.pair:
        return None
    statement = trn(
        "{n} of {compared} rows nearly repeats another one: the validation loss will look too "
        "good.",
        "{n} of {compared} rows nearly repeat another one: the validation loss will look too good.",
        overlap.count,
        compared=f"{overlap.compared:,}",
    )
    return statement, _example(overlap.pair)


def _example(pair: tuple[str, str]) -> str:
    return tr("For example “{one}” and “{two}”.", one=clip(pair[0], 80), two=clip(pair[1], 80))


def _holds_rows_out(form: LaunchForm) -> bool:
    try:
        return form.count("held_out") > 0
    except InvalidArgumentError:
        return False


def plain_number(value: object) -> str:
    """Return a number without an exponent: 0.00003."""
    if isinstance(value, float):
        return f"{value:.10f}".rstrip("0").rstrip(".")
    return str(value)


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
    low, high = count_limits(name)
    issue = _raised(lambda: form.count(name), fixes={name: ""})
    if issue is None and (text := _describe_range(form.count(name), low, high)):
        return Issue(text, {name: ""})
    return issue


def _describe_range(value: float, low: float, high: float | None) -> str:
    """Return how a number leaves a range, "" where it does not; NaN is below everything."""
    if high is None:
        if value >= low:
            return ""
        return tr(
            "{value} is too small: {low} or more is allowed.",
            value=plain_number(value),
            low=plain_number(low),
        )
    allowed = {"value": plain_number(value), "low": plain_number(low), "high": plain_number(high)}
    if value > high:
        return tr("{value} is too large: {low} to {high} is allowed.", **allowed)
    if not value >= low:
        return tr("{value} is too small: {low} to {high} is allowed.", **allowed)
    return ""


def _parameter_issue(form: LaunchForm, row: wire.SupportedParameter) -> Issue | None:
    """Return why a hyper-parameter cannot be sent: its text is of another type, or no model can
    have it.
    """
    fixes = {"values": {key: value for key, value in form.draft.values.items() if key != row.key}}
    if form.from_sandbox and (text := _describe_parameter(form, row)):
        return Issue(text, fixes)  # its list is what it accepts; the platform's may be old
    issue = _raised(lambda: form.parse_parameter(row), fixes=fixes)
    return issue or _raised(
        lambda: _compare_values(form, form.parse_parameter(row)),
        _describe_parameter(form, row),
        fixes,
    )


def _parameter_warnings(form: LaunchForm) -> dict[str, str]:
    """Return which hyper-parameters leave the platform's list, by field; the list may be older than
    the platform.
    """
    listed = () if form.from_sandbox else form.parameters
    texts = {row.key: _describe_parameter(form, row) for row in listed}
    unlisted = {
        key: value
        for key, value in form.draft.values.items()
        if key not in {row.key for row in form.parameters} and not is_blank(value)
    }
    with contextlib.suppress(InvalidArgumentError):
        texts["others"] = " ".join(_compare_values(form, unlisted))
    return {
        key: tr("{text} The platform's list may be old, so it is sent as it is.", text=text)
        for key, text in texts.items()
        if text
    }


def _describe_parameter(form: LaunchForm, row: wire.SupportedParameter) -> str:
    """Return how a hyper-parameter leaves the platform's list, "" where it does not or is no value
    of its type.
    """
    try:
        value = form.parse_parameter(row).get(row.key)
    except InvalidArgumentError:
        return ""
    if row.check_type == "range" and len(row.check_value) == 2 and isinstance(value, (int, float)):
        return _describe_range(value, *row.check_value)
    if isinstance(value, list):
        values = value
    else:
        values = [value]
    if value is None or not row.check_value or all(item in row.check_value for item in values):
        return ""
    allowed = tr(", ").join(map(plain_number, row.check_value))
    shown = clip(tr(", ").join(map(str, values)), 40)
    return tr("{value} is not offered: choose one of {allowed}.", value=shown, allowed=allowed)


def _method_issue(form: LaunchForm) -> Issue | None:
    mode = form.draft.mode
    if mode not in TRAINER_CLASSES:
        modes = tr(", ").join(TRAINER_CLASSES)
        return Issue(tr("qfnb has no trainer for {mode}: choose {modes}.", mode=mode, modes=modes))
    return None


def _compare_values(form: LaunchForm, values: dict[str, Any]) -> list[str]:
    """Return how some hyper-parameters leave the platform's list, without regard to the others.

    Raises:
        InvalidArgumentError: a value is wrong for any model.
    """
    config = form.train_config(values)
    if form.supported_model is None:
        return []
    model = form.draft.model.strip()
    mode = form.draft.mode
    texts = configs.compare_with_offer(model, config, form.supported_models, mode)
    text = configs.describe_ignored_values(model, config, form.supported_models, mode)
    if text:
        return [*texts, text]
    return texts


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
            "Choose a variable, a file, or a dataset of the platform (ds-…). A row: {example}",
            example=example,
        )
        return Issue(message, is_hint=True)
    if (data := form.datasets.get(source)) is None:
        return Issue(tr("Reading…"), is_hint=True)
    if data.suggestion:
        fixes = {name: data.suggestion}
    else:
        fixes = {}
    return _raised(lambda: validate_dataset(data, mode), fixes=fixes)


def _raised(
    check: Callable[[], object], message: str = "", fixes: dict[str, Any] | None = None
) -> Issue | None:
    """Return the error of a check as an issue, with its first line or another message; None where
    it raises none.
    """
    try:
        check()
    except InvalidArgumentError as error:
        return Issue(message or str(error).split("\n")[0], fixes or {})
    return None
