"""The model repository: models and their versions, the user's in the store and the platform's
preset ones.

A preset model is a row of the catalogue with one version; its ids and numbers are computed from its
name.
"""

import functools
import hashlib
import string
from collections.abc import Sequence
from typing import Any

from qfnb.wire import catalog, model_v1 as wire

from ..finetune.recorder import weights_names
from ..finetune.runs import describe_checkpoints, find_weights, run_number
from ..finetune.worker import DONE, STOPPED
from ..http.call import Call
from ..state.store import Document, random_id

PRESET_TYPES = {
    "chat": "Text2Text", "completion": "Text2Text", "text2image": "Text2Image",
    "embedding": "TextRepresentation", "image2text": "ImageUnderstanding",
}  # fmt: skip
"""The catalogue's kinds of models, and the repository's types of models."""

# the creation date of presets, 2023-01-01; the real dates are not published
PRESETS_CREATED_AT = 1_672_531_200.0
_FIRST_PRESET_NUMBER = 10**9
_DIGITS = string.digits + string.ascii_lowercase


def find_preset(kind: str, key: int | str) -> Document | None:
    """Return a preset "model" or "version" by its id or number, None if it does not exist."""
    return _preset_index().get((kind, str(key)))


@functools.cache
def preset_models() -> tuple[Document, ...]:
    """Return the preset models in the catalogue's order."""
    names: dict[str, catalog.CatalogModel] = {}
    for row in catalog.load_models():
        if row.kind in PRESET_TYPES:
            names.setdefault(row.name, row)
    return tuple(_build_preset(row) for row in names.values())


def preset_version(model: Document) -> Document:
    """Return the one version of a preset model."""
    return {
        **_preset_ids("amv-", model["name"]),
        "model": model["id"],
        "version": model["name"],
        "source": wire.PRESET,
        "origin": {},
        "base": model["name"],
        "description": "",
        "created": PRESETS_CREATED_AT,
        "plan": [[wire.READY, None]],
    }


def _build_preset(row: catalog.CatalogModel) -> Document:
    return {
        **_preset_ids("am-", row.name),
        "name": row.name,
        "type": PRESET_TYPES[row.kind],
        "source": wire.PRESET,
        "description": "",
        "labels": [],
        "tags": None,
        "created": PRESETS_CREATED_AT,
    }


def _preset_ids(prefix: str, name: str) -> Document:
    """Return a constant id and number for a name; the number is above those of the user's
    objects.
    """
    number = int.from_bytes(hashlib.sha256(f"{prefix}{name}".encode()).digest()[:8], "big")
    letters = "".join(_DIGITS[number // 36**exponent % 36] for exponent in range(12))
    return {"id": prefix + letters, "number": _FIRST_PRESET_NUMBER + number % _FIRST_PRESET_NUMBER}


@functools.cache
def _preset_index() -> dict[tuple[str, str], Document]:
    index: dict[tuple[str, str], Document] = {}
    for model in preset_models():
        for kind, row in (("model", model), ("version", preset_version(model))):
            index[kind, row["id"]] = index[kind, str(row["number"])] = row
    return index


TYPE_NUMBERS = {
    "Text2Text": 0,
    "Text2Image": 1,
    "TextRepresentation": 3,
    "ImageUnderstanding": 5,
} | {"Industry": 6}
"""v1's numbers of the types of models."""


def get_model(call: Call, key: int | str, field: str, *, is_changed: bool = False) -> Document:
    """Return a model of the user or a preset one."""
    return _get_document(call, "model", key, field, is_changed)


def get_version(call: Call, key: int | str, field: str, *, is_changed: bool = False) -> Document:
    """Return a version of the user or a preset one; arguments and refusals are those of
    `get_model`.
    """
    return _get_document(call, "version", key, field, is_changed)


def _get_document(call: Call, kind: str, key: int | str, field: str, is_changed: bool) -> Document:
    preset = find_preset(kind, key)
    if preset and is_changed:
        raise call.invalid(field, f"{preset['id']} belongs to the platform")
    return preset or call.find(kind, key, field)


def versions_of(call: Call, model: Document) -> list[Document]:
    """Return the versions of a model, the newest first, without those that a compression is still
    working on.
    """
    if model["source"] == wire.PRESET:
        return [preset_version(model)]
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
    """Return the bytes of a version's weights, None if it has none."""
    task = version.get("task")
    return call.world.store.read_file(f"{task}.npz") if task else None


def type_number(model: Document) -> int:
    """Return v1's number of a model's type; a preset embedding model and a user's have different
    numbers.
    """
    if model["source"] == wire.PRESET and model["type"] == "TextRepresentation":
        return 4
    return TYPE_NUMBERS[model["type"]]


def add_model(
    call: Call, name: str, model_type: str = "Text2Text", *, tags: list[str] | None = None
) -> Document:
    """Add a model without versions."""
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
    """Add a version to a model."""
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
    call: Call, model: Document, task: Document, step: int | None, description: str
) -> Document:
    """Add a finished or stopped run to a model as a version, with the step of its checkpoint."""
    job = call.world.store.get("job", task["job"]) or {}
    origin = {
        "taskId": job.get("number"),
        "taskIdStr": task["job"],
        "taskName": job.get("name", ""),
        "iterationVersion": run_number(call, task),
        "runId": task["number"],
        "runIdStr": task["id"],
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


def get_finished_run(call: Call, key: int | str, field: str, step: int | None) -> Document:
    """Return a run that can be published."""
    store = call.world.store
    task = store.get("task", key)
    if (
        task is None
        or task["status"] not in {DONE, STOPPED}
        or store.read_file(f"{task['id']}.npz") is None
    ):
        raise call.invalid(field, f"run {key} has no finished model to publish")
    if find_weights(call, task, step) is None:
        raise call.invalid(
            "step", f"{step}; run {key} kept the checkpoints {describe_checkpoints(call, task)}"
        )
    return task


def delete_versions(call: Call, versions: Sequence[Document], field: str) -> None:
    """Delete versions, and the files of weights that nothing else uses.

    Raises:
        Refusal: a service runs one of them; then none is deleted.
    """
    store = call.world.store
    served = {row["version"]: row["id"] for row in store.all("service")}
    for version in versions:
        if version["id"] in served:
            raise call.invalid(field, f"{version['id']} runs in service {served[version['id']]}")
    for version in versions:
        store.remove("version", version["id"])
    used_files = {row["task"] for row in store.all("version")}
    used_files |= {name for task in store.all("task") for name in weights_names(task)}
    for task in {version["task"] for version in versions} - used_files:
        store.remove_file(f"{task}.npz")


def delete_models(call: Call, models: Sequence[Document], field: str) -> None:
    """Delete models with their versions.

    Raises:
        Refusal: a service runs one of the versions; then nothing is deleted.
    """
    store = call.world.store
    ids = {model["id"] for model in models}
    delete_versions(call, [row for row in store.all("version") if row["model"] in ids], field)
    for id_ in ids:
        store.remove("model", id_)


def sandbox_fields(call: Call, version: Document) -> dict[str, Any]:
    """Return the fields that only the sandbox has."""
    engines = call.world.engines
    run = version.get("task")
    fields = {"engine": engines.model_origin(run) if run else engines.base_model().label}
    return fields if version.get("step") is None else fields | {"step": version["step"]}
