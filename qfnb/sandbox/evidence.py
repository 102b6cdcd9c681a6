"""What every operation was seen doing: what the fidelity table is made of.

Kept only when the environment names a folder for it, as the test session does; each server writes a file
there, again and again, because tests kill servers.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response

from ..wire.endpoints import Endpoint

FOLDER = "QFNB_SANDBOX_EVIDENCE"

PEERS = {"qianfan_py_sdk": "sdk", "sdk-py-": "sdk", "OpenAI/": "openai"}
SAYING = ("request-source", "request_id", "user-agent")
"""What other vendors' clients say of themselves, and in which headers."""

STATES = {"status", "state"}
PAGES = {"isTruncated", "has_more", "hasMore", "maxKeys", "pageSize"}
DEPTH = 6
OFTEN = 0.5
"""Seconds between two writes."""

Seen = dict[str, Any]


class Evidence:
    """Counts by operation: good answers, refusals, faults, and the states that were told."""

    def __init__(self) -> None:
        folder = os.environ.get(FOLDER)
        self._path = Path(folder) / f"{os.getpid()}-{secrets.token_hex(4)}.json" if folder else None
        self.seen: dict[str, Seen] = {}
        self._written = 0.0

    def note(
        self, endpoint: Endpoint[Any, Any], ended: str, headers: Mapping[str, str], answer: Response
    ) -> None:
        """Count one call by how it ended: denied, limits, errors, validation or good."""
        if self._path is None:
            return
        row = self.seen.setdefault(endpoint.name, {})
        row[ended] = row.get(ended, 0) + 1
        if ended == "good":
            said = " ".join(headers.get(name, "") for name in SAYING)
            for peer in {peer for mark, peer in PEERS.items() if mark in said}:
                row[peer] = row.get(peer, 0) + 1
            if answer.media_type is not None and answer.media_type.startswith("application/json"):
                _look(endpoint, json.loads(bytes(answer.body)), row)
        if time.monotonic() - self._written > OFTEN:
            self.write()

    def write(self) -> None:
        """Write down what was seen so far."""
        if self._path is not None and self.seen:
            self._written = time.monotonic()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft = self._path.with_suffix(".tmp")
            draft.write_text(json.dumps(self.seen, ensure_ascii=False, indent=1), encoding="utf-8")
            draft.replace(self._path)


def _look(endpoint: Endpoint[Any, Any], value: Any, row: Seen) -> None:
    """Note whether a good answer fits the row's record, and what states it tells."""
    result = value.get("result") if endpoint.plane == "console" else value
    try:
        TypeAdapter(endpoint.result).validate_python(result)
    except ValidationError as error:
        row["misfit"] = str(error.errors(include_input=False, include_url=False)[0])
    else:
        row["shape"] = row.get("shape", 0) + 1
    for key, told in _told(result, DEPTH):
        if key in PAGES:
            row["limits"] = row.get("limits", 0) + 1
        elif told not in (states := row.setdefault("states", {}).setdefault(key, [])):
            states.append(told)


def _told(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Return the pages and the states in an answer, with the names of their fields."""
    if isinstance(value, dict) and depth:
        for key, item in value.items():
            is_state = key.lower().endswith(tuple(STATES)) and isinstance(item, (str, int))
            if key in PAGES or is_state:
                yield key, item
            yield from _told(item, depth - 1)
    elif isinstance(value, list) and depth:
        for item in value[:20]:
            yield from _told(item, depth - 1)
