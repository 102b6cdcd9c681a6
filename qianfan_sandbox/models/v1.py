"""The model repository, v1: models with numbers, versions published from finished runs."""

from collections.abc import Callable
from typing import Any

from qfnb.wire import model_v1 as wire
from qfnb.wire.base import EmptyBody

from ..http import timestamps
from ..http.call import Call, emulates
from ..http.paging import page_by_number
from ..state.store import Document
from . import store

_SORT_KEYS: dict[str, Callable[[Document], Any]] = {
    "modelName": lambda row: row["name"],
    "createTime": lambda row: row["number"],
    "modifyTime": lambda row: row["number"],
}


@emulates(wire.PUBLISH)
def publish(call: Call, body: wire.PublishModel) -> dict[str, Any]:
    """Publish a finished or stopped run."""
    origin = body.version_meta
    task = store.get_finished_run(call, origin.iteration_id, "versionMeta.iterationId", origin.step)
    job = call.world.store.get("job", origin.task_id)
    if job is None or task["job"] != job["id"]:
        raise call.invalid("versionMeta.taskId", f"run {task['id']} is not of {origin.task_id}")
    model = _target_model(call, body, task)
    version = store.publish_run(call, model, task, origin.step, origin.description or "")
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
    model = store.get_model(call, body.model_id, "modelId")
    versions = store.versions_of(call, model)
    return _model_to_wire(model, versions) | {
        "modelVersionList": [_version_to_wire(call, model, version) for version in versions]
    }


@emulates(wire.DETAIL)
def describe_version(call: Call, body: wire.VersionRef) -> dict[str, Any]:
    """Describe one version."""
    version = store.get_version(call, body.model_version_id, "modelVersionId")
    model = store.get_model(call, version["model"], "modelId")
    return _version_to_wire(call, model, version) | {"sandbox": store.sandbox_fields(call, version)}


@emulates(wire.PRESET_LIST)
def preset_list(call: Call, body: wire.ListPresets) -> dict[str, Any]:
    """List the platform's models, in the shape of the user's (the platform's own shape is not
    documented).

    Vendor, language and expansion do not filter: the catalogue does not have them.
    """
    rows = [
        row
        for row in store.preset_models()
        if _matches_filter(row, body.name_filter, body.model_type)
    ]
    if body.ctx_length:
        rows = [
            row
            for row in rows
            if any(row["name"].lower().endswith(x.lower()) for x in body.ctx_length)
        ]
    return _page_to_wire(
        call, _sort_models(call, rows, body.order_by, "asc"), body.page_no, body.page_size
    )


@emulates(wire.USER_LIST)
def user_list(call: Call, body: wire.ListModels) -> dict[str, Any]:
    """List the user's models, the newest first by default."""
    rows = [
        row
        for row in call.world.store.all("model")
        if _matches_filter(row, body.name_filter, body.model_type)
    ]
    rows = _sort_models(call, rows, body.order_by or "createTime", body.order or "desc")
    return _page_to_wire(call, rows, body.page_no, body.page_size)


@emulates(wire.DELETE)
def delete_models(call: Call, body: wire.DeleteModels) -> bool:
    """Delete models with their versions, all of them or none."""
    field = "modelIDs"
    models = [store.get_model(call, key, field, is_changed=True) for key in body.model_ids]
    store.delete_models(call, models, field)
    return True


@emulates(wire.DELETE_VERSIONS)
def delete_versions(call: Call, body: wire.DeleteVersions) -> bool:
    """Delete versions, all of them or none."""
    field = "modelVersionIds"
    versions = [
        store.get_version(call, key, field, is_changed=True) for key in body.model_version_ids
    ]
    store.delete_versions(call, versions, field)
    return True


@emulates(wire.EVALUABLE)
def evaluable(call: Call, body: EmptyBody) -> list[dict[str, Any]]:
    """List the models that can be evaluated: text models with a version that is ready."""
    result = []
    for model in [*reversed(call.world.store.all("model")), *store.preset_models()]:
        rows = [
            row
            for row in store.versions_of(call, model)
            if store.version_state(call, row) == wire.READY
        ]
        if rows and model["type"] == "Text2Text":
            version_rows = [_version_to_wire(call, model, row) for row in rows]
            result.append(_model_to_wire(model, rows) | {"modelVersionList": version_rows})
    return result


def _target_model(call: Call, body: wire.PublishModel, task: Document) -> Document:
    """Return the model that a version is added to: a new one, or the one with the given id."""
    if body.is_new_model and body.model_id is None:
        return store.add_model(call, body.model_name or f"m_{task['id']}", tags=body.tags)
    if body.model_id is None:
        raise call.invalid("modelId", "it is missing, and isNewModel is false")
    return store.get_model(call, body.model_id, "modelId", is_changed=True)


def _matches_filter(model: Document, name: str | None, type_numbers: list[int] | None) -> bool:
    name_matches = not name or name.lower() in model["name"].lower()
    return name_matches and (not type_numbers or store.type_number(model) in type_numbers)


def _sort_models(
    call: Call, rows: list[Document], sort_key: str | None, direction: str
) -> list[Document]:
    if sort_key is not None:
        call.validate_choice("orderBy", sort_key, _SORT_KEYS)
    call.validate_choice("order", direction, ("asc", "desc"))
    return sorted(rows, key=_SORT_KEYS[sort_key], reverse=direction == "desc") if sort_key else rows


def _page_to_wire(call: Call, rows: list[Document], page: int, size: int) -> dict[str, Any]:
    return {
        "total": len(rows),
        "items": [_summary_to_wire(call, row) for row in page_by_number(call, rows, page, size)],
    }


def _summary_to_wire(call: Call, model: Document) -> dict[str, Any]:
    versions = store.versions_of(call, model)
    latest = _version_to_wire(call, model, versions[0]) if versions else None
    summary_keys = ("state", "version", "sourceType", "sourceExtra")
    return {
        "modelId": model["number"],
        "modelIdStr": model["id"],
        "modelName": model["name"],
        "modelType": store.type_number(model),
        "tags": model["tags"],
        "createTime": timestamps.beijing(model["created"]),
        "versionCount": len(versions),
        "trainType": latest["trainType"] if latest else "",
        "latestVersionInfo": latest
        and {key: latest[key] for key in summary_keys}
        | {"versionId": latest["modelVersionId"], "versionIdStr": latest["modelVersionIdStr"]},
    }


def _model_to_wire(model: Document, versions: list[Document]) -> dict[str, Any]:
    return {
        "modelId": model["number"],
        "modelIdStr": model["id"],
        "modelName": model["name"],
        "source": model["source"],
        "modelType": store.type_number(model),
        "createTime": timestamps.beijing(model["created"]),
        "modifyTime": timestamps.beijing(versions[0]["created"] if versions else model["created"]),
        "description": model["description"],
        "trainType": versions[0]["base"] if versions else "",
    }


def _version_to_wire(call: Call, model: Document, version: Document) -> dict[str, Any]:
    extra = {"sourceType": version["source"]}
    if version["source"] == wire.TRAINED:
        extra["trainSourceExtra"] = version["origin"]
    ready = store.version_state(call, version) == wire.READY and version["source"] != wire.PRESET
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
        "state": store.version_state(call, version),
        "createTime": timestamps.beijing(version["created"]),
        "modifyTime": timestamps.beijing(version["created"]),
        "supportOptions": ["Deploy", "Evaluation"] if ready else [],
        "trainType": version["base"],
    }
