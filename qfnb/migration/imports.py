"""Imports of the SDK, and its names in the code."""

import ast
import re
from collections.abc import Iterator

from ..base.language import tr, tr_noop
from .program import SDK, Program, has_name, is_sdk
from .unit import Edit, Finding, Unit

OPENAI_INSTEAD = tr_noop(
    "the platform speaks OpenAI's protocol at https://qianfan.baidubce.com/v2: use OpenAI's client"
)

ALTERNATIVES = {
    f"{SDK}.extensions": OPENAI_INSTEAD,
    f"{SDK}.common.cli": tr_noop("`qfnb --help` lists the commands"),
    f"{SDK}.common.tool": tr_noop(
        "any function with a docstring is a tool: ChatCompletion(tools=[...])"
    ),
}
"""Modules that qfnb does not have -> what to use instead."""

_BY_NAME = frozenset(["__import__", "find_spec", "getLogger", "import_module", "patch", "reload"])
"""Functions whose first argument names a module."""


def rewrite_imports(program: Program, unit: Unit) -> Iterator[Finding]:
    """Yield what becomes of the imports of a unit, and of the names of modules in its texts."""
    for node in ast.walk(unit.tree):
        if isinstance(node, ast.Import):
            for alias in filter(is_sdk, node.names):
                yield from _rewrite_module(program, unit, alias)
        elif isinstance(node, ast.ImportFrom) and is_sdk(node):
            yield from _rewrite_from(unit, node)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            yield from _rewrite_module_text(unit, node, node.args[0])


def _rewrite_module(program: Program, unit: Unit, alias: ast.alias) -> Iterator[Finding]:
    if not has_name(alias.name):
        yield _missing(unit, alias.lineno, alias.name)
        return
    new = f"qfnb{alias.name.removeprefix(SDK)}"
    if not alias.asname and program.is_name_taken:
        new = f"qfnb as {SDK}" if alias.name == SDK else f"{new}, qfnb as {SDK}"
    elif not alias.asname and program.needs_sdk:
        if new in program.own_modules:
            return
        new = f"{new}, {alias.name}"
    start, _ = unit.span(alias)
    edit = Edit(start, start + len(alias.name), new)
    yield _changed(unit, alias.lineno, alias.name, new, edit)


def _rewrite_from(unit: Unit, node: ast.ImportFrom) -> Iterator[Finding]:
    module = str(node.module)
    names = [alias.name for alias in node.names]
    missing = [name for name in names if name != "*" and not has_name(f"{module}.{name}")]
    if not has_name(module):
        yield _missing(unit, node.lineno, module)
        return
    for name in missing:
        yield _missing(unit, node.lineno, f"{module}.{name}")
    start, end = unit.span(node)
    new_module = f"qfnb{module.removeprefix(SDK)}"
    if not missing:
        match = re.compile(rf"from(?:\s|\\\n)+({SDK})\b").match(unit.text, start)
        edits = [Edit(*match.span(1), "qfnb")] if match else []
    elif len(missing) < len(names) and "#" not in unit.text[start:end]:
        parts = {new_module: [], module: []}  # type: dict[str, list[str]]
        for alias in node.names:
            words = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
            parts[module if alias.name in missing else new_module].append(words)
        text = "; ".join(f"from {name} import {', '.join(words)}" for name, words in parts.items())
        edits = [Edit(start, end, text)]
    else:
        edits = []
    if edits:
        yield _changed(unit, node.lineno, module, new_module, *edits)


def _rewrite_module_text(unit: Unit, call: ast.Call, argument: ast.Constant) -> Iterator[Finding]:
    function = ast.unparse(call.func).rpartition(".")[2]
    name = argument.value
    if (
        function not in _BY_NAME
        or not isinstance(name, str)
        or not re.fullmatch(rf"{SDK}(\.\w+)*", name)
    ):
        return
    if not has_name(name):
        yield _missing(unit, argument.lineno, name)
    elif edits := unit.replace(argument, name, new := f"qfnb{name.removeprefix(SDK)}"):
        yield _changed(unit, argument.lineno, name, new, *edits)


def rewrite_references(program: Program, unit: Unit) -> Iterator[Finding]:
    """Yield the uses of `qianfan.name` in a unit: renamed, or named where qfnb does not have
    them.
    """
    for path, root in program.references(unit.tree):
        is_root = root.id == SDK
        if path != SDK and not has_name(path):
            if is_root or path.count(".") > program.aliases[root.id].count("."):
                yield _missing(unit, root.lineno, path)
        elif is_root and not program.is_name_taken:
            start, _ = unit.span(root)
            if unit.text.startswith(SDK, start):
                yield Finding(
                    "changed", "", root.lineno, unit.cell, (Edit(start, start + len(SDK), "qfnb"),)
                )
            else:
                yield from _rename_in_f_string(unit, root)


def _rename_in_f_string(unit: Unit, root: ast.Name) -> Iterator[Finding]:
    """Yield a rename within an f-string, whose parts have no positions before Python 3.12."""
    for node in ast.walk(unit.tree):
        if isinstance(node, ast.JoinedStr) and any(child is root for child in ast.walk(node)):
            start, end = unit.span(node)
            edits = [
                Edit(*match.span(), "qfnb")
                for match in re.compile(rf"(?<![\w.'\"]){SDK}(?=\.\w)").finditer(
                    unit.text, start, end
                )
            ]
            yield Finding("changed", "", node.lineno, unit.cell, tuple(edits))
            return


def _changed(unit: Unit, line: int, old: str, new: str, *edits: Edit) -> Finding:
    return Finding("changed", tr("{old} becomes {new}", old=old, new=new), line, unit.cell, edits)


def _missing(unit: Unit, line: int, path: str) -> Finding:
    advice = next(
        (tr(text) for prefix, text in ALTERNATIVES.items() if f"{path}.".startswith(f"{prefix}.")),
        "",
    )
    message = tr(
        "qfnb has no {path}: this stays with the SDK, which must remain installed", path=path
    )
    return Finding("manual", tr("; ").join(filter(None, [message, advice])), line, unit.cell)
