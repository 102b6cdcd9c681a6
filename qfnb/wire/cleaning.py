"""Cleaning (`/etl/`) and augmentation (`/enhance/`) of a dataset into another one, console v1."""

from .base import ConsoleRecord, CountedPage, Id, JsonObject, OffsetRequest
from .endpoints import EndpointGroup

NO_TASK = 0
RUNNING = 1
FINISHED = 2
INTERRUPTED = 3
FAILED = 4
PAUSED = 5
"""Values of processStatus, etlStatus and enhanceStatus."""

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


class AugmentationRef(ConsoleRecord):
    """The id of an augmentation."""

    task_id: Id


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

CREATE = _CLEANING.route("create", "create", CreateCleaning, object, repeatable=False)
DETAIL = _CLEANING.route("detail", "detail", CleaningRef, CleaningTask)
LIST = _CLEANING.route("list", "list", OffsetRequest, CountedPage[CleaningTask])
DELETE = _CLEANING.route("delete", "delete", CleaningRefs, bool)
AUGMENT = _AUGMENTATION.route("create", "create", CreateAugmentation, bool, repeatable=False)
LIST_AUGMENTATIONS = _AUGMENTATION.route(
    "list", "list", ListAugmentations, CountedPage[Augmentation]
)
DESCRIBE_AUGMENTATION = _AUGMENTATION.route("detail", "detail", AugmentationRef, Augmentation)
DELETE_AUGMENTATIONS = _AUGMENTATION.route("delete", "delete", AugmentationRefs, bool)
