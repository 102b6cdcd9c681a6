"""The model repository on the platform (the group of calls; the object with a life cycle is
`qfnb.model.Model`); console v2 (`Model.V2`) has sets (`am-...`) and models, which are versions
(`amv-...`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...wire import model as wire
from ..validation import validate_choice, validate_record
from .evaluation import EvaluationTasks
from .operation import Fields, Id, operation, record_operation

MAX_TEMPLATE_BYTES = 1 << 20


class ModelV2:
    """Sets, models, exports and compressions. Source: API pages of /v2/model."""

    @operation(wire.CREATE_SET)
    def create_custom_model_set(
        model_set_name: str, model_type: str, labels: Sequence[str] | None = None
    ) -> Fields:
        """Create a set for your own versions; returns `modelSetId`.

        Args:
            model_set_name: shown in the console.
            model_type: Text2Text, Text2Image, TextRepresentation, ImageUnderstanding or Industry.
            labels: tags of the set.
        """
        validate_choice("model_type", model_type, wire.TYPES)
        return {"labels": labels or None}

    describe_system_model_sets = record_operation(
        wire.SYSTEM_SETS,
        """Return a page of the platform's own sets.

        Args:
            marker: the last id of the page before.
            max_keys: rows of a page.
            page_reverse: return the page before the marker instead.
        """,
    )

    describe_custom_model_sets = record_operation(
        wire.CUSTOM_SETS,
        """Return a page of your own sets, the newest first.

        Args:
            marker: the last id of the page before.
            max_keys: rows of a page.
            page_reverse: return the page before the marker instead.
        """,
    )

    @operation(wire.DESCRIBE_SET)
    def describe_model_set(
        model_set_name: str | None = None, model_set_id: Id | None = None
    ) -> Fields:
        """Return a set by its id or its name; `modelIds[0]` is the newest version."""
        if not model_set_id and not model_set_name:
            raise InvalidArgumentError(
                tr("describe_model_set: pass model_set_id or model_set_name")
            )
        if model_set_id:
            name = None
        else:
            name = model_set_name
        return {"model_set_id": model_set_id or None, "model_set_name": name}

    delete_model_set = record_operation(
        wire.DELETE_SET, "Delete a set with all its versions; none may be in service."
    )

    @operation(wire.CREATE)
    def create_custom_model(
        model_set_id: Id,
        source_type: str,
        description: str | None = None,
        train_meta: Mapping[str, Any] | None = None,
        import_meta: Mapping[str, Any] | None = None,
    ) -> wire.CreateModel:
        """Add a new version to a set; returns `modelId`.

        Args:
            model_set_id: `am-...`.
            source_type: "Train" (from a run) or "Import" (from your own bucket).
            description: up to 300 characters.
            train_meta: {"taskId": "task-...", "checkpointStep": a step}.
            import_meta: {"bucket", "objectPath", "modelFormat", ...}.

        Raises:
            InvalidArgumentError: the mapping of the source is missing.
        """
        source_meta = {wire.TRAINED: train_meta, wire.IMPORTED: import_meta}
        if source_type not in source_meta:
            raise InvalidArgumentError(
                tr("source_type={source_type!r}: must be Train or Import", source_type=source_type)
            )
        if not source_meta[source_type]:
            raise InvalidArgumentError(
                tr(
                    "source_type={source_type!r} needs {name}_meta",
                    source_type=source_type,
                    name=source_type.lower(),
                )
            )
        is_training = source_type == wire.TRAINED
        values = {
            "model_set_id": model_set_id,
            "source_type": source_type,
            "description": description,
            "train_meta": dict(train_meta or {}) if is_training else None,
            "import_meta": None if is_training else dict(import_meta or {}),
        }
        return validate_record("model", wire.CreateModel, values)

    @operation(wire.CREATE_CONF)
    def create_custom_model_conf(file: str | Path) -> Fields:
        """Upload a chat template for imported models: a `.py` file of less than 1 MB.

        The platform's page calls it an upload, but the official SDK never sends the file; here its
        text is sent as `customSpecFile`. This has not been tried against the platform.
        """
        path = Path(file)
        if path.suffix != ".py" or not path.is_file() or path.stat().st_size >= MAX_TEMPLATE_BYTES:
            raise InvalidArgumentError(
                tr("{path}: a chat template is a .py file of less than 1 MB", path=path)
            )
        return {"custom_spec_file": path.read_text(encoding="utf-8")}

    describe_model_system_advanced_conf = record_operation(
        wire.SYSTEM_CONF, "Return the settings that chat or completion models of a format run with."
    )

    describe_model = record_operation(
        wire.DESCRIBE,
        "Return a version (`amv-...`): its status, and where it comes from (`sourceInfo`).",
    )

    describe_model_custom_advanced_conf = record_operation(
        wire.CUSTOM_CONF, "Return the settings that a version runs with."
    )

    delete_model = record_operation(wire.DELETE_V2, "Delete a version; it must not be in service.")

    create_model_export_model = record_operation(
        wire.CREATE_EXPORT,
        "Export a version as a file; `describe_model_export_model` returns its state.",
    )

    describe_model_export_model = record_operation(
        wire.DESCRIBE_EXPORT, "Return a version's newest export: `status` is Doing, Done or Fail."
    )

    @operation(wire.CREATE_COMPRESSION)
    def create_model_comp_task(
        name: str,
        source_model_id: Id,
        config: Mapping[str, Any],
        model_set_id: Id,
        description: str | None = None,
    ) -> Fields:
        """Compress a version into a new version; returns the task's id.

        Args:
            name: shown in the console.
            source_model_id: the version to compress, `amv-...`.
            config: {"strategy": Quantization or Sparsity, "weight": INT8-PTQ, W8A16C16 or
                W4A16C16}.
            model_set_id: the set that gets the new version, `am-...`.
            description: a note for people.
        """
        config_record = validate_record("config", wire.CompressionConfig, config)
        validate_choice("config.strategy", config_record.strategy, wire.COMPRESSION_STRATEGIES)
        return {"config": config_record}

    describe_model_comp_tasks = record_operation(
        wire.LIST_COMPRESSIONS,
        """Return a page of compressions, the newest first, of one version or of all.

        Args:
            marker: the last id of the page before.
            max_keys: rows of a page.
            page_reverse: return the page before the marker instead.
            source_model_id: only compressions of this version, `amv-...`.
        """,
    )

    describe_model_comp_task = record_operation(
        wire.DESCRIBE_COMPRESSION,
        "Return a compression: creating, running, succeeded, failed, stopping or stopped.",
    )

    cancel_model_comp_task = record_operation(wire.CANCEL_COMPRESSION, "Stop a compression.")

    delete_model_comp_task = record_operation(
        wire.DELETE_COMPRESSION, "Delete an ended compression; its version is kept."
    )


class Model(EvaluationTasks):
    """Publish, look up and delete models. Source: seed 001, API pages of /modelrepo."""

    V2 = ModelV2

    @operation(wire.PUBLISH)
    def publish(
        is_new: bool,
        version_meta: Mapping[str, Any],
        model_name: str | None = None,
        model_id: Id | None = None,
        tags: Sequence[str] | None = None,
    ) -> Fields:
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
        return {"is_new_model": is_new, "tags": tags or None}

    list = record_operation(
        wire.LIST, "Return a model and all its versions (`modelVersionList`), the newest first."
    )

    detail = record_operation(
        wire.DETAIL, "Return one version of a model; `state` is Creating, Ready or Fail."
    )

    preset_list = record_operation(
        wire.PRESET_LIST,
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
        """,
    )

    @operation(wire.USER_LIST)
    def user_list(
        name_filter: str | None = None,
        model_type: Sequence[int] | None = None,
        order_by: str | None = None,
        order: str | None = None,
        page_no: int = 1,
        page_size: int = 20,
    ) -> Fields:
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
        return {"model_type": model_type or None}

    @operation(wire.DELETE)
    def batch_delete_model(model_ids: Sequence[Id]) -> Fields:
        """Delete models with all their versions; none may be in service."""
        return {"model_ids": _validate_ids(model_ids, "model_ids")}

    @operation(wire.DELETE_VERSIONS)
    def batch_delete_model_version(model_version_ids: Sequence[Id]) -> Fields:
        """Delete versions; none may be in service."""
        return {"model_version_ids": _validate_ids(model_version_ids, "model_version_ids")}

    evaluable_model_list = record_operation(
        wire.EVALUABLE, "Return the models that can be evaluated, each with its versions."
    )


def _validate_ids(ids: Sequence[Id], name: str) -> list[Id]:
    """Return the ids as a list; a single text is rejected, it would be split into letters."""
    if isinstance(ids, str) or not ids:
        raise InvalidArgumentError(
            tr("{name}={ids!r}: must be a list of at least one id", name=name, ids=ids)
        )
    return [*ids]
