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

STATUS: dict[tuple[str, ActionState], FinetuneStatus | ServiceStatus] = {}
"""The status of a training at a stage of the pipeline and a state of its action."""

for _stage, _statuses in _STATUSES_BY_STAGE.items():
    for _state, _status in zip(ActionState, _statuses.split(), strict=True):
        if _stage == "deploy":
            STATUS[_stage, _state] = ServiceStatus(_status)
        else:
            STATUS[_stage, _state] = FinetuneStatus(_status)
