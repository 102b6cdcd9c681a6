"""The sandbox's own control: health, stop, and what tests switch on; all of it needs the control token."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .trouble import Fault

if TYPE_CHECKING:
    from .world import World

FASTEST = 1e6
"""Seconds in a second."""

Act = Callable[["World", dict[str, Any]], dict[str, Any]]


def routes(world: World) -> list[Route]:
    """Return the routes of the control."""
    return [Route(f"/_sandbox/{name}", _guarded(world, act), methods=[method]) for name, method, act in _ACTS]


def _guarded(world: World, act: Act) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        given = request.headers.get("authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(given.encode(), world.address.control_token.encode()):
            return JSONResponse({"error": "the control token is wrong"}, 401)
        try:
            return JSONResponse(act(world, json.loads(await request.body() or b"{}")))
        except (ValueError, TypeError) as error:
            return JSONResponse({"error": str(error)}, 400)

    return answer


def _health(world: World, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "pid": world.address.pid,
        "version": world.address.version,
        "trainings": world.workshop.busy,
        "batches": world.backlog.busy,
        "streams": world.streams,
        "requests": world.requests,
        "refused": world.quota.refused,
    }


def _stop(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.stop()
    return {"stopping": True}


def _add_fault(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.trouble.faults.append(Fault(**body))
    return {"faults": len(world.trouble.faults)}


def _clear_faults(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.trouble.faults.clear()
    return {"faults": 0}


def _limit(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.quota.limit(**body)
    return {"rpm": world.quota.rpm, "tpm": world.quota.tpm}


def _register(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Start counting anew, or stop."""
    world.register.on = bool(body.get("on"))
    world.register.came.clear()
    world.register.answered.clear()
    return {"on": world.register.on}


def _clock(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Tell the time; with {"speed"} or {"advance"} change how it goes."""
    speed, advance = body.get("speed"), body.get("advance", 0)
    numbers = all(isinstance(value, (int, float)) and value >= 0 for value in (speed or 0, advance))
    if not numbers or (speed is not None and speed > FASTEST):
        raise ValueError(f"speed is 0 to {FASTEST:g} seconds a second, advance is seconds; given: {body}")
    return world.clock.set(speed, advance)


def _durations(world: World, body: dict[str, Any]) -> dict[str, Any]:
    """Tell how many seconds each stage of an object's life takes; with {stage: seconds} change them."""
    return dict(world.lifecycle.set(body))


def _report(world: World, body: dict[str, Any]) -> dict[str, Any]:
    return dict(world.register.report())


_ACTS: tuple[tuple[str, str, Act], ...] = (
    ("health", "GET", _health),
    ("stop", "POST", _stop),
    ("faults", "POST", _add_fault),
    ("faults", "DELETE", _clear_faults),
    ("limits", "POST", _limit),
    ("clock", "POST", _clock),
    ("durations", "POST", _durations),
    ("register", "POST", _register),
    ("register", "GET", _report),
)
