"""Datasets: what was uploaded is parsed for real, and a bad line is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..wire import data as wire
from . import storage
from .routing import Call, emulates, refuse_call
from .store import Document, random_id

if TYPE_CHECKING:
    from .world import World


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateDataset) -> dict[str, Any]:
    """Create a bare dataset."""
    row = call.world.store.add(
        "dataset",
        random_id("ds-", 16),
        name=body.name,
        rows=[],
        import_status=wire.NOT_STARTED,
        released=None,
        problem="",
    )
    return {
        "id": row["number"],
        "datasetId": row["id"],
        "versionId": 1,
        "displayName": body.name,
        "importStatus": wire.NOT_STARTED,
        "exportStatus": wire.NOT_STARTED,
        "releaseStatus": 0,
        "projectType": body.project_type,
        "templateType": body.template_type,
        "dataType": body.data_type,
    }


@emulates(wire.IMPORT)
def import_files(call: Call, body: wire.ImportDataset) -> bool:
    """Parse uploaded files into the dataset."""
    dataset = _dataset(call, body.dataset_id)
    try:
        rows = [row for file in body.files for row in _read(call.world, file)]
    except ValueError as error:
        call.world.store.update(dataset["id"], import_status=wire.FAILED, problem=str(error))
    else:
        call.world.store.update(
            dataset["id"], import_status=wire.FINISHED, rows=[*dataset["rows"], *rows], problem=""
        )
    return True


@emulates(wire.INFO)
def info(call: Call, body: wire.DatasetRef) -> dict[str, Any]:
    """Describe a dataset."""
    dataset = _dataset(call, body.dataset_id)
    version = {
        "datasetId": dataset["id"],
        "datasetPK": dataset["id"],
        "versionId": 1,
        "importStatus": dataset["import_status"],
        "importErrorInfo": dataset["problem"],
        "releaseStatus": _release_status(call.world, dataset),
        "entityCount": len(dataset["rows"]),
        "projectType": wire.CONVERSATION_PROJECT,
        "templateType": wire.CONVERSATION_TEMPLATE,
    }
    return {"groupPK": dataset["id"], "name": dataset["name"], "dataType": 4, "versionInfo": version}


@emulates(wire.RELEASE)
def release(call: Call, body: wire.DatasetRef) -> bool:
    """Release a dataset that has rows."""
    dataset = _dataset(call, body.dataset_id)
    if dataset["import_status"] != wire.FINISHED or not dataset["rows"]:
        raise refuse_call(call, f"dataset {dataset['id']} has no rows to release")
    if dataset["released"] is None:
        released = call.world.lifecycle.plan((wire.RUNNING, "release"), then=wire.FINISHED)
        call.world.store.update(dataset["id"], released=released)
    return True


def _release_status(world: World, dataset: Document) -> int:
    return int(world.lifecycle.state(dataset["released"])) if dataset["released"] else wire.INITIALISED


def _dataset(call: Call, key: int | str) -> Document:
    dataset = call.world.store.get("dataset", key)
    if dataset is None:
        raise refuse_call(call, f"dataset {key} does not exist")
    return dataset


def _read(world: World, address: str) -> list[tuple[str, str]]:
    content = storage.read(world.store, address)
    if content is None:
        raise ValueError(f"{address} was not uploaded")
    lines = content.decode("utf-8-sig", "replace").split("\n")
    return [_pair(line, number) for number, line in enumerate(lines, 1) if line.strip()]


def _pair(line: str, number: int) -> tuple[str, str]:
    try:
        value = json.loads(line)
        value = value[-1] if isinstance(value, list) else value
        prompt, answer = value["prompt"], value["response"]
        while isinstance(answer, list):
            answer = answer[0]
        if not (isinstance(prompt, str) and isinstance(answer, str) and prompt and answer):
            raise TypeError
    except (ValueError, TypeError, KeyError, IndexError):
        raise ValueError(f"line {number} is not a pair of prompt and response") from None
    return prompt, answer
