"""What the names of a program stand for: the SDK's modules and classes, and instances of them."""

import ast
import importlib
from collections.abc import Iterator, Sequence
from functools import cache

from .unit import Unit

SDK = "qianfan"

INFERENCE_METHODS = frozenset(["do", "ado", "batch_do", "abatch_do", "create"])


class Program:
    """A module, or the cells of a notebook, which share their names.

    Attributes:
        units: those that can be parsed.
        aliases: name -> the SDK's dotted name that it stands for, such as
            "qianfan.dataset.Dataset".
        instances: expression -> the SDK's class that it is an instance of, such as
            "ChatCompletion".
        own_modules: modules of qfnb that are imported already.
        is_name_taken: whether `qianfan` or `qfnb` is also a name of the program's own.
    """

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = units
        self.aliases: dict[str, str] = {}
        self.instances: dict[str, str] = {}
        self.own_modules: set[str] = set()
        self.is_name_taken = False
        nodes = [node for unit in units for node in ast.walk(unit.tree)]
        for node in nodes:
            self._read_binding(node)
        for node in nodes:
            self._read_instance(node)
        self.needs_sdk = any(
            path.startswith(f"{SDK}.") and root.id == SDK and not has_name(path)
            for unit in units
            for path, root in self.references(unit.tree)
        )

    def _read_binding(self, node: ast.AST) -> None:
        """Note what a statement binds a name to."""
        if isinstance(node, ast.Import):
            self.own_modules |= {alias.name for alias in node.names if not alias.asname}
            for alias in filter(is_sdk, node.names):
                self.aliases[alias.asname or SDK] = alias.name if alias.asname else SDK
        elif isinstance(node, ast.ImportFrom) and is_sdk(node):
            for alias in node.names:
                self.aliases[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif {SDK, "qfnb"} & set(_bound_names(node)):
            self.is_name_taken = True

    def _read_instance(self, node: ast.AST) -> None:
        """Note that a variable is an instance of a class of the SDK."""
        values = [(node.targets, node.value)] if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            values = [([node.target], node.value)]
        for targets, value in values:
            if isinstance(value, ast.Call) and (path := self.path_of(value.func)):
                self.instances |= {
                    ast.unparse(target): path.rpartition(".")[2] for target in targets
                }

    def path_of(self, node: ast.expr) -> str:
        """Return the SDK's dotted name that an expression stands for, "" for anything else."""
        if isinstance(node, ast.Name):
            return self.aliases.get(node.id, "")
        if isinstance(node, ast.Attribute) and (base := self.path_of(node.value)):
            return f"{base}.{node.attr}"
        return ""

    def class_of(self, call: ast.Call) -> tuple[str, str]:
        """Return the SDK's class of a call, "" if it is not clear, and the method, "" for the class
        itself.
        """
        if path := self.path_of(call.func):
            return path.rpartition(".")[2], ""
        if not isinstance(call.func, ast.Attribute):
            return "", ""
        receiver = call.func.value
        while isinstance(receiver, ast.Attribute) and ast.unparse(receiver) not in self.instances:
            receiver = receiver.value  # client.chat.completions.create
        made_by = self.path_of(receiver.func) if isinstance(receiver, ast.Call) else ""
        return made_by.rpartition(".")[2] or self.instances.get(
            ast.unparse(receiver), ""
        ), call.func.attr

    def references(self, tree: ast.AST) -> Iterator[tuple[str, ast.Name]]:
        """Yield the SDK's dotted names in a tree, each as long as it is written, with the name that
        it begins with.
        """
        for child in ast.iter_child_nodes(tree):
            path = self.path_of(child) if isinstance(child, ast.expr) else ""
            if path:
                yield path, next(node for node in ast.walk(child) if isinstance(node, ast.Name))
            else:
                yield from self.references(child)


def is_sdk(node: ast.alias | ast.ImportFrom) -> bool:
    """Return whether a part of an import is of the SDK."""
    name = node.name if isinstance(node, ast.alias) else "" if node.level else node.module or ""
    return name.split(".")[0] == SDK


@cache
def has_name(path: str) -> bool:
    """Return whether qfnb has a dotted name of the SDK, as a module or within one."""
    first, *parts = f"qfnb{path.removeprefix(SDK)}".split(".")
    value = importlib.import_module(first)
    dotted = first
    for part in parts:
        dotted = f"{dotted}.{part}"
        try:
            value = getattr(value, part)
        except AttributeError:
            try:
                value = importlib.import_module(dotted)
            except ImportError:
                return False
    return True


def _bound_names(node: ast.AST) -> list[str]:
    """Return the names that a node binds other than by an import of the SDK."""
    if isinstance(node, ast.Name):
        return [node.id] if isinstance(node.ctx, (ast.Store, ast.Del)) else []
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return [node.name]
    return (
        [alias.asname or "" for alias in node.names]
        if isinstance(node, (ast.Import, ast.ImportFrom))
        else []
    )
