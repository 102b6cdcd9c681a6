"""Runs as both versions of fine-tuning use them: validated, queued, described and deleted."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from qfnb.base.language import tr, tr_noop
from qfnb.base.text import nearest_names
from qfnb.wire import finetune_v2 as wire

from ..datasets import common as datasets
from ..engines.builtin.engine import BuiltinEngine
from ..http.call import Call
from ..state.store import Document, random_id
from . import run_data, supported_models, worker
from .recorder import weights_name, weights_names

VISUALDL_URL = "https://console.bce.baidu.com/qianfan/visualdl/index?displayToken="
"""The platform's address of a run's loss curves; it shows nothing for a run of the sandbox."""

CONTINUED_FROM_WEIGHTS = "continued from the earlier run's weights"
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


@dataclass(frozen=True)
class RunRequest:
    """A requested run, in v2's words.

    Attributes:
        scale: the parameter scale, e.g. `LoRA`.
        values: all hyper-parameters.
        sources: ids of datasets and addresses of objects, each with its sampling rate.
        split_ratio: the percentage of rows that is held out for validation.
        extra_fields: other fields of the request, stored with the run.
    """

    scale: str
    values: Mapping[str, Any]
    sources: Sequence[tuple[str, float]]
    split_ratio: int
    extra_fields: Mapping[str, Any] = field(default_factory=dict)


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
    engine = call.world.engines.training_engine
    if mode in run_data.PREFERENCE_LOSSES and "preferences" not in engine.abilities:
        reason = (
            f"{mode}; {engine.label} learns from pairs only: start the sandbox with "
            f"--engine {BuiltinEngine.name}"
        )
        raise call.invalid("trainMode", reason)
    row = supported_models.find_model(model)
    if row is None:
        names = [row["model"] for row in supported_models.WIRE_MODELS]
        nearest = ", ".join(nearest_names(model, names))
        raise call.invalid(
            name, f"{model!r}; the sandbox tunes {len(names)} models: {nearest}, ..."
        )
    if mode not in {train_mode["trainMode"] for train_mode in row["supportTrainMode"]}:
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
    call: Call, mode: str, kind_field: str, kind: int | str, options: Mapping[Any, tuple[str, Any]]
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
    else:
        source = (
            key
            if key.startswith(run_data.BOS_PREFIX)
            else f"{run_data.BOS_PREFIX}{key.lstrip('/')}"
        )
    read = run_data.read_preferences if mode in run_data.PREFERENCE_LOSSES else run_data.read_pairs
    try:
        rows = read(call.world.store, source)
    except ValueError as error:
        raise call.invalid(field, str(error)) from None
    if not any(run_data.is_usable(row, mode) for row in rows):
        raise call.invalid(
            field, f"{source} has no {_ROWS_BY_MODE[mode]}, which {mode} learns from"
        )
    limit = call.world.engines.training_engine.max_rows
    if limit is not None and len(rows) > limit:
        raise call.invalid(
            field, tr(TOO_MANY_ROWS, source=source, n=f"{len(rows):,}", limit=f"{limit:,}")
        )
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
    return call.world.store.add(
        "job", random_id("job-"), model=model, mode=mode, train_type=train_type, **fields
    )


def runs_of_job(call: Call, job_id: str) -> list[Document]:
    """Return the runs of a job, the oldest first."""
    return [task for task in call.world.store.all("task") if task["job"] == job_id]


def run_number(call: Call, task: Document) -> int:
    """Return the number of a run in its job, from 1."""
    return 1 + len(
        [row for row in runs_of_job(call, task["job"]) if row["number"] < task["number"]]
    )


def start_run(
    call: Call,
    job: Document,
    request: RunRequest,
    earlier: Document | None = None,
    step: int | None = None,
) -> Document:
    """Queue a run and return it.

    It learns the earlier run's data, too, if it cannot continue from weights, or if the engine
    needs rehearsal.

    Args:
        call: the request.
        job: the run's job.
        request: the run.
        earlier: the run that it continues.
        step: the step of the checkpoint of that run, None for the last one.
    """
    world = call.world
    own_sources = dict(request.sources)
    base = (
        find_weights(call, earlier, step) if earlier and earlier["scale"] == request.scale else None
    )
    base = base if base and world.engines.can_continue_from(base) else None
    shares_data = not base or "rehearsal" in world.engines.training_engine.abilities
    earlier_sources = (
        zip(earlier["datasets"], earlier["rates"], strict=True) if earlier and shares_data else ()
    )
    sources = {
        source: rate for source, rate in earlier_sources if source not in own_sources
    } | own_sources
    task = world.store.add(
        "task",
        random_id("task-"),
        job=job["id"],
        mode=job["mode"],
        texts=job["mode"] == wire.POST_PRETRAIN,
        datasets=[*sources],
        rates=[*sources.values()],
        before=len(sources) - len(own_sources),
        split_ratio=request.split_ratio,
        scale=request.scale,
        hyper_parameters=dict(request.values),
        notes=dict(request.extra_fields),
        increment=earlier["id"] if earlier else None,
        base=base,
        checkpoints=[],
        **_engine_fields(call, job, request),
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
    world.worker(worker.TrainingWorker).enqueue(task["id"])
    return task


def _engine_fields(call: Call, job: Document, request: RunRequest) -> dict[str, Any]:
    """Return the engine of a run, and its own hyper-parameters for the platform's."""
    rows = supported_models.find_parameters(job["model"], job["mode"], request.scale) or []
    engine = call.world.engines.training_engine
    defaults = {row["key"]: row["default"] for row in rows}
    values = engine.local_hyperparameters(request.values, request.scale, defaults)
    return {"engine": engine.name, "effective": values, "passes_per_epoch": engine.passes_per_epoch}


def find_weights(call: Call, task: Document, step: int | None) -> str | None:
    """Return the name of the weights of a run's checkpoint, None if they were not kept.

    Args:
        call: the request.
        task: the run.
        step: the checkpoint's step, None for the last one.
    """
    points = call.world.store.points(task["id"])
    return weights_name(task, step, points[-1]["step"] if points else None)


def checkpoints_to_wire(call: Call, task: Document) -> list[Document]:
    """Return the points of a run's curve; those whose weights are kept are marked, which is the
    sandbox's extension.
    """
    points = call.world.store.points(task["id"])
    kept = set(task.get("checkpoints", ()))
    if points and task["status"] in worker.FINAL_STATUSES:
        kept.add(points[-1]["step"])
    return [point | {"kept": point["step"] in kept} for point in points]


def describe_checkpoints(call: Call, task: Document) -> str:
    """Return the steps of a run whose weights are kept, as text."""
    return (
        ", ".join(str(point["step"]) for point in checkpoints_to_wire(call, task) if point["kept"])
        or "none"
    )


def run_status(call: Call, task: Document) -> str:
    """Return a run's state: by the clock until it starts, then by the work."""
    if task["status"] == worker.WAITING:
        return str(call.world.lifecycle.state(task["plan"]))
    return str(task["status"])


def board_to_wire(task: Document) -> dict[str, str]:
    """Return the link to a run's loss curves, nothing before its start."""
    if task["started"] is None:
        return {}
    run = json.dumps({"runId": f"run-{task['id'].removeprefix('task-')}"})
    return {"vdlLink": VISUALDL_URL + base64.b64encode(run.encode()).decode()}


def delete_runs(call: Call, field: str, tasks: Sequence[Document]) -> None:
    """Delete runs, and their weights unless a version was published from them.

    Args:
        call: the request.
        field: the request's field that names them.
        tasks: the runs.

    Raises:
        Refusal: one of them has not ended; then none is deleted.
    """
    store = call.world.store
    for task in tasks:
        if task["status"] not in worker.FINAL_STATUSES:
            state = "is running" if task["status"] == worker.RUNNING else "waits for its turn"
            raise call.invalid(field, f"{task['id']} {state}; stop it first")
    published = {row["task"] for row in store.all("version")}
    for task in tasks:
        store.drop_points(task["id"])
        store.remove("task", task["id"])
        for name in set(weights_names(task)) - published:
            store.remove_file(f"{name}.npz")
