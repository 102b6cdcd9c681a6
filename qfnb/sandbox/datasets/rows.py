"""The rows that a dataset holds: files that are never changed, each with the moment from which it counts.

An import, a cleaning or an augmenting adds a file; marking or deleting a row replaces one. A server that was
killed finds either the old file in the dataset's document or the new one, whole.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..state.store import Document, Store
from . import row_formats


@dataclass(frozen=True)
class Entity:
    """One row; its id cannot be guessed.

    Attributes:
        name: the file that it came from.
        annotated: when it got its answers, None when it has none.
    """

    row: Any
    name: str = ""
    annotated: float | None = None
    labels: list[dict[str, Any]] = field(default_factory=list)
    id: str = field(default_factory=lambda: secrets.token_hex(12))


def visible_parts(store: Store, dataset: Document) -> list[Document]:
    """Return the files that count by now, each with its count, size and characters."""
    now = store.now()
    return [part for part in dataset["parts"] if part["from"] <= now]


def count(store: Store, dataset: Document, field: str = "count") -> int:
    """Return how many rows a dataset has, or characters, bytes ("size"), annotated rows ("annotated")."""
    return sum(part[field] for part in visible_parts(store, dataset))


def iter_entities(store: Store, dataset: Document) -> Iterator[tuple[Document, Entity]]:
    """Return all rows in order, each with the file that holds it."""
    for part in visible_parts(store, dataset):
        for line in _read_lines(store, part):
            yield part, Entity(**json.loads(line))


def read_page(store: Store, dataset: Document, start: int, size: int) -> list[tuple[Document, Entity]]:
    """Return some rows; files that hold none of them are not read."""
    matches: list[tuple[Document, Entity]] = []
    for part in visible_parts(store, dataset):
        if start < part["count"] and len(matches) < size:
            lines = _read_lines(store, part)[start : start + size - len(matches)]
            matches += [(part, Entity(**json.loads(line))) for line in lines]
        start = max(0, start - part["count"])
    return matches


def read_pairs(store: Store, dataset: Document) -> list[tuple[str, str]]:
    """Return a dataset's rows as prompt and response; a text has no prompt, a prompt alone no response."""
    return [row_formats.last_pair(entity.row) for _, entity in iter_entities(store, dataset)]


def find_entity(store: Store, dataset: Document, id_: str) -> Entity | None:
    """Return one row, None when there is none."""
    for part in visible_parts(store, dataset):
        for line in _read_lines(store, part):
            if id_.encode() in line and (entity := Entity(**json.loads(line))).id == id_:
                return entity
    return None


def add_rows(store: Store, dataset_id: str, new_entities: Sequence[Entity], visible_from: float) -> None:
    """Add rows that count from a moment on."""
    attach_part(store, dataset_id, write_part(store, new_entities), visible_from)


def attach_part(store: Store, dataset_id: str, part: Document, visible_from: float) -> None:
    """Add a file of rows that was written."""
    dataset = store.get("dataset", dataset_id)
    assert dataset is not None
    store.update(dataset_id, parts=[*dataset["parts"], part | {"from": visible_from}], modified=visible_from)


def write_part(store: Store, new_entities: Sequence[Entity]) -> Document:
    """Write rows into a file, which belongs to no dataset yet."""
    name = f"rows-{secrets.token_hex(12)}"
    content = b"\n".join(json.dumps(vars(entity), ensure_ascii=False).encode() for entity in new_entities)
    store.write_file(name, content)
    return {
        "file": name,
        "count": len(new_entities),
        "size": len(content),
        "annotated": sum(entity.annotated is not None for entity in new_entities),
        "characters": sum(len(text) for entity in new_entities for text in row_formats.all_texts(entity.row)),
    }


def replace_rows(store: Store, dataset: Document, changes: dict[str, Entity | None]) -> set[str]:
    """Put rows in the place of those with the same ids, None deletes; return the ids that were there."""
    new_parts, replaced_ids = [], set()
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
    """Delete a dataset's files."""
    _delete_part_files(store, dataset["parts"])


def to_entities(named_rows: Iterable[tuple[str, Any]], annotated_at: float) -> list[Entity]:
    """Return new entities of rows with names; those that have answers are annotated from a moment on."""
    return [
        Entity(row, name, annotated=annotated_at if row_formats.is_annotated(row) else None)
        for name, row in named_rows
    ]


def _read_lines(store: Store, part: Document) -> list[bytes]:
    return [line for line in (store.read_file(part["file"]) or b"").split(b"\n") if line]


def _delete_part_files(store: Store, unused: Iterable[Document]) -> None:
    for part in unused:
        store.remove_file(part["file"])
