"""Datasets and their versions, console v2 (`/v2/dataset?Action=`): a dataset is `dg-...`, a version
`ds-...`.

Source of the replies: the platform's API pages, which call states by words where v1 has numbers.
"""

from pydantic import Field

from .base import ConsoleRecord, Id, PageInfo, PageRequest
from .endpoints import EndpointGroup

BOS = "BOS"  # values of storageType
PLATFORM = "sysStorage"

FORMATS = {
    "PromptResponse": 2000,
    "PromptSortedresponses": 2001,
    # before DPO's: v1 has one number for both, and KTO's rows may have one answer
    "KTO_PromptChosenRejected": 2002,
    "DPO_PromptChosenRejected": 2002,
    "Text": 40100,
    "Prompt": 40200,
    "PromptImage": 70500,
    "PromptImageResponse": 70500,
}
"""A dataFormat -> v1's template type; v1 creates the first format of a template type."""

IMPORT_STATES = {-1: "Created", 1: "Importing", 2: "ImportFinished", 3: "ImportFailed"}
PUBLISH_STATES = {0: "Unpublished", 1: "Publishing", 2: "Published", 3: "PublishFailed"}
EXPORT_STATES = {1: "Exporting", 2: "ExportFinished", 3: "ExportFailed"}
"""v1's numbers -> v2's words."""


class CreateDataset(ConsoleRecord):
    """A dataset with its first version; `storage_path` is `bos:/bucket/folder/`."""

    dataset_name: str
    data_format: str
    storage_type: str = PLATFORM
    storage_path: str | None = None


class VersionCreated(ConsoleRecord):
    """The ids of the dataset (`dg-...`) and the new version (`ds-...`)."""

    dataset_id: str
    version_id: str
    version_number: int = 1


class DatasetId(ConsoleRecord):
    """The id of a dataset."""

    dataset_id: Id


class VersionId(ConsoleRecord):
    """The id of a version."""

    version_id: Id


class TaskId(ConsoleRecord):
    """The id of an import or export."""

    task_id: Id


class DatasetFilter(ConsoleRecord):
    """Datasets with a part of a name and of some formats."""

    dataset_name: str = ""
    data_format_list: list[str] | None = None


class ListDatasets(PageRequest):
    """A page of datasets that match a filter."""

    filter: DatasetFilter | None = None


class VersionFilter(ConsoleRecord):
    """Versions with some states of their import and their publication."""

    import_status_list: list[str] | None = None
    publish_status_list: list[str] | None = None


class ListVersions(PageRequest):
    """A page of a dataset's versions that match a filter."""

    dataset_id: Id
    filter: VersionFilter | None = None


class CreateVersion(ConsoleRecord):
    """A new version; it inherits nothing from earlier ones."""

    dataset_id: Id
    description: str | None = None


class Version(ConsoleRecord):
    """A version of a dataset; v1 calls it a dataset."""

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


class DatasetV2(ConsoleRecord):
    """A dataset and its newest version; the platform's keys are not documented."""

    dataset_id: str = ""
    dataset_name: str = ""
    data_format: str = ""
    version_count: int = 0
    latest_version: Version | None = None
    create_time: str = ""


class DatasetPage(ConsoleRecord):
    """A page of datasets, the newest first."""

    dataset_list: list[DatasetV2] = []
    page_info: PageInfo = PageInfo()


class VersionPage(ConsoleRecord):
    """A page of versions, the newest first."""

    version_list: list[Version] = []
    page_info: PageInfo = PageInfo()


class CreateImport(ConsoleRecord):
    """Files to import, each `bos:/bucket/path` or the URL of a shared zip."""

    version_id: Id
    files: list[str]


class ImportTask(ConsoleRecord):
    """The progress of an import; `err_download_url` has the errors."""

    version_id: str = ""
    import_status: str
    progress: str = ""
    size_mb: float = Field(default=0, alias="sizeMB")
    sample_count: int = 0
    creator: str = ""
    start_time: str = ""
    finish_time: str = ""
    err_download_url: str = ""


class CreateExport(ConsoleRecord):
    """Exports a version to the platform's storage or to a folder of the user's bucket."""

    version_id: Id
    storage_type: str = PLATFORM
    storage_path: str | None = None


class ExportTask(ConsoleRecord):
    """The progress of an export; `download_url` is a zip."""

    storage_type: str = ""
    storage_path: str = ""
    size_mb: float = Field(default=0, alias="sizeMB")
    sample_count: int = 0
    export_status: str
    progress: str = ""
    creator: str = ""
    start_time: str = ""
    finish_time: str = ""
    download_url: str = ""


_DATASETS = EndpointGroup("data.v2", "/v2/dataset")

CREATE = _DATASETS.action(
    "create", "CreateDataset", CreateDataset, VersionCreated, repeatable=False
)
LIST = _DATASETS.action("list", "DescribeDatasets", ListDatasets, DatasetPage)
DELETE = _DATASETS.action("delete", "DeleteDataset", DatasetId, bool)
CREATE_VERSION = _DATASETS.action(
    "create_version", "CreateDatasetVersion", CreateVersion, VersionCreated, repeatable=False
)
DESCRIBE_VERSION = _DATASETS.action(
    "describe_version", "DescribeDatasetVersion", VersionId, Version
)
LIST_VERSIONS = _DATASETS.action(
    "list_versions", "DescribeDatasetVersions", ListVersions, VersionPage
)
DELETE_VERSION = _DATASETS.action("delete_version", "DeleteDatasetVersion", VersionId, bool)
PUBLISH_VERSION = _DATASETS.action("publish_version", "PublishDatasetVersion", VersionId, bool)
CREATE_IMPORT = _DATASETS.action(
    "create_import", "CreateImportTask", CreateImport, str, repeatable=False
)
DESCRIBE_IMPORT = _DATASETS.action("describe_import", "DescribeImportTask", TaskId, ImportTask)
CREATE_EXPORT = _DATASETS.action(
    "create_export", "CreateExportTask", CreateExport, str, repeatable=False
)
DESCRIBE_EXPORT = _DATASETS.action("describe_export", "DescribeExportTask", TaskId, ExportTask)
