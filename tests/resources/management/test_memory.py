"""System memories as the library's users call them."""

import pytest

from qfnb.errors import APIError
from qfnb.resources import Memory


def test_a_memory_is_created_written_read_and_deleted(sandbox):
    memory_id = Memory.create_system_memory("48001", "人设").data.system_memory_id
    assert memory_id.startswith("sm-")
    assert Memory.modify_system_memory(memory_id, [{"content": "店在河边"}]).data is True
    memory = Memory.describe_system_memory(memory_id).data
    assert (memory.app_id, memory.description, memory.memories) == (
        "48001",
        "人设",
        [{"content": "店在河边"}],
    )
    assert Memory.delete_system_memory(memory_id).data is True
    with pytest.raises(APIError, match=r"param\[systemMemoryId\] invalid"):
        Memory.describe_system_memory(memory_id)


def test_memories_are_listed_by_application_and_page(sandbox):
    ids = [
        Memory.create_system_memory("48002", str(number)).data.system_memory_id
        for number in range(3)
    ]
    page = Memory.describe_system_memories("48002", max_keys=2).data
    assert [row.system_memory_id for row in page.items] == ids[:0:-1]
    next_page = Memory.describe_system_memories(48002, marker=page.page_info.next_marker).data
    assert [row.system_memory_id for row in next_page.items] == ids[:1]
    assert not Memory.describe_system_memories("nobody").data.items
