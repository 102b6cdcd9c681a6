"""Evaluation tasks, console v1: versions answer a dataset, and their answers are judged."""

from __future__ import annotations

from typing import Any

from ..wire import data as data_wire
from ..wire import evaluation as wire
from . import scores
from .backlog import is_over
from .evaluation_judging import REFEREE
from .evaluation_terms import KIND, RUN, Asked, Names, Terms, begin
from .evaluation_work import ENDED, state_of, units_of
from .routing import Call, emulates, refuse_call
from .store import Document

NAMES = Names("name", "datasetId", "versionEvalInfo", "modelVersionId", "evalStandardConf")
ENGINE = "qfnb local model, not ERNIE"


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateTask) -> dict[str, Any]:
    """Begin a task, or one in the place of another that has not begun."""
    replaced = None if body.id is None else task_of(call, "id", body.id)
    if replaced is not None and (state := state_of(call.world, replaced)) != wire.PENDING:
        raise refuse_call(call, f"param[id] invalid: task {body.id} is {state}, and can no longer be changed")
    terms = Terms(
        NAMES,
        body.name,
        body.description or "",
        body.dataset_id,
        [_asked(version) for version in body.version_eval_info],
        body.eval_standard_conf,
        body.compute_resource_conf.to_wire(),
    )
    task = begin(call, terms, replaced)
    return {"evalId": task["number"], "evalIdStr": task["id"]}


@emulates(wire.INFO)
def info(call: Call, body: wire.TaskRef) -> dict[str, Any]:
    """Describe a task."""
    task, world = task_of(call, "id", body.id), call.world
    run = world.store.get(RUN, task["run"]) or {}
    return {
        "evaluationId": task["number"],
        "evaluationIdStr": task["id"],
        "name": task["name"],
        "description": task["description"],
        "state": state_of(world, task),
        "evalUnits": [_shown(unit) for unit in units_of(world, task)],
        "datasetId": task["dataset_number"],
        "datasetIdStr": task["dataset"],
        "datasetName": task["dataset_name"],
        "computeResourceConf": task["resources"],
        "evalStandardConf": _standard(call, task),
        "sandbox": {"engine": ENGINE, "answered": run.get("done", 0), "total": run.get("total", 0)},
    }


@emulates(wire.REPORT)
def report(call: Call, body: wire.TaskRef) -> list[dict[str, Any]]:
    """Return the scores of the versions that are judged; none before the task is over."""
    task = task_of(call, "id", body.id)
    return [
        {
            **_version(unit),
            "id": unit["id"],
            "evalUnitId": unit["id"],
            "modelVersionSource": unit["source"],
            "modelForm": "model",
            "evalMode": ",".join(task["modes"]),
            "evaluationId": task["number"],
            "evaluationIdStr": task["id"],
            "evaluationName": task["name"],
            "userId": 0,
            "effectMetric": unit["metrics"],
            "performanceMetric": {},
            "sandbox": mark_of(task),
        }
        for unit in units_of(call.world, task)
        if unit["metrics"]
    ]


@emulates(wire.STOP)
def stop(call: Call, body: wire.TaskRef) -> dict[str, Any]:
    """Stop a task; what it has answered so far is kept."""
    task, world = task_of(call, "id", body.id), call.world
    state = state_of(world, task)
    if state in ENDED | {wire.STOPPING}:
        return {"result": False, "errorMessage": f"the task is {state}"}
    world.store.update(task["run"], cancelling_at=world.clock.now())
    stopping = world.lifecycle.plan((wire.STOPPING, "stop"), then=wire.STOPPED)
    world.store.update(str(task["id"]), stopping=stopping)
    return {"result": True, "errorMessage": ""}


@emulates(wire.DELETE)
def delete(call: Call, body: wire.DeleteTasks) -> bool:
    """Delete tasks, all of them or none. The platform's answer is not published."""
    tasks = [task_of(call, "evalIds", id_) for id_ in body.eval_ids]
    if not tasks:
        raise refuse_call(call, "param[evalIds] invalid: it names no task")
    for task in tasks:
        check_over(call, "evalIds", task)
    for task in tasks:
        remove(call, task)
    return True


def task_of(call: Call, name: str, key: int | str) -> Document:
    """Return a task, or refuse the field that names it."""
    task = call.world.store.get(KIND, key)
    if task is None:
        raise refuse_call(call, f"param[{name}] invalid: task {key} does not exist")
    return task


def check_over(call: Call, name: str, task: Document) -> None:
    """Refuse a task that is under way."""
    state, run = state_of(call.world, task), call.world.store.get(RUN, task["run"]) or {}
    if state not in ENDED | {wire.MANUAL_BEGUN} or not is_over(run):
        raise refuse_call(call, f"param[{name}] invalid: task {task['id']} is {state}; stop it first")


def remove(call: Call, task: Document) -> None:
    """Forget a task, its rows and its answers; a dataset that people have of them stays."""
    store, run = call.world.store, str(task["run"])
    store.remove(KIND, str(task["id"]))
    store.remove(RUN, run)
    store.drop_points(run)
    store.write_file(run, b"")


def mark_of(task: Document) -> dict[str, Any]:
    """Return what a report says about how it came to be."""
    mark = {"engine": ENGINE, "words": scores.unit()}
    return mark | ({"referee": REFEREE} if wire.MODEL in task["modes"] else {})


def _asked(version: wire.EvaluatedVersion) -> Asked:
    prompt = version.prompt
    template = prompt.content if prompt and prompt.enable else ""
    return Asked(version.model_version_id, version.model_id, version.params, template)


def _version(unit: dict[str, Any]) -> dict[str, Any]:
    return {
        "modelId": unit["model_number"],
        "modelIdStr": unit["model"],
        "modelName": unit["model_name"],
        "modelVersionId": unit["version_number"],
        "modelVersionIdStr": unit["version"],
        "modelVersion": unit["version_name"],
    }


def _shown(unit: dict[str, Any]) -> dict[str, Any]:
    return {
        **_version(unit),
        "evalUnitId": unit["id"],
        "modelSource": unit["source"],
        "modelVersionDesc": "",
        "modelTags": None,
        "state": unit["state"],
        "message": unit["message"],
    }


def result_dataset(call: Call, task: Document) -> Document:
    """Return the dataset of the answers that people are to judge, nothing before it is told."""
    if state_of(call.world, task) not in ENDED | {wire.MANUAL_BEGUN}:
        return {}
    made = (call.world.store.get(RUN, task["run"]) or {}).get("result_dataset")
    return (call.world.store.get("dataset", made) if made else None) or {}


def _standard(call: Call, task: Document) -> dict[str, Any]:
    """Return how answers are judged, and where those are that people are to judge."""
    made = result_dataset(call, task)
    kept = {
        "resultDatasetId": made.get("number", 0),
        "resultDatasetIdStr": made.get("id", ""),
        "resultDatasetName": made.get("name", ""),
        "resultDatasetProjectType": data_wire.CONVERSATION_PROJECT if made else 0,
        "resultDatasetImportStatus": data_wire.FINISHED if made else 0,
        "resultDatasetReleaseStatus": data_wire.FINISHED if made else 0,
    }
    referee = {"apiName": REFEREE, "apiUrl": ""} if wire.MODEL in task["modes"] else {}
    return {"scoreModes": [], "stopWordsPath": "", **task["standard"], **referee, **kept}
