"""Fine-tuning, console v1: the same jobs and runs as v2's, under v1's names, ids, states and limits."""

from __future__ import annotations

from typing import Any

from ...wire import finetune as wire_v2
from ...wire import finetune_v1 as wire
from ..http import timestamps
from ..http.call import Call, emulates
from ..state.store import Document, random_id
from . import runs
from .supported_models import V1_LIMITS
from .worker import DONE, FAILED, RUNNING, STOPPED, TrainingWorker

_WIRE_STATUS = {DONE: wire.FINISH, FAILED: wire.FAIL, STOPPED: wire.STOP}


@emulates(wire.CREATE_TASK)
def create_task(call: Call, body: wire.CreateTask) -> dict[str, Any]:
    """Create the folder of runs; without a train type it gets its model with the first run."""
    if not body.name:
        raise call.invalid("name", "it is empty")
    train_type = body.train_type or ""
    job = call.world.store.add(
        "job",
        random_id("job-"),
        name=body.name,
        model=runs.validate_model(call, "trainType", train_type, wire_v2.SFT) if train_type else "",
        mode=wire_v2.SFT,
        train_type=train_type,
        description=body.description or "",
    )
    return {
        "id": job["number"],
        "uuid": job["id"],
        "name": job["name"],
        "description": job["description"],
        "createTime": timestamps.beijing_spaced(job["created"]),
    }


@emulates(wire.CREATE_JOB)
def create_job(call: Call, body: wire.CreateJob) -> dict[str, Any]:
    """Queue a run."""
    job = _assign_model(call, call.find("job", body.task_id, "taskId"), body)
    parameter_scale = wire_v2.PEFT_TYPES.get(body.peft_type.lower(), body.peft_type)
    rows = runs.tuning_parameters(call, "peftType", job, parameter_scale)
    values = {row["key"]: row["default"] for row in rows} | _validate_limits(call, body.train_config)
    sources = [(_validate_source(call, row, job["mode"]), 1.0) for row in body.trainset]
    extra_fields = {"peftType": body.peft_type, "description": body.description or ""}
    task = runs.start_run(
        call, job, runs.RunRequest(parameter_scale, values, sources, body.trainset_rate, extra_fields)
    )
    call.world.store.update(job["id"], **{name: job[name] for name in ("model", "mode", "train_type")})
    return {"id": task["number"], "uuid": task["id"]}


@emulates(wire.GET_JOB)
def get_job(call: Call, body: wire.JobRef) -> dict[str, Any]:
    """Describe a run; v1 has no metrics and no checkpoints."""
    job, task = _get_run(call, body)
    now, finished = call.world.clock.now(), task["finished"]
    started = task["started"]
    return {
        "id": task["number"],
        "uuid": task["id"],
        "description": task["notes"].get("description", ""),
        "taskId": job["number"],
        "taskIdStr": job["id"],
        "taskName": job["name"],
        "version": _run_number(call, task),
        "trainType": job["train_type"] or job["model"],
        "trainMode": task["mode"],
        "peftType": task["notes"].get("peftType", task["scale"]),
        "trainStatus": _WIRE_STATUS.get(task["status"], wire.RUNNING),
        "progress": task["percent"],
        "runTime": int((finished or now) - task["created"]),
        "trainTime": int((finished or now) - started) if started else 0,
        "startTime": timestamps.beijing_spaced(task["created"]),
        "finishTime": timestamps.beijing_spaced(finished),
        "vdlLink": runs.board_to_wire(task).get("vdlLink", ""),
        "sandbox": {
            "engine": call.world.engines.engine_label(task["engine"]),
            "queued": task["status"] != RUNNING and not finished,
        },
    }


@emulates(wire.STOP_JOB)
def stop_job(call: Call, body: wire.JobRef) -> bool:
    """Stop a run."""
    _, task = _get_run(call, body)
    return call.world.worker(TrainingWorker).stop(str(task["id"]))


def _assign_model(call: Call, job: Document, body: wire.CreateJob) -> Document:
    """Return the job with the model that its first run names, or refuse a run of another model."""
    train_type = body.train_type or job["train_type"] or body.base_train_type or job["model"]
    if not train_type:
        raise call.invalid("trainType", "neither the task nor the job names a model")
    model = runs.validate_model(call, "trainType", train_type, body.train_mode)
    if job["model"] and (model, body.train_mode) != (job["model"], job["mode"]) and _has_tasks(call, job):
        raise call.invalid("trainType", f"task {job['number']} does {job['mode']} of {job['model']}")
    return job | {"model": model, "mode": body.train_mode, "train_type": train_type}


def _has_tasks(call: Call, job: Document) -> bool:
    return any(task["job"] == job["id"] for task in call.world.store.all("task"))


def _validate_limits(call: Call, config: dict[str, Any]) -> dict[str, Any]:
    """Return the hyper-parameters, those that v1 limits checked; others are kept as they are."""
    for key, (low, high) in V1_LIMITS.items():
        value = config.get(key, low)
        is_right_type = key == "learningRate" or isinstance(value, int)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not is_right_type:
            raise call.invalid(key, f"{value!r} is not a number of the right kind")
        if not low <= value <= high:
            raise call.invalid(key, f"{value!r}; allowed: {low} to {high}")
    return config


def _validate_source(call: Call, row: wire.TrainingSet, mode: str) -> str:
    if row.type == wire.PLATFORM and row.id is not None:
        return runs.validate_dataset(call, row.id, mode, "trainset.id")
    if row.type == wire.BOS and row.bos_path:
        return runs.validate_file(call, row.bos_path, mode, "trainset.bosPath")
    required_field = {wire.PLATFORM: "id", wire.BOS: "bosPath"}.get(row.type)
    if required_field is None:
        raise call.invalid("trainset.type", f"{row.type}; it is 1 (platform) or 2 (BOS)")
    raise call.invalid(f"trainset.{required_field}", f"it is missing, and the type is {row.type}")


def _get_run(call: Call, body: wire.JobRef) -> tuple[Document, Document]:
    job = call.find("job", body.task_id, "taskId")
    task = call.find("task", body.job_id, "jobId")
    if task["job"] != job["id"]:
        raise call.invalid("jobId", f"{body.job_id} is no run of task {body.task_id}")
    return job, task


def _run_number(call: Call, task: Document) -> int:
    """Return which run of its folder it is, from 1."""
    earlier = [row for row in call.world.store.all("task") if row["job"] == task["job"]]
    return 1 + len([row for row in earlier if row["number"] < task["number"]])
