"""The rows of an evaluation task: listed page by page, and exported as a zip or into the bucket."""

import asyncio
import io
import json
import math
import secrets
import zipfile
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from qfnb.wire import evaluation as wire
from qfnb.wire.base import JsonMapping, JsonObject

from .. import storage
from ..finetune import scores
from ..http.call import Call, emulates, page_by_number
from ..state.store import Document, random_id
from ..state.world import World
from .tasks import KIND, UNSCORED, has_results, iter_results, task_state

EXPORT = "evaluation_export"
JUDGE_SCORE = "judgeScore"
EXPORT_COLUMNS = {
    wire.PROMPT: (("Prompt问题", "prompt"),),
    wire.PREDICTION: (("模型结果", "prediction"),),
    wire.COMPLETION: (("预期回答", "reference"),),
}
"""Column names of an export, and the keys of a row."""

Row = JsonMapping


@emulates(wire.LIST_RESULTS)
def list_results(call: Call, body: wire.ListResults) -> JsonObject:
    """List rows; when they are ordered by a score, rows without it come last."""
    task = call.find(KIND, body.id, "id")
    rows: list[Row] = [row for row in iter_results(call.world, task) if _matches_filters(row, body)]
    if body.order_by is not None:
        rows = _sort_rows(call, rows, body.order_by, body.order)
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
    if body.export_type == wire.STORAGE:
        path = f"evaluation_exports/{id_}.zip"
    else:
        path = ""
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


@emulates(wire.EXPORT_INFO)
def export_info(call: Call, body: wire.ExportRef) -> JsonObject:
    """Describe an export; it has an address once it is done."""
    export = call.find(EXPORT, body.export_id, "exportID")
    state = call.lifecycle.state(export["plan"])
    local = state == wire.DONE and export["type"] == wire.LOCAL
    return {
        "id": export["number"],
        "exportID": export["number"],
        "exportIDStr": export["id"],
        "evaluationIdStr": export["task"],
        "state": state,
        "exportType": export["type"],
        "volumeId": export["volume"],
        "exportPath": export["path"],
        "downloadUrl": f"{call.world.address.url}/_evaluations/{export['name']}.zip"
        if local
        else "",
    }


def routes(world: World) -> list[Route]:
    """Return the route of exports, whose names cannot be guessed."""

    async def fetch(request: Request) -> Response:
        name = request.path_params["name"]
        exists = any(row["name"] == name for row in world.store.all(EXPORT))
        if not exists:
            content = None
        else:
            content = world.store.read_file(f"{name}.zip")
        if content is None:
            return Response("the export does not exist", 404)
        return Response(content, media_type="application/zip")

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
    lines = [
        json.dumps([_row_to_export(row, body.export_content)], ensure_ascii=False)
        for row in iter_results(world, task)
        if body.export_opt == wire.TOTAL or row["id"] in (body.result_ids or ())
    ]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.jsonl", "\n".join(lines))
    return content.getvalue()


def _row_to_export(row: Row, content: Sequence[str]) -> dict[str, str]:
    unit = row["unit"]
    columns = {"模型名称": unit["model_name"], "模型版本": unit["version_name"]}
    for part in content:
        columns |= {name: row[key] for name, key in EXPORT_COLUMNS.get(part, ())}
    if wire.METRICS in content:
        columns |= {
            name: scores.format_percent(row[key])
            for key, name in scores.SCORE_NAMES.items()
            if key in row
        }
        if JUDGE_SCORE in row:
            columns |= {
                "裁判员模型打分": str(row[JUDGE_SCORE]),
                "裁判员模型打分理由": row["judgeReason"],
            }
    return columns


def _row_to_wire(task: Document, row: Row) -> JsonObject:
    unit = row["unit"]
    keys = (
        "prompt",
        "prediction",
        *scores.SCORE_NAMES,
        "accuracy",
        "f1Score",
        JUDGE_SCORE,
        "judgeReason",
        "error",
    )
    return {
        "id": row["id"],
        "evaluationId": task["number"],
        "evaluationIdStr": task["id"],
        "evalUnitId": unit["id"],
        "modelId": unit["model_number"],
        "modelVersionId": unit["version_number"],
        "modelVersionIdStr": unit["version"],
        "modelName": unit["model_name"],
        "modelVersion": unit["version_name"],
        "completion": row["reference"],
        **{name: row[name] for name in keys if name in row},
    }


def _matches_filters(row: Row, body: wire.ListResults) -> bool:
    unit = row["unit"]
    if body.eval_unit_id and unit["id"] not in body.eval_unit_id:
        return False
    if body.model_version_ids and not {unit["version"], unit["version_number"]} & {
        *body.model_version_ids
    }:
        return False
    ranges = {name: getattr(body, name) for name in scores.SCORE_NAMES} | {
        JUDGE_SCORE: body.judge_score
    }
    return all(
        _is_in_range(row, name, limits) for name, limits in ranges.items() if limits is not None
    )


def _is_in_range(row: Row, name: str, limits: wire.ScoreRange) -> bool:
    value = row.get(name, UNSCORED if name == JUDGE_SCORE else math.nan)
    if limits.start is None:
        low = -math.inf
    else:
        low = limits.start
    return bool(low <= value <= (math.inf if limits.end is None else limits.end))


def _sort_rows(call: Call, rows: Sequence[Row], sort_key: str, direction: str | None) -> list[Row]:
    call.validate_choice("orderBy", sort_key, wire.ORDERS)
    call.validate_choice("order", direction or "desc", ("asc", "desc"))
    scored = [row for row in rows if sort_key in row]
    scored.sort(key=lambda row: row[sort_key], reverse=direction != "asc")
    return [*scored, *(row for row in rows if sort_key not in row)]
