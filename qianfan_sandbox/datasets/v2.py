"""Datasets, v2: a dataset is a group of versions, and a version is what v1 calls a dataset."""

from collections.abc import Mapping, Sequence
from typing import Any

from qfnb.wire import data_v2 as wire, storage as storage_wire

from ..http import timestamps
from ..http.call import CREATOR, Call, emulates
from ..http.paging import page_by_marker
from ..state.store import Document
from . import common, import_export, rows


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateDataset) -> dict[str, Any]:
    """Create a dataset and its first version."""
    call.validate_choice("dataFormat", body.data_format, wire.FORMATS)
    bucket, path = _parse_storage(call, body.storage_type, body.storage_path)
    name = body.dataset_name
    common.validate_name(call, name, path)
    store = call.world.store
    data_format = body.data_format
    return _ids_to_wire(
        common.create_dataset(store, name=name, data_format=data_format, bucket=bucket, path=path)
    )


@emulates(wire.LIST)
def list_datasets(call: Call, body: wire.ListDatasets) -> dict[str, Any]:
    """List datasets, the newest first."""
    name, data_formats = _parse_filter(call, body.filter, datasetName=str, dataFormatList=list)
    groups = [
        group
        for group in call.world.store.all("dataset_group")[::-1]
        if (name or "") in group["name"] and (not data_formats or group["form"] in data_formats)
    ]
    answer = page_by_marker(call, groups, "id", body)
    versions = call.world.store.all("dataset")
    rows = [_group_to_wire(call, group, versions) for group in answer.pop("items")]
    return answer | {"datasetList": rows}


@emulates(wire.DELETE)
def delete(call: Call, body: wire.DatasetId) -> bool:
    """Delete a dataset with all its versions."""
    group = call.find("dataset_group", body.dataset_id, "datasetId", "dataset")
    common.delete_datasets(call, common.versions_of_group(call.world.store, group["id"]))
    call.world.store.remove("dataset_group", group["id"])
    return True


@emulates(wire.CREATE_VERSION)
def create_version(call: Call, body: wire.CreateVersion) -> dict[str, Any]:
    """Add a version without rows, with the storage of the last version."""
    group = call.find("dataset_group", body.dataset_id, "datasetId", "dataset")
    last = common.versions_of_group(call.world.store, group["id"])[0]
    version = common.create_dataset(
        call.world.store,
        name=group["name"],
        data_format=group["form"],
        bucket=last["bucket"],
        path=last["path"],
        group=group,
        description=body.description or "",
    )
    return _ids_to_wire(version)


@emulates(wire.DESCRIBE_VERSION)
def describe_version(call: Call, body: wire.VersionId) -> dict[str, Any]:
    """Describe a version."""
    return _version_to_wire(call, common.get_dataset(call, body.version_id, "versionId"))


@emulates(wire.LIST_VERSIONS)
def list_versions(call: Call, body: wire.ListVersions) -> dict[str, Any]:
    """List the versions of a dataset, the newest first."""
    imported, published = _parse_filter(
        call, body.filter, importStatusList=list, publishStatusList=list
    )
    group = call.find("dataset_group", body.dataset_id, "datasetId", "dataset")
    versions = common.versions_of_group(call.world.store, group["id"])
    matches = [
        row
        for row in (_version_to_wire(call, version) for version in versions)
        if (not imported or row["importStatus"] in imported)
        and (not published or row["publishStatus"] in published)
    ]
    return page_by_marker(call, matches, "versionId", body, "versionList")


@emulates(wire.DELETE_VERSION)
def delete_version(call: Call, body: wire.VersionId) -> bool:
    """Delete a version, and the dataset with its last version."""
    common.delete_version(call, common.get_dataset(call, body.version_id, "versionId"))
    return True


@emulates(wire.PUBLISH_VERSION)
def publish_version(call: Call, body: wire.VersionId) -> bool:
    """Publish a version that has rows."""
    common.start_release(call, common.get_dataset(call, body.version_id, "versionId"))
    return True


@emulates(wire.CREATE_IMPORT)
async def create_import(call: Call, body: wire.CreateImport) -> str:
    """Begin to import files, with or without responses."""
    version = common.get_dataset(call, body.version_id, "versionId")
    return str((await import_export.start_import(call, version, body.files, annotated=False))["id"])


@emulates(wire.DESCRIBE_IMPORT)
def describe_import(call: Call, body: wire.TaskId) -> dict[str, Any]:
    """Describe an import."""
    task = call.find("import", body.task_id, "taskId", "import")
    state = wire.IMPORT_STATES[call.world.lifecycle.state(task["plan"])]
    is_finished = state != "Importing"
    return {
        "versionId": task["dataset"],
        "importStatus": state,
        **_progress_to_wire(call, task, failed=state == "ImportFailed"),
        "sampleCount": task["count"] if is_finished else 0,
        "errDownloadUrl": import_export.error_report_url(call.world, task) if is_finished else "",
    }


@emulates(wire.CREATE_EXPORT)
async def create_export(call: Call, body: wire.CreateExport) -> str:
    """Begin to export a version."""
    version = common.get_dataset(call, body.version_id, "versionId")
    bucket, path = _parse_storage(call, body.storage_type, body.storage_path)
    return str((await import_export.start_export(call, version, f"{bucket}{path}"))["id"])


@emulates(wire.DESCRIBE_EXPORT)
def describe_export(call: Call, body: wire.TaskId) -> dict[str, Any]:
    """Describe an export."""
    task = call.find("export", body.task_id, "taskId", "export")
    return {
        "storageType": wire.BOS if task["bucket"] else wire.PLATFORM,
        "storagePath": task["path"],
        "exportStatus": wire.EXPORT_STATES[call.world.lifecycle.state(task["plan"])],
        **_progress_to_wire(call, task, failed=False),
        "sampleCount": task["count"],
        "downloadUrl": import_export.download_url(call.world, task),
    }


def _parse_storage(call: Call, storage_type: str, path: str | None) -> tuple[str, str]:
    """Return the bucket and the folder, both "" for the platform's storage."""
    call.validate_choice("storageType", storage_type, (wire.BOS, wire.PLATFORM))
    if storage_type == wire.PLATFORM:
        return "", ""
    try:
        bucket, key = storage_wire.parse_uri(path or "")
    except ValueError as error:
        raise call.invalid("storagePath", str(error)) from None
    common.validate_bucket(call, "storagePath", bucket)
    return bucket, f"/{key.strip('/')}/" if key.strip("/") else "/"


def _parse_filter(call: Call, filter_values: Mapping[str, Any] | None, **kinds: type) -> list[Any]:
    """Return the values of a filter in the order of `kinds`, None for missing ones."""
    values = filter_values or {}
    for name, kind in kinds.items():
        if name in values and not isinstance(values[name], kind):
            raise call.invalid(f"filter.{name}", f"it is a {kind.__name__}")
    return [values.get(name) for name in kinds]


def _ids_to_wire(version: Document) -> dict[str, Any]:
    return {
        "datasetId": version["group"],
        "versionId": version["id"],
        "versionNumber": version["version"],
        "id": version["number"],
    }


def _version_to_wire(call: Call, version: Document) -> dict[str, Any]:
    world = call.world
    bucket = version["bucket"]
    return {
        "datasetId": version["group"],
        "versionId": version["id"],
        "versionNumber": version["version"],
        "datasetName": version["name"],
        "dataFormat": version["form"],
        "storageType": wire.BOS if bucket else wire.PLATFORM,
        "storagePath": f"bos:/{bucket}{version['path']}" if bucket else "",
        "description": version["description"],
        "importStatus": wire.IMPORT_STATES[common.task_status(world, version, "import")],
        "publishStatus": wire.PUBLISH_STATES[common.release_state(world, version)],
        "sampleCount": rows.count(world.store, version),
        "createTime": timestamps.utc_spaced(version["created"]),
        "modifyTime": timestamps.utc_spaced(min(version["modified"], world.store.now())),
    }


def _group_to_wire(call: Call, group: Document, all_versions: Sequence[Document]) -> dict[str, Any]:
    versions = [version for version in all_versions if version["group"] == group["id"]]
    return {
        "datasetId": group["id"],
        "datasetName": group["name"],
        "dataFormat": group["form"],
        "versionCount": len(versions),
        "latestVersion": _version_to_wire(call, versions[-1]),
        "createTime": timestamps.utc_spaced(group["created"]),
    }


def _progress_to_wire(call: Call, task: Document, *, failed: bool) -> dict[str, Any]:
    finished = call.world.lifecycle.final_since(task["plan"])
    return {
        "progress": "0%" if failed else "50%" if finished is None else "100%",
        "sizeMB": round(task["size"] / import_export.MEGABYTE, 2),
        "creator": CREATOR,
        "startTime": timestamps.utc_spaced(task["created"]),
        "finishTime": timestamps.utc_spaced(finished),
    }
