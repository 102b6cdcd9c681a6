"""Lazy exports of a package: names are imported on first use, so that importing the package is
fast.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any


def lazy_exports(
    package: str, exports: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Return `__getattr__`, `__dir__` and `__all__` of a package.

    Args:
        package: its name.
        exports: module below the package -> the public names that it defines, separated by spaces;
            a module that is public itself has its own name there.
    """
    modules = {name: module for module, names in exports.items() for name in names.split()}
    namespace = vars(sys.modules[package])

    def load(name: str) -> Any:
        if name not in modules:
            return import_submodule(package, name)
        module = importlib.import_module(f"{package}.{modules[name]}")
        namespace[name] = value = module if modules[name] == name else getattr(module, name)
        return value

    return load, lambda: sorted({*namespace, *modules}), sorted(modules)


def import_submodule(package: str, name: str) -> ModuleType:
    """Return a public submodule, as the attribute that it is after `import package`.

    Raises:
        AttributeError: there is none of this name.
    """
    path = f"{package}.{name}"
    if not name.startswith("_"):
        try:
            return importlib.import_module(path)
        except ModuleNotFoundError as error:
            if error.name != path:
                raise
    raise AttributeError(f"module {package!r} has no attribute {name!r}")
