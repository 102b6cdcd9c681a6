"""What happens around every handler: credentials, rate limits, injected faults, and how an answer is sent."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ...wire.chat import CHAT_V1, CHAT_V2
from ...wire.endpoints import Endpoint
from ..state.world import World
from ..trial.faults import Fault, fault_injection
from . import auth
from .call import Call
from .fault_answers import corrupt_answer, fault_refusal, inject_before_answer, requested_fault
from .refusals import Refusal

RATE_LIMITED = {CHAT_V1.name, CHAT_V2.name}
"""The operations that the limits of requests and tokens are for."""

RequestHandler = Callable[[Call, Request], Awaitable[Response]]

log = logging.getLogger("qfnb.sandbox")


async def serve(
    world: World, endpoint: Endpoint[Any, Any], request: Request, handle: RequestHandler
) -> Response:
    """Return the answer to a request: the handler's, a refusal, or one that a fault breaks.

    The request's state says afterwards which `operation` it was and its `outcome`: denied, limits, errors,
    validation, good, faulted or broken.

    Args:
        world: the state of the sandbox.
        endpoint: the operation.
        request: the request.
        handle: what answers the call; it may raise a Refusal.
    """
    world.record_activity(endpoint.name)
    app = request.headers.get("appid", "")
    call = Call(world, endpoint, request.path_params, dict(request.query_params), app)
    state, fault = request.state, None
    state.operation, state.outcome = endpoint.name, "denied"
    try:
        auth.authorize(world, endpoint.plane, auth.signed_request(request))
        state.outcome = "limits"
        if endpoint.name in RATE_LIMITED:
            await _enforce_rate_limit(call, request)
        fault, state.outcome = requested_fault(request.headers, world.address.control_token), "errors"
        fault = fault or world.fault_rules.match(endpoint.name)
        await inject_before_answer(endpoint, fault)
        state.outcome = "validation"
        with fault_injection(fault):
            answer = await handle(call, request)
    except Refusal as refusal:
        return refusal.to_response()
    except ClientDisconnect:
        raise
    except Exception:
        log.exception("%s failed", endpoint.name)
        internal, state.outcome = fault_refusal(endpoint, Fault(status=500)), "broken"
        return internal.to_response()
    state.outcome = "good" if fault is None else "faulted"
    return answer if fault is None else corrupt_answer(answer, endpoint, fault)


async def _enforce_rate_limit(call: Call, request: Request) -> None:
    quota = call.world.quota
    call.world.delivery_counter.count(await request.body(), answered=False)
    if exceeded := quota.acquire():
        refusal = call.refusal(
            f"Rate limit reached for {exceeded.upper()}",
            code=336501 if exceeded == "rpm" else 336502,
            v2_code=f"{exceeded}_rate_limit_exceeded",
            status=429,
            type_="rate_limit_exceeded",
        )
        refusal.headers.update(quota.headers())
        raise refusal
