"""Everything public in the official SDK is in qfnb, or listed with a reason in
docs/reference/sdk-names.md.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from compat.sdk_comparison import compare, matches, rows

READER = Path(__file__).parents[1] / "support/sdk_surface.py"

SECTIONS = ("Different", "Left out")


@pytest.fixture(scope="module")
def items():
    """Every item of the SDK, and whether qfnb has it."""
    run = subprocess.run(
        [sys.executable, "-W", "ignore", str(READER)], capture_output=True, text=True, check=True
    )
    return compare(json.loads(run.stdout))


def test_the_surface_is_read_whole(items):
    assert len(items) > 4000
    assert items["ChatCompletion"]
    assert items["resources.llm.chat_completion.ChatCompletion.do(messages)"]


def test_what_qfnb_does_not_have_is_listed(items):
    listed = {pattern for section in SECTIONS for pattern in rows(section)}
    missing = [item for item, is_present in items.items() if not is_present]
    assert [item for item in missing if not any(matches(pattern, item) for pattern in listed)] == []


@pytest.mark.parametrize("section", SECTIONS)
def test_what_is_listed_is_not_there(items, section):
    present = [item for item, is_present in items.items() if is_present]
    false_rows = {
        pattern: [item for item in present if matches(pattern, item)] for pattern in rows(section)
    }
    assert {pattern: found[:5] for pattern, found in false_rows.items() if found} == {}


@pytest.mark.parametrize("section", SECTIONS)
def test_each_row_lists_something(items, section):
    assert [
        pattern for pattern in rows(section) if not any(matches(pattern, item) for item in items)
    ] == []


def test_each_row_has_a_reason():
    assert all(len(reason) > 8 for section in SECTIONS for reason in rows(section).values())
