"""Evaluation tasks, v2: v1's tasks under the names of `/v2/eval`."""

from typing import Any

from qfnb.wire import evaluation_v1 as v1, evaluation_v2 as wire

from ..http import timestamps
from ..http.call import Call, emulates
from ..http.paging import page_by_marker
from ..state.store import Document
from . import common

FIELD_NAMES = common.FieldNames(
    "taskName", "versionId", "evalModelConfigList", "modelId", "evalConfig"
)
DIMENSIONS = [v1.Dimension(dimension=v1.SATISFACTION)]
REFEREE_TEMPLATE = "{src}{tgt}{prediction}"
"""The template of the referee, which v2 does not let choose."""


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateEvalTask) -> str:
    """Create a task; return its id."""
    call.validate_choice("evalObjectType", body.eval_object_type, [wire.EVALUATE_MODELS])
    objects = body.eval_object_config.eval_model_config
    if objects is None:
        raise call.invalid("evalModelConfig", "it is missing")
    versions = [
        v1.EvaluatedVersion(
            model_version_id=row.model_id, prompt=v1.InputPrompt(content=row.prompt_template or "")
        )
        for row in objects.eval_model_config_list
    ]
    task = v1.CreateTask(
        name=body.task_name,
        description=body.description,
        dataset_id=objects.version_id,
        version_eval_info=versions,
        eval_standard_conf=_to_v1_standard(body.eval_config),
    )
    return str(common.create_task(call, task, FIELD_NAMES)["id"])


@emulates(wire.LIST)
def list_tasks(call: Call, body: wire.ListEvalTasks) -> dict[str, Any]:
    """List the tasks that people judge, or those that they do not."""
    call.validate_choice("evalType", body.eval_type, wire.EVAL_TYPES)
    keyword = body.key_filter or ""
    tasks = []
    for task in reversed(call.world.store.all(common.KIND)):
        version_ids = [unit["version"] for unit in task["units"]]
        is_match = keyword in task["name"] or keyword in task["id"] or keyword in version_ids
        if is_match and _eval_type(task) == body.eval_type:
            tasks.append(task)
    answer = page_by_marker(call, tasks, "id", body)
    return answer | {"taskList": [_task_to_wire(call, task) for task in answer.pop("items")]}


@emulates(wire.INFO)
def describe(call: Call, body: wire.EvalTaskRef) -> dict[str, Any]:
    """Describe a task."""
    task = call.find(common.KIND, body.task_id, "taskId", "task")
    units = common.unit_results(call.world, task)
    model_configs = [
        {"modelId": unit["version"], "promptTemplate": unit["template"]} for unit in units
    ]
    model_config = {
        "versionId": task["dataset"],
        "storageType": "sysStorage",
        "evalModelConfigList": model_configs,
    }
    return {
        **_task_to_wire(call, task),
        "evalObjectConfig": {"evalModelConfig": model_config},
        "evalUnits": [
            {
                "evalUnitId": unit["id"],
                "modelId": unit["version"],
                "state": wire.STATES[unit["state"]],
                "message": unit["message"],
            }
            for unit in units
        ],
        "sandbox": {"engine": common.ENGINE},
    }


@emulates(wire.REPORT)
def report(call: Call, body: wire.EvalTaskRef) -> list[dict[str, Any]]:
    """Return the scores of the judged versions; none before the task has ended."""
    task = call.find(common.KIND, body.task_id, "taskId", "task")
    return [
        {
            "taskId": task["id"],
            "taskName": task["name"],
            "modelId": unit["version"],
            "inferDatasetId": common.result_dataset(call.world, task).get("id", ""),
            "evalObjectType": wire.EVALUATE_MODELS,
            "evalMode": ",".join(task["modes"]),
            "effectMetric": unit["metrics"],
            "sandbox": common.report_source(task),
        }
        for unit in common.unit_results(call.world, task)
        if unit["metrics"]
    ]


@emulates(wire.DELETE)
def delete(call: Call, body: wire.EvalTaskRef) -> bool:
    """Delete a task that has ended."""
    common.delete_tasks(call, "taskId", [call.find(common.KIND, body.task_id, "taskId", "task")])
    return True


def _to_v1_standard(config: wire.EvalConfig) -> v1.EvaluationStandard:
    rule = config.auto_rule_eval_config or wire.RuleEvalConfig()
    referee = config.auto_model_eval_config or wire.RefereeEvalConfig()
    manual = config.manual_eval_config or wire.ManualEvalConfig()
    return v1.EvaluationStandard(
        eval_mode=config.eval_mode,
        score_modes=rule.score_modes or [*v1.SCORE_MODES],
        stop_words_path=rule.stop_words_path,
        evaluation_dimension=manual.evaluation_dimension or DIMENSIONS,
        app_id=1,
        prompt=v1.RefereePrompt(template_content=REFEREE_TEMPLATE, max_score=referee.max_score),
    )


def _eval_type(task: Document) -> str:
    return wire.MANUAL_EVAL if v1.MANUAL in task["modes"] else wire.AUTO_EVAL


def _task_to_wire(call: Call, task: Document) -> dict[str, Any]:
    return {
        "taskId": task["id"],
        "taskName": task["name"],
        "description": task["description"],
        "evalType": _eval_type(task),
        "evalObjectType": wire.EVALUATE_MODELS,
        "evalConfig": {"evalMode": ",".join(task["modes"])},
        "state": wire.STATES[common.task_state(call.world, task)],
        "createTime": timestamps.utc(task["created"]),
    }
