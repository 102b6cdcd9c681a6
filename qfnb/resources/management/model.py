"""The model repository on the platform (the API group; the object with a life is `qfnb.model.Model`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InvalidArgumentError
from ...wire import model as wire
from ...wire.base import EmptyBody
from .evaluation import EvaluationTasks
from .model_v2 import ModelV2
from .operation import operation
from .validation import validate_record


class Model(EvaluationTasks):
    """Publish, look up and delete models. Source: seed 001, API pages of /modelrepo."""

    V2 = ModelV2

    @operation(wire.PUBLISH)
    def publish(
        is_new: bool,
        version_meta: Mapping[str, Any],
        model_name: str | None = None,
        model_id: int | str | None = None,
        tags: Sequence[str] | None = None,
    ) -> wire.PublishModel:
        """Publish a finished run as a new model, or as a new version of `model_id`.

        Args:
            is_new: whether it is a new model.
            version_meta: {"taskId": the job's id, "iterationId": the run's id}, and "step" for a checkpoint.
            model_name: of a new model.
            model_id: of the model that gets a version.
            tags: of the model.

        Raises:
            InvalidArgumentError: an id is missing.
        """
        if not is_new and model_id is None:
            raise InvalidArgumentError("publish: is_new=False needs model_id, the model that gets a version")
        return wire.PublishModel(
            is_new_model=is_new,
            version_meta=validate_record(wire.VersionMeta, version_meta, label="version_meta"),
            model_name=model_name,
            model_id=model_id,
            tags=list(tags) if tags else None,
        )

    @operation(wire.LIST)
    def list(model_id: int | str) -> wire.ModelRef:
        """Return a model and all its versions (`modelVersionList`), the newest first."""
        return wire.ModelRef(model_id=model_id)

    @operation(wire.DETAIL)
    def detail(model_version_id: int | str) -> wire.VersionRef:
        """Return one version of a model; `state` is Creating, Ready or Fail."""
        return wire.VersionRef(model_version_id=model_version_id)

    @operation(wire.PRESET_LIST)
    def preset_list(
        name_filter: str | None = None,
        model_type: Sequence[int] | None = None,
        model_version_vendor: Sequence[str] | None = None,
        ctx_length: Sequence[str] | None = None,
        language_support: Sequence[str] | None = None,
        expansion: Sequence[str] | None = None,
        order_by: str | None = None,
        page_no: int = 1,
        page_size: int = 20,
    ) -> wire.ListPresets:
        """Return a page of the platform's own models; `model_type` 0 text, 1 image, 4 vector, 5 vision."""
        return wire.ListPresets(
            page_no=page_no,
            page_size=page_size,
            name_filter=name_filter,
            model_type=_to_ints(model_type),
            model_version_vendor=_to_list(model_version_vendor),
            ctx_length=_to_list(ctx_length),
            language_support=_to_list(language_support),
            expansion=_to_list(expansion),
            order_by=order_by,
        )

    @operation(wire.USER_LIST)
    def user_list(
        name_filter: str | None = None,
        model_type: Sequence[int] | None = None,
        order_by: str | None = None,
        order: str | None = None,
        page_no: int = 1,
        page_size: int = 20,
    ) -> wire.ListModels:
        """Return a page of one's own models; `order` is asc or desc."""
        if order not in {None, "asc", "desc"}:
            raise InvalidArgumentError(f"user_list: order={order!r}; it is asc or desc")
        return wire.ListModels(
            page_no=page_no,
            page_size=page_size,
            name_filter=name_filter,
            model_type=_to_ints(model_type),
            order_by=order_by,
            order=order,
        )

    @operation(wire.DELETE)
    def batch_delete_model(model_ids: Sequence[int | str]) -> wire.DeleteModels:
        """Delete models with all their versions; none of them may be in service."""
        return wire.DeleteModels(model_ids=_validate_ids(model_ids, "model_ids"))

    @operation(wire.DELETE_VERSIONS)
    def batch_delete_model_version(model_version_ids: Sequence[int | str]) -> wire.DeleteVersions:
        """Delete versions; none of them may be in service."""
        return wire.DeleteVersions(model_version_ids=_validate_ids(model_version_ids, "model_version_ids"))

    @operation(wire.EVALUABLE)
    def evaluable_model_list() -> EmptyBody:
        """Return the models that an evaluation takes, each with its versions."""
        return EmptyBody()


def _to_ints(numbers: Sequence[int] | None) -> list[int] | None:
    return [int(number) for number in numbers] if numbers else None


def _to_list(texts: Sequence[str] | None) -> list[str] | None:
    return [*texts] if texts else None


def _validate_ids(ids: Sequence[int | str], name: str) -> list[int | str]:
    """Return the ids; a single text would otherwise be taken apart into letters."""
    if isinstance(ids, str) or not ids:
        raise InvalidArgumentError(f"{name}={ids!r}: a list with at least one id (至少一个 ID 的列表)")
    return [*ids]
