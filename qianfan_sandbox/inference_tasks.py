"""Inference tasks over object storage: they read queries from `*.jsonl` objects and write answers
to others.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from qfnb.wire import batches as wire, catalog, storage as storage_wire
from qfnb.wire.base import JsonMapping, JsonObject
from qfnb.wire.chat import CHAT_V1, CHAT_V2, V1_PREFIX
from qfnb.wire.endpoints import AnyEndpoint

from . import batches, storage
from .batches import validate_unfinished
from .chat.conversion import resolve_target
from .engines.protocol import BUILT_IN
from .http.call import (
    CREATOR,
    Call,
    Refusal,
    dispatch,
    emulates,
    fields_of,
    handles,
    page_by_marker,
    utc,
)
from .state.lifecycle import is_finished, job_status, stable_shuffle, with_checkpoints
from .state.store import Document, random_id
from .state.world import World, job_handler


@dataclass(frozen=True)
class Query:
    """One line of the input: the key of its object, and the JSON object in it."""

    key: str
    line: JsonObject


@emulates(wire.CREATE_INFERENCE)
def create_task(call: Call, body: wire.CreateInference) -> JsonObject:
    """Queue a task over the objects that exist now."""
    if body.afs_config is not None:
        raise call.invalid("afsConfig", "the sandbox has object storage only")
    source = _key_prefix(call, "inputBosUri", body.input_bos_uri or "")
    target = _key_prefix(call, "outputBosUri", body.output_bos_uri or "")
    window = body.completion_window
    if window is not None and not re.fullmatch(r"[1-9]\d{0,2}h", window):
        raise call.invalid("completion_window", "must look like 24h")
    bucket = call.world.address.bucket
    keys = []
    for row in storage.list_objects(call.store, bucket, source):
        if row["key"].endswith(".jsonl"):
            keys.append(row["key"])
    if not keys:
        raise call.invalid("inputBosUri", f"no *.jsonl under {body.input_bos_uri}")
    validate_unfinished(call)
    id_ = random_id("infer-")
    task = call.store.add(
        "inference",
        id_,
        engine=BUILT_IN,
        name=body.name,
        description=body.description or "",
        endpoint=body.endpoint,
        model_id=body.model_id,
        asked=_resolve_target(call, body),
        parameters=body.inference_params,
        input=body.input_bos_uri,
        output=body.output_bos_uri,
        source=source,
        target=f"{target}{id_}/",
        keys=keys,
        done=0,
        window=window,
    )
    call.world.enqueue("inference", task)
    return {"taskId": id_}


def stop_task(call: Call, task: Document) -> bool:
    """Stop a task; the answers so far are kept."""
    if is_finished(task):
        raise call.invalid("taskId", f"the task is {_run_status(task)}")
    store = call.store
    store.update(task["id"], cancelling_at=task.get("cancelling_at") or store.now())
    return True


handles(wire.STOP_INFERENCE, "inference", "taskId", stop_task)


@emulates(wire.LIST_INFERENCES)
def list_tasks(call: Call, body: wire.ListInferences) -> JsonObject:
    """List the tasks, the newest first."""
    tasks = []
    for task in reversed(call.store.all("inference")):
        if not body.run_status or _run_status(task) in body.run_status:
            tasks.append(task)
    return page_by_marker(call, tasks, body, _with_usage, "taskList")


@job_handler("inference")
def run_task(world: World, task: Document) -> Iterator[None]:
    """Run a task: read its objects, answer each query, write an output for each object."""
    store = world.store
    id_ = str(task["id"])
    try:
        queries: list[Query] = []
        for key in task["keys"]:
            queries += _read_queries(world, key)
    except ValueError as error:
        problem = {"code": "invalid_input", "message": str(error)}
        store.update(id_, failed_at=store.now(), errors=[problem])
        return
    store.update(id_, in_progress_at=task.get("in_progress_at") or store.now())
    yield

    def answer_query(number: int, query: Query) -> JsonObject:
        name = task["asked"]
        messages = [{"role": "user", "content": query.line["query"]}]
        body = {**task["parameters"], "messages": messages}
        if _chat_endpoint(name) is CHAT_V2:
            return dispatch(world, CHAT_V2, {**body, "model": name}).body
        return dispatch(world, CHAT_V1, body, {"model": name}).body

    def should_stop(results: Mapping[int, Any]) -> bool:
        store.update(id_, done=len(results))
        return bool((store.get("inference", id_) or {}).get("cancelling_at"))

    results = yield from with_checkpoints(
        store, world.clock, id_, queries, answer_query, should_stop
    )
    _write_outputs(world, task, queries, results)
    if (store.get("inference", id_) or {}).get("cancelling_at"):
        end_field = "cancelled_at"
    else:
        end_field = "completed_at"
    store.update(id_, done=len(results), used=_sum_usage(results), **{end_field: store.now()})


def _read_queries(world: World, key: str) -> Iterator[Query]:
    """Yield the queries in an object.

    Raises:
        ValueError: a line is wrong; the message names the object and the line.
    """
    address = storage_wire.build_uri(world.address.bucket, key)
    content = storage.read_object(world.store, address)
    if content is None:
        raise ValueError(f"{address} does not exist")
    for number, line in batches.parse_jsonl(content):
        if problem := _line_problem(line):
            raise ValueError(f"{address}:{number}: {problem}")
        yield Query(key, line or {})


def _line_problem(line: JsonMapping | None) -> str:
    if line is None:
        return "the line is not a JSON object"
    if not isinstance(line.get("id"), str | int):
        return 'the line has no "id"'
    query = line.get("query")
    if isinstance(query, str) and query.strip():
        return ""
    return 'the line has no "query"'


def _write_outputs(
    world: World, task: Document, queries: Sequence[Query], results: Mapping[int, Any]
) -> None:
    """Write the answers, one object for each object of the input that has answers."""
    for key in task["keys"]:
        numbers = [number for number in sorted(results) if queries[number].key == key]
        content = ""
        for number in stable_shuffle(numbers):
            row = queries[number].line | {"output": results[number]}
            content += json.dumps(row, ensure_ascii=False) + "\n"
        if content:
            name = task["target"] + (key.removeprefix(task["source"]) or key.rpartition("/")[2])
            storage.write_object(world.store, world.address.bucket, name, content.encode())


def _key_prefix(call: Call, name: str, address: str) -> str:
    """Return the key prefix of an address; for a single `*.jsonl` object it is the object's key."""
    try:
        bucket, key = storage_wire.parse_uri(address)
    except ValueError as error:
        raise call.invalid(name, str(error)) from None
    if bucket != call.world.address.bucket:
        raise call.invalid(name, f"bucket {bucket} does not exist")
    if key and (problem := storage.key_problem(key)):
        raise call.invalid(name, problem)
    is_complete = not key or key.endswith("/") or (name == "inputBosUri" and key.endswith(".jsonl"))
    if is_complete:
        return key
    return key + "/"


def _resolve_target(call: Call, body: wire.CreateInference) -> str:
    """Return the model to ask: a model version, or the last part of a chat endpoint's address."""
    if body.model_id:
        if call.store.get("version", body.model_id) is None:
            raise call.invalid("modelId", f"{body.model_id} does not exist")
        return body.model_id
    path = urlsplit(body.endpoint or "").path
    name = path.removeprefix(f"{V1_PREFIX}/chat/")
    try:
        if name != path and "/" not in name:
            resolve_target(Call(call.world, _chat_endpoint(name)), name)
            return name
    except Refusal:
        pass
    raise call.invalid("endpoint", f"{body.endpoint!r} is not the address of a chat service")


def _chat_endpoint(name: str) -> AnyEndpoint:
    """Return the endpoint that answers under a name: v2 for models that v1 never had."""
    row = catalog.find_model("chat", name)
    if row is not None and not row.v1:
        return CHAT_V2
    return CHAT_V1


def _run_status(task: Document) -> str:
    if is_finished(task):
        return job_status(task)
    return wire.RUNNING


def _to_wire(call: Call, task: Document) -> JsonObject:
    finished_at = task.get("completed_at") or task.get("cancelled_at") or task.get("failed_at")
    row = {
        **fields_of(
            task,
            "name",
            "description",
            taskId="id",
            inferenceParams="parameters",
            inputBosUri="input",
            outputBosUri="output",
            progress="done",
            completion_window="window",
        ),
        "endpoint": task["endpoint"] or "",
        "modelId": task["model_id"] or "",
        "runStatus": _run_status(task),
        "outputDir": task["target"].rstrip("/").rpartition("/")[2],
        "createTime": utc(task["created"]),
        "finishTime": utc(finished_at),
        "sandbox": {"engine": task.get("engine", BUILT_IN)},
    }
    if task.get("errors"):
        row["message"] = task["errors"][0]["message"]
    return row


handles(wire.INFERENCE_INFO, "inference", "taskId", _to_wire)


def _with_usage(call: Call, task: Document) -> JsonObject:
    input_tokens, output_tokens = task.get("used") or (0, 0)
    usage = {"inputTokenUsage": input_tokens, "outputTokenUsage": output_tokens}
    return _to_wire(call, task) | usage | {"creator": CREATOR}


def _sum_usage(results: Mapping[int, Any]) -> tuple[int, int]:
    usage: Counter[str] = Counter()
    for body in results.values():
        tokens = body.get("usage") or {}
        usage["prompt"] += tokens.get("prompt_tokens", 0)
        usage["completion"] += tokens.get("completion_tokens", 0)
    return usage["prompt"], usage["completion"]
