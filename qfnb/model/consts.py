"""Constants of models and services, under the seeds' import path."""

from enum import StrEnum


class ServiceType(StrEnum):
    """Kind of API that a service has."""

    Chat = "Chat"
    Completion = "Completion"
    Embedding = "Embedding"
    Text2Image = "Text2Image"


class ServiceStatus(StrEnum):
    """Status of a service, in the words of seed 004."""

    Unknown = "Unknown"
    Created = "Created"
    Deploying = "Deploying"
    Deployed = "Deployed"
    DeployFailed = "DeployFailed"
    DeployStopped = "DeployStopped"
