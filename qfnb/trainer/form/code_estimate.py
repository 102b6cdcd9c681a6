"""The launch of a form: its trainer, the same as Python code, and an estimate of time and price."""

import contextlib
import json
import math
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from pydantic import BaseModel

from ...dataset.typed_dataset import FRAME_SOURCE
from ...errors import InvalidArgumentError, QianfanError
from ...evaluation.evaluator import ExactMatchEvaluator, F1Evaluator, RougeLEvaluator
from ...wire import finetune as wire
from .. import run_store
from ..configs import DeployConfig
from ..finetune import TRAINER_CLASSES, LLMFinetune
from ..progress import TrainingProgress
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
        run = create_trainer(form).find_same()
        if run:
            return run.id
        return ""
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
    model_name = form.draft.model_name.strip()
    arguments: dict[str, Any] = {
        "train_type": draft.model.strip(),
        "dataset": draft.dataset,
        "train_config": form.train_config(
            form.explicit_parameters(), trainset_rate=form.count("held_out")
        ),
    }
    if draft.after in {"deploy", "evaluate"}:
        if draft.suffix.strip():
            suffix = {"endpoint_suffix": draft.suffix.strip()}
        else:
            suffix = {}
        counts = {name: form.count(name) for name in ("replicas", "hours")}
        arguments["deploy_config"] = DeployConfig(**suffix, **counts)
    arguments |= {"name": draft.name.strip()} if draft.name.strip() else {}
    if draft.after == "train":
        return arguments | {"model_not_publish": True}
    arguments |= {"model_name": model_name} if model_name else {}
    if draft.after == "evaluate":
        arguments |= {
            "eval_dataset": draft.eval_dataset,
            "evaluators": [kind() for kind in EVALUATORS],
        }
    return arguments


def _render_imports(trainer_name: str, texts: dict[str, str]) -> str:
    if "deploy_config" in texts:
        configs = ["DeployConfig"]
    else:
        configs = []
    lines = [
        f"from qfnb.trainer import {', '.join(sorted([*configs, trainer_name, 'TrainConfig']))}"
    ]
    if "evaluators" in texts:
        names = ", ".join(sorted(kind.__name__ for kind in EVALUATORS))
        lines = [f"from qfnb.evaluation.evaluator import {names}", *lines]
    if any(text.startswith("Dataset.load(") for text in texts.values()):
        lines = ["from qfnb import Dataset", *lines]
    return "\n".join(lines)


def _render_dataset(
    form: LaunchForm, source: str, variables: frozenset[str], *, loaded: bool
) -> str:
    """Return a dataset as Python: a variable, a path or an id; a call that loads it where `loaded`,
    or of a frame.
    """
    if source.strip() in variables:
        dataset = form.datasets[source].dataset
        is_frame = dataset is not None and dataset.source == FRAME_SOURCE
        if is_frame:
            return f"Dataset.load({source.strip()})"
        return source.strip()
    if source.startswith("ds-"):
        keyword = "qianfan_dataset_id="
    else:
        keyword = ""
    if loaded:
        return f"Dataset.load({keyword}{_render(source.strip())})"
    return _render(source.strip())


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
        return (
            "{" + ", ".join(f"{_render(key)}: {_render(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, list):
        return f"[{', '.join(map(_render, value))}]"
    return repr(value)


def _render_call(name: str, settings: dict[str, Any]) -> str:
    """Return a call, on several lines where one would be too long."""
    arguments = [f"{key}={_render(value)}" for key, value in settings.items()]
    line = f"{name}({', '.join(arguments)})"
    multi_line = "".join(f"        {text},\n" for text in arguments)
    if len(line) < MAX_LINE_LENGTH:
        return line
    return f"{name}(\n{multi_line}    )"


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
        seconds: of the training step, as the sandbox measured itself, or at the speed of earlier
            runs.
        is_measured: whether the sandbox measured itself.
        is_free: whether it costs nothing.
    """

    train_rows: int | None = None
    tokens: int | None = None
    exact: bool = True
    epochs: int | None = None
    batch: int | None = None
    steps: int | None = None
    seconds: float | None = None
    is_measured: bool = False
    is_free: bool = False


def estimate_launch(form: LaunchForm) -> Estimate:
    """Return the estimate of a form; quantities that depend on invalid fields are unknown."""
    data = form.datasets.get(form.draft.dataset)
    invalid_fields = find_issues(form).keys()
    if data is None or data.problem or "held_out" in invalid_fields:
        return Estimate(is_free=form.from_sandbox)
    held_out_percent = form.count("held_out")
    train_rows = data.rows - data.rows * held_out_percent // 100
    if invalid_fields & {"model", "method"}:
        values = {}
    else:
        values = form.hyper_parameters()
    if "epoch" in invalid_fields:
        epochs = None
    else:
        epochs = values.get("epoch")
    batches = [
        values.get(key) for key in ("batchSize", "globalBatchSize") if key not in invalid_fields
    ]
    batch = next((value for value in batches if value), None)
    if not (epochs and batch):
        steps = None
    else:
        steps = math.ceil(train_rows * epochs / batch)
    measured = sandbox_seconds(form.supported_model, form.draft.mode, train_rows, epochs)
    step_seconds = form.step_seconds.get(form.draft.model)
    if steps is None or step_seconds is None:
        by_steps = None
    else:
        by_steps = steps * step_seconds
    return Estimate(
        train_rows=train_rows,
        tokens=None if data.tokens is None else round(data.tokens * (100 - held_out_percent) / 100),
        exact=data.exact,
        epochs=epochs,
        batch=batch,
        steps=steps,
        seconds=by_steps if measured is None else measured,
        is_measured=measured is not None,
        is_free=form.from_sandbox,
    )


def sandbox_seconds(
    model: wire.SupportedModel | None, mode: str, rows: int, epochs: int | None
) -> float | None:
    """Return about how long a training takes, as the sandbox measured itself; None where that is
    unknown.
    """
    if model:
        modes = model.support_train_mode
    else:
        modes = []
    row = next((row for row in modes if row.train_mode == mode), None)
    if row and epochs:
        return row.training_seconds(rows, epochs)
    return None


def measure_step_seconds(platform: str) -> dict[str, float]:
    """Return the median seconds of a training step in earlier runs on a platform (qianfan,
    sandbox), by model.
    """
    samples: dict[str, list[float]] = {}
    for run in run_store.list_runs():
        if run.facts.get("platform") == platform and (
            pace := _step_seconds(run.facts.get("progress"))
        ):
            samples.setdefault(str(run.facts.get("train_type")), []).append(pace)
    return {model: median(values) for model, values in samples.items()}


def _step_seconds(saved: Any) -> float | None:
    try:
        progress = TrainingProgress.from_json(saved)
    except (TypeError, ValueError, KeyError, AttributeError):
        return None
    end = next((stage.until for stage in progress.stages if stage.name == "train"), None)
    if (
        not progress.points
        or progress.percent != 100
        or end is None
        or progress.training_at is None
    ):
        return None
    return max(0.0, end - progress.training_at) / max(1, progress.points[-1].step)
