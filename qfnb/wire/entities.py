"""Single rows of a dataset, console v1 (`/wenxinworkshop/entity/...`), where a row is called an entity."""

from __future__ import annotations

from typing import Any

from .base import ConsoleRecord
from .endpoints import EndpointGroup

ALL_ENTITIES, ANNOTATED_ENTITIES, UNANNOTATED_ENTITIES = 0, 1, 2
"""Values of tabType."""

MAX_ENTITIES = 30
"""Limit of one page."""


class AnnotateEntity(ConsoleRecord):
    """A row's new `content` (turns), or the `labels` of a picture."""

    id: str
    dataset_id: int | str
    content: list[dict[str, Any]] | None = None
    labels: list[dict[str, Any]] | None = None


class DeleteEntities(ConsoleRecord):
    """Rows to delete; the platform calls their ids `id`."""

    id: list[str]
    dataset_id: int | str


class EntitiesDeleted(ConsoleRecord):
    """The ids that could not be deleted; None if all were deleted."""

    failed_ones: list[str] | None = None


class ListEntities(ConsoleRecord):
    """A page of rows; the times are [from, to] in Unix seconds."""

    dataset_id: int | str
    offset: int = 0
    page_size: int = 20
    tab_type: int = ALL_ENTITIES
    import_time: list[float] | None = None
    anno_time: list[float] | None = None
    label_id: str | None = None


class Entity(ConsoleRecord):
    """One row; `url` has its content and needs no key."""

    id: str
    name: str = ""
    labels: list[dict[str, Any]] = []
    url: str = ""
    memory_size: int = 0
    is_encrypted: bool = False
    text_extra: dict[str, Any] = {}


class EntityPage(ConsoleRecord):
    """A page of rows; `total` counts the filtered rows, `total_all` all rows."""

    total_all: int = 0
    total: int = 0
    items: list[Entity] = []


_ENTITIES = EndpointGroup("entity", "/wenxinworkshop/entity", envelope="status")

ANNOTATE = _ENTITIES.route("annotate", "annotate", AnnotateEntity, bool)
DELETE_ENTITIES = _ENTITIES.route("delete", "delete", DeleteEntities, EntitiesDeleted)
LIST_ENTITIES = _ENTITIES.route("list", "list", ListEntities, EntityPage)
