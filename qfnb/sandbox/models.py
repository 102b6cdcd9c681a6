"""The model repository: a finished run becomes a model."""

from __future__ import annotations

from typing import Any

from ..wire import model as wire
from .routing import Call, emulates, refuse_call
from .store import random_id
from .workshop import DONE, STOPPED


@emulates(wire.PUBLISH)
def publish(call: Call, body: wire.PublishModel) -> dict[str, Any]:
    """Publish a run that is done (or stopped, with what it had learned)."""
    store, origin = call.world.store, body.version_meta
    task = store.get("task", origin.iteration_id)
    if task is None or task["status"] not in {DONE, STOPPED} or store.read_file(f"{task['id']}.npz") is None:
        raise refuse_call(call, f"run {origin.iteration_id} has no finished model to publish")
    name = body.model_name or f"m_{task['id']}"
    known = store.get("model", body.model_id) if body.model_id is not None else None
    if body.model_id is not None and known is None:
        raise refuse_call(call, f"model {body.model_id} does not exist")
    model = known or store.add("model", random_id("am-"), name=name)
    earlier = [row for row in store.all("version") if row["model"] == model["id"]]
    version = store.add(
        "version",
        random_id("amv-"),
        model=model["id"],
        task=task["id"],
        version=str(len(earlier) + 1),
        plan=call.world.lifecycle.plan((wire.CREATING, "publish"), then=wire.READY),
    )
    return {
        "modelId": model["number"],
        "modelIDStr": model["id"],
        "version": version["version"],
        "versionId": version["number"],
        "versionIdStr": version["id"],
    }


@emulates(wire.DETAIL)
def detail(call: Call, body: wire.VersionRef) -> dict[str, Any]:
    """Describe one version."""
    store = call.world.store
    version = store.get("version", body.model_version_id)
    if version is None:
        raise refuse_call(call, f"model version {body.model_version_id} does not exist")
    model, task = store.get("model", version["model"]) or {}, store.get("task", version["task"]) or {}
    job = store.get("job", task.get("job", "")) or {}
    origin = {
        "taskId": job.get("number"),
        "taskIdStr": job.get("id"),
        "taskName": job.get("name"),
        "runId": task.get("number"),
        "runIdStr": task.get("id"),
    }
    return {
        "modelId": model.get("number"),
        "modelIdStr": model.get("id"),
        "modelName": model.get("name"),
        "modelVersionId": version["number"],
        "modelVersionIdStr": version["id"],
        "version": version["version"],
        "state": call.world.lifecycle.state(version["plan"]),
        "trainType": job.get("model"),
        "ioMode": "chat",
        "sourceType": "Train",
        "sourceExtra": {"trainSourceExtra": origin, "sourceType": "Train"},
        "sandbox": {"engine": "qfnb local model, not ERNIE"},
    }
