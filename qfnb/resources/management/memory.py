"""System memories: facts about an application that models remember."""

from collections.abc import Sequence
from typing import Any

from ...wire import prompt as wire
from .operation import Fields, Id, operation


class Memory:
    """Write and read system memories. Source: API pages of /v2/memory."""

    @operation(wire.CREATE_MEMORY)
    def create_system_memory(app_id: Id, description: str) -> Fields:
        """Create a memory of an application; returns `systemMemoryId`, `sm-...`."""
        return {"app_id": str(app_id)}

    @operation(wire.LIST_MEMORIES)
    def describe_system_memories(
        app_id: Id | None = None, marker: str | None = None, max_keys: int | None = None
    ) -> None:
        """Return a page of memories without their entries, the newest first, 100 by default.

        Args:
            app_id: only memories of this application.
            marker: the last id of the page before.
            max_keys: rows of a page, 100 by default.
        """

    @operation(wire.DESCRIBE_MEMORY)
    def describe_system_memory(system_memory_id: Id) -> None:
        """Return a memory with its entries."""

    @operation(wire.MODIFY_MEMORY)
    def modify_system_memory(system_memory_id: Id, memories: Sequence[Any]) -> None:
        """Replace all entries of a memory."""

    @operation(wire.DELETE_MEMORY)
    def delete_system_memory(system_memory_id: Id) -> None:
        """Delete a memory."""
