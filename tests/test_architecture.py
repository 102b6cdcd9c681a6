"""The structure of the code: names, sizes and circles, counted over the whole package."""

import ast
from collections import Counter
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import grimp

import qfnb

PACKAGE = Path(qfnb.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
TEXTS = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in FILES}
LINES = {name: text.count("\n") for name, text in TEXTS.items()}

FILLERS = frozenset(
    [
        "found",
        "given",
        "known",
        "made",
        "asked",
        "said",
        "wanted",
        "shown",
        "told",
        "kept",
        "taken",
        "held",
        "meant",
        "seen",
        "left",
        "gone",
        "lost",
        "drawn",
        "listed",
        "spent",
        "noted",
        "begun",
        "moved",
        "missed",
        "fetched",
        "few",
        "most",
        "least",
        "place",
        "moment",
        "other",
        "rest",
        "more",
        "own",
        "way",
    ]
)
"""Words that say that something happened to a value, not what it is (CONTRIBUTING.md has the words instead)."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def fillers(names):
    return [name for name in names if name.strip("_") in FILLERS]


@cache
def all_nodes():
    return [(file, node) for file, text in TEXTS.items() for node in ast.walk(ast.parse(text))]


def nodes(*kinds):
    return [(file, node) for file, node in all_nodes() if isinstance(node, kinds)]


def test_values_are_named_by_what_they_are():
    names = [node.id for _, node in nodes(ast.Name) if isinstance(node.ctx, ast.Store)]
    assert len(fillers(names)) <= 0.015 * len(names), Counter(fillers(names)).most_common(20)


def test_functions_are_named_by_what_they_do():
    names = [node.name for _, node in nodes(*FUNCTIONS)]
    assert len(fillers(names)) <= 0.005 * len(names), Counter(fillers(names))


def test_no_two_modules_import_each_other_in_a_circle():
    graph = grimp.build_graph("qfnb")
    imports = {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    TopologicalSorter(imports).prepare()  # raises CycleError with the circle; imports for type checkers count


def test_a_function_has_at_most_60_lines_without_its_docstring():
    long = [f"{file} {node.name}" for file, node in nodes(*FUNCTIONS) if length(node) > 60]
    assert long == []


def length(function):
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return function.end_lineno - (first.end_lineno if is_docstring else function.lineno)


def test_a_folder_of_the_sandbox_has_at_most_15_modules():
    modules = Counter(path.parent for path in FILES if path.name != "__init__.py")
    assert {str(folder): count for folder, count in modules.items() if "sandbox" in folder.parts and count > 15} == {}


def test_imports_are_a_small_part_of_the_code():
    imports = sum(node.end_lineno - node.lineno + 1 for _, node in nodes(ast.Import, ast.ImportFrom))
    share = imports / sum(LINES.values())
    assert share <= 0.07, f"{imports} lines"  # a line of it in each file that has messages, and the SDK's names
