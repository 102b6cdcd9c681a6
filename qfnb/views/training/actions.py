"""What can be done with a training now: the buttons of its panel, and the cells that use its
model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from ..._tables import find_variables
from ...base.language import tr, tr_noop
from ...base.text import format_loss
from ...dataset.samples import HELD_OUT_FILE, TRAIN_FILE
from ...trainer import DeployAction, DeployConfig, LLMFinetune, ModelPublishAction
from ...trainer.base import BaseAction
from ...trainer.configs import resolve_train_type
from ...trainer.consts import ActionState
from ...trainer.form.inspection import is_data
from ...trainer.loss_diagnostics import best_checkpoint
from ...trainer.progress import TrainingProgress
from ...wire import catalog
from .loss_chart import checkpoint_name

PLACEHOLDER: Final = tr_noop(
    "write a file or a variable for DATA: rows that the model was not trained on"
)


@dataclass(frozen=True)
class Action:
    """A button, and what it does.

    Attributes:
        key: its name in the code.
        label, tooltip: texts of the button.
        execute: runs on a thread; the panel shows its errors.
        question: what is asked before, "" where one click is enough.
        consequence: what is lost or billed.
        confirm, decline: the labels of the two answers.
        reason: why it is not possible now, "" where it is.
    """

    key: str
    label: str
    tooltip: str
    execute: Callable[[LLMFinetune], object]
    question: str = ""
    consequence: str = ""
    confirm: str = ""
    decline: str = ""
    reason: str = ""


def available_actions(trainer: LLMFinetune) -> list[Action]:
    """Return the actions that change a training: those that are possible now, and those that are
    not yet.
    """
    progress = trainer.progress
    actions = trainer.ppls[0].actions
    is_published = bool(progress.model_version_id) or any(
        isinstance(row, ModelPublishAction) for row in actions
    )
    if is_published:
        publish = []
    else:
        publish = [_publish()]
    if _is_deployed(actions, progress):
        deploy = []
    else:
        deploy = [_deploy(progress)]
    if trainer.is_running:
        return [_stop(progress), *publish, *deploy]
    star = _publish_best(trainer)
    if trainer.ppls[0].current is not None:
        return [_resume(progress), *star]
    return [*(star or publish), *deploy]


def main_action(keys: Sequence[str]) -> str:
    """Return which of some buttons is the likely next step, "" for none."""
    if "stop" in keys:
        return ""
    return next((key for key in ("resume", "chat", "star", "publish", "deploy") if key in keys), "")


def _stop(progress: TrainingProgress) -> Action:
    loss = tr("Resuming starts again from the beginning.")
    if progress.points:
        loss = tr(
            "It has reached {epoch}. The platform keeps the checkpoints so far; "
            "resuming starts again from the beginning.",
            epoch=checkpoint_name(progress.points[-1]),
        )
    return Action(
        "stop",
        tr("Stop training…"),
        tr("Stop the run on the platform"),
        LLMFinetune.stop,
        tr("Stop this training?"),
        loss,
        tr("Stop it"),
        tr("Keep training"),
    )


def _resume(progress: TrainingProgress) -> Action:
    def resume(trainer: LLMFinetune) -> object:
        return trainer.start(retry=True)

    ended = {("train", ActionState.Error), ("train", ActionState.Stopped)}
    has_run = any((stage.name, stage.state) in ended for stage in progress.stages)
    if not has_run or not progress.task_id:
        tooltip = tr("Repeat the step that was stopped or has failed")
        return Action("resume", tr("Resume"), tooltip, resume)
    price = tr("A new run starts in the same job, from the beginning.")
    if not progress.from_sandbox:
        price = tr(
            "A new run starts in the same job, from the beginning, and is billed like the first "
            "one."
        )
    return Action(
        "resume",
        tr("Resume…"),
        tr("Start a new run in the same job"),
        resume,
        tr("Train again?"),
        price,
        tr("Train again"),
        tr("Cancel"),
    )


def _publish() -> Action:
    tooltip = tr("Publish the last checkpoint as a model, when the training has ended")
    return Action("publish", tr("Publish"), tooltip, LLMFinetune.publish)


def _publish_best(trainer: LLMFinetune) -> list[Action]:
    """Return the button that publishes the best checkpoint, none where it is the last one or is
    published.
    """
    points = trainer.progress.points
    best = best_checkpoint(points)
    published_steps = {
        row.step for row in trainer.ppls[0].actions if isinstance(row, ModelPublishAction)
    }
    if best is None or best is points[-1] or best.step in published_steps:
        return []
    loss = format_loss(best.validation_loss)
    return [
        Action(
            "star",
            tr("Publish ★ {checkpoint}", checkpoint=checkpoint_name(best)),
            tr("Publish the checkpoint with the lowest validation loss, {loss}", loss=loss),
            lambda trainer: trainer.publish(step=best.step),
            reason="" if trainer.ppls[0].current is None else tr("resume the training first"),
        )
    ]


def _deploy(progress: TrainingProgress) -> Action:
    price = tr("One replica for one hour, free in the sandbox.")
    if not progress.from_sandbox:
        price = tr("One replica for one hour, paid in advance; `%qftrain deploy` has options.")
    return Action(
        "deploy",
        tr("Deploy…"),
        tr("Make a service of the model, as soon as it is published"),
        lambda trainer: trainer.deploy(DeployConfig()),
        tr("Deploy the model?"),
        price,
        tr("Deploy it"),
        tr("Cancel"),
    )


def _is_deployed(actions: Sequence[BaseAction], progress: TrainingProgress) -> bool:
    """Return whether what was published last is deployed, or will be."""
    published = 0
    is_deployed = False
    for action in actions:
        if isinstance(action, ModelPublishAction):
            published += 1
            is_deployed = False
        elif isinstance(action, DeployAction):
            is_deployed = True
    return is_deployed or (bool(progress.service_endpoint) and published < 2)


def chat_cell(progress: TrainingProgress, question: str = "") -> str:
    """Return a cell that asks the service a question, "" before the deployment."""
    endpoint = _endpoint(progress)
    if not endpoint:
        return ""
    name = _variable_of(progress) or progress.job_name
    if re.fullmatch(r"[\w.-]+", name):
        service = f"-m {name}"
    else:
        service = f"-e {endpoint}"
    return f"%%qfchat {service}\n{question or tr('Hello! What can you do?')}"


def evaluation_cell(progress: TrainingProgress) -> str:
    """Return a cell that compares the service with its base model, "" before the deployment."""
    endpoint = _endpoint(progress)
    if not endpoint:
        return ""
    name = _variable_of(progress) or endpoint
    base = resolve_train_type(progress.title)
    known_models = {row.lower(): row for row in catalog.model_names("chat", include_retired=True)}
    models = name
    if base.lower() in known_models:
        models = f"{known_models[base.lower()]} {name}"
    elif re.fullmatch(r"[\w.-]+", base):
        models = f"{name} -m {base}"
    data = evaluation_rows(progress)
    return f"{_placeholder(data)}%qfeval {models} -d {data or 'DATA'} -o report"


def _placeholder(data: str) -> str:
    """Return a comment that asks for rows, "" where there are some."""
    return "" if data else f"# {tr(PLACEHOLDER)}\n"


def checkpoint_cell(progress: TrainingProgress, step: int | str | None) -> str:
    """Return a cell that publishes a checkpoint, by default the last, and scores it without a
    service.
    """
    if step is None:
        choice = ""
    else:
        choice = f", step={step!r}"
    data = evaluation_rows(progress)
    if data in find_variables(is_data):
        source = data
    else:
        source = repr(data or "DATA")
    return (
        "from qfnb import Dataset, LLMFinetune\n"
        "from qfnb.evaluation import ExactMatchEvaluator, RougeLEvaluator\n\n"
        f"{_placeholder(data)}heldout = Dataset.load({source})\n"
        f"trainer = LLMFinetune.attach({(progress.run_id or progress.task_id)!r})\n"
        f"trainer.evaluate(heldout, [ExactMatchEvaluator(), RougeLEvaluator()]{choice}).wait()\n"
        'trainer.output["eval_res"]'
    )


def evaluation_rows(progress: TrainingProgress) -> str:
    """Return the variable, file or id of rows to test a model with: those of its evaluation, the
    sample's where it was trained on the sample, or what this notebook has; "" for none.
    """
    frames = find_variables(is_data)
    known = progress.evaluation_data
    if not re.fullmatch(r"[\w./-]*", known):  # it becomes part of a cell
        known = ""
    if known in frames or known.startswith("ds-") or (known and Path(known).is_file()):
        return known
    if is_sample_training(progress) and Path(HELD_OUT_FILE).is_file():
        return HELD_OUT_FILE
    # where it is not known what was trained on, it may be any of these
    names = [name for name in frames if frames[name] is not frames.get(progress.training_data)]
    if names and progress.training_data:
        return names[-1]
    return ""


def is_sample_training(progress: TrainingProgress) -> bool:
    """Return whether a model was trained on the sample rows."""
    training = progress.training_data
    value = find_variables(is_data).get(training)
    sources = (training, str(getattr(value, "source", "")))
    return TRAIN_FILE in {PurePath(source).name for source in sources}


def _variable_of(progress: TrainingProgress) -> str:
    """Return the notebook's variable that holds a training, "" where none does."""
    variables = find_variables(
        lambda value: isinstance(value, LLMFinetune) and value.id == progress.run_id
    )
    return next(iter(variables), "")


def _endpoint(progress: TrainingProgress) -> str:
    """Return the endpoint, "" where it has characters that could be code: it becomes part of a
    cell.
    """
    endpoint = progress.service_endpoint
    if re.fullmatch(r"[\w.-]+", endpoint):
        return endpoint
    return ""
