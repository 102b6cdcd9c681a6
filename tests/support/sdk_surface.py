"""The public surface of the installed `qianfan`, read by inspection in a process of its own, as
JSON.

python -W ignore tests/support/sdk_surface.py

A surface is {module: {"problem"} or {name: entry}}; an entry has a kind, parameters (name, kind,
default) and members.
"""

from __future__ import annotations

import ast
import enum
import importlib
import importlib.util
import inspect
import json
import os
import re
import typing
from pathlib import Path

PACKAGE = "qianfan"
UNREAD = (
    "qianfan.common.cli", "qianfan.dataset.data_insight", "qianfan.dataset.local_data_operators", "qianfan.dataset.stress_test", "qianfan.dataset.streamlit_script", "qianfan.extensions",
    "qianfan.utils.fake_pyarrow",
)  # fmt: skip
"""Families that need packages which are not installed, or run when they are imported: only their
paths are read.
"""


def modules():
    """Yield the dotted paths of all modules of the package."""
    root = Path(importlib.util.find_spec(PACKAGE).origin).parent
    for path in sorted(root.rglob("*.py")):
        parts = [*path.relative_to(root.parent).with_suffix("").parts]
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def assigned_names(path):
    """Return the names that a module's source assigns or re-exports at its top."""
    statements = list(top_statements(ast.parse(path.read_text(encoding="utf-8")).body))
    targets = [
        target
        for node in statements
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    if path.name == "__init__.py":
        imports = [node for node in statements if isinstance(node, ast.ImportFrom) and is_own(node)]
        names |= {alias.asname or alias.name for node in imports for alias in node.names}
    return names


def top_statements(body):
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try):
            yield from top_statements([*node.body, *node.orelse])


def is_own(node):
    return node.level > 0 or (node.module or "").split(".")[0] == PACKAGE


def is_public(name):
    return not name.startswith("_")


def describe_module(name, path):
    module = importlib.import_module(name)
    assigned = assigned_names(path)
    entries = {}
    for key, value in vars(module).items():
        is_defined = getattr(value, "__module__", None) == name and inspect.isclass(
            value
        ) | inspect.isroutine(value)
        if is_public(key) and (key in assigned or is_defined) and not is_typing(value):
            origin = getattr(value, "__module__", None) or name
            is_second_name = origin != name or getattr(value, "__qualname__", key) != key
            is_reexport = (
                is_second_name
                and origin.split(".")[0] == PACKAGE
                and hasattr(value, "__qualname__")
            )
            entries[key] = (
                {"kind": "alias", "of": f"{origin}.{value.__qualname__}"}
                if is_reexport
                else describe(value)
            )
    return entries


def is_typing(value):
    return inspect.ismodule(value) or isinstance(value, typing.TypeVar | typing.ParamSpec)


def describe(value):
    """Return one name as an entry."""
    if inspect.isclass(value):
        bases = [base for base in value.__mro__ if (base.__module__ or "").split(".")[0] == PACKAGE]
        if not bases:
            return {"kind": "constant", "value": f"<{value.__name__}>"}
        creation = [] if isinstance(value, enum.EnumMeta) else parameters(value)
        return {"kind": "class", "parameters": creation, "members": members(value, bases)}
    if typing.get_origin(value):
        return {"kind": "constant", "value": "<alias>"}
    if callable(value) and not isinstance(value, enum.Enum):
        is_async = inspect.iscoroutinefunction(value) or inspect.isasyncgenfunction(value)
        return {
            "kind": "function",
            "parameters": parameters(value),
            "async": is_async,
            "returns": returned(value),
        }
    return {"kind": "constant", "value": encode(value)}


def members(cls, bases):
    """Return the public members that a class has from the package's own classes, fields and enum
    members included.
    """
    names = {
        name
        for base in bases
        for name in (*vars(base), *inspect_annotations(base))
        if is_public(name)
    }
    skipped = {"Config", "model_config", "model_fields", "model_computed_fields"}
    entries = {}
    for name in sorted(names - skipped):
        raw = inspect.getattr_static(cls, name, None)
        if isinstance(raw, property):
            entries[name] = {"kind": "property"}
        elif isinstance(cls, enum.EnumMeta) and name in cls.__members__:
            entries[name] = {"kind": "constant", "value": encode(cls[name].value)}
        elif raw is None or not (inspect.isclass(raw) or callable(getattr(cls, name, None))):
            entries[name] = {"kind": "field"}
        elif inspect.isclass(raw) and raw not in cls.__mro__:
            entries[name] = describe(raw)
        else:
            is_bound = isinstance(raw, classmethod | staticmethod)
            entries[name] = {
                **describe(getattr(cls, name)),
                "kind": "static" if is_bound else "method",
            }
            if not is_bound:
                entries[name]["parameters"] = entries[name].get("parameters", [])[1:]
    return entries


def inspect_annotations(cls):
    return vars(cls).get("__annotations__", {})


def parameters(value):
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return []
    return [
        {"name": item.name, "kind": item.kind.name}
        | ({} if item.default is inspect.Parameter.empty else {"default": encode(item.default)})
        for item in signature.parameters.values()
    ]


def returned(value):
    """Return the names in the annotation of what a function returns; [] where it has none."""
    try:
        annotation = inspect.signature(value).return_annotation
    except (TypeError, ValueError):
        return []
    text = annotation.__name__ if inspect.isclass(annotation) else str(annotation)
    return (
        []
        if annotation is inspect.Signature.empty
        else re.findall(r"(?<![\w.])(?:\w+\.)*(\w+)", text)
    )


def encode(value):
    """Return a value as JSON if it is plain, else its type's name."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, set | frozenset | tuple):
        return sorted(map(encode, value), key=str)
    if value is None or isinstance(value, bool | int | float | str | list | dict):
        return json.loads(json.dumps(value, default=encode))
    return f"<{type(value).__name__}>"


def main():
    os.environ["QIANFAN_DISABLE_EB_SDK"] = "true"
    surface = {}
    for name, path in modules():
        is_read = not any(f"{name}.".startswith(f"{family}.") for family in UNREAD)
        if is_public(name.rsplit(".", 1)[-1]):
            surface[name] = describe_module(name, path) if is_read else {}
    print(json.dumps(surface))


if __name__ == "__main__":
    main()
