"""The fidelity table: what the tests of a session saw each operation of the sandbox do.

Run as `python tests/support/fidelity.py EVIDENCE`, where EVIDENCE is the session's file; it writes
FIDELITY.md.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from qfnb.wire.endpoints import ENDPOINTS, Endpoint

sys.path.insert(0, str(Path(__file__).parents[1]))  # it is also run as a script
from support.fidelity_sources import pages_of, render_sources

TABLE = Path(__file__).parents[2] / "FIDELITY.md"
COLUMNS = ("operation", "shape", "SDK", "validation", "states", "errors", "limits", "source")
MAX_STATES = 8

HEAD = """# How faithful the sandbox is

Written by `make fidelity` from what the tests saw; not by hand. **No live account was used**: everything here was
compared with the documents and with the official SDK, never with the platform itself.
An operation without a row is newer than this page.

| column | a tick means that in the tests |
|---|---|
| shape | good answers came, and every one of them had all fields of its record that may not be null, in their types |
| SDK | the official `qianfan` SDK (or, marked o, the `openai` client), unmodified, got a good answer |
| validation | a wrong argument was refused |
| states | the values that the answers told of their objects' states |
| errors | it failed on purpose, in the error shape of its family |
| limits | requests that were too fast were refused, or a page had fewer rows than there were |
| source | SDK: the official SDK sends this request; pages: it is known from the API pages and the seeds only; S...: today's pages, listed below with what is a guess |

"""


def merge_evidence(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the evidence of all servers of a session."""
    evidence: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("*.json")):
        for name, row in json.loads(path.read_text(encoding="utf-8")).items():
            _merge_row(evidence.setdefault(name, {}), row)
    return evidence


def _merge_row(merged: dict[str, Any], row: Mapping[str, Any]) -> None:
    for key, value in row.items():
        if key == "states":
            for field, values in value.items():
                known_values = merged.setdefault("states", {}).setdefault(field, [])
                known_values += [item for item in values if item not in known_values]
        else:
            merged[key] = merged[key] + value if isinstance(value, int) and key in merged else value


def render_table(evidence: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page."""
    import qianfan_sandbox.app  # noqa: F401 - loads every row of the endpoint table

    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    lines += [
        "| " + " | ".join(_cells(ENDPOINTS[name], evidence.get(name, {}))) + " |"
        for name in sorted(ENDPOINTS)
    ]
    return HEAD + "\n".join(lines) + "\n" + render_sources()


def _cells(endpoint: Endpoint[Any, Any], evidence: Mapping[str, Any]) -> list[str]:
    peers = [mark for peer, mark in (("sdk", "✓"), ("openai", "o")) if peer in evidence]
    return [
        f"`{endpoint.name}`",
        "✓" if "shape" in evidence and "misfit" not in evidence else "",
        " ".join(peers),
        _tick(evidence, "validation"),
        _format_states(evidence.get("states", {})),
        _tick(evidence, "errors"),
        _tick(evidence, "limits"),
        source_of(endpoint),
    ]


def source_of(endpoint: Endpoint[Any, Any]) -> str:
    """Return where the shape of an operation is from."""
    return (
        f"{'SDK' if _is_in_sdk(endpoint) else 'pages'} {pages_of(endpoint.name, endpoint.plane)}"
    ).rstrip()


def _tick(evidence: Mapping[str, Any], key: str) -> str:
    return "✓" if key in evidence else ""


def _format_states(fields: Mapping[str, list[Any]]) -> str:
    """Return the states of the fields that had more than one, but not more than MAX_STATES."""
    states = {
        name: sorted(map(str, values))
        for name, values in fields.items()
        if 1 < len(values) <= MAX_STATES
    }
    return "; ".join(
        f"{name}: {', '.join(value or '“”' for value in values)}"
        for name, values in sorted(states.items())
    )


@cache
def _sdk_source() -> str:
    spec = importlib.util.find_spec("qianfan")
    assert spec is not None
    assert spec.origin is not None
    return "\n".join(
        path.read_text(encoding="utf-8") for path in Path(spec.origin).parent.rglob("*.py")
    )


def _is_in_sdk(endpoint: Endpoint[Any, Any]) -> bool:
    path = endpoint.path.partition("{")[0].rpartition("/wenxinworkshop")[2].rstrip("/")
    return path in _sdk_source() and (
        endpoint.action is None or f'"{endpoint.action}"' in _sdk_source()
    )


if __name__ == "__main__":
    TABLE.write_text(
        render_table(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))), encoding="utf-8"
    )
