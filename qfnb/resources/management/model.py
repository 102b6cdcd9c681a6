"""The model repository on the platform (the group of calls; the object with a life cycle is
`qfnb.model.Model`).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...wire import model as wire
from ..validation import list_or_none, validate_choice, validate_record
from .evaluation import EvaluationTasks
from .model_v2 import ModelV2
from .operation import operation


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
            is_new: whether to create a new model.
            version_meta: {"taskId": the job's id, "iterationId": the run's id}, and "step" for a
                checkpoint.
            model_name: the name of a new model.
            model_id: the model that gets a version.
            tags: tags of the model.

        Raises:
            InvalidArgumentError: an id is missing.
        """
        if not is_new and model_id is None:
            raise InvalidArgumentError(
                tr("publish: is_new=False needs model_id, the model that gets the new version")
            )
        return wire.PublishModel(
            is_new_model=is_new,
            version_meta=validate_record("version_meta", wire.VersionMeta, version_meta),
            model_name=model_name,
            model_id=model_id,
            tags=list_or_none(tags),
        )

    @operation(wire.LIST)
    def list(model_id: int | str) -> None:
        """Return a model and all its versions (`modelVersionList`), the newest first."""

    @operation(wire.DETAIL)
    def detail(model_version_id: int | str) -> None:
        """Return one version of a model; `state` is Creating, Ready or Fail."""

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
    ) -> None:
        """Return a page of the platform's own models.

        Args:
            name_filter: a part of the name.
            model_type: 0 text, 1 image, 4 vector, 5 vision; default: all.
            model_version_vendor: vendors; default: all.
            ctx_length: context lengths such as "8K"; default: all.
            language_support: languages; default: all.
            expansion: sent as it is; the API page does not explain it.
            order_by: a field.
            page_no: number of the page, from 1.
            page_size: rows of a page.
        """

    @operation(wire.USER_LIST)
    def user_list(
        name_filter: str | None = None,
        model_type: Sequence[int] | None = None,
        order_by: str | None = None,
        order: str | None = None,
        page_no: int = 1,
        page_size: int = 20,
    ) -> wire.ListModels:
        """Return a page of your own models.

        Args:
            name_filter: a part of the name.
            model_type: kinds, see `ModelTypeUser`; default: all.
            order_by: a field, such as createTime.
            order: "asc" or "desc".
            page_no: number of the page, from 1.
            page_size: rows of a page.
        """
        if order is not None:
            validate_choice("order", order, ("asc", "desc"))
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
        """Delete models with all their versions; none may be in service."""
        return wire.DeleteModels(model_ids=_validate_ids(model_ids, "model_ids"))

    @operation(wire.DELETE_VERSIONS)
    def batch_delete_model_version(model_version_ids: Sequence[int | str]) -> wire.DeleteVersions:
        """Delete versions; none may be in service."""
        return wire.DeleteVersions(
            model_version_ids=_validate_ids(model_version_ids, "model_version_ids")
        )

    @operation(wire.EVALUABLE)
    def evaluable_model_list() -> None:
        """Return the models that can be evaluated, each with its versions."""


def _to_ints(numbers: Sequence[int] | None) -> list[int] | None:
    if numbers:
        return [int(number) for number in numbers]
    return None


def _validate_ids(ids: Sequence[int | str], name: str) -> list[int | str]:
    """Return the ids as a list; a single text is rejected, it would be split into letters."""
    if isinstance(ids, str) or not ids:
        raise InvalidArgumentError(
            tr("{name}={ids!r}: must be a list of at least one id", name=name, ids=ids)
        )
    return [*ids]
