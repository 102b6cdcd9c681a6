"""Datasets, v1: created, described, released and deleted; v2 shows the same datasets as
versions.
"""

from typing import Any

from qfnb.wire import data_v1 as wire
from qfnb.wire.data_v2 import FORMATS

from ..http import timestamps
from ..http.call import Call, emulates
from ..state.store import Document
from ..state.world import World
from . import common, row_formats, rows

REGION = "bj"
PLATFORM_BUCKET = "sandbox-platform"


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateDataset) -> dict[str, Any]:
    """Create a dataset without rows, the first version of its group."""
    call.validate_choice("templateType", body.template_type, wire.TEMPLATES)
    call.validate_choice("projectType", body.project_type, [body.template_type // 100])
    expected_data_type = (
        wire.PICTURE_DATA if body.project_type == wire.PICTURE_PROJECT else wire.TEXT_DATA
    )
    call.validate_choice("dataType", body.data_type, [expected_data_type])
    call.validate_choice(
        "storageType", body.storage_type, (wire.PLATFORM_STORAGE, wire.USER_STORAGE)
    )
    is_user_bucket = body.storage_type == wire.USER_STORAGE
    bucket, path = (
        (body.storage_id or "", body.raw_storage_path or "") if is_user_bucket else ("", "")
    )
    if is_user_bucket:
        common.validate_bucket(call, "storageId", bucket)
    common.validate_name(call, body.name, path)
    dataset = common.create_dataset(
        call.world.store,
        name=body.name,
        data_format=row_formats.format_of_template(body.template_type),
        bucket=bucket,
        path=path,
    )
    return _created_to_wire(call, dataset)


@emulates(wire.INFO)
def info(call: Call, body: wire.DatasetRef) -> dict[str, Any]:
    """Describe a dataset."""
    dataset = common.get_dataset(call, body.dataset_id)
    store = call.world.store
    template = _template_to_wire(dataset)
    version = {
        "datasetId": dataset["number"],
        "datasetPK": dataset["id"],
        "versionId": dataset["version"],
        **template,
        "storageType": wire.USER_STORAGE if dataset["bucket"] else wire.PLATFORM_STORAGE,
        "storage": _storage_to_wire(dataset),
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
    return {
        str(key): _states_to_wire(call.world, common.get_dataset(call, key))
        for key in body.dataset_ids
    }


@emulates(wire.RELEASE)
def release(call: Call, body: wire.DatasetRef) -> bool:
    """Release a dataset that has rows."""
    common.start_release(call, common.get_dataset(call, body.dataset_id))
    return True


@emulates(wire.DELETE)
def delete(call: Call, body: wire.DatasetRef) -> dict[str, Any]:
    """Delete a dataset."""
    return {"versionCount": common.delete_version(call, common.get_dataset(call, body.dataset_id))}


def _storage_to_wire(dataset: Document) -> dict[str, Any]:
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
        **_template_to_wire(dataset),
        "storageInfo": _storage_to_wire(dataset),
        "importStatus": wire.NOT_STARTED,
        "importProgress": 0,
        "exportStatus": wire.NOT_STARTED,
        "releaseStatus": wire.INITIALISED,
        "status": 0,
        "errCode": None,
        "createTime": timestamps.utc_spaced(dataset["created"]),
        "modifyTime": timestamps.utc_spaced(dataset["modified"]),
    }


def _states_to_wire(world: World, dataset: Document) -> dict[str, Any]:
    store = world.store
    importing = common.task_status(world, dataset, "import")
    exporting = common.task_status(world, dataset, "export")
    releasing = common.release_state(world, dataset)
    failed = store.get("import", dataset["import"]) if importing == wire.FAILED else None
    return {
        "importStatus": importing,
        "importProgress": _progress_percent(importing),
        "releaseStatus": releasing,
        "releaseProgress": _progress_percent(releasing),
        "exportStatus": exporting,
        "exportProgress": _progress_percent(exporting),
        "enhanceStatus": common.task_status(world, dataset, "enhance"),
        "etlStatus": common.task_status(world, dataset, "etl"),
        "importErrorInfo": failed["problem"] if failed else "",
        "errCode": failed["code"] if failed else 0,
        "entityCount": rows.count(store, dataset),
        "annotatedEntityCount": rows.count(store, dataset, "annotated"),
        "labelCount": 0,
        "characterCount": rows.count(store, dataset, "characters"),
        "modifyTime": timestamps.utc_spaced(min(dataset["modified"], store.now())),
    }


def _progress_percent(status: int) -> int:
    return {wire.RUNNING: 50, wire.FINISHED: 100}.get(status, 0)
