"""Cleaning and augmenting: a dataset's rows go, changed or recombined, into another dataset."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ...wire import cleaning as wire
from ...wire import data as wire_data
from ..http.call import Call, emulates, refusal_for
from ..http.paging import page_by_offset
from ..state.store import Document, random_id
from . import cleaning_rules, imports, row_formats, v1
from . import rows as contents
from .augmentation import phrased_anew
from .row_parser import RowParser

MAX_AUGMENTATIONS = 20
"""Of a page."""

MAX_ROWS = 50_000
"""Of a dataset that the sandbox works on while the caller waits; the platform has other limits."""


@emulates(wire.CREATE)
async def create(call: Call, body: wire.CreateCleaning) -> str:
    """Clean a dataset into another; the id is what the detail is asked by."""
    if problem := cleaning_rules.problem_of(body.operations_v2):
        raise refusal_for(call, f"param[operationsV2] invalid: {problem}")
    source, destination = _source_and_destination(call, body.source_dataset_id, body.dest_dataset_id)
    source_rows = [entity.row for _, entity in contents.iter_entities(call.world.store, source)]
    result = await asyncio.to_thread(cleaning_rules.cleaned, source_rows, body.operations_v2)
    task = _record_task(
        call,
        "etl",
        _source_and_destination(call, source["id"], destination["id"]),  # as they are now
        [("", row) for row in result.kept],
        name=body.etl_task_name,
        operations=body.operations_v2,
        told={"kept": len(result.kept), "changed": result.changed, "dropped": dict(result.dropped)},
    )
    return str(task["id"])


@emulates(wire.DETAIL)
def describe(call: Call, body: wire.CleaningRef) -> dict[str, Any]:
    """Describe a cleaning."""
    return _cleaning_to_wire(call, _get_task(call, "etl", "etlId", body.etl_id))


@emulates(wire.LIST)
def list_cleanings(call: Call, body: wire.ListTasks) -> dict[str, Any]:
    """List cleanings, the newest first."""
    tasks = call.world.store.all("etl")[::-1]
    page = page_by_offset(call, tasks, body.offset, body.page_size)
    return {"total": len(tasks), "items": [_cleaning_to_wire(call, task) for task in page]}


@emulates(wire.DELETE)
def delete(call: Call, body: wire.CleaningRefs) -> bool:
    """Delete cleanings."""
    return _delete_tasks(call, "etl", "etlIds", body.etl_ids)


@emulates(wire.AUGMENT)
async def augment(call: Call, body: wire.CreateAugmentation) -> bool:
    """Ask a dataset's questions in other words, into another dataset; the rule is the sandbox's own."""
    _validate_numbers(call, body)
    source, destination = _source_and_destination(call, body.source_dataset_id, body.dest_dataset_id)
    if source["form"] == row_formats.TEXT or source["form"] in row_formats.IMAGE_FORMATS:
        raise refusal_for(call, f"param[sourceDatasetId] invalid: {source['form']} has no questions")
    source_rows = [entity.row for _, entity in contents.iter_entities(call.world.store, source)]
    new_rows = await asyncio.to_thread(
        phrased_anew, source_rows, body.num_instances_to_generate, body.similarity_threshold
    )
    _record_task(
        call,
        "enhance",
        _source_and_destination(call, source["id"], destination["id"]),
        [("sandbox", row) for row in new_rows],
        name=body.name,
        told={"engine": "qfnb rules, not a model", "wanted": body.num_instances_to_generate},
    )
    return True


@emulates(wire.LIST_AUGMENTATIONS)
def list_augmentations(call: Call, body: wire.ListAugmentations) -> dict[str, Any]:
    """List augmentings, the newest first unless the oldest are asked for."""
    tasks = [task for task in call.world.store.all("enhance") if _matches_word(call, task, body.word or "")]
    tasks = tasks if body.sort_by == "asc" else tasks[::-1]
    page = page_by_offset(call, tasks, body.offset, body.page_size, max_size=MAX_AUGMENTATIONS)
    return {"total": len(tasks), "items": [_augmentation_to_wire(call, task) for task in page]}


@emulates(wire.DESCRIBE_AUGMENTATION)
def describe_augmentation(call: Call, body: wire.AugmentationRef) -> dict[str, Any]:
    """Describe an augmenting."""
    return _augmentation_to_wire(call, _get_task(call, "enhance", "taskId", body.task_id))


@emulates(wire.DELETE_AUGMENTATIONS)
def delete_augmentations(call: Call, body: wire.AugmentationRefs) -> bool:
    """Delete augmentings."""
    return _delete_tasks(call, "enhance", "taskIds", body.task_ids)


def _source_and_destination(
    call: Call, source_id: int | str, dest_id: int | str
) -> tuple[Document, Document]:
    """Return source and destination, which are two of one format; the source has rows."""
    source = v1.get_dataset(call, source_id, "sourceDatasetId")
    destination = v1.get_dataset(call, dest_id, "destDatasetId")
    if source["id"] == destination["id"]:
        raise refusal_for(call, "param[destDatasetId] invalid: it is the source itself")
    if source["form"] != destination["form"]:
        raise refusal_for(
            call, f"param[destDatasetId] invalid: it is {destination['form']}, the source {source['form']}"
        )
    if not 1 <= contents.count(call.world.store, source) <= MAX_ROWS:
        raise refusal_for(
            call, f"param[sourceDatasetId] invalid: {source['id']} must have 1 to {MAX_ROWS:,} rows"
        )
    if v1.task_status(call.world, destination, "import") == wire_data.RUNNING:
        raise refusal_for(call, f"param[destDatasetId] invalid: {destination['id']} is being written to")
    return source, destination


def _record_task(
    call: Call,
    kind: str,
    source_and_destination: tuple[Document, Document],
    named_rows: Sequence[tuple[str, Any]],
    **fields: Any,
) -> Document:
    """Write the rows into the destination, as from the end of the task's time, and keep the task."""
    world, (source, destination) = call.world, source_and_destination
    plan = world.lifecycle.plan((wire.RUNNING, "clean"), final=wire.FINISHED)
    contents.add_rows(
        world.store, destination["id"], contents.to_entities(named_rows, plan[0][1]), plan[0][1]
    )
    parser = RowParser(destination["form"], annotated=False, named_rows=list(named_rows))
    imports.record_import(world, destination, plan, parser)
    task = world.store.add(
        kind,
        random_id("etl-" if kind == "etl" else "task-"),
        source=source["id"],
        destination=destination["id"],
        plan=plan,
        count=len(named_rows),
        **fields,
    )
    world.store.update(source["id"], **{kind: task["id"]})
    return task


def _validate_numbers(call: Call, body: wire.CreateAugmentation) -> None:
    for name, value, low, high in (
        ("numSeedFewshot", body.num_seed_fewshot, 1, wire.MAX_SEEDS),
        ("numInstancesToGenerate", body.num_instances_to_generate, 1, wire.MAX_NEW_ROWS),
        ("similarityThreshold", body.similarity_threshold, 0, 1),
    ):
        if not low <= value <= high:
            raise refusal_for(call, f"param[{name}] invalid: {value}; it is {low} to {high}")


def _get_task(call: Call, kind: str, name: str, key: int | str) -> Document:
    task = call.world.store.get(kind, key)
    if task is None:
        raise refusal_for(call, f"param[{name}] invalid: {key} does not exist")
    return task


def _delete_tasks(call: Call, kind: str, name: str, keys: Sequence[int | str]) -> bool:
    for task in [_get_task(call, kind, name, key) for key in keys]:
        call.world.store.remove(kind, task["id"])
    return True


def _matches_word(call: Call, task: Document, word: str) -> bool:
    names = [call.world.store.get("dataset", task[end]) for end in ("source", "destination")]
    candidates = [task["name"], *(f"{dataset['name']} {dataset['id']}" for dataset in names if dataset)]
    return any(word in name for name in candidates)


def _cleaning_to_wire(call: Call, task: Document) -> dict[str, Any]:
    return _task_to_wire(call, task) | {
        "etlId": task["number"],
        "etlStrId": task["id"],
        "etlTaskName": task["name"],
        "entityType": wire.TEXT_ENTITY,
        "operationsV2": task["operations"],
    }


def _augmentation_to_wire(call: Call, task: Document) -> dict[str, Any]:
    return _task_to_wire(call, task) | {
        "id": task["number"],
        "taskId": task["id"],
        "name": task["name"],
        "numInstancesGenerated": task["count"],
    }


def _task_to_wire(call: Call, task: Document) -> dict[str, Any]:
    store = call.world.store
    source, destination = (store.get("dataset", task[end]) or {} for end in ("source", "destination"))
    return {
        "processStatus": call.world.lifecycle.state(task["plan"]),
        "sourceDatasetId": source.get("number"),
        "sourceDatasetStrId": task["source"],
        "sourceDatasetName": source.get("name", ""),
        "destDatasetId": destination.get("number"),
        "destDatasetStrId": task["destination"],
        "destDatasetName": destination.get("name", ""),
        "entityCount": task["count"],
        "startTime": v1.format_time(task["created"]),
        "finishTime": v1.format_time(call.world.lifecycle.final_since(task["plan"])),
        "sandbox": task["told"],
    }
