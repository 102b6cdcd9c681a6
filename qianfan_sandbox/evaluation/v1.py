"""Evaluation tasks, v1: versions answer a dataset, and their answers are judged."""

from typing import Any

from qfnb.base.language import tr
from qfnb.wire import data_v1 as data_wire, evaluation_v1 as wire

from ..http.call import Call, emulates
from ..state.store import Document
from . import common


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateTask) -> dict[str, Any]:
    """Create a task, or replace one that has not begun."""
    replaced = None if body.id is None else call.find(common.KIND, body.id, "id", "task")
    if replaced is not None and (state := common.task_state(call.world, replaced)) != wire.PENDING:
        raise call.invalid("id", f"task {body.id} is {state} and can no longer be changed")
    task = common.create_task(call, body, replaced=replaced)
    return {"evalId": task["number"], "evalIdStr": task["id"]}


@emulates(wire.INFO)
def info(call: Call, body: wire.TaskRef) -> dict[str, Any]:
    """Describe a task."""
    task = call.find(common.KIND, body.id, "id", "task")
    world = call.world
    run = common.run_of(world, task)
    return {
        "evaluationId": task["number"],
        "evaluationIdStr": task["id"],
        "name": task["name"],
        "description": task["description"],
        "state": common.task_state(world, task),
        "evalUnits": [_unit_to_wire(unit) for unit in common.unit_results(world, task)],
        "datasetId": task["dataset_number"],
        "datasetIdStr": task["dataset"],
        "datasetName": task["dataset_name"],
        "computeResourceConf": task["resources"],
        "evalStandardConf": _standard_to_wire(call, task),
        "sandbox": {
            "engine": common.ENGINE,
            "answered": run.get("done", 0),
            "total": run.get("total", 0),
        },
    }


@emulates(wire.REPORT)
def report(call: Call, body: wire.TaskRef) -> list[dict[str, Any]]:
    """Return the scores of the judged versions; none before the task has ended."""
    task = call.find(common.KIND, body.id, "id", "task")
    return [
        {
            **_version_to_wire(unit),
            "id": unit["id"],
            "evalUnitId": unit["id"],
            "modelVersionSource": unit["source"],
            "modelForm": "model",
            "evalMode": ",".join(task["modes"]),
            "evaluationId": task["number"],
            "evaluationIdStr": task["id"],
            "evaluationName": task["name"],
            "effectMetric": unit["metrics"],
            "sandbox": common.report_source(task),
        }
        for unit in common.unit_results(call.world, task)
        if unit["metrics"]
    ]


@emulates(wire.STOP)
def stop(call: Call, body: wire.TaskRef) -> dict[str, Any]:
    """Stop a task; its answers so far remain."""
    task = call.find(common.KIND, body.id, "id", "task")
    world = call.world
    state = common.task_state(world, task)
    if state in common.FINAL_STATES | {wire.STOPPING}:
        return {"result": False, "errorMessage": f"the task is {state}"}
    world.store.update(task["run"], cancelling_at=world.clock.now())
    stopping = world.lifecycle.plan((wire.STOPPING, "stop"), final=wire.STOPPED)
    world.store.update(str(task["id"]), stopping=stopping)
    return {"result": True, "errorMessage": ""}


@emulates(wire.DELETE)
def delete(call: Call, body: wire.DeleteTasks) -> bool:
    """Delete tasks, all of them or none; the platform's answer is not documented."""
    tasks = [call.find(common.KIND, id_, "evalIds", "task") for id_ in body.eval_ids]
    if not tasks:
        raise call.invalid("evalIds", "it must not be empty")
    common.delete_tasks(call, "evalIds", tasks)
    return True


def _version_to_wire(unit: dict[str, Any]) -> dict[str, Any]:
    return {
        "modelId": unit["model_number"],
        "modelIdStr": unit["model"],
        "modelName": unit["model_name"],
        "modelVersionId": unit["version_number"],
        "modelVersionIdStr": unit["version"],
        "modelVersion": unit["version_name"],
    }


def _unit_to_wire(unit: dict[str, Any]) -> dict[str, Any]:
    return {
        **_version_to_wire(unit),
        "evalUnitId": unit["id"],
        "modelSource": unit["source"],
        "state": unit["state"],
        "message": unit["message"],
    }


def _standard_to_wire(call: Call, task: Document) -> dict[str, Any]:
    """Return the standard of a task, with the dataset of the answers that people are to judge."""
    dataset = common.result_dataset(call.world, task)
    dataset_fields = {
        "resultDatasetId": dataset.get("number", 0),
        "resultDatasetIdStr": dataset.get("id", ""),
        "resultDatasetName": dataset.get("name", ""),
        "resultDatasetProjectType": data_wire.CONVERSATION_PROJECT if dataset else 0,
        "resultDatasetImportStatus": data_wire.FINISHED if dataset else 0,
        "resultDatasetReleaseStatus": data_wire.FINISHED if dataset else 0,
    }
    referee = (
        {"apiName": tr(common.REFEREE_NAME), "apiUrl": ""} if wire.MODEL in task["modes"] else {}
    )
    return {"scoreModes": [], "stopWordsPath": "", **task["standard"], **referee, **dataset_fields}
