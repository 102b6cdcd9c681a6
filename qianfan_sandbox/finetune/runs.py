"""Jobs and runs in both versions of fine-tuning: validated, queued, described and deleted."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from qfnb.base.language import tr, tr_noop
from qfnb.base.text import nearest_names
from qfnb.wire import finetune as wire
from qfnb.wire.base import EmptyBody, Id, JsonMapping, JsonObject

from .. import datasets
from ..engines.builtin import engine
from ..engines.protocol import BUILT_IN, PASSES_PER_EPOCH, Pair, Preference
from ..http.call import Call, beijing_spaced, emulates, fields_of, handles, page_by_marker, utc
from ..state.store import Document, random_id
from . import supported_models, worker
from .worker import weights_name, weights_names

REHEARSED = "continued from the earlier run's weights, its data being rehearsed"
TRAINED_ON_BOTH = (
    "trained on the data of both runs: its weights do not fit, e.g. for another parameter scale"
)

TOO_MANY_ROWS = tr_noop(
    "{source} has {n} rows, and the sandbox's small model learns from at most {limit}: use a part "
    "of them, "
    "e.g. dataset.sample(20000), or train on Qianfan"
)

_ROWS_BY_MODE = {
    wire.SFT: "prompts and answers",
    wire.POST_PRETRAIN: "texts",
    wire.DPO: "prompts with a chosen and a rejected answer",
    wire.KTO: "prompts with a chosen or a rejected answer",
}


def validate_model(call: Call, name: str, model: str, mode: str) -> str:
    """Return the platform's name of a model.

    Args:
        call: the request.
        name: the request's field that names the model.
        model: its name, or a train type of v1.
        mode: the train mode.

    Raises:
        Refusal: the sandbox does not tune the model in this mode.
    """
    call.validate_choice("trainMode", mode, [*wire.TrainMode])
    row = supported_models.find_model(model)
    if row is None:
        names = [row["model"] for row in supported_models.WIRE_MODELS]
        nearest = ", ".join(nearest_names(model, names))
        reason = f"{model!r}; the sandbox tunes {len(names)} models: {nearest}, ..."
        raise call.invalid(name, reason)
    modes = [train_mode["trainMode"] for train_mode in row["supportTrainMode"]]
    if mode not in modes:
        raise call.invalid("trainMode", f"{model} has no {mode}")
    return str(row["model"])


def tuning_parameters(
    call: Call, name: str, job: Document, scale: str
) -> list[supported_models.Parameter]:
    """Return the hyper-parameters of a job's model in a parameter scale; `name` is the field that
    names the scale.

    Args:
        call: the request.
        name: the request's field that names the scale.
        job: the job.
        scale: the parameter scale.
    """
    rows = supported_models.find_parameters(job["model"], job["mode"], scale)
    if rows is None:
        raise call.invalid(name, f"{job['model']} has no {scale} in {job['mode']}")
    return rows


def validate_source(
    call: Call, mode: str, kind_field: str, kind: Id, options: Mapping[Any, tuple[str, Any]]
) -> str:
    """Return the id of a dataset or the `bos:/bucket/path` of an object that a run can learn from.

    Args:
        call: the request.
        mode: the train mode.
        kind_field: the request's field for the kind of source.
        kind: the kind of source.
        options: kind -> the field and the value that names the source; datasets come first, then
            objects.

    Raises:
        Refusal: it does not exist, is not released, or has no rows that the mode learns from.
    """
    call.validate_choice(kind_field, kind, options)
    field, key = options[kind]
    if not key:
        raise call.invalid(field, f"it is missing, and {kind_field} is {kind}")
    if kind == next(iter(options)):
        dataset = call.find("dataset", key, field)
        if not datasets.is_released(call.world, dataset):
            raise call.invalid(field, f"{key} is not a released dataset")
        source = str(dataset["id"])
    elif key.startswith(worker.BOS_PREFIX):
        source = key
    else:
        source = f"{worker.BOS_PREFIX}{key.lstrip('/')}"
    rows: Sequence[Pair | Preference]
    try:
        if mode in worker.PREFERENCE_LOSSES:
            rows = worker.read_preferences(call.store, source)
        else:
            rows = worker.read_pairs(call.store, source)
    except ValueError as error:
        raise call.invalid(field, str(error)) from None
    if not any(worker.is_usable(row, mode) for row in rows):
        reason = f"{source} has no {_ROWS_BY_MODE[mode]}, which {mode} learns from"
        raise call.invalid(field, reason)
    if len(rows) > engine.MAX_ROWS:
        limit = f"{engine.MAX_ROWS:,}"
        reason = tr(TOO_MANY_ROWS, source=source, n=f"{len(rows):,}", limit=limit)
        raise call.invalid(field, reason)
    return source


def create_job(call: Call, body: Any, model: str, mode: str, train_type: str = "") -> Document:
    """Add a job, the folder of runs.

    Args:
        call: the request.
        body: its name and description.
        model: the model of its runs, "" if the first run sets it.
        mode: the train mode of its runs.
        train_type: v1's name of the model.
    """
    if not body.name:
        raise call.invalid("name", "it is empty")
    fields = {"name": body.name, "description": body.description or ""}
    return call.store.add(
        "job", random_id("job-"), model=model, mode=mode, train_type=train_type, **fields
    )


def runs_of_job(call: Call, job_id: str) -> list[Document]:
    """Return the runs of a job, the oldest first."""
    return call.store.all("task", job=job_id)


def run_number(call: Call, task: Document) -> int:
    """Return the number of a run in its job, from 1."""
    return sum(row["number"] <= task["number"] for row in runs_of_job(call, task["job"]))


def start_run(
    call: Call,
    job: Document,
    scale: str,
    values: JsonMapping,
    sources: Sequence[tuple[str, float]],
    *,
    split_ratio: int,
    notes: JsonObject,
    earlier: Document | None = None,
    step: int | None = None,
) -> Document:
    """Queue a run and return it.

    It learns the earlier run's data, too: the built-in model would forget them.

    Args:
        call: the request.
        job: the run's job.
        scale: the parameter scale, e.g. `LoRA`.
        values: all hyper-parameters, by v2's names.
        sources: ids of datasets and addresses of objects, each with its sampling rate.
        split_ratio: the percentage of rows that is held out for validation.
        notes: other fields of the request, stored with the run.
        earlier: the run that it continues.
        step: the step of the checkpoint of that run, None for the last one.
    """
    world = call.world
    rates = dict(sources)
    before = 0
    base = None
    if earlier:
        shared = dict(worker.sources_of(earlier))
        for source in rates:
            shared.pop(source, None)
        before = len(shared)
        rates = shared | rates
        base = find_weights(call, earlier, step) if earlier["scale"] == scale else None
    if base and not engine.is_model(call.store.read_file(f"{base}.npz") or b""):
        base = None
    task = world.store.add(
        "task",
        random_id("task-"),
        job=job["id"],
        mode=job["mode"],
        texts=job["mode"] == wire.POST_PRETRAIN,
        datasets=[*rates],
        rates=[*rates.values()],
        before=before,
        split_ratio=split_ratio,
        scale=scale,
        hyper_parameters=dict(values),
        notes=notes,
        increment=earlier["id"] if earlier else None,
        base=base,
        checkpoints=[],
        engine="builtin",
        effective=_local_hyperparameters(job, scale, values),
        passes_per_epoch=PASSES_PER_EPOCH,
        plan=world.lifecycle.plan(
            (wire.ACCEPTED, "accept"), (worker.WAITING, "queue"), final=worker.WAITING
        ),
        status=worker.WAITING,
        starts=0,
        stopping=False,
        phase="",
        percent=0,
        message="",
        metrics=None,
        started=None,
        finished=None,
    )
    world.enqueue("task", task)
    return task


def _local_hyperparameters(job: Document, scale: str, values: JsonMapping) -> JsonObject:
    """Return the built-in engine's hyper-parameters for the platform's."""
    from ..engines.builtin.training import local_hyperparameters  # noqa: PLC0415 - numpy

    rows = supported_models.find_parameters(job["model"], job["mode"], scale) or []
    return asdict(local_hyperparameters(values, supported_models.default_values(rows)))


def find_weights(call: Call, task: Document, step: int | None) -> str | None:
    """Return the name of the weights of a run's checkpoint, None if they were not kept.

    Args:
        call: the request.
        task: the run.
        step: the checkpoint's step, None for the last one.
    """
    last_step = None
    for point in call.store.points(task["id"]):
        last_step = point["step"]
    return weights_name(task, step, last_step)


def checkpoints_to_wire(call: Call, task: Document) -> list[Document]:
    """Return the points of a run's curve; those whose weights are kept are marked, which is the
    sandbox's extension.
    """
    points = call.store.points(task["id"])
    steps = set(task.get("checkpoints", ()))
    if points and task["status"] in worker.FINAL_STATUSES:
        steps.add(points[-1]["step"])
    for point in points:
        point["kept"] = point["step"] in steps
    return points


def describe_checkpoints(call: Call, task: Document) -> str:
    """Return the steps of a run whose weights are kept, as text."""
    steps = []
    for point in checkpoints_to_wire(call, task):
        if point["kept"]:
            steps.append(str(point["step"]))
    return ", ".join(steps) or "none"


def run_status(call: Call, task: Document) -> str:
    """Return a run's state: by the clock until it starts, then by the work."""
    if task["status"] == worker.WAITING:
        return str(call.lifecycle.state(task["plan"]))
    return str(task["status"])


def delete_runs(call: Call, field: str, tasks: Sequence[Document]) -> None:
    """Delete runs, and their weights unless a version was published from them.

    Args:
        call: the request.
        field: the request's field that names them.
        tasks: the runs.

    Raises:
        Refusal: one of them has not ended; then none is deleted.
    """
    store = call.store
    for task in tasks:
        if task["status"] not in worker.FINAL_STATUSES:
            raise call.invalid(field, f"{task['id']} is {task['status']}; stop it first")
    published = {row["task"] for row in store.all("version")}
    for task in tasks:
        store.drop_points(task["id"])
        store.remove("task", task["id"])
        for name in set(weights_names(task)) - published:
            store.remove_file(f"{name}.npz")


UNUSED_FIELDS = ("corpusConfig", "resourceConfig", "modelConfig")
"""Fields of a request that the local model does not use."""


@emulates(wire.SUPPORT_MODELS)
def support_models(call: Call, body: EmptyBody) -> list[JsonObject]:
    """List the models that can be tuned; a strict sandbox offers today's, and tunes the others,
    too.

    What the engine does not imitate is marked, and how fast it is told, which are the sandbox's
    extensions.
    """
    models = supported_models.WIRE_MODELS
    if call.is_strict:
        models = supported_models.TODAY_MODELS
    return supported_models.with_extensions(models)


@emulates(wire.CREATE_JOB)
def create_job_v2(call: Call, body: wire.CreateJob) -> JsonObject:
    """Create a job, the folder of runs."""
    model = validate_model(call, "model", body.model, body.train_mode)
    job = create_job(call, body, model, body.train_mode)
    return {"jobId": job["id"]}


@emulates(wire.CREATE_TASK)
def create_task(call: Call, body: wire.CreateTask) -> JsonObject:
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
        source = validate_source(call, job["mode"], "sourceType", data.source_type, options)
        sources.append((source, row.sampling_rate))
    sent = body.to_wire()
    task = start_run(
        call,
        job,
        body.parameter_scale,
        values,
        sources,
        split_ratio=data.split_ratio,
        notes={name: sent[name] for name in UNUSED_FIELDS if sent.get(name)},
        earlier=earlier,
        step=body.increment_checkpoint_step,
    )
    return {"jobId": job["id"], "taskId": task["id"]}


@emulates(wire.LIST_JOBS)
def list_jobs(call: Call, body: wire.ListJobs) -> JsonObject:
    """List the jobs, the newest first."""
    filters = {}
    if body.train_model:
        filters["mode"] = body.train_model
    if body.model:
        filters["model"] = body.model
    jobs = call.store.all("job", **filters)[::-1]
    return page_by_marker(call, jobs, body, _job_to_wire, "jobList")


@emulates(wire.LIST_TASKS)
def list_tasks(call: Call, body: wire.ListTasks) -> JsonObject:
    """List the runs of a job, the newest first."""
    job = call.find("job", body.job_id, "jobId")
    tasks = runs_of_job(call, job["id"])[::-1]
    return page_by_marker(call, tasks, body, _task_to_wire, "taskList")


def describe_task(call: Call, task: Document) -> JsonObject:
    """Describe a run; the checkpoints of a running run are the sandbox's extension."""
    status = task["status"]
    state = _task_to_wire(call, task)
    state |= {
        "hyperParameterConfig": task["hyper_parameters"],
        "datasetConfig": _data_to_wire(task),
        "sandbox": _sandbox_fields(call, task),
    }
    if status in {worker.RUNNING, worker.DONE, worker.STOPPED}:
        state["checkpointList"] = checkpoints_to_wire(call, task)
    if status in {worker.RUNNING, worker.DONE}:
        state["runProgress"] = f"{task['percent']}%"
    if status == worker.DONE:
        state["metrics"] = task["metrics"]
    if task["message"]:
        state["message"] = task["message"]
    return state


handles(wire.DESCRIBE_TASK, "task", "taskId", describe_task)


def stop_task(call: Call, task: Document) -> bool:
    """Stop a run."""
    return worker.stop_run(call.world, task["id"])


handles(wire.STOP_TASK, "task", "taskId", stop_task)


def delete_task(call: Call, task: Document) -> bool:
    """Delete a run that has ended."""
    delete_runs(call, "taskId", [task])
    return True


handles(wire.DELETE_TASK, "task", "taskId", delete_task)


def delete_job(call: Call, job: Document) -> bool:
    """Delete a job with its runs, all of which have ended."""
    delete_runs(call, "jobId", runs_of_job(call, job["id"]))
    call.store.remove("job", job["id"])
    return True


handles(wire.DELETE_JOB, "job", "jobId", delete_job)


def _validated_hyper_parameters(call: Call, job: Document, body: wire.CreateTask) -> JsonObject:
    """Return the validated values, with the model's defaults for missing ones."""
    rows = tuning_parameters(call, "parameterScale", job, body.parameter_scale)
    allowed = {row["key"]: row for row in rows}
    for key, value in body.hyper_parameter_config.items():
        if key not in allowed:
            raise call.invalid(key, f"{job['model']} has {', '.join(allowed)}")
        if not supported_models.is_valid_value(allowed[key], value):
            raise call.invalid(key, f"{value!r}; allowed: {allowed[key]['checkValue']}")
    return supported_models.default_values(rows) | body.hyper_parameter_config


def _get_earlier_run(call: Call, job: Document, body: wire.CreateTask) -> Document | None:
    """Return the run that the new one continues, None if it does not continue any."""
    if body.increment_task_id is None:
        return None
    earlier = call.find("task", body.increment_task_id, "incrementTaskId")
    if earlier["status"] != worker.DONE:
        raise call.invalid("incrementTaskId", f"{earlier['id']} is not {worker.DONE}")
    if earlier["texts"] != (job["mode"] == wire.POST_PRETRAIN):
        raise call.invalid("incrementTaskId", f"{earlier['id']} did {earlier['mode']}")
    if find_weights(call, earlier, body.increment_checkpoint_step) is None:
        steps = describe_checkpoints(call, earlier)
        reason = f"{body.increment_checkpoint_step}; {earlier['id']} kept {steps}"
        raise call.invalid("incrementCheckpointStep", reason)
    return earlier


def _job_to_wire(call: Call, job: Document) -> JsonObject:
    return {
        **fields_of(job, "name", "description", "model", jobId="id", trainMode="mode"),
        "createDate": utc(job["created"]),
    }


def _task_to_wire(call: Call, task: Document) -> JsonObject:
    job = call.find("job", task["job"], "jobId")
    return {
        **fields_of(task, taskId="id", jobId="job", trainMode="mode", parameterScale="scale"),
        **fields_of(job, "model", jobName="name", jobDescription="description"),
        "runStatus": run_status(call, task),
        "createDate": utc(task["created"]),
        "finishDate": utc(task["finished"]),
    }


def _data_to_wire(task: Document) -> JsonObject:
    """Return the data of a run, without that of the runs that it continues."""
    versions = []
    for source, rate in worker.sources_of(task)[task["before"] :]:
        versions.append({"versionId": source, "samplingRate": rate})
    return {"versions": versions, "splitRatio": task["split_ratio"]}


def _sandbox_fields(call: Call, task: Document) -> JsonObject:
    """Return the fields that only the sandbox has."""
    fields = {"engine": BUILT_IN, **fields_of(task, "effective", "phase", "starts")}
    if task["increment"]:
        how = REHEARSED if task["base"] else TRAINED_ON_BOTH
        fields["increment"] = {**fields_of(task, taskId="increment", weights="base"), "how": how}
    if task["notes"]:
        fields["notUsed"] = sorted(task["notes"])
    return fields


_WIRE_STATUS = {worker.DONE: wire.FINISH, worker.FAILED: wire.FAIL, worker.STOPPED: wire.STOP}


@emulates(wire.CREATE_TASK_V1)
def create_task_v1(call: Call, body: wire.CreateTaskV1) -> JsonObject:
    """Create a task, the folder of runs; without a train type its first run sets the model."""
    train_type = body.train_type or ""
    if train_type:
        model = validate_model(call, "trainType", train_type, wire.SFT)
    else:
        model = ""
    job = create_job(call, body, model, wire.SFT, train_type)
    return {
        **fields_of(job, "name", "description", id="number", uuid="id"),
        "createTime": beijing_spaced(job["created"]),
    }


@emulates(wire.CREATE_JOB_V1)
def create_job_v1(call: Call, body: wire.CreateJobV1) -> JsonObject:
    """Queue a run."""
    job = _assign_model(call, call.find("job", body.task_id, "taskId"), body)
    parameter_scale = wire.PEFT_TYPES.get(body.peft_type.lower(), body.peft_type)
    rows = tuning_parameters(call, "peftType", job, parameter_scale)
    values = supported_models.default_values(rows) | _validate_limits(call, body.train_config)
    sources = []
    for row in body.trainset:
        options = {
            wire.PLATFORM_V1: ("trainset.id", row.id),
            wire.BOS_V1: ("trainset.bosPath", row.bos_path),
        }
        source = validate_source(call, job["mode"], "trainset.type", row.type, options)
        sources.append((source, 1.0))
    task = start_run(
        call,
        job,
        parameter_scale,
        values,
        sources,
        split_ratio=body.trainset_rate,
        notes={"peftType": body.peft_type, "description": body.description or ""},
    )
    call.store.update(job["id"], **fields_of(job, "model", "mode", "train_type"))
    return {"id": task["number"], "uuid": task["id"]}


@emulates(wire.GET_JOB)
def get_job(call: Call, body: wire.JobRefV1) -> JsonObject:
    """Describe a run; v1 has no metrics and no checkpoints."""
    job, task = _get_run(call, body)
    started = task["started"]
    finished = task["finished"]
    end = finished or call.world.clock.now()
    return {
        **fields_of(task, id="number", uuid="id", trainMode="mode", progress="percent"),
        "description": task["notes"].get("description", ""),
        "taskId": job["number"],
        "taskIdStr": job["id"],
        "taskName": job["name"],
        "version": run_number(call, task),
        "trainType": job["train_type"] or job["model"],
        "peftType": task["notes"].get("peftType", task["scale"]),
        "trainStatus": _WIRE_STATUS.get(task["status"], wire.RUNNING_V1),
        "runTime": int(end - task["created"]),
        "trainTime": int(end - started) if started else 0,
        "startTime": beijing_spaced(task["created"]),
        "finishTime": beijing_spaced(finished),
        "sandbox": {
            "engine": BUILT_IN,
            "queued": task["status"] != worker.RUNNING and not finished,
        },
    }


@emulates(wire.STOP_JOB)
def stop_job(call: Call, body: wire.JobRefV1) -> bool:
    """Stop a run."""
    _, task = _get_run(call, body)
    return stop_task(call, task)


def _assign_model(call: Call, job: Document, body: wire.CreateJobV1) -> Document:
    """Return the job with the model of its first run.

    Raises:
        Refusal: no model is named, or not that of earlier runs.
    """
    train_type = body.train_type or job["train_type"] or body.base_train_type or job["model"]
    if not train_type:
        raise call.invalid("trainType", "neither the task nor the job names a model")
    model = validate_model(call, "trainType", train_type, body.train_mode)
    is_other_model = job["model"] and (model, body.train_mode) != (job["model"], job["mode"])
    if is_other_model and runs_of_job(call, job["id"]):
        raise call.invalid(
            "trainType", f"task {job['number']} does {job['mode']} of {job['model']}"
        )
    return job | {"model": model, "mode": body.train_mode, "train_type": train_type}


def _validate_limits(call: Call, config: JsonObject) -> JsonObject:
    """Return the hyper-parameters; only those in `V1_LIMITS` are validated."""
    for key, (low, high) in supported_models.V1_LIMITS.items():
        value = config.get(key, low)
        is_right_type = key == "learningRate" or isinstance(value, int)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not is_right_type:
            raise call.invalid(key, f"{value!r} is not a number of the right type")
        call.validate_range(key, value, low, high)
    return config


def _get_run(call: Call, body: wire.JobRefV1) -> tuple[Document, Document]:
    job = call.find("job", body.task_id, "taskId")
    task = call.find("task", body.job_id, "jobId")
    if task["job"] != job["id"]:
        raise call.invalid("jobId", f"{body.job_id} is not a run of task {body.task_id}")
    return job, task
