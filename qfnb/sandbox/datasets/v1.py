"""Datasets: created, described, released and deleted as v1 has it; v2 sees the same ones as versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...wire import cleaning
from ...wire import data as wire
from ...wire.data_v2 import FORMATS
from ..http import timestamps
from ..http.call import Call, emulates
from ..state.store import Document, Store, random_id
from . import row_formats
from . import rows as contents

if TYPE_CHECKING:
    from ..state.world import World

CREATOR = "sandbox"
REGION = "bj"
PLATFORM_BUCKET = "sandbox-platform"
FINAL_RUN_STATES = {"Done", "Failed", "Stopped"}
"""States of a run that needs its datasets no more."""


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateDataset) -> dict[str, Any]:
    """Create a bare dataset, the first version of its group."""
    if body.template_type not in wire.TEMPLATES:
        raise call.refusal(f"param[templateType] invalid: {body.template_type}; {wire.TEMPLATES}")
    if body.template_type // 100 != body.project_type:
        raise call.refusal(
            f"param[projectType] invalid: {body.project_type}; it is {body.template_type // 100}"
        )
    expected_data_type = wire.PICTURE_DATA if body.project_type == wire.PICTURE_PROJECT else wire.TEXT_DATA
    if body.data_type != expected_data_type:
        raise call.refusal(f"param[dataType] invalid: {body.data_type}; it is {expected_data_type}")
    if body.storage_type not in {wire.PLATFORM_STORAGE, wire.USER_STORAGE}:
        raise call.refusal(f"param[storageType] invalid: {body.storage_type!r}; sysBos or usrBos")
    is_user_bucket = body.storage_type == wire.USER_STORAGE
    bucket, path = (body.storage_id or "", body.raw_storage_path or "") if is_user_bucket else ("", "")
    if is_user_bucket:
        validate_bucket(call, "storageId", bucket)
    dataset = create_dataset(
        call,
        name=body.name,
        data_format=row_formats.format_of_template(body.template_type),
        bucket=bucket,
        path=path,
    )
    return _created_to_wire(call, dataset)


@emulates(wire.INFO)
def info(call: Call, body: wire.DatasetRef) -> dict[str, Any]:
    """Describe a dataset."""
    dataset = get_dataset(call, body.dataset_id)
    store, template = call.world.store, _template_to_wire(dataset)
    version = {
        "datasetId": dataset["number"],
        "datasetPK": dataset["id"],
        "versionId": dataset["version"],
        **template,
        "storageType": wire.USER_STORAGE if dataset["bucket"] else wire.PLATFORM_STORAGE,
        "storage": storage_to_wire(dataset),
        **_states_to_wire(call.world, dataset),
        "releaseErrCode": 0,
        "exportRecordCount": sum(row["dataset"] == dataset["id"] for row in store.all("export")),
        "createTime": timestamps.utc_spaced(dataset["created"]),
    }
    return {
        "groupPK": dataset["group"],
        "name": dataset["name"],
        "dataType": template["dataType"],
        "versionInfo": version,
    }


@emulates(wire.STATUSES)
def statuses(call: Call, body: wire.DatasetRefs) -> dict[str, Any]:
    """Describe the states of several datasets."""
    return {str(key): _states_to_wire(call.world, get_dataset(call, key)) for key in body.dataset_ids}


@emulates(wire.RELEASE)
def release(call: Call, body: wire.DatasetRef) -> bool:
    """Release a dataset that has rows."""
    start_release(call, get_dataset(call, body.dataset_id))
    return True


@emulates(wire.DELETE)
def delete(call: Call, body: wire.DatasetRef) -> dict[str, Any]:
    """Delete a dataset."""
    return {"versionCount": delete_version(call, get_dataset(call, body.dataset_id))}


def create_dataset(
    call: Call,
    *,
    name: str,
    data_format: str,
    bucket: str = "",
    path: str = "",
    group: Document | None = None,
    description: str = "",
) -> Document:
    """Add a dataset to a group, to a new one when none is given."""
    store = call.world.store
    if not (name.strip() and name.isprintable() and path.isprintable()):
        raise call.refusal("param[name] invalid: a name has one line, and is not empty")
    if group is None:
        group = store.add("dataset_group", random_id("dg-", 16), name=name, form=data_format, made=0)
    store.update(group["id"], made=group["made"] + 1)
    return store.add(
        "dataset",
        random_id("ds-", 16),
        name=name,
        group=group["id"],
        version=group["made"] + 1,
        description=description,
        form=data_format,
        bucket=bucket,
        path=path if not path or path.endswith("/") else f"{path}/",
        parts=[],
        released=None,
        modified=store.now(),
        **dict.fromkeys(("import", "export", "etl", "enhance")),
    )


def get_dataset(call: Call, key: int | str, field: str = "datasetId") -> Document:
    """Return a dataset by its id or number.

    Raises:
        Refusal: there is none.
    """
    dataset = call.world.store.get("dataset", key)
    if dataset is None:
        raise call.refusal(f"param[{field}] invalid: dataset {key} does not exist")
    return dataset


def validate_bucket(call: Call, name: str, bucket: str) -> None:
    """Refuse a bucket that is not the sandbox's."""
    if bucket != call.world.address.bucket:
        raise call.refusal(
            f"param[{name}] invalid: there is no bucket {bucket!r}; it is {call.world.address.bucket!r}"
        )


def start_release(call: Call, dataset: Document) -> None:
    """Begin to release a dataset, unless it is released."""
    world = call.world
    if task_status(world, dataset, "import") == wire.RUNNING:
        raise call.refusal(f"dataset {dataset['id']} is still being imported")
    if not contents.count(world.store, dataset):
        raise call.refusal(f"dataset {dataset['id']} has no rows to release")
    if dataset["released"] is None:
        plan = world.lifecycle.plan((wire.RUNNING, "release"), final=wire.FINISHED)
        world.store.update(dataset["id"], released=plan)


def delete_datasets(call: Call, deleted: list[Document]) -> None:
    """Delete datasets that no run needs any more."""
    store, ids = call.world.store, {dataset["id"] for dataset in deleted}
    for task in store.all("task"):
        if task["status"] not in FINAL_RUN_STATES and ids & set(task["datasets"]):
            raise call.refusal(f"{', '.join(ids)} cannot be deleted: run {task['id']} needs it")
    for dataset in deleted:
        store.remove("dataset", dataset["id"])
        contents.delete_parts(store, dataset)


def delete_version(call: Call, dataset: Document) -> int:
    """Delete a dataset, its group with the last one; return how many the group still has."""
    delete_datasets(call, [dataset])
    remaining = len(versions_of_group(call.world.store, dataset["group"]))
    if not remaining:
        call.world.store.remove("dataset_group", dataset["group"])
    return remaining


def versions_of_group(store: Store, group: str) -> list[Document]:
    """Return the datasets of a group, the newest first."""
    return [dataset for dataset in store.all("dataset")[::-1] if dataset["group"] == group]


def read_pairs(store: Store, dataset: Document) -> list[tuple[str, str]]:
    """Return a dataset's rows as question and answer; a text has no question, a prompt no answer."""
    return [row_formats.last_pair(entity.row) for _, entity in contents.iter_entities(store, dataset)]


def is_released(world: World, dataset: Document) -> bool:
    """Tell whether a dataset is released by now."""
    return release_state(world, dataset) == wire.FINISHED


def release_state(world: World, dataset: Document) -> int:
    """Return v1's number for how far the release is; right after the call it is 1, never 0."""
    return int(world.lifecycle.state(dataset["released"])) if dataset["released"] else wire.INITIALISED


def task_status(world: World, dataset: Document, kind: str) -> int:
    """Return v1's number for how far the last import or export, "etl" or "enhance" task of a dataset is."""
    task = world.store.get(kind, dataset[kind]) if dataset[kind] else None
    if task is None and kind == "import" and dataset["parts"]:
        return wire.FINISHED  # the sandbox wrote them itself
    if task is None:
        return wire.NOT_STARTED if kind in {"import", "export"} else cleaning.NO_TASK
    return int(world.lifecycle.state(task["plan"]))


def storage_to_wire(dataset: Document) -> dict[str, Any]:
    """Return where a dataset lies."""
    bucket = dataset["bucket"] or PLATFORM_BUCKET
    return {
        "storageId": bucket,
        "storageName": bucket,
        "storagePath": f"{dataset['path'] or '/'}_system_/dataset/{dataset['id']}/texts",
        "rawStoragePath": dataset["path"],
        "region": REGION,
    }


def _template_to_wire(dataset: Document) -> dict[str, int]:
    template = FORMATS[dataset["form"]]
    pictures = template // 100 == wire.PICTURE_PROJECT
    return {
        "dataType": wire.PICTURE_DATA if pictures else wire.TEXT_DATA,
        "projectType": template // 100,
        "templateType": template,
    }


def _created_to_wire(call: Call, dataset: Document) -> dict[str, Any]:
    return {
        "id": dataset["number"],
        "groupId": (call.world.store.get("dataset_group", dataset["group"]) or {}).get("number"),
        "groupPK": dataset["group"],
        "datasetId": dataset["id"],
        "versionId": dataset["version"],
        "groupName": dataset["name"],
        "displayName": "",
        "createFrom": 0,
        "bmlDatasetId": "",
        "userId": 0,
        **_template_to_wire(dataset),
        "remark": "",
        "storageInfo": storage_to_wire(dataset),
        "importStatus": wire.NOT_STARTED,
        "importProgress": 0,
        "exportStatus": wire.NOT_STARTED,
        "releaseStatus": wire.INITIALISED,
        "ShouldHide": False,
        "status": 0,
        "isUnique": 0,
        "errCode": None,
        "createTime": timestamps.utc_spaced(dataset["created"]),
        "modifyTime": timestamps.utc_spaced(dataset["modified"]),
    }


def _states_to_wire(world: World, dataset: Document) -> dict[str, Any]:
    store = world.store
    importing, exporting = task_status(world, dataset, "import"), task_status(world, dataset, "export")
    releasing = release_state(world, dataset)
    failed = store.get("import", dataset["import"]) if importing == wire.FAILED else None
    return {
        "importStatus": importing,
        "importProgress": _progress_percent(importing),
        "releaseStatus": releasing,
        "releaseProgress": _progress_percent(releasing),
        "exportStatus": exporting,
        "exportProgress": _progress_percent(exporting),
        "enhanceStatus": task_status(world, dataset, "enhance"),
        "etlStatus": task_status(world, dataset, "etl"),
        "importErrorInfo": failed["problem"] if failed else "",
        "errCode": failed["code"] if failed else 0,
        "entityCount": contents.count(store, dataset),
        "annotatedEntityCount": contents.count(store, dataset, "annotated"),
        "labelCount": 0,
        "characterCount": contents.count(store, dataset, "characters"),
        "modifyTime": timestamps.utc_spaced(min(dataset["modified"], store.now())),
    }


def _progress_percent(status: int) -> int:
    return {wire.RUNNING: 50, wire.FINISHED: 100}.get(status, 0)
