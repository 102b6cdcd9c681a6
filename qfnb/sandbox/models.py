"""The model repository, console v1: a finished run becomes a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..wire import model as wire
from ..wire.base import Nothing
from . import presets, repository
from .paging import by_number
from .routing import Call, emulates, refuse_call
from .store import Document

PARAMS = {
    "input": {
        "type": "object",
        "required": ["messages"],
        "properties": {
            "messages": {"type": "array", "items": {"type": "object", "required": ["role", "content"]}},
            "temperature": {"type": "number"},
            "stream": {"type": "boolean"},
        },
    },
    "output": {"type": "object", "properties": {"result": {"type": "string"}}},
}

_ORDERS: dict[str, Callable[[Document], Any]] = {
    "modelName": lambda row: row["name"],
    "createTime": lambda row: row["number"],
    "modifyTime": lambda row: row["number"],
}


@emulates(wire.PUBLISH)
def publish(call: Call, body: wire.PublishModel) -> dict[str, Any]:
    """Publish a run that is done (or stopped, with what it had learned)."""
    origin = body.version_meta
    task = repository.finished(call, origin.iteration_id, "versionMeta.iterationId", origin.step)
    job = call.world.store.get("job", origin.task_id)
    if job is None or task["job"] != job["id"]:
        raise refuse_call(
            call, f"param[versionMeta.taskId] invalid: run {task['id']} is not of {origin.task_id}"
        )
    model = _target(call, body, task)
    version = repository.from_run(call, model, task, step=origin.step, description=origin.description or "")
    return {
        "modelId": model["number"],
        "modelIDStr": model["id"],
        "version": version["version"],
        "versionId": version["number"],
        "versionIdStr": version["id"],
    }


@emulates(wire.LIST)
def list_versions(call: Call, body: wire.ModelRef) -> dict[str, Any]:
    """Describe a model with its versions, the newest first."""
    model = repository.model_of(call, body.model_id, "modelId")
    versions = repository.versions_of(call, model)
    return _model_row(model, versions) | {
        "modelVersionList": [_version_row(call, model, version) for version in versions]
    }


@emulates(wire.DETAIL)
def detail(call: Call, body: wire.VersionRef) -> dict[str, Any]:
    """Describe one version."""
    version = repository.version_of(call, body.model_version_id, "modelVersionId")
    model = repository.model_of(call, version["model"], "modelId")
    return _version_row(call, model, version) | {"params": PARAMS, "sandbox": repository.told(call, version)}


@emulates(wire.PRESET_LIST)
def preset_list(call: Call, body: wire.ListPresets) -> dict[str, Any]:
    """List the platform's models, in the shape of one's own (its own is not evidenced).

    Vendor, language and expansion filter nothing: the catalogue does not know them.
    """
    rows = [row for row in presets.models() if _matches(row, body.name_filter, body.model_type)]
    if body.ctx_length:
        rows = [row for row in rows if any(row["name"].lower().endswith(x.lower()) for x in body.ctx_length)]
    return _page(call, _ordered(call, rows, body.order_by, "asc"), body.page_no, body.page_size)


@emulates(wire.USER_LIST)
def user_list(call: Call, body: wire.ListModels) -> dict[str, Any]:
    """List one's own models, the newest first unless another order is asked for."""
    rows = [row for row in call.world.store.all("model") if _matches(row, body.name_filter, body.model_type)]
    rows = _ordered(call, rows, body.order_by or "createTime", body.order or "desc")
    return _page(call, rows, body.page_no, body.page_size)


@emulates(wire.DELETE)
def delete_models(call: Call, body: wire.DeleteModels) -> bool:
    """Delete models with their versions: all of those named, or none."""
    known = [repository.model_of(call, key, "modelIDs") for key in body.model_ids]
    models = {row["id"]: repository.own(call, row, "modelIDs") for row in known}
    versions = [row for row in call.world.store.all("version") if row["model"] in models]
    repository.delete(call, versions, "modelIDs")
    for id_ in models:
        call.world.store.remove("model", id_)
    return True


@emulates(wire.DELETE_VERSIONS)
def delete_versions(call: Call, body: wire.DeleteVersions) -> bool:
    """Delete versions: all of those named, or none."""
    name = "modelVersionIds"
    known = [repository.version_of(call, key, name) for key in body.model_version_ids]
    versions = {row["id"]: repository.own(call, row, name) for row in known}
    repository.delete(call, [*versions.values()], name)
    return True


@emulates(wire.EVALUABLE)
def evaluable(call: Call, body: Nothing) -> list[dict[str, Any]]:
    """List the models that can be evaluated: text models that have a version that is ready."""
    found = []
    for model in [*reversed(call.world.store.all("model")), *presets.models()]:
        rows = [row for row in repository.versions_of(call, model) if _ready(call, row)]
        if rows and model["type"] == "Text2Text":
            listed = [_version_row(call, model, row) for row in rows]
            found.append(_model_row(model, rows) | {"modelVersionList": listed})
    return found


def _ready(call: Call, version: Document) -> bool:
    return repository.state(call, version) == wire.READY


def _target(call: Call, body: wire.PublishModel, task: Document) -> Document:
    """Return the model that a version is put into: a new one, or the one that is named."""
    if body.is_new_model and body.model_id is None:
        return repository.add_model(call, body.model_name or f"m_{task['id']}", tags=body.tags)
    if body.model_id is None:
        raise refuse_call(call, "param[modelId] invalid: it is missing, and isNewModel is false")
    return repository.own(call, repository.model_of(call, body.model_id, "modelId"), "modelId")


def _matches(model: Document, name: str | None, kinds: list[int] | None) -> bool:
    named = not name or name.lower() in model["name"].lower()
    return named and (not kinds or repository.number_of(model) in kinds)


def _ordered(call: Call, rows: list[Document], by: str | None, order: str) -> list[Document]:
    if by is not None and by not in _ORDERS:
        raise refuse_call(call, f"param[orderBy] invalid: {by!r}; it is one of {', '.join(_ORDERS)}")
    if order not in {"asc", "desc"}:
        raise refuse_call(call, f"param[order] invalid: {order!r}; it is asc or desc")
    return sorted(rows, key=_ORDERS[by], reverse=order == "desc") if by else rows


def _page(call: Call, rows: list[Document], page: int, size: int) -> dict[str, Any]:
    return {
        "total": len(rows),
        "items": [_listed(call, row) for row in by_number(call, rows, page, size)],
    }


def _listed(call: Call, model: Document) -> dict[str, Any]:
    versions = repository.versions_of(call, model)
    latest = _version_row(call, model, versions[0]) if versions else None
    kept = ("state", "version", "sourceType", "sourceExtra")
    return {
        "modelId": model["number"],
        "modelIdStr": model["id"],
        "modelName": model["name"],
        "modelType": repository.number_of(model),
        "tags": model["tags"],
        "createTime": repository.date(model["created"]),
        "versionCount": len(versions),
        "trainType": latest["trainType"] if latest else "",
        "latestVersionInfo": latest
        and {key: latest[key] for key in kept}
        | {"versionId": latest["modelVersionId"], "versionIdStr": latest["modelVersionIdStr"]},
    }


def _model_row(model: Document, versions: list[Document]) -> dict[str, Any]:
    return {
        "modelId": model["number"],
        "modelIdStr": model["id"],
        "modelName": model["name"],
        "source": model["source"],
        "modelType": repository.number_of(model),
        "createUserId": 1,
        "createUser": "sandbox",
        "createTime": repository.date(model["created"]),
        "modifyTime": repository.date(versions[0]["created"] if versions else model["created"]),
        "description": model["description"],
        "trainType": versions[0]["base"] if versions else "",
    }


def _version_row(call: Call, model: Document, version: Document) -> dict[str, Any]:
    extra = {"sourceType": version["source"]}
    if version["source"] == wire.TRAINED:
        extra["trainSourceExtra"] = version["origin"]
    ready = repository.state(call, version) == wire.READY and version["source"] != wire.PRESET
    return {
        "modelId": model["number"],
        "modelIdStr": model["id"],
        "modelName": model["name"],
        "modelVersionId": version["number"],
        "modelVersionIdStr": version["id"],
        "version": version["version"],
        "description": version["description"],
        "sourceType": version["source"],
        "sourceExtra": extra if version["source"] != wire.PRESET else {},
        "framework": "numpy",
        "algorithm": "qfnb-local",
        "modelNet": "numpy-qfnb-local",
        "state": repository.state(call, version),
        "ioMode": "chat",
        "ioLength": "",
        "copyright": "",
        "property": {},
        "createTime": repository.date(version["created"]),
        "modifyTime": repository.date(version["created"]),
        "deployResource": ["Private"],
        "supportOptions": ["Deploy", "Evaluation"] if ready else [],
        "trainType": version["base"],
    }
