"""Datasets on the platform (the group of calls; the object with rows is `qfnb.dataset.Dataset`)."""

from collections.abc import Sequence

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...transport.response import Response
from ...wire import data as wire
from ..validation import validate_choice
from .batches import OfflineBatchTasks
from .data_rows import Cleaning, Entities
from .data_v2 import DataV2
from .operation import operation


class Data(Cleaning, Entities, OfflineBatchTasks):
    """Create, import, release, export and list datasets; clean and augment them; list and annotate
    their rows.

    A dataset is named by `ds-...` or by its integer id. Short names are aliases of the long ones.
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
    ) -> wire.CreateDatasetV1:
        """Create a dataset without rows; returns `dataset_id`.

        Args:
            name: shown in the console.
            data_set_type: 4 text, 7 images.
            project_type: 20 conversation, 401 text, 402 prompts, 705 text to image.
            template_type: begins with the project's digits: 2000 answers, 2001 sorted answers, 2002
                chosen and rejected, 40100 text, 40200 prompts, 70500 text to image.
            storage_type: "sysBos" (the platform's) or "usrBos" (your own bucket, the default if
                `storage_id` is given).
            storage_id: the name of your own bucket.
            storage_path: the folder there.

        Raises:
            InvalidArgumentError: the three types contradict each other, or a bucket or folder is
                missing.
        """
        _validate_types(int(data_set_type), int(project_type), int(template_type))
        storage = storage_type or (wire.USER_STORAGE if storage_id else wire.PLATFORM_STORAGE)
        if storage == wire.USER_STORAGE:
            location = _own_bucket(storage_id, storage_path)
        else:
            location = {}
        return wire.CreateDatasetV1(
            name=name,
            project_type=project_type,
            template_type=template_type,
            data_type=data_set_type,
            storage_type=storage,
            **location,
        )

    @operation(wire.IMPORT)
    def create_data_import_task(
        dataset_id: int | str, is_annotated: bool, import_source: int, file_url: str | Sequence[str]
    ) -> wire.ImportDataset:
        """Import uploaded files; `get_dataset_info` returns the progress and the errors.

        Args:
            dataset_id: the dataset that gets the rows.
            is_annotated: whether the rows have answers.
            import_source: 1 your own bucket (`bos:/bucket/path`), 2 the address of a shared zip
                file.
            file_url: one file or several.
        """
        if isinstance(file_url, str):
            files = [file_url]
        else:
            files = list(file_url)
        if not files or not all(files):
            raise InvalidArgumentError(
                tr(
                    "file_url={file_url!r}: must hold the address of at least one file",
                    file_url=file_url,
                )
            )
        return wire.ImportDataset(
            dataset_id=dataset_id,
            annotated=is_annotated,
            import_from=int(import_source),
            files=files,
        )

    @operation(wire.INFO)
    def get_dataset_info(dataset_id: int | str) -> None:
        """Return a dataset, with the state of its import, release and export."""

    @operation(wire.STATUSES)
    def get_dataset_status_in_batch(dataset_id_list: Sequence[int | str]) -> wire.DatasetRefs:
        """Return the states of several datasets, by the requested ids."""
        return wire.DatasetRefs(dataset_ids=list(dataset_id_list))

    @operation(wire.RELEASE)
    def release_dataset(dataset_id: int | str) -> None:
        """Release a dataset, so that it can be trained on."""

    @operation(wire.EXPORT)
    def create_dataset_export_task(
        dataset_id: int | str,
        export_destination_type: int = 0,
        storage_id: str | None = None,
        is_export_with_annotation: bool = True,
    ) -> wire.ExportDataset:
        """Export a dataset as a zip file.

        Args:
            dataset_id: the dataset.
            export_destination_type: 0 the platform, 1 your own bucket.
            storage_id: the name of your own bucket.
            is_export_with_annotation: whether answers are exported too.

        Raises:
            InvalidArgumentError: the export goes to your own bucket and its name is missing.
        """
        if int(export_destination_type) == 1 and not storage_id:
            raise InvalidArgumentError(
                tr("storage_id: an export to your own bucket needs the bucket's name")
            )
        return wire.ExportDataset(
            dataset_id=dataset_id,
            export_type=1 if is_export_with_annotation else 2,
            export_to=int(export_destination_type),
            storage_id=storage_id,
        )

    @operation(wire.EXPORT_RECORDS)
    def get_dataset_export_records(dataset_id: int | str) -> None:
        """Return a dataset's exports and where each can be downloaded."""

    @operation(wire.IMPORT_ERRORS)
    def get_dataset_import_error_detail(dataset_id: int | str, error_code: int) -> wire.ErrorQuery:
        """Return the lines on which an import failed; `error_code` is `err_code` of the dataset's
        info.
        """
        return wire.ErrorQuery(dataset_id=dataset_id, err_code=error_code)

    @operation(wire.DELETE)
    def delete_dataset(dataset_id: int | str) -> None:
        """Delete a dataset; returns the number of versions that are left in its group."""

    info = get_dataset_info
    status = get_dataset_status_in_batch
    release = release_dataset
    export = create_dataset_export_task
    export_records = get_dataset_export_records
    import_errors = get_dataset_import_error_detail
    delete = delete_dataset

    @staticmethod
    def create(name: str, storage_id: str, storage_path: str) -> Response[wire.DatasetCreated]:
        """Create a dataset of conversations in your own bucket; for other kinds see
        `create_bare_dataset`.

        Args:
            name: shown in the console.
            storage_id: the name of your own bucket.
            storage_path: the folder there.
        """
        return Data.create_bare_dataset(name, storage_id=storage_id, storage_path=storage_path)

    @staticmethod
    def import_files(dataset_id: int | str, files: Sequence[str]) -> Response[bool]:
        """Import uploaded files with answers, each as `bos:/bucket/path`."""
        return Data.create_data_import_task(dataset_id, True, wire.USER_BOS, files)


def _validate_types(data: int, project: int, template: int) -> None:
    validate_choice("template_type", template, wire.TEMPLATES)
    if template // 100 != project:
        raise InvalidArgumentError(
            tr(
                "project_type={project}: template {template} belongs to {expected}",
                project=project,
                template=template,
                expected=template // 100,
            )
        )
    if project == wire.PICTURE_PROJECT:
        expected = wire.PICTURE_DATA
    else:
        expected = wire.TEXT_DATA
    if data != expected:
        raise InvalidArgumentError(
            tr(
                "data_set_type={data}: project {project} takes {expected}",
                data=data,
                project=project,
                expected=expected,
            )
        )


def _own_bucket(bucket: str | None, path: str | None) -> dict[str, str]:
    if not bucket or not path:
        if bucket:
            missing = "storage_path"
        else:
            missing = "storage_id"
        raise InvalidArgumentError(
            tr("{missing}: a dataset in your own bucket needs bucket and folder", missing=missing)
        )
    return {"storage_id": bucket, "raw_storage_path": path if path.endswith("/") else f"{path}/"}
