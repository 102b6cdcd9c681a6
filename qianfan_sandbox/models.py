"""The model repository in both versions of the interface: models, versions, exports and
compressions.

A preset model is a row of the catalogue with one version; its ids and numbers are computed from its
name.
"""

import functools
import hashlib
from collections.abc import Sequence
from operator import itemgetter
from typing import Any

from qfnb.base.language import tr, tr_noop
from qfnb.wire import catalog, model as wire
from qfnb.wire.base import EmptyBody, Id, JsonObject, PageRequest, Record
from qfnb.wire.endpoints import AnyEndpoint

from . import storage
from .engines.builtin.engine import is_model
from .engines.protocol import BUILT_IN
from .finetune.runs import describe_checkpoints, find_weights, run_number
from .finetune.worker import DONE, STOPPED, weights_names
from .http.call import (
    Call,
    beijing,
    emulates,
    fields_of,
    handles,
    page_by_marker,
    page_by_number,
    utc,
)
from .state.store import Document, random_id

TEXT = "Text2Text"
PRESET_TYPES = {
    "chat": TEXT, "completion": TEXT, "text2image": "Text2Image",
    "embedding": "TextRepresentation", "image2text": "ImageUnderstanding",
}  # fmt: skip
"""The catalogue's kinds of models, and the repository's types of models."""

# the creation date of presets, 2023-01-01; the real dates are not published
PRESETS_CREATED_AT = 1_672_531_200.0
_FIRST_PRESET_NUMBER = 10**9


@functools.cache
def preset_models() -> list[Document]:
    """Return the preset models in the catalogue's order."""
    models: dict[str, Document] = {}
    for row in catalog.load_models():
        if row.kind in PRESET_TYPES and row.name not in models:
            model = _preset_fields("am-", row.name)
            model |= {"name": row.name, "type": PRESET_TYPES[row.kind], "labels": [], "tags": None}
            models[row.name] = model
    return [*models.values()]


def preset_version(model: Document) -> Document:
    """Return the one version of a preset model."""
    return {
        **_preset_fields("amv-", model["name"]),
        "model": model["id"],
        "version": model["name"],
        "origin": {},
        "base": model["name"],
        "plan": [[wire.READY, None]],
    }


def _preset_fields(prefix: str, name: str) -> Document:
    """Return what presets have in common, and a constant id and number for a name; the number is
    above those of the user's objects.
    """
    digest = hashlib.sha256(f"{prefix}{name}".encode()).hexdigest()
    return {
        "id": prefix + digest[:12],
        "number": _FIRST_PRESET_NUMBER + int(digest[:7], 16),
        "source": wire.PRESET,
        "description": "",
        "created": PRESETS_CREATED_AT,
    }


@functools.cache
def _preset_index() -> dict[tuple[str, str], Document]:
    index: dict[tuple[str, str], Document] = {}
    for model in preset_models():
        for kind, row in (("model", model), ("version", preset_version(model))):
            index[kind, row["id"]] = row
            index[kind, str(row["number"])] = row
    return index


TYPE_NUMBERS = {
    TEXT: 0, "Text2Image": 1, "TextRepresentation": 3, "ImageUnderstanding": 5,
    "Industry": 6,
}  # fmt: skip
"""v1's numbers of the types of models."""


def get_model(call: Call, key: Id, field: str) -> Document:
    """Return a model of the user or a preset one.

    Args:
        call: the call.
        key: its id or number.
        field: the request's field that names it.
    """
    return _preset_index().get(("model", str(key))) or call.find("model", key, field)


def get_version(call: Call, key: Id, field: str) -> Document:
    """Return a version of the user or a preset one, with the same arguments."""
    return _preset_index().get(("version", str(key))) or call.find("version", key, field)


def get_own(call: Call, kind: str, key: Id, field: str) -> Document:
    """Return a model or a version of the user, with the same arguments; preset ones are refused."""
    if preset := _preset_index().get((kind, str(key))):
        raise call.invalid(field, f"{preset['id']} belongs to the platform")
    return call.find(kind, key, field)


def versions_of(call: Call, model: Document) -> list[Document]:
    """Return the versions of a model, the newest first, without those that a compression is still
    working on.
    """
    if model["source"] == wire.PRESET:
        return [preset_version(model)]
    versions = []
    for version in reversed(call.store.all("version", model=model["id"])):
        if version["source"] != wire.COMPRESSED or version_state(call, version) == wire.READY:
            versions.append(version)
    return versions


def version_state(call: Call, version: Document) -> str:
    """Return Creating, Ready or Fail."""
    return str(call.lifecycle.state(version["plan"]))


def read_weights(call: Call, version: Document) -> bytes | None:
    """Return the bytes of a version's weights, None if it has none."""
    return call.store.read_file(f"{version.get('task')}.npz")


def type_number(model: Document) -> int:
    """Return v1's number of a model's type; a preset embedding model and a user's have different
    numbers.
    """
    if model["source"] == wire.PRESET and model["type"] == "TextRepresentation":
        return 4
    return TYPE_NUMBERS[model["type"]]


def add_model(
    call: Call, name: str, model_type: str = TEXT, *, tags: list[str] | None = None
) -> Document:
    """Add a model without versions."""
    return call.store.add(
        "model",
        random_id("am-"),
        name=name,
        type=model_type,
        source=wire.USER,
        description="",
        labels=tags or [],
        tags=tags,
    )


def add_version(call: Call, model: Document, source: str, task: str, **fields: Any) -> Document:
    """Add a version to a model."""
    number = 1
    for row in call.store.all("version", model=model["id"]):
        number = max(number, int(row["version"]) + 1)
    ready = call.lifecycle.plan((wire.CREATING, "publish"), final=wire.READY)
    defaults: Document = {"description": "", "step": None, "base": "", "origin": {}, "plan": ready}
    return call.store.add(
        "version",
        random_id("amv-"),
        model=model["id"],
        source=source,
        task=task,
        version=str(number),
        **(defaults | fields),
    )


def publish_run(
    call: Call, model: Document, task: Document, step: int | None, description: str
) -> Document:
    """Add a finished or stopped run to a model as a version, with the step of its checkpoint."""
    job = call.store.get("job", task["job"]) or {}
    origin = {
        **fields_of(task, taskIdStr="job", runId="number", runIdStr="id"),
        "taskId": job.get("number"),
        "taskName": job.get("name", ""),
        "iterationVersion": run_number(call, task),
    }
    return add_version(
        call,
        model,
        wire.TRAINED,
        find_weights(call, task, step) or task["id"],
        step=step,
        description=description,
        base=job.get("model", ""),
        origin=origin,
    )


def get_finished_run(call: Call, key: Id, field: str, step: int | None) -> Document:
    """Return a run that can be published."""
    task = call.store.get("task", key) or {"id": "", "status": ""}
    has_weights = call.store.read_file(f"{task['id']}.npz") is not None
    if task["status"] not in {DONE, STOPPED} or not has_weights:
        raise call.invalid(field, f"run {key} has no finished model to publish")
    if find_weights(call, task, step) is None:
        steps = describe_checkpoints(call, task)
        raise call.invalid("step", f"{step}; run {key} kept the checkpoints {steps}")
    return task


def delete_versions(call: Call, versions: Sequence[Document], field: str) -> None:
    """Delete versions, and the files of weights that nothing else uses.

    Raises:
        Refusal: a service runs one of them; then none is deleted.
    """
    store = call.store
    served = {row["version"]: row["id"] for row in store.all("service")}
    for version in versions:
        if version["id"] in served:
            raise call.invalid(field, f"{version['id']} runs in service {served[version['id']]}")
    for version in versions:
        store.remove("version", version["id"])
    used_files = {row["task"] for row in store.all("version")}
    for task in store.all("task"):
        used_files.update(weights_names(task))
    for version in versions:
        if version["task"] not in used_files:
            store.remove_file(f"{version['task']}.npz")


def delete_models(call: Call, models: Sequence[Document], field: str) -> None:
    """Delete models with their versions.

    Raises:
        Refusal: a service runs one of the versions; then nothing is deleted.
    """
    versions = []
    for model in models:
        versions += call.store.all("version", model=model["id"])
    delete_versions(call, versions, field)
    for model in models:
        call.store.remove("model", model["id"])


def sandbox_fields(call: Call, version: Document) -> JsonObject:
    """Return the fields that only the sandbox has."""
    fields: JsonObject = {"engine": BUILT_IN}
    if version.get("step") is not None:
        fields["step"] = version["step"]
    return fields


_SORT_KEYS = {"createTime": "number", "modifyTime": "number", "modelName": "name"}


@emulates(wire.PUBLISH)
def publish(call: Call, body: wire.PublishModel) -> JsonObject:
    """Publish a finished or stopped run."""
    origin = body.version_meta
    task = get_finished_run(call, origin.iteration_id, "versionMeta.iterationId", origin.step)
    job = call.store.get("job", origin.task_id)
    if job is None or task["job"] != job["id"]:
        raise call.invalid("versionMeta.taskId", f"run {task['id']} is not of {origin.task_id}")
    model = _target_model(call, body, task)
    version = publish_run(call, model, task, origin.step, origin.description or "")
    return {
        **fields_of(model, modelId="number", modelIDStr="id"),
        **fields_of(version, "version", versionId="number", versionIdStr="id"),
    }


@emulates(wire.LIST)
def list_versions(call: Call, body: wire.ModelRef) -> JsonObject:
    """Describe a model with its versions, the newest first."""
    model = get_model(call, body.model_id, "modelId")
    return _with_versions(call, model, versions_of(call, model))


def _with_versions(call: Call, model: Document, versions: list[Document]) -> JsonObject:
    rows = [_version_to_wire(call, model, version) for version in versions]
    return _model_to_wire(model, versions) | {"modelVersionList": rows}


@emulates(wire.DETAIL)
def describe_version(call: Call, body: wire.VersionRef) -> JsonObject:
    """Describe one version."""
    version = get_version(call, body.model_version_id, "modelVersionId")
    model = get_model(call, version["model"], "modelId")
    return _version_to_wire(call, model, version) | {"sandbox": sandbox_fields(call, version)}


@emulates(wire.PRESET_LIST)
def preset_list(call: Call, body: wire.ListPresets) -> JsonObject:
    """List the platform's models, in the shape of the user's (the platform's own shape is not
    documented).

    Vendor, language, expansion and length do not filter: the catalogue does not have them.
    """
    return _page_to_wire(call, preset_models(), body)


@emulates(wire.USER_LIST)
def user_list(call: Call, body: wire.ListModels) -> JsonObject:
    """List the user's models, the newest first by default."""
    order_by = body.order_by or "createTime"
    call.validate_choice("order", body.order or "desc", ("asc", "desc"))
    call.validate_choice("orderBy", order_by, _SORT_KEYS)
    rows = call.store.all("model")
    rows.sort(key=itemgetter(_SORT_KEYS[order_by]))
    if body.order != "asc":
        rows.reverse()
    return _page_to_wire(call, rows, body)


def _deletes(endpoint: AnyEndpoint, kind: str, field: str) -> None:
    """Register a handler that deletes models or versions, all of those in a field or none."""

    def delete(call: Call, body: Record) -> bool:
        keys = body.to_wire()[field]
        documents = []
        for key in keys if isinstance(keys, list) else [keys]:
            documents.append(get_own(call, kind, key, field))
        if kind == "model":
            delete_models(call, documents, field)
        else:
            delete_versions(call, documents, field)
        return True

    emulates(endpoint)(delete)


_deletes(wire.DELETE, "model", "modelIDs")
_deletes(wire.DELETE_VERSIONS, "version", "modelVersionIds")
_deletes(wire.DELETE_SET, "model", "modelSetId")
_deletes(wire.DELETE_V2, "version", "modelId")


@emulates(wire.EVALUABLE)
def evaluable(call: Call, body: EmptyBody) -> list[JsonObject]:
    """List the models that can be evaluated: text models with a version that is ready."""
    result = []
    for model in [*reversed(call.store.all("model", type=TEXT)), *preset_models()]:
        ready = []
        for version in versions_of(call, model):
            if version_state(call, version) == wire.READY:
                ready.append(version)
        if ready and model["type"] == TEXT:
            result.append(_with_versions(call, model, ready))
    return result


def _target_model(call: Call, body: wire.PublishModel, task: Document) -> Document:
    """Return the model that a version is added to: a new one, or the one with the given id."""
    if body.model_id is not None:
        return get_own(call, "model", body.model_id, "modelId")
    if not body.is_new_model:
        raise call.invalid("modelId", "it is missing, and isNewModel is false")
    return add_model(call, body.model_name or f"m_{task['id']}", tags=body.tags)


def _page_to_wire(
    call: Call, rows: Sequence[Document], body: wire.ListModels | wire.ListPresets
) -> JsonObject:
    """Return a page of the models that pass the filters of a request."""
    name = (body.name_filter or "").lower()
    matches = []
    for row in rows:
        is_type = not body.model_type or type_number(row) in body.model_type
        if is_type and name in row["name"].lower():
            matches.append(row)
    page = page_by_number(call, matches, body.page_no, body.page_size)
    return {"total": len(matches), "items": [_summary_to_wire(call, row) for row in page]}


def _summary_to_wire(call: Call, model: Document) -> JsonObject:
    versions = versions_of(call, model)
    row = _model_to_wire(model, versions)
    row["tags"] = model["tags"]
    row["versionCount"] = len(versions)
    row["latestVersionInfo"] = None
    if versions:
        row["latestVersionInfo"] = fields_of(
            _version_to_wire(call, model, versions[0]),
            "state", "version", "sourceType", "sourceExtra",
            versionId="modelVersionId", versionIdStr="modelVersionIdStr",
        )  # fmt: skip
    return row


_NAMES = {"modelId": "number", "modelIdStr": "id", "modelName": "name"}


def _model_to_wire(model: Document, versions: list[Document]) -> JsonObject:
    latest = {"base": "", "created": model["created"]}
    if versions:
        latest = versions[0]
    return {
        **fields_of(model, "source", "description", **_NAMES),
        "modelType": type_number(model),
        "createTime": beijing(model["created"]),
        "modifyTime": beijing(latest["created"]),
        "trainType": latest["base"],
    }


def _version_to_wire(call: Call, model: Document, version: Document) -> JsonObject:
    extra: JsonObject = {}
    options = []
    state = version_state(call, version)
    if version["source"] != wire.PRESET:
        extra["sourceType"] = version["source"]
        if state == wire.READY:
            options = ["Deploy", "Evaluation"]
    if version["source"] == wire.TRAINED:
        extra["trainSourceExtra"] = version["origin"]
    return {
        **fields_of(model, **_NAMES),
        **fields_of(version, "version", "description", modelVersionId="number"),
        **fields_of(version, modelVersionIdStr="id", sourceType="source", trainType="base"),
        "sourceExtra": extra,
        "framework": "numpy",
        "state": state,
        "createTime": beijing(version["created"]),
        "modifyTime": beijing(version["created"]),
        "supportOptions": options,
    }


FORMATS = ("HuggingFace.Transformers", "Safetensors")
EXPORT_FOLDER = "qfnb/exports"
"""The folder of exports in the bucket."""


@emulates(wire.CREATE_SET)
def create_set(call: Call, body: wire.CreateModelSet) -> JsonObject:
    """Create a set."""
    call.validate_choice("modelType", body.model_type, wire.TYPES)
    model = add_model(call, body.model_set_name, body.model_type, tags=body.labels)
    return {"modelSetId": model["id"]}


@emulates(wire.SYSTEM_SETS)
def system_sets(call: Call, body: PageRequest) -> JsonObject:
    """List the platform's sets."""
    return page_by_marker(call, preset_models(), body, _set_to_wire, "systemModelSetList")


@emulates(wire.CUSTOM_SETS)
def custom_sets(call: Call, body: PageRequest) -> JsonObject:
    """List the user's sets, the newest first."""
    sets = call.store.all("model")[::-1]
    return page_by_marker(call, sets, body, _set_to_wire, "customModelSetList")


@emulates(wire.DESCRIBE_SET)
def describe_set(call: Call, body: wire.ModelSetRef) -> JsonObject:
    """Describe a set by its id, or the newest set with a name."""
    if body.model_set_id is not None:
        return _set_to_wire(call, get_model(call, body.model_set_id, "modelSetId"))
    for model in reversed([*preset_models(), *call.store.all("model")]):
        if model["name"] == body.model_set_name:
            return _set_to_wire(call, model)
    raise call.invalid("modelSetName", f"{body.model_set_name} does not exist")


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateModel) -> JsonObject:
    """Add a version to a set."""
    model = get_own(call, "model", body.model_set_id, "modelSetId")
    call.validate_choice("sourceType", body.source_type, (wire.TRAINED, wire.IMPORTED))
    if body.source_type == wire.IMPORTED:
        if body.import_meta is None:
            raise call.invalid("importMeta", f"{wire.IMPORTED} needs it")
        version = _import_file(call, model, body, body.import_meta)
    elif (meta := body.train_meta) is None:
        raise call.invalid("trainMeta", f"{wire.TRAINED} needs it")
    else:
        step = meta.step if meta.checkpoint_step is None else meta.checkpoint_step
        task = get_finished_run(call, meta.task_id, "trainMeta.taskId", step)
        version = publish_run(call, model, task, step, body.description or "")
    return {"modelId": version["id"]}


@emulates(wire.DESCRIBE)
def describe(call: Call, body: wire.ModelRef) -> JsonObject:
    """Describe a version."""
    version = get_version(call, body.model_id, "modelId")
    state = version_state(call, version)
    row = {
        **fields_of(version, modelSetId="model", modelId="id", modelName="version", model="base"),
        "status": state,
        "sourceInfo": _source_to_wire(version),
        "createTime": utc(version["created"]),
        "modifyTime": utc(version["created"]),
        "modelApplicationType": "chat",
        "isSupportModelComp": state == wire.READY and read_weights(call, version) is not None,
        "sandbox": sandbox_fields(call, version),
    }
    if version["description"]:
        row["description"] = version["description"]
    return row


@emulates(wire.CREATE_CONF)
def create_conf(call: Call, body: wire.CreateConf) -> JsonObject:
    """Store a chat template; the platform takes an upload, here its text is a field (answer not
    documented).
    """
    document = call.store.add("custom_conf", random_id("amcc-"), text=body.custom_spec_file)
    return {"customSpecId": document["id"]}


@emulates(wire.SYSTEM_CONF)
def system_conf(call: Call, body: wire.SystemConf) -> JsonObject:
    """Describe how models of a format are served (answer not documented)."""
    call.validate_choice("modelFormat", body.model_format, FORMATS)
    return _conf_to_wire(body.model_application_type, body.model_format)


@emulates(wire.CUSTOM_CONF)
def custom_conf(call: Call, body: wire.ModelRef) -> JsonObject:
    """Describe how a version is served (answer not documented)."""
    version = get_version(call, body.model_id, "modelId")
    return {"modelId": version["id"]} | _conf_to_wire("chat", FORMATS[0])


@emulates(wire.CREATE_EXPORT)
def create_export(call: Call, body: wire.ModelRef) -> JsonObject:
    """Export a version to the bucket and to an address that needs no key but cannot be guessed."""
    world = call.world
    version = get_version(call, body.model_id, "modelId")
    content = _ready_weights(call, version, "modelId", "export")
    key = f"{EXPORT_FOLDER}/{version['id']}.npz"
    storage.write_object(world.store, world.address.bucket, key, content)
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


def _ready_weights(call: Call, version: Document, field: str, purpose: str) -> bytes:
    content = read_weights(call, version)
    if content is None or version_state(call, version) != wire.READY:
        raise call.invalid(field, f"{version['id']} has no weights to {purpose}")
    return content


@emulates(wire.DESCRIBE_EXPORT)
def describe_export(call: Call, body: wire.ModelRef) -> JsonObject:
    """Describe a version's newest export."""
    version = get_version(call, body.model_id, "modelId")
    exports = call.store.all("model_export", version=version["id"])
    if not exports:
        return {"hasRecord": False}
    export = exports[-1]
    status = call.lifecycle.state(export["plan"])
    summary = {"exportId": export["id"], "hasRecord": True, "status": status}
    if status != wire.DONE:
        return summary
    address = call.world.address
    return {
        **summary,
        **fields_of(export, "md5", fileSize="size"),
        "fileName": f"{version['id']}.npz",
        "fileType": "npz",
        "downloadUrl": f"{address.url}/_exports/{export['secret']}/{version['id']}.npz",
        "sandbox": {"object": f"bos:/{address.bucket}/{export['key']}"},
    }


def _import_file(
    call: Call, model: Document, body: wire.CreateModel, meta: wire.ImportMeta
) -> Document:
    """Add a version from a file that a sandbox has exported."""
    address = f"bos:/{meta.bucket}/{meta.object_path.lstrip('/')}"
    content = storage.read_object(call.store, address)
    if content is None:
        raise call.invalid("importMeta.objectPath", f"{address} does not exist")
    if not is_model(content):
        reason = f"{address} is no model; the sandbox imports its own exports"
        raise call.invalid("importMeta.objectPath", reason)
    weights = random_id("import-")
    call.store.write_file(f"{weights}.npz", content)
    fields = {"description": body.description or "", "origin": {"bosUri": address}}
    return add_version(call, model, wire.IMPORTED, weights, **fields)


def _source_to_wire(version: Document) -> JsonObject:
    """Return where a version comes from; the key of an import's address is not documented."""
    origin = version["origin"]
    info = {"sourceType": version["source"]}
    for key, name in _ORIGINS.items():
        if key in origin:
            info[name] = origin[key]
    return info


_ORIGINS = {"runIdStr": "trainTaskId", "compression": "modelCompTaskId", "bosUri": "bosUri"}


def _set_to_wire(call: Call, model: Document) -> JsonObject:
    versions = versions_of(call, model)
    return {
        **fields_of(model, "source", "labels", "description"),
        **fields_of(model, modelSetId="id", modelSetName="name", modelType="type"),
        "createTime": utc(model["created"]),
        "modifyTime": utc(versions[0]["created"] if versions else model["created"]),
        "modelCount": len(versions),
        "modelIds": [row["id"] for row in versions],
        "modelNames": [row["version"] for row in versions],
    }


def _conf_to_wire(application: str, model_format: str) -> JsonObject:
    limits = {"maxInputLength": 4096, "maxOutputLength": 1024}
    names = {"modelApplicationType": application, "modelFormat": model_format}
    return names | {"chatConf": None, "limits": limits}


_COMPRESSING = (wire.COMPRESSION_CREATING, wire.COMPRESSION_RUNNING)
FAILED_REASON = tr_noop("the weights of this version cannot be compressed")


@emulates(wire.CREATE_COMPRESSION)
def create_compression(call: Call, body: wire.CreateCompression) -> str:
    """Begin to compress a version into a new one of a set; return the task's id."""
    source = get_version(call, body.source_model_id, "sourceModelId")
    target = get_own(call, "model", body.model_set_id, "modelSetId")
    content = _ready_weights(call, source, "sourceModelId", "compress")
    config = body.config
    call.validate_choice("config.strategy", config.strategy, wire.COMPRESSION_STRATEGIES)
    task_id = random_id("amva-")
    call.store.write_file(f"{task_id}.npz", content)
    plan = call.lifecycle.plan
    creating = plan((wire.CREATING, "queue"), (wire.CREATING, "compress"), final=wire.READY)
    version = add_version(
        call,
        target,
        wire.COMPRESSED,
        task_id,
        base=source["base"],
        origin={"compression": task_id},
        plan=creating,
    )
    stages = zip(_COMPRESSING, ("queue", "compress"), strict=True)
    call.store.add(
        "compression",
        task_id,
        name=body.name,
        description=body.description or "",
        source=source["id"],
        version=version["id"],
        config=config.to_wire(),
        plan=plan(*stages, final=wire.COMPRESSION_SUCCEEDED),
    )
    return task_id


@emulates(wire.LIST_COMPRESSIONS)
def list_compressions(call: Call, body: wire.ListCompressions) -> JsonObject:
    """List the compressions, the newest first."""
    filters = {}
    if body.source_model_id is not None:
        filters["source"] = get_version(call, body.source_model_id, "sourceModelId")["id"]
    rows = call.store.all("compression", **filters)[::-1]
    return page_by_marker(call, rows, body, _compression_to_wire, "modelCompTaskList")


def cancel(call: Call, compression: Document) -> bool:
    """Stop a compression and delete its version."""
    if _current_status(call, compression) not in _COMPRESSING:
        return False
    plan = call.lifecycle.plan((wire.COMPRESSION_STOPPING, "stop"), final=wire.COMPRESSION_STOPPED)
    call.store.update(compression["id"], plan=plan, version=None)
    version = call.find("version", compression["version"], "modelCompTaskId")
    delete_versions(call, [version], "modelCompTaskId")
    return True


handles(wire.CANCEL_COMPRESSION, "compression", "modelCompTaskId", cancel)


def delete_compression(call: Call, compression: Document) -> bool:
    """Delete a compression that is over; the version that it made stays."""
    status = _current_status(call, compression)
    if status in {*_COMPRESSING, wire.COMPRESSION_STOPPING}:
        raise call.invalid("modelCompTaskId", f"{compression['id']} is {status}")
    call.store.remove("compression", compression["id"])
    return True


handles(wire.DELETE_COMPRESSION, "compression", "modelCompTaskId", delete_compression)


def _current_status(call: Call, compression: Document) -> str:
    return str(call.lifecycle.state(compression["plan"]))


def _compression_to_wire(call: Call, compression: Document) -> JsonObject:
    status = _current_status(call, compression)
    row = {
        **fields_of(compression, "id", "name", "description", "config", sourceModelId="source"),
        "status": status,
        "createTime": utc(compression["created"]),
        "sandbox": {"weights": "copied, not compressed"},
    }
    if status == wire.COMPRESSION_SUCCEEDED:
        row["modelId"] = compression["version"]
    if status == wire.COMPRESSION_FAILED:
        row["failedReason"] = tr(FAILED_REASON)
    finished_at = call.lifecycle.final_since(compression["plan"])
    if finished_at:
        row["finishTime"] = utc(finished_at)
    return row


handles(wire.DESCRIBE_COMPRESSION, "compression", "modelCompTaskId", _compression_to_wire)
