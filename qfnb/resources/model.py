"""The model repository on the platform (the API group; the object with a life is `qfnb.model.Model`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..wire import model as wire
from .operation import operation


class Model:
    """Publish and look up models. Source: seed 001."""

    @operation(wire.PUBLISH)
    def publish(
        is_new: bool,
        version_meta: Mapping[str, Any],
        model_name: str | None = None,
        model_id: int | str | None = None,
        tags: Sequence[str] | None = None,
    ) -> wire.PublishModel:
        """Publish a finished run; `version_meta` is {"taskId": the job's id, "iterationId": the run's id}."""
        return wire.PublishModel(
            is_new_model=is_new,
            version_meta=wire.VersionMeta.model_validate(version_meta),
            model_name=model_name,
            model_id=model_id,
            tags=list(tags) if tags else None,
        )

    @operation(wire.DETAIL)
    def detail(model_version_id: int | str) -> wire.VersionRef:
        """Return one version of a model; `state` is Creating, Ready or Fail."""
        return wire.VersionRef(model_version_id=model_version_id)
