"""Batches in OpenAI's shape and the platform's words: every line of a file is asked.

Good answers are in one file, refusals in another.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..wire import batches as wire
from ..wire.base import Endpoint
from ..wire.chat import CHAT_V2
from ..wire.image import TEXT2IMAGE_V2
from . import files
from .backlog import MOMENTS, is_over, journalled, shuffled, status_of, works_off
from .engines import BUILT_IN
from .offline import ask, lines_of
from .routing import Call, emulates, refuse, refuse_call
from .store import Document, random_id

if TYPE_CHECKING:
    from .world import World

ASKED: dict[str, Endpoint[Any, Any]] = {row.path: row for row in (CHAT_V2, TEXT2IMAGE_V2)}
"""What a batch may be about."""

MOST_METADATA, MOST_LISTED, MOST_ERRORS = 16, 100, 100
NOT_IN_TIME = "This request could not be executed before the completion window expired."


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateBatch) -> dict[str, Any]:
    """Queue a batch; what is in its file is looked at later, as on the platform."""
    hours = re.fullmatch(r"([1-9]\d{0,2})h", body.completion_window)
    if hours is None or int(hours[1]) > 672:
        raise refuse_call(call, "param[completion_window] invalid: it is 1h to 672h")
    if body.endpoint not in ASKED:
        known = ", ".join(ASKED)
        raise refuse_call(call, f"param[endpoint] invalid: {body.endpoint!r}; the sandbox has {known}")
    if len(body.metadata or ()) > MOST_METADATA:
        raise refuse_call(call, f"param[metadata] invalid: at most {MOST_METADATA} pairs")
    if files.read(call.world.store, body.input_file_id) is None:
        raise refuse_call(call, f"param[input_file_id] invalid: {body.input_file_id} does not exist")
    batch = call.world.store.add(
        "batch",
        random_id("infer-"),
        engine=call.world.engines.chosen.label,
        endpoint=body.endpoint,
        model=body.replace.model if body.replace else None,
        replaced=bool(body.replace and body.replace.model),
        input_file_id=body.input_file_id,
        completion_window=body.completion_window,
        expires_at=call.world.clock.now() + int(hours[1]) * 3600,
        metadata=body.metadata,
        counts={"total": 0, "completed": 0, "failed": 0},
    )
    call.world.backlog.take("batch", batch)
    return _shown(batch)


@emulates(wire.INFO)
def info(call: Call, body: wire.BatchRef) -> dict[str, Any]:
    """Describe a batch."""
    return _shown(_batch(call))


@emulates(wire.LIST)
def list_batches(call: Call, body: wire.ListBatches) -> dict[str, Any]:
    """List the batches, the newest first."""
    rows = call.world.store.all("batch")[::-1]
    page, more = files.page_of(call, rows, body.after, body.limit, default=20, most=MOST_LISTED)
    return {"object": "list", "data": [_shown(row) for row in page], "has_more": more, **files.ends_of(page)}


@emulates(wire.CANCEL)
def cancel(call: Call, body: wire.BatchRef) -> dict[str, Any]:
    """Stop a batch; what it has answered so far is kept."""
    batch = _batch(call)
    if is_over(batch):
        text = f"Cannot cancel a batch with status {status_of(batch)!r}."
        raise refuse_call(call, text, word="invalid_batch_status")
    store = call.world.store
    store.update(batch["id"], cancelling_at=batch.get("cancelling_at") or store.now())
    return _shown(_batch(call))


@works_off("batch")
def work(world: World, batch: Document) -> Iterator[None]:
    """Work a batch off: read its file, ask line by line, write its results."""
    store, id_ = world.store, str(batch["id"])
    lines, errors = read_lines(files.read(store, batch["input_file_id"]), batch["endpoint"])
    if errors:
        store.update(id_, failed_at=store.now(), errors=errors)
        return
    counts = {"total": len(lines), "completed": 0, "failed": 0}
    model = batch["model"] or next((line["body"].get("model") for line in lines), None)
    store.update(id_, in_progress_at=batch.get("in_progress_at") or store.now(), counts=counts, model=model)
    yield

    def answer(number: int, line: dict[str, Any]) -> dict[str, Any]:
        asked = line["body"] | ({"model": batch["model"]} if batch["replaced"] else {})
        answered = ask(world, ASKED[batch["endpoint"]], asked)
        response = {"status_code": answered.status, "request_id": answered.id, "body": answered.body}
        return _result(id_, number, line, response, None)

    def over(done: Mapping[int, Any]) -> bool:
        store.update(id_, counts=_counted(len(lines), done))
        now = store.get("batch", id_) or batch
        return bool(now.get("cancelling_at")) or store.now() >= now["expires_at"]

    done = yield from journalled(store, id_, lines, answer, over)
    yield from _finish(world, id_, lines, done)


def read_lines(content: bytes | None, endpoint: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the lines of an input file, or all that is wrong with it, each error with its line."""
    lines: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, line in lines_of(content or b""):
        if problem := _problem(line, endpoint, seen):
            errors.append({"code": problem[0], "message": problem[1], "line": number, "param": problem[2]})
        lines.append(line or {})
    if not lines:
        errors.append({"code": "empty_file", "message": "The input file is empty.", "line": None})
    if len(lines) > wire.MOST_REQUESTS:
        text = f"The input file has {len(lines)} requests; at most {wire.MOST_REQUESTS} are allowed."
        errors.insert(0, {"code": "too_many_tasks", "message": text, "line": None})
    return lines, errors[:MOST_ERRORS]


def _problem(
    line: dict[str, Any] | None, endpoint: str, seen: set[str]
) -> tuple[str, str, str | None] | None:
    """Return code, message and field of what is wrong with a line."""
    if line is None:
        return "invalid_json_line", "This line is not parseable as valid JSON.", None
    types: dict[str, type] = {"custom_id": str, "method": str, "url": str, "body": dict}
    for name, type_ in types.items():
        if not isinstance(line.get(name), type_) or not line[name]:
            return "missing_required_parameter", f"Missing required parameter: '{name}'.", name
    if line["method"] != "POST":
        return "invalid_method", f"The method is POST, not {line['method']!r}.", "method"
    if line["url"] != endpoint:
        return "url_mismatch", f"The url is the batch's endpoint {endpoint}, not {line['url']!r}.", "url"
    if line["custom_id"] in seen:
        text = f"The custom_id {line['custom_id']!r} is a duplicate; it must be unique in a file."
        return "duplicate_custom_id", text, "custom_id"
    seen.add(line["custom_id"])
    return None


def _finish(world: World, id_: str, lines: Sequence[dict[str, Any]], done: dict[int, Any]) -> Iterator[None]:
    """Write the files and note how the batch ended."""
    store = world.store
    store.update(id_, finalizing_at=store.now(), counts=_counted(len(lines), done))
    yield
    batch = store.get("batch", id_) or {}
    end = "cancelled_at" if batch.get("cancelling_at") else "completed_at"
    if end == "completed_at" and len(done) < len(lines):
        end, late = "expired_at", {"code": "batch_expired", "message": NOT_IN_TIME}
        done |= {
            number: _result(id_, number, line, None, late)
            for number, line in enumerate(lines)
            if number not in done
        }
    good = {number: result for number, result in done.items() if _is_good(result)}
    bad = {number: result for number, result in done.items() if number not in good}
    names = {
        "output_file_id": _written(world, id_, "output", good),
        "error_file_id": _written(world, id_, "error", bad),
    }
    store.update(id_, **names, usage=_usage(good), counts=_counted(len(lines), done), **{end: store.now()})


def _result(batch_id: str, number: int, line: Mapping[str, Any], response: Any, error: Any) -> dict[str, Any]:
    digest = hashlib.sha256(f"{batch_id}/{number}".encode()).hexdigest()[:24]
    head = {"id": f"batch_req_{digest}", "custom_id": line["custom_id"]}
    return {**head, "response": response, "error": error}


def _is_good(result: Mapping[str, Any]) -> bool:
    return bool(result["response"]) and result["response"]["status_code"] < 300


def _counted(total: int, done: Mapping[int, Any]) -> dict[str, int]:
    good = sum(map(_is_good, done.values()))
    return {"total": total, "completed": good, "failed": len(done) - good}


def _usage(good: Mapping[int, Any]) -> dict[str, Any]:
    used = [result["response"]["body"].get("usage") or {} for result in good.values()]
    asked, written = (
        sum(row.get(name) or 0 for row in used) for name in ("prompt_tokens", "completion_tokens")
    )
    return {
        "input_tokens": asked,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": asked + written,
    }


def _written(world: World, batch_id: str, what: str, results: Mapping[int, Any]) -> str | None:
    """Write results, out of order, under an id that a second try finds again; return it."""
    if not results:
        return None
    order = shuffled(sorted(results))
    content = "".join(json.dumps(results[number], ensure_ascii=False) + "\n" for number in order)
    file = wire.UploadFile(
        purpose="batch_output", filename=f"{batch_id}_{what}.jsonl", content=content.encode()
    )
    digest = hashlib.sha256(f"{batch_id}/{what}".encode()).hexdigest()[:10]
    return str(files.keep(world.store, f"file-{digest}", file)["id"])


def _batch(call: Call) -> Document:
    batch = call.world.store.get("batch", call.path["batch_id"])
    if batch is None:
        text = f"No such batch: {call.path['batch_id']}"
        raise refuse("v2", 0, text, word="batch_not_found", status=404)
    return batch


def _shown(batch: Document) -> dict[str, Any]:
    moments = {name: int(batch[name]) if batch.get(name) else None for name in (*MOMENTS, "expires_at")}
    errors = {"object": "list", "data": batch["errors"]} if batch.get("errors") else None
    same = ("id", "endpoint", "model", "input_file_id", "completion_window", "metadata")
    late = ("output_file_id", "error_file_id", "usage")
    return {
        "object": "batch",
        **{name: batch[name] for name in same},
        **{name: batch.get(name) for name in late},
        "status": status_of(batch),
        "errors": errors,
        "created_at": int(batch["created"]),
        **moments,
        "request_counts": batch["counts"],
        "sandbox": {"engine": batch.get("engine", BUILT_IN)},
    }
