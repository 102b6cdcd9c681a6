"""The rows of a dataset: stored in parts, and listed, annotated and deleted one by one.

A part is a file that is never changed, with the time from which it is visible. An import, a
cleaning or an augmentation adds a part; annotating or deleting a row replaces one. After a crash
the dataset's document names either the old part or the new one, and both files are complete.
"""

import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from qfnb.wire import data
from qfnb.wire.base import JsonObject

from ..http.call import Call, emulates, page_by_offset
from ..state.store import Document, Store
from ..state.world import World
from . import row_formats


@dataclass(frozen=True)
class Entity:
    """One row with an id that cannot be guessed; the fields are stored under these names."""

    row: Any  # the row in the form of its format (see `row_formats`)
    name: str = ""  # the file that it came from
    annotated: float | None = None  # when it was annotated, in Unix seconds, None if it is not
    labels: list[JsonObject] = field(default_factory=list)  # v1's labels of an image
    id: str = field(default_factory=lambda: secrets.token_hex(12))


LocatedEntity = tuple[Document, Entity]  # a row and its part


def visible_parts(store: Store, dataset: Document) -> list[Document]:
    """Return the parts that are visible by now, each with its `file`, `count`, `size`, `annotated`
    and `characters`.
    """
    now = store.now()
    return [part for part in dataset["parts"] if part["from"] <= now]


def count(store: Store, dataset: Document, field: str = "count") -> int:
    """Return the number of rows of a dataset, or of its "characters", bytes ("size") or "annotated"
    rows.
    """
    return sum(part[field] for part in visible_parts(store, dataset))


def iter_entities(store: Store, dataset: Document) -> Iterator[LocatedEntity]:
    """Yield all rows in order, each with its part."""
    for part, line in _located_lines(store, dataset):
        yield part, Entity(**json.loads(line))


def _located_lines(store: Store, dataset: Document) -> Iterator[tuple[Document, bytes]]:
    for part in visible_parts(store, dataset):
        for line in _read_lines(store, part):
            yield part, line


def read_pairs(store: Store, dataset: Document) -> list[tuple[str, str]]:
    """Return a dataset's rows as prompt and response; a text has no prompt, a prompt alone no
    response.
    """
    return [row_formats.last_pair(entity.row) for _, entity in iter_entities(store, dataset)]


def find_entity(store: Store, dataset: Document, id_: str) -> Entity | None:
    """Return the row with an id, None if it does not exist."""
    for _, line in _located_lines(store, dataset):
        if id_.encode() in line and (entity := Entity(**json.loads(line))).id == id_:
            return entity
    return None


def attach_part(store: Store, dataset_id: str, part: Document, visible_from: float) -> None:
    """Add a part that `write_part` wrote, visible from a time (Unix seconds) on."""
    dataset = store.get("dataset", dataset_id)
    assert dataset is not None
    store.update(
        dataset_id, parts=[*dataset["parts"], part | {"from": visible_from}], modified=visible_from
    )


def write_part(store: Store, new_entities: Sequence[Entity]) -> Document:
    """Write rows into a new part, which belongs to no dataset yet."""
    name = f"rows-{secrets.token_hex(12)}"
    content = b"\n".join(
        json.dumps(vars(entity), ensure_ascii=False).encode() for entity in new_entities
    )
    store.write_file(name, content)
    return {
        "file": name,
        "count": len(new_entities),
        "size": len(content),
        "annotated": sum(entity.annotated is not None for entity in new_entities),
        "characters": sum(
            len(text) for entity in new_entities for text in row_formats.all_texts(entity.row)
        ),
    }


def replace_rows(store: Store, dataset: Document, changes: dict[str, Entity | None]) -> set[str]:
    """Replace the rows with these ids, or delete those with None; return the ids that existed."""
    new_parts = []
    replaced_ids = set()
    for part in dataset["parts"]:
        old_entities = [Entity(**json.loads(line)) for line in _read_lines(store, part)]
        touched = {entity.id for entity in old_entities} & set(changes)
        new_entities = [changes.get(entity.id, entity) for entity in old_entities]
        remaining = [entity for entity in new_entities if entity is not None]
        new_parts.append(write_part(store, remaining) | {"from": part["from"]} if touched else part)
        replaced_ids |= touched
    if replaced_ids:
        store.update(dataset["id"], parts=new_parts, modified=store.now())
        _delete_part_files(store, [part for part in dataset["parts"] if part not in new_parts])
    return replaced_ids


def delete_parts(store: Store, dataset: Document) -> None:
    """Delete a dataset's parts."""
    _delete_part_files(store, dataset["parts"])


def to_entities(named_rows: Iterable[tuple[str, Any]], annotated_at: float) -> list[Entity]:
    """Return entities of (file name, row) pairs; rows with responses are annotated from a time
    on.
    """
    return [
        Entity(row, name, annotated=annotated_at if row_formats.is_annotated(row) else None)
        for name, row in named_rows
    ]


def _read_lines(store: Store, part: Document) -> list[bytes]:
    return [line for line in (store.read_file(part["file"]) or b"").split(b"\n") if line]


def _delete_part_files(store: Store, unused: Iterable[Document]) -> None:
    for part in unused:
        store.remove_file(part["file"])


@emulates(data.LIST_ENTITIES)
def list_entities(call: Call, body: data.ListEntities) -> JsonObject:
    """List the rows that match all filters, in their order."""
    dataset = call.find("dataset", body.dataset_id, "datasetId")
    tabs = (data.ALL_ENTITIES, data.ANNOTATED_ENTITIES, data.UNANNOTATED_ENTITIES)
    call.validate_choice("tabType", body.tab_type, tabs)
    filters = _build_filters(call, body)
    rows = list(_located_lines(call.store, dataset))
    if filters:
        matches = []
        for part, line in rows:
            located = part, Entity(**json.loads(line))
            if all(test(located) for test in filters):
                matches.append((part, line))
        rows = matches
    page = page_by_offset(call, rows, body.offset, body.page_size, max_size=data.MAX_ENTITIES)
    return {
        "totalAll": count(call.store, dataset),
        "total": len(rows),
        "items": [
            _entity_to_wire(call.world, dataset, Entity(**json.loads(line))) for _, line in page
        ],
    }


@emulates(data.ANNOTATE)
def annotate(call: Call, body: data.AnnotateEntity) -> bool:
    """Replace the turns of a row, or set the labels of an image."""
    dataset = call.find("dataset", body.dataset_id, "datasetId")
    store = call.store
    entity = find_entity(store, dataset, body.id)
    if entity is None:
        raise call.invalid("id", f"{dataset['id']} has no entity {body.id!r}")
    if body.content:
        try:
            row = row_formats.normalize(body.content, dataset["form"])
        except row_formats.InvalidRow as error:
            raise call.invalid("content", str(error)) from None
        changed = replace(entity, row=row, annotated=store.now())
    elif body.labels:
        changed = replace(entity, labels=body.labels, annotated=store.now())
    else:
        raise call.invalid("content", "content or labels are missing")
    replace_rows(store, dataset, {entity.id: changed})
    return True


@emulates(data.DELETE_ENTITIES)
def delete(call: Call, body: data.DeleteEntities) -> JsonObject:
    """Delete rows; the answer lists the ids that do not exist."""
    dataset = call.find("dataset", body.dataset_id, "datasetId")
    deleted_ids = replace_rows(call.store, dataset, dict.fromkeys(body.id))
    return {"failedOnes": [id_ for id_ in body.id if id_ not in deleted_ids] or None}


def routes(world: World) -> list[Route]:
    """Return the route of single rows, whose ids cannot be guessed."""

    async def fetch(request: Request) -> Response:
        dataset = world.store.get("dataset", request.path_params["dataset"])
        entity = dataset and find_entity(world.store, dataset, request.path_params["id"])
        if not entity:
            return PlainTextResponse("the row does not exist", 404)
        return PlainTextResponse(row_formats.to_text(entity.row))

    return [Route("/_entities/{dataset}/{id}", fetch, methods=["GET"])]


def _build_filters(call: Call, body: data.ListEntities) -> list[Callable[[LocatedEntity], bool]]:
    filters: list[Callable[[LocatedEntity], bool]] = []
    if body.tab_type:
        filters.append(
            lambda row: bool(row[1].annotated) == (body.tab_type == data.ANNOTATED_ENTITIES)
        )
    if body.import_time:
        low, high = _parse_time_range(call, "importTime", body.import_time)
        filters.append(lambda row: low <= row[0]["from"] <= high)
    if body.anno_time:
        since, until = _parse_time_range(call, "annoTime", body.anno_time)
        filters.append(lambda row: since <= (row[1].annotated or 0) <= until)
    if body.label_id:
        filters.append(
            lambda row: any(str(label.get("id")) == body.label_id for label in row[1].labels)
        )
    return filters


def _parse_time_range(call: Call, name: str, times: list[float]) -> tuple[float, float]:
    if len(times) != 2:
        raise call.invalid(name, "it has two times, from and to")
    return times[0], times[1]


def _entity_to_wire(world: World, dataset: Document, entity: Entity) -> JsonObject:
    return {
        "id": entity.id,
        "name": entity.name,
        "labels": entity.labels,
        "url": f"{world.address.url}/_entities/{dataset['id']}/{entity.id}",
        "memorySize": len(row_formats.to_text(entity.row).encode()),
        "isEncrypted": False,
        "textExtra": {},
    }
