"""The model repository, console v2 (`Model.V2`): sets (`am-...`) and models, which are versions
(`amv-...`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...wire import model as wire
from ..validation import list_or_none, validate_choice, validate_record
from .operation import operation

MAX_TEMPLATE_BYTES = 1 << 20


class ModelV2:
    """Sets, models, exports and compressions. Source: API pages of /v2/model."""

    @operation(wire.CREATE_SET)
    def create_custom_model_set(
        model_set_name: str, model_type: str, labels: Sequence[str] | None = None
    ) -> wire.CreateModelSet:
        """Create a set for your own versions; returns `modelSetId`.

        Args:
            model_set_name: shown in the console.
            model_type: Text2Text, Text2Image, TextRepresentation, ImageUnderstanding or Industry.
            labels: tags of the set.
        """
        validate_choice("model_type", model_type, wire.TYPES)
        return wire.CreateModelSet(
            model_set_name=model_set_name, model_type=model_type, labels=list_or_none(labels)
        )

    @operation(wire.SYSTEM_SETS)
    def describe_system_model_sets(
        marker: str | None = None, max_keys: int | None = None, page_reverse: bool | None = None
    ) -> None:
        """Return a page of the platform's own sets.

        Args:
            marker: the last id of the page before.
            max_keys: rows of a page.
            page_reverse: return the page before the marker instead.
        """

    @operation(wire.CUSTOM_SETS)
    def describe_custom_model_sets(
        marker: str | None = None, max_keys: int | None = None, page_reverse: bool | None = None
    ) -> None:
        """Return a page of your own sets, the newest first.

        Args:
            marker: the last id of the page before.
            max_keys: rows of a page.
            page_reverse: return the page before the marker instead.
        """

    @operation(wire.DESCRIBE_SET)
    def describe_model_set(
        model_set_name: str | None = None, model_set_id: int | str | None = None
    ) -> wire.ModelSetRef:
        """Return a set by its id or its name; `modelIds[0]` is the newest version."""
        if not model_set_id and not model_set_name:
            raise InvalidArgumentError(
                tr("describe_model_set: pass model_set_id or model_set_name")
            )
        if model_set_id:
            name = None
        else:
            name = model_set_name
        return wire.ModelSetRef(model_set_id=model_set_id or None, model_set_name=name)

    @operation(wire.DELETE_SET)
    def delete_model_set(model_set_id: int | str) -> None:
        """Delete a set with all its versions; none may be in service."""

    @operation(wire.CREATE)
    def create_custom_model(
        model_set_id: int | str,
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
    def create_custom_model_conf(file: str | Path) -> wire.CreateConf:
        """Upload a chat template for imported models: a `.py` file of less than 1 MB.

        The platform's page calls it an upload, but the official SDK never sends the file; here its
        text is sent as `customSpecFile`. This has not been tried against the platform.
        """
        path = Path(file)
        if path.suffix != ".py" or not path.is_file() or path.stat().st_size >= MAX_TEMPLATE_BYTES:
            raise InvalidArgumentError(
                tr("{path}: a chat template is a .py file of less than 1 MB", path=path)
            )
        return wire.CreateConf(custom_spec_file=path.read_text(encoding="utf-8"))

    @operation(wire.SYSTEM_CONF)
    def describe_model_system_advanced_conf(
        model_application_type: str, model_format: str = "HuggingFace.Transformers"
    ) -> None:
        """Return the settings that the platform runs chat or completion models of a format with."""

    @operation(wire.DESCRIBE)
    def describe_model(model_id: int | str) -> None:
        """Return a version (`amv-...`): its status, and where it comes from (`sourceInfo`)."""

    @operation(wire.CUSTOM_CONF)
    def describe_model_custom_advanced_conf(model_id: int | str) -> None:
        """Return the settings that a version runs with."""

    @operation(wire.DELETE_V2)
    def delete_model(model_id: int | str) -> None:
        """Delete a version; it must not be in service."""

    @operation(wire.CREATE_EXPORT)
    def create_model_export_model(model_id: int | str) -> None:
        """Export a version as a file; `describe_model_export_model` returns its state."""

    @operation(wire.DESCRIBE_EXPORT)
    def describe_model_export_model(model_id: int | str) -> None:
        """Return a version's newest export: `status` is Doing, Done or Fail."""

    @operation(wire.CREATE_COMPRESSION)
    def create_model_comp_task(
        name: str,
        source_model_id: int | str,
        config: Mapping[str, Any],
        model_set_id: int | str,
        description: str | None = None,
    ) -> wire.CreateCompression:
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
        return wire.CreateCompression(
            name=name,
            source_model_id=source_model_id,
            model_set_id=model_set_id,
            config=config_record,
            description=description,
        )

    @operation(wire.LIST_COMPRESSIONS)
    def describe_model_comp_tasks(
        marker: str | None = None,
        max_keys: int | None = None,
        page_reverse: bool | None = None,
        source_model_id: int | str | None = None,
    ) -> None:
        """Return a page of compressions, the newest first, of one version or of all.

        Args:
            marker: the last id of the page before.
            max_keys: rows of a page.
            page_reverse: return the page before the marker instead.
            source_model_id: only compressions of this version, `amv-...`.
        """

    @operation(wire.DESCRIBE_COMPRESSION)
    def describe_model_comp_task(model_comp_task_id: int | str) -> None:
        """Return a compression: creating, running, succeeded, failed, stopping or stopped."""

    @operation(wire.CANCEL_COMPRESSION)
    def cancel_model_comp_task(model_comp_task_id: int | str) -> None:
        """Stop a compression."""

    @operation(wire.DELETE_COMPRESSION)
    def delete_model_comp_task(model_comp_task_id: int | str) -> None:
        """Delete an ended compression; its version is kept."""
