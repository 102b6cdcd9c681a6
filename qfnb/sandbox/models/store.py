"""The models of a world: sets of versions, what they look like, and what may be done with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...wire import model as wire
from ..finetune.worker import DONE, STOPPED
from ..http.call import Call
from ..state.store import Document, random_id
from . import presets

TYPE_NUMBERS = {
    "Text2Text": 0,
    "Text2Image": 1,
    "TextRepresentation": 3,
    "ImageUnderstanding": 5,
    "Industry": 6,
}
"""v1's numbers of the kinds of model."""

LAST_WEIGHTS_NOTE = "the local engine keeps the last weights only; the step was noted, not gone back to"


def get_model(call: Call, key: int | str, field: str) -> Document:
    """Return a model, one's own or a preset one.

    Raises:
        Refusal: there is none.
    """
    return _get_document(call, "model", key, field)


def get_version(call: Call, key: int | str, field: str) -> Document:
    """Return a version, one's own or a preset one.

    Raises:
        Refusal: there is none.
    """
    return _get_document(call, "version", key, field)


def require_user_owned(call: Call, document: Document, field: str) -> Document:
    """Return a model or version that the user may change.

    Raises:
        Refusal: it is the platform's.
    """
    if document["source"] == wire.PRESET:
        raise call.invalid(field, f"{document['id']} belongs to the platform")
    return document


def _get_document(call: Call, kind: str, key: int | str, field: str) -> Document:
    document = call.world.store.get(kind, key) or presets.find_preset(kind, key)
    if document is None:
        raise call.invalid(field, f"{key} does not exist")
    return document


def versions_of(call: Call, model: Document) -> list[Document]:
    """Return the versions of a model, the newest first; what a compression still works on is left out."""
    if model["source"] == wire.PRESET:
        return [presets.preset_version(model)]
    rows = [row for row in call.world.store.all("version") if row["model"] == model["id"]]
    return [
        row
        for row in reversed(rows)
        if row["source"] != wire.COMPRESSED or version_state(call, row) == wire.READY
    ]


def version_state(call: Call, version: Document) -> str:
    """Return Creating, Ready or Fail."""
    return str(call.world.lifecycle.state(version["plan"]))


def read_weights(call: Call, version: Document) -> bytes | None:
    """Return the file of a version, None when there is none."""
    task = version.get("task")
    return call.world.store.read_file(f"{task}.npz") if task else None


def type_number(model: Document) -> int:
    """Return v1's number of a model's kind; a preset vector model has another than one's own."""
    if model["source"] == wire.PRESET and model["type"] == "TextRepresentation":
        return 4
    return TYPE_NUMBERS[model["type"]]


def add_model(
    call: Call, name: str, model_type: str = "Text2Text", *, tags: list[str] | None = None
) -> Document:
    """Make a model without versions."""
    return call.world.store.add(
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
    """Put a version into a model; `task` names the file of its weights."""
    earlier = [row for row in call.world.store.all("version") if row["model"] == model["id"]]
    number = 1 + max((int(row["version"]) for row in earlier), default=0)
    ready = call.world.lifecycle.plan((wire.CREATING, "publish"), final=wire.READY)
    defaults: Document = {"description": "", "step": None, "base": "", "origin": {}, "plan": ready}
    return call.world.store.add(
        "version",
        random_id("amv-"),
        model=model["id"],
        source=source,
        task=task,
        version=str(number),
        **(defaults | fields),
    )


def publish_run(
    call: Call, model: Document, task: Document, *, step: int | None, description: str
) -> Document:
    """Publish a run that is done (or stopped, with what it had learned) as a version of a model."""
    job = call.world.store.get("job", task["job"]) or {}
    rows = [row for row in call.world.store.all("task") if row["job"] == task["job"]]
    origin = {
        "taskId": job.get("number"),
        "taskIdStr": task["job"],
        "taskName": job.get("name", ""),
        "iterationVersion": 1 + sum(row["number"] < task["number"] for row in rows),
        "runId": task["number"],
        "runIdStr": task["id"],
    }
    return add_version(
        call,
        model,
        wire.TRAINED,
        task["id"],
        step=step,
        description=description,
        base=job.get("model", ""),
        origin=origin,
    )


def get_finished_run(call: Call, key: int | str, field: str, step: int | None) -> Document:
    """Return a run that can be published, with that checkpoint.

    Raises:
        Refusal: it is unknown, has made no model, or has no such step.
    """
    store = call.world.store
    task = store.get("task", key)
    if task is None or task["status"] not in {DONE, STOPPED} or store.read_file(f"{task['id']}.npz") is None:
        raise call.invalid(field, f"run {key} has no finished model to publish")
    if step is not None and step not in {point["step"] for point in store.points(task["id"])}:
        raise call.invalid("step", f"run {key} has no checkpoint {step}")
    return task


def delete_versions(call: Call, versions: Sequence[Document], field: str) -> None:
    """Delete versions, and the weights that nothing else needs.

    Raises:
        Refusal: a service runs one of them; then all stay.
    """
    store = call.world.store
    served = {row["version"]: row["id"] for row in store.all("service")}
    for version in versions:
        if version["id"] in served:
            service_id = served[version["id"]]
            raise call.invalid(field, f"{version['id']} runs in service {service_id}")
    for version in versions:
        store.remove("version", version["id"])
    used_files = {row["task"] for row in store.all("version")} | {row["id"] for row in store.all("task")}
    for task in {version["task"] for version in versions} - used_files:
        store.remove_file(f"{task}.npz")


def sandbox_fields(call: Call, version: Document) -> dict[str, Any]:
    """Return what only the sandbox knows of a version."""
    step_fields = (
        {"step": version["step"], "checkpoint": LAST_WEIGHTS_NOTE} if version.get("step") is not None else {}
    )
    run = version.get("task")
    return {
        "engine": call.world.engines.model_origin(run) if run else call.world.engines.base_model().label
    } | step_fields
