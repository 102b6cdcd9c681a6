"""Operations: calls of an endpoint, declared by a function with the signature and docstring that
users see.
"""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from ... import connect
from ..._notices import warn_once
from ...base.language import tr
from ...config import Secret
from ...transport import event_loop
from ...transport.client import CallOptions, Client
from ...transport.response import Response
from ...wire.base import JsonObject, Record
from ...wire.endpoints import Endpoint
from ..validation import validate_record

P = ParamSpec("P")
B = TypeVar("B", bound=Record)
R = TypeVar("R")
T = TypeVar("T")

Fields = dict[str, Any]
"""Fields of a record, by their Python names."""

Id = int | str
"""An id of the platform: a number of v1, or a text such as `ds-...`."""


class BlockingCall(Generic[P, T]):
    """A call in two forms: `call(...)` blocks, `await call.aio(...)` does not.

    Args:
        function: returns the coroutine that runs on the I/O loop; the call has its signature and
            docstring.
    """

    def __init__(self, function: Callable[P, Coroutine[Any, Any, T]]) -> None:
        functools.update_wrapper(self, function)
        self._start = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call, and wait for the result."""
        return event_loop.run(self._start(*args, **kwargs))

    async def aio(self, *args: P.args, **kwargs: P.kwargs) -> T:
        """Call without blocking."""
        return await event_loop.run_async(self._start(*args, **kwargs))


KEY_WORDS = frozenset(["ak", "sk", "access_key", "secret_key"])
"""Keywords of every operation: keys of an account, in place of the settings'."""


class Operation(BlockingCall[P, Response[R]]):
    """A call that sends one record; `endpoint` is its row of the endpoint table.

    Every operation also takes request_timeout (seconds for the whole call), retry_count (attempts
    in all) and the keys of an account as keywords. What else it does not know is not sent, and said
    once: the official SDK takes anything.
    """

    def __init__(
        self, endpoint: Endpoint[Any, R], function: Callable[P, Record | Fields | None]
    ) -> None:
        super().__init__(self._send_arguments)
        functools.update_wrapper(self, function)
        self.__name__: str
        self.__qualname__: str
        self._signature = inspect.signature(function)
        self.endpoint = endpoint
        self._function = function
        self.__signature__ = self._signature.replace(return_annotation=Response)
        kinds = {parameter.kind for parameter in self._signature.parameters.values()}
        self._takes_any = inspect.Parameter.VAR_KEYWORD in kinds

    def __set_name__(self, owner: type, name: str) -> None:
        """Take the name of the first attribute that it is assigned to."""
        if not self.__name__:
            self.__name__ = name
            self.__qualname__ = f"{owner.__qualname__}.{name}"
            self.__module__ = owner.__module__

    def build_record(self, *args: P.args, **kwargs: P.kwargs) -> Record:
        """Return the record that the function builds, or the record of its arguments, with the
        fields that the function returns in their place; arguments that are no fields are not sent.
        """
        built = self._function(*args, **kwargs)
        if isinstance(built, Record):
            return built
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        body = self.endpoint.body
        values = {
            name: bound.arguments[name] for name in body.model_fields.keys() & bound.arguments
        }
        record: Record = validate_record(self.__name__, body, values | (built or {}))
        return record

    def _send_arguments(
        self, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, Response[R]]:
        values: JsonObject = dict(kwargs)
        keys: JsonObject = {
            name: Secret(values.pop(name))
            for name in KEY_WORDS & {*values} - {*self._signature.parameters}
        }
        kwargs.clear()  # IPython prints the variables of a frame that raises
        if self._takes_any:
            return self._send(self.build_record(*args, **values), keys, CallOptions())
        options = CallOptions(values.pop("request_timeout", None), values.pop("retry_count", None))
        for name in {*values} - {*self._signature.parameters}:
            del values[name]
            warn_once(
                tr(
                    "{call} has no argument {name!r}: it is not sent",
                    call=self.__qualname__,
                    name=name,
                )
            )
        return self._send(self.build_record(*args, **values), keys, options)

    async def _send(self, record: Record, keys: JsonObject, options: CallOptions) -> Response[R]:
        return await (await connect.aclient(keys)).send(self.endpoint, record, options=options)


def operation(
    endpoint: Endpoint[B, R],
) -> Callable[[Callable[P, B | Fields | None]], Operation[P, R]]:
    """Declare an operation by a function with its signature and docstring.

    The record that is sent has the function's arguments as its fields, or what the function returns
    in their place: a mapping of fields, or the record itself.
    """
    return lambda function: Operation(endpoint, function)


def record_operation(endpoint: Endpoint[Any, R], doc: str, *first: str) -> Operation[..., R]:
    """Return an operation whose arguments are the fields of its record, in their order.

    Args:
        endpoint: its row of the endpoint table.
        doc: what the caller gets.
        first: fields that come before the others.
    """

    def accept(*_args: Any, **_fields: Any) -> None:
        """Leave all fields of the record as they are passed."""

    parameters = []
    fields = endpoint.body.model_fields
    for name in dict.fromkeys([*first, *fields]):
        field = fields[name]
        default = field.get_default(call_default_factory=True)
        if field.is_required() or field.exclude:  # excluded: a part of the path
            default = inspect.Parameter.empty
        parameter = inspect.Parameter(
            name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=default,
            annotation=field.annotation,
        )
        parameters.append(parameter)
    accept.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    accept.__doc__ = doc
    accept.__name__ = ""
    return Operation(endpoint, accept)


def transfer(
    function: Callable[Concatenate[Client, P], Coroutine[Any, Any, T]],
) -> BlockingCall[P, T]:
    """Declare a call by a coroutine function whose first argument is the client; users do not pass
    it.
    """

    async def with_client(*args: P.args, **kwargs: P.kwargs) -> T:
        return await function(await connect.aclient(), *args, **kwargs)

    def start(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        signature.bind(*args, **kwargs)  # a TypeError of its own would count the client
        return with_client(*args, **kwargs)

    signature = inspect.signature(function)
    signature = signature.replace(parameters=[*signature.parameters.values()][1:])
    call = BlockingCall(start)
    functools.update_wrapper(call, function)
    call.__signature__ = signature  # type: ignore[attr-defined]
    return call
