"""The sandbox's own control: health, stop, and what tests switch on; all of it needs the control token."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import openapi, snapshots
from .faults import Fault, problem

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
            return JSONResponse(act(world, _body(await request.body()) | request.path_params))
        except LookupError as error:
            return JSONResponse({"error": str(error.args[0])}, 404)
        except ValueError as error:
            return JSONResponse({"error": problem(error)}, 400)
        except TypeError as error:
            return JSONResponse({"error": str(error)}, 400)

    return answer


def _body(content: bytes) -> dict[str, Any]:
    value = json.loads(content or b"{}")
    if not isinstance(value, dict):
        raise TypeError("the body is a JSON object")
    return value


def _health(world: World, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "pid": world.address.pid,
        "version": world.address.version,
        "trainings": world.workshop.busy,
        "batches": world.backlog.busy,
        "engine": world.engines.told(),
        "streams": world.streams,
        "requests": world.requests,
        "refused": world.quota.refused,
    }


def _stop(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.stop()
    return {"stopping": True}


def _list_faults(world: World, body: dict[str, Any]) -> dict[str, Any]:
    return {"faults": [fault.model_dump(exclude_defaults=True) for fault in world.trouble.faults]}


def _add_fault(world: World, body: dict[str, Any]) -> dict[str, Any]:
    fault = Fault.model_validate(body)
    world.trouble.faults.append(fault)
    return {"id": fault.id, "faults": len(world.trouble.faults)}


def _clear_faults(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.trouble.faults.clear()
    return {"faults": 0}


def _remove_fault(world: World, body: dict[str, Any]) -> dict[str, Any]:
    if not world.trouble.remove(body["id"]):
        raise LookupError(f"there is no fault {body['id']}")
    return {"faults": len(world.trouble.faults)}


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


def _describe(world: World, body: dict[str, Any]) -> dict[str, Any]:
    return openapi.document(world.address.url)


def _list_snapshots(world: World, body: dict[str, Any]) -> dict[str, Any]:
    return {"snapshots": snapshots.listed(world.folder)}


def _make_snapshot(world: World, body: dict[str, Any]) -> dict[str, Any]:
    return snapshots.make(world, str(body.get("name", "")))


def _restore_snapshot(world: World, body: dict[str, Any]) -> dict[str, Any]:
    return snapshots.restore(world, str(body.get("name", "")))


def _remove_snapshot(world: World, body: dict[str, Any]) -> dict[str, Any]:
    snapshots.remove(world.folder, str(body["name"]))
    return {"removed": body["name"]}


_ACTS: tuple[tuple[str, str, Act], ...] = (
    ("health", "GET", _health),
    ("stop", "POST", _stop),
    ("faults", "GET", _list_faults),
    ("faults", "POST", _add_fault),
    ("faults", "DELETE", _clear_faults),
    ("faults/{id}", "DELETE", _remove_fault),
    ("limits", "POST", _limit),
    ("clock", "POST", _clock),
    ("durations", "POST", _durations),
    ("register", "POST", _register),
    ("register", "GET", _report),
    ("snapshots", "GET", _list_snapshots),
    ("snapshots", "POST", _make_snapshot),
    ("restore", "POST", _restore_snapshot),
    ("snapshots/{name}", "DELETE", _remove_snapshot),
    ("openapi.json", "GET", _describe),
)
