"""What the tests saw each operation of the sandbox do: collected by an ASGI middleware around its
application.

The sandbox notes in a request's `state` which operation it was and how it ended: `denied`,
`limits`, `errors`, `validation`, `good`, `faulted` or `broken`. Each server writes a file of its
own into a folder, again and again, because tests kill servers; `support.fidelity` makes the table
of all of them.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qfnb.wire.endpoints import ENDPOINTS, Endpoint
from qfnb.wire.inference import Picture
from qianfan_sandbox.app import build_app
from qianfan_sandbox.state.world import World

FOLDER = "QFNB_SANDBOX_EVIDENCE"
"""The environment variable that names the folder; nothing is collected without it."""

PEERS = {"qianfan_py_sdk": "sdk", "sdk-py-": "sdk", "OpenAI/": "openai"}
PEER_HEADERS = (b"request-source", b"request_id", b"user-agent")
"""How other vendors' clients are recognised, and in which headers."""

STATES = ("status", "state")
MORE_FIELDS = {"isTruncated", "has_more", "hasMore"}
ONE_OF = {Picture: frozenset({"b64_image", "b64_json", "url", "object", "index"})}
"""Fields of which a record needs one: a picture is a file or an address."""

MAX_DEPTH = 6
WRITE_SECONDS = 0.5
"""Seconds between two writes."""


class Evidence:
    """Counts by operation: how its calls ended, by which clients, and the states in its answers."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        self._rows: dict[str, dict[str, Any]] = {}
        self._written_at = 0.0

    def record(
        self, endpoint: Endpoint[Any, Any], outcome: str, client: str, content: bytes | None
    ) -> None:
        """Count one call; `content` is the answer when it is JSON."""
        row = self._rows.setdefault(endpoint.name, {})
        row[outcome] = row.get(outcome, 0) + 1
        if outcome == "good":
            for peer in {peer for mark, peer in PEERS.items() if mark in client}:
                row[peer] = row.get(peer, 0) + 1
            if content is not None:
                _record_answer(endpoint, json.loads(content), row)
        if time.monotonic() - self._written_at > WRITE_SECONDS:
            self.write()

    def write(self) -> None:
        """Write what was collected so far."""
        self._written_at = time.monotonic()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        draft = self._path.with_suffix(".tmp")
        draft.write_text(json.dumps(self._rows, ensure_ascii=False, indent=1), encoding="utf-8")
        draft.replace(self._path)


class EvidenceMiddleware:
    """An application that answers as the one inside does, and records what it sees."""

    def __init__(self, app: ASGIApp, evidence: Evidence) -> None:
        self._app = app
        self.evidence = evidence

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, and record its answer when it was one of the table's operations."""
        is_json = False
        content = bytearray()

        async def observe(message: Message) -> None:
            nonlocal is_json
            if message["type"] == "http.response.start":
                headers = dict(message["headers"])
                is_json = headers.get(b"content-type", b"").startswith(b"application/json")
            elif is_json:
                content.extend(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, observe)
        finally:
            state = scope.get("state", {})
            if "outcome" in state:
                client = b" ".join(
                    value for name, value in scope["headers"] if name in PEER_HEADERS
                )
                endpoint = ENDPOINTS[state["operation"]]
                body = bytes(content) if is_json else None
                self.evidence.record(endpoint, state["outcome"], client.decode("latin-1"), body)


def build_app_with_evidence(world: World) -> ASGIApp:
    """Return the application of a world; it collects evidence when the environment asks for it."""
    app = build_app(world)
    folder = os.environ.get(FOLDER)
    if folder is None:
        return app
    evidence = Evidence(Path(folder))
    close = world.close

    def close_and_write() -> None:
        close()
        evidence.write()

    world.close = close_and_write  # type: ignore[method-assign]
    return EvidenceMiddleware(app, evidence)


def _record_answer(endpoint: Endpoint[Any, Any], value: Any, row: dict[str, Any]) -> None:
    """Record whether a good answer fits the operation's record, and the states in it."""
    result = value.get("result") if endpoint.plane == "console" else value
    if misfit := find_misfit(endpoint.result, result):
        row["misfit"] = misfit
    elif has_shape(endpoint.result):
        row["shape"] = row.get("shape", 0) + 1
    if is_page_cut(result):
        row["limits"] = row.get("limits", 0) + 1
    for key, state in _states(result, MAX_DEPTH):
        if state not in (states := row.setdefault("states", {}).setdefault(key, [])):
            states.append(state)


def has_shape(kind: Any) -> bool:
    """Return whether a type says anything of an answer; `object` and `dict` are of answers that no
    source shows.
    """
    return kind not in (object, dict, dict[str, Any])


def find_misfit(kind: Any, value: Any) -> str:
    """Return what of an answer is not as its record says, "" for nothing.

    A field that may be null may be absent; all others must be there. The client is more tolerant:
    it reads an answer that lacks what nobody needs.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    try:
        record = adapter.validate_python(value)
    except ValidationError as error:
        return str(error.errors(include_input=False, include_url=False)[0])
    return next(_absences(record, ""), "")


def _absences(value: Any, location: str) -> Iterator[str]:
    """Yield where fields of a record, or of those in it, are absent."""
    if isinstance(value, BaseModel):
        if not value.model_fields_set & type(value).model_fields.keys():
            yield f"{location or type(value).__name__}: none of its fields"
        for name, field in type(value).model_fields.items():
            may_be_absent = type(None) in get_args(field.annotation) or name in ONE_OF.get(
                type(value), ()
            )
            if name not in value.model_fields_set and not may_be_absent:
                yield f"{location}.{name} is absent".lstrip(".")
            yield from _absences(getattr(value, name), f"{location}.{name}".lstrip("."))
    elif isinstance(value, list):
        for item in value[:20]:
            yield from _absences(item, f"{location}[]")


def is_page_cut(value: Any) -> bool:
    """Return whether an answer is a page of a list that has more rows."""
    if not isinstance(value, dict):
        return False
    if any(value.get(name) is True for name in MORE_FIELDS):
        return True
    total = value.get("total")
    items = value.get("items")
    if isinstance(total, int) and isinstance(items, list) and total > len(items):
        return True
    return any(map(is_page_cut, value.values()))


def _states(value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield the fields of states in an answer: their names and values."""
    if isinstance(value, dict) and depth:
        for key, item in value.items():
            if key.lower().endswith(STATES) and isinstance(item, (str, int)):
                yield key, item
            yield from _states(item, depth - 1)
    elif isinstance(value, list) and depth:
        for item in value[:20]:
            yield from _states(item, depth - 1)
