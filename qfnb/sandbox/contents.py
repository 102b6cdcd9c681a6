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

from . import rows
from .store import Document, Store


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


def parts(store: Store, dataset: Document) -> list[Document]:
    """Return the files that count by now, each with its count, size and characters."""
    now = store.now()
    return [part for part in dataset["parts"] if part["from"] <= now]


def count(store: Store, dataset: Document, what: str = "count") -> int:
    """Return how many rows a dataset has, or characters, bytes ("size"), annotated rows ("annotated")."""
    return sum(part[what] for part in parts(store, dataset))


def entities(store: Store, dataset: Document) -> Iterator[tuple[Document, Entity]]:
    """Return all rows in order, each with the file that holds it."""
    for part in parts(store, dataset):
        for line in _lines(store, part):
            yield part, Entity(**json.loads(line))


def page(store: Store, dataset: Document, start: int, size: int) -> list[tuple[Document, Entity]]:
    """Return some rows; files that hold none of them are not read."""
    found: list[tuple[Document, Entity]] = []
    for part in parts(store, dataset):
        if start < part["count"] and len(found) < size:
            lines = _lines(store, part)[start : start + size - len(found)]
            found += [(part, Entity(**json.loads(line))) for line in lines]
        start = max(0, start - part["count"])
    return found


def find(store: Store, dataset: Document, id_: str) -> Entity | None:
    """Return one row, None when there is none."""
    for part in parts(store, dataset):
        for line in _lines(store, part):
            if id_.encode() in line and (entity := Entity(**json.loads(line))).id == id_:
                return entity
    return None


def add(store: Store, dataset_id: str, found: Sequence[Entity], moment: float) -> None:
    """Add rows that count from a moment on."""
    attach(store, dataset_id, written(store, found), moment)


def attach(store: Store, dataset_id: str, part: Document, moment: float) -> None:
    """Add a file of rows that was written."""
    dataset = store.get("dataset", dataset_id)
    assert dataset is not None
    store.update(dataset_id, parts=[*dataset["parts"], part | {"from": moment}], modified=moment)


def written(store: Store, found: Sequence[Entity]) -> Document:
    """Write rows into a file, which belongs to no dataset yet."""
    name = f"rows-{secrets.token_hex(12)}"
    content = b"\n".join(json.dumps(vars(entity), ensure_ascii=False).encode() for entity in found)
    store.write_file(name, content)
    return {
        "file": name,
        "count": len(found),
        "size": len(content),
        "annotated": sum(entity.annotated is not None for entity in found),
        "characters": sum(len(text) for entity in found for text in rows.texts(entity.row)),
    }


def change(store: Store, dataset: Document, changes: dict[str, Entity | None]) -> set[str]:
    """Put rows in the place of those with the same ids, None deletes; return the ids that were there."""
    kept, found = [], set()
    for part in dataset["parts"]:
        before = [Entity(**json.loads(line)) for line in _lines(store, part)]
        touched = {entity.id for entity in before} & set(changes)
        after = [changes.get(entity.id, entity) for entity in before]
        left = [entity for entity in after if entity is not None]
        kept.append(written(store, left) | {"from": part["from"]} if touched else part)
        found |= touched
    if found:
        store.update(dataset["id"], parts=kept, modified=store.now())
        _forget(store, [part for part in dataset["parts"] if part not in kept])
    return found


def forget(store: Store, dataset: Document) -> None:
    """Delete a dataset's files."""
    _forget(store, dataset["parts"])


def marked(found: Iterable[tuple[str, Any]], moment: float) -> list[Entity]:
    """Return new entities of rows with names; those that have answers are annotated from a moment on."""
    return [Entity(row, name, annotated=moment if rows.is_annotated(row) else None) for name, row in found]


def _lines(store: Store, part: Document) -> list[bytes]:
    return [line for line in (store.read_file(part["file"]) or b"").split(b"\n") if line]


def _forget(store: Store, gone: Iterable[Document]) -> None:
    for part in gone:
        store.remove_file(part["file"])
