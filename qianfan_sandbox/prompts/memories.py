"""System memories: stored and listed; the sandbox's model does not read them."""

from typing import Any

from qfnb.wire import memory as wire

from ..http.call import Call, emulates
from ..http.paging import page_by_marker
from ..state.store import Document, random_id

KIND = "memory"
DEFAULT_PAGE_SIZE = 100
"""Rows of a page without `maxKeys`."""


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateMemory) -> dict[str, Any]:
    """Create an empty memory."""
    app = str(body.app_id).strip()
    if not app:
        raise call.invalid("appId", "it must not be empty")
    memory = call.world.store.add(
        KIND, random_id("sm-", 16), app=app, description=body.description, memories=[]
    )
    return {"systemMemoryId": memory["id"]}


@emulates(wire.LIST)
def list_memories(call: Call, body: wire.FindMemories) -> dict[str, Any]:
    """List the memories of an application, or all."""
    rows = [
        _memory_to_wire(memory)
        for memory in reversed(call.world.store.all(KIND))
        if body.app_id is None or memory["app"] == str(body.app_id)
    ]
    page_request = (
        body
        if body.max_keys is not None
        else body.model_copy(update={"max_keys": DEFAULT_PAGE_SIZE})
    )
    return page_by_marker(call, rows, "systemMemoryId", page_request)


@emulates(wire.DESCRIBE)
def describe(call: Call, body: wire.MemoryRef) -> dict[str, Any]:
    """Describe a memory."""
    memory = call.find(KIND, body.system_memory_id, "systemMemoryId")
    return {**_memory_to_wire(memory), "memories": memory["memories"]}


@emulates(wire.MODIFY)
def modify(call: Call, body: wire.ModifyMemory) -> bool:
    """Replace a memory's entries."""
    call.world.store.update(
        call.find(KIND, body.system_memory_id, "systemMemoryId")["id"], memories=body.memories
    )
    return True


@emulates(wire.DELETE)
def delete(call: Call, body: wire.MemoryRef) -> bool:
    """Delete a memory."""
    call.world.store.remove(KIND, call.find(KIND, body.system_memory_id, "systemMemoryId")["id"])
    return True


def _memory_to_wire(memory: Document) -> dict[str, Any]:
    return {
        "systemMemoryId": memory["id"],
        "appId": memory["app"],
        "description": memory["description"],
    }
