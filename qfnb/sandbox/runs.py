"""What both versions of fine-tuning share: a job (the folder) and the runs in it, checked and queued."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..wire import finetune as wire
from . import datasets, material
from .offer import MODELS, Parameter, offered, parameters
from .routing import Call, refuse_call
from .store import Document, random_id
from .workshop import OVER, RUNNING, WAITING

NEVER = "0000-00-00T00:00:00Z"
BOARD = "https://console.bce.baidu.com/qianfan/visualdl/index?displayToken="
"""The platform's address of a run's curves; what a sandbox's token leads to is not there."""

WENT_ON = "went on from the earlier run's weights"
BOTH = "trained on both data sets, the earlier run's too: the local model cannot go on from weights"

Source = tuple[str, float]


@dataclass(frozen=True)
class Order:
    """A run that is wanted, in v2's words.

    Attributes:
        values: all hyper-parameters.
        sources: datasets and objects of the bucket, each with its sampling rate.
        notes: what else the caller said, kept with the run.
    """

    scale: str
    values: Mapping[str, Any]
    sources: Sequence[Source]
    split_ratio: int
    notes: Mapping[str, Any] = field(default_factory=dict)


def job_of(call: Call, key: int | str, name: str = "jobId") -> Document:
    """Return a job.

    Raises:
        Refusal: there is none.
    """
    return _known(call, "job", key, name)


def task_of(call: Call, key: int | str, name: str = "taskId") -> Document:
    """Return a run.

    Raises:
        Refusal: there is none.
    """
    return _known(call, "task", key, name)


def _known(call: Call, kind: str, key: int | str, name: str) -> Document:
    document = call.world.store.get(kind, key)
    if document is None:
        raise refuse_call(call, f"param[{name}] invalid: {key} does not exist")
    return document


def check_model(call: Call, name: str, model: str, mode: str) -> str:
    """Return the platform's name of a model that can be tuned in a mode.

    Raises:
        Refusal: it cannot.
    """
    if mode not in {wire.SFT, wire.POST_PRETRAIN}:
        reason = "the local model cannot learn from preferences; " if mode in {wire.DPO, wire.KTO} else ""
        allowed = f"{wire.SFT} and {wire.POST_PRETRAIN}"
        raise refuse_call(call, f"param[trainMode] invalid: {mode!r}; {reason}the sandbox does {allowed}")
    row = offered(model)
    if row is None:
        known = ", ".join(row["model"] for row in MODELS)
        raise refuse_call(call, f"param[{name}] invalid: {model!r}; the sandbox tunes {known}")
    if mode not in {found["trainMode"] for found in row["supportTrainMode"]}:
        raise refuse_call(call, f"param[trainMode] invalid: {model} has no {mode}")
    return str(row["model"])


def ways_of(call: Call, name: str, job: Document, scale: str) -> list[Parameter]:
    """Return the hyper-parameters of a way of tuning a job's model.

    Raises:
        Refusal: the model is not tuned so.
    """
    rows = parameters(job["model"], job["mode"], scale)
    if rows is None:
        raise refuse_call(call, f"param[{name}] invalid: {job['model']} has no {scale} in {job['mode']}")
    return rows


def dataset_of(call: Call, key: int | str, mode: str, name: str = "versionId") -> str:
    """Return the id of a dataset that a run may learn from.

    Raises:
        Refusal: it is unknown, not released, or of the wrong kind.
    """
    dataset = _known(call, "dataset", key, name)
    if not datasets.released(call.world, dataset):
        raise refuse_call(call, f"param[{name}] invalid: {key} is not a released dataset")
    return _fitting(call, dataset["id"], mode, name)


def file_of(call: Call, address: str, mode: str, name: str = "versionBosUri") -> str:
    """Return the address of an object in the bucket that a run may learn from, `bos:/bucket/path`.

    Raises:
        Refusal: it is not there, or of the wrong kind.
    """
    whole = address if address.startswith(material.BOS) else f"{material.BOS}{address.lstrip('/')}"
    return _fitting(call, whole, mode, name)


def _fitting(call: Call, source: str, mode: str, name: str) -> str:
    try:
        kinds = {(bool(prompt), bool(answer)) for prompt, answer in material.pairs(call.world.store, source)}
    except ValueError as error:
        raise refuse_call(call, f"param[{name}] invalid: {error}") from None
    wanted, said = ((True, True), "prompts and answers")
    if mode == wire.POST_PRETRAIN:
        wanted, said = ((False, True), "texts")
    if wanted not in kinds:
        raise refuse_call(call, f"param[{name}] invalid: {source} has no {said}, which {mode} learns from")
    return source


def begin(call: Call, job: Document, order: Order, earlier: Document | None = None) -> Document:
    """Queue a run and return it; what it cannot go on from is learned again from that run's data."""
    world = call.world
    own = dict(order.sources)
    base = earlier["id"] if earlier and earlier["scale"] == order.scale else None
    base = base if base and world.engines.goes_on(base) else None
    before = zip(earlier["datasets"], earlier["rates"], strict=True) if earlier and not base else ()
    sources = {source: rate for source, rate in before if source not in own} | own
    task = world.store.add(
        "task",
        random_id("task-"),
        job=job["id"],
        mode=job["mode"],
        texts=job["mode"] == wire.POST_PRETRAIN,
        datasets=[*sources],
        rates=[*sources.values()],
        before=len(sources) - len(own),
        split_ratio=order.split_ratio,
        scale=order.scale,
        hyper_parameters=dict(order.values),
        notes=dict(order.notes),
        increment=earlier["id"] if earlier else None,
        base=base,
        **_local(call, job, order),
        plan=world.lifecycle.plan((wire.ACCEPTED, "accept"), (WAITING, "queue"), then=WAITING),
        status=WAITING,
        starts=0,
        stopping=False,
        phase="",
        percent=0,
        message="",
        metrics=None,
        started=None,
        finished=None,
    )
    world.workshop.take(task["id"])
    return task


def _local(call: Call, job: Document, order: Order) -> dict[str, Any]:
    """Return which engine is to train, and its values for the platform's."""
    rows = parameters(job["model"], job["mode"], order.scale) or []
    engine, usual = call.world.engines.trainer, {row["key"]: row["default"] for row in rows}
    values = engine.effective(order.values, order.scale, usual)
    return {"engine": engine.name, "effective": values, "passes_per_epoch": engine.passes_per_epoch}


def status_of(call: Call, task: Document) -> str:
    """Return a run's state: accepted and waiting go by the clock, the others by the work."""
    if task["status"] == WAITING:
        return str(call.world.lifecycle.state(task["plan"]))
    return str(task["status"])


def board(task: Document) -> dict[str, str]:
    """Return the link to a run's curves, which there is from its start on."""
    if task["started"] is None:
        return {}
    run = json.dumps({"runId": f"run-{task['id'].removeprefix('task-')}"})
    return {"vdlLink": BOARD + base64.b64encode(run.encode()).decode()}


def refuse_running(call: Call, name: str, tasks: Sequence[Document]) -> None:
    """Refuse to delete runs that are not over.

    Raises:
        Refusal: naming one of them.
    """
    for task in tasks:
        if task["status"] not in OVER:
            state = "is running" if task["status"] == RUNNING else "waits for its turn"
            raise refuse_call(call, f"param[{name}] invalid: {task['id']} {state}; stop it first")


def delete(call: Call, task: Document) -> None:
    """Delete a run; its model stays as long as a version was published from it."""
    store = call.world.store
    store.drop_points(task["id"])
    store.remove("task", task["id"])
    if not any(row["task"] == task["id"] for row in store.all("version")):
        store.remove_file(f"{task['id']}.npz")


def date(moment: float | None) -> str:
    """Return a moment as v2 writes it, in UTC."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else NEVER
