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
    Created = "Created"
    Training = "Training"
    TrainFinished = "TrainFinished"
    TrainFailed = "TrainFailed"
    TrainStopped = "TrainStopped"
    ModelPublishing = "ModelPublishing"
    ModelPublished = "ModelPublished"
    ModelPublishFailed = "ModelPublishFailed"
