"""Compression of a version: a recorded task; the new version has the source's weights as they
are.
"""

from typing import Any

from qfnb.base.language import tr, tr_noop
from qfnb.wire import model_v1 as model_wire, model_v2

from ..http import timestamps
from ..http.call import Call, emulates
from ..http.paging import page_by_marker
from ..state.store import Document, random_id
from . import store

FAILED_REASON = tr_noop("the weights of this version cannot be compressed")


@emulates(model_v2.CREATE_COMPRESSION)
def create(call: Call, body: model_v2.CreateCompression) -> str:
    """Begin to compress a version into a new one of a set; return the task's id."""
    source = store.get_version(call, body.source_model_id, "sourceModelId")
    target = store.get_model(call, body.model_set_id, "modelSetId", is_changed=True)
    content = store.read_weights(call, source)
    if content is None or store.version_state(call, source) != model_wire.READY:
        raise call.invalid("sourceModelId", f"{source['id']} has no weights to compress")
    config = body.config
    call.validate_choice("config.strategy", config.strategy, model_v2.COMPRESSION_STRATEGIES)
    if config.strategy == model_v2.COMPRESSION_STRATEGIES[0]:
        call.validate_choice("config.weight", config.weight, model_v2.COMPRESSION_WEIGHTS)
    task_id = random_id("amva-")
    lifecycle = call.world.lifecycle
    call.world.store.write_file(f"{task_id}.npz", content)
    version = store.add_version(
        call,
        target,
        model_wire.COMPRESSED,
        task_id,
        base=source["base"],
        origin={"compression": task_id},
        plan=lifecycle.plan(
            (model_wire.CREATING, "queue"),
            (model_wire.CREATING, "compress"),
            final=model_wire.READY,
        ),
    )
    call.world.store.add(
        "compression",
        task_id,
        name=body.name,
        description=body.description or "",
        source=source["id"],
        version=version["id"],
        config=body.config.to_wire(),
        plan=lifecycle.plan(
            (model_v2.COMPRESSION_CREATING, "queue"),
            (model_v2.COMPRESSION_RUNNING, "compress"),
            final=model_v2.COMPRESSION_SUCCEEDED,
        ),
    )
    return task_id


@emulates(model_v2.LIST_COMPRESSIONS)
def list_compressions(call: Call, body: model_v2.ListCompressions) -> dict[str, Any]:
    """List the compressions, the newest first."""
    rows = reversed(call.world.store.all("compression"))
    if body.source_model_id is not None:
        source = store.get_version(call, body.source_model_id, "sourceModelId")
        rows = (row for row in rows if row["source"] == source["id"])
    return page_by_marker(
        call, [_compression_to_wire(call, row) for row in rows], "id", body, "modelCompTaskList"
    )


@emulates(model_v2.DESCRIBE_COMPRESSION)
def describe(call: Call, body: model_v2.CompressionRef) -> dict[str, Any]:
    """Describe a compression."""
    row = _compression_to_wire(
        call, call.find("compression", body.model_comp_task_id, "modelCompTaskId")
    )
    return row | {"sandbox": {"weights": "copied, not compressed"}}


@emulates(model_v2.CANCEL_COMPRESSION)
def cancel(call: Call, body: model_v2.CompressionRef) -> bool:
    """Stop a compression and delete its version."""
    compression = call.find("compression", body.model_comp_task_id, "modelCompTaskId")
    if _current_status(call, compression) not in {
        model_v2.COMPRESSION_CREATING,
        model_v2.COMPRESSION_RUNNING,
    }:
        return False
    plan = call.world.lifecycle.plan(
        (model_v2.COMPRESSION_STOPPING, "stop"), final=model_v2.COMPRESSION_STOPPED
    )
    call.world.store.update(compression["id"], plan=plan, version=None)
    version = compression["version"] and call.world.store.get("version", compression["version"])
    if version:
        store.delete_versions(call, [version], "modelCompTaskId")
    return True


@emulates(model_v2.DELETE_COMPRESSION)
def delete(call: Call, body: model_v2.CompressionRef) -> bool:
    """Delete a compression that is over; the version that it made stays."""
    compression = call.find("compression", body.model_comp_task_id, "modelCompTaskId")
    status = _current_status(call, compression)
    if status in {
        model_v2.COMPRESSION_CREATING,
        model_v2.COMPRESSION_RUNNING,
        model_v2.COMPRESSION_STOPPING,
    }:
        raise call.invalid("modelCompTaskId", f"{compression['id']} is {status}")
    call.world.store.remove("compression", compression["id"])
    return True


def _current_status(call: Call, compression: Document) -> str:
    return str(call.world.lifecycle.state(compression["plan"]))


def _compression_to_wire(call: Call, compression: Document) -> dict[str, Any]:
    status = _current_status(call, compression)
    ended = call.world.lifecycle.final_since(compression["plan"])
    row = {
        "id": compression["id"],
        "name": compression["name"],
        "description": compression["description"],
        "status": status,
        "sourceModelId": compression["source"],
        "config": compression["config"],
        "createTime": timestamps.utc(compression["created"]),
    }
    if status == model_v2.COMPRESSION_SUCCEEDED:
        row["modelId"] = compression["version"]
    if status == model_v2.COMPRESSION_FAILED:
        row["failedReason"] = tr(FAILED_REASON)
    return row | ({"finishTime": timestamps.utc(ended)} if ended else {})
