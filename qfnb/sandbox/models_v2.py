"""The model repository, console v2: sets, versions of runs and of one's own files, exports, templates."""

from __future__ import annotations

import hashlib
from typing import Any

from ..errors import SandboxError
from ..wire import model as wire_v1
from ..wire import model_v2 as wire
from ..wire.base import Paged
from . import presets, repository, storage
from .paging import by_marker
from .routing import Call, emulates, refuse_call
from .runs import date
from .store import Document, random_id

FORMATS = ("HuggingFace.Transformers", "Safetensors")
APPLICATIONS = ("chat", "completion")
FOLDER = "qfnb/exports"
"""Where exports are put in the bucket."""


@emulates(wire.CREATE_SET)
def create_set(call: Call, body: wire.CreateModelSet) -> dict[str, Any]:
    """Create a set."""
    if body.model_type not in wire.TYPES:
        raise refuse_call(
            call, f"param[modelType] invalid: {body.model_type!r}; it is one of {', '.join(wire.TYPES)}"
        )
    model = repository.add_model(call, body.model_set_name, body.model_type, tags=body.labels)
    return {"modelSetId": model["id"]}


@emulates(wire.SYSTEM_SETS)
def system_sets(call: Call, body: Paged) -> dict[str, Any]:
    """List the platform's sets."""
    rows, info = by_marker(call, [_listed(call, row) for row in presets.models()], "modelSetId", body)
    return {"systemModelSetList": rows, "pageInfo": info}


@emulates(wire.CUSTOM_SETS)
def custom_sets(call: Call, body: Paged) -> dict[str, Any]:
    """List the user's sets, the newest first."""
    known = [_listed(call, row) for row in reversed(call.world.store.all("model"))]
    rows, info = by_marker(call, known, "modelSetId", body)
    return {"customModelSetList": rows, "pageInfo": info}


@emulates(wire.DESCRIBE_SET)
def describe_set(call: Call, body: wire.ModelSetRef) -> dict[str, Any]:
    """Describe a set; of several with the same name the newest."""
    if body.model_set_id is None:
        named = [row for row in _all(call) if row["name"] == body.model_set_name]
        if not named:
            raise refuse_call(call, f"param[modelSetName] invalid: {body.model_set_name} does not exist")
        return _listed(call, named[-1])
    return _listed(call, repository.model_of(call, body.model_set_id, "modelSetId"))


@emulates(wire.DELETE_SET)
def delete_set(call: Call, body: wire.ModelSetId) -> bool:
    """Delete a set with its versions."""
    model = repository.own(call, repository.model_of(call, body.model_set_id, "modelSetId"), "modelSetId")
    versions = [row for row in call.world.store.all("version") if row["model"] == model["id"]]
    repository.delete(call, versions, "modelSetId")
    call.world.store.remove("model", model["id"])
    return True


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateModel) -> dict[str, Any]:
    """Put a new version into a set."""
    model = repository.own(call, repository.model_of(call, body.model_set_id, "modelSetId"), "modelSetId")
    if body.source_type == wire_v1.TRAINED and body.train_meta:
        version = _from_run(call, model, body, body.train_meta)
    elif body.source_type == wire_v1.IMPORTED and body.import_meta:
        version = _from_file(call, model, body, body.import_meta)
    else:
        needed = {wire_v1.TRAINED: "trainMeta", wire_v1.IMPORTED: "importMeta"}.get(body.source_type)
        reason = f"{body.source_type} needs {needed}" if needed else "it is Train or Import"
        raise refuse_call(call, f"param[{needed or 'sourceType'}] invalid: {reason}")
    return {"modelId": version["id"]}


@emulates(wire.DESCRIBE)
def describe(call: Call, body: wire.ModelId) -> dict[str, Any]:
    """Describe a version."""
    version = repository.version_of(call, body.model_id, "modelId")
    ready = repository.state(call, version) == wire_v1.READY
    told = {
        "modelSetId": version["model"],
        "modelId": version["id"],
        "modelName": version["version"],
        "model": version["base"],
        "status": repository.state(call, version),
        "sourceInfo": _source_info(version),
        "createTime": date(version["created"]),
        "modifyTime": date(version["created"]),
        "modelApplicationType": "chat",
        "isSupportModelComp": ready and repository.weights(call, version) is not None,
        "sandbox": repository.told(call, version),
    }
    return told | ({"description": version["description"]} if version["description"] else {})


@emulates(wire.DELETE)
def delete(call: Call, body: wire.ModelId) -> bool:
    """Delete a version."""
    version = repository.own(call, repository.version_of(call, body.model_id, "modelId"), "modelId")
    repository.delete(call, [version], "modelId")
    return True


@emulates(wire.CREATE_CONF)
def create_conf(call: Call, body: wire.CreateConf) -> dict[str, Any]:
    """Keep a chat template: the platform takes an upload, here its text is a field (reply not evidenced)."""
    if not body.custom_spec_file:
        raise refuse_call(call, "param[customSpecFile] invalid: no file came")
    kept = call.world.store.add("custom_conf", random_id("amcc-"), text=body.custom_spec_file)
    return {"customSpecId": kept["id"]}


@emulates(wire.SYSTEM_CONF)
def system_conf(call: Call, body: wire.SystemConf) -> dict[str, Any]:
    """Tell how models of a format are run (reply not evidenced)."""
    for name, value, allowed in (
        ("modelApplicationType", body.model_application_type, APPLICATIONS),
        ("modelFormat", body.model_format, FORMATS),
    ):
        if value not in allowed:
            raise refuse_call(call, f"param[{name}] invalid: {value!r}; it is {' or '.join(allowed)}")
    return _conf(body.model_application_type, body.model_format)


@emulates(wire.CUSTOM_CONF)
def custom_conf(call: Call, body: wire.ModelId) -> dict[str, Any]:
    """Tell how a version is run (reply not evidenced)."""
    version = repository.version_of(call, body.model_id, "modelId")
    return {"modelId": version["id"]} | _conf("chat", FORMATS[0])


@emulates(wire.CREATE_EXPORT)
def create_export(call: Call, body: wire.ModelId) -> dict[str, Any]:
    """Pack a version as a file, which its address alone gives access to; it is in the bucket, too."""
    world, version = call.world, repository.version_of(call, body.model_id, "modelId")
    content = repository.weights(call, version)
    if content is None or repository.state(call, version) != wire_v1.READY:
        raise refuse_call(call, f"param[modelId] invalid: {version['id']} has no weights to export")
    key = f"{FOLDER}/{version['id']}.npz"
    storage.write(world.store, world.address.bucket, key, content)
    secret = random_id("", 32)
    world.store.write_file(f"export-{secret}", content)
    made = world.store.add(
        "model_export",
        random_id("ame-"),
        version=version["id"],
        key=key,
        secret=secret,
        size=len(content),
        md5=hashlib.md5(content, usedforsecurity=False).hexdigest(),
        plan=world.lifecycle.plan((wire.DOING, "export"), then=wire.DONE, failed=wire.FAILED),
    )
    return {"exportId": made["id"]}


@emulates(wire.DESCRIBE_EXPORT)
def describe_export(call: Call, body: wire.ModelId) -> dict[str, Any]:
    """Describe a version's newest export."""
    version = repository.version_of(call, body.model_id, "modelId")
    rows = [row for row in call.world.store.all("model_export") if row["version"] == version["id"]]
    if not rows:
        return {"hasRecord": False}
    status = call.world.lifecycle.state(rows[-1]["plan"])
    told = {"exportId": rows[-1]["id"], "hasRecord": True, "status": status}
    return told | (_packed(call, rows[-1]) if status == wire.DONE else {})


def _packed(call: Call, export: Document) -> dict[str, Any]:
    address, key = call.world.address, export["key"]
    return {
        "fileName": key.rsplit("/", 1)[-1],
        "fileType": "npz",
        "fileSize": export["size"],
        "md5": export["md5"],
        "downloadUrl": f"{address.url}/_exports/{export['secret']}/{export['version']}.npz",
        "sandbox": {"object": f"bos:/{address.bucket}/{key}"},
    }


def _from_run(call: Call, model: Document, body: wire.CreateModel, meta: wire.TrainMeta) -> Document:
    step = meta.checkpoint_step if meta.checkpoint_step is not None else meta.step
    task = repository.finished(call, meta.task_id, "trainMeta.taskId", step)
    return repository.from_run(call, model, task, step=step, description=body.description or "")


def _from_file(call: Call, model: Document, body: wire.CreateModel, meta: wire.ImportMeta) -> Document:
    """Import what a sandbox has exported."""
    from .engine import Model  # noqa: PLC0415 - numpy

    address = f"bos:/{meta.bucket}/{meta.object_path.lstrip('/')}"
    content = storage.read(call.world.store, address)
    if content is None:
        raise refuse_call(call, f"param[importMeta.objectPath] invalid: {address} does not exist")
    try:
        Model.load(content)
    except SandboxError as error:
        raise refuse_call(
            call,
            f"param[importMeta.objectPath] invalid: {address}: {error}; the sandbox imports its own exports",
        ) from None
    weights = random_id("import-")
    call.world.store.write_file(f"{weights}.npz", content)
    origin = {"bosUri": address}
    return repository.add_version(
        call, model, wire_v1.IMPORTED, weights, description=body.description or "", origin=origin
    )


def _source_info(version: Document) -> dict[str, Any]:
    """Return where a version comes from; the key of an import's address is not evidenced."""
    origin = version["origin"]
    names = {"runIdStr": "trainTaskId", "compression": "modelCompTaskId", "bosUri": "bosUri"}
    return {"sourceType": version["source"]} | {
        new: origin[old] for old, new in names.items() if old in origin
    }


def _all(call: Call) -> list[Document]:
    return [*presets.models(), *call.world.store.all("model")]


def _listed(call: Call, model: Document) -> dict[str, Any]:
    versions = repository.versions_of(call, model)
    return {
        "modelSetId": model["id"],
        "modelSetName": model["name"],
        "source": model["source"],
        "modelType": model["type"],
        "labels": model["labels"],
        "description": model["description"],
        "createTime": date(model["created"]),
        "modifyTime": date(versions[0]["created"] if versions else model["created"]),
        "modelCount": len(versions),
        "modelIds": [row["id"] for row in versions],
        "modelNames": [row["version"] for row in versions],
    }


def _conf(application: str, format_: str) -> dict[str, Any]:
    limits = {"maxInputLength": 4096, "maxOutputLength": 1024}
    return {"modelApplicationType": application, "modelFormat": format_, "chatConf": None, "limits": limits}
