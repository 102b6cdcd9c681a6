"""The user's documents that describe the API: their python blocks, run as they are but for what is
listed.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(os.environ.get("QFNB_SEEDS", Path(__file__).parents[3] / "shared" / "seeds"))


def read_seed(name: str) -> str:
    """Return the text of a seed; the test is skipped where the seeds are not at hand."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"the seeds are not beside the project (QFNB_SEEDS names their folder): {name}")
    return path.read_text(encoding="utf-8")


def python_blocks(name: str) -> list[str]:
    """Return the python blocks of a seed."""
    return re.findall(r"```python\n(.*?)```", read_seed(name), re.DOTALL)


def fill_placeholders(block: str, changes: dict[str, str]) -> str:
    """Return a block with its placeholders filled; every change must have something to change."""
    for old, new in changes.items():
        assert old in block, f"{old!r} is not in the block any more"
        block = block.replace(old, new)
    return block


def run_block(code: str, namespace: dict[str, Any]) -> None:
    """Run a block as a notebook does: with await at the top level."""
    compiled = compile(code, "<seed>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(compiled, namespace)
    if inspect.iscoroutine(result):
        asyncio.run(result)
