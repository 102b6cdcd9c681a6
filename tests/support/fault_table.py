"""The fault matrix: which tests prove what happens at each fault of `tests/faults/faults.csv`, or
why there is none.

A test says so itself: `@pytest.mark.fault("F12", "F60")`. Run as `python
tests/support/fault_table.py`; it writes `tests/faults/README.md`.
"""

from __future__ import annotations

import ast
import csv
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
FAULTS = TESTS / "faults" / "faults.csv"
TABLE = TESTS / "faults" / "README.md"
IDS = tuple(f"F{number:02}" for number in range(1, 95))
COMMAND = "python tests/support/fault_table.py"

HEAD = f"""# What can go wrong, and the test of it

Written by `{COMMAND}` (`make faults`) from `faults.csv` and from the tests' marks,
`@pytest.mark.fault("F12")`; not by hand. After a merge conflict in this file, run the command again.

| id | fault | what happens | tests, or why there is none |
|---|---|---|---|
"""


def read_faults() -> dict[str, dict[str, str]]:
    """Return the rows of `faults.csv` by id."""
    with FAULTS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["id"] for row in rows}) == len(rows), "an id stands twice in faults.csv"
    return {row["id"]: row for row in rows}


def find_tests() -> dict[str, list[str]]:
    """Return the marked tests by fault id, as `path::name` below `tests/`."""
    tests: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        source = path.read_text(encoding="utf-8")
        if "mark.fault(" in source:
            for name, fault in _marks(ast.parse(source)):
                tests.setdefault(fault, []).append(f"{path.relative_to(TESTS).as_posix()}{name}")
    return {fault: list(dict.fromkeys(names)) for fault, names in tests.items()}


def _marks(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for statement in tree.body:
        for mark in (node for node in ast.walk(statement) if _is_mark(node)):
            assert isinstance(mark, ast.Call)
            for argument in mark.args:
                yield _owner(statement, mark), ast.literal_eval(argument)


def _is_mark(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.fault"


def _owner(statement: ast.stmt, mark: ast.AST) -> str:
    """Return the name of the test, or nothing for a mark of the whole file."""
    names = [
        node.name
        for node in ast.walk(statement)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        and any(part is mark for decorator in node.decorator_list for part in ast.walk(decorator))
    ]
    return f"::{names[0]}" if names else ""


def render_table() -> str:
    """Return the page."""
    tests = find_tests()
    return HEAD + "".join(
        _render_row(row, tests.get(fault, [])) for fault, row in read_faults().items()
    )


def _render_row(row: dict[str, str], tests: list[str]) -> str:
    proof = "<br>".join(f"`{name}`" for name in tests) or row["reason"] or "**missing**"
    return f"| {row['id']} | {row['fault']} | {row['expected']} | {proof} |\n"


if __name__ == "__main__":
    TABLE.write_text(render_table(), encoding="utf-8")
