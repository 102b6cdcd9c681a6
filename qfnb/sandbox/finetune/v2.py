"""Fine-tuning runs, console v2: the platform's states and fields over real training."""

from __future__ import annotations

from typing import Any

from ...wire import finetune as wire
from ...wire.base import EmptyBody
from ..http import timestamps
from ..http.call import Call, emulates
from ..http.paging import page_by_marker
from ..state.store import Document, random_id
from . import runs
from .supported_models import WIRE_MODELS, is_valid_value
from .worker import DONE, FAILED, RUNNING, STOPPED, TrainingWorker

UNUSED_FIELDS = ("corpusConfig", "resourceConfig", "modelConfig")
"""What a run is told and the local model does not use."""


@emulates(wire.SUPPORT_MODELS)
def support_models(call: Call, body: EmptyBody) -> list[dict[str, Any]]:
    """Return what can be tuned, and every range."""
    return WIRE_MODELS


@emulates(wire.CREATE_JOB)
def create_job(call: Call, body: wire.CreateJob) -> dict[str, Any]:
    """Create the folder of runs."""
    if not body.name:
        raise call.invalid("name", "it is empty")
    model = runs.validate_model(call, "model", body.model, body.train_mode)
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
    job, data = call.find("job", body.job_id, "jobId"), body.dataset_config
    if not job["model"]:
        raise call.invalid("jobId", f"{job['id']} has no model yet; v1's createJob sets it")
    values = _validated_hyper_parameters(call, job, body)
    earlier = _get_earlier_run(call, job, body)
    sources = [
        (_validate_source(call, job, data.source_type, row), row.sampling_rate) for row in data.versions
    ]
    wire_body = body.to_wire()
    extra_fields = {name: wire_body[name] for name in UNUSED_FIELDS if wire_body.get(name)}
    run_request = runs.RunRequest(body.parameter_scale, values, sources, data.split_ratio, extra_fields)
    task = runs.start_run(call, job, run_request, earlier)
    return {"jobId": job["id"], "taskId": task["id"]}


@emulates(wire.LIST_JOBS)
def list_jobs(call: Call, body: wire.ListJobs) -> dict[str, Any]:
    """List the jobs, the newest first."""
    rows = [_job_to_wire(job) for job in reversed(call.world.store.all("job"))]
    filters = {"trainMode": body.train_model, "model": body.model}
    rows = [row for row in rows if all(not value or row[key] == value for key, value in filters.items())]
    page, info = page_by_marker(call, rows, "jobId", body)
    return {"jobList": page, "pageInfo": info}


@emulates(wire.LIST_TASKS)
def list_tasks(call: Call, body: wire.ListTasks) -> dict[str, Any]:
    """List the runs of a job, the newest first."""
    job = call.find("job", body.job_id, "jobId")
    rows = [_task_to_wire(call, job, task) for task in reversed(_runs_of_job(call, job))]
    page, info = page_by_marker(call, rows, "taskId", body)
    return {"taskList": page, "pageInfo": info}


@emulates(wire.DESCRIBE_TASK)
def describe_task(call: Call, body: wire.TaskRef) -> dict[str, Any]:
    """Describe a run; the checkpoints of a run under way are the sandbox's extension."""
    task = call.find("task", body.task_id, "taskId")
    job = call.world.store.get("job", task["job"]) or {}
    state = _task_to_wire(call, job, task) | runs.board_to_wire(task)
    state |= {"hyperParameterConfig": task["hyper_parameters"], "sandbox": _sandbox_fields(call, task)}
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
    return call.world.worker(TrainingWorker).stop(str(call.find("task", body.task_id, "taskId")["id"]))


@emulates(wire.DELETE_TASK)
def delete_task(call: Call, body: wire.TaskRef) -> bool:
    """Delete a run that is over."""
    task = call.find("task", body.task_id, "taskId")
    runs.validate_not_running(call, "taskId", [task])
    runs.delete_run(call, task)
    return True


@emulates(wire.DELETE_JOB)
def delete_job(call: Call, body: wire.JobRef) -> bool:
    """Delete a job with its runs, which are over."""
    job = call.find("job", body.job_id, "jobId")
    tasks = _runs_of_job(call, job)
    runs.validate_not_running(call, "jobId", tasks)
    for task in tasks:
        runs.delete_run(call, task)
    call.world.store.remove("job", job["id"])
    return True


def _validated_hyper_parameters(call: Call, job: Document, body: wire.CreateTask) -> dict[str, Any]:
    """Return the values with the model's defaults filled in, each checked against its range."""
    rows = runs.tuning_parameters(call, "parameterScale", job, body.parameter_scale)
    allowed = {row["key"]: row for row in rows}
    for key, value in body.hyper_parameter_config.items():
        if key not in allowed:
            raise call.invalid(key, f"{job['model']} has {', '.join(allowed)}")
        if not is_valid_value(allowed[key], value):
            raise call.invalid(key, f"{value!r}; allowed: {allowed[key]['checkValue']}")
    return {row["key"]: row["default"] for row in rows} | body.hyper_parameter_config


def _validate_source(call: Call, job: Document, kind: str, row: wire.DatasetVersionRef) -> str:
    if kind == wire.PLATFORM and row.version_id is not None:
        return runs.validate_dataset(call, row.version_id, job["mode"])
    if kind == wire.BOS and row.version_bos_uri:
        return runs.validate_file(call, row.version_bos_uri, job["mode"])
    required_field = {wire.PLATFORM: "versionId", wire.BOS: "versionBosUri"}.get(kind)
    if required_field is None:
        raise call.invalid("sourceType", f"{kind!r}; the sandbox has {wire.PLATFORM} and {wire.BOS}")
    raise call.invalid(required_field, f"it is missing, and sourceType is {kind}")


def _get_earlier_run(call: Call, job: Document, body: wire.CreateTask) -> Document | None:
    """Return the run that is to be gone on from, None when there is none."""
    if body.increment_task_id is None:
        return None
    earlier = call.find("task", body.increment_task_id, "incrementTaskId")
    if earlier["status"] != DONE:
        raise call.invalid("incrementTaskId", f"{earlier['id']} is not {DONE}")
    if earlier["texts"] != (job["mode"] == wire.POST_PRETRAIN):
        raise call.invalid("incrementTaskId", f"{earlier['id']} did {earlier['mode']}")
    step = body.increment_checkpoint_step
    if step is not None and step not in {point["step"] for point in call.world.store.points(earlier["id"])}:
        raise call.invalid("incrementCheckpointStep", f"{earlier['id']} has no step {step}")
    return earlier


def _runs_of_job(call: Call, job: Document) -> list[Document]:
    return [task for task in call.world.store.all("task") if task["job"] == job["id"]]


def _job_to_wire(job: Document) -> dict[str, Any]:
    return {
        "jobId": job["id"],
        "name": job["name"],
        "description": job["description"],
        "model": job["model"],
        "trainMode": job["mode"],
        "createDate": timestamps.utc(job["created"]),
    }


def _task_to_wire(call: Call, job: Document, task: Document) -> dict[str, Any]:
    return {
        "taskId": task["id"],
        "jobId": task["job"],
        "jobName": job.get("name", ""),
        "jobDescription": job.get("description", ""),
        "model": job.get("model", ""),
        "trainMode": task["mode"],
        "parameterScale": task["scale"],
        "runStatus": runs.run_status(call, task),
        "createDate": timestamps.utc(task["created"]),
        "finishDate": timestamps.utc(task["finished"]),
    }


def _sandbox_fields(call: Call, task: Document) -> dict[str, Any]:
    """Return what only the sandbox knows of a run."""
    fields = {
        "engine": call.world.engines.engine_label(task["engine"]),
        "effective": task["effective"],
        "phase": task["phase"],
        "starts": task["starts"],
    }
    if task["increment"]:
        fields["increment"] = {
            "taskId": task["increment"],
            "how": runs.CONTINUED_FROM_WEIGHTS if task["base"] else runs.TRAINED_ON_BOTH,
        }
    return fields | ({"notUsed": sorted(task["notes"])} if task["notes"] else {})
