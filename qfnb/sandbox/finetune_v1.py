"""Fine-tuning, console v1: the same jobs and runs as v2's, under v1's names, ids, states and limits."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from ..wire import finetune as wire_v2
from ..wire import finetune_v1 as wire
from . import runs
from .offer import PEFT_TYPES, V1_LIMITS
from .routing import Call, emulates, refuse_call
from .store import Document, random_id
from .workshop import DONE, FAILED, RUNNING, STOPPED

BEIJING = timezone(timedelta(hours=8))
NEVER = "0000-00-00 00:00:00"

_STATUS = {DONE: wire.FINISH, FAILED: wire.FAIL, STOPPED: wire.STOP}


@emulates(wire.CREATE_TASK)
def create_task(call: Call, body: wire.CreateTask) -> dict[str, Any]:
    """Create the folder of runs; without a train type it gets its model with the first run."""
    if not body.name:
        raise refuse_call(call, "param[name] invalid: it is empty")
    named = body.train_type or ""
    job = call.world.store.add(
        "job",
        random_id("job-"),
        name=body.name,
        model=runs.check_model(call, "trainType", named, wire_v2.SFT) if named else "",
        mode=wire_v2.SFT,
        train_type=named,
        description=body.description or "",
    )
    return {
        "id": job["number"],
        "uuid": job["id"],
        "name": job["name"],
        "description": job["description"],
        "createTime": _time(job["created"]),
    }


@emulates(wire.CREATE_JOB)
def create_job(call: Call, body: wire.CreateJob) -> dict[str, Any]:
    """Queue a run."""
    job = _with_model(call, runs.job_of(call, body.task_id, "taskId"), body)
    scale = PEFT_TYPES.get(body.peft_type.lower(), body.peft_type)
    rows = runs.ways_of(call, "peftType", job, scale)
    values = {row["key"]: row["default"] for row in rows} | _limited(call, body.train_config)
    sources = [(_source(call, row, job["mode"]), 1.0) for row in body.trainset]
    notes = {"peftType": body.peft_type, "description": body.description or ""}
    task = runs.begin(call, job, runs.Order(scale, values, sources, body.trainset_rate, notes))
    call.world.store.update(job["id"], **{name: job[name] for name in ("model", "mode", "train_type")})
    return {"id": task["number"], "uuid": task["id"]}


@emulates(wire.GET_JOB)
def get_job(call: Call, body: wire.JobRef) -> dict[str, Any]:
    """Describe a run; v1 has no metrics and no checkpoints."""
    job, task = _run_of(call, body)
    now, end = call.world.clock.now(), task["finished"]
    begun = task["started"]
    return {
        "id": task["number"],
        "uuid": task["id"],
        "description": task["notes"].get("description", ""),
        "taskId": job["number"],
        "taskIdStr": job["id"],
        "taskName": job["name"],
        "version": _ordinal(call, task),
        "jobRunType": 0,
        "trainType": job["train_type"] or job["model"],
        "trainMode": task["mode"],
        "peftType": task["notes"].get("peftType", task["scale"]),
        "trainStatus": _STATUS.get(task["status"], wire.RUNNING),
        "progress": task["percent"],
        "runTime": int((end or now) - task["created"]),
        "trainTime": int((end or now) - begun) if begun else 0,
        "startTime": _time(task["created"]),
        "finishTime": _time(end),
        "vdlLink": runs.board(task).get("vdlLink", ""),
        "sandbox": {
            "engine": call.world.engines.label_of(task["engine"]),
            "queued": task["status"] != RUNNING and not end,
        },
    }


@emulates(wire.STOP_JOB)
def stop_job(call: Call, body: wire.JobRef) -> bool:
    """Stop a run."""
    _, task = _run_of(call, body)
    return call.world.workshop.stop(str(task["id"]))


def _with_model(call: Call, job: Document, body: wire.CreateJob) -> Document:
    """Return the job with the model that its first run names, or refuse a run of another model."""
    named = body.train_type or job["train_type"] or body.base_train_type or job["model"]
    if not named:
        raise refuse_call(call, "param[trainType] invalid: neither the task nor the job names a model")
    model = runs.check_model(call, "trainType", named, body.train_mode)
    if job["model"] and (model, body.train_mode) != (job["model"], job["mode"]) and _has_runs(call, job):
        raise refuse_call(
            call, f"param[trainType] invalid: task {job['number']} does {job['mode']} of {job['model']}"
        )
    return job | {"model": model, "mode": body.train_mode, "train_type": named}


def _has_runs(call: Call, job: Document) -> bool:
    return any(task["job"] == job["id"] for task in call.world.store.all("task"))


def _limited(call: Call, config: dict[str, Any]) -> dict[str, Any]:
    """Return the hyper-parameters, those that v1 limits checked; others are kept as they are."""
    for key, (low, high) in V1_LIMITS.items():
        value = config.get(key, low)
        whole = key == "learningRate" or isinstance(value, int)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not whole:
            raise refuse_call(call, f"param[{key}] invalid: {value!r} is not a number of the right kind")
        if not low <= value <= high:
            raise refuse_call(call, f"param[{key}] invalid: {value!r}; allowed: {low} to {high}")
    return config


def _source(call: Call, row: wire.TrainingSet, mode: str) -> str:
    if row.type == wire.PLATFORM and row.id is not None:
        return runs.dataset_of(call, row.id, mode, "trainset.id")
    if row.type == wire.BOS and row.bos_path:
        return runs.file_of(call, row.bos_path, mode, "trainset.bosPath")
    needed = {wire.PLATFORM: "id", wire.BOS: "bosPath"}.get(row.type)
    if needed is None:
        raise refuse_call(call, f"param[trainset.type] invalid: {row.type}; it is 1 (platform) or 2 (BOS)")
    raise refuse_call(call, f"param[trainset.{needed}] invalid: it is missing, and the type is {row.type}")


def _run_of(call: Call, body: wire.JobRef) -> tuple[Document, Document]:
    job = runs.job_of(call, body.task_id, "taskId")
    task = runs.task_of(call, body.job_id, "jobId")
    if task["job"] != job["id"]:
        raise refuse_call(call, f"param[jobId] invalid: {body.job_id} is no run of task {body.task_id}")
    return job, task


def _ordinal(call: Call, task: Document) -> int:
    """Return which run of its folder it is, from 1."""
    earlier = [row for row in call.world.store.all("task") if row["job"] == task["job"]]
    return 1 + len([row for row in earlier if row["number"] < task["number"]])


def _time(moment: float | None) -> str:
    return datetime.fromtimestamp(moment, BEIJING).strftime("%Y-%m-%d %H:%M:%S") if moment else NEVER
