"""Compressing a version: its weights are really rounded or thinned out, so that the file gets smaller."""

from __future__ import annotations

import io
from typing import Any
from zipfile import BadZipFile

from ...wire import compression as wire
from ...wire import model as wire_model
from ..finetune.runs import format_time
from ..http.call import Call, emulates, refusal_for
from ..http.paging import page_by_marker
from ..state.store import Document, random_id
from . import store

QUANTIZATION_LEVELS = {"INT8-PTQ": 256, "W8A16C16": 256, "W4A16C16": 16}
"""How many values a weight may have after quantization."""

SPARSE_FRACTION = 0.5
"""The share of the smallest weights that sparsity sets to zero."""

NOT_COMPRESSIBLE = "这个版本的权重不能压缩 / the weights of this version cannot be compressed"


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateCompression) -> str:
    """Compress a version into a new one of a set."""
    source = store.get_version(call, body.source_model_id, "sourceModelId")
    target = store.require_user_owned(
        call, store.get_model(call, body.model_set_id, "modelSetId"), "modelSetId"
    )
    content = _require_weights(call, source)
    _validate_config(call, body.config)
    compressed = compress_weights(
        content, QUANTIZATION_LEVELS.get(body.config.weight or "") if _is_quantization(body.config) else None
    )
    compression, lifecycle = random_id("amva-"), call.world.lifecycle
    stages = ((wire.CREATING, "queue"), (wire.RUNNING, "compress"))
    version = _add_version(call, source, target, compression, compressed) if compressed else None
    call.world.store.add(
        "compression",
        compression,
        name=body.name,
        description=body.description or "",
        source=source["id"],
        version=version and version["id"],
        config=body.config.to_wire(),
        bytes=[len(content), len(compressed or b"")],
        plan=lifecycle.plan(*stages, final=wire.SUCCEEDED if compressed else wire.FAILED),
    )
    return compression


@emulates(wire.LIST)
def list_compressions(call: Call, body: wire.ListCompressions) -> dict[str, Any]:
    """List the compressions, the newest first."""
    rows = reversed(call.world.store.all("compression"))
    if body.source_model_id is not None:
        source = store.get_version(call, body.source_model_id, "sourceModelId")
        rows = (row for row in rows if row["source"] == source["id"])
    page, info = page_by_marker(call, [_compression_to_wire(call, row) for row in rows], "id", body)
    return {"modelCompTaskList": page, "pageInfo": info}


@emulates(wire.DESCRIBE)
def describe(call: Call, body: wire.CompressionRef) -> dict[str, Any]:
    """Describe a compression."""
    compression = _get_compression(call, body)
    bytes_before, bytes_after = compression["bytes"]
    return _compression_to_wire(call, compression) | {
        "sandbox": {"bytesBefore": bytes_before, "bytesAfter": bytes_after}
    }


@emulates(wire.CANCEL)
def cancel(call: Call, body: wire.CompressionRef) -> bool:
    """Stop a compression; what it was to make is not made."""
    compression = _get_compression(call, body)
    if _current_status(call, compression) not in {wire.CREATING, wire.RUNNING}:
        return False
    plan = call.world.lifecycle.plan((wire.STOPPING, "stop"), final=wire.STOPPED)
    call.world.store.update(compression["id"], plan=plan, version=None)
    version = compression["version"] and call.world.store.get("version", compression["version"])
    if version:
        store.delete_versions(call, [version], "modelCompTaskId")
    return True


@emulates(wire.DELETE)
def delete(call: Call, body: wire.CompressionRef) -> bool:
    """Delete a compression that is over; the version that it made stays."""
    compression = _get_compression(call, body)
    status = _current_status(call, compression)
    if status in {wire.CREATING, wire.RUNNING, wire.STOPPING}:
        raise refusal_for(call, f"param[modelCompTaskId] invalid: {compression['id']} is {status}")
    call.world.store.remove("compression", compression["id"])
    return True


def compress_weights(content: bytes, levels: int | None) -> bytes | None:
    """Return a file of weights with each rounded to so many values, or, without levels, the smallest zeroed.

    None when the file holds no arrays.
    """
    import numpy as np  # noqa: PLC0415 - half of the start-up time

    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            compressed_arrays = {name: _compress_array(arrays[name], levels) for name in arrays.files}
    except (ValueError, OSError, EOFError, BadZipFile):
        return None
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **compressed_arrays)
    return buffer.getvalue()


def _compress_array(array: Any, levels: int | None) -> Any:
    import numpy as np  # noqa: PLC0415

    if array.ndim < 2 or not np.issubdtype(array.dtype, np.floating) or not array.size:
        return array
    weights = array.astype(np.float32)
    if levels is None:
        return np.where(np.abs(weights) < np.quantile(np.abs(weights), SPARSE_FRACTION), 0, weights).astype(
            array.dtype
        )
    unit = np.abs(weights).max() / (levels // 2 - 1) or 1.0
    return (np.round(weights / unit) * unit).astype(array.dtype)


def _validate_config(call: Call, config: wire.CompressionConfig) -> None:
    if config.strategy not in wire.STRATEGIES:
        raise refusal_for(call, f"param[config.strategy] invalid: it is {' or '.join(wire.STRATEGIES)}")
    if _is_quantization(config) and config.weight not in wire.WEIGHTS:
        raise refusal_for(call, f"param[config.weight] invalid: it is one of {', '.join(wire.WEIGHTS)}")


def _is_quantization(config: wire.CompressionConfig) -> bool:
    return config.strategy == wire.STRATEGIES[0]


def _require_weights(call: Call, source: Document) -> bytes:
    content = store.read_weights(call, source)
    if content is None or store.version_state(call, source) != wire_model.READY:
        raise refusal_for(call, f"param[sourceModelId] invalid: {source['id']} has no weights to compress")
    return content


def _add_version(
    call: Call, source: Document, target: Document, compression: str, content: bytes
) -> Document:
    """Put what was made into the set; it shows when the compression is over."""
    call.world.store.write_file(f"{compression}.npz", content)
    stages = ((wire_model.CREATING, "queue"), (wire_model.CREATING, "compress"))
    return store.add_version(
        call,
        target,
        wire_model.COMPRESSED,
        compression,
        base=source["base"],
        origin={"compression": compression},
        plan=call.world.lifecycle.plan(*stages, final=wire_model.READY),
    )


def _get_compression(call: Call, body: wire.CompressionRef) -> Document:
    compression = call.world.store.get("compression", body.model_comp_task_id)
    if compression is None:
        raise refusal_for(call, f"param[modelCompTaskId] invalid: {body.model_comp_task_id} does not exist")
    return compression


def _current_status(call: Call, compression: Document) -> str:
    return str(call.world.lifecycle.state(compression["plan"]))


def _compression_to_wire(call: Call, compression: Document) -> dict[str, Any]:
    status, ended = _current_status(call, compression), call.world.lifecycle.final_since(compression["plan"])
    row = {
        "id": compression["id"],
        "name": compression["name"],
        "description": compression["description"],
        "status": status,
        "sourceModelId": compression["source"],
        "config": compression["config"],
        "createTime": format_time(compression["created"]),
    }
    if status == wire.SUCCEEDED:
        row["modelId"] = compression["version"]
    if status == wire.FAILED:
        row["failedReason"] = NOT_COMPRESSIBLE
    return row | ({"finishTime": format_time(ended)} if ended else {})
