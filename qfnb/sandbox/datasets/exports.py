"""Exports: a dataset as a zip, to be fetched from an address that cannot be guessed, or in the bucket."""

from __future__ import annotations

import asyncio
import io
import zipfile
from typing import Any

from ...wire import data as wire
from ...wire import storage as wire_storage
from ..http import timestamps
from ..http.call import Call, emulates
from ..state.store import Document, random_id
from ..state.world import World
from ..storage import objects
from . import common, row_formats, rows

MEGABYTE = 1024 * 1024


@emulates(wire.EXPORT)
async def export(call: Call, body: wire.ExportDataset) -> bool:
    """Begin to export a dataset."""
    for name, value, allowed in (
        ("exportTo", body.export_to, (0, 1)),
        ("exportType", body.export_type, (1, 2)),
        ("exportFormat", body.export_format, (0,)),
    ):
        call.validate_choice(name, value, allowed)
    dataset = common.get_dataset(call, body.dataset_id)
    if body.export_to:
        common.validate_bucket(call, "storageId", body.storage_id or "")
    target = f"{body.storage_id}{dataset['path'] or '/'}" if body.export_to else ""
    await start_export(call, dataset, target, annotated=body.export_type == 1)
    return True


@emulates(wire.EXPORT_RECORDS)
def export_records(call: Call, body: wire.DatasetRef) -> list[dict[str, Any]]:
    """List a dataset's exports, the newest first."""
    dataset, world = common.get_dataset(call, body.dataset_id), call.world
    tasks = [task for task in world.store.all("export")[::-1] if task["dataset"] == dataset["id"]]
    return [_record_to_wire(world, task) for task in tasks]


async def start_export(call: Call, dataset: Document, target: str, *, annotated: bool = True) -> Document:
    """Pack a dataset, and begin the time that an export takes; return the export.

    Args:
        call: who asks.
        dataset: what to pack.
        target: `bucket/folder/` to keep the zip in, "" for the platform's storage.
        annotated: with answers.

    Raises:
        Refusal: the dataset has no rows.
    """
    world = call.world
    if not rows.count(world.store, dataset):
        raise call.refusal(f"dataset {dataset['id']} has no rows to export")
    content = await asyncio.to_thread(_pack_zip, world, dataset, annotated)
    dataset = common.get_dataset(call, dataset["id"])  # it may be gone by now
    secret, id_ = random_id("", 32), random_id("task-")
    bucket, _, folder = target.partition("/")
    key = f"{folder.lstrip('/')}{dataset['id']}-{id_}.zip"
    if bucket:
        objects.write_object(world.store, bucket, key, content)
    world.store.write_file(f"export-{secret}", content)
    task = world.store.add(
        "export",
        id_,
        dataset=dataset["id"],
        plan=world.lifecycle.plan((wire.RUNNING, "export"), final=wire.FINISHED),
        secret=secret,
        bucket=bucket,
        path=wire_storage.build_uri(bucket, key) if bucket else "",
        annotated=annotated,
        size=len(content),
        count=rows.count(world.store, dataset),
    )
    world.store.update(dataset["id"], export=task["id"])
    return task


def download_url(world: World, task: Document) -> str:
    """Return the address that an export is fetched from, "" as long as it is under way."""
    is_finished = world.lifecycle.final_since(task["plan"]) is not None
    return f"{world.address.url}/_exports/{task['secret']}/{task['dataset']}.zip" if is_finished else ""


def _pack_zip(world: World, dataset: Document, annotated: bool) -> bytes:
    entity_rows = [entity.row for _, entity in rows.iter_entities(world.store, dataset)]
    lines = [
        row_formats.to_text(row if annotated else row_formats.strip_annotations(row)) for row in entity_rows
    ]
    text = dataset["form"] == row_formats.TEXT
    separator = "\n\n" if text and any("\n" in line for line in lines) else "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{dataset['id']}.{'txt' if text else 'jsonl'}", separator.join(lines) + "\n")
    return buffer.getvalue()


def _record_to_wire(world: World, task: Document) -> dict[str, Any]:
    return {
        "creatorName": common.CREATOR,
        "storageId": task["bucket"],
        "storagePath": task["path"],
        "size": round(task["size"] / MEGABYTE, 2),
        "exportFormat": 0,
        "exportType": 1 if task["annotated"] else 2,
        "exportTo": int(bool(task["bucket"])),
        "status": world.lifecycle.state(task["plan"]),
        "recordNum": task["count"],
        "downloadUrl": download_url(world, task),
        "startTime": timestamps.utc_spaced(task["created"]),
        "finishTime": timestamps.utc_spaced(world.lifecycle.final_since(task["plan"])),
    }
