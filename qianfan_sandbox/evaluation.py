"""Evaluation tasks in both versions of the interface: creation, states, results and deletion.

A task (kind "evaluation") holds what was requested; its run (kind "evaluation_run") holds what the
worker records.
"""

import asyncio
import io
import json
import math
import secrets
import zipfile
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qfnb.base.language import tr, tr_noop
from qfnb.wire import data as data_wire, evaluation as wire, model as model_wire
from qfnb.wire.base import Id, JsonMapping, JsonObject

from . import datasets, models, rows, storage
from .finetune import scores
from .finetune.scores import word_unit
from .http.call import Call, emulates, fields_of, handles, page_by_marker, page_by_number, utc
from .state.lifecycle import is_finished
from .state.store import Document, random_id
from .state.world import World

KIND = "evaluation"
RUN = "evaluation_run"
INPUT_PLACEHOLDER = "{input}"
REFEREE_NAME = tr_noop("the sandbox's rule, not a model")
UNSCORED = -1
"""The score of an answer that the referee cannot judge; it counts in no mean."""

ENGINE = "qfnb local model, not ERNIE"
FINAL_STATES = {wire.DONE, wire.PARTLY_DONE, wire.FAILED, wire.STOPPED}

Pairs = list[tuple[str, str]]  # prompts and reference responses
Row = JsonObject


Unit = Row
"""One of the compared versions, as a task's document holds it.

`id`, the `model` (its id), `model_number` and `model_name`, the same of the `version`, v1's word
for its `source` (e.g. `Train`), the model name that a request to it `asks`, the `parameters`, the
prompt `template` with `{input}`, "" for the plain question.
"""


def read_task_pairs(world: World, run_id: str) -> Pairs:
    """Return the dataset's rows as they were when the task was created."""
    return [*map(tuple, json.loads(world.store.read_file(run_id) or b"[]"))]


def run_of(world: World, task: Document) -> Document:
    """Return the run of a task, an empty mapping if it was deleted."""
    return world.store.get(RUN, task["run"]) or {}


def task_state(world: World, task: Document) -> str:
    """Return the state of a task: that of its plan, but no end before the run has ended."""
    run = run_of(world, task)
    if task["stopping"]:
        if is_finished(run):
            return str(world.lifecycle.state(task["stopping"]))
        return wire.STOPPING
    planned = str(world.lifecycle.state(task["plan"]))
    if planned != wire.DONE:
        return planned
    if run.get("failed_at"):
        return wire.FAILED
    if is_finished(run):
        return str(run["end"])
    return wire.DOING


def has_results(world: World, task: Document) -> bool:
    """Return whether a task has ended, or waits only for the scores that people give."""
    return task_state(world, task) in FINAL_STATES | {wire.MANUAL_STARTED}


def unit_results(world: World, task: Document) -> list[Row]:
    """Return the versions of a task, each with its `state`, `message` and, once it is judged,
    `metrics`.
    """
    finished: Row = {}
    if has_results(world, task):
        finished = run_of(world, task).get("units", {})
    waiting = {"state": task_state(world, task), "message": "", "metrics": None}
    return [unit | waiting | finished.get(unit["id"], {}) for unit in task["units"]]


def iter_results(world: World, task: Document) -> Iterator[Row]:
    """Yield the answered rows, version by version, each with its prompt, its reference and its
    unit.
    """
    pairs = read_task_pairs(world, task["run"])
    answers: dict[int, Row] = {}
    for point in world.store.points(task["run"]):
        answers.update(point["rows"])
    for number in sorted(answers):
        index, row = divmod(number, len(pairs))
        unit = task["units"][index]
        prompt, reference = pairs[row]
        fields = {"id": f"{unit['id']}-{row}", "unit": unit}
        fields["prompt"] = prompt
        fields["reference"] = reference
        yield fields | answers[number]


def result_dataset(world: World, task: Document) -> Document:
    """Return the dataset of the answers that people are to judge, an empty mapping if it does not
    exist yet.
    """
    if not has_results(world, task):
        return {}
    key = run_of(world, task).get("result_dataset") or ""
    return world.store.get("dataset", key) or {}


def _report_fields(task: Document) -> JsonObject:
    """Return what a report says about its task, and how its scores were computed."""
    source = {"engine": ENGINE, "words": word_unit()}
    if wire.MODEL in task["modes"]:
        source["referee"] = tr(REFEREE_NAME)
    return {"evalMode": ",".join(task["modes"]), "sandbox": source}


def delete_tasks(call: Call, field: str, tasks: list[Document]) -> None:
    """Delete tasks with their rows and answers; the datasets that were made for people stay.

    Raises:
        Refusal: one of them is still running; then all stay.
    """
    world = call.world
    for task in tasks:
        if not has_results(world, task) or not is_finished(run_of(world, task)):
            state = task_state(world, task)
            raise call.invalid(field, f"task {task['id']} is {state}; stop it first")
    for task in tasks:
        run = str(task["run"])
        world.store.remove(KIND, str(task["id"]))
        world.store.remove(RUN, run)
        world.store.drop_points(run)
        world.store.write_file(run, b"")


MAX_SCORE = 100


class FieldNames(NamedTuple):
    """The names of the request's fields in error messages; by default v1's."""

    name: str = "name"
    dataset: str = "datasetId"
    versions: str = "versionEvalInfo"
    version: str = "modelVersionId"
    standard: str = "evalStandardConf"


V1_FIELDS = FieldNames()


def create_task(
    call: Call, body: wire.CreateEvaluationV1, names: FieldNames = V1_FIELDS
) -> Document:
    """Store a task and queue its run."""
    if not body.name.strip():
        raise call.invalid(names.name, "it must not be empty")
    if not 1 <= len(body.version_eval_info) <= wire.MAX_VERSIONS:
        raise call.invalid(names.versions, f"a task compares 1 to {wire.MAX_VERSIONS} versions")
    standard = body.eval_standard_conf
    modes = _parse_modes(call, names.standard, standard)
    units = [_build_unit(call, names.version, version) for version in body.version_eval_info]
    dataset, pairs = _validate_dataset(call, names.dataset, body.dataset_id, modes)
    store = call.store
    run = random_id("run-")
    plan = call.lifecycle.plan
    store.write_file(run, json.dumps(pairs, ensure_ascii=False).encode())
    task = store.add(
        KIND,
        random_id("ame-"),
        **fields_of(dataset, dataset="id", dataset_number="number", dataset_name="name"),
        name=body.name,
        description=body.description or "",
        modes=modes,
        standard=standard.to_wire(),
        stop_words=_read_stop_words(call, names.standard, standard.stop_words_path),
        resources=body.compute_resource_conf.to_wire(),
        units=units,
        run=run,
        plan=plan((wire.PENDING, "queue"), (wire.DOING, "evaluate"), final=wire.DONE),
        stopping=None,
    )
    total = len(pairs) * len(units)
    call.world.enqueue(RUN, store.add(RUN, run, task=task["id"], done=0, total=total))
    return task


def _build_unit(call: Call, field: str, request: wire.EvaluatedVersion) -> Unit:
    key = request.model_version_id
    version = models.get_version(call, key, field)
    model = models.get_model(call, version["model"], "modelId")
    owner = request.model_id
    if owner is not None and models.get_model(call, owner, "modelId") != model:
        raise call.invalid("modelId", f"{owner} is not the model of version {key}")
    if (state := models.version_state(call, version)) != model_wire.READY:
        raise call.invalid(field, f"{key} is {state}, not {model_wire.READY}")
    template = ""
    if request.prompt and request.prompt.enable:
        template = request.prompt.content
    model_name = version["id"]
    if version["source"] == model_wire.PRESET:
        model_name = version["base"]
    if template and INPUT_PLACEHOLDER not in template:
        raise call.invalid("promptTemplate", f"it has no {INPUT_PLACEHOLDER} for the question")
    return {
        **fields_of(model, model="id", model_number="number", model_name="name"),
        **fields_of(version, "source", version="id", version_number="number"),
        "id": random_id("ameu-"),
        "version_name": version["version"],
        "asks": model_name,
        "parameters": request.params or {},
        "template": template,
    }


def _validate_dataset(
    call: Call, field: str, key: Id, modes: Sequence[str]
) -> tuple[Document, Pairs]:
    """Return a released dataset with its rows: prompts and reference responses."""
    world = call.world
    dataset = datasets.get_dataset(call, key, field)
    if not datasets.is_released(world, dataset):
        raise call.invalid(field, f"{key} is not released")
    pairs = []
    for entity in rows.iter_entities(world.store, dataset):
        prompt, reference = rows.last_pair(entity.row)
        if not prompt.strip():
            raise call.invalid(field, f"{key} holds no questions")
        if wire.RULE in modes and not reference.strip():
            reason = f"{key} has rows without a reference answer, which rules need"
            raise call.invalid(field, reason)
        pairs.append((prompt, reference))
    if not pairs:
        raise call.invalid(field, f"{key} holds no questions")
    return dataset, pairs


def _parse_modes(call: Call, prefix: str, standard: wire.EvaluationStandard) -> list[str]:
    """Return the modes of a standard that has what each of them needs."""
    modes = [mode.strip() for mode in standard.eval_mode.split(",")]
    if set(modes) - set(wire.MODES) or len(set(modes)) < len(modes):
        allowed = ", ".join(wire.MODES)
        raise call.invalid(f"{prefix}.evalMode", f"{standard.eval_mode!r}; it joins {allowed}")
    if wire.RULE in modes:
        score_modes = standard.score_modes or []
        if not score_modes or set(score_modes) - set(wire.SCORE_MODES):
            allowed = ", ".join(wire.SCORE_MODES)
            raise call.invalid(
                f"{prefix}.scoreModes", f"{score_modes!r}; rules need one of {allowed}"
            )
    if wire.MODEL in modes:
        _validate_referee(call, prefix, standard)
    if wire.MANUAL in modes:
        _validate_manual(call, prefix, standard)
    return modes


def _validate_referee(call: Call, prefix: str, standard: wire.EvaluationStandard) -> None:
    prompt = standard.prompt
    if prompt is None or "{prediction}" not in prompt.template_content:
        raise call.invalid(
            f"{prefix}.prompt.templateContent", "without {prediction} no answer is judged"
        )
    if not 0 <= prompt.min_score < prompt.max_score <= MAX_SCORE:
        raise call.invalid(
            f"{prefix}.prompt.maxScore", f"{prompt.max_score}; it is up to {MAX_SCORE}"
        )


def _validate_manual(call: Call, prefix: str, standard: wire.EvaluationStandard) -> None:
    names = [dimension.dimension for dimension in standard.evaluation_dimension or ()]
    if not 1 <= len(names) <= wire.MAX_DIMENSIONS or not all(name.strip() for name in names):
        reason = f"people judge 1 to {wire.MAX_DIMENSIONS} dimensions, each with a name"
        raise call.invalid(f"{prefix}.evaluationDimension", reason)
    if names[0] != wire.SATISFACTION:
        raise call.invalid(f"{prefix}.evaluationDimension", f"the first is {wire.SATISFACTION}")


def _read_stop_words(call: Call, prefix: str, path: str | None) -> list[str]:
    """Return the distinct lines of a file in the bucket, none without a path."""
    field = f"{prefix}.stopWordsPath"
    if not path:
        return []
    try:
        content = storage.read_object(call.store, path)
    except ValueError as error:
        raise call.invalid(field, str(error)) from None
    if content is None:
        raise call.invalid(field, f"{path} does not exist")
    lines = content.decode("utf-8-sig", "replace").split("\n")
    return sorted({line.strip() for line in lines} - {""})


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateEvaluationV1) -> JsonObject:
    """Create a task."""
    task = create_task(call, body)
    return {"evalId": task["number"], "evalIdStr": task["id"]}


def info(call: Call, task: Document) -> JsonObject:
    """Describe a task."""
    world = call.world
    run = run_of(world, task)
    progress = {"answered": run.get("done", 0), "total": run.get("total", 0)}
    return {
        **fields_of(
            task,
            evaluationId="number",  # first, as the seed prints it
            evaluationIdStr="id",
            name="name",
            description="description",
            datasetId="dataset_number",
            datasetIdStr="dataset",
            datasetName="dataset_name",
            computeResourceConf="resources",
        ),
        "state": task_state(world, task),
        "evalUnits": [_unit_to_wire(unit) for unit in unit_results(world, task)],
        "evalStandardConf": _standard_to_wire(call, task),
        "sandbox": {"engine": ENGINE, **progress},
    }


handles(wire.INFO, KIND, "id", info)


def report(call: Call, task: Document) -> list[JsonObject]:
    """Return the scores of the judged versions; none before the task has ended."""
    names = {"evaluationId": "number", "evaluationIdStr": "id", "evaluationName": "name"}
    common = fields_of(task, **names) | {"modelForm": "model"} | _report_fields(task)
    reports = []
    for unit in unit_results(call.world, task):
        row = fields_of(unit, "id", evalUnitId="id", modelVersionSource="source")
        if unit["metrics"]:
            metrics = {"effectMetric": unit["metrics"]}
            reports.append(_version_to_wire(unit) | row | metrics | common)
    return reports


handles(wire.REPORT, KIND, "id", report)


def stop(call: Call, task: Document) -> JsonObject:
    """Stop a task; its answers so far remain."""
    world = call.world
    state = task_state(world, task)
    if state in FINAL_STATES | {wire.STOPPING}:
        return {"result": False, "errorMessage": f"the task is {state}"}
    world.store.update(task["run"], cancelling_at=world.clock.now())
    stopping = world.lifecycle.plan((wire.STOPPING, "stop"), final=wire.STOPPED)
    world.store.update(str(task["id"]), stopping=stopping)
    return {"result": True, "errorMessage": ""}


handles(wire.STOP, KIND, "id", stop)


@emulates(wire.DELETE)
def delete(call: Call, body: wire.DeleteTasks) -> bool:
    """Delete tasks, all of them or none; the platform's answer is not documented."""
    if not body.eval_ids:
        raise call.invalid("evalIds", "it must not be empty")
    tasks = [call.find(KIND, id_, "evalIds") for id_ in body.eval_ids]
    delete_tasks(call, "evalIds", tasks)
    return True


_UNIT_FIELDS = {
    "modelId": "model_number",
    "modelName": "model_name",
    "modelVersionId": "version_number",
    "modelVersionIdStr": "version",
    "modelVersion": "version_name",
}


def _version_to_wire(unit: JsonObject) -> JsonObject:
    return fields_of(unit, **_UNIT_FIELDS, modelIdStr="model")  # modelId first, as the seed has it


def _unit_to_wire(unit: JsonObject) -> JsonObject:
    return {
        **_version_to_wire(unit),
        **fields_of(unit, "state", "message", evalUnitId="id", modelSource="source"),
    }


def _standard_to_wire(call: Call, task: Document) -> JsonObject:
    """Return the standard of a task, with the dataset of the answers that people are to judge."""
    dataset = result_dataset(call.world, task)
    project = 0
    status = 0
    if dataset:
        project = data_wire.CONVERSATION_PROJECT
        status = data_wire.FINISHED
    fields = {
        "scoreModes": [],
        "stopWordsPath": "",
        **task["standard"],
        "resultDatasetId": dataset.get("number", 0),
        "resultDatasetIdStr": dataset.get("id", ""),
        "resultDatasetName": dataset.get("name", ""),
        "resultDatasetProjectType": project,
        "resultDatasetImportStatus": status,
        "resultDatasetReleaseStatus": status,
    }
    if wire.MODEL in task["modes"]:
        fields |= {"apiName": tr(REFEREE_NAME), "apiUrl": ""}
    return fields


FIELD_NAMES = FieldNames("taskName", "versionId", "evalModelConfigList", "modelId", "evalConfig")
DIMENSIONS = [wire.Dimension(dimension=wire.SATISFACTION)]
REFEREE_TEMPLATE = "{src}{tgt}{prediction}"
"""The template of the referee, which v2 does not let choose."""


@emulates(wire.CREATE_V2)
def create_v2(call: Call, body: wire.CreateEvalTask) -> str:
    """Create a task; return its id."""
    call.validate_choice("evalObjectType", body.eval_object_type, [wire.EVALUATE_MODELS])
    objects = body.eval_object_config.eval_model_config
    if objects is None:
        raise call.invalid("evalModelConfig", "it is missing")
    versions = []
    for row in objects.eval_model_config_list:
        prompt = wire.InputPrompt(content=row.prompt_template or "")
        versions.append(wire.EvaluatedVersion(model_version_id=row.model_id, prompt=prompt))
    task = wire.CreateEvaluationV1(
        name=body.task_name,
        description=body.description,
        dataset_id=objects.version_id,
        version_eval_info=versions,
        eval_standard_conf=_to_v1_standard(body.eval_config),
    )
    return str(create_task(call, task, FIELD_NAMES)["id"])


@emulates(wire.LIST_V2)
def list_tasks(call: Call, body: wire.ListEvalTasks) -> JsonObject:
    """List the tasks that people judge, or those that they do not."""
    call.validate_choice("evalType", body.eval_type, wire.EVAL_TYPES)
    keyword = body.key_filter or ""
    tasks = []
    for task in reversed(call.store.all(KIND)):
        texts = [task["name"], task["id"]]
        texts += [unit["version"] for unit in task["units"]]
        if _eval_type(task) == body.eval_type and keyword in "\n".join(texts):
            tasks.append(task)
    return page_by_marker(call, tasks, body, _task_to_wire, "taskList")


def describe(call: Call, task: Document) -> JsonObject:
    """Describe a task."""
    units = []
    model_configs = []
    for unit in unit_results(call.world, task):
        model_configs.append(fields_of(unit, modelId="version", promptTemplate="template"))
        row = fields_of(unit, "message", evalUnitId="id", modelId="version")
        units.append(row | {"state": wire.STATES[unit["state"]]})
    model_config = {
        "versionId": task["dataset"],
        "storageType": "sysStorage",
        "evalModelConfigList": model_configs,
    }
    return {
        **_task_to_wire(call, task),
        "evalObjectConfig": {"evalModelConfig": model_config},
        "evalUnits": units,
        "sandbox": {"engine": ENGINE},
    }


handles(wire.INFO_V2, KIND, "taskId", describe)


def report_v2(call: Call, task: Document) -> list[JsonObject]:
    """Return the scores of the judged versions; none before the task has ended."""
    common = {
        **fields_of(task, taskId="id", taskName="name"),
        "inferDatasetId": result_dataset(call.world, task).get("id", ""),
        "evalObjectType": wire.EVALUATE_MODELS,
        **_report_fields(task),
    }
    reports = []
    for unit in unit_results(call.world, task):
        if unit["metrics"]:
            reports.append(common | fields_of(unit, modelId="version", effectMetric="metrics"))
    return reports


handles(wire.REPORT_V2, KIND, "taskId", report_v2)


def delete_v2(call: Call, task: Document) -> bool:
    """Delete a task that has ended."""
    delete_tasks(call, "taskId", [task])
    return True


handles(wire.DELETE_V2, KIND, "taskId", delete_v2)


def _to_v1_standard(config: wire.EvalConfig) -> wire.EvaluationStandard:
    rule = config.auto_rule_eval_config or wire.RuleEvalConfig()
    referee = config.auto_model_eval_config or wire.RefereeEvalConfig()
    manual = config.manual_eval_config or wire.ManualEvalConfig()
    return wire.EvaluationStandard(
        eval_mode=config.eval_mode,
        score_modes=rule.score_modes or [*wire.SCORE_MODES],
        stop_words_path=rule.stop_words_path,
        evaluation_dimension=manual.evaluation_dimension or DIMENSIONS,
        app_id=1,
        prompt=wire.RefereePrompt(template_content=REFEREE_TEMPLATE, max_score=referee.max_score),
    )


def _eval_type(task: Document) -> str:
    if wire.MANUAL in task["modes"]:
        return wire.MANUAL_EVAL
    return wire.AUTO_EVAL


def _task_to_wire(call: Call, task: Document) -> JsonObject:
    return {
        **fields_of(task, "description", taskId="id", taskName="name"),
        "evalType": _eval_type(task),
        "evalObjectType": wire.EVALUATE_MODELS,
        "evalConfig": {"evalMode": ",".join(task["modes"])},
        "state": wire.STATES[task_state(call.world, task)],
        "createTime": utc(task["created"]),
    }


EXPORT = "evaluation_export"
JUDGE_SCORE = "judgeScore"
RESULT_KEYS = ("accuracy", "f1Score", JUDGE_SCORE, "judgeReason", "error")
EXPORT_COLUMNS = {
    "Prompt问题": (wire.PROMPT, "prompt"),
    "模型结果": (wire.PREDICTION, "prediction"),
    "预期回答": (wire.COMPLETION, "reference"),
}
"""Column names of an export, the content that each belongs to, and the keys of a row."""

ResultRow = JsonMapping


@emulates(wire.LIST_RESULTS)
def list_results(call: Call, body: wire.ListResults) -> JsonObject:
    """List rows; when they are ordered by a score, rows without it come last."""
    task = call.find(KIND, body.id, "id")
    rows: list[ResultRow] = []
    for row in iter_results(call.world, task):
        if _matches_filters(row, body):
            rows.append(row)
    if body.order_by is not None:
        _sort_rows(call, rows, body.order_by, body.order)
    page = page_by_number(call, rows, body.page_no, body.page_size)
    return {
        "total": len(rows),
        "pageNo": body.page_no or 1,
        "pageSize": len(page),
        "items": [_row_to_wire(task, row) for row in page],
    }


@emulates(wire.EXPORT)
async def export(call: Call, body: wire.CreateExportV1) -> JsonObject:
    """Export the current rows as a zip."""
    world = call.world
    task = call.find(KIND, body.id, "id")
    _validate_export(call, task, body)
    id_ = random_id("amemt-")
    path = ""
    if body.export_type == wire.STORAGE:
        path = f"evaluation_exports/{id_}.zip"
    stages = ((wire.PENDING, "queue"), (wire.UPLOADING, "export"))
    export = world.store.add(
        EXPORT,
        id_,
        task=task["id"],
        type=body.export_type,
        volume=body.volume_id or "",
        path=path,
        name=secrets.token_hex(16),
        plan=world.lifecycle.plan(*stages, final=wire.DONE, failed=wire.EXPORT_FAILED),
    )
    content = await asyncio.to_thread(_build_zip, world, task, body)
    if path:
        storage.write_object(world.store, world.address.bucket, path, content)
    else:
        world.store.write_file(f"{export['name']}.zip", content)
    return {"exportID": export["number"], "exportIDStr": id_}


def export_info(call: Call, export: Document) -> JsonObject:
    """Describe an export; it has an address once it is done."""
    state = call.lifecycle.state(export["plan"])
    url = ""
    if state == wire.DONE and export["type"] == wire.LOCAL:
        url = f"{call.world.address.url}/_evaluations/{export['name']}.zip"
    return {
        **fields_of(
            export,
            id="number",
            exportID="number",
            exportIDStr="id",
            evaluationIdStr="task",
            exportType="type",
            volumeId="volume",
            exportPath="path",
        ),
        "state": state,
        "downloadUrl": url,
    }


handles(wire.EXPORT_INFO, EXPORT, "exportID", export_info)


def routes(world: World) -> list[Route]:
    """Return the route of exports, whose names cannot be guessed."""

    async def fetch(request: Request) -> Response:
        name = request.path_params["name"]
        if not world.store.all(EXPORT, name=name):
            return Response("the export does not exist", 404)
        return Response(world.store.read_file(f"{name}.zip"), media_type="application/zip")

    return [Route("/_evaluations/{name}.zip", fetch, methods=["GET"])]


def _validate_export(call: Call, task: Document, body: wire.CreateExportV1) -> None:
    if not has_results(call.world, task):
        raise call.invalid("id", f"task {body.id} is {task_state(call.world, task)}")
    call.validate_choice("exportType", body.export_type, (wire.LOCAL, wire.STORAGE))
    if body.export_type == wire.STORAGE and body.volume_id != call.world.address.bucket:
        raise call.invalid("volumeId", f"bucket {body.volume_id} does not exist")
    if not body.export_content or set(body.export_content) - set(wire.EXPORT_CONTENT):
        allowed = ", ".join(wire.EXPORT_CONTENT)
        raise call.invalid("exportContent", f"{body.export_content!r}; it lists {allowed}")
    call.validate_choice("exportOpt", body.export_opt, (wire.TOTAL, wire.PART))
    if body.export_opt == wire.PART:
        row_ids = {row["id"] for row in iter_results(call.world, task)}
        if not body.result_ids or set(body.result_ids) - row_ids:
            raise call.invalid("resultIds", f"{body.result_ids!r}; not rows of the task")


def _build_zip(world: World, task: Document, body: wire.CreateExportV1) -> bytes:
    """Return a zip with a `data.jsonl`, each line a list of one object, as the platform writes
    it.
    """
    lines = []
    for row in iter_results(world, task):
        if body.export_opt == wire.TOTAL or row["id"] in (body.result_ids or ()):
            columns = _row_to_export(row, body.export_content)
            lines.append(json.dumps([columns], ensure_ascii=False))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.jsonl", "\n".join(lines))
    return content.getvalue()


def _row_to_export(row: ResultRow, content: Sequence[str]) -> dict[str, str]:
    unit = row["unit"]
    columns = {"模型名称": unit["model_name"], "模型版本": unit["version_name"]}
    for name, (column, key) in EXPORT_COLUMNS.items():
        if column in content:
            columns[name] = row[key]
    if wire.METRICS not in content:
        return columns
    for key, name in scores.SCORE_NAMES.items():
        if key in row:
            columns[name] = scores.format_percent(row[key])
    if JUDGE_SCORE in row:
        columns["裁判员模型打分"] = str(row[JUDGE_SCORE])
        columns["裁判员模型打分理由"] = row["judgeReason"]
    return columns


def _row_to_wire(task: Document, row: ResultRow) -> JsonObject:
    fields = {
        "id": row["id"],
        "evaluationId": task["number"],
        "evaluationIdStr": task["id"],
        **fields_of(row["unit"], evalUnitId="id", **_UNIT_FIELDS),
        "completion": row["reference"],
    }
    for name in ("prompt", "prediction", *scores.SCORE_NAMES, *RESULT_KEYS):
        if name in row:
            fields[name] = row[name]
    return fields


def _matches_filters(row: ResultRow, body: wire.ListResults) -> bool:
    unit = row["unit"]
    if body.eval_unit_id and unit["id"] not in body.eval_unit_id:
        return False
    versions = {unit["version"], unit["version_number"]}
    return not versions.isdisjoint(body.model_version_ids or versions)


def _sort_rows(call: Call, rows: list[ResultRow], sort_key: str, direction: str | None) -> None:
    call.validate_choice("orderBy", sort_key, wire.ORDERS)
    call.validate_choice("order", direction or "desc", ("asc", "desc"))
    is_rising = direction == "asc"
    missing = math.inf if is_rising else -math.inf
    rows.sort(key=lambda row: row.get(sort_key, missing), reverse=not is_rising)
