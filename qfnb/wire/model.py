"""Models in the repository: publish a training run, look at one version (console v1)."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from .base import ConsoleRecord, Endpoint

CREATING, READY, FAILED = "Creating", "Ready", "Fail"
"""Values of a version's state."""


class VersionMeta(ConsoleRecord):
    """Which run to publish; `task_id` is the job (folder) and `iteration_id` the run, v1's naming."""

    task_id: int | str
    iteration_id: int | str
    step: int | None = None


class PublishModel(ConsoleRecord):
    """Publish a finished run as a new model, or as a new version of `model_id`."""

    is_new_model: bool = True
    model_name: str | None = None
    model_id: int | str | None = None
    version_meta: VersionMeta
    tags: list[str] | None = None


class Published(ConsoleRecord):
    """Both kinds of id: integers, and `am-...` / `amv-...`."""

    model_id: int
    model_id_str: str = Field(alias="modelIDStr")
    version: str = "1"
    version_id: int
    version_id_str: str


class VersionRef(ConsoleRecord):
    """Which version, as an int or `amv-...`."""

    model_version_id: int | str


class ModelVersion(ConsoleRecord):
    """One version of a model."""

    model_id: int | None = None
    model_id_str: str = ""
    model_name: str = ""
    model_version_id: int | None = None
    model_version_id_str: str = ""
    version: str = "1"
    state: str = ""
    train_type: str | None = None
    source_extra: dict[str, Any] | None = None


PUBLISH = Endpoint(
    "model.publish",
    "/wenxinworkshop/modelrepo/publishTrainModel",
    PublishModel,
    Published,
    plane="console",
    repeatable=False,
)
DETAIL = Endpoint(
    "model.detail", "/wenxinworkshop/modelrepo/modelVersionDetail", VersionRef, ModelVersion, plane="console"
)
