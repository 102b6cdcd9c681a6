"""Datasets and their rows, console v1: create, import, release, export; list, change and delete
rows (entities).

What v1 calls a dataset (`ds-...`) is what v2 calls a version of one; `group_pk` (`dg-...`) is v2's
dataset.
"""

from typing import Any

from pydantic import Field

from .base import ConsoleRecord, Id, JsonObject
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
    release_err_code: int | None = None
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
