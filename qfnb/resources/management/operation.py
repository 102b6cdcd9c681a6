"""Operations: calls of an endpoint, declared by a function with the signature and docstring that
users see.
"""

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from ... import connect
from ..._notices import warn_once
from ...base.language import tr
from ...config import Secret
from ...transport import event_loop
from ...transport.client import CallOptions, Client
from ...transport.response import Response
from ...wire.base import Record
from ...wire.endpoints import Endpoint
from ..validation import validate_record

P = ParamSpec("P")
B = TypeVar("B", bound=Record)
R = TypeVar("R")
T = TypeVar("T")


class BlockingCall(ABC, Generic[P, T]):
    """A call in two forms: `call(...)` blocks, `await call.aio(...)` does not."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call, and wait for the result."""
        return event_loop.run(self._coroutine(*args, **kwargs))

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call without blocking."""
        return await event_loop.run_async(self._coroutine(*args, **kwargs))

    @abstractmethod
    def _coroutine(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        """Return the coroutine that runs on the I/O loop."""


KEY_WORDS = frozenset(["ak", "sk", "access_key", "secret_key"])
"""Keywords of every operation: keys of an account, in place of the settings'."""


class Operation(BlockingCall[P, Response[R]]):
    """A call that sends one record; `endpoint` is its row of the endpoint table.

    Every operation also takes request_timeout (seconds for the whole call), retry_count (attempts
    in all) and the keys of an account as keywords. What else it does not know is not sent, and said
    once: the official SDK takes anything.
    """

    def __init__(self, endpoint: Endpoint[Any, R], function: Callable[P, Record | None]) -> None:
        functools.update_wrapper(self, function)
        self._signature = inspect.signature(function)
        self.endpoint = endpoint
        self._function = function
        self.__signature__ = self._signature.replace(return_annotation=Response)
        kinds = {parameter.kind for parameter in self._signature.parameters.values()}
        self._takes_any = inspect.Parameter.VAR_KEYWORD in kinds

    def build_record(self, *args: P.args, **kwargs: P.kwargs) -> Record:
        """Return the record that the function builds, or if it builds none, the record of its
        arguments.
        """
        record = self._function(*args, **kwargs)
        if record is None:
            bound = self._signature.bind(*args, **kwargs)
            bound.apply_defaults()
            name = getattr(self._function, "__name__", self.endpoint.name)
            record = validate_record(name, self.endpoint.body, bound.arguments)
        return record

    def _coroutine(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Response[R]]:
        values: dict[str, Any] = dict(kwargs)
        keys: dict[str, Any] = {
            name: Secret(values.pop(name))
            for name in KEY_WORDS & {*values} - {*self._signature.parameters}
        }
        kwargs.clear()  # IPython prints the variables of a frame that raises
        if self._takes_any:
            return self._send(self.build_record(*args, **values), keys, CallOptions())
        options = CallOptions(values.pop("request_timeout", None), values.pop("retry_count", None))
        for name in {*values} - {*self._signature.parameters}:
            del values[name]
            call = getattr(self._function, "__qualname__", self.endpoint.name)
            warn_once(tr("{call} has no argument {name!r}: it is not sent", call=call, name=name))
        return self._send(self.build_record(*args, **values), keys, options)

    async def _send(
        self, record: Record, keys: dict[str, Any], options: CallOptions
    ) -> Response[R]:
        return await (await connect.aclient(keys)).send(self.endpoint, record, options=options)


class Transfer(BlockingCall[P, T]):
    """A call that transfers bytes instead of records."""

    def __init__(self, function: Callable[Concatenate[Client, P], Coroutine[Any, Any, T]]) -> None:
        functools.update_wrapper(self, function)
        signature = inspect.signature(function)
        self.__signature__ = signature.replace(parameters=list(signature.parameters.values())[1:])
        self._function = function

    def _coroutine(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        self.__signature__.bind(*args, **kwargs)  # a TypeError of its own would count the client
        return self._transfer(*args, **kwargs)

    async def _transfer(self, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._function(await connect.aclient(), *args, **kwargs)


def operation(endpoint: Endpoint[B, R]) -> Callable[[Callable[P, B | None]], Operation[P, R]]:
    """Declare an operation by a function with its signature and docstring.

    The function returns the record to send; without a body, the record has the function's arguments
    as its fields.
    """
    return lambda function: Operation(endpoint, function)


def transfer(function: Callable[Concatenate[Client, P], Coroutine[Any, Any, T]]) -> Transfer[P, T]:
    """Declare a call by a coroutine function whose first argument is the client; users do not pass
    it.
    """
    return Transfer(function)
