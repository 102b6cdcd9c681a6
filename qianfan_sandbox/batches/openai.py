"""Batches in OpenAI's form, with the platform's statuses: each line of a file is a request.

Answers are written to one file, refusals to another.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qfnb.wire import batches as wire
from qfnb.wire.base import JsonMapping, JsonObject
from qfnb.wire.chat import CHAT_V2
from qfnb.wire.endpoints import AnyEndpoint
from qfnb.wire.inference import IMAGE_EDIT_V2, TEXT2IMAGE_V2

from ..engines.protocol import BUILT_IN
from ..http.call import Call, dispatch, emulates, page_ends, v2_refusal
from ..state.job_queue import STATUSES, is_finished, job_status, stable_shuffle, with_checkpoints
from ..state.store import Document, random_id
from ..state.world import World, job_handler
from . import files

BATCH_ENDPOINTS: dict[str, AnyEndpoint] = {
    row.path: row for row in (CHAT_V2, TEXT2IMAGE_V2, IMAGE_EDIT_V2)
}
"""The operations that a batch can call, by path."""

MAX_METADATA = 16
MAX_PAGE_SIZE = 100
MAX_ERRORS = 100
EXPIRED_MESSAGE = "This request could not be executed before the completion window expired."


@emulates(wire.CREATE)
def create_batch(call: Call, body: wire.CreateBatch) -> JsonObject:
    """Queue a batch; its file is checked later, as on the platform."""
    hours = re.fullmatch(r"([1-9]\d{0,2})h", body.completion_window)
    if hours is None or int(hours[1]) > 672:
        raise call.invalid("completion_window", "must be 1h to 672h")
    call.validate_choice("endpoint", body.endpoint, BATCH_ENDPOINTS)
    if len(body.metadata or ()) > MAX_METADATA:
        raise call.invalid("metadata", f"at most {MAX_METADATA} pairs")
    if files.read_file(call.store, body.input_file_id) is None:
        raise call.invalid("input_file_id", f"{body.input_file_id} does not exist")
    validate_unfinished(call)
    batch = call.store.add(
        "batch",
        random_id("infer-"),
        engine=call.world.engines.active.label,
        endpoint=body.endpoint,
        model=body.replace.model if body.replace else None,
        replaced=bool(body.replace and body.replace.model),
        input_file_id=body.input_file_id,
        completion_window=body.completion_window,
        expires_at=call.world.clock.now() + int(hours[1]) * 3600,
        metadata=body.metadata,
        counts={"total": 0, "completed": 0, "failed": 0},
    )
    call.world.enqueue("batch", batch)
    return _to_wire(batch)


def validate_unfinished(call: Call) -> None:
    """Refuse one more task when 20 batches and inference tasks have not ended."""
    store = call.store
    unfinished = sum(
        not is_finished(row) for kind in ("batch", "inference") for row in store.all(kind)
    )
    if unfinished >= wire.MAX_UNFINISHED:
        message = (
            f"{unfinished} tasks are queued, running or stopping; at most "
            f"{wire.MAX_UNFINISHED} are allowed"
        )
        refusal = call.refusal(message, v2_code=wire.UNFINISHED_CODE)
        if call.endpoint.plane == "console":
            refusal.body.update(code=wire.UNFINISHED_CODE, message=message)
        raise refusal


@emulates(wire.INFO)
def describe_batch(call: Call, body: wire.BatchRef) -> JsonObject:
    """Describe a batch."""
    return _to_wire(_find_batch(call))


@emulates(wire.LIST)
def list_batches(call: Call, body: wire.ListBatches) -> JsonObject:
    """List the batches, the newest first."""
    rows = call.store.all("batch")[::-1]
    page, has_more = files.paginate(
        call, rows, body.after, body.limit, default=20, max_limit=MAX_PAGE_SIZE
    )
    return {
        "object": "list",
        "data": [_to_wire(row) for row in page],
        "has_more": has_more,
        **page_ends(page),
    }


@emulates(wire.CANCEL)
def cancel_batch(call: Call, body: wire.BatchRef) -> JsonObject:
    """Stop a batch; the answers so far are kept."""
    batch = _find_batch(call)
    if is_finished(batch):
        message = f"Cannot cancel a batch with status {job_status(batch)!r}."
        raise call.refusal(message, v2_code="invalid_batch_status")
    store = call.store
    store.update(batch["id"], cancelling_at=batch.get("cancelling_at") or store.now())
    return _to_wire(_find_batch(call))


@job_handler("batch")
def run_batch(world: World, batch: Document) -> Iterator[None]:
    """Run a batch: read its file, answer each line, write the results."""
    store = world.store
    id_ = str(batch["id"])
    lines, errors = read_lines(files.read_file(store, batch["input_file_id"]), batch["endpoint"])
    errors = errors or ([] if batch["replaced"] else _model_errors(lines))
    if errors:
        store.update(id_, failed_at=store.now(), errors=errors)
        return
    counts = {"total": len(lines), "completed": 0, "failed": 0}
    model = batch["model"] or next((line["body"].get("model") for line in lines), None)
    store.update(
        id_, in_progress_at=batch.get("in_progress_at") or store.now(), counts=counts, model=model
    )
    yield

    def answer_line(number: int, line: JsonObject) -> JsonObject:
        body = line["body"] | ({"model": batch["model"]} if batch["replaced"] else {})
        result = dispatch(world, BATCH_ENDPOINTS[batch["endpoint"]], body)
        response = {"status_code": result.status, "request_id": result.id, "body": result.body}
        return _result_line(id_, number, line, response, None)

    def should_stop(results: Mapping[int, Any]) -> bool:
        store.update(id_, counts=_count_results(len(lines), results))
        current = store.get("batch", id_) or batch
        return bool(current.get("cancelling_at")) or store.now() >= current["expires_at"]

    results = yield from with_checkpoints(store, world.clock, id_, lines, answer_line, should_stop)
    yield from _write_results(world, id_, lines, results)


def read_lines(content: bytes | None, endpoint: str) -> tuple[list[JsonObject], list[JsonObject]]:
    """Return the lines of an input file, and its errors, each with the number of its line."""
    lines: list[JsonObject] = []
    errors: list[JsonObject] = []
    custom_ids: set[str] = set()
    for number, line in files.parse_jsonl(content or b""):
        if problem := _line_problem(line, endpoint, custom_ids):
            errors.append(
                {"code": problem[0], "message": problem[1], "line": number, "param": problem[2]}
            )
        lines.append(line or {})
    if not lines:
        errors.append({"code": "empty_file", "message": "The input file is empty.", "line": None})
    if len(lines) > wire.MAX_REQUESTS:
        message = (
            f"The input file has {len(lines)} requests; at most {wire.MAX_REQUESTS} are allowed."
        )
        errors.insert(0, {"code": "too_many_tasks", "message": message, "line": None})
    return lines, errors[:MAX_ERRORS]


def _model_errors(lines: Sequence[JsonMapping]) -> list[JsonObject]:
    """Return the error of the first line whose model is not that of the lines before it."""
    models = {
        number: line["body"]["model"]
        for number, line in enumerate(lines, 1)
        if line["body"].get("model")
    }
    first = next(iter(models.values()), None)
    number = next((number for number, model in models.items() if model != first), None)
    if number is None:
        return []
    message = (
        f"All requests of a file must have one model; this is {models[number]!r} after {first!r}."
    )
    return [{"code": "multiple_models", "message": message, "line": number, "param": "body.model"}]


def _line_problem(
    line: JsonObject | None, endpoint: str, custom_ids: set[str]
) -> tuple[str, str, str | None] | None:
    """Return code, message and field of the error in a line, None without an error."""
    if line is None:
        return "invalid_json_line", "This line is not parseable as valid JSON.", None
    types: dict[str, type] = {"custom_id": str, "method": str, "url": str, "body": dict}
    for name, type_ in types.items():
        if not isinstance(line.get(name), type_) or not line[name]:
            return "missing_required_parameter", f"Missing required parameter: '{name}'.", name
    if line["method"] != "POST":
        return "invalid_method", f"The method is POST, not {line['method']!r}.", "method"
    if line["url"] != endpoint:
        return (
            "url_mismatch",
            f"The url is the batch's endpoint {endpoint}, not {line['url']!r}.",
            "url",
        )
    if line["custom_id"] in custom_ids:
        message = (
            f"The custom_id {line['custom_id']!r} is a duplicate; it must be unique in a file."
        )
        return "duplicate_custom_id", message, "custom_id"
    custom_ids.add(line["custom_id"])
    return None


def _write_results(
    world: World, id_: str, lines: Sequence[JsonObject], results: dict[int, Any]
) -> Iterator[None]:
    """Write the files, and store how the batch ended."""
    store = world.store
    store.update(id_, finalizing_at=store.now(), counts=_count_results(len(lines), results))
    yield
    batch = store.get("batch", id_) or {}
    if batch.get("cancelling_at"):
        end_field = "cancelled_at"
    else:
        end_field = "completed_at"
    if end_field == "completed_at" and len(results) < len(lines):
        end_field = "expired_at"
        expired = {"code": "batch_expired", "message": EXPIRED_MESSAGE}
        results |= {
            number: _result_line(id_, number, line, None, expired)
            for number, line in enumerate(lines)
            if number not in results
        }
    succeeded = {number: result for number, result in results.items() if _is_success(result)}
    failed = {number: result for number, result in results.items() if number not in succeeded}
    names = {
        "output_file_id": _write_result_file(world, id_, "output", succeeded),
        "error_file_id": _write_result_file(world, id_, "error", failed),
    }
    store.update(
        id_,
        **names,
        usage=_sum_usage(succeeded),
        counts=_count_results(len(lines), results),
        **{end_field: store.now()},
    )


def _result_line(
    batch_id: str, number: int, line: JsonMapping, response: Any, error: Any
) -> JsonObject:
    digest = hashlib.sha256(f"{batch_id}/{number}".encode()).hexdigest()[:24]
    head = {"id": f"batch_req_{digest}", "custom_id": line["custom_id"]}
    return {**head, "response": response, "error": error}


def _is_success(result: JsonMapping) -> bool:
    return bool(result["response"]) and result["response"]["status_code"] < 300


def _count_results(total: int, results: Mapping[int, Any]) -> dict[str, int]:
    completed = sum(map(_is_success, results.values()))
    return {"total": total, "completed": completed, "failed": len(results) - completed}


def _sum_usage(results: Mapping[int, Any]) -> JsonObject:
    usages = [result["response"]["body"].get("usage") or {} for result in results.values()]
    prompt_tokens, completion_tokens = (
        sum(row.get(name) or 0 for row in usages) for name in ("prompt_tokens", "completion_tokens")
    )
    cached, reasoning = (
        sum((row.get(details) or {}).get(name) or 0 for row in usages)
        for details, name in (
            ("prompt_tokens_details", "cached_tokens"),
            ("completion_tokens_details", "reasoning_tokens"),
        )
    )
    return {
        "input_tokens": prompt_tokens,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": completion_tokens,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt_tokens + completion_tokens,
    }


def _write_result_file(
    world: World, batch_id: str, kind: str, results: Mapping[int, Any]
) -> str | None:
    """Write results, shuffled, to a file whose id is the same when it is written again; return the
    id.
    """
    if not results:
        return None
    order = stable_shuffle(sorted(results))
    content = "".join(json.dumps(results[number], ensure_ascii=False) + "\n" for number in order)
    file = wire.UploadFile(
        purpose="batch_output", filename=f"{batch_id}_{kind}.jsonl", content=content.encode()
    )
    digest = hashlib.sha256(f"{batch_id}/{kind}".encode()).hexdigest()[:10]
    return str(files.store_file(world.store, f"file-{digest}", file)["id"])


def _find_batch(call: Call) -> Document:
    batch = call.store.get("batch", call.path["batch_id"])
    if batch is None:
        message = f"No such batch: {call.path['batch_id']}"
        raise v2_refusal("batch_not_found", message, status=404)
    return batch


def _to_wire(batch: Document) -> JsonObject:
    timestamps = {
        name: int(batch[name]) if batch.get(name) else None for name in (*STATUSES, "expires_at")
    }
    if not batch.get("errors"):
        errors = None
    else:
        errors = {"object": "list", "data": batch["errors"]}
    copied = ("id", "endpoint", "model", "input_file_id", "completion_window", "metadata")
    optional = ("output_file_id", "error_file_id", "usage")
    return {
        "object": "batch",
        **{name: batch[name] for name in copied},
        **{name: batch.get(name) for name in optional},
        "status": job_status(batch),
        "errors": errors,
        "created_at": int(batch["created"]),
        **timestamps,
        "request_counts": batch["counts"],
        "sandbox": {"engine": batch.get("engine", BUILT_IN)},
    }
