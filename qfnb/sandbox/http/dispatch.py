"""Requests that come from a file instead of over HTTP: the same handlers answer them."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...wire.base import Record
from ...wire.endpoints import Endpoint
from ..state.world import World
from .call import HANDLERS, Call, parse_record
from .refusals import Refusal

log = logging.getLogger("qfnb.sandbox")


@dataclass(frozen=True)
class DispatchResult:
    """The answer to one request."""

    status: int
    id: str
    body: dict[str, Any]

    @property
    def is_success(self) -> bool:
        """Whether it is an answer and not a refusal; v1 refuses inside HTTP 200."""
        return self.status < 300 and "error_code" not in self.body


def dispatch(
    world: World, endpoint: Endpoint[Any, Any], body: Any, path: Mapping[str, str] | None = None
) -> DispatchResult:
    """Answer one request as its handler does; an error is an answer too.

    Args:
        world: the state of the sandbox.
        endpoint: the operation.
        body: the JSON body.
        path: the parameters in the path.
    """
    call = Call(world, endpoint, path or {}, allows_undeployed=True)
    try:
        if isinstance(body, dict) and body.get("stream"):
            raise call.invalid("stream", "a batch has no streams")
        return DispatchResult(200, call.id, _call_handler(call, body))
    except Refusal as refusal:
        return DispatchResult(refusal.status, call.id, refusal.body)
    except Exception:  # one request must not end the others
        log.exception("a request of a batch failed")
        internal = call.refusal(
            "Internal error", code=336000, v2_code="internal_error", status=500, type_="server_error"
        )
        return DispatchResult(internal.status, call.id, internal.body)


def parse_jsonl(content: bytes) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Yield the number and the object of every line that is not blank; None for a line that is not an object.

    Nor is one that cannot be written again (NaN, a lone surrogate), because results repeat their request.
    """
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not raw.strip():
            continue
        try:
            value = json.loads(raw.decode())
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            value = None
        yield number, value if isinstance(value, dict) else None


def _call_handler(call: Call, body: Any) -> dict[str, Any]:
    result = HANDLERS[call.endpoint.name](call, parse_record(call, body))
    if inspect.iscoroutine(result):
        result = asyncio.run(result)
    return result.to_wire() if isinstance(result, Record) else dict(result)
