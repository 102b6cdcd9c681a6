"""Who may speak to the sandbox at all: this computer's programs, not web pages that a browser has open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

if TYPE_CHECKING:
    from .world import World

MAX_BODY = 64 * 1024 * 1024
_NAMES = {"127.0.0.1", "localhost"}


class Guard:
    """Refuses foreign hosts and origins (DNS rebinding, cross-site requests) and bodies without measure."""

    def __init__(self, app: ASGIApp, world: World) -> None:
        self._app, self._world = app, world

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403, or hand the request on."""
        if scope["type"] != "http":
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        problem = _problem(headers)
        if problem:
            await JSONResponse({"error": problem}, 403)(scope, receive, send)
            return
        self._world.touch()
        await self._app(scope, receive, send)


def _problem(headers: dict[bytes, str]) -> str:
    if headers.get(b"host", "").rpartition(":")[0] not in _NAMES:
        return "the sandbox answers to 127.0.0.1 and localhost only"
    if (origin := headers.get(b"origin")) and origin.split("//")[-1].split(":")[0] not in _NAMES:
        return "the sandbox does not answer web pages"
    length = headers.get(b"content-length", "0")
    if not length.isdigit() or int(length) > MAX_BODY:
        return f"a body may have {MAX_BODY >> 20} MiB at most"
    return ""
