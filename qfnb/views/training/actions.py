"""What can be done with a training next: go on, stop, publish, deploy, chat with it, compare it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ...trainer import DeployAction, DeployConfig, LLMFinetune, ModelPublishAction
from ...trainer.configs import resolve_train_type
from ...trainer.progress import TrainingProgress


@dataclass(frozen=True)
class Action:
    """A button.

    Attributes:
        label, tooltip: of the button.
        confirm: what the button says before the second click that is needed; "" when one click is enough.
        execute: does it; it may take a while, and its errors are for the person who clicked.
    """

    label: str
    tooltip: str
    confirm: str
    execute: Callable[[LLMFinetune], object]


STOP = Action(
    "停止 Stop",
    "Stop the run on the platform; what was learned so far stays there",
    "再点一次停止 click again to stop",
    LLMFinetune.stop,
)
RESUME = Action(
    "继续 Resume",
    "Go on with the step that was stopped or failed",
    "",
    lambda trainer: trainer.start(retry=True),
)
PUBLISH = Action("发布 Publish", "Publish the run as a model when it is trained", "", LLMFinetune.publish)
DEPLOY = Action(
    "部署 Deploy",
    "Deploy the model when it is published: 1 replica, 1 hour; `%qftrain deploy` takes options",
    "再点一次部署（计费）click again: it is billed",
    lambda trainer: trainer.deploy(DeployConfig()),
)


def available_actions(trainer: LLMFinetune) -> list[Action]:
    """Return what the trainer can be told now."""
    progress, actions = trainer.progress, trainer.ppls[0].actions
    published = progress.model_version_id or any(isinstance(action, ModelPublishAction) for action in actions)
    deployed = progress.service_endpoint or any(isinstance(action, DeployAction) for action in actions)
    publish, deploy = [] if published else [PUBLISH], [] if deployed else [DEPLOY]
    if trainer.is_running:
        return [STOP, *publish, *deploy]
    return [RESUME] if trainer.ppls[0].current is not None else [*publish, *deploy]


def chat_cell(progress: TrainingProgress) -> str:
    """Return a cell that talks to the service; empty while there is none."""
    endpoint = _endpoint(progress)
    return f"%%qfchat -e {endpoint}\n你好" if endpoint else ""


def evaluation_cell(progress: TrainingProgress) -> str:
    """Return a cell that compares the service with the model it was made from; empty while there is none."""
    endpoint, base = _endpoint(progress), resolve_train_type(progress.title)
    if not endpoint:
        return ""
    return (
        "from qfnb import Dataset, EvaluationManager, Service\n"
        "from qfnb.evaluation import ExactMatchEvaluator, RougeLEvaluator\n\n"
        'heldout = Dataset.load("heldout.jsonl")  # 未训练过的数据 / rows that were not trained on\n'
        f'base = Service(model={base!r}, name="base")\n'
        f'tuned = Service(endpoint={endpoint!r}, name="tuned")\n'
        "manager = EvaluationManager(local_evaluators=[ExactMatchEvaluator(), RougeLEvaluator()])\n"
        "manager.eval([base, tuned], heldout)"
    )


def _endpoint(progress: TrainingProgress) -> str:
    """Return the service's address where it can be nothing but one: it becomes part of a program."""
    return progress.service_endpoint if re.fullmatch(r"[\w.-]+", progress.service_endpoint) else ""
