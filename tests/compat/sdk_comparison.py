"""The official SDK's surface beside qfnb's: one item for each module, name, member, parameter,
default and value.

An item is a text, e.g. `resources.llm.plugin.Plugin.do(stream=false)`, and whether qfnb has it.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import json
import re
from pathlib import Path
from typing import Any

from support.sdk_surface import encode, returned

from qfnb.config import Config, get_config
from qfnb.resources.management.operation import Operation

Items = dict[str, bool]
Entry = dict[str, Any]

PAGE = Path(__file__).parents[2] / "docs/reference/sdk-names.md"
PLAIN_KINDS = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY")


def compare(surface: dict[str, dict[str, Entry]]) -> Items:
    """Return the items of a whole surface."""
    items: Items = {}
    for path, entries in surface.items():
        name = path.partition(".")[2]
        try:
            module = importlib.import_module(f"qfnb.{name}" if name else "qfnb")
        except ModuleNotFoundError:
            module = None
        items[name or "qianfan"] = module is not None
        for key, entry in entries.items():
            compare_name(items, f"{name}.{key}".lstrip("."), entry, getattr(module, key, MISSING))
    return items


class Missing:
    """What qfnb does not have."""


MISSING: Any = Missing()


def compare_name(items: Items, path: str, entry: Entry, ours: Any) -> None:
    """Add the items of one name."""
    items[path] = ours is not MISSING
    if ours is MISSING or entry["kind"] in {"alias", "field", "property"}:
        return
    if entry["kind"] == "constant":
        value = json.dumps(entry["value"], ensure_ascii=False)
        if "<" not in value:
            items[f"{path} = {value}"] = json.loads(json.dumps(encode(ours))) == entry["value"]
        return
    compare_parameters(items, path, entry, ours)
    compare_result(items, path, entry.get("returns", []), returned(ours))
    if entry.get("async"):
        items[f"{path} awaited"] = inspect.iscoroutinefunction(ours)
    for name, member in entry.get("members", {}).items():
        compare_name(items, f"{path}.{name}", member, find_member(ours, name))


def find_member(cls: Any, name: str) -> Any:
    """Return a member of a class: an attribute, a field, a parameter of its constructor or a
    setting.
    """
    if hasattr(cls, name):
        return getattr(cls, name)
    if cls is Config:
        return getattr(get_config(), name, MISSING)
    fields = (
        {field.name for field in dataclasses.fields(cls)}
        if dataclasses.is_dataclass(cls)
        else set()
    )
    fields |= {*getattr(cls, "model_fields", {}), *parameters_of(cls)}
    if re.search(rf"self\.{name}\b", source_of_init(cls)):
        return name
    fields |= {
        key for base in getattr(cls, "__mro__", ()) for key in vars(base).get("__annotations__", {})
    }
    return name if name in fields else MISSING


def source_of_init(cls: Any) -> str:
    """Return the source of a class's constructor, "" where it is not in Python."""
    try:
        return inspect.getsource(cls.__init__)
    except (TypeError, OSError):
        return ""


def parameters_of(function: Any) -> dict[str, inspect.Parameter]:
    """Return the parameters that a caller can name, without `self`."""
    try:
        parameters = dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}
    parameters.pop("self", None)
    for parameter in list(parameters.values()):
        options = getattr(parameter.annotation, "__args__", None)
        if parameter.kind is inspect.Parameter.VAR_KEYWORD and options:
            for name in getattr(options[0], "__annotations__", {}):
                parameters.setdefault(
                    name, inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
                )
    return parameters


def compare_parameters(items: Items, path: str, entry: Entry, ours: Any) -> None:
    """Add the items of a function's or constructor's parameters: name, position and default."""
    parameters = parameters_of(ours)
    positional = [
        name for name, item in parameters.items() if item.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    takes_any = any(item.kind is inspect.Parameter.VAR_KEYWORD for item in parameters.values())
    for index, theirs in enumerate(entry.get("parameters", [])):
        name = theirs["name"]
        if theirs["kind"] not in PLAIN_KINDS:
            is_keyword = theirs["kind"] == "VAR_KEYWORD"
            # which names what it does not know
            is_present = takes_any or not is_keyword or isinstance(ours, Operation)
            items[f"{path}({'**' if is_keyword else '*'}{name})"] = is_present
            continue
        items[f"{path}({name})"] = name in parameters or takes_any
        if name not in parameters:
            continue
        if theirs["kind"] != "KEYWORD_ONLY" and index < 3:
            items[f"{path}({name} is {index + 1}.)"] = positional[index : index + 1] == [name]
        if "default" in theirs and "<" not in (
            default := json.dumps(theirs["default"], ensure_ascii=False)
        ):
            value = parameters[name].default
            is_optional = value is not inspect.Parameter.empty
            items[f"{path}({name}={default})"] = is_optional and (
                value is None or encode(value) == theirs["default"]
            )


SAME_RESULT = {
    "BatchRequestFuture": "BatchTask",
    "Dict": "dict|Mapping|Response|Config|Metrics|Columns",
    "Iterator": "Iterator|Iterable",
    "List": "list|Sequence",
    "QfLLMInfo": "ModelInfo",
    "QfRequest": "Response",
    "QfResponse": "Response",
    "Set": "set",
    "Tuple": "tuple",
    "bool": "bool",
    "bytes": "bytes",
    "float": "float",
    "int": "int",
    "str": "str",
}
"""A name in an annotation of the SDK -> what an annotation of qfnb has in its place."""


def compare_result(items: Items, path: str, theirs: list[str], ours: list[str]) -> None:
    """Add the item of a function's result, where both packages say what it is."""
    # the outermost, or the first of a union
    name = next((name for name in theirs if name in SAME_RESULT), "")
    if name and ours and not {"Any", "Self"} & {*ours}:
        items[f"{path} -> {name}"] = any(re.search(SAME_RESULT[name], word) for word in ours)


def rows(section: str) -> dict[str, str]:
    """Return a section of the page: pattern -> reason."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    cells = re.findall(r"(?m)^\| (`.+?`) \| (.+) \|$", text)
    return {pattern: reason for names, reason in cells for pattern in re.findall("`(.+?)`", names)}


def matches(pattern: str, item: str) -> bool:
    """Return whether a pattern, with `*` for any text and `?` for one character, names an item."""
    return bool(_compile(pattern).fullmatch(item))


@functools.cache
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."))
