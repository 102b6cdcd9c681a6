"""Datasets on the platform and their rows (the group of calls; the object with rows is
`qfnb.dataset.Dataset`); console v2 is `Data.V2`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ...base.language import tr
from ...errors import InvalidArgumentError
from ...transport.response import Response
from ...wire import data as wire
from ..validation import validate_choice, validate_range
from .batches import BatchInference
from .operation import Fields, Id, operation, record_operation


class Cleaning:
    """Clean and augment datasets. Source: API pages of /wenxinworkshop/etl and
    /wenxinworkshop/enhance.
    """

    @operation(wire.CREATE_CLEANING)
    def create_dataset_etl_task(
        etl_task_name: str,
        source_dataset_id: Id,
        destination_dataset_id: Id,
        operations: Mapping[str, Sequence[Mapping[str, Any]]],
    ) -> Fields:
        """Clean the rows of a dataset into another dataset; the sandbox returns the id of the
        cleaning.

        Args:
            etl_task_name: shown in the console.
            source_dataset_id: the dataset to clean; it is not changed.
            destination_dataset_id: an empty dataset of the same kind.
            operations: clean, filter, deduplication and desensitization, each a list of
                {"name": "remove_emoji", "args": {}}.

        Raises:
            InvalidArgumentError: there is no such group of operations.
        """
        for group in operations:
            validate_choice("operations", group, wire.GROUPS)
        return {"dest_dataset_id": destination_dataset_id, "operations_v2": operations}

    get_dataset_etl_task_info = record_operation(
        wire.DESCRIBE_CLEANING,
        """Return the state of a cleaning: processStatus is 1 (running), 2 (finished) or 3 to 5
        (ended otherwise).
        """,
    )

    get_dataset_etl_task_list = record_operation(
        wire.LIST_CLEANINGS, "Return a page of cleanings.", "page_size"
    )

    delete_dataset_etl_task = record_operation(
        wire.DELETE_CLEANINGS, "Delete cleanings; the datasets stay."
    )

    @operation(wire.AUGMENT)
    def create_dataset_augmenting_task(
        name: str,
        source_dataset_id: Id,
        destination_dataset_id: Id,
        dev_api_id: Id,
        app_id: Id,
        num_seed_fewshot: int,
        num_instances_to_generate: int,
        similarity_threshold: float,
    ) -> Fields:
        """Generate new rows from the examples of a dataset; look the task up by its name in the
        list.

        Args:
            name: shown in the console.
            source_dataset_id: the dataset with the examples.
            destination_dataset_id: the dataset that gets the new rows.
            dev_api_id: the platform's number of the model that generates them.
            app_id: your application.
            num_seed_fewshot: number of examples for each new row, 1 to 10.
            num_instances_to_generate: number of new rows, 1 to 5000.
            similarity_threshold: the similarity to other rows that a new row may have, 0 to 1.

        Raises:
            InvalidArgumentError: a number is out of its range.
        """
        validate_range("num_seed_fewshot", num_seed_fewshot, 1, wire.MAX_SEEDS)
        validate_range("num_instances_to_generate", num_instances_to_generate, 1, wire.MAX_NEW_ROWS)
        validate_range("similarity_threshold", similarity_threshold, 0, 1)
        return {"dest_dataset_id": destination_dataset_id}

    @operation(wire.LIST_AUGMENTATIONS)
    def get_dataset_aug_task_list(
        keyword: str | None = None,
        sorted_by_start_time_asc: bool | None = None,
        page_size: int = 10,
        offset: int = 0,
    ) -> Fields:
        """Return a page of augmentations whose name has a keyword, newest first by default.

        Args:
            keyword: only names with this text.
            sorted_by_start_time_asc: whether the oldest comes first.
            page_size: rows of a page.
            offset: index of the first row, from 0.
        """
        if sorted_by_start_time_asc is None:
            return {"word": keyword or None}
        order = "asc" if sorted_by_start_time_asc else "desc"
        return {"word": keyword or None, "sort_field": "startTime", "sort_by": order}

    get_dataset_augmenting_task_info = record_operation(
        wire.DESCRIBE_AUGMENTATION, "Return the state of an augmentation."
    )

    delete_dataset_augmenting_task = record_operation(
        wire.DELETE_AUGMENTATIONS, "Delete augmentations; the datasets stay."
    )


class Entities:
    """List, annotate and delete rows. Source: API pages of /wenxinworkshop/entity."""

    @operation(wire.ANNOTATE)
    def annotate_an_entity(
        entity_id: str,
        dataset_id: Id,
        content: Sequence[Mapping[str, Any]] | None = None,
        labels: Sequence[Mapping[str, Any]] | None = None,
    ) -> Fields:
        """Annotate a row with answers (`content`, its turns) or an image with labels.

        Args:
            entity_id: the row.
            dataset_id: its dataset.
            content: the turns [{"prompt", "response"}], with answers.
            labels: the labels of an image.

        Raises:
            InvalidArgumentError: neither or both of content and labels are given.
        """
        if bool(content) == bool(labels):
            raise InvalidArgumentError(tr("content, labels: one of them is needed"))
        return {"id": entity_id, "content": content or None, "labels": labels or None}

    @operation(wire.DELETE_ENTITIES)
    def delete_an_entity(entity_ids: Sequence[str], dataset_id: Id) -> Fields:
        """Delete rows; returns those that could not be deleted."""
        return {"id": entity_ids}

    @operation(wire.LIST_ENTITIES)
    def list_all_entity_in_dataset(
        dataset_id: Id,
        offset: int = 0,
        page_size: int = 20,
        import_time_closure: Sequence[float] | None = None,
        annotating_time_closure: Sequence[float] | None = None,
        listing_type: int = wire.ALL_ENTITIES,
        label_id_str: str | None = None,
    ) -> Fields:
        """Return a page of rows; the content of each is fetched from its `url`.

        Args:
            dataset_id: the dataset.
            offset: index of the first row, from 0.
            page_size: rows of a page, 1 to 30.
            import_time_closure: (from, to) of the import, Unix seconds.
            annotating_time_closure: (from, to) of the annotation, Unix seconds.
            listing_type: 0 all, 1 with answers, 2 without.
            label_id_str: only images with this label.

        Raises:
            InvalidArgumentError: the page is too large, or a time is not a pair.
        """
        if not 1 <= page_size <= wire.MAX_ENTITIES:
            raise InvalidArgumentError(
                tr(
                    "page_size={page_size}: must be 1 to {limit}",
                    page_size=page_size,
                    limit=wire.MAX_ENTITIES,
                )
            )
        return {
            "tab_type": listing_type,
            "import_time": _validate_time_range("import_time_closure", import_time_closure),
            "anno_time": _validate_time_range("annotating_time_closure", annotating_time_closure),
            "label_id": label_id_str,
        }


def _validate_time_range(name: str, times: Sequence[float] | None) -> list[float] | None:
    if times and len(times) != 2:
        raise InvalidArgumentError(
            tr("{name}={times}: must be two times, from and to", name=name, times=list(times))
        )
    if times:
        return list(times)
    return None


class DataV2:
    """Datasets (`dg-...`) and their versions (`ds-...`). Source: API pages of /v2/dataset."""

    @operation(wire.CREATE_V2)
    def create_dataset(
        dataset_name: str,
        dataset_format: str,
        storage_type: str = wire.PLATFORM,
        storage_path: str | None = None,
    ) -> Fields:
        """Create a dataset and its first version; returns `dataset_id` and `version_id`.

        Args:
            dataset_name: shown in the console.
            dataset_format: PromptResponse, Text, Prompt, ...: the keys of
                `qfnb.v2.data_v2.FORMATS`, or any other that the platform knows.
            storage_type: "sysStorage" (the platform's) or "BOS" (your own bucket).
            storage_path: the folder in your own bucket, `bos:/bucket/folder/`.
        """
        return {
            "data_format": dataset_format,
            "storage_path": _validate_folder(storage_type, storage_path),
        }

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

    delete_dataset = record_operation(wire.DELETE_V2, "Delete a dataset with all its versions.")

    create_dataset_version = record_operation(
        wire.CREATE_VERSION, "Create an empty version, without the rows of earlier ones."
    )

    get_dataset_version_info = record_operation(
        wire.DESCRIBE_VERSION, "Return a version, with the state of its import and publication."
    )

    @operation(wire.LIST_VERSIONS)
    def get_dataset_version_list(
        dataset_id: Id,
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

    delete_dataset_version = record_operation(wire.DELETE_VERSION, "Delete a version.")

    publish_dataset_version = record_operation(
        wire.PUBLISH_VERSION, "Publish a version, so that it can be trained on."
    )

    create_dataset_version_import_task = record_operation(
        wire.CREATE_IMPORT, "Import files, each `bos:/bucket/path`; returns the id of the import."
    )

    get_dataset_version_import_task_info = record_operation(
        wire.DESCRIBE_IMPORT, "Return the state of an import."
    )

    @operation(wire.CREATE_EXPORT)
    def create_dataset_version_export_task(
        version_id: Id, storage_type: str = wire.PLATFORM, storage_path: str | None = None
    ) -> Fields:
        """Export a version as a zip file; returns the id of the export.

        Args:
            version_id: `ds-...`.
            storage_type: "sysStorage" (the platform's) or "BOS" (your own bucket).
            storage_path: the folder in your own bucket, `bos:/bucket/folder/`.
        """
        path = _validate_folder(storage_type, storage_path)
        return {"storage_path": path}

    get_dataset_version_export_task_info = record_operation(
        wire.DESCRIBE_EXPORT, "Return the state of an export, and the address of its file."
    )


def _validate_folder(storage_type: str, path: str | None) -> str | None:
    validate_choice("storage_type", storage_type, (wire.PLATFORM, wire.BOS))
    if storage_type == wire.BOS and not path:
        raise InvalidArgumentError(
            tr("storage_path: your own bucket needs a folder, bos:/bucket/folder/")
        )
    if not path or path.endswith("/"):
        return path
    return f"{path}/"


class Data(Cleaning, Entities):
    """Create, import, release, export and list datasets; clean and augment them; list and annotate
    their rows.

    A dataset is named by `ds-...` or by its integer id. Short names are aliases of the long ones.
    Source: API pages of /wenxinworkshop/dataset.
    """

    V2 = DataV2
    list_datasets = DataV2.get_dataset_list
    create_offline_batch_inference_task = BatchInference.create
    get_offline_batch_inference_task = BatchInference.info
    stop_offline_batch_inference_task = BatchInference.stop
    list_offline_batch_inference_task = BatchInference.list

    @operation(wire.CREATE)
    def create_bare_dataset(
        name: str,
        data_set_type: int = wire.TEXT_DATA,
        project_type: int = wire.CONVERSATION_PROJECT,
        template_type: int = wire.CONVERSATION_TEMPLATE,
        storage_type: str | None = None,
        storage_id: str | None = None,
        storage_path: str | None = None,
    ) -> Fields:
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
        location = {}
        if storage == wire.USER_STORAGE:
            location = _own_bucket(storage_id, storage_path)
        return {"data_type": data_set_type, "storage_type": storage, "storage_id": None, **location}

    @operation(wire.IMPORT)
    def create_data_import_task(
        dataset_id: Id, is_annotated: bool, import_source: int, file_url: str | Sequence[str]
    ) -> Fields:
        """Import uploaded files; `get_dataset_info` returns the progress and the errors.

        Args:
            dataset_id: the dataset that gets the rows.
            is_annotated: whether the rows have answers.
            import_source: 1 your own bucket (`bos:/bucket/path`), 2 the address of a shared zip
                file.
            file_url: one file or several.
        """
        files = [file_url] if isinstance(file_url, str) else list(file_url)
        if not files or not all(files):
            raise InvalidArgumentError(
                tr(
                    "file_url={file_url!r}: must hold the address of at least one file",
                    file_url=file_url,
                )
            )
        return {"annotated": is_annotated, "import_from": import_source, "files": files}

    get_dataset_info = record_operation(
        wire.INFO, "Return a dataset, with the state of its import, release and export."
    )

    @operation(wire.STATUSES)
    def get_dataset_status_in_batch(dataset_id_list: Sequence[Id]) -> Fields:
        """Return the states of several datasets, by the requested ids."""
        return {"dataset_ids": dataset_id_list}

    release_dataset = record_operation(
        wire.RELEASE, "Release a dataset, so that it can be trained on."
    )

    @operation(wire.EXPORT)
    def create_dataset_export_task(
        dataset_id: Id,
        export_destination_type: int = 0,
        storage_id: str | None = None,
        is_export_with_annotation: bool = True,
    ) -> Fields:
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
        return {
            "export_type": 1 if is_export_with_annotation else 2,
            "export_to": export_destination_type,
        }

    get_dataset_export_records = record_operation(
        wire.EXPORT_RECORDS, "Return a dataset's exports and where each can be downloaded."
    )

    @operation(wire.IMPORT_ERRORS)
    def get_dataset_import_error_detail(dataset_id: Id, error_code: int) -> Fields:
        """Return the lines on which an import failed; `error_code` is `err_code` of the dataset's
        info.
        """
        return {"err_code": error_code}

    delete_dataset = record_operation(
        wire.DELETE, "Delete a dataset; returns the number of versions that are left in its group."
    )

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
    def import_files(dataset_id: Id, files: Sequence[str]) -> Response[bool]:
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
    expected = wire.PICTURE_DATA if project == wire.PICTURE_PROJECT else wire.TEXT_DATA
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
        missing = "storage_path" if bucket else "storage_id"
        raise InvalidArgumentError(
            tr("{missing}: a dataset in your own bucket needs bucket and folder", missing=missing)
        )
    return {"storage_id": bucket, "raw_storage_path": path if path.endswith("/") else f"{path}/"}
