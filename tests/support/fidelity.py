"""The fidelity table: what each operation of the sandbox was seen doing in a session of the tests.

Run as `python tests/support/fidelity.py EVIDENCE`, where EVIDENCE is what the session left behind; it writes FIDELITY.md.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from qfnb.wire.base import ENDPOINTS, Endpoint

TABLE = Path(__file__).parents[2] / "FIDELITY.md"
COLUMNS = ("operation", "shape", "SDK", "validation", "states", "errors", "limits", "source")
MOST_STATES = 8

HEAD = """# How faithful the sandbox is

Written by `make fidelity` from what the tests saw; not by hand. **No live account was used**: everything here was
compared with the documents and with the official SDK, never with the platform itself.

| column | a tick means that in the tests |
|---|---|
| shape | good answers came, and every one of them fitted the record that the client reads |
| SDK | the official `qianfan` SDK (or, marked o, the `openai` client), unmodified, got a good answer |
| validation | a wrong argument was refused |
| states | the values that the answers told of their objects' states |
| errors | it failed on purpose, in the error shape of its family |
| limits | requests that were too fast were refused, or a page was cut as asked |
| source | SDK: the official SDK sends this request; pages: it is known from the API pages and the seeds only |

"""


def merged(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the evidence of all servers of a session."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        for name, row in json.loads(path.read_text(encoding="utf-8")).items():
            _add(found.setdefault(name, {}), row)
    return found


def _add(whole: dict[str, Any], row: Mapping[str, Any]) -> None:
    for key, value in row.items():
        if key == "states":
            for field, told in value.items():
                kept = whole.setdefault("states", {}).setdefault(field, [])
                kept += [item for item in told if item not in kept]
        else:
            whole[key] = whole[key] + value if isinstance(value, int) and key in whole else value


def table(evidence: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page."""
    import qfnb.sandbox.app  # noqa: F401 - loads every row of the endpoint table

    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    lines += [
        "| " + " | ".join(_cells(ENDPOINTS[name], evidence.get(name, {}))) + " |"
        for name in sorted(ENDPOINTS)
    ]
    return HEAD + "\n".join(lines) + "\n"


def _cells(endpoint: Endpoint[Any, Any], seen: Mapping[str, Any]) -> list[str]:
    peers = [mark for peer, mark in (("sdk", "✓"), ("openai", "o")) if peer in seen]
    return [
        f"`{endpoint.name}`",
        "✓" if "shape" in seen and "misfit" not in seen else "",
        " ".join(peers),
        _tick(seen, "validation"),
        _states(seen.get("states", {})),
        _tick(seen, "errors"),
        _tick(seen, "limits"),
        "SDK" if _in_sdk(endpoint) else "pages",
    ]


def _tick(seen: Mapping[str, Any], key: str) -> str:
    return "✓" if key in seen else ""


def _states(fields: Mapping[str, list[Any]]) -> str:
    """Return the states that are words or small numbers, of the fields that had more than one."""
    told = {
        name: sorted(map(str, values)) for name, values in fields.items() if 1 < len(values) <= MOST_STATES
    }
    return "; ".join(
        f"{name}: {', '.join(value or '“”' for value in values)}" for name, values in sorted(told.items())
    )


@cache
def _sdk() -> str:
    spec = importlib.util.find_spec("qianfan")
    assert spec is not None
    assert spec.origin is not None
    return "\n".join(path.read_text(encoding="utf-8") for path in Path(spec.origin).parent.rglob("*.py"))


def _in_sdk(endpoint: Endpoint[Any, Any]) -> bool:
    path = endpoint.path.partition("{")[0].rpartition("/wenxinworkshop")[2].rstrip("/")
    return path in _sdk() and (endpoint.action is None or f'"{endpoint.action}"' in _sdk())


if __name__ == "__main__":
    TABLE.write_text(table(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), encoding="utf-8")
