"""Constants of the management plane, under the seeds' import path."""

from __future__ import annotations

from enum import Enum, StrEnum


class DeployPoolType(Enum):
    """Which pool a service runs in."""

    PublicResource = 1
    PrivateResource = 2


class TrainStatus(StrEnum):
    """A run's state on the platform (v2)."""

    Waiting = "Waiting"
    Running = "Running"
    Done = "Done"
    Failed = "Failed"
    Stopped = "Stopped"


class ServiceStatus(StrEnum):
    """A service's state on the platform (v2)."""

    New = "New"
    Deploying = "Deploying"
    Serving = "Serving"
    Failed = "Failed"
    Stopped = "Stopped"
