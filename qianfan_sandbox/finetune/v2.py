"""Fine-tuning, v2: jobs and runs with the platform's states and fields over real training."""

from typing import Any

from qfnb.wire import finetune_v2 as wire
from qfnb.wire.base import EmptyBody

from ..http import timestamps
from ..http.call import Call, emulates
from ..http.paging import page_by_marker
from ..state.store import Document
from . import recorder, run_data, runs, supported_models, worker

UNUSED_FIELDS = ("corpusConfig", "resourceConfig", "modelConfig")
"""Fields of a request that the local model does not use."""


@emulates(wire.SUPPORT_MODELS)
def support_models(call: Call, body: EmptyBody) -> list[dict[str, Any]]:
    """List the models that can be tuned; a strict sandbox offers today's, and tunes the others,
    too.

    What the engine does not imitate is marked, and how fast it is told, which are the sandbox's
    extensions.
    """
    models = (
        supported_models.TODAY_MODELS if call.world.modes.strict else supported_models.WIRE_MODELS
    )
    engine = call.world.engines.training_engine
    seconds = lambda mode: engine.training_seconds(preferences=mode in run_data.PREFERENCE_LOSSES)  # noqa: E731 - one expression
    return supported_models.with_extensions(
        models, engine.imitated_parameters | recorder.PARAMETERS, seconds
    )


@emulates(wire.CREATE_JOB)
def create_job(call: Call, body: wire.CreateJob) -> dict[str, Any]:
    """Create a job, the folder of runs."""
    model = runs.validate_model(call, "model", body.model, body.train_mode)
    job = runs.create_job(call, body, model, body.train_mode)
    return {"jobId": job["id"]}


@emulates(wire.CREATE_TASK)
def create_task(call: Call, body: wire.CreateTask) -> dict[str, Any]:
    """Queue a run."""
    job = call.find("job", body.job_id, "jobId")
    data = body.dataset_config
    if not job["model"]:
        raise call.invalid("jobId", f"{job['id']} has no model yet; v1's createJob sets it")
    if not data.versions:
        raise call.invalid("datasetConfig.versions", "it is empty: name at least one dataset")
    values = _validated_hyper_parameters(call, job, body)
    earlier = _get_earlier_run(call, job, body)
    sources = []
    for row in data.versions:
        options = {
            wire.PLATFORM: ("versionId", row.version_id),
            wire.BOS: ("versionBosUri", row.version_bos_uri),
        }
        source = runs.validate_source(call, job["mode"], "sourceType", data.source_type, options)
        sources.append((source, row.sampling_rate))
    wire_body = body.to_wire()
    extra_fields = {name: wire_body[name] for name in UNUSED_FIELDS if wire_body.get(name)}
    run_request = runs.RunRequest(
        body.parameter_scale, values, sources, data.split_ratio, extra_fields
    )
    task = runs.start_run(call, job, run_request, earlier, body.increment_checkpoint_step)
    return {"jobId": job["id"], "taskId": task["id"]}


@emulates(wire.LIST_JOBS)
def list_jobs(call: Call, body: wire.ListJobs) -> dict[str, Any]:
    """List the jobs, the newest first."""
    rows = [_job_to_wire(job) for job in reversed(call.world.store.all("job"))]
    filters = {"trainMode": body.train_model, "model": body.model}
    rows = [
        row for row in rows if all(not value or row[key] == value for key, value in filters.items())
    ]
    return page_by_marker(call, rows, "jobId", body, "jobList")


@emulates(wire.LIST_TASKS)
def list_tasks(call: Call, body: wire.ListTasks) -> dict[str, Any]:
    """List the runs of a job, the newest first."""
    job = call.find("job", body.job_id, "jobId")
    rows = [_task_to_wire(call, job, task) for task in reversed(runs.runs_of_job(call, job["id"]))]
    return page_by_marker(call, rows, "taskId", body, "taskList")


@emulates(wire.DESCRIBE_TASK)
def describe_task(call: Call, body: wire.TaskRef) -> dict[str, Any]:
    """Describe a run; the checkpoints of a running run are the sandbox's extension."""
    task = call.find("task", body.task_id, "taskId")
    job = call.world.store.get("job", task["job"]) or {}
    state = _task_to_wire(call, job, task) | runs.board_to_wire(task)
    state |= {
        "hyperParameterConfig": task["hyper_parameters"],
        "datasetConfig": _data_to_wire(task),
    }
    state["sandbox"] = _sandbox_fields(call, task)
    if task["status"] in {worker.RUNNING, worker.DONE, worker.STOPPED}:
        state["checkpointList"] = runs.checkpoints_to_wire(call, task)
    if task["status"] == worker.RUNNING:
        state["runProgress"] = f"{task['percent']}%"
    if task["status"] == worker.DONE:
        state |= {"runProgress": "100%", "metrics": task["metrics"]}
    if task["message"]:
        state["message"] = task["message"]
    return state


@emulates(wire.STOP_TASK)
def stop_task(call: Call, body: wire.TaskRef) -> bool:
    """Stop a run."""
    return call.world.worker(worker.TrainingWorker).stop(
        str(call.find("task", body.task_id, "taskId")["id"])
    )


@emulates(wire.DELETE_TASK)
def delete_task(call: Call, body: wire.TaskRef) -> bool:
    """Delete a run that has ended."""
    runs.delete_runs(call, "taskId", [call.find("task", body.task_id, "taskId")])
    return True


@emulates(wire.DELETE_JOB)
def delete_job(call: Call, body: wire.JobRef) -> bool:
    """Delete a job with its runs, all of which have ended."""
    job = call.find("job", body.job_id, "jobId")
    runs.delete_runs(call, "jobId", runs.runs_of_job(call, job["id"]))
    call.world.store.remove("job", job["id"])
    return True


def _validated_hyper_parameters(call: Call, job: Document, body: wire.CreateTask) -> dict[str, Any]:
    """Return the validated values, with the model's defaults for missing ones."""
    rows = runs.tuning_parameters(call, "parameterScale", job, body.parameter_scale)
    allowed = {row["key"]: row for row in rows}
    for key, value in body.hyper_parameter_config.items():
        if key not in allowed:
            raise call.invalid(key, f"{job['model']} has {', '.join(allowed)}")
        if not supported_models.is_valid_value(allowed[key], value):
            raise call.invalid(key, f"{value!r}; allowed: {allowed[key]['checkValue']}")
    return {row["key"]: row["default"] for row in rows} | body.hyper_parameter_config


def _get_earlier_run(call: Call, job: Document, body: wire.CreateTask) -> Document | None:
    """Return the run that the new one continues, None if it does not continue any."""
    if body.increment_task_id is None:
        return None
    earlier = call.find("task", body.increment_task_id, "incrementTaskId")
    if earlier["status"] != worker.DONE:
        raise call.invalid("incrementTaskId", f"{earlier['id']} is not {worker.DONE}")
    if earlier["texts"] != (job["mode"] == wire.POST_PRETRAIN):
        raise call.invalid("incrementTaskId", f"{earlier['id']} did {earlier['mode']}")
    if runs.find_weights(call, earlier, body.increment_checkpoint_step) is None:
        kept = runs.describe_checkpoints(call, earlier)
        raise call.invalid(
            "incrementCheckpointStep",
            f"{body.increment_checkpoint_step}; {earlier['id']} kept {kept}",
        )
    return earlier


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


def _data_to_wire(task: Document) -> dict[str, Any]:
    """Return the data of a run, without that of the runs that it continues."""
    sources = list(zip(task["datasets"], task["rates"], strict=True))[task["before"] :]
    versions = [{"versionId": source, "samplingRate": rate} for source, rate in sources]
    return {"versions": versions, "splitRatio": task["split_ratio"]}


def _sandbox_fields(call: Call, task: Document) -> dict[str, Any]:
    """Return the fields that only the sandbox has."""
    fields = {
        "engine": call.world.engines.engine_label(task["engine"]),
        "effective": task["effective"],
        "phase": task["phase"],
        "starts": task["starts"],
    }
    if task["increment"]:
        continued = runs.REHEARSED if task["before"] else runs.CONTINUED_FROM_WEIGHTS
        fields["increment"] = {
            "taskId": task["increment"],
            "weights": task["base"],
            "how": continued if task["base"] else runs.TRAINED_ON_BOTH,
        }
    return fields | ({"notUsed": sorted(task["notes"])} if task["notes"] else {})
