"""Cleaning and augmenting: a dataset's rows go, changed or recombined, into another dataset."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ..wire import cleaning as wire
from ..wire import data as wire_data
from . import contents, datasets, imports, rows, scrubbing
from .augmenting import phrased_anew
from .paging import by_offset
from .reading import Reading
from .routing import Call, emulates, refuse_call
from .store import Document, random_id

MOST_AUGMENTINGS = 20
"""Of a page."""

MOST_ROWS = 50_000
"""Of a dataset that the sandbox works on while the caller waits; the platform has other limits."""


@emulates(wire.CREATE)
async def create(call: Call, body: wire.CreateCleaning) -> str:
    """Clean a dataset into another; the id is what the detail is asked by."""
    if problem := scrubbing.problem_of(body.operations_v2):
        raise refuse_call(call, f"param[operationsV2] invalid: {problem}")
    source, destination = _both(call, body.source_dataset_id, body.dest_dataset_id)
    found = [entity.row for _, entity in contents.entities(call.world.store, source)]
    result = await asyncio.to_thread(scrubbing.cleaned, found, body.operations_v2)
    task = _noted(
        call,
        "etl",
        _both(call, source["id"], destination["id"]),  # as they are now
        [("", row) for row in result.kept],
        name=body.etl_task_name,
        operations=body.operations_v2,
        told={"kept": len(result.kept), "changed": result.changed, "dropped": dict(result.dropped)},
    )
    return str(task["id"])


@emulates(wire.DETAIL)
def detail(call: Call, body: wire.CleaningRef) -> dict[str, Any]:
    """Describe a cleaning."""
    return _cleaning(call, _task(call, "etl", "etlId", body.etl_id))


@emulates(wire.LIST)
def list_cleanings(call: Call, body: wire.ListTasks) -> dict[str, Any]:
    """List cleanings, the newest first."""
    tasks = call.world.store.all("etl")[::-1]
    page = by_offset(call, tasks, body.offset, body.page_size)
    return {"total": len(tasks), "items": [_cleaning(call, task) for task in page]}


@emulates(wire.DELETE)
def delete(call: Call, body: wire.CleaningRefs) -> bool:
    """Delete cleanings."""
    return _delete(call, "etl", "etlIds", body.etl_ids)


@emulates(wire.AUGMENT)
async def augment(call: Call, body: wire.CreateAugmenting) -> bool:
    """Ask a dataset's questions in other words, into another dataset; the rule is the sandbox's own."""
    _check_numbers(call, body)
    source, destination = _both(call, body.source_dataset_id, body.dest_dataset_id)
    if source["form"] == rows.TEXT or source["form"] in rows.PICTURES:
        raise refuse_call(call, f"param[sourceDatasetId] invalid: {source['form']} has no questions")
    found = [entity.row for _, entity in contents.entities(call.world.store, source)]
    made = await asyncio.to_thread(
        phrased_anew, found, body.num_instances_to_generate, body.similarity_threshold
    )
    _noted(
        call,
        "enhance",
        _both(call, source["id"], destination["id"]),
        [("sandbox", row) for row in made],
        name=body.name,
        told={"engine": "qfnb rules, not a model", "wanted": body.num_instances_to_generate},
    )
    return True


@emulates(wire.AUGMENTINGS)
def list_augmentings(call: Call, body: wire.ListAugmentings) -> dict[str, Any]:
    """List augmentings, the newest first unless the oldest are asked for."""
    tasks = [task for task in call.world.store.all("enhance") if _mentions(call, task, body.word or "")]
    tasks = tasks if body.sort_by == "asc" else tasks[::-1]
    page = by_offset(call, tasks, body.offset, body.page_size, most=MOST_AUGMENTINGS)
    return {"total": len(tasks), "items": [_augmenting(call, task) for task in page]}


@emulates(wire.AUGMENTING)
def augmenting(call: Call, body: wire.AugmentingRef) -> dict[str, Any]:
    """Describe an augmenting."""
    return _augmenting(call, _task(call, "enhance", "taskId", body.task_id))


@emulates(wire.DELETE_AUGMENTINGS)
def delete_augmentings(call: Call, body: wire.AugmentingRefs) -> bool:
    """Delete augmentings."""
    return _delete(call, "enhance", "taskIds", body.task_ids)


def _both(call: Call, source_id: int | str, dest_id: int | str) -> tuple[Document, Document]:
    """Return source and destination, which are two of one format; the source has rows."""
    source = datasets.known(call, source_id, "sourceDatasetId")
    destination = datasets.known(call, dest_id, "destDatasetId")
    if source["id"] == destination["id"]:
        raise refuse_call(call, "param[destDatasetId] invalid: it is the source itself")
    if source["form"] != destination["form"]:
        raise refuse_call(
            call, f"param[destDatasetId] invalid: it is {destination['form']}, the source {source['form']}"
        )
    if not 1 <= contents.count(call.world.store, source) <= MOST_ROWS:
        raise refuse_call(
            call, f"param[sourceDatasetId] invalid: {source['id']} must have 1 to {MOST_ROWS:,} rows"
        )
    if datasets.status(call.world, destination, "import") == wire_data.RUNNING:
        raise refuse_call(call, f"param[destDatasetId] invalid: {destination['id']} is being written to")
    return source, destination


def _noted(
    call: Call, kind: str, both: tuple[Document, Document], made: Sequence[tuple[str, Any]], **told: Any
) -> Document:
    """Write the rows into the destination, as from the end of the task's time, and keep the task."""
    world, (source, destination) = call.world, both
    plan = world.lifecycle.plan((wire.RUNNING, "clean"), then=wire.FINISHED)
    contents.add(world.store, destination["id"], contents.marked(made, plan[0][1]), plan[0][1])
    reading = Reading(destination["form"], annotated=False, found=list(made))
    imports.noted(world, destination, plan, reading)
    task = world.store.add(
        kind,
        random_id("etl-" if kind == "etl" else "task-"),
        source=source["id"],
        destination=destination["id"],
        plan=plan,
        count=len(made),
        **told,
    )
    world.store.update(source["id"], **{kind: task["id"]})
    return task


def _check_numbers(call: Call, body: wire.CreateAugmenting) -> None:
    for name, value, low, high in (
        ("numSeedFewshot", body.num_seed_fewshot, 1, wire.MOST_SEEDS),
        ("numInstancesToGenerate", body.num_instances_to_generate, 1, wire.MOST_NEW_ROWS),
        ("similarityThreshold", body.similarity_threshold, 0, 1),
    ):
        if not low <= value <= high:
            raise refuse_call(call, f"param[{name}] invalid: {value}; it is {low} to {high}")


def _task(call: Call, kind: str, name: str, key: int | str) -> Document:
    task = call.world.store.get(kind, key)
    if task is None:
        raise refuse_call(call, f"param[{name}] invalid: {key} does not exist")
    return task


def _delete(call: Call, kind: str, name: str, keys: Sequence[int | str]) -> bool:
    for task in [_task(call, kind, name, key) for key in keys]:
        call.world.store.remove(kind, task["id"])
    return True


def _mentions(call: Call, task: Document, word: str) -> bool:
    names = [call.world.store.get("dataset", task[end]) for end in ("source", "destination")]
    known = [task["name"], *(f"{dataset['name']} {dataset['id']}" for dataset in names if dataset)]
    return any(word in name for name in known)


def _cleaning(call: Call, task: Document) -> dict[str, Any]:
    return _shown(call, task) | {
        "etlId": task["number"],
        "etlStrId": task["id"],
        "etlTaskName": task["name"],
        "entityType": wire.TEXT_ENTITY,
        "operationsV2": task["operations"],
    }


def _augmenting(call: Call, task: Document) -> dict[str, Any]:
    return _shown(call, task) | {
        "id": task["number"],
        "taskId": task["id"],
        "name": task["name"],
        "numInstancesGenerated": task["count"],
    }


def _shown(call: Call, task: Document) -> dict[str, Any]:
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
        "startTime": datasets.moment(task["created"]),
        "finishTime": datasets.moment(call.world.lifecycle.since(task["plan"])),
        "sandbox": task["told"],
    }
