"""States of actions, runs and services. Source: seed 004."""

from __future__ import annotations

from enum import StrEnum

from ..model.consts import ServiceStatus as ServiceStatus
from ..model.consts import ServiceType as ServiceType


class ActionState(StrEnum):
    """The key points of an action's execution."""

    Preceding = "Preceding"
    Running = "Running"
    Done = "Done"
    Error = "Error"
    Stopped = "Stopped"


class FinetuneStatus(StrEnum):
    """Where a fine-tuning stands, from the current action and its state."""

    Unknown = "Unknown"
    DatasetLoading = "DatasetLoading"
    DatasetLoaded = "DatasetLoaded"
    DatasetLoadFailed = "DatasetLoadFailed"
    DatasetLoadStopped = "DatasetLoadStopped"
    Created = "Created"
    Training = "Training"
    TrainFinished = "TrainFinished"
    TrainFailed = "TrainFailed"
    TrainStopped = "TrainStopped"
    ModelPublishing = "ModelPublishing"
    ModelPublished = "ModelPublished"
    ModelPublishFailed = "ModelPublishFailed"
    EvaluationCreated = "EvaluationCreated"
    EvaluationRunning = "EvaluationRunning"
    EvaluationFinished = "EvaluationFinished"
    EvaluationFailed = "EvaluationFailed"
    EvaluationStopped = "EvaluationStopped"


_STATES = (
    ActionState.Preceding,
    ActionState.Running,
    ActionState.Done,
    ActionState.Error,
    ActionState.Stopped,
)
_STATUSES_BY_STAGE: dict[str, tuple[FinetuneStatus | ServiceStatus, ...]] = {
    "dataset": (
        FinetuneStatus.DatasetLoading,
        FinetuneStatus.DatasetLoading,
        FinetuneStatus.DatasetLoaded,
        FinetuneStatus.DatasetLoadFailed,
        FinetuneStatus.DatasetLoadStopped,
    ),
    "train": (
        FinetuneStatus.Created,
        FinetuneStatus.Training,
        FinetuneStatus.TrainFinished,
        FinetuneStatus.TrainFailed,
        FinetuneStatus.TrainStopped,
    ),
    "publish": (
        FinetuneStatus.ModelPublishing,
        FinetuneStatus.ModelPublishing,
        FinetuneStatus.ModelPublished,
        FinetuneStatus.ModelPublishFailed,
        FinetuneStatus.ModelPublishFailed,
    ),
    "deploy": (
        ServiceStatus.Created,
        ServiceStatus.Deploying,
        ServiceStatus.Deployed,
        ServiceStatus.DeployFailed,
        ServiceStatus.DeployStopped,
    ),
    "evaluate": (
        FinetuneStatus.EvaluationCreated,
        FinetuneStatus.EvaluationRunning,
        FinetuneStatus.EvaluationFinished,
        FinetuneStatus.EvaluationFailed,
        FinetuneStatus.EvaluationStopped,
    ),
}

STATUS = {
    (stage, state): word
    for stage, words in _STATUSES_BY_STAGE.items()
    for state, word in zip(_STATES, words, strict=True)
}
"""A stage of the pipeline and the state of its action to what users are told."""
