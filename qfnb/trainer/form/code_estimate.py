"""The launch of a form: its trainer, the same as Python code, and an estimate of time and price."""

import contextlib
import json
import math
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from ...dataset.typed_dataset import FRAME_SOURCE
from ...errors import InvalidArgumentError, QianfanError
from ...evaluation.evaluator import ExactMatchEvaluator, F1Evaluator, RougeLEvaluator
from ..configs import DeployConfig
from ..finetune import TRAINER_CLASSES, LLMFinetune
from .launch_form import LaunchForm
from .validation import find_issues

MAX_LINE_LENGTH: Final = 80

EVALUATORS = (ExactMatchEvaluator, F1Evaluator, RougeLEvaluator)
"""Evaluators of a launched training; all call the deployed service."""


def create_trainer(form: LaunchForm) -> LLMFinetune:
    """Return the trainer of a form; `start()` begins the training.

    Raises:
        InvalidArgumentError: the form cannot be launched; names the first field and the reason.
    """
    for key, issue in find_issues(form).items():
        raise InvalidArgumentError(f"{key}: {issue.message}")
    arguments = _arguments(form)
    for name in {"dataset", "eval_dataset"} & arguments.keys():
        arguments[name] = form.datasets[arguments[name]].dataset
    return TRAINER_CLASSES[form.draft.mode](**arguments)


def find_same_run(form: LaunchForm) -> str:
    """Return the id of a run with the same data, model, settings and name, "" where none is
    known.
    """
    with contextlib.suppress(QianfanError, OSError):  # the launch itself says what is wrong
        if run := create_trainer(form).find_same():
            return run.id
    return ""


def render_code(form: LaunchForm, variables: frozenset[str] = frozenset()) -> str:
    """Return a cell that does the same as a launch, "" while the form cannot be launched.

    Args:
        form: the form.
        variables: names of the notebook's variables that hold data; other names are paths and ids.
    """
    if find_issues(form):
        return ""
    arguments = _arguments(form)
    trainer_name = TRAINER_CLASSES[form.draft.mode].__name__
    texts = {name: _render(value) for name, value in arguments.items()}
    for name in {"dataset", "eval_dataset"} & arguments.keys():
        texts[name] = _render_dataset(
            form, arguments[name], variables, loaded=name == "eval_dataset"
        )
    positional = ("train_type", "dataset", "train_config")
    lines = [text if name in positional else f"{name}={text}" for name, text in texts.items()]
    body = "".join(f"    {line},\n" for line in lines)
    variable = form.variable
    start = f"{variable}.start()\n%qftrain show {variable}"
    imports = _render_imports(trainer_name, texts)
    return f"{imports}\n\n{variable} = {trainer_name}(\n{body})\n{start}"


def _arguments(form: LaunchForm) -> dict[str, Any]:
    """Return the trainer's arguments that differ from their defaults; datasets under their
    names.
    """
    draft = form.draft
    values = form.hyper_parameters(explicit=True)
    arguments: dict[str, Any] = {
        "train_type": draft.model.strip(),
        "dataset": draft.dataset,
        "train_config": form.train_config(values, trainset_rate=form.count("held_out")),
    }
    if draft.after in {"deploy", "evaluate"}:
        settings: dict[str, Any] = {
            "replicas": form.count("replicas"),
            "hours": form.count("hours"),
        }
        if suffix := draft.suffix.strip():
            settings["endpoint_suffix"] = suffix
        arguments["deploy_config"] = DeployConfig(**settings)
    if name := draft.name.strip():
        arguments["name"] = name
    if draft.after == "train":
        arguments["model_not_publish"] = True
    elif model_name := draft.model_name.strip():
        arguments["model_name"] = model_name
    if draft.after == "evaluate":
        arguments["eval_dataset"] = draft.eval_dataset
        arguments["evaluators"] = [kind() for kind in EVALUATORS]
    return arguments


def _render_imports(trainer_name: str, texts: dict[str, str]) -> str:
    lines = []
    if any(text.startswith("Dataset.load(") for text in texts.values()):
        lines.append("from qfnb import Dataset")
    if "evaluators" in texts:
        kinds = ", ".join(sorted(kind.__name__ for kind in EVALUATORS))
        lines.append(f"from qfnb.evaluation.evaluator import {kinds}")
    names = [trainer_name, "TrainConfig"]
    if "deploy_config" in texts:
        names.append("DeployConfig")
    lines.append(f"from qfnb.trainer import {', '.join(sorted(names))}")
    return "\n".join(lines)


def _render_dataset(
    form: LaunchForm, source: str, variables: frozenset[str], *, loaded: bool
) -> str:
    """Return a dataset as Python: a variable, a path or an id; a call that loads it where `loaded`,
    or of a frame.
    """
    text = source.strip()
    if text in variables:
        dataset = form.datasets[source].dataset
        is_frame = dataset is not None and dataset.source == FRAME_SOURCE
        return f"Dataset.load({text})" if is_frame else text
    if not loaded:
        return _render(text)
    keyword = "qianfan_dataset_id=" if text.startswith("ds-") else ""
    return f"Dataset.load({keyword}{_render(text)})"


def _render(value: Any) -> str:
    """Return a value as Python: text in double quotes, a config or an evaluator as a call."""
    if isinstance(value, BaseModel):
        return _render_call(
            type(value).__name__, value.model_dump(exclude_unset=True, exclude_none=True)
        )
    if isinstance(value, EVALUATORS):
        return f"{type(value).__name__}()"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        items = [f"{_render(key)}: {_render(item)}" for key, item in value.items()]
        return f"{{{', '.join(items)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_render, value))}]"
    return repr(value)


def _render_call(name: str, settings: dict[str, Any]) -> str:
    """Return a call, on several lines where one would be too long."""
    arguments = [f"{key}={_render(value)}" for key, value in settings.items()]
    line = f"{name}({', '.join(arguments)})"
    if len(line) < MAX_LINE_LENGTH:
        return line
    lines = "".join(f"        {text},\n" for text in arguments)
    return f"{name}(\n{lines}    )"


@dataclass(frozen=True)
class Estimate:
    """Size, time and price of a training; None where unknown.

    Attributes:
        train_rows: rows without those held out.
        tokens: of the training rows, once.
        exact: whether the tokens were counted, not estimated.
        epochs: how often each row is used.
        batch: rows of a step.
        steps: updates of the weights: train rows × epochs / batch, rounded up.
        seconds: of the training step, as the sandbox measured itself.
        is_free: whether it costs nothing.
    """

    train_rows: int | None = None
    tokens: int | None = None
    exact: bool = True
    epochs: int | None = None
    batch: int | None = None
    steps: int | None = None
    seconds: float | None = None
    is_free: bool = False


def estimate_launch(form: LaunchForm) -> Estimate:
    """Return the estimate of a form; quantities that depend on invalid fields are unknown."""
    data = form.datasets.get(form.draft.dataset)
    invalid_fields = find_issues(form).keys()
    if data is None or data.problem or "held_out" in invalid_fields:
        return Estimate(is_free=form.from_sandbox)
    held_out_percent = form.count("held_out")
    train_rows = data.rows - data.rows * held_out_percent // 100
    values = {}
    if not invalid_fields & {"model", "method"}:
        values = form.hyper_parameters()
    for name in invalid_fields:
        values.pop(name, None)
    epochs = values.get("epoch")
    batch = values.get("batchSize") or values.get("globalBatchSize")
    steps = None
    if epochs and batch:
        steps = math.ceil(train_rows * epochs / batch)
    tokens = data.tokens
    if tokens is not None:
        tokens = round(tokens * (100 - held_out_percent) / 100)
    return Estimate(
        train_rows=train_rows,
        tokens=tokens,
        exact=data.exact,
        epochs=epochs,
        batch=batch,
        steps=steps,
        seconds=_sandbox_seconds(form, train_rows, epochs),
        is_free=form.from_sandbox,
    )


def _sandbox_seconds(form: LaunchForm, rows: int, epochs: int | None) -> float | None:
    """Return about how long a training takes, as the sandbox measured itself; None where that is
    unknown.
    """
    model = form.supported_model
    for row in model.support_train_mode if model and epochs else ():
        if row.train_mode == form.draft.mode:
            return row.training_seconds(rows, epochs or 1)
    return None
