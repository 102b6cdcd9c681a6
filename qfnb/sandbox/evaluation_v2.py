"""Evaluation tasks, console v2: the same tasks under the names of `/v2/eval`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from ..wire import evaluation as v1
from ..wire import evaluation_v2 as wire
from .evaluation_terms import KIND, Asked, Names, Terms, begin
from .evaluation_work import state_of, units_of
from .evaluations import ENGINE, check_over, mark_of, remove, result_dataset, task_of
from .paging import MOST, by_marker
from .routing import Call, emulates, refuse_call
from .store import Document

NAMES = Names("taskName", "versionId", "evalModelConfigList", "modelId", "evalConfig")
DIMENSIONS = [v1.Dimension(dimension=v1.SATISFACTION)]
JUDGED_BY = "{src}{tgt}{prediction}"
"""v2 has no template of its own for the referee."""


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateEvalTask) -> str:
    """Begin a task; the result is its id."""
    if body.eval_object_type != wire.EVALUATE_MODELS:
        why = f"{body.eval_object_type!r}; the sandbox evaluates {wire.EVALUATE_MODELS}"
        raise refuse_call(call, f"param[evalObjectType] invalid: {why}")
    objects = body.eval_object_config.eval_model_config
    if objects is None:
        raise refuse_call(call, "param[evalModelConfig] invalid: it is missing")
    terms = Terms(
        NAMES,
        body.task_name,
        body.description or "",
        objects.version_id,
        [Asked(row.model_id, template=row.prompt_template or "") for row in objects.eval_model_config_list],
        _standard(body.eval_config),
        {},
    )
    return str(begin(call, terms)["id"])


@emulates(wire.LIST)
def list_tasks(call: Call, body: wire.ListEvalTasks) -> dict[str, Any]:
    """List the tasks that are judged by people, or those that are not."""
    if body.eval_type not in wire.EVAL_TYPES:
        allowed = " or ".join(wire.EVAL_TYPES)
        raise refuse_call(call, f"param[evalType] invalid: {body.eval_type!r}; it is {allowed}")
    if body.max_keys is not None and body.max_keys > MOST:
        body.max_keys = MOST
    tasks = [
        task
        for task in reversed(call.world.store.all(KIND))
        if _type(task) == body.eval_type and _found(task, body.key_filter or "")
    ]
    page, info = by_marker(call, tasks, "id", body)
    return {"taskList": [_shown(call, task) for task in page], "pageInfo": info}


@emulates(wire.INFO)
def describe(call: Call, body: wire.EvalTaskRef) -> dict[str, Any]:
    """Describe a task."""
    task = task_of(call, "taskId", body.task_id)
    units = units_of(call.world, task)
    asked = [{"modelId": unit["version"], "promptTemplate": unit["template"]} for unit in units]
    answered = {"versionId": task["dataset"], "storageType": "sysStorage", "evalModelConfigList": asked}
    return {
        **_shown(call, task),
        "evalObjectConfig": {"evalModelConfig": answered},
        "evalUnits": [
            {
                "evalUnitId": unit["id"],
                "modelId": unit["version"],
                "state": wire.STATES[unit["state"]],
                "message": unit["message"],
            }
            for unit in units
        ],
        "sandbox": {"engine": ENGINE},
    }


@emulates(wire.REPORT)
def report(call: Call, body: wire.EvalTaskRef) -> list[dict[str, Any]]:
    """Return the scores of the versions that are judged; none before the task is over."""
    task = task_of(call, "taskId", body.task_id)
    return [
        {
            "taskId": task["id"],
            "taskName": task["name"],
            "modelId": unit["version"],
            "inferDatasetId": result_dataset(call, task).get("id", ""),
            "evalObjectType": wire.EVALUATE_MODELS,
            "evalMode": ",".join(task["modes"]),
            "effectMetric": unit["metrics"],
            "sandbox": mark_of(task),
        }
        for unit in units_of(call.world, task)
        if unit["metrics"]
    ]


@emulates(wire.DELETE)
def delete(call: Call, body: wire.EvalTaskRef) -> bool:
    """Delete a task that is over."""
    task = task_of(call, "taskId", body.task_id)
    check_over(call, "taskId", task)
    remove(call, task)
    return True


def _standard(config: wire.EvalConfig) -> v1.Standard:
    """Return how answers are judged as v1 says it."""
    rule = config.auto_rule_eval_config or wire.ByRule()
    referee = config.auto_model_eval_config or wire.ByReferee()
    people = config.manual_eval_config or wire.ByHand()
    return v1.Standard(
        eval_mode=config.eval_mode,
        score_modes=rule.score_modes or [*v1.SCORE_MODES],
        stop_words_path=rule.stop_words_path,
        evaluation_dimension=people.evaluation_dimension or DIMENSIONS,
        app_id=1,
        prompt=v1.RefereePrompt(template_content=JUDGED_BY, max_score=referee.max_score),
    )


def _type(task: Document) -> str:
    return wire.BY_PEOPLE if v1.MANUAL in task["modes"] else wire.BY_ITSELF


def _found(task: Document, part: str) -> bool:
    whole = [unit["version"] for unit in task["units"]]
    return part in task["name"] or part in task["id"] or part in whole


def _shown(call: Call, task: Document) -> dict[str, Any]:
    return {
        "taskId": task["id"],
        "taskName": task["name"],
        "description": task["description"],
        "evalType": _type(task),
        "evalObjectType": wire.EVALUATE_MODELS,
        "evalConfig": {"evalMode": ",".join(task["modes"])},
        "state": wire.STATES[state_of(call.world, task)],
        "createTime": datetime.fromtimestamp(task["created"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
