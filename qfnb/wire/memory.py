"""System memories: what a model remembers about an application (`/v2/memory?Action=`)."""

from typing import Any

from .base import ConsoleRecord, Id, MarkedPage, PageRequest
from .endpoints import EndpointGroup


class CreateMemory(ConsoleRecord):
    """A memory of an application, empty at first."""

    app_id: Id
    description: str


class MemoryRef(ConsoleRecord):
    """The id of a memory, an int or `sm-...`."""

    system_memory_id: Id


class MemoryCreated(ConsoleRecord):
    """The id of a new memory."""

    system_memory_id: str


class MemorySummary(ConsoleRecord):
    """A memory without its entries."""

    system_memory_id: str = ""
    app_id: str = ""
    description: str = ""


class MemoryRecord(MemorySummary):
    """A memory; `memories` are its entries as written."""

    memories: list[Any] = []


class FindMemories(PageRequest):
    """Lists an application's memories, or all; a page has 100 by default."""

    app_id: Id | None = None


class ModifyMemory(ConsoleRecord):
    """New entries of a memory, which replace the present ones."""

    system_memory_id: Id
    memories: list[Any]


_MEMORIES = EndpointGroup("memory", "/v2/memory")

CREATE = _MEMORIES.action(
    "create", "CreateSystemMemory", CreateMemory, MemoryCreated, repeatable=False
)
LIST = _MEMORIES.action("list", "DescribeSystemMemories", FindMemories, MarkedPage[MemorySummary])
DESCRIBE = _MEMORIES.action("describe", "DescribeSystemMemory", MemoryRef, MemoryRecord)
MODIFY = _MEMORIES.action("modify", "ModifySystemMemory", ModifyMemory, bool)
DELETE = _MEMORIES.action("delete", "DeleteSystemMemory", MemoryRef, bool)
