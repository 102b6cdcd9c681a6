"""The structure of the code; its size, density and names are counted by `tools/house.py`."""

import ast
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

import qfnb

ROOT = Path(qfnb.__file__).parents[1]
PACKAGES = (ROOT / "qfnb", ROOT / "qianfan_sandbox")
FILES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))
TEXTS = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in FILES}
LINES = {name: text.count("\n") for name, text in TEXTS.items()}


@cache
def all_nodes():
    return [(file, node) for file, text in TEXTS.items() for node in ast.walk(ast.parse(text))]


def nodes(*kinds):
    return [(file, node) for file, node in all_nodes() if isinstance(node, kinds)]


def test_no_two_modules_import_each_other_in_a_circle():
    graph = grimp.build_graph("qfnb", "qianfan_sandbox")
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    # raises CycleError with the circle; imports for type checkers count
    TopologicalSorter(imports).prepare()


def test_a_folder_of_the_sandbox_has_at_most_15_modules():
    modules = Counter(path.parent for path in FILES if path.name != "__init__.py")
    assert {
        str(folder): count
        for folder, count in modules.items()
        if "qianfan_sandbox" in folder.parts and count > 15
    } == {}


def test_imports_are_a_small_part_of_the_code():
    imports = sum(
        node.end_lineno - node.lineno + 1 for _, node in nodes(ast.Import, ast.ImportFrom)
    )
    share = imports / sum(LINES.values())
    # a line of it in each file that has messages, and the SDK's names
    assert share <= 0.07, f"{imports} lines"
