"""Datasets, their versions, their rows (entities) and their cleanings, console v1 and v2.

What v1 calls a dataset (`ds-...`) is what v2 calls a version of one; v2's dataset is `dg-...`,
v1's `group_pk`. Source of v2's replies: the platform's API pages, which call states by words where
v1 has numbers.
"""

from typing import Any

from pydantic import Field

from .base import ConsoleRecord, CountedPage, Id, JsonObject, OffsetRequest, PageInfo, PageRequest
from .endpoints import EndpointGroup

CONVERSATION_PROJECT = 20
CONVERSATION_TEMPLATE = 2000
TEXT_DATA = 4
PICTURE_DATA = 7
PICTURE_PROJECT = 705
TEMPLATES = (2000, 2001, 2002, 40100, 40200, 70500)
"""Answers, ranked answers, chosen and rejected, plain text, prompts, images; // 100 is the project
type.
"""

PLATFORM_STORAGE = "sysBos"
USER_STORAGE = "usrBos"
USER_BOS = 1
SHARED_ZIP = 2
"""Values of importFrom."""

NOT_STARTED = -1
INITIALISED = 0
RUNNING = 1
FINISHED = 2
FAILED = 3
TERMINATED = 4
"""Values of importStatus and exportStatus; of releaseStatus, where INITIALISED is "not
released".
"""


class CreateDatasetV1(ConsoleRecord):
    """An empty dataset; a path in the user's bucket ends with a slash."""

    name: str
    version_id: int = 1
    project_type: int = CONVERSATION_PROJECT
    template_type: int = CONVERSATION_TEMPLATE
    data_type: int = TEXT_DATA
    storage_type: str = USER_STORAGE
    storage_id: str | None = None
    raw_storage_path: str | None = None


class DatasetCreated(ConsoleRecord):
    """`dataset_id` is the `ds-...` id that every later call takes."""

    dataset_id: str
    id: int | None = None
    group_pk: str | None = Field(default=None, alias="groupPK")
    version_id: int = 1


class ImportDataset(ConsoleRecord):
    """Files to import: `import_from` 1 is the user's bucket, `bos:/bucket/path`; 2 is a shared
    zip.
    """

    dataset_id: Id
    annotated: bool = True
    import_from: int = USER_BOS
    files: list[str]


class DatasetRef(ConsoleRecord):
    """The id of a dataset."""

    dataset_id: Id


class DatasetVersion(ConsoleRecord):
    """A version with the states of its import, release and export; `entity_count` counts rows."""

    dataset_id: Any = None
    dataset_pk: str | None = Field(default=None, alias="datasetPK")
    version_id: int | None = None
    project_type: int | None = None
    template_type: int | None = None
    import_status: int = NOT_STARTED
    import_error_info: Any = None
    err_code: int | None = None
    release_status: int = INITIALISED
    export_status: int = NOT_STARTED
    export_record_count: int = 0
    entity_count: int | None = None
    modify_time: str | None = None


class DatasetV1(ConsoleRecord):
    """A dataset and its current version."""

    name: str = ""
    group_pk: str | None = Field(default=None, alias="groupPK")
    version_info: DatasetVersion


class DatasetRefs(ConsoleRecord):
    """The ids of datasets."""

    dataset_ids: list[Id]


class DatasetStatus(ConsoleRecord):
    """The progress of everything that a dataset goes through, in percent."""

    import_status: int = NOT_STARTED
    import_progress: int = 0
    import_error_info: Any = None
    release_status: int = INITIALISED
    release_progress: int = 0
    export_status: int = NOT_STARTED
    export_progress: int = 0
    enhance_status: int = 0
    etl_status: int = 0
    entity_count: int = 0
    annotated_entity_count: int = 0
    label_count: int = 0
    character_count: int = 0
    modify_time: str | None = None


class ExportDataset(ConsoleRecord):
    """An export; `export_type` 2 omits annotations, `export_to` 0 is the platform, 1 the user's
    bucket.
    """

    dataset_id: Id
    export_format: int = 0
    export_type: int = 1
    export_to: int = 0
    storage_id: str | None = None


class ExportRecord(ConsoleRecord):
    """One export; `size` in MB, `download_url` is a zip."""

    creator_name: str = ""
    storage_id: str = ""
    storage_path: str = ""
    size: float = 0
    export_format: int = 0
    export_type: int = 1
    export_to: int = 0
    status: int = NOT_STARTED
    record_num: int = 0
    download_url: str = ""
    start_time: str = ""
    finish_time: str = ""


class DatasetDeleted(ConsoleRecord):
    """How many versions the dataset group still has."""

    version_count: int = 0


class ErrorQuery(ConsoleRecord):
    """An error of an import, by the `errCode` of the dataset."""

    dataset_id: Id
    err_code: int


class BadSample(ConsoleRecord):
    """A line that could not be imported; `text_location` is the line number in the file."""

    sequence: int = 0
    sample_file_name: str = ""
    sample_name: str = ""
    text_location: int = 0
    text_content: str = ""


class ImportErrors(ConsoleRecord):
    """The errors of an import; `download_url` has all of them if `content` is truncated."""

    data_type: Any = None
    download_url: str = ""
    is_zip: int = 0
    project_type: int | None = None
    content: list[BadSample] = []


SIZE_EXCEEDED = 1
BAD_FORMAT = 3
BAD_CHARACTERS = 6
BAD_TEXT = 9
BAD_ZIP = 10
NO_ANNOTATION = 12
EMPTY_TEXT = 13
"""Values of errCode. Source: API page of importErrorDetail."""

_DATASETS = EndpointGroup("data", "/wenxinworkshop/dataset", envelope="status")

CREATE = _DATASETS.route("create", "create", CreateDatasetV1, DatasetCreated, repeatable=False)
IMPORT = _DATASETS.route("import", "import", ImportDataset, bool, repeatable=False)
INFO = _DATASETS.route("info", "info", DatasetRef, DatasetV1)
STATUSES = _DATASETS.route("statuses", "statusList", DatasetRefs, dict[str, DatasetStatus])
RELEASE = _DATASETS.route("release", "release", DatasetRef, bool)
EXPORT = _DATASETS.route("export", "export", ExportDataset, bool, repeatable=False)
EXPORT_RECORDS = _DATASETS.route("export_records", "exportRecord", DatasetRef, list[ExportRecord])
IMPORT_ERRORS = _DATASETS.route("import_errors", "importErrorDetail", ErrorQuery, ImportErrors)
DELETE = _DATASETS.route("delete", "delete", DatasetRef, DatasetDeleted)


ALL_ENTITIES = 0  # values of tabType
ANNOTATED_ENTITIES = 1
UNANNOTATED_ENTITIES = 2
MAX_ENTITIES = 30  # limit of one page


class AnnotateEntity(ConsoleRecord):
    """A row's new `content` (turns), or the `labels` of a picture."""

    id: str
    dataset_id: Id
    content: list[JsonObject] | None = None
    labels: list[JsonObject] | None = None


class DeleteEntities(ConsoleRecord):
    """Rows to delete; the platform calls their ids `id`."""

    id: list[str]
    dataset_id: Id


class EntitiesDeleted(ConsoleRecord):
    """The ids that could not be deleted; None if all were deleted."""

    failed_ones: list[str] | None = None


class ListEntities(ConsoleRecord):
    """A page of rows; the times are [from, to] in Unix seconds."""

    dataset_id: Id
    offset: int = 0
    page_size: int = 20
    tab_type: int = ALL_ENTITIES
    import_time: list[float] | None = None
    anno_time: list[float] | None = None
    label_id: str | None = None


class DatasetEntity(ConsoleRecord):
    """One row; `url` has its content and needs no key."""

    id: str
    name: str = ""
    labels: list[JsonObject] = []
    url: str = ""
    memory_size: int = 0
    is_encrypted: bool = False
    text_extra: JsonObject = {}


class EntityPage(ConsoleRecord):
    """A page of rows; `total` counts the filtered rows, `total_all` all rows."""

    total_all: int = 0
    total: int = 0
    items: list[DatasetEntity] = []


_ENTITIES = EndpointGroup("entity", "/wenxinworkshop/entity", envelope="status")

ANNOTATE = _ENTITIES.route("annotate", "annotate", AnnotateEntity, bool)
DELETE_ENTITIES = _ENTITIES.route("delete", "delete", DeleteEntities, EntitiesDeleted)
LIST_ENTITIES = _ENTITIES.route("list", "list", ListEntities, EntityPage)


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


_DATASETS_V2 = EndpointGroup("data.v2", "/v2/dataset")

CREATE_V2 = _DATASETS_V2.action(
    "create", "CreateDataset", CreateDataset, VersionCreated, repeatable=False
)
LIST = _DATASETS_V2.action("list", "DescribeDatasets", ListDatasets, DatasetPage)
DELETE_V2 = _DATASETS_V2.action("delete", "DeleteDataset", DatasetRef, bool)
CREATE_VERSION = _DATASETS_V2.action(
    "create_version", "CreateDatasetVersion", CreateVersion, VersionCreated, repeatable=False
)
DESCRIBE_VERSION = _DATASETS_V2.action(
    "describe_version", "DescribeDatasetVersion", VersionId, Version
)
LIST_VERSIONS = _DATASETS_V2.action(
    "list_versions", "DescribeDatasetVersions", ListVersions, VersionPage
)
DELETE_VERSION = _DATASETS_V2.action("delete_version", "DeleteDatasetVersion", VersionId, bool)
PUBLISH_VERSION = _DATASETS_V2.action("publish_version", "PublishDatasetVersion", VersionId, bool)
CREATE_IMPORT = _DATASETS_V2.action(
    "create_import", "CreateImportTask", CreateImport, str, repeatable=False
)
DESCRIBE_IMPORT = _DATASETS_V2.action("describe_import", "DescribeImportTask", TaskId, ImportTask)
CREATE_EXPORT = _DATASETS_V2.action(
    "create_export", "CreateExportTask", CreateExport, str, repeatable=False
)
DESCRIBE_EXPORT = _DATASETS_V2.action("describe_export", "DescribeExportTask", TaskId, ExportTask)


# Cleaning (`/etl/`) and augmentation (`/enhance/`) of a dataset into another one, console v1.

NO_TASK = 0
"""A value of processStatus, etlStatus and enhanceStatus, besides RUNNING and FINISHED."""

TEXT_ENTITY = 2
GROUPS = ("clean", "filter", "deduplication", "desensitization")
"""Keys of operationsV2, in the order of execution."""

MAX_SEEDS = 10
MAX_NEW_ROWS = 5000


class CreateCleaning(ConsoleRecord):
    """Clean one dataset into another; `operations_v2` is group -> [{"name", "args"}]."""

    etl_task_name: str
    source_dataset_id: Id
    dest_dataset_id: Id
    entity_type: int = TEXT_ENTITY
    operations_v2: dict[str, list[JsonObject]]


class CleaningRef(ConsoleRecord):
    """The id of a cleaning."""

    etl_id: Id


class CleaningRefs(ConsoleRecord):
    """The ids of cleanings."""

    etl_ids: list[Id]


class CleaningTask(ConsoleRecord):
    """A cleaning; the two `..._str_id` are `ds-...`."""

    etl_id: Id | None = None
    etl_str_id: str = ""
    etl_task_name: str = ""
    process_status: int
    source_dataset_str_id: str = ""
    dest_dataset_str_id: str = ""
    entity_count: int = 0
    operations_v2: dict[str, list[JsonObject]] = {}
    start_time: str = ""
    finish_time: str = ""


class CreateAugmentation(ConsoleRecord):
    """Generate rows from examples of a dataset; the threshold is how similar two rows may be, 0 to
    1.
    """

    name: str
    is_self_instruct: bool = True
    source_dataset_id: Id
    dest_dataset_id: Id
    dev_api_id: Id
    app_id: Id
    num_seed_fewshot: int
    num_instances_to_generate: int
    similarity_threshold: float


class ListAugmentations(ConsoleRecord):
    """A page of the augmentations whose name, or the name of whose dataset, contains a word."""

    is_self_instruct: bool = True
    offset: int = 0
    page_size: int = 10
    word: str | None = None
    sort_field: str | None = None
    sort_by: str | None = None


class AugmentationRefs(ConsoleRecord):
    """The ids of augmentations."""

    task_ids: list[Id]


class Augmentation(ConsoleRecord):
    """An augmentation; only `id` and `name` are documented."""

    id: Id | None = None
    task_id: str = ""
    name: str = ""
    process_status: int
    source_dataset_str_id: str = ""
    dest_dataset_str_id: str = ""
    num_instances_generated: int = 0
    start_time: str = ""
    finish_time: str = ""


_CLEANING = EndpointGroup("etl", "/wenxinworkshop/etl", envelope="status")
_AUGMENTATION = EndpointGroup("enhance", "/wenxinworkshop/enhance", envelope="status")

CREATE_CLEANING = _CLEANING.route("create", "create", CreateCleaning, object, repeatable=False)
DESCRIBE_CLEANING = _CLEANING.route("detail", "detail", CleaningRef, CleaningTask)
LIST_CLEANINGS = _CLEANING.route("list", "list", OffsetRequest, CountedPage[CleaningTask])
DELETE_CLEANINGS = _CLEANING.route("delete", "delete", CleaningRefs, bool)
AUGMENT = _AUGMENTATION.route("create", "create", CreateAugmentation, bool, repeatable=False)
LIST_AUGMENTATIONS = _AUGMENTATION.route(
    "list", "list", ListAugmentations, CountedPage[Augmentation]
)
DESCRIBE_AUGMENTATION = _AUGMENTATION.route("detail", "detail", TaskId, Augmentation)
DELETE_AUGMENTATIONS = _AUGMENTATION.route("delete", "delete", AugmentationRefs, bool)
