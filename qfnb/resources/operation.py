"""Turn "which record goes to which endpoint" into a call users can make.

The signature and the docstring of the decorated function are the user's: it builds the record, and the
operation sends it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, TypeVar

from .. import connect
from ..transport import portal
from ..transport.response import Response
from ..wire.base import Endpoint, Record

P = ParamSpec("P")
B = TypeVar("B", bound=Record)
R = TypeVar("R")


class Operation(Generic[P, R]):
    """A management call: `op(...)` blocks, `await op.aio(...)` does not; `op.endpoint` is its row."""

    def __init__(self, endpoint: Endpoint[Any, R], describe: Callable[P, Record]) -> None:
        functools.update_wrapper(self, describe)
        self.__signature__ = inspect.signature(describe).replace(return_annotation=Response)
        self.endpoint = endpoint
        self._describe = describe

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Response[R]:
        """Send the call and wait for the answer."""
        return portal.run(self._send(self._describe(*args, **kwargs)))

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> Response[R]:
        """Send the call without blocking."""
        return await portal.hop(self._send(self._describe(*args, **kwargs)))

    async def _send(self, record: Record) -> Response[R]:
        client = await connect.aclient()
        return await client.send(self.endpoint, record)


def operation(endpoint: Endpoint[B, R]) -> Callable[[Callable[P, B]], Operation[P, R]]:
    """Declare a call by the record it sends."""
    return lambda describe: Operation(endpoint, describe)
