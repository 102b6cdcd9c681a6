"""Constants of the official SDK that only it names: error codes, environment variables, paths,
defaults; `constants.json` has most of them.
"""

import json
from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Any

_ENUMS = {"IntEnum": IntEnum, "StrEnum": StrEnum}


class QfRole(StrEnum):
    """Who speaks in a turn of a conversation."""

    User = "user"
    Assistant = "assistant"
    Function = "function"


def _create_class(name: str, kind: str, members: dict[str, Any]) -> Any:
    if kind in _ENUMS:
        return _ENUMS[kind](name, members, module=__name__)
    return type(name, (), dict(members, __module__=__name__))


def _add_classes() -> None:
    path = Path(__file__).with_name("constants.json")
    rows = json.loads(path.read_text(encoding="utf-8"))
    for dotted, row in rows.items():
        owner, _, name = dotted.rpartition(".")
        created = _create_class(name, row["kind"], row["members"])
        created.__doc__ = row["doc"]
        if owner:
            created.__qualname__ = dotted
            setattr(globals()[owner], name, created)
        else:
            globals()[name] = created


_add_classes()
