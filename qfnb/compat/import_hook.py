"""Import paths of the official SDK: modules that exist only as rows of a table, and names added to
those of qfnb.
"""

import importlib
import json
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from .._lazy import import_submodule

ROOT = __package__.partition(".")[0]

NAMES: dict[str, dict[str, str]] = json.loads(
    Path(__file__).with_name("names.json").read_text(encoding="utf-8")
)
"""Module of the SDK, without its root -> module of qfnb -> names, `theirs=ours` where they
differ.
"""

_PACKAGES = {path.rpartition(".")[0] for path in NAMES}


class SdkFinder(MetaPathFinder):
    """Finds the modules of the table, before all other finders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the spec of a module in the table: qfnb's own with more names, or one that has
        only these.
        """
        root, _, name = fullname.partition(".")
        if root != ROOT or (name not in NAMES and name not in _PACKAGES):
            return None
        spec = PathFinder.find_spec(fullname, path)
        is_package = name in _PACKAGES
        if spec is None:
            return ModuleSpec(fullname, SdkLoader(name), is_package=is_package)
        if name in NAMES:
            spec.loader = SdkLoader(name, spec.loader)
        return spec


class SdkLoader(Loader):
    """Adds the names of a row to a module; each is imported on first use.

    Args:
        name: the row.
        loader: of qfnb's own module; None where there is none.
    """

    def __init__(self, name: str, loader: Loader | None = None) -> None:
        self._name = name
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return the module of qfnb's own loader."""
        if self._loader:
            return self._loader.create_module(spec)
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run qfnb's own module, and add the names."""
        if self._loader:
            self._loader.exec_module(module)
        else:
            module.__doc__ = f"Names of the official SDK's module {self._name}."
        add_names(module, NAMES.get(self._name, {}))

    def __getattr__(self, name: str) -> Any:
        """Return another attribute of qfnb's own loader, such as the source."""
        return getattr(self.__dict__["_loader"], name)


def add_names(module: ModuleType, row: dict[str, str]) -> None:
    """Let a module answer to more names, and to those of its submodules.

    Args:
        module: gets them.
        row: module of qfnb -> the names that it has, separated by spaces; `theirs=ours` where ours
            is another.
    """
    origins = {}
    for origin, names in row.items():
        for name in names.split():
            theirs, _, ours = name.partition("=")
            origins[theirs] = origin, ours or theirs
    fallback = module.__dict__.get("__getattr__")

    def load(name: str) -> Any:
        if name in origins:
            origin, ours = origins[name]
            value = getattr(importlib.import_module(f"{ROOT}.{origin}".rstrip(".")), ours)
            setattr(module, name, value)
            return value
        if fallback:
            return fallback(name)
        return import_submodule(module.__name__, name)

    def list_all_names() -> list[str]:
        return sorted({*list_names(), *origins, *_submodule_names(module)})

    own_names = [
        *vars(module).get("__all__", (name for name in vars(module) if not name.startswith("_")))
    ]
    list_names = module.__dict__.get("__dir__", lambda: vars(module))
    vars(module).update(
        __getattr__=load, __dir__=list_all_names, __all__=sorted({*own_names, *origins})
    )


def _submodule_names(module: ModuleType) -> set[str]:
    """Return the names of a module's public submodules: those with a file, and those of the
    table.
    """
    import pkgutil  # noqa: PLC0415 - 3 ms that only Tab should pay

    files = {file.name for file in pkgutil.iter_modules(getattr(module, "__path__", ()))}
    prefix = f"{module.__name__}."
    paths = (f"{ROOT}.{path}" for path in NAMES)
    rows = {
        path.removeprefix(prefix).partition(".")[0] for path in paths if path.startswith(prefix)
    }
    return {name for name in files | rows if name and not name.startswith("_")}


def install(root: ModuleType) -> None:
    """Let the official SDK's names and paths be imported from qfnb."""
    add_names(root, NAMES[""])
    if not any(isinstance(finder, SdkFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, SdkFinder())
