"""Fine-tuning runs, console v2: the platform's states and fields over real training."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ..wire import finetune as wire
from ..wire.base import Nothing
from .offer import MODELS, offered
from .routing import Call, emulates, refuse_call
from .store import Document, random_id
from .workshop import DONE, FAILED, RUNNING, STOPPED, WAITING

NEVER = "0000-00-00T00:00:00Z"


@emulates(wire.SUPPORT_MODELS)
def support_models(call: Call, body: Nothing) -> list[dict[str, Any]]:
    """Return what can be tuned, and every range."""
    return MODELS


@emulates(wire.CREATE_JOB)
def create_job(call: Call, body: wire.CreateJob) -> dict[str, Any]:
    """Create the folder of runs."""
    if offered(body.model) is None:
        known = ", ".join(row["model"] for row in MODELS)
        raise refuse_call(call, f"param[model] invalid: {body.model!r}; the sandbox tunes {known}")
    if body.train_mode != "SFT":
        raise refuse_call(call, f"param[trainMode] invalid: {body.train_mode!r}; the sandbox does SFT")
    job = call.world.store.add(
        "job", random_id("job-"), name=body.name, model=body.model, description=body.description or ""
    )
    return {"jobId": job["id"]}


@emulates(wire.CREATE_TASK)
def create_task(call: Call, body: wire.CreateTask) -> dict[str, Any]:
    """Queue a run."""
    from .engine.training import LOCAL_PASSES, effective  # noqa: PLC0415 - numpy

    store = call.world.store
    job = store.get("job", body.job_id)
    if job is None:
        raise refuse_call(call, f"param[jobId] invalid: {body.job_id} does not exist")
    values = _hyper_parameters(call, job["model"], body)
    datasets = [version.version_id for version in body.dataset_config.versions]
    for dataset_id in datasets:
        dataset = store.get("dataset", dataset_id)
        if dataset is None or dataset["released"] is None:
            raise refuse_call(call, f"param[versionId] invalid: {dataset_id} is not a released dataset")
    local = effective(
        int(values["epoch"]),
        float(values["learningRate"]),
        int(values["batchSize"]) if "batchSize" in values else None,
        float(_default(job["model"], body.parameter_scale, "learningRate")),
    )
    task = store.add(
        "task",
        random_id("task-"),
        job=job["id"],
        datasets=datasets,
        split_ratio=body.dataset_config.split_ratio,
        scale=body.parameter_scale,
        hyper_parameters=values,
        effective=asdict(local),
        passes_per_epoch=LOCAL_PASSES,
        status=WAITING,
        phase="",
        percent=0,
        message="",
        metrics=None,
        started=None,
        finished=None,
    )
    call.world.workshop.take(task["id"])
    return {"jobId": job["id"], "taskId": task["id"]}


@emulates(wire.DESCRIBE_TASK)
def describe_task(call: Call, body: wire.TaskRef) -> dict[str, Any]:
    """Describe a run; the checkpoints of a run under way are the sandbox's extension."""
    task = _task(call, body.task_id)
    job = call.world.store.get("job", task["job"]) or {}
    state = {
        "taskId": task["id"],
        "jobId": task["job"],
        "jobName": job.get("name", ""),
        "jobDescription": job.get("description", ""),
        "model": job.get("model", ""),
        "trainMode": "SFT",
        "parameterScale": task["scale"],
        "runStatus": task["status"],
        "createDate": _date(task["created"]),
        "finishDate": _date(task["finished"]),
        "hyperParameterConfig": task["hyper_parameters"],
        "sandbox": {
            "engine": "qfnb local model, not ERNIE",
            "effective": task["effective"],
            "phase": task["phase"],
        },
    }
    if task["status"] in {RUNNING, DONE, STOPPED}:
        state["checkpointList"] = call.world.store.points(task["id"])
    if task["status"] == RUNNING:
        state["runProgress"] = f"{task['percent']}%"
    if task["status"] == DONE:
        state |= {"runProgress": "100%", "metrics": task["metrics"]}
    if task["status"] == FAILED:
        state["message"] = task["message"]
    return state


@emulates(wire.STOP_TASK)
def stop_task(call: Call, body: wire.TaskRef) -> bool:
    """Stop a run."""
    return call.world.workshop.stop(str(_task(call, body.task_id)["id"]))


def _hyper_parameters(call: Call, model: str, body: wire.CreateTask) -> dict[str, Any]:
    """Return the values with the model's defaults filled in, each checked against its range."""
    rows = _rows(model, body.parameter_scale)
    if rows is None:
        raise refuse_call(call, f"param[parameterScale] invalid: {model} has no {body.parameter_scale}")
    values = {row["key"]: row["default"] for row in rows}
    for key, value in body.hyper_parameter_config.items():
        row = next((row for row in rows if row["key"] == key), None)
        if row is None or not _fits(row, value):
            allowed = f"; allowed: {row['checkValue']}" if row else ""
            raise refuse_call(call, f"param[{key}] invalid: {value!r}{allowed}")
        values[key] = value
    return values


def _fits(row: dict[str, Any], value: Any) -> bool:
    if row["checkType"] == "choice":
        return value in row["checkValue"]
    low, high = row["checkValue"]
    return isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high


def _rows(model: str, scale: str) -> list[dict[str, Any]] | None:
    modes = (offered(model) or {}).get("supportTrainMode", [])
    scales = [row for mode in modes for row in mode["supportParameterScale"]]
    return next(
        (row["supportHyperParameterConfig"] for row in scales if row["parameterScale"] == scale), None
    )


def _default(model: str, scale: str, key: str) -> Any:
    return next(row["default"] for row in _rows(model, scale) or () if row["key"] == key)


def _task(call: Call, key: int | str) -> Document:
    task = call.world.store.get("task", key)
    if task is None:
        raise refuse_call(call, f"param[taskId] invalid: {key} does not exist")
    return task


def _date(moment: float | None) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else NEVER
