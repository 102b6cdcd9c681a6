"""Files of v2, which batches read and write: uploaded as a form, downloaded as bytes."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qfnb.wire import batches as wire
from qfnb.wire.base import JsonMapping, JsonObject
from qfnb.wire.chat import CHAT_V2, Usage
from qfnb.wire.endpoints import AnyEndpoint
from qfnb.wire.inference import IMAGE_EDIT_V2, TEXT2IMAGE_V2

from .engines.protocol import BUILT_IN
from .http.call import HANDLERS, SANDBOX_HEADER, Call, dispatch, emulates, fields_of, page_by_id
from .http.middleware import RequestHandler, serve
from .state.lifecycle import STATUSES, is_finished, job_status, stable_shuffle, with_checkpoints
from .state.store import Document, Store, random_id
from .state.world import World, job_handler

MAX_FILES = 10_000  # files of one page of the list


@emulates(wire.UPLOAD)
def upload(call: Call, body: wire.UploadFile) -> JsonObject:
    """Store an uploaded file."""
    if not body.content:
        raise call.invalid("file", "the file is missing or empty")
    if len(body.content) > wire.MAX_FILE_BYTES:
        raise call.invalid("file", f"a file has at most {wire.MAX_FILE_BYTES >> 30} GiB")
    return _file_to_wire(store_file(call.store, random_id("file-", 10), body))


@emulates(wire.LIST_FILES)
def list_files(call: Call, body: wire.ListFiles) -> JsonObject:
    """List the files that were not deleted."""
    call.validate_choice("order", body.order or "desc", ("asc", "desc"))
    limit = MAX_FILES if body.limit is None else body.limit
    call.validate_range("limit", limit, 1, MAX_FILES)
    rows = []
    for row in call.store.all("file"):
        if not row.get("deleted") and body.purpose in {None, row["purpose"]}:
            rows.append(row)
    if body.order != "asc":
        rows.reverse()
    return page_by_id(call, rows, body.after, limit, _file_to_wire)


@emulates(wire.FILE_INFO)
def file_info(call: Call, body: wire.FileRef) -> JsonObject:
    """Describe a file."""
    return _file_to_wire(call.find_in_path("file"))


@emulates(wire.CONTENT)
def content(call: Call, body: wire.FileRef) -> bytes:
    """Return a file's bytes."""
    return read_file(call.store, str(call.find_in_path("file")["id"])) or b""


@emulates(wire.DELETE_FILE)
def delete(call: Call, body: wire.FileRef) -> JsonObject:
    """Delete a file."""
    id_ = str(call.find_in_path("file")["id"])
    call.store.update(id_, deleted=True)
    call.store.write_file(id_, b"")
    return {"id": id_, "object": "file", "deleted": True}


def routes(world: World) -> list[Route]:
    """Return the routes whose bodies are not JSON; they come before those of the endpoint table."""

    async def receive_upload(call: Call, request: Request) -> Response:
        form = await _read_form(call, request)
        return JSONResponse(await run_in_threadpool(HANDLERS[wire.UPLOAD.name], call, form))

    async def send_content(call: Call, request: Request) -> Response:
        data = await run_in_threadpool(HANDLERS[wire.CONTENT.name], call, wire.FileRef())
        return Response(data, media_type="application/octet-stream")

    def route(endpoint: AnyEndpoint, handle: RequestHandler) -> Route:
        async def answer(request: Request) -> Response:
            response = await serve(world, endpoint, request, handle)
            response.headers.update(SANDBOX_HEADER)
            return response

        return Route(endpoint.path, answer, methods=[endpoint.method])

    return [route(wire.UPLOAD, receive_upload), route(wire.CONTENT, send_content)]


def store_file(store: Store, id_: str, file: wire.UploadFile) -> Document:
    """Store a file under an id, unless one with this id exists; return its document."""
    if (existing := store.get("file", id_)) is not None:
        return existing
    store.write_file(id_, file.content)
    name = file.filename.replace("\\", "/").rpartition("/")[2]
    return store.add("file", id_, filename=name, purpose=file.purpose, size=len(file.content))


def read_file(store: Store, id_: str) -> bytes | None:
    """Return a file's bytes, None if it does not exist or was deleted."""
    row = store.get("file", id_)
    if row is None or row.get("deleted"):
        return None
    return store.read_file(str(row["id"]))


async def _read_form(call: Call, request: Request) -> wire.UploadFile:
    """Return the uploaded file; until it is complete it is on disk, not in memory."""
    try:
        form = await request.form(max_files=1, max_fields=8)
    except HTTPException as error:
        raise call.refusal(
            f"the form cannot be read: {error.detail}", v2_code="malformed_form"
        ) from None
    try:
        file = form.get("file")
        purpose = form.get("purpose")
        if not isinstance(file, UploadFile):
            raise call.invalid("file", "the form has no file")
        if not isinstance(purpose, str) or not purpose.strip():
            raise call.invalid("purpose", "it must not be empty")
        return wire.UploadFile(
            purpose=purpose, filename=file.filename or "", content=await file.read()
        )
    finally:
        await form.close()


def _file_to_wire(row: Document) -> JsonObject:
    return {
        **fields_of(row, "id", "filename", "purpose", bytes="size"),
        "object": "file",
        "created_at": int(row["created"]),
        "status": "processed",
    }


def parse_jsonl(content: bytes) -> Iterator[tuple[int, JsonObject | None]]:
    """Yield the number and the object of every line that is not blank, None for what is not an
    object.

    None, too, for an object that cannot be written again (NaN, a lone surrogate): results repeat
    their request.
    """
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not raw.strip():
            continue
        try:
            value = json.loads(raw.decode())
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            value = None
        yield number, value if isinstance(value, dict) else None


BATCH_ENDPOINTS: dict[str, AnyEndpoint] = {
    row.path: row for row in (CHAT_V2, TEXT2IMAGE_V2, IMAGE_EDIT_V2)
}
"""The operations that a batch can call, by path."""

MAX_METADATA = 16
DEFAULT_PAGE_SIZE = 20
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
    if read_file(call.store, body.input_file_id) is None:
        raise call.invalid("input_file_id", f"{body.input_file_id} does not exist")
    validate_unfinished(call)
    batch = call.store.add(
        "batch",
        random_id("infer-"),
        engine=BUILT_IN,
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
    rows = store.all("batch") + store.all("inference")
    unfinished = sum(not is_finished(row) for row in rows)
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
    return _to_wire(call.find_in_path("batch"))


@emulates(wire.LIST)
def list_batches(call: Call, body: wire.ListBatches) -> JsonObject:
    """List the batches, the newest first."""
    limit = DEFAULT_PAGE_SIZE if body.limit is None else body.limit
    call.validate_range("limit", limit, 1, MAX_PAGE_SIZE)
    return page_by_id(call, call.store.all("batch")[::-1], body.after, limit, _to_wire)


@emulates(wire.CANCEL)
def cancel_batch(call: Call, body: wire.BatchRef) -> JsonObject:
    """Stop a batch; the answers so far are kept."""
    batch = call.find_in_path("batch")
    if is_finished(batch):
        message = f"Cannot cancel a batch with status {job_status(batch)!r}."
        raise call.refusal(message, v2_code="invalid_batch_status")
    store = call.store
    store.update(batch["id"], cancelling_at=batch.get("cancelling_at") or store.now())
    return _to_wire(call.find_in_path("batch"))


@job_handler("batch")
def run_batch(world: World, batch: Document) -> Iterator[None]:
    """Run a batch: read its file, answer each line, write the results."""
    store = world.store
    id_ = str(batch["id"])
    lines, errors = read_lines(read_file(store, batch["input_file_id"]), batch["endpoint"])
    if not errors and not batch["replaced"]:
        errors = _model_errors(lines)
    if errors:
        store.update(id_, failed_at=store.now(), errors=errors)
        return
    store.update(
        id_,
        in_progress_at=batch.get("in_progress_at") or store.now(),
        counts={"total": len(lines), "completed": 0, "failed": 0},
        model=batch["model"] or lines[0]["body"].get("model"),
    )
    yield

    def answer_line(number: int, line: JsonObject) -> JsonObject:
        body = line["body"]
        if batch["replaced"]:
            body = body | {"model": batch["model"]}
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
    for number, line in parse_jsonl(content or b""):
        if problem := _line_problem(line, endpoint, custom_ids):
            code, message, param = problem
            errors.append({"code": code, "message": message, "line": number, "param": param})
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
    first = ""
    for number, line in enumerate(lines, 1):
        model = line["body"].get("model") or first
        first = first or model
        if model != first:
            message = (
                f"All requests of a file must have one model; this is {model!r} after {first!r}."
            )
            return [
                {
                    "code": "multiple_models",
                    "message": message,
                    "param": "body.model",
                    "line": number,
                }
            ]
    return []


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
    end_field = "completed_at"
    if (store.get("batch", id_) or {}).get("cancelling_at"):
        end_field = "cancelled_at"
    elif len(results) < len(lines):
        end_field = "expired_at"
        expired = {"code": "batch_expired", "message": EXPIRED_MESSAGE}
        for number, line in enumerate(lines):
            if number not in results:
                results[number] = _result_line(id_, number, line, None, expired)
    succeeded: dict[int, Any] = {}
    failed: dict[int, Any] = {}
    for number, result in results.items():
        if _is_success(result):
            succeeded[number] = result
        else:
            failed[number] = result
    store.update(
        id_,
        output_file_id=_write_result_file(world, id_, "output", succeeded),
        error_file_id=_write_result_file(world, id_, "error", failed),
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
    totals: Counter[str] = Counter()
    for result in results.values():
        usage = Usage.model_validate(result["response"]["body"].get("usage") or {})
        totals["input"] += usage.prompt_tokens or 0
        totals["cached"] += usage.cached_tokens
        totals["output"] += usage.completion_tokens or 0
        totals["reasoning"] += usage.reasoning_tokens
    return {
        "input_tokens": totals["input"],
        "input_tokens_details": {"cached_tokens": totals["cached"]},
        "output_tokens": totals["output"],
        "output_tokens_details": {"reasoning_tokens": totals["reasoning"]},
        "total_tokens": totals["input"] + totals["output"],
    }


def _write_result_file(
    world: World, batch_id: str, kind: str, results: Mapping[int, Any]
) -> str | None:
    """Write results, shuffled, to a file whose id is the same when it is written again; return the
    id.
    """
    if not results:
        return None
    lines = []
    for number in stable_shuffle(sorted(results)):
        lines.append(json.dumps(results[number], ensure_ascii=False) + "\n")
    content = "".join(lines)
    file = wire.UploadFile(
        purpose="batch_output", filename=f"{batch_id}_{kind}.jsonl", content=content.encode()
    )
    digest = hashlib.sha256(f"{batch_id}/{kind}".encode()).hexdigest()[:10]
    return str(store_file(world.store, f"file-{digest}", file)["id"])


def _to_wire(batch: Document) -> JsonObject:
    errors = None
    if batch.get("errors"):
        errors = {"object": "list", "data": batch["errors"]}
    row: JsonObject = {}
    for name in (*STATUSES, "expires_at", "output_file_id", "error_file_id", "usage"):
        row[name] = batch.get(name)
        if isinstance(row[name], float):
            row[name] = int(row[name])
    return row | {
        "object": "batch",
        **fields_of(batch, "id", "endpoint", "model", "input_file_id"),
        **fields_of(batch, "completion_window", "metadata"),
        "status": job_status(batch),
        "errors": errors,
        "created_at": int(batch["created"]),
        "request_counts": batch["counts"],
        "sandbox": {"engine": batch.get("engine", BUILT_IN)},
    }
