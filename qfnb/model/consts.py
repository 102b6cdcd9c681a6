"""Constants of models and services, under the seeds' import path."""

from __future__ import annotations

from enum import StrEnum


class ServiceType(StrEnum):
    """What a service can be asked."""

    Chat = "Chat"
    Completion = "Completion"
    Embedding = "Embedding"


class ServiceStatus(StrEnum):
    """A service's life as seed 004 names it."""

    Unknown = "Unknown"
    Created = "Created"
    Deploying = "Deploying"
    Deployed = "Deployed"
    DeployFailed = "DeployFailed"
    DeployStopped = "DeployStopped"
