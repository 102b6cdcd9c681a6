"""Datasets and their versions, console v2 (`/v2/dataset?Action=`): a dataset is `dg-...`, a version `ds-...`.

Source of the replies: the platform's API pages, which call states by words where v1 has numbers.
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from .base import ConsoleRecord, PageInfo, PageRequest
from .endpoints import EndpointGroup

BOS, PLATFORM = "BOS", "sysStorage"
"""Values of storageType."""

FORMATS = {
    "PromptResponse": 2000,
    "PromptSortedresponses": 2001,
    "DPO_PromptChosenRejected": 2002,
    "KTO_PromptChosenRejected": 2002,
    "Text": 40100,
    "Prompt": 40200,
    "PromptImage": 70500,
    "PromptImageResponse": 70500,
}
"""Values of dataFormat, and the template that v1 calls each; the first of a template is what v1 creates."""

IMPORT_STATES = {-1: "Created", 1: "Importing", 2: "ImportFinished", 3: "ImportFailed"}
PUBLISH_STATES = {0: "Unpublished", 1: "Publishing", 2: "Published", 3: "PublishFailed"}
EXPORT_STATES = {1: "Exporting", 2: "ExportFinished", 3: "ExportFailed"}
"""The words for v1's numbers."""


class CreateDataset(ConsoleRecord):
    """A dataset with its first version; `storage_path` is `bos:/bucket/folder/`."""

    dataset_name: str
    data_format: str
    storage_type: str = PLATFORM
    storage_path: str | None = None


class VersionCreated(ConsoleRecord):
    """The dataset (`dg-...`) and the version that was made (`ds-...`)."""

    dataset_id: str
    version_id: str
    version_number: int = 1


class DatasetId(ConsoleRecord):
    """Which dataset."""

    dataset_id: int | str


class VersionId(ConsoleRecord):
    """Which version."""

    version_id: int | str


class TaskId(ConsoleRecord):
    """Which import or export."""

    task_id: int | str


class ListDatasets(PageRequest):
    """A page; `filter` knows datasetName (a part of it) and dataFormatList."""

    filter: dict[str, Any] | None = None


class ListVersions(PageRequest):
    """A page of a dataset's versions; `filter` knows importStatusList and publishStatusList."""

    dataset_id: int | str
    filter: dict[str, Any] | None = None


class CreateVersion(ConsoleRecord):
    """A new version; it inherits nothing from the earlier ones."""

    dataset_id: int | str
    description: str | None = None


class Version(ConsoleRecord):
    """One version of a dataset; what is called a dataset in v1."""

    dataset_id: str = ""
    version_id: str = ""
    version_number: int = 1
    dataset_name: str = ""
    data_format: str = ""
    storage_type: str = ""
    storage_path: str = ""
    description: str = ""
    import_status: str = ""
    publish_status: str = ""
    sample_count: int = 0
    create_time: str = ""
    modify_time: str = ""


class Dataset(ConsoleRecord):
    """A dataset and the newest of its versions; which keys the platform sends is not evidenced."""

    dataset_id: str = ""
    dataset_name: str = ""
    data_format: str = ""
    version_count: int = 0
    latest_version: Version | None = None
    create_time: str = ""


class DatasetPage(ConsoleRecord):
    """A page of datasets, the newest first."""

    dataset_list: list[Dataset] = []
    page_info: PageInfo = PageInfo()


class VersionPage(ConsoleRecord):
    """A page of versions, the newest first."""

    version_list: list[Version] = []
    page_info: PageInfo = PageInfo()


class CreateImport(ConsoleRecord):
    """Import files, each `bos:/bucket/path` or the address of a shared zip."""

    version_id: int | str
    files: list[str]


class ImportTask(ConsoleRecord):
    """How far an import is; `err_download_url` tells what was wrong."""

    version_id: str = ""
    import_status: str = ""
    progress: str = ""
    size_mb: float = Field(default=0, alias="sizeMB")
    sample_count: int = 0
    creator: str = ""
    start_time: str = ""
    finish_time: str = ""
    err_download_url: str = ""


class CreateExport(ConsoleRecord):
    """Export a version to the platform's storage or to a folder of one's own bucket."""

    version_id: int | str
    storage_type: str = PLATFORM
    storage_path: str | None = None


class ExportTask(ConsoleRecord):
    """How far an export is; `download_url` is a zip."""

    storage_type: str = ""
    storage_path: str = ""
    size_mb: float = Field(default=0, alias="sizeMB")
    sample_count: int = 0
    export_status: str = ""
    progress: str = ""
    creator: str = ""
    start_time: str = ""
    finish_time: str = ""
    download_url: str = ""


_DATASETS = EndpointGroup("data.v2", "/v2/dataset")

CREATE = _DATASETS.action("create", "CreateDataset", CreateDataset, VersionCreated, repeatable=False)
LIST = _DATASETS.action("list", "DescribeDatasets", ListDatasets, DatasetPage)
DELETE = _DATASETS.action("delete", "DeleteDataset", DatasetId, bool)
CREATE_VERSION = _DATASETS.action(
    "create_version", "CreateDatasetVersion", CreateVersion, VersionCreated, repeatable=False
)
DESCRIBE_VERSION = _DATASETS.action("describe_version", "DescribeDatasetVersion", VersionId, Version)
LIST_VERSIONS = _DATASETS.action("list_versions", "DescribeDatasetVersions", ListVersions, VersionPage)
DELETE_VERSION = _DATASETS.action("delete_version", "DeleteDatasetVersion", VersionId, bool)
PUBLISH_VERSION = _DATASETS.action("publish_version", "PublishDatasetVersion", VersionId, bool)
CREATE_IMPORT = _DATASETS.action("create_import", "CreateImportTask", CreateImport, str, repeatable=False)
DESCRIBE_IMPORT = _DATASETS.action("describe_import", "DescribeImportTask", TaskId, ImportTask)
CREATE_EXPORT = _DATASETS.action("create_export", "CreateExportTask", CreateExport, str, repeatable=False)
DESCRIBE_EXPORT = _DATASETS.action("describe_export", "DescribeExportTask", TaskId, ExportTask)
