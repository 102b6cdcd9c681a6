"""Prompts as JSON, in a file or on the platform: `hub.load("prompt/name")`, `hub.save(prompt,
path=...)`.
"""

import json
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from .. import __version__
from ..base.language import tr
from ..errors import InvalidArgumentError
from ..resources.console.consts import PromptFrameworkType, PromptSceneType, PromptType
from .prompt import Prompt, PromptLabel

_CLASSES: dict[str, Any] = {
    cls.__name__: cls
    for cls in (Prompt, PromptLabel, PromptType, PromptSceneType, PromptFrameworkType)
}
"""What a file may name: nothing else is ever imported."""


def load(
    src: str | None = None, json_str: str | None = None, path: str | Path | None = None
) -> Any:
    """Return a prompt from one of three sources; files of the official SDK are read too.

    Args:
        src: `prompt/NAME`: the platform.
        json_str: what `save` returned.
        path: a file that `save` wrote.

    Raises:
        InvalidArgumentError: there is no source, or it is not a prompt.
    """
    if src is not None:
        kind, _, name = src.partition("/")
        if kind != "prompt" or not name:
            raise InvalidArgumentError(tr("src={src!r}: must be prompt/NAME", src=src))
        return Prompt.from_platform(name)
    text = Path(path).read_text(encoding="utf-8") if path is not None else json_str
    if text is None:
        raise InvalidArgumentError(tr("nothing to load: name src, json_str or path"))
    try:
        return loads(json.loads(text)["obj"])
    except InvalidArgumentError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidArgumentError(tr("this is not a prompt written by hub.save()")) from None


def save(
    obj: Prompt,
    to_platform: bool = False,
    path: str | Path | None = None,
    dump_args: Mapping[str, Any] | None = None,
) -> str:
    """Return a prompt as JSON.

    Args:
        obj: the prompt.
        to_platform: store it on the platform too.
        path: a file that it is written to as well.
        dump_args: options of `json.dumps`.

    Raises:
        InvalidArgumentError: it is not a prompt, or has no name for the platform.
    """
    if not isinstance(obj, Prompt):
        raise InvalidArgumentError(
            tr("a {kind} cannot be saved: only a Prompt can", kind=type(obj).__name__)
        )
    text = json.dumps({"sdk_version": __version__, "obj": dumps(obj)}, **(dump_args or {}))
    if path is not None:
        Path(path).write_text(text, encoding="utf-8")
    if to_platform:
        obj.save_to_platform()
    return text


def push(obj: Prompt) -> None:
    """Store a prompt on the platform."""
    save(obj, to_platform=True)


def dumps(obj: Any) -> Any:
    """Return an object as plain values, in the official SDK's form."""
    kind = {"module": type(obj).__module__, "type": type(obj).__name__}
    if isinstance(obj, Prompt | PromptLabel):
        fields = {
            name: dumps(value)
            for name, value in vars(obj).items()
            if (type(obj), name) != (Prompt, "id")
        }
        return {**kind, "args": fields}
    if isinstance(obj, Enum):
        return {**kind, "args": {"value": obj.value}}
    if isinstance(obj, list):
        return [dumps(item) for item in obj]
    return obj


def loads(data: Any) -> Any:
    """Return the object of such values.

    Raises:
        InvalidArgumentError: they name a class that is none of a prompt's.
    """
    if isinstance(data, list):
        return [loads(item) for item in data]
    if not isinstance(data, dict):
        return data
    values = {name: loads(value) for name, value in data["args"].items()}
    if data["type"] == "dict":
        return values
    if data["type"] not in _CLASSES:
        raise InvalidArgumentError(tr("type {name!r}: is not part of a prompt", name=data["type"]))
    return _CLASSES[data["type"]](**values)
