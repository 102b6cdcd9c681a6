"""The model repository, v2: sets of versions, imports, exports, and configurations for serving."""

import hashlib
from typing import Any

from qfnb.errors import SandboxError
from qfnb.wire import model_v1 as wire_v1, model_v2 as wire
from qfnb.wire.base import PageRequest

from ..http import timestamps
from ..http.call import Call, emulates
from ..http.paging import page_by_marker
from ..state.store import Document, random_id
from ..storage import objects
from . import store

FORMATS = ("HuggingFace.Transformers", "Safetensors")
APPLICATIONS = ("chat", "completion")
EXPORT_FOLDER = "qfnb/exports"
"""The folder of exports in the bucket."""


@emulates(wire.CREATE_SET)
def create_set(call: Call, body: wire.CreateModelSet) -> dict[str, Any]:
    """Create a set."""
    call.validate_choice("modelType", body.model_type, wire.TYPES)
    model = store.add_model(call, body.model_set_name, body.model_type, tags=body.labels)
    return {"modelSetId": model["id"]}


@emulates(wire.SYSTEM_SETS)
def system_sets(call: Call, body: PageRequest) -> dict[str, Any]:
    """List the platform's sets."""
    return page_by_marker(
        call,
        [_set_to_wire(call, row) for row in store.preset_models()],
        "modelSetId",
        body,
        "systemModelSetList",
    )


@emulates(wire.CUSTOM_SETS)
def custom_sets(call: Call, body: PageRequest) -> dict[str, Any]:
    """List the user's sets, the newest first."""
    sets = [_set_to_wire(call, row) for row in reversed(call.world.store.all("model"))]
    return page_by_marker(call, sets, "modelSetId", body, "customModelSetList")


@emulates(wire.DESCRIBE_SET)
def describe_set(call: Call, body: wire.ModelSetRef) -> dict[str, Any]:
    """Describe a set by its id, or the newest set with a name."""
    if body.model_set_id is None:
        models = [*store.preset_models(), *call.world.store.all("model")]
        matches = [row for row in models if row["name"] == body.model_set_name]
        if not matches:
            raise call.invalid("modelSetName", f"{body.model_set_name} does not exist")
        return _set_to_wire(call, matches[-1])
    return _set_to_wire(call, store.get_model(call, body.model_set_id, "modelSetId"))


@emulates(wire.DELETE_SET)
def delete_set(call: Call, body: wire.ModelSetId) -> bool:
    """Delete a set with its versions."""
    model = store.get_model(call, body.model_set_id, "modelSetId", is_changed=True)
    store.delete_models(call, [model], "modelSetId")
    return True


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateModel) -> dict[str, Any]:
    """Add a version to a set."""
    model = store.get_model(call, body.model_set_id, "modelSetId", is_changed=True)
    if body.source_type == wire_v1.TRAINED and body.train_meta:
        meta = body.train_meta
        step = meta.step if meta.checkpoint_step is None else meta.checkpoint_step
        task = store.get_finished_run(call, meta.task_id, "trainMeta.taskId", step)
        version = store.publish_run(call, model, task, step, body.description or "")
    elif body.source_type == wire_v1.IMPORTED and body.import_meta:
        version = _import_file(call, model, body, body.import_meta)
    else:
        required_field = {wire_v1.TRAINED: "trainMeta", wire_v1.IMPORTED: "importMeta"}.get(
            body.source_type
        )
        reason = (
            f"{body.source_type} needs {required_field}"
            if required_field
            else "it is Train or Import"
        )
        raise call.invalid(required_field or "sourceType", reason)
    return {"modelId": version["id"]}


@emulates(wire.DESCRIBE)
def describe(call: Call, body: wire.ModelId) -> dict[str, Any]:
    """Describe a version."""
    version = store.get_version(call, body.model_id, "modelId")
    ready = store.version_state(call, version) == wire_v1.READY
    row = {
        "modelSetId": version["model"],
        "modelId": version["id"],
        "modelName": version["version"],
        "model": version["base"],
        "status": store.version_state(call, version),
        "sourceInfo": _source_to_wire(version),
        "createTime": timestamps.utc(version["created"]),
        "modifyTime": timestamps.utc(version["created"]),
        "modelApplicationType": "chat",
        "isSupportModelComp": ready and store.read_weights(call, version) is not None,
        "sandbox": store.sandbox_fields(call, version),
    }
    return row | ({"description": version["description"]} if version["description"] else {})


@emulates(wire.DELETE)
def delete(call: Call, body: wire.ModelId) -> bool:
    """Delete a version."""
    version = store.get_version(call, body.model_id, "modelId", is_changed=True)
    store.delete_versions(call, [version], "modelId")
    return True


@emulates(wire.CREATE_CONF)
def create_conf(call: Call, body: wire.CreateConf) -> dict[str, Any]:
    """Store a chat template; the platform takes an upload, here its text is a field (answer not
    documented).
    """
    if not body.custom_spec_file:
        raise call.invalid("customSpecFile", "it must not be empty")
    document = call.world.store.add("custom_conf", random_id("amcc-"), text=body.custom_spec_file)
    return {"customSpecId": document["id"]}


@emulates(wire.SYSTEM_CONF)
def system_conf(call: Call, body: wire.SystemConf) -> dict[str, Any]:
    """Describe how models of a format are served (answer not documented)."""
    call.validate_choice("modelApplicationType", body.model_application_type, APPLICATIONS)
    call.validate_choice("modelFormat", body.model_format, FORMATS)
    return _conf_to_wire(body.model_application_type, body.model_format)


@emulates(wire.CUSTOM_CONF)
def custom_conf(call: Call, body: wire.ModelId) -> dict[str, Any]:
    """Describe how a version is served (answer not documented)."""
    version = store.get_version(call, body.model_id, "modelId")
    return {"modelId": version["id"]} | _conf_to_wire("chat", FORMATS[0])


@emulates(wire.CREATE_EXPORT)
def create_export(call: Call, body: wire.ModelId) -> dict[str, Any]:
    """Export a version to the bucket and to an address that needs no key but cannot be guessed."""
    world = call.world
    version = store.get_version(call, body.model_id, "modelId")
    content = store.read_weights(call, version)
    if content is None or store.version_state(call, version) != wire_v1.READY:
        raise call.invalid("modelId", f"{version['id']} has no weights to export")
    key = f"{EXPORT_FOLDER}/{version['id']}.npz"
    objects.write_object(world.store, world.address.bucket, key, content)
    secret = random_id("", 32)
    world.store.write_file(f"export-{secret}", content)
    export = world.store.add(
        "model_export",
        random_id("ame-"),
        version=version["id"],
        key=key,
        secret=secret,
        size=len(content),
        md5=hashlib.md5(content, usedforsecurity=False).hexdigest(),
        plan=world.lifecycle.plan((wire.DOING, "export"), final=wire.DONE, failed=wire.FAILED),
    )
    return {"exportId": export["id"]}


@emulates(wire.DESCRIBE_EXPORT)
def describe_export(call: Call, body: wire.ModelId) -> dict[str, Any]:
    """Describe a version's newest export."""
    version = store.get_version(call, body.model_id, "modelId")
    rows = [row for row in call.world.store.all("model_export") if row["version"] == version["id"]]
    if not rows:
        return {"hasRecord": False}
    status = call.world.lifecycle.state(rows[-1]["plan"])
    summary = {"exportId": rows[-1]["id"], "hasRecord": True, "status": status}
    return summary | (_download_to_wire(call, rows[-1]) if status == wire.DONE else {})


def _download_to_wire(call: Call, export: Document) -> dict[str, Any]:
    address = call.world.address
    key = export["key"]
    return {
        "fileName": key.rsplit("/", 1)[-1],
        "fileType": "npz",
        "fileSize": export["size"],
        "md5": export["md5"],
        "downloadUrl": f"{address.url}/_exports/{export['secret']}/{export['version']}.npz",
        "sandbox": {"object": f"bos:/{address.bucket}/{key}"},
    }


def _import_file(
    call: Call, model: Document, body: wire.CreateModel, meta: wire.ImportMeta
) -> Document:
    """Add a version from a file that a sandbox has exported."""
    from ..engines.builtin.model import LanguageModel  # noqa: PLC0415 - numpy

    address = f"bos:/{meta.bucket}/{meta.object_path.lstrip('/')}"
    content = objects.read_object(call.world.store, address)
    if content is None:
        raise call.invalid("importMeta.objectPath", f"{address} does not exist")
    try:
        LanguageModel.load(content)
    except SandboxError as error:
        reason = f"{address}: {error}; the sandbox imports its own exports"
        raise call.invalid("importMeta.objectPath", reason) from None
    weights = random_id("import-")
    call.world.store.write_file(f"{weights}.npz", content)
    fields = {"description": body.description or "", "origin": {"bosUri": address}}
    return store.add_version(call, model, wire_v1.IMPORTED, weights, **fields)


def _source_to_wire(version: Document) -> dict[str, Any]:
    """Return where a version comes from; the key of an import's address is not documented."""
    origin = version["origin"]
    names = {"runIdStr": "trainTaskId", "compression": "modelCompTaskId", "bosUri": "bosUri"}
    return {"sourceType": version["source"]} | {
        new: origin[old] for old, new in names.items() if old in origin
    }


def _set_to_wire(call: Call, model: Document) -> dict[str, Any]:
    versions = store.versions_of(call, model)
    return {
        "modelSetId": model["id"],
        "modelSetName": model["name"],
        "source": model["source"],
        "modelType": model["type"],
        "labels": model["labels"],
        "description": model["description"],
        "createTime": timestamps.utc(model["created"]),
        "modifyTime": timestamps.utc(versions[0]["created"] if versions else model["created"]),
        "modelCount": len(versions),
        "modelIds": [row["id"] for row in versions],
        "modelNames": [row["version"] for row in versions],
    }


def _conf_to_wire(application: str, model_format: str) -> dict[str, Any]:
    limits = {"maxInputLength": 4096, "maxOutputLength": 1024}
    names = {"modelApplicationType": application, "modelFormat": model_format}
    return names | {"chatConf": None, "limits": limits}
