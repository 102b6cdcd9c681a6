"""Progress values of trainings, and a trainer that only records the actions that are executed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from qfnb.trainer import BaseAction
from qfnb.trainer.consts import ActionState
from qfnb.trainer.progress import LogLine, LossPoint, Stage, TrainingProgress

CURVE = tuple(
    LossPoint(10 * n, n / 2, 4.0 / n, 4.5 / n if n % 2 else None, 4.6 / n if n % 2 else None)
    for n in range(1, 13)
)
STAGES = (
    Stage("dataset", ActionState.Done, "", 100.0, 102.0),
    Stage("train", ActionState.Running, "", 102.0),
    Stage("publish"),
)
LOG = (
    LogLine(100.0, "dataset", "Running", "bringing 800 rows onto the platform"),
    LogLine(103.0, "train", "Running", "run task-1: Running"),
    LogLine(105.0, "train", "Running", "the platform does not answer: refused", True),
)
RUNNING = TrainingProgress(
    "ERNIE-Speed-8K", STAGES, "Training", 40, 100.0, None, 102.0, 107.0, CURVE,
    ((107.0, 0.0), (109.0, 10.0), (112.0, 20.0), (114.0, 30.0), (117.0, 40.0)), LOG,
    run_id="run-ab12cd34ef", run_state="Running", task_id="task-1", job_id="job-1", from_sandbox=True,
    hyper_parameters={"epoch": 6, "learningRate": 3e-4},
    job_name="teahouse", train_mode="SFT", parameter_scale="LoRA",
)  # fmt: skip
DEPLOYED = replace(
    RUNNING, status="Deployed", percent=100, ended_at=140.0, metrics={"BLEU-4": "94.56%"},
    stages=tuple(replace(s, state=ActionState.Done, since=100.0, until=110.0) for s in STAGES),
    model_version_id="amv-1", service_endpoint="ab12cd34_demo",
)  # fmt: skip
FAILED = replace(
    DEPLOYED, status="TrainFailed", error="[336003] bad data (request as-1)\nthe data is wrong",
    stages=(replace(STAGES[0]), replace(STAGES[1], state=ActionState.Error, until=120.0)), service_endpoint="",
)  # fmt: skip
TRAINED = replace(DEPLOYED, status="TrainFinished", service_endpoint="", model_version_id="")


class Trainer:
    """A trainer that only records the actions that are executed."""

    def __init__(
        self,
        progress: TrainingProgress,
        actions: Sequence[BaseAction] = (),
        *,
        running: bool = True,
        current: BaseAction | None = None,
    ) -> None:
        self.progress = progress
        self.is_running = running
        self.executed: list[str] = []
        self.ppls: list[Any] = [SimpleNamespace(actions=list(actions), current=current)]
