"""The rows of a dataset one by one: listed, marked, deleted, and fetched as they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ...wire import entities as wire
from ..http.call import Call, emulates
from ..http.paging import page_by_offset
from ..state.store import Document
from ..state.world import World
from . import common, row_formats, rows
from .rows import Entity

LocatedEntity = tuple[Document, Entity]


@emulates(wire.LIST)
def list_entities(call: Call, body: wire.ListEntities) -> dict[str, Any]:
    """List the rows that the filters let through, in their order."""
    dataset, store = common.get_dataset(call, body.dataset_id), call.world.store
    call.validate_choice("tabType", body.tab_type, (wire.ALL, wire.ANNOTATED, wire.NOT_ANNOTATED))
    total = total_all = rows.count(store, dataset)
    filters = _build_filters(call, body)
    if filters:
        matches = [row for row in rows.iter_entities(store, dataset) if all(test(row) for test in filters)]
        total, page = (
            len(matches),
            page_by_offset(call, matches, body.offset, body.page_size, max_size=wire.MAX_ENTITIES),
        )
    else:
        positions = page_by_offset(
            call, range(total), body.offset, body.page_size, max_size=wire.MAX_ENTITIES
        )
        page = rows.read_page(store, dataset, positions[0], len(positions)) if positions else []
    items = [_entity_to_wire(call.world, dataset, entity) for _, entity in page]
    return {"totalAll": total_all, "total": total, "items": items}


@emulates(wire.ANNOTATE)
def annotate(call: Call, body: wire.AnnotateEntity) -> bool:
    """Give a row other turns, or a picture labels."""
    dataset, store = common.get_dataset(call, body.dataset_id), call.world.store
    entity = rows.find_entity(store, dataset, body.id)
    if entity is None:
        raise call.invalid("id", f"{dataset['id']} has no entity {body.id!r}")
    if not (body.content or body.labels):
        raise call.invalid("content", "content or labels are missing")
    changed = replace(entity, annotated=store.now())
    if body.content:
        changed = replace(changed, row=_normalize_content(call, dataset, body.content))
    else:
        changed = replace(changed, labels=body.labels or [])
    rows.replace_rows(store, dataset, {entity.id: changed})
    return True


@emulates(wire.DELETE)
def delete(call: Call, body: wire.DeleteEntities) -> dict[str, Any]:
    """Delete rows; those that are not there are told."""
    dataset = common.get_dataset(call, body.dataset_id)
    deleted_ids = rows.replace_rows(call.world.store, dataset, dict.fromkeys(body.id))
    return {"failedOnes": [id_ for id_ in body.id if id_ not in deleted_ids] or None}


def routes(world: World) -> list[Route]:
    """Return the route that rows are fetched from; the ids of rows cannot be guessed."""

    async def fetch(request: Request) -> Response:
        dataset = world.store.get("dataset", request.path_params["dataset"])
        entity = rows.find_entity(world.store, dataset, request.path_params["id"]) if dataset else None
        if entity is None:
            return PlainTextResponse("there is no such row", 404)
        return PlainTextResponse(row_formats.to_text(entity.row))

    return [Route("/_entities/{dataset}/{id}", fetch, methods=["GET"])]


def _build_filters(call: Call, body: wire.ListEntities) -> list[Callable[[LocatedEntity], bool]]:
    filters: list[Callable[[LocatedEntity], bool]] = []
    if body.tab_type:
        filters.append(lambda row: bool(row[1].annotated) == (body.tab_type == wire.ANNOTATED))
    if body.import_time:
        low, high = _parse_time_range(call, "importTime", body.import_time)
        filters.append(lambda row: low <= row[0]["from"] <= high)
    if body.anno_time:
        since, until = _parse_time_range(call, "annoTime", body.anno_time)
        filters.append(lambda row: since <= (row[1].annotated or 0) <= until)
    if body.label_id:
        filters.append(lambda row: any(str(label.get("id")) == body.label_id for label in row[1].labels))
    return filters


def _parse_time_range(call: Call, name: str, times: list[float]) -> tuple[float, float]:
    if len(times) != 2:
        raise call.invalid(name, "it has two times, from and to")
    return times[0], times[1]


def _normalize_content(call: Call, dataset: Document, content: list[dict[str, Any]]) -> Any:
    try:
        return row_formats.normalize(content, dataset["form"])
    except row_formats.InvalidRow as error:
        raise call.invalid("content", str(error)) from None


def _entity_to_wire(world: World, dataset: Document, entity: Entity) -> dict[str, Any]:
    return {
        "id": entity.id,
        "name": entity.name,
        "labels": entity.labels,
        "url": f"{world.address.url}/_entities/{dataset['id']}/{entity.id}",
        "memorySize": len(row_formats.to_text(entity.row).encode()),
        "isEncrypted": False,
        "textExtra": {},
    }
