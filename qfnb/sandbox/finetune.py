"""Fine-tuning runs, console v2: the platform's states and fields over real training."""

from __future__ import annotations

from typing import Any

from ..wire import finetune as wire
from ..wire.base import Nothing
from . import runs
from .offer import MODELS, fits
from .paging import by_marker
from .routing import Call, emulates, refuse_call
from .store import Document, random_id
from .workshop import DONE, FAILED, RUNNING, STOPPED

KEPT = ("corpusConfig", "resourceConfig", "modelConfig")
"""What a run is told and the local model does not use."""


@emulates(wire.SUPPORT_MODELS)
def support_models(call: Call, body: Nothing) -> list[dict[str, Any]]:
    """Return what can be tuned, and every range."""
    return MODELS


@emulates(wire.CREATE_JOB)
def create_job(call: Call, body: wire.CreateJob) -> dict[str, Any]:
    """Create the folder of runs."""
    if not body.name:
        raise refuse_call(call, "param[name] invalid: it is empty")
    model = runs.check_model(call, "model", body.model, body.train_mode)
    job = call.world.store.add(
        "job",
        random_id("job-"),
        name=body.name,
        model=model,
        mode=body.train_mode,
        train_type="",
        description=body.description or "",
    )
    return {"jobId": job["id"]}


@emulates(wire.CREATE_TASK)
def create_task(call: Call, body: wire.CreateTask) -> dict[str, Any]:
    """Queue a run."""
    job, data = runs.job_of(call, body.job_id), body.dataset_config
    if not job["model"]:
        raise refuse_call(call, f"param[jobId] invalid: {job['id']} has no model yet; v1's createJob sets it")
    values = _hyper_parameters(call, job, body)
    earlier = _earlier(call, job, body)
    sources = [(_source(call, job, data.source_type, row), row.sampling_rate) for row in data.versions]
    sent = body.to_wire()
    notes = {name: sent[name] for name in KEPT if sent.get(name)}
    order = runs.Order(body.parameter_scale, values, sources, data.split_ratio, notes)
    task = runs.begin(call, job, order, earlier)
    return {"jobId": job["id"], "taskId": task["id"]}


@emulates(wire.LIST_JOBS)
def list_jobs(call: Call, body: wire.ListJobs) -> dict[str, Any]:
    """List the jobs, the newest first."""
    rows = [_job_row(job) for job in reversed(call.world.store.all("job"))]
    wanted = {"trainMode": body.train_model, "model": body.model}
    rows = [row for row in rows if all(not value or row[key] == value for key, value in wanted.items())]
    page, info = by_marker(call, rows, "jobId", body)
    return {"jobList": page, "pageInfo": info}


@emulates(wire.LIST_TASKS)
def list_tasks(call: Call, body: wire.ListTasks) -> dict[str, Any]:
    """List the runs of a job, the newest first."""
    job = runs.job_of(call, body.job_id)
    rows = [_task_row(call, job, task) for task in reversed(_runs_of(call, job))]
    page, info = by_marker(call, rows, "taskId", body)
    return {"taskList": page, "pageInfo": info}


@emulates(wire.DESCRIBE_TASK)
def describe_task(call: Call, body: wire.TaskRef) -> dict[str, Any]:
    """Describe a run; the checkpoints of a run under way are the sandbox's extension."""
    task = runs.task_of(call, body.task_id)
    job = call.world.store.get("job", task["job"]) or {}
    state = _task_row(call, job, task) | runs.board(task)
    state |= {"hyperParameterConfig": task["hyper_parameters"], "sandbox": _told(call, task)}
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
    return call.world.workshop.stop(str(runs.task_of(call, body.task_id)["id"]))


@emulates(wire.DELETE_TASK)
def delete_task(call: Call, body: wire.TaskRef) -> bool:
    """Delete a run that is over."""
    task = runs.task_of(call, body.task_id)
    runs.refuse_running(call, "taskId", [task])
    runs.delete(call, task)
    return True


@emulates(wire.DELETE_JOB)
def delete_job(call: Call, body: wire.JobRef) -> bool:
    """Delete a job with its runs, which are over."""
    job = runs.job_of(call, body.job_id)
    tasks = _runs_of(call, job)
    runs.refuse_running(call, "jobId", tasks)
    for task in tasks:
        runs.delete(call, task)
    call.world.store.remove("job", job["id"])
    return True


def _hyper_parameters(call: Call, job: Document, body: wire.CreateTask) -> dict[str, Any]:
    """Return the values with the model's defaults filled in, each checked against its range."""
    rows = runs.ways_of(call, "parameterScale", job, body.parameter_scale)
    allowed = {row["key"]: row for row in rows}
    for key, value in body.hyper_parameter_config.items():
        if key not in allowed:
            raise refuse_call(call, f"param[{key}] invalid: {job['model']} has {', '.join(allowed)}")
        if not fits(allowed[key], value):
            raise refuse_call(call, f"param[{key}] invalid: {value!r}; allowed: {allowed[key]['checkValue']}")
    return {row["key"]: row["default"] for row in rows} | body.hyper_parameter_config


def _source(call: Call, job: Document, kind: str, row: wire.DatasetVersionRef) -> str:
    if kind == wire.PLATFORM and row.version_id is not None:
        return runs.dataset_of(call, row.version_id, job["mode"])
    if kind == wire.BOS and row.version_bos_uri:
        return runs.file_of(call, row.version_bos_uri, job["mode"])
    needed = {wire.PLATFORM: "versionId", wire.BOS: "versionBosUri"}.get(kind)
    if needed is None:
        raise refuse_call(
            call, f"param[sourceType] invalid: {kind!r}; the sandbox has {wire.PLATFORM} and {wire.BOS}"
        )
    raise refuse_call(call, f"param[{needed}] invalid: it is missing, and sourceType is {kind}")


def _earlier(call: Call, job: Document, body: wire.CreateTask) -> Document | None:
    """Return the run that is to be gone on from, None when there is none."""
    if body.increment_task_id is None:
        return None
    earlier = runs.task_of(call, body.increment_task_id, "incrementTaskId")
    if earlier["status"] != DONE:
        raise refuse_call(call, f"param[incrementTaskId] invalid: {earlier['id']} is not {DONE}")
    if earlier["texts"] != (job["mode"] == wire.POST_PRETRAIN):
        raise refuse_call(call, f"param[incrementTaskId] invalid: {earlier['id']} did {earlier['mode']}")
    step = body.increment_checkpoint_step
    if step is not None and step not in {point["step"] for point in call.world.store.points(earlier["id"])}:
        raise refuse_call(call, f"param[incrementCheckpointStep] invalid: {earlier['id']} has no step {step}")
    return earlier


def _runs_of(call: Call, job: Document) -> list[Document]:
    return [task for task in call.world.store.all("task") if task["job"] == job["id"]]


def _job_row(job: Document) -> dict[str, Any]:
    return {
        "jobId": job["id"],
        "name": job["name"],
        "description": job["description"],
        "model": job["model"],
        "trainMode": job["mode"],
        "createDate": runs.date(job["created"]),
    }


def _task_row(call: Call, job: Document, task: Document) -> dict[str, Any]:
    return {
        "taskId": task["id"],
        "jobId": task["job"],
        "jobName": job.get("name", ""),
        "jobDescription": job.get("description", ""),
        "model": job.get("model", ""),
        "trainMode": task["mode"],
        "parameterScale": task["scale"],
        "runStatus": runs.status_of(call, task),
        "createDate": runs.date(task["created"]),
        "finishDate": runs.date(task["finished"]),
    }


def _told(call: Call, task: Document) -> dict[str, Any]:
    """Return what only the sandbox knows of a run."""
    told = {
        "engine": call.world.engines.label_of(task["engine"]),
        "effective": task["effective"],
        "phase": task["phase"],
        "starts": task["starts"],
    }
    if task["increment"]:
        told["increment"] = {"taskId": task["increment"], "how": runs.WENT_ON if task["base"] else runs.BOTH}
    return told | ({"notUsed": sorted(task["notes"])} if task["notes"] else {})
