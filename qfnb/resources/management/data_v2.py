"""Datasets of the platform and their versions, console v2 (`Data.V2`)."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...wire import data as wire
from ..validation import validate_choice
from .operation import operation


class DataV2:
    """Datasets (`dg-...`) and their versions (`ds-...`). Source: API pages of /v2/dataset."""

    @operation(wire.CREATE_V2)
    def create_dataset(
        dataset_name: str,
        dataset_format: str,
        storage_type: str = wire.PLATFORM,
        storage_path: str | None = None,
    ) -> wire.CreateDataset:
        """Create a dataset and its first version; returns `dataset_id` and `version_id`.

        Args:
            dataset_name: shown in the console.
            dataset_format: PromptResponse, Text, Prompt, ...: the keys of
                `qfnb.wire.data.FORMATS`, or any other that the platform knows.
            storage_type: "sysStorage" (the platform's) or "BOS" (your own bucket).
            storage_path: the folder in your own bucket, `bos:/bucket/folder/`.
        """
        return wire.CreateDataset(
            dataset_name=dataset_name,
            data_format=dataset_format,
            storage_type=storage_type,
            storage_path=_validate_folder(storage_type, storage_path),
        )

    @operation(wire.LIST)
    def get_dataset_list(
        marker: str | None = None,
        max_keys: int = 10,
        page_reverse: bool = False,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the wire's word
    ) -> None:
        """Return a page of your datasets.

        Args:
            marker: the last id of the page before.
            max_keys: rows of a page.
            page_reverse: return the page before the marker instead.
            filter: {"datasetName": a part of the name, "dataFormatList": [formats]}.
        """

    @operation(wire.DELETE_V2)
    def delete_dataset(dataset_id: int | str) -> None:
        """Delete a dataset with all its versions."""

    @operation(wire.CREATE_VERSION)
    def create_dataset_version(dataset_id: int | str, description: str | None = None) -> None:
        """Create an empty version, without the rows of earlier ones."""

    @operation(wire.DESCRIBE_VERSION)
    def get_dataset_version_info(version_id: int | str) -> None:
        """Return a version, with the state of its import and publication."""

    @operation(wire.LIST_VERSIONS)
    def get_dataset_version_list(
        dataset_id: int | str,
        marker: str | None = None,
        max_keys: int = 10,
        page_reverse: bool = False,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the wire's word
    ) -> None:
        """Return a page of a dataset's versions.

        Args:
            dataset_id: `dg-...`.
            marker: the last id of the page before.
            max_keys: rows of a page.
            page_reverse: return the page before the marker instead.
            filter: {"importStatusList": [states], "publishStatusList": [states]}.
        """

    @operation(wire.DELETE_VERSION)
    def delete_dataset_version(version_id: int | str) -> None:
        """Delete a version."""

    @operation(wire.PUBLISH_VERSION)
    def publish_dataset_version(version_id: int | str) -> None:
        """Publish a version, so that it can be trained on."""

    @operation(wire.CREATE_IMPORT)
    def create_dataset_version_import_task(
        version_id: int | str, files: Sequence[str]
    ) -> wire.CreateImport:
        """Import files, each `bos:/bucket/path`; returns the id of the import."""
        return wire.CreateImport(version_id=version_id, files=list(files))

    @operation(wire.DESCRIBE_IMPORT)
    def get_dataset_version_import_task_info(task_id: int | str) -> None:
        """Return the state of an import."""

    @operation(wire.CREATE_EXPORT)
    def create_dataset_version_export_task(
        version_id: int | str, storage_type: str = wire.PLATFORM, storage_path: str | None = None
    ) -> wire.CreateExport:
        """Export a version as a zip file; returns the id of the export.

        Args:
            version_id: `ds-...`.
            storage_type: "sysStorage" (the platform's) or "BOS" (your own bucket).
            storage_path: the folder in your own bucket, `bos:/bucket/folder/`.
        """
        path = _validate_folder(storage_type, storage_path)
        return wire.CreateExport(
            version_id=version_id, storage_type=storage_type, storage_path=path
        )

    @operation(wire.DESCRIBE_EXPORT)
    def get_dataset_version_export_task_info(task_id: int | str) -> None:
        """Return the state of an export, and the address of its file."""


def _validate_folder(storage_type: str, path: str | None) -> str | None:
    validate_choice("storage_type", storage_type, (wire.PLATFORM, wire.BOS))
    if storage_type == wire.BOS and not path:
        raise InvalidArgumentError(
            tr("storage_path: your own bucket needs a folder, bos:/bucket/folder/")
        )
    if not path or path.endswith("/"):
        return path
    return f"{path}/"
