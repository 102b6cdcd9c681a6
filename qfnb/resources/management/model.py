"""The model repository on the platform (the API group; the object with a life is `qfnb.model.Model`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...errors import InvalidArgumentError
from ...wire import model as wire
from ...wire import model_v2 as v2
from ...wire.base import EmptyBody, PageRequest
from ..validation import list_or_none, validate_choice, validate_record
from .evaluation import EvaluationTasks
from .operation import operation

MAX_TEMPLATE_BYTES = 1 << 20


class ModelV2:
    """Sets, models, exports and compressions. Source: API pages of /v2/model."""

    @operation(v2.CREATE_SET)
    def create_custom_model_set(
        model_set_name: str, model_type: str, labels: Sequence[str] | None = None
    ) -> v2.CreateModelSet:
        """Create a set for versions of one's own; returns `modelSetId`.

        `model_type` is Text2Text, Text2Image, TextRepresentation, ImageUnderstanding or Industry.
        """
        validate_choice("model_type", model_type, v2.TYPES)
        return v2.CreateModelSet(
            model_set_name=model_set_name, model_type=model_type, labels=list_or_none(labels)
        )

    @operation(v2.SYSTEM_SETS)
    def describe_system_model_sets(
        marker: str | None = None, max_keys: int | None = None, page_reverse: bool | None = None
    ) -> PageRequest:
        """Return a page of the platform's own sets."""
        return PageRequest(marker=marker, max_keys=max_keys, page_reverse=page_reverse)

    @operation(v2.CUSTOM_SETS)
    def describe_custom_model_sets(
        marker: str | None = None, max_keys: int | None = None, page_reverse: bool | None = None
    ) -> PageRequest:
        """Return a page of one's own sets, the newest first."""
        return PageRequest(marker=marker, max_keys=max_keys, page_reverse=page_reverse)

    @operation(v2.DESCRIBE_SET)
    def describe_model_set(
        model_set_name: str | None = None, model_set_id: int | str | None = None
    ) -> v2.ModelSetRef:
        """Return a set by its id or its name; `modelIds[0]` is the newest version."""
        if not model_set_id and not model_set_name:
            raise InvalidArgumentError("describe_model_set: give model_set_id or model_set_name")
        name = None if model_set_id else model_set_name
        return v2.ModelSetRef(model_set_id=model_set_id or None, model_set_name=name)

    @operation(v2.DELETE_SET)
    def delete_model_set(model_set_id: int | str) -> v2.ModelSetId:
        """Delete a set with all its versions; none of them may be in service."""
        return v2.ModelSetId(model_set_id=model_set_id)

    @operation(v2.CREATE)
    def create_custom_model(
        model_set_id: int | str,
        source_type: str,
        description: str | None = None,
        train_meta: Mapping[str, Any] | None = None,
        import_meta: Mapping[str, Any] | None = None,
    ) -> v2.CreateModel:
        """Put a new version into a set; returns `modelId`.

        Args:
            model_set_id: `am-...`.
            source_type: Train, from a run, or Import, from one's own bucket.
            description: up to 300 characters.
            train_meta: {"taskId": "task-...", "checkpointStep": a step}.
            import_meta: {"bucket", "objectPath", "modelFormat", ...}.

        Raises:
            InvalidArgumentError: what the source needs is missing.
        """
        source_meta = {wire.TRAINED: train_meta, wire.IMPORTED: import_meta}
        if source_type not in source_meta:
            raise InvalidArgumentError(f"source_type={source_type!r}; it is Train or Import")
        if not source_meta[source_type]:
            raise InvalidArgumentError(f"source_type={source_type!r} needs {source_type.lower()}_meta")
        is_training = source_type == wire.TRAINED
        values = {
            "model_set_id": model_set_id,
            "source_type": source_type,
            "description": description,
            "train_meta": dict(train_meta or {}) if is_training else None,
            "import_meta": None if is_training else dict(import_meta or {}),
        }
        return validate_record("model", v2.CreateModel, values)

    @operation(v2.CREATE_CONF)
    def create_custom_model_conf(file: str | Path) -> v2.CreateConf:
        """Hand over a chat template for imported models: a `.py` file of less than 1 MB.

        The platform's page calls it an upload, and the official SDK never sends the file; here its text goes
        along as `customSpecFile`. Not tried against the platform.
        """
        path = Path(file)
        if path.suffix != ".py" or not path.is_file() or path.stat().st_size >= MAX_TEMPLATE_BYTES:
            raise InvalidArgumentError(f"{path}: a chat template is a .py file of less than 1 MB")
        return v2.CreateConf(custom_spec_file=path.read_text(encoding="utf-8"))

    @operation(v2.SYSTEM_CONF)
    def describe_model_system_advanced_conf(
        model_application_type: str, model_format: str = "HuggingFace.Transformers"
    ) -> v2.SystemConf:
        """Return how the platform runs chat or completion models of a format."""
        return v2.SystemConf(model_application_type=model_application_type, model_format=model_format)

    @operation(v2.DESCRIBE)
    def describe_model(model_id: int | str) -> v2.ModelId:
        """Return a version (`amv-...`): its status, and where it comes from (`sourceInfo`)."""
        return v2.ModelId(model_id=model_id)

    @operation(v2.CUSTOM_CONF)
    def describe_model_custom_advanced_conf(model_id: int | str) -> v2.ModelId:
        """Return how a version is run."""
        return v2.ModelId(model_id=model_id)

    @operation(v2.DELETE)
    def delete_model(model_id: int | str) -> v2.ModelId:
        """Delete a version; it must not be in service."""
        return v2.ModelId(model_id=model_id)

    @operation(v2.CREATE_EXPORT)
    def create_model_export_model(model_id: int | str) -> v2.ModelId:
        """Pack a version as a file; `describe_model_export_model` tells when it is there."""
        return v2.ModelId(model_id=model_id)

    @operation(v2.DESCRIBE_EXPORT)
    def describe_model_export_model(model_id: int | str) -> v2.ModelId:
        """Return a version's newest export: `status` is Doing, Done or Fail."""
        return v2.ModelId(model_id=model_id)

    @operation(v2.CREATE_COMPRESSION)
    def create_model_comp_task(
        name: str,
        source_model_id: int | str,
        config: Mapping[str, Any],
        model_set_id: int | str,
        description: str | None = None,
    ) -> v2.CreateCompression:
        """Compress a version into a new one of a set; returns the task's id.

        `config` is {"strategy": Quantization or Sparsity, "weight": INT8-PTQ, W8A16C16 or W4A16C16}.
        """
        config_record = validate_record("config", v2.CompressionConfig, config)
        validate_choice("config.strategy", config_record.strategy, v2.COMPRESSION_STRATEGIES)
        return v2.CreateCompression(
            name=name,
            source_model_id=source_model_id,
            model_set_id=model_set_id,
            config=config_record,
            description=description,
        )

    @operation(v2.LIST_COMPRESSIONS)
    def describe_model_comp_tasks(
        marker: str | None = None,
        max_keys: int | None = None,
        page_reverse: bool | None = None,
        source_model_id: int | str | None = None,
    ) -> v2.ListCompressions:
        """Return a page of compressions, the newest first, of one version or of all."""
        return v2.ListCompressions(
            marker=marker, max_keys=max_keys, page_reverse=page_reverse, source_model_id=source_model_id
        )

    @operation(v2.DESCRIBE_COMPRESSION)
    def describe_model_comp_task(model_comp_task_id: int | str) -> v2.CompressionRef:
        """Return a compression: creating, running, succeeded, failed, stopping or stopped."""
        return v2.CompressionRef(model_comp_task_id=model_comp_task_id)

    @operation(v2.CANCEL_COMPRESSION)
    def cancel_model_comp_task(model_comp_task_id: int | str) -> v2.CompressionRef:
        """Stop a v2."""
        return v2.CompressionRef(model_comp_task_id=model_comp_task_id)

    @operation(v2.DELETE_COMPRESSION)
    def delete_model_comp_task(model_comp_task_id: int | str) -> v2.CompressionRef:
        """Delete a compression that is over; the version that it made stays."""
        return v2.CompressionRef(model_comp_task_id=model_comp_task_id)


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
            version_meta=validate_record("version_meta", wire.VersionMeta, version_meta),
            model_name=model_name,
            model_id=model_id,
            tags=list_or_none(tags),
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
            model_version_vendor=list_or_none(model_version_vendor),
            ctx_length=list_or_none(ctx_length),
            language_support=list_or_none(language_support),
            expansion=list_or_none(expansion),
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


def _validate_ids(ids: Sequence[int | str], name: str) -> list[int | str]:
    """Return the ids; a single text would otherwise be taken apart into letters."""
    if isinstance(ids, str) or not ids:
        raise InvalidArgumentError(f"{name}={ids!r}: a list with at least one id (至少一个 ID 的列表)")
    return [*ids]
