"""Fine-tuning, v1: v2's jobs are tasks here, and its runs jobs, with other states and limits."""

from typing import Any

from qfnb.wire import finetune_v1 as wire, finetune_v2 as wire_v2

from ..http import timestamps
from ..http.call import Call, emulates
from ..state.store import Document
from . import runs, supported_models, worker

_WIRE_STATUS = {worker.DONE: wire.FINISH, worker.FAILED: wire.FAIL, worker.STOPPED: wire.STOP}


@emulates(wire.CREATE_TASK)
def create_task(call: Call, body: wire.CreateTask) -> dict[str, Any]:
    """Create a task, the folder of runs; without a train type its first run sets the model."""
    train_type = body.train_type or ""
    model = runs.validate_model(call, "trainType", train_type, wire_v2.SFT) if train_type else ""
    job = runs.create_job(call, body, model, wire_v2.SFT, train_type)
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
    values = {row["key"]: row["default"] for row in rows} | _validate_limits(
        call, body.train_config
    )
    sources = []
    for row in body.trainset:
        options = {
            wire.PLATFORM: ("trainset.id", row.id),
            wire.BOS: ("trainset.bosPath", row.bos_path),
        }
        source = runs.validate_source(call, job["mode"], "trainset.type", row.type, options)
        sources.append((source, 1.0))
    extra_fields = {"peftType": body.peft_type, "description": body.description or ""}
    request = runs.RunRequest(parameter_scale, values, sources, body.trainset_rate, extra_fields)
    task = runs.start_run(call, job, request)
    call.world.store.update(
        job["id"], **{name: job[name] for name in ("model", "mode", "train_type")}
    )
    return {"id": task["number"], "uuid": task["id"]}


@emulates(wire.GET_JOB)
def get_job(call: Call, body: wire.JobRef) -> dict[str, Any]:
    """Describe a run; v1 has no metrics and no checkpoints."""
    job, task = _get_run(call, body)
    started = task["started"]
    finished = task["finished"]
    end = finished or call.world.clock.now()
    return {
        "id": task["number"],
        "uuid": task["id"],
        "description": task["notes"].get("description", ""),
        "taskId": job["number"],
        "taskIdStr": job["id"],
        "taskName": job["name"],
        "version": runs.run_number(call, task),
        "trainType": job["train_type"] or job["model"],
        "trainMode": task["mode"],
        "peftType": task["notes"].get("peftType", task["scale"]),
        "trainStatus": _WIRE_STATUS.get(task["status"], wire.RUNNING),
        "progress": task["percent"],
        "runTime": int(end - task["created"]),
        "trainTime": int(end - started) if started else 0,
        "startTime": timestamps.beijing_spaced(task["created"]),
        "finishTime": timestamps.beijing_spaced(finished),
        "vdlLink": runs.board_to_wire(task).get("vdlLink", ""),
        "sandbox": {
            "engine": call.world.engines.engine_label(task["engine"]),
            "queued": task["status"] != worker.RUNNING and not finished,
        },
    }


@emulates(wire.STOP_JOB)
def stop_job(call: Call, body: wire.JobRef) -> bool:
    """Stop a run."""
    _, task = _get_run(call, body)
    return call.world.worker(worker.TrainingWorker).stop(str(task["id"]))


def _assign_model(call: Call, job: Document, body: wire.CreateJob) -> Document:
    """Return the job with the model of its first run.

    Raises:
        Refusal: no model is named, or not that of earlier runs.
    """
    train_type = body.train_type or job["train_type"] or body.base_train_type or job["model"]
    if not train_type:
        raise call.invalid("trainType", "neither the task nor the job names a model")
    model = runs.validate_model(call, "trainType", train_type, body.train_mode)
    is_other_model = job["model"] and (model, body.train_mode) != (job["model"], job["mode"])
    if is_other_model and runs.runs_of_job(call, job["id"]):
        raise call.invalid(
            "trainType", f"task {job['number']} does {job['mode']} of {job['model']}"
        )
    return job | {"model": model, "mode": body.train_mode, "train_type": train_type}


def _validate_limits(call: Call, config: dict[str, Any]) -> dict[str, Any]:
    """Return the hyper-parameters; only those in `V1_LIMITS` are validated."""
    for key, (low, high) in supported_models.V1_LIMITS.items():
        value = config.get(key, low)
        is_right_type = key == "learningRate" or isinstance(value, int)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not is_right_type:
            raise call.invalid(key, f"{value!r} is not a number of the right type")
        call.validate_range(key, value, low, high)
    return config


def _get_run(call: Call, body: wire.JobRef) -> tuple[Document, Document]:
    job = call.find("job", body.task_id, "taskId")
    task = call.find("task", body.job_id, "jobId")
    if task["job"] != job["id"]:
        raise call.invalid("jobId", f"{body.job_id} is not a run of task {body.task_id}")
    return job, task
