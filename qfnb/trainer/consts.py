"""States of actions, runs and services. Source: seed 004."""

from enum import StrEnum

from ..model.consts import ServiceStatus as ServiceStatus, ServiceType as ServiceType


class ActionState(StrEnum):
    """States of an action; the values are stored on disk."""

    Preceding = "Preceding"
    Running = "Running"
    Done = "Done"
    Error = "Error"
    Stopped = "Stopped"


class FinetuneStatus(StrEnum):
    """Status of a fine-tuning, from the current action and its state; the values are stored on
    disk.
    """

    Unknown = "Unknown"
    DatasetLoading = "DatasetLoading"
    DatasetLoaded = "DatasetLoaded"
    DatasetLoadFailed = "DatasetLoadFailed"
    DatasetLoadStopped = "DatasetLoadStopped"
    Created = "Created"
    TrainCreated = "Created"  # the official SDK's name
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


class PeftType(StrEnum):
    """Kinds of tuning: all weights, a prompt, or LoRA's small matrices."""

    ALL = "FullFineTuning"
    PTuning = "PromptTuning"
    LoRA = "LoRA"


_STATUSES_BY_STAGE = {
    "dataset": "DatasetLoading DatasetLoading DatasetLoaded DatasetLoadFailed DatasetLoadStopped",
    "train": "Created Training TrainFinished TrainFailed TrainStopped",
    "publish": "ModelPublishing ModelPublishing ModelPublished ModelPublishFailed "
    "ModelPublishFailed",
    "deploy": "Created Deploying Deployed DeployFailed DeployStopped",
    "evaluate": "EvaluationCreated EvaluationRunning EvaluationFinished EvaluationFailed "
    "EvaluationStopped",
}
"""The status at each state of a stage's action, in the order of `ActionState`."""

STATUS: dict[tuple[str, ActionState], FinetuneStatus | ServiceStatus] = {
    (stage, state): ServiceStatus(status) if stage == "deploy" else FinetuneStatus(status)
    for stage, statuses in _STATUSES_BY_STAGE.items()
    for state, status in zip(ActionState, statuses.split(), strict=True)
}
"""The status of a training at a stage of the pipeline and a state of its action."""
