"""The datasets of the sandbox in both versions of the interface, with their imports and exports.

A dataset of v1 is a version of v2: a document of the kind "dataset". A dataset of v2 is the group
of its versions, a document of the kind "dataset_group".
"""

import asyncio
import io
import zipfile
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qfnb.wire import data as wire, storage as storage_wire
from qfnb.wire.base import Id, JsonObject
from qfnb.wire.data import FORMATS

from . import rows, storage
from .http.call import CREATOR, Call, emulates, fields_of, handles, page_by_marker, utc_spaced
from .rows import InvalidRow, RowParser
from .state.store import Document, Store, random_id
from .state.world import World

# states of a training run in which it no longer needs its datasets
FINAL_RUN_STATES = {"Done", "Failed", "Stopped"}


def create_dataset(
    store: Store,
    *,
    name: str,
    data_format: str,
    bucket: str = "",
    path: str = "",
    group: Document | None = None,
    description: str = "",
) -> Document:
    """Add a dataset without rows, by default as the first version of a new group."""
    if group is None:
        group = store.add(
            "dataset_group", random_id("dg-", 16), name=name, form=data_format, made=0
        )
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


def get_dataset(call: Call, key: Id, field: str = "datasetId") -> Document:
    """Return a dataset by its id or number."""
    return call.find("dataset", key, field)


def validate_name(call: Call, name: str, path: str) -> None:
    """Raise a refusal unless a dataset's name and folder are printable and the name is not
    empty.
    """
    if not (name.strip() and name.isprintable() and path.isprintable()):
        raise call.invalid("name", "a name has one line, and is not empty")


def validate_bucket(call: Call, field: str, bucket: str) -> None:
    """Raise a refusal unless a bucket is the sandbox's."""
    allowed = call.world.address.bucket
    if bucket != allowed:
        raise call.invalid(field, f"the bucket {bucket!r} does not exist; it is {allowed!r}")


def start_release(call: Call, dataset: Document) -> bool:
    """Begin to release a dataset, unless it is released; v2 calls that to publish a version.

    Raises:
        Refusal: it is being imported, or has no rows.
    """
    world = call.world
    if task_status(world, dataset, "import") == wire.RUNNING:
        raise call.refusal(f"dataset {dataset['id']} is still being imported")
    if not rows.count(world.store, dataset):
        raise call.refusal(f"dataset {dataset['id']} has no rows to release")
    if dataset["released"] is None:
        plan = world.lifecycle.plan((wire.RUNNING, "release"), final=wire.FINISHED)
        world.store.update(dataset["id"], released=plan)
    return True


handles(wire.RELEASE, "dataset", "datasetId", start_release)
handles(wire.PUBLISH_VERSION, "dataset", "versionId", start_release)


def delete_datasets(call: Call, deleted: list[Document]) -> None:
    """Delete datasets with their rows.

    Raises:
        Refusal: a training run still needs one of them.
    """
    store = call.store
    ids = {dataset["id"] for dataset in deleted}
    for task in store.all("task"):
        if task["status"] not in FINAL_RUN_STATES and ids & set(task["datasets"]):
            raise call.refusal(f"{', '.join(ids)} cannot be deleted: run {task['id']} needs it")
    for dataset in deleted:
        store.remove("dataset", dataset["id"])
        rows.delete_parts(store, dataset["parts"])


def delete_version(call: Call, dataset: Document) -> int:
    """Delete a dataset, and its group with the last version; return how many versions the group
    still has.
    """
    delete_datasets(call, [dataset])
    remaining = len(versions_of_group(call.store, dataset["group"]))
    if not remaining:
        call.store.remove("dataset_group", dataset["group"])
    return remaining


def versions_of_group(store: Store, group: str) -> list[Document]:
    """Return the datasets of a group, the newest first."""
    return store.all("dataset", group=group)[::-1]


def is_released(world: World, dataset: Document) -> bool:
    """Return whether a dataset is released by now."""
    return release_state(world, dataset) == wire.FINISHED


def release_state(world: World, dataset: Document) -> int:
    """Return v1's number for the state of the release; right after the call it is 1, never 0."""
    if dataset["released"]:
        return int(world.lifecycle.state(dataset["released"]))
    return wire.INITIALISED


def task_status(world: World, dataset: Document, kind: str) -> int:
    """Return v1's number for the state of a dataset's last task of a kind."""
    task = world.store.get(kind, dataset[kind] or "")
    if task is not None:
        return int(world.lifecycle.state(task["plan"]))
    if kind == "import" and dataset["parts"]:
        return wire.FINISHED  # the sandbox wrote the rows itself
    if kind in {"import", "export"}:
        return wire.NOT_STARTED
    return wire.NO_TASK


REGION = "bj"
PLATFORM_BUCKET = "sandbox-platform"


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateDatasetV1) -> JsonObject:
    """Create a dataset without rows, the first version of its group."""
    call.validate_choice("templateType", body.template_type, wire.TEMPLATES)
    data_format = rows.format_of_template(body.template_type)
    expected = _template_to_wire(data_format)
    call.validate_choice("projectType", body.project_type, [expected["projectType"]])
    call.validate_choice("dataType", body.data_type, [expected["dataType"]])
    storages = (wire.PLATFORM_STORAGE, wire.USER_STORAGE)
    call.validate_choice("storageType", body.storage_type, storages)
    bucket = ""
    path = ""
    if body.storage_type == wire.USER_STORAGE:
        bucket = body.storage_id or ""
        path = body.raw_storage_path or ""
        validate_bucket(call, "storageId", bucket)
    validate_name(call, body.name, path)
    dataset = create_dataset(
        call.store, name=body.name, data_format=data_format, bucket=bucket, path=path
    )
    group = call.store.get("dataset_group", dataset["group"]) or {}
    return {
        **_states_to_wire(call.world, dataset),
        **expected,
        **fields_of(
            dataset,
            id="number",
            groupPK="group",
            datasetId="id",
            versionId="version",
            groupName="name",
        ),
        "groupId": group.get("number"),
        "storageInfo": _storage_to_wire(dataset),
        "createTime": utc_spaced(dataset["created"]),
    }


def info(call: Call, dataset: Document) -> JsonObject:
    """Describe a dataset."""
    template = _template_to_wire(dataset["form"])
    version = {
        **template,
        **_states_to_wire(call.world, dataset),
        **fields_of(dataset, datasetId="number", datasetPK="id", versionId="version"),
        "storageType": wire.USER_STORAGE if dataset["bucket"] else wire.PLATFORM_STORAGE,
        "storage": _storage_to_wire(dataset),
        "releaseErrCode": 0,
        "exportRecordCount": len(_exports_of(call, dataset)),
        "createTime": utc_spaced(dataset["created"]),
    }
    return {
        **fields_of(dataset, "name", groupPK="group"),
        "dataType": template["dataType"],
        "versionInfo": version,
    }


handles(wire.INFO, "dataset", "datasetId", info)


@emulates(wire.STATUSES)
def statuses(call: Call, body: wire.DatasetRefs) -> JsonObject:
    """Describe the states of several datasets."""
    states = {}
    for key in body.dataset_ids:
        states[str(key)] = _states_to_wire(call.world, get_dataset(call, key))
    return states


def delete(call: Call, dataset: Document) -> JsonObject:
    """Delete a dataset."""
    return {"versionCount": delete_version(call, dataset)}


handles(wire.DELETE, "dataset", "datasetId", delete)


def _storage_to_wire(dataset: Document) -> JsonObject:
    bucket = dataset["bucket"] or PLATFORM_BUCKET
    return {
        "storageId": bucket,
        "storageName": bucket,
        "storagePath": f"{dataset['path'] or '/'}_system_/dataset/{dataset['id']}/texts",
        "rawStoragePath": dataset["path"],
        "region": REGION,
    }


def _template_to_wire(data_format: str) -> dict[str, int]:
    template = FORMATS[data_format]
    is_picture = template // 100 == wire.PICTURE_PROJECT
    return {
        "dataType": wire.PICTURE_DATA if is_picture else wire.TEXT_DATA,
        "projectType": template // 100,
        "templateType": template,
    }


def _states_to_wire(world: World, dataset: Document) -> JsonObject:
    store = world.store
    states: JsonObject = {"releaseStatus": release_state(world, dataset)}
    for kind in ("import", "export", "enhance", "etl"):
        states[f"{kind}Status"] = task_status(world, dataset, kind)
    for kind in ("import", "export", "release"):
        states[f"{kind}Progress"] = _progress_percent(states[f"{kind}Status"])
    problem = {"problem": "", "code": 0}
    if states["importStatus"] == wire.FAILED:
        problem = store.get("import", dataset["import"]) or problem
    return {
        **states,
        "importErrorInfo": problem["problem"],
        "errCode": problem["code"],
        "entityCount": rows.count(store, dataset),
        "annotatedEntityCount": rows.count(store, dataset, "annotated"),
        "labelCount": 0,
        "characterCount": rows.count(store, dataset, "characters"),
        "modifyTime": _modified(store, dataset),
    }


def _modified(store: Store, dataset: Document) -> str:
    return utc_spaced(min(dataset["modified"], store.now()))


def _progress_percent(status: int) -> int:
    return {wire.RUNNING: 50, wire.FINISHED: 100}.get(status, 0)


@emulates(wire.CREATE_V2)
def create_v2(call: Call, body: wire.CreateDataset) -> JsonObject:
    """Create a dataset and its first version."""
    call.validate_choice("dataFormat", body.data_format, wire.FORMATS)
    bucket, path = _parse_storage(call, body.storage_type, body.storage_path)
    name = body.dataset_name
    validate_name(call, name, path)
    version = create_dataset(
        call.store, name=name, data_format=body.data_format, bucket=bucket, path=path
    )
    return _ids_to_wire(version)


@emulates(wire.LIST)
def list_datasets(call: Call, body: wire.ListDatasets) -> JsonObject:
    """List datasets, the newest first."""
    filters = body.filter or wire.DatasetFilter()
    formats = filters.data_format_list or FORMATS
    groups = []
    for group in call.store.all("dataset_group")[::-1]:
        if group["form"] in formats and filters.dataset_name in group["name"]:
            groups.append(group)
    return page_by_marker(call, groups, body, _group_to_wire, "datasetList")


def delete_v2(call: Call, group: Document) -> bool:
    """Delete a dataset with all its versions."""
    delete_datasets(call, versions_of_group(call.store, group["id"]))
    call.store.remove("dataset_group", group["id"])
    return True


handles(wire.DELETE_V2, "dataset_group", "datasetId", delete_v2)


@emulates(wire.CREATE_VERSION)
def create_version(call: Call, body: wire.CreateVersion) -> JsonObject:
    """Add a version without rows, with the storage of the last version."""
    group = call.find("dataset_group", body.dataset_id, "datasetId")
    last = versions_of_group(call.store, group["id"])[0]
    version = create_dataset(
        call.store,
        name=group["name"],
        data_format=group["form"],
        bucket=last["bucket"],
        path=last["path"],
        group=group,
        description=body.description or "",
    )
    return _ids_to_wire(version)


@emulates(wire.LIST_VERSIONS)
def list_versions(call: Call, body: wire.ListVersions) -> JsonObject:
    """List the versions of a dataset, the newest first."""
    filters = body.filter or wire.VersionFilter()
    import_states = filters.import_status_list or wire.IMPORT_STATES.values()
    publish_states = filters.publish_status_list or wire.PUBLISH_STATES.values()
    group = call.find("dataset_group", body.dataset_id, "datasetId")
    matches = []
    for version in versions_of_group(call.store, group["id"]):
        row = _version_to_wire(call, version)
        if row["importStatus"] in import_states and row["publishStatus"] in publish_states:
            matches.append(version)
    return page_by_marker(call, matches, body, _version_to_wire, "versionList")


def delete_version_v2(call: Call, version: Document) -> bool:
    """Delete a version, and the dataset with its last version."""
    delete_version(call, version)
    return True


handles(wire.DELETE_VERSION, "dataset", "versionId", delete_version_v2)


@emulates(wire.CREATE_IMPORT)
async def create_import(call: Call, body: wire.CreateImport) -> str:
    """Begin to import files, with or without responses."""
    version = get_dataset(call, body.version_id, "versionId")
    task = await start_import(call, version, body.files, annotated=False)
    return str(task["id"])


def describe_import(call: Call, task: Document) -> JsonObject:
    """Describe an import."""
    state = call.lifecycle.state(task["plan"])
    is_finished = state != wire.RUNNING
    return {
        "versionId": task["dataset"],
        "importStatus": wire.IMPORT_STATES[state],
        **_progress_to_wire(call, task, state),
        "sampleCount": task["count"] if is_finished else 0,
        "errDownloadUrl": error_report_url(call.world, task) if is_finished else "",
    }


handles(wire.DESCRIBE_IMPORT, "import", "taskId", describe_import)


@emulates(wire.CREATE_EXPORT)
async def create_export(call: Call, body: wire.CreateExport) -> str:
    """Begin to export a version."""
    version = get_dataset(call, body.version_id, "versionId")
    bucket, path = _parse_storage(call, body.storage_type, body.storage_path)
    task = await start_export(call, version, f"{bucket}{path}")
    return str(task["id"])


def describe_export(call: Call, task: Document) -> JsonObject:
    """Describe an export."""
    state = call.lifecycle.state(task["plan"])
    return {
        "storageType": wire.BOS if task["bucket"] else wire.PLATFORM,
        "storagePath": task["path"],
        "exportStatus": wire.EXPORT_STATES[state],
        **_progress_to_wire(call, task, state),
        "sampleCount": task["count"],
        "downloadUrl": download_url(call.world, task),
    }


handles(wire.DESCRIBE_EXPORT, "export", "taskId", describe_export)


def _parse_storage(call: Call, storage_type: str, path: str | None) -> tuple[str, str]:
    """Return the bucket and the folder, both "" for the platform's storage."""
    call.validate_choice("storageType", storage_type, (wire.BOS, wire.PLATFORM))
    if storage_type == wire.PLATFORM:
        return "", ""
    try:
        bucket, key = storage_wire.parse_uri(path or "")
    except ValueError as error:
        raise call.invalid("storagePath", str(error)) from None
    validate_bucket(call, "storagePath", bucket)
    folder = key.strip("/")
    if not folder:
        return bucket, "/"
    return bucket, f"/{folder}/"


def _ids_to_wire(version: Document) -> JsonObject:
    names = {"datasetId": "group", "versionId": "id", "versionNumber": "version", "id": "number"}
    return fields_of(version, **names)


def _version_to_wire(call: Call, version: Document) -> JsonObject:
    world = call.world
    bucket = version["bucket"]
    return {
        **fields_of(
            version,
            "description",
            datasetId="group",
            versionId="id",
            versionNumber="version",
            datasetName="name",
            dataFormat="form",
        ),
        "storageType": wire.BOS if bucket else wire.PLATFORM,
        "storagePath": f"bos:/{bucket}{version['path']}" if bucket else "",
        "importStatus": wire.IMPORT_STATES[task_status(world, version, "import")],
        "publishStatus": wire.PUBLISH_STATES[release_state(world, version)],
        "sampleCount": rows.count(world.store, version),
        "createTime": utc_spaced(version["created"]),
        "modifyTime": _modified(world.store, version),
    }


handles(wire.DESCRIBE_VERSION, "dataset", "versionId", _version_to_wire)


def _group_to_wire(call: Call, group: Document) -> JsonObject:
    versions = call.store.all("dataset", group=group["id"])
    return {
        **fields_of(group, datasetId="id", datasetName="name", dataFormat="form"),
        "versionCount": len(versions),
        "latestVersion": _version_to_wire(call, versions[-1]),
        "createTime": utc_spaced(group["created"]),
    }


def _progress_to_wire(call: Call, task: Document, state: int) -> JsonObject:
    return {
        "progress": f"{_progress_percent(state)}%",
        "sizeMB": round(task["size"] / MEGABYTE, 2),
        "creator": CREATOR,
        "startTime": utc_spaced(task["created"]),
        "finishTime": utc_spaced(call.lifecycle.final_since(task["plan"])),
    }


MAX_SAMPLES = 20  # invalid lines in one answer; all of them are at `downloadUrl`
MEGABYTE = 1024 * 1024

_BOS_DOMAIN = ".bcebos.com"


# Imports and exports: an import takes all lines of its files, or none of them if one is invalid.
# What is fetched by
# address (an export, the invalid lines of an import) has a secret in its path.


@emulates(wire.IMPORT)
async def import_files(call: Call, body: wire.ImportDataset) -> bool:
    """Begin to import files."""
    call.validate_choice("importFrom", body.import_from, (wire.USER_BOS, wire.SHARED_ZIP))
    dataset = get_dataset(call, body.dataset_id)
    await start_import(call, dataset, body.files, annotated=body.annotated)
    return True


@emulates(wire.IMPORT_ERRORS)
def import_errors(call: Call, body: wire.ErrorQuery) -> JsonObject:
    """List the invalid lines of the last import that have an error code."""
    dataset = get_dataset(call, body.dataset_id)
    task = call.store.get("import", dataset["import"] or "") or {"problems": [], "zipped": False}
    content: list[JsonObject] = []
    for problem in task["problems"]:
        if problem["code"] == body.err_code and len(content) < MAX_SAMPLES:
            content.append(_problem_to_wire(len(content) + 1, problem))
    return {
        "dataType": "file",
        "downloadUrl": error_report_url(call.world, task) if content else "",
        "isZip": int(task["zipped"]),
        "projectType": FORMATS[dataset["form"]] // 100,
        "content": content,
    }


async def start_import(
    call: Call, dataset: Document, files: list[str], *, annotated: bool
) -> Document:
    """Read files and begin an import; its rows become visible at its end. Return the task.

    Raises:
        Refusal: the list of files is empty or wrong, or an import is running.
    """
    world = call.world
    if not files or not all(file and file.isprintable() for file in files):
        raise call.invalid("files", "each is the address of a file")
    validate_idle(call, dataset)
    parser = RowParser(dataset["form"], annotated)
    part = await asyncio.to_thread(_parse_files, world, files, parser)
    dataset = get_dataset(call, dataset["id"])  # as it is now
    validate_idle(call, dataset)
    final_state = wire.FAILED if parser.problems else wire.FINISHED
    plan = world.lifecycle.plan((wire.RUNNING, "import"), final=final_state)
    if part is not None:
        rows.attach_part(world.store, dataset["id"], part, plan[0][1])
    return record_import(world, dataset, plan, parser)


def record_import(world: World, dataset: Document, plan: list[Any], parser: RowParser) -> Document:
    """Record an import as the last one of its dataset."""
    result = {"count": len(parser.named_rows), "code": 0, "problem": ""}
    if parser.problems:
        first = parser.problems[0]
        result = {"count": 0, "code": first["code"], "problem": rows.describe(first)}
    task = world.store.add(
        "import",
        random_id("task-"),
        dataset=dataset["id"],
        plan=plan,
        secret=random_id("", 32),
        size=parser.size,
        zipped=parser.zipped,
        problems=parser.problems,
        **result,
    )
    world.store.update(dataset["id"], **{"import": task["id"]})
    return task


def error_report_url(world: World, task: Document) -> str:
    """Return the address of the invalid lines of an import, "" if all were valid."""
    if task["problems"]:
        return f"{world.address.url}/_imports/{task['id']}/{task['secret']}"
    return ""


def routes(world: World) -> list[Route]:
    """Return the routes of exported files and import errors; a secret in the path stands in for a
    key.
    """

    async def fetch_errors(request: Request) -> Response:
        task = world.store.get("import", request.path_params["task"])
        if task is None or task["secret"] != request.path_params["secret"]:
            return Response("the import does not exist", 404)
        return JSONResponse(task["problems"])

    async def fetch_export(request: Request) -> Response:
        content = world.store.read_file(f"export-{request.path_params['secret']}")
        if not content:
            return Response("the export does not exist", 404)
        return Response(content, media_type="application/zip")

    return [
        Route("/_imports/{task}/{secret}", fetch_errors, methods=["GET"]),
        Route("/_exports/{secret}/{name}", fetch_export, methods=["GET"]),
    ]


def validate_idle(call: Call, dataset: Document) -> None:
    """Raise a refusal while a dataset is being imported."""
    if task_status(call.world, dataset, "import") == wire.RUNNING:
        raise call.refusal(f"dataset {dataset['id']} is already being imported")


def _parse_files(world: World, files: list[str], parser: RowParser) -> Document | None:
    """Read files and write their rows into a part; None instead of the part if a line is
    invalid.
    """
    for file in files:
        try:
            address = _storage_address(world, file)
            content = storage.read_object(world.store, address)
            if content is None:
                raise ValueError("it was not uploaded")
            parser.parse_file(address.rpartition("/")[2], content)
        except ValueError as error:
            parser.add_problem(file, 0, error)
    if not parser.named_rows and not parser.problems:
        empty = InvalidRow(wire.EMPTY_TEXT, "it has no rows")
        parser.add_problem(files[0].rpartition("/")[2], 0, empty)
    if parser.problems:
        return None
    entities = rows.to_entities(parser.named_rows, world.clock.now())
    return rows.write_part(world.store, entities)


def _storage_address(world: World, file: str) -> str:
    """Return the `bos:/bucket/key` of a file; the sandbox reads from its own storage only."""
    url = urlsplit(file)
    path = unquote(url.path)
    if url.scheme == "bos":
        return file
    if url.scheme not in {"http", "https"}:
        return f"bos:/{file.lstrip('/')}"
    if file.startswith(f"{world.address.url}/bos/"):
        return f"bos:/{path.removeprefix('/bos/')}"
    host = url.hostname or ""
    if not host.endswith(_BOS_DOMAIN):
        raise ValueError("the sandbox imports from its own storage, and fetches nothing")
    bucket = host.removesuffix(_BOS_DOMAIN).rpartition(".")[0]
    return f"bos:/{bucket}/{path.lstrip('/')}".replace("//", "/")


def _problem_to_wire(number: int, problem: JsonObject) -> JsonObject:
    return {
        "sequence": number,
        **fields_of(
            problem,
            sampleFileName="file",
            sampleName="file",
            textLocation="line",
            textContent="text",
        ),
        "sandbox": {"reason": problem["reason"]},
    }


@emulates(wire.EXPORT)
async def export(call: Call, body: wire.ExportDataset) -> bool:
    """Begin to export a dataset."""
    call.validate_choice("exportType", body.export_type, (1, 2))
    dataset = get_dataset(call, body.dataset_id)
    target = ""
    if body.export_to:
        validate_bucket(call, "storageId", body.storage_id or "")
        target = f"{body.storage_id}{dataset['path'] or '/'}"
    await start_export(call, dataset, target, annotated=body.export_type == 1)
    return True


def export_records(call: Call, dataset: Document) -> list[JsonObject]:
    """List a dataset's exports, the newest first."""
    return [_record_to_wire(call.world, task) for task in _exports_of(call, dataset)[::-1]]


handles(wire.EXPORT_RECORDS, "dataset", "datasetId", export_records)


def _exports_of(call: Call, dataset: Document) -> list[Document]:
    return call.store.all("export", dataset=dataset["id"])


async def start_export(
    call: Call, dataset: Document, target: str, *, annotated: bool = True
) -> Document:
    """Pack a dataset and begin an export; return the task.

    Raises:
        Refusal: the dataset has no rows.
    """
    world = call.world
    if not rows.count(world.store, dataset):
        raise call.refusal(f"dataset {dataset['id']} has no rows to export")
    content = await asyncio.to_thread(_pack_zip, world, dataset, annotated)
    dataset = get_dataset(call, dataset["id"])  # it may have been deleted meanwhile
    secret = random_id("", 32)
    id_ = random_id("task-")
    bucket, _, folder = target.partition("/")
    key = f"{folder.lstrip('/')}{dataset['id']}-{id_}.zip"
    if bucket:
        storage.write_object(world.store, bucket, key, content)
    world.store.write_file(f"export-{secret}", content)
    task = world.store.add(
        "export",
        id_,
        dataset=dataset["id"],
        plan=world.lifecycle.plan((wire.RUNNING, "export"), final=wire.FINISHED),
        secret=secret,
        bucket=bucket,
        path=storage_wire.build_uri(bucket, key) if bucket else "",
        annotated=annotated,
        size=len(content),
        count=rows.count(world.store, dataset),
    )
    world.store.update(dataset["id"], export=task["id"])
    return task


def download_url(world: World, task: Document) -> str:
    """Return the address of an export's zip, "" while the export is running."""
    if world.lifecycle.final_since(task["plan"]) is None:
        return ""
    return f"{world.address.url}/_exports/{task['secret']}/{task['dataset']}.zip"


def _pack_zip(world: World, dataset: Document, annotated: bool) -> bytes:
    lines = []
    for entity in rows.iter_entities(world.store, dataset):
        row = entity.row if annotated else rows.strip_annotations(entity.row)
        lines.append(rows.to_text(row))
    suffix = "jsonl"
    separator = "\n"
    if dataset["form"] == rows.TEXT:
        suffix = "txt"
        if any("\n" in line for line in lines):
            separator = "\n\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{dataset['id']}.{suffix}", separator.join(lines) + "\n")
    return buffer.getvalue()


def _record_to_wire(world: World, task: Document) -> JsonObject:
    return {
        "creatorName": CREATOR,
        "storageId": task["bucket"],
        "storagePath": task["path"],
        "size": round(task["size"] / MEGABYTE, 2),
        "exportFormat": 0,
        "exportType": 1 if task["annotated"] else 2,
        "exportTo": int(bool(task["bucket"])),
        "status": world.lifecycle.state(task["plan"]),
        "recordNum": task["count"],
        "downloadUrl": download_url(world, task),
        "startTime": utc_spaced(task["created"]),
        "finishTime": utc_spaced(world.lifecycle.final_since(task["plan"])),
    }
