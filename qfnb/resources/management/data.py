"""Datasets on the platform (the API group; the object with rows is `qfnb.dataset.Dataset`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...errors import InvalidArgumentError
from ...transport.client import Client
from ...transport.object_storage import put_object
from ...transport.response import Response
from ...wire import data as wire
from ...wire import data_v2 as v2
from ...wire import storage
from ..validation import validate_choice
from .data_rows import Cleaning, Entities
from .operation import operation, transfer


class DataV2:
    """Datasets (`dg-...`) and their versions (`ds-...`). Source: API pages of /v2/dataset."""

    @operation(v2.CREATE)
    def create_dataset(
        dataset_name: str,
        dataset_format: str,
        storage_type: str = v2.PLATFORM,
        storage_path: str | None = None,
    ) -> v2.CreateDataset:
        """Create a dataset and its first version; returns `dataset_id` and `version_id`.

        Args:
            dataset_name: shown in the console.
            dataset_format: PromptResponse, Text, Prompt, ...: the keys of `qfnb.wire.data_v2.FORMATS`, and
                whatever else the platform knows.
            storage_type: "sysStorage" the platform's, "BOS" one's own.
            storage_path: the folder in one's own bucket, `bos:/bucket/folder/`.
        """
        return v2.CreateDataset(
            dataset_name=dataset_name,
            data_format=dataset_format,
            storage_type=storage_type,
            storage_path=_validate_folder(storage_type, storage_path),
        )

    @operation(v2.LIST)
    def get_dataset_list(
        marker: str | None = None,
        max_keys: int = 10,
        page_reverse: bool = False,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the wire's word
    ) -> v2.ListDatasets:
        """Return a page of one's datasets; `filter` knows datasetName (a part of it) and dataFormatList."""
        filter_values = dict(filter) if filter else None
        return v2.ListDatasets(
            marker=marker, max_keys=max_keys, page_reverse=page_reverse, filter=filter_values
        )

    @operation(v2.DELETE)
    def delete_dataset(dataset_id: int | str) -> v2.DatasetId:
        """Delete a dataset with all its versions."""
        return v2.DatasetId(dataset_id=dataset_id)

    @operation(v2.CREATE_VERSION)
    def create_dataset_version(dataset_id: int | str, description: str | None = None) -> v2.CreateVersion:
        """Create a version without rows; it inherits nothing from the earlier ones."""
        return v2.CreateVersion(dataset_id=dataset_id, description=description)

    @operation(v2.DESCRIBE_VERSION)
    def get_dataset_version_info(version_id: int | str) -> v2.VersionId:
        """Return a version and how far its import and publication are."""
        return v2.VersionId(version_id=version_id)

    @operation(v2.LIST_VERSIONS)
    def get_dataset_version_list(
        dataset_id: int | str,
        marker: str | None = None,
        max_keys: int = 10,
        page_reverse: bool = False,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the wire's word
    ) -> v2.ListVersions:
        """Return a page of a dataset's versions; `filter` knows importStatusList and publishStatusList."""
        return v2.ListVersions(
            dataset_id=dataset_id,
            marker=marker,
            max_keys=max_keys,
            page_reverse=page_reverse,
            filter=dict(filter) if filter else None,
        )

    @operation(v2.DELETE_VERSION)
    def delete_dataset_version(version_id: int | str) -> v2.VersionId:
        """Delete a version."""
        return v2.VersionId(version_id=version_id)

    @operation(v2.PUBLISH_VERSION)
    def publish_dataset_version(version_id: int | str) -> v2.VersionId:
        """Publish a version so that training may use it."""
        return v2.VersionId(version_id=version_id)

    @operation(v2.CREATE_IMPORT)
    def create_dataset_version_import_task(version_id: int | str, files: Sequence[str]) -> v2.CreateImport:
        """Import files, each `bos:/bucket/path`; returns the id of the import."""
        return v2.CreateImport(version_id=version_id, files=list(files))

    @operation(v2.DESCRIBE_IMPORT)
    def get_dataset_version_import_task_info(task_id: int | str) -> v2.TaskId:
        """Return how far an import is."""
        return v2.TaskId(task_id=task_id)

    @operation(v2.CREATE_EXPORT)
    def create_dataset_version_export_task(
        version_id: int | str, storage_type: str = v2.PLATFORM, storage_path: str | None = None
    ) -> v2.CreateExport:
        """Pack a version into a zip; returns the id of the export."""
        path = _validate_folder(storage_type, storage_path)
        return v2.CreateExport(version_id=version_id, storage_type=storage_type, storage_path=path)

    @operation(v2.DESCRIBE_EXPORT)
    def get_dataset_version_export_task_info(task_id: int | str) -> v2.TaskId:
        """Return how far an export is, and where it can be downloaded."""
        return v2.TaskId(task_id=task_id)


def _validate_folder(storage_type: str, path: str | None) -> str | None:
    validate_choice("storage_type", storage_type, (v2.PLATFORM, v2.BOS))
    if storage_type == v2.BOS and not path:
        raise InvalidArgumentError("storage_path: your own bucket needs a folder, bos:/bucket/folder/")
    return path if not path or path.endswith("/") else f"{path}/"


class Data(Cleaning, Entities):
    """Create, import, release, export and look at datasets; clean and augment them; list and mark their rows.

    A dataset is named by `ds-...` or by its integer id. The short names are those of the same calls.
    Source: API pages of /wenxinworkshop/dataset.
    """

    V2 = DataV2
    list_datasets = DataV2.get_dataset_list

    @operation(wire.CREATE)
    def create_bare_dataset(
        name: str,
        data_set_type: int = wire.TEXT_DATA,
        project_type: int = wire.CONVERSATION_PROJECT,
        template_type: int = wire.CONVERSATION_TEMPLATE,
        storage_type: str | None = None,
        storage_id: str | None = None,
        storage_path: str | None = None,
    ) -> wire.CreateDataset:
        """Create a dataset without rows; returns `dataset_id`.

        Args:
            name: shown in the console.
            data_set_type: 4 text, 7 pictures.
            project_type: 20 conversation, 401 text, 402 prompts, 705 text to image.
            template_type: begins with the project's digits: 2000 answers, 2001 sorted answers, 2002 chosen
                and rejected, 40100 text, 40200 prompts, 70500 text to image.
            storage_type: "sysBos" the platform's, "usrBos" one's own, which a bucket stands for.
            storage_id: one's own bucket.
            storage_path: the folder there.

        Raises:
            InvalidArgumentError: the three types do not fit together, or a bucket or folder is missing.
        """
        _validate_types(int(data_set_type), int(project_type), int(template_type))
        storage = storage_type or (wire.USER_STORAGE if storage_id else wire.PLATFORM_STORAGE)
        location = _own_bucket(storage_id, storage_path) if storage == wire.USER_STORAGE else {}
        return wire.CreateDataset(
            name=name,
            project_type=project_type,
            template_type=template_type,
            data_type=data_set_type,
            storage_type=storage,
            **location,
        )

    @operation(wire.IMPORT)
    def create_data_import_task(
        dataset_id: int | str,
        is_annotated: bool,
        import_source: int,
        file_url: str | Sequence[str],
    ) -> wire.ImportDataset:
        """Import what was uploaded; progress and what went wrong show in `get_dataset_info`.

        Args:
            dataset_id: into which dataset.
            is_annotated: the rows have answers.
            import_source: 1 one's own bucket, a file is `bos:/bucket/path`; 2 the address of a shared zip.
            file_url: one file, or several.
        """
        files = [file_url] if isinstance(file_url, str) else list(file_url)
        if not files or not all(files):
            raise InvalidArgumentError(f"file_url={file_url!r}: give the address of at least one file")
        return wire.ImportDataset(
            dataset_id=dataset_id, annotated=is_annotated, import_from=int(import_source), files=files
        )

    @operation(wire.INFO)
    def get_dataset_info(dataset_id: int | str) -> wire.DatasetRef:
        """Return a dataset and how far its import, release and export are."""
        return wire.DatasetRef(dataset_id=dataset_id)

    @operation(wire.STATUSES)
    def get_dataset_status_in_batch(dataset_id_list: Sequence[int | str]) -> wire.DatasetRefs:
        """Return the states of several datasets, by the id that was asked for."""
        return wire.DatasetRefs(dataset_ids=list(dataset_id_list))

    @operation(wire.RELEASE)
    def release_dataset(dataset_id: int | str) -> wire.DatasetRef:
        """Release a dataset so that training may use it."""
        return wire.DatasetRef(dataset_id=dataset_id)

    @operation(wire.EXPORT)
    def create_dataset_export_task(
        dataset_id: int | str,
        export_destination_type: int = 0,
        storage_id: str | None = None,
        is_export_with_annotation: bool = True,
    ) -> wire.ExportDataset:
        """Pack a dataset into a zip: 0 on the platform, to be downloaded; 1 in one's own bucket.

        Raises:
            InvalidArgumentError: one's own bucket is wanted and not named.
        """
        if int(export_destination_type) == 1 and not storage_id:
            raise InvalidArgumentError("storage_id: an export to your own bucket needs the bucket's name")
        return wire.ExportDataset(
            dataset_id=dataset_id,
            export_type=1 if is_export_with_annotation else 2,
            export_to=int(export_destination_type),
            storage_id=storage_id,
        )

    @operation(wire.EXPORT_RECORDS)
    def get_dataset_export_records(dataset_id: int | str) -> wire.DatasetRef:
        """Return a dataset's exports and where each can be downloaded."""
        return wire.DatasetRef(dataset_id=dataset_id)

    @operation(wire.IMPORT_ERRORS)
    def get_dataset_import_error_detail(dataset_id: int | str, error_code: int) -> wire.ErrorQuery:
        """Return the lines on which an import failed; the code is `err_code` of the dataset's info."""
        return wire.ErrorQuery(dataset_id=dataset_id, err_code=error_code)

    @operation(wire.DELETE)
    def delete_dataset(dataset_id: int | str) -> wire.DatasetRef:
        """Delete a dataset; returns how many versions of its group are left."""
        return wire.DatasetRef(dataset_id=dataset_id)

    info = get_dataset_info
    status = get_dataset_status_in_batch
    release = release_dataset
    export = create_dataset_export_task
    export_records = get_dataset_export_records
    import_errors = get_dataset_import_error_detail
    delete = delete_dataset

    @staticmethod
    def create(name: str, storage_id: str, storage_path: str) -> Response[wire.DatasetCreated]:
        """Create a dataset of conversations in one's own bucket; the other kinds: `create_bare_dataset`."""
        return Data.create_bare_dataset(name, storage_id=storage_id, storage_path=storage_path)

    @staticmethod
    def import_files(dataset_id: int | str, files: Sequence[str]) -> Response[bool]:
        """Import uploaded files with answers, each as `bos:/bucket/path`."""
        return Data.create_data_import_task(dataset_id, True, wire.USER_BOS, files)


@transfer
async def upload(client: Client, bucket: str, key: str, content: bytes) -> str:
    """Upload one object to the platform's storage and return its `bos:/bucket/key` address."""
    await put_object(client, bucket, key, content)
    return storage.build_uri(bucket, key)


def _validate_types(data: int, project: int, template: int) -> None:
    validate_choice("template_type", template, wire.TEMPLATES)
    if template // 100 != project:
        raise InvalidArgumentError(
            f"project_type={project}: template {template} belongs to {template // 100}"
        )
    expected = wire.PICTURE_DATA if project == wire.PICTURE_PROJECT else wire.TEXT_DATA
    if data != expected:
        raise InvalidArgumentError(f"data_set_type={data}: project {project} takes {expected}")


def _own_bucket(bucket: str | None, path: str | None) -> dict[str, str]:
    if not bucket or not path:
        missing = "storage_path" if bucket else "storage_id"
        raise InvalidArgumentError(f"{missing}: a dataset in your own bucket needs bucket and folder")
    return {"storage_id": bucket, "raw_storage_path": path if path.endswith("/") else f"{path}/"}
