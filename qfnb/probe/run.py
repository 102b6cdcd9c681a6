"""Runs checks: each sends its requests one after the other."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence

from ..transport import clock
from .check import Check, Finding, untested
from .exchange import Exchange, Request, Send
from .report import Result


async def run_checks(checks: Iterable[Check], send: Send) -> AsyncIterator[Result]:
    """Yield the result of each check; a request that an earlier check sent is not sent again.

    Args:
        checks: in order.
        send: sends one request.
    """
    answers: dict[int, Exchange] = {}
    for check in checks:
        yield await _run_check(check, send, answers)


async def _run_check(check: Check, send: Send, answers: dict[int, Exchange]) -> Result:
    exchanges: list[Exchange] = []
    steps = check.steps()
    try:
        request = next(steps)
        while True:
            exchange = await _send_once(request, send, answers)
            exchanges.append(exchange)
            request = steps.send(exchange)
    except StopIteration as end:
        return Result(check, tuple(end.value), exchanges)
    except asyncio.CancelledError:
        raise
    except Exception as error:  # noqa: BLE001 - one answer that nobody thought of must not hide the others
        return Result(check, _failure(check, error), exchanges)
    finally:
        steps.close()


async def _send_once(request: Request, send: Send, answers: dict[int, Exchange]) -> Exchange:
    """Send a request, unless this very object was sent before."""
    is_read = request.endpoint.method == "GET"
    if not is_read or id(request) not in answers:
        if request.delay_s:
            await clock.sleep(request.delay_s)
        answers[id(request)] = await send(request)
    return answers[id(request)]


def _failure(check: Check, error: Exception) -> Sequence[Finding]:
    return [
        untested(
            check.title, f"the answer has a form that the check cannot read: {type(error).__name__}"
        )
    ]
