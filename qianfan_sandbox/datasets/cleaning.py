"""Cleaning and augmentation: recorded tasks that copy the rows of a dataset into another one.

The tasks have the platform's states and fields. A cleaning changes no row; an augmentation adds one
phrase to prompts.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from qfnb.wire import cleaning as wire, data_v1 as data_wire
from qfnb.wire.base import OffsetRequest

from ..http import timestamps
from ..http.call import Call, emulates
from ..http.paging import page_by_offset
from ..state.store import Document, random_id
from . import common, import_export, row_formats, rows
from .row_parser import RowParser

OPERATIONS: dict[str, tuple[str, ...]] = {
    "clean": (
        "remove_emoji",
        "remove_invisible_character",
        "replace_uniform_whitespace",
        "remove_non_meaning_characters",
        "remove_web_identifiers",
        "replace_traditional_chinese_to_simplified",
    ),
    "filter": tuple(
        f"filter_check_{name}"
        for name in (
            *(
                "number_words",
                "word_repetition_removal",
                "character_repetition_removal",
                "special_characters",
            ),
            *("flagged_words", "lang_id", "perplexity"),
        )
    ),
    "deduplication": ("deduplication_simhash",),
    "desensitization": ("replace_emails", "replace_ip", "replace_identifier"),
}
"""Group -> the names of its operations."""

MAX_AUGMENTATIONS = 20  # rows of a page of augmentations
# rows of a dataset that the sandbox works on while the caller waits; the platform's limit differs
MAX_ROWS = 50_000
NEW_PROMPT = (
    "请问，{}"  # the prompt of a new row; `{}` is the prompt of the row that it is made from
)


@emulates(wire.CREATE)
async def create(call: Call, body: wire.CreateCleaning) -> str:
    """Clean a dataset into another one; return the task's id."""
    for group, steps in body.operations_v2.items():
        call.validate_choice("operationsV2", group, OPERATIONS)
        for step in steps:
            call.validate_choice(f"operationsV2.{group}", step.get("name"), OPERATIONS[group])
    fields = {"name": body.etl_task_name, "operations": body.operations_v2}
    return str((await _run_task(call, "etl", body, list, fields))["id"])


@emulates(wire.DETAIL)
def describe(call: Call, body: wire.CleaningRef) -> dict[str, Any]:
    """Describe a cleaning task."""
    return _task_to_wire(call, call.find("etl", body.etl_id, "etlId"))


@emulates(wire.LIST)
def list_cleanings(call: Call, body: OffsetRequest) -> dict[str, Any]:
    """List cleaning tasks, the newest first."""
    tasks = call.world.store.all("etl")[::-1]
    page = page_by_offset(call, tasks, body.offset, body.page_size)
    return {"total": len(tasks), "items": [_task_to_wire(call, task) for task in page]}


@emulates(wire.DELETE)
def delete(call: Call, body: wire.CleaningRefs) -> bool:
    """Delete cleaning tasks."""
    return _delete_tasks(call, "etl", "etlIds", body.etl_ids)


@emulates(wire.AUGMENT)
async def augment(call: Call, body: wire.CreateAugmentation) -> bool:
    """Add rows with rephrased prompts to another dataset, at most one new row for each row of the
    source.
    """
    call.validate_range("numSeedFewshot", body.num_seed_fewshot, 1, wire.MAX_SEEDS)
    call.validate_range(
        "numInstancesToGenerate", body.num_instances_to_generate, 1, wire.MAX_NEW_ROWS
    )
    call.validate_range("similarityThreshold", body.similarity_threshold, 0, 1)
    source = common.get_dataset(call, body.source_dataset_id, "sourceDatasetId")
    if source["form"] in {row_formats.TEXT, *row_formats.IMAGE_FORMATS}:
        raise call.invalid("sourceDatasetId", f"{source['form']} has no questions")

    def rephrase(source_rows: Sequence[Any]) -> list[Any]:
        last_turns = ((row, row[-1]) for row in source_rows[: body.num_instances_to_generate])
        return [
            [*row[:-1], turn | {"prompt": NEW_PROMPT.format(turn["prompt"])}]
            for row, turn in last_turns
        ]

    await _run_task(call, "enhance", body, rephrase, {"name": body.name})
    return True


@emulates(wire.LIST_AUGMENTATIONS)
def list_augmentations(call: Call, body: wire.ListAugmentations) -> dict[str, Any]:
    """List augmentation tasks, the newest first unless ascending order is requested."""
    tasks = [
        task
        for task in call.world.store.all("enhance")
        if _matches_word(call, task, body.word or "")
    ]
    tasks = tasks if body.sort_by == "asc" else tasks[::-1]
    page = page_by_offset(call, tasks, body.offset, body.page_size, max_size=MAX_AUGMENTATIONS)
    return {"total": len(tasks), "items": [_task_to_wire(call, task) for task in page]}


@emulates(wire.DESCRIBE_AUGMENTATION)
def describe_augmentation(call: Call, body: wire.AugmentationRef) -> dict[str, Any]:
    """Describe an augmentation task."""
    return _task_to_wire(call, call.find("enhance", body.task_id, "taskId"))


@emulates(wire.DELETE_AUGMENTATIONS)
def delete_augmentations(call: Call, body: wire.AugmentationRefs) -> bool:
    """Delete augmentation tasks."""
    return _delete_tasks(call, "enhance", "taskIds", body.task_ids)


async def _run_task(
    call: Call,
    kind: str,
    body: wire.CreateCleaning | wire.CreateAugmentation,
    rewrite: Callable[[Sequence[Any]], list[Any]],
    fields: dict[str, Any],
) -> Document:
    """Write a source's rewritten rows into the destination, visible from the task's end on; return
    the task.
    """
    world = call.world
    source, _ = _source_and_destination(call, body)
    source_rows = [entity.row for _, entity in rows.iter_entities(world.store, source)]
    named_rows = [
        ("sandbox" if kind == "enhance" else "", row)
        for row in await asyncio.to_thread(rewrite, source_rows)
    ]
    source, destination = _source_and_destination(call, body)  # as they are now
    plan = world.lifecycle.plan((wire.RUNNING, "clean"), final=wire.FINISHED)
    end = plan[0][1]
    rows.attach_part(
        world.store,
        destination["id"],
        rows.write_part(world.store, rows.to_entities(named_rows, end)),
        end,
    )
    parser = RowParser(destination["form"], annotated=False, named_rows=named_rows)
    import_export.record_import(world, destination, plan, parser)
    task = world.store.add(
        kind,
        random_id("etl-" if kind == "etl" else "task-"),
        source=source["id"],
        destination=destination["id"],
        plan=plan,
        count=len(named_rows),
        told={
            "engine": "qfnb rules, not a model",
            "rowsBefore": len(source_rows),
            "rowsAfter": len(named_rows),
        },
        **fields,
    )
    world.store.update(source["id"], **{kind: task["id"]})
    return task


def _source_and_destination(
    call: Call, body: wire.CreateCleaning | wire.CreateAugmentation
) -> tuple[Document, Document]:
    """Return source and destination: two datasets of one format, of which the source has rows."""
    source = common.get_dataset(call, body.source_dataset_id, "sourceDatasetId")
    destination = common.get_dataset(call, body.dest_dataset_id, "destDatasetId")
    if source["id"] == destination["id"]:
        raise call.invalid("destDatasetId", "it is the source itself")
    if source["form"] != destination["form"]:
        raise call.invalid(
            "destDatasetId", f"it is {destination['form']}, the source {source['form']}"
        )
    if not 1 <= rows.count(call.world.store, source) <= MAX_ROWS:
        raise call.invalid("sourceDatasetId", f"{source['id']} must have 1 to {MAX_ROWS:,} rows")
    if common.task_status(call.world, destination, "import") == data_wire.RUNNING:
        raise call.invalid("destDatasetId", f"{destination['id']} is being written to")
    return source, destination


def _delete_tasks(call: Call, kind: str, name: str, keys: Sequence[int | str]) -> bool:
    for task in [call.find(kind, key, name) for key in keys]:
        call.world.store.remove(kind, task["id"])
    return True


def _matches_word(call: Call, task: Document, word: str) -> bool:
    rows = [call.world.store.get("dataset", task[end]) for end in ("source", "destination")]
    return any(
        word in name
        for name in [task["name"], *(f"{row['name']} {row['id']}" for row in rows if row)]
    )


def _task_to_wire(call: Call, task: Document) -> dict[str, Any]:
    """Return a cleaning or an augmentation as the platform shows it; only a cleaning has
    operations.
    """
    store = call.world.store
    source, destination = (
        store.get("dataset", task[end]) or {} for end in ("source", "destination")
    )
    row = {
        "processStatus": call.world.lifecycle.state(task["plan"]),
        "sourceDatasetId": source.get("number"),
        "sourceDatasetStrId": task["source"],
        "destDatasetId": destination.get("number"),
        "destDatasetStrId": task["destination"],
        "entityCount": task["count"],
        "startTime": timestamps.utc_spaced(task["created"]),
        "finishTime": timestamps.utc_spaced(call.world.lifecycle.final_since(task["plan"])),
        "sandbox": task["told"],
    }
    if "operations" not in task:
        ids = {"id": task["number"], "taskId": task["id"], "name": task["name"]}
        return row | ids | {"numInstancesGenerated": task["count"]}
    ids = {"etlId": task["number"], "etlStrId": task["id"], "etlTaskName": task["name"]}
    return row | ids | {"entityType": wire.TEXT_ENTITY, "operationsV2": task["operations"]}
