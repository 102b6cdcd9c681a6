"""Work on whole datasets, console v1: cleaning (`/etl/`) and augmenting (`/enhance/`) into another one."""

from __future__ import annotations

from typing import Any

from .base import ConsoleRecord
from .endpoints import Endpoint

NO_TASK, RUNNING, FINISHED, INTERRUPTED, FAILED, PAUSED = 0, 1, 2, 3, 4, 5
"""Values of processStatus, etlStatus and enhanceStatus."""

TEXT_ENTITY = 2
GROUPS = ("clean", "filter", "deduplication", "desensitization")
"""Keys of operationsV2, in the order in which they are done."""

MAX_SEEDS, MAX_NEW_ROWS = 10, 5000


class CreateCleaning(ConsoleRecord):
    """Clean one dataset into another; `operations_v2` is group -> [{"name", "args"}]."""

    etl_task_name: str
    source_dataset_id: int | str
    dest_dataset_id: int | str
    entity_type: int = TEXT_ENTITY
    operations_v2: dict[str, list[dict[str, Any]]]


class CleaningRef(ConsoleRecord):
    """Which cleaning."""

    etl_id: int | str


class CleaningRefs(ConsoleRecord):
    """Which cleanings."""

    etl_ids: list[int | str]


class ListTasks(ConsoleRecord):
    """A page."""

    offset: int = 0
    page_size: int = 10


class Cleaning(ConsoleRecord):
    """A cleaning; the two `_str_id` are `ds-...`."""

    etl_id: int | str | None = None
    etl_str_id: str = ""
    etl_task_name: str = ""
    process_status: int = NO_TASK
    source_dataset_str_id: str = ""
    dest_dataset_str_id: str = ""
    entity_count: int = 0
    operations_v2: dict[str, list[dict[str, Any]]] = {}
    start_time: str = ""
    finish_time: str = ""


class CleaningPage(ConsoleRecord):
    """A page of cleanings, the newest first."""

    total: int = 0
    items: list[Cleaning] = []


class CreateAugmentation(ConsoleRecord):
    """Make new rows after the example of a dataset's; the threshold is how alike two rows may be, 0 to 1."""

    name: str
    is_self_instruct: bool = True
    source_dataset_id: int | str
    dest_dataset_id: int | str
    dev_api_id: int | str
    app_id: int | str
    num_seed_fewshot: int
    num_instances_to_generate: int
    similarity_threshold: float


class ListAugmentations(ConsoleRecord):
    """A page of those whose name, or a dataset of which, holds a word."""

    is_self_instruct: bool = True
    offset: int = 0
    page_size: int = 10
    word: str | None = None
    sort_field: str | None = None
    sort_by: str | None = None


class AugmentationRef(ConsoleRecord):
    """Which augmenting."""

    task_id: int | str


class AugmentationRefs(ConsoleRecord):
    """Which augmentings."""

    task_ids: list[int | str]


class Augmentation(ConsoleRecord):
    """An augmenting; its fields on the platform are not evidenced beyond `id` and `name`."""

    id: int | str | None = None
    task_id: str = ""
    name: str = ""
    process_status: int = NO_TASK
    source_dataset_str_id: str = ""
    dest_dataset_str_id: str = ""
    num_instances_generated: int = 0
    start_time: str = ""
    finish_time: str = ""


class AugmentationPage(ConsoleRecord):
    """A page of augmentings."""

    total: int = 0
    items: list[Augmentation] = []


CREATE = Endpoint(
    "etl.create", "/wenxinworkshop/etl/create", CreateCleaning, object, plane="console", repeatable=False
)
DETAIL = Endpoint("etl.detail", "/wenxinworkshop/etl/detail", CleaningRef, Cleaning, plane="console")
LIST = Endpoint("etl.list", "/wenxinworkshop/etl/list", ListTasks, CleaningPage, plane="console")
DELETE = Endpoint("etl.delete", "/wenxinworkshop/etl/delete", CleaningRefs, bool, plane="console")
AUGMENT = Endpoint(
    "enhance.create",
    "/wenxinworkshop/enhance/create",
    CreateAugmentation,
    bool,
    plane="console",
    repeatable=False,
)
LIST_AUGMENTATIONS = Endpoint(
    "enhance.list", "/wenxinworkshop/enhance/list", ListAugmentations, AugmentationPage, plane="console"
)
DESCRIBE_AUGMENTATION = Endpoint(
    "enhance.detail", "/wenxinworkshop/enhance/detail", AugmentationRef, Augmentation, plane="console"
)
DELETE_AUGMENTATIONS = Endpoint(
    "enhance.delete", "/wenxinworkshop/enhance/delete", AugmentationRefs, bool, plane="console"
)
