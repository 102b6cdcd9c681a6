"""Python functions as tools of a model: described by signature and docstring, called with validated
arguments, until the model answers.
"""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import functools
import inspect
import json
import re
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, overload

import docstring_parser
from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from pydantic_core import PydanticSerializationError, to_json

from ...base.language import tr
from ...base.text import clip, did_you_mean, format_value
from ...errors import InvalidArgumentError, ToolLoopError
from ...redact import hide_secrets, redact
from ...transport import event_loop
from ...transport.event_loop import Future
from ...wire.base import JsonObject
from ..validation import validate_positive
from .arguments import Messages, Turn, clip_result
from .reply import ChatResponse, Reply, ToolCall, ToolStep
from .response_format import list_problems


class ToolTimeout(Exception):
    """The function did not return in time."""


class ToolStopped(BaseException):
    """Raised inside of a function that is ended; no `except Exception` keeps it."""


async def call_in_thread(function: Callable[[], Any], timeout_s: float | None) -> Any:
    """Return the value of a function; it runs in a thread, and an async one on the caller's loop.

    On the I/O loop an async function gets a loop of its own: it may block, and all calls share that
    loop.

    Args:
        function: without arguments; sync or async.
        timeout_s: seconds after which it is ended; None for no limit.

    Raises:
        ToolTimeout: it did not return in time.
    """
    is_async = inspect.iscoroutinefunction(getattr(function, "func", function))
    if is_async and not event_loop.is_on_io_thread():
        return await _within(asyncio.ensure_future(function()), timeout_s)
    thread = ToolThread(function)
    try:
        return await _within(asyncio.wrap_future(thread.future), timeout_s)
    finally:
        if not thread.future.done():
            thread.stop()


async def _within(work: Awaitable[Any], timeout_s: float | None) -> Any:
    """Wait; a `TimeoutError` of the function itself is not the time-out's."""
    future = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({future}, timeout=timeout_s)
    except asyncio.CancelledError:
        future.cancel()
        raise
    if not done:
        future.cancel()
        raise ToolTimeout
    return future.result()


class ToolThread:
    """A function in a daemon thread, with the context of the caller, so that it prints into the
    caller's cell.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()  # from now on only its result ends it
        self._function = function
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), daemon=True, name="qfnb-tool"
        )
        self._thread.start()

    def stop(self) -> None:
        """End the function: at its next line, or where it awaits; a call into C ends first."""
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        else:
            ident = ctypes.c_ulong(self._thread.ident or 0)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, ctypes.py_object(ToolStopped))

    def _run(self) -> None:
        try:
            result = self._function()
            if inspect.isawaitable(result):
                result = asyncio.run(self._await(result))
        except Exception as error:  # noqa: BLE001 - it belongs to the one who waits
            self.future.set_exception(error)
        except BaseException as error:  # noqa: BLE001 - sys.exit() would end the loop of the one who waits
            self.future.set_exception(RuntimeError(f"the function raised {type(error).__name__}"))
        else:
            self.future.set_result(result)

    async def _await(self, result: Awaitable[Any]) -> Any:
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        return await result


F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_TIMEOUT_S = 60.0
MAX_ERROR_CHARS = 500
MAX_ROWS = 200
"""Rows of a DataFrame that a model gets to see."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_PATH = re.compile(
    r"(?<![\w:/.\\])(?:[A-Za-z]:)?(?:[\\/][^\s\\/:*?\"'<>|,;]+)+[\\/]([^\s\\/:*?\"'<>|,;]+)"
)
_OPTIONS = "__qfnb_tool__"


@dataclass(frozen=True)
class Tool:
    """A function that a model may call.

    Attributes:
        parameters: the JSON Schema of its arguments.
        bind: returns the validated positional and named arguments of a JSON object.
        confirm: ask the user before each call.
        timeout_s: seconds after which a call is ended.
    """

    name: str
    description: str
    parameters: Mapping[str, Any]
    function: Callable[..., Any]
    bind: Callable[[bytes], tuple[tuple[Any, ...], JsonObject]]
    confirm: bool = False
    timeout_s: float = DEFAULT_TIMEOUT_S

    def definition(self) -> JsonObject:
        """Return the tool as a request's `tools` has it."""
        facts = {
            "name": self.name,
            "description": self.description,
            "parameters": dict(self.parameters),
        }
        return {
            "type": "function",
            "function": {key: value for key, value in facts.items() if value},
        }


@overload
def tool(function: F, /) -> F: ...
@overload
def tool(
    *, name: str | None = ..., confirm: bool = ..., timeout: float = ...
) -> Callable[[F], F]: ...
def tool(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    confirm: bool = False,
    timeout: float = DEFAULT_TIMEOUT_S,
) -> Any:
    """Mark a function as a tool with options; every function can be a tool, also without this.

    Args:
        function: the function, with `@tool` alone.
        name: for the model; default: the function's.
        confirm: ask the user before each call; without a user to ask, calls are refused.
        timeout: seconds after which a call is ended, default 60.

    Raises:
        InvalidArgumentError: the time-out is not positive.
    """
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise InvalidArgumentError(
            tr("timeout={timeout!r}: must be a number of seconds above 0", timeout=timeout)
        )

    def mark(marked: F) -> F:
        setattr(marked, _OPTIONS, {"name": name, "confirm": confirm, "timeout_s": timeout})
        return marked

    if function is None:
        return mark
    return mark(function)


def to_tools(functions: Any) -> list[Tool]:
    """Return the tools of a `tools=` argument: functions, or tools.

    Raises:
        InvalidArgumentError: one is not a function, has arguments that JSON cannot express, or two
            have one name.
    """
    if (
        callable(functions)
        or isinstance(functions, (Mapping, str, bytes))
        or not isinstance(functions, Iterable)
    ):
        value = getattr(functions, "__name__", None) or format_value(functions)
        raise InvalidArgumentError(
            tr("tools={value}: must be a list of functions, e.g. tools=[weather]", value=value)
        )
    tools = [
        function if isinstance(function, Tool) else to_tool(function) for function in functions
    ]
    if not tools:
        raise InvalidArgumentError(tr("tools is empty: it needs at least one function"))
    names = [each.name for each in tools]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise InvalidArgumentError(
            tr(
                "tools: two are named {repeated!r}; @qfnb.tool(name=...) renames one",
                repeated=repeated,
            )
        )
    return tools


def to_tool(function: Any) -> Tool:
    """Return a function as a tool.

    Raises:
        InvalidArgumentError: it is not a function, or has arguments that JSON cannot express.
    """
    options = dict(getattr(function, _OPTIONS, {}))
    name = options.pop("name", None) or getattr(function, "__name__", "")
    if not callable(function):
        if isinstance(function, Mapping):
            hint = tr("; a described tool cannot be run: pass the function")
        else:
            hint = ""
        raise InvalidArgumentError(
            tr(
                "tools: {function} is not a function{hint}",
                function=format_value(function),
                hint=hint,
            )
        )
    if not _NAME.fullmatch(name):
        raise InvalidArgumentError(
            tr(
                "tools: {name!r} is not a name that models take (letters, digits, _ and -): name "
                "it by "
                "@qfnb.tool(name=...)",
                name=name or format_value(function),
            )
        )
    adapter, schema = _describe_arguments(function, name)
    document = docstring_parser.parse(inspect.getdoc(function) or "")
    parameters = _describe(schema, document)
    description = "\n\n".join(filter(None, [document.short_description, document.long_description]))
    return Tool(name, description, parameters, function, adapter.validate_json, **options)


def _describe_arguments(
    function: Callable[..., Any], name: str
) -> tuple[TypeAdapter[Any], JsonObject]:
    """Return the validator of the arguments of a function, which does not call it, and their JSON
    Schema.
    """
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise InvalidArgumentError(
            tr("tools: {name} has no signature, so its arguments cannot be described", name=name)
        ) from None
    for parameter in signature.parameters.values():
        if parameter.kind in {parameter.POSITIONAL_ONLY, parameter.VAR_POSITIONAL}:
            raise InvalidArgumentError(
                tr(
                    "tools: {name}({parameter}): models pass arguments by name; make {argument!r} "
                    "a named argument",
                    name=name,
                    parameter=parameter,
                    argument=parameter.name,
                )
            )

    def capture(*arguments: Any, **named: Any) -> tuple[tuple[Any, ...], JsonObject]:
        return arguments, named

    described: Any = functools.wraps(function)(capture)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(described)
        return adapter, adapter.json_schema(schema_generator=_ArgumentsSchema)
    except (PydanticUserError, NameError, TypeError) as error:
        reason = clip(str(error).splitlines()[0], 200)
        raise InvalidArgumentError(
            tr(
                "tools: the arguments of {name} cannot be expressed as JSON Schema: {reason}",
                name=name,
                reason=reason,
            )
        ) from None


class _ArgumentsSchema(GenerateJsonSchema):
    """Omits defaults that are not JSON without a word: the function has them."""

    ignored_warning_kinds: ClassVar[set[JsonSchemaWarningKind]] = {  # type: ignore[misc]
        "skipped-choice",
        "non-serializable-default",
    }


def _describe(schema: JsonObject, document: docstring_parser.Docstring) -> JsonObject:
    """Return the schema with the descriptions of the docstring's arguments, and without made-up
    titles.
    """
    texts = {parameter.arg_name: parameter.description for parameter in document.params}
    properties = {}
    for name, value in schema.get("properties", {}).items():
        fields = {**value}
        fields.pop("title", None)
        if texts.get(name):
            fields.setdefault("description", texts[name])
        properties[name] = fields
    return {**schema, "type": "object", "properties": properties}


async def run_tool(
    tools: Sequence[Tool], call: ToolCall, is_allowed: Callable[[ToolCall], bool]
) -> ToolStep:
    """Run the function that a model calls; whatever goes wrong is a text for the model.

    Args:
        tools: the functions.
        call: the model's call.
        is_allowed: asks the user; called in a thread, for tools that need a confirmation.
    """
    started = time.perf_counter()
    try:
        result = to_text(await _run(tools, call, is_allowed))
        is_error = False
    except ToolRefusedError as error:
        result = str(error)
        is_error = True
    except Exception as error:  # noqa: BLE001 - the model is told, and goes on
        result = describe_error(error)
        is_error = True
    return ToolStep(call, clip_result(result), is_error, time.perf_counter() - started)


class ToolRefusedError(Exception):
    """A call that does not take place; its text is for the model."""


async def _run(
    tools: Sequence[Tool], call: ToolCall, is_allowed: Callable[[ToolCall], bool]
) -> Any:
    known = {each.name: each for each in tools}
    if call.name not in known:
        suggestion = did_you_mean(call.name, known)
        raise ToolRefusedError(
            f"there is no function {call.name!r}; functions: {', '.join(known)}{suggestion}"
        )
    called = known[call.name]
    try:
        arguments, named = called.bind(to_json(call.arguments))
    except ValidationError as error:
        not_json = "the arguments are not a JSON object; " if "" in call.arguments else ""
        lines = list_problems(error, 5)
        raise ToolRefusedError(f"wrong arguments: {not_json}{'; '.join(lines)}") from None
    if called.confirm and not await call_in_thread(lambda: is_allowed(call), None):
        raise ToolRefusedError("the user did not allow this call")
    try:
        return await call_in_thread(
            functools.partial(called.function, *arguments, **named), called.timeout_s
        )
    except ToolTimeout:
        raise ToolRefusedError(
            f"{called.name} did not return within {called.timeout_s:g} s and was ended"
        ) from None


def ask_user(call: ToolCall) -> bool:
    """Return whether the user allows a call, asked by `input()`; False where nobody can be
    asked.
    """
    try:
        answer = input(tr("allow {call}? [y/N] ", call=describe_call(call)))
    # no terminal, or a notebook that runs without a user
    except (EOFError, OSError, NotImplementedError):
        return False
    return answer.strip().lower() in {"y", "yes", "是", "好"}


def describe_call(call: ToolCall, limit: int = 300) -> str:
    """Return a call as Python would write it, on one line."""
    arguments = ", ".join(
        f"{name}={value!r}" if name else repr(value) for name, value in call.arguments.items()
    )
    return clip(" ".join(f"{call.name}({arguments})".split()), limit)


def to_text(value: Any) -> str:
    """Return the result of a tool as the model gets it: text as it is, tables as CSV, everything
    else as JSON.
    """
    if hasattr(value, "to_csv"):  # DataFrame and Series, without importing pandas
        if len(value) > MAX_ROWS:
            note = f"\n… ({MAX_ROWS} of {len(value)} rows)"
        else:
            note = ""
        value = f"{value.head(MAX_ROWS).to_csv()}{note}"
    if not isinstance(value, str):
        if hasattr(value, "tolist"):
            plain = value.tolist()
        else:
            plain = value
        try:
            value = to_json(
                plain, fallback=str, inf_nan_mode="constants", bytes_mode="base64"
            ).decode()
        except PydanticSerializationError:  # a lone surrogate
            value = json.dumps(plain, ensure_ascii=False, default=str)
    return hide_secrets(value)


def describe_error(error: BaseException) -> str:
    """Return an exception as the model gets it: without secrets, folders and traceback."""
    if str(error):
        text = f"{type(error).__name__}: {error}"
    else:
        text = type(error).__name__
    return clip(_PATH.sub(r"…/\1", redact(text)), MAX_ERROR_CHARS)


DEFAULT_ROUNDS = 8

Ask = Callable[[Messages, JsonObject], Awaitable[ChatResponse]]
"""Asks a model; the second argument is the options of this round."""


@dataclass
class ToolLoop:
    """Asks, runs the functions that are called, and asks again with their results.

    Attributes:
        tools: the functions.
        max_rounds: replies that may call functions.
        on_call, on_step: called before and after each call of a function.
        is_allowed: asks the user about a call that needs a confirmation; runs in a thread.
        steps: all calls so far.
        turns: what the conversation got since its beginning: calls and results.
        replies: all replies but the last.
    """

    tools: list[Tool]
    max_rounds: int = DEFAULT_ROUNDS
    on_call: Callable[[ToolCall], object] = lambda _call: None
    on_step: Callable[[ToolStep], object] = lambda _step: None
    is_allowed: Callable[[ToolCall], bool] = ask_user
    steps: list[ToolStep] = field(default_factory=list)
    turns: list[JsonObject] = field(default_factory=list)
    replies: list[Reply[Any]] = field(default_factory=list)

    async def run(self, ask: Ask, messages: Iterable[Turn], options: JsonObject) -> ChatResponse:
        """Return the reply that calls no function; its `steps` are the calls before it.

        Args:
            ask: asks a model.
            messages: the conversation; it is not changed.
            options: of each round; `tool_choice` is of the first.

        Raises:
            ToolLoopError: the model still calls functions after `max_rounds` replies.
        """
        conversation = Messages(messages)
        beginning = len(conversation)
        options = {**options, "tools": [each.definition() for each in self.tools]}
        while True:
            reply = await ask(conversation, options)
            if not reply.tool_calls:
                reply.steps = tuple(self.steps)
                reply.turns = self.turns
                reply.earlier = (*self.replies, *reply.earlier)
                return reply
            if len(self.replies) >= self.max_rounds:
                raise ToolLoopError(
                    tr(
                        "the model still calls functions after {n} rounds (max_rounds): last "
                        "{name}\n.steps of this "
                        "error has all calls",
                        n=self.max_rounds,
                        name=reply.tool_calls[0].name,
                    ),
                    steps=tuple(self.steps),
                )
            self.replies += [*reply.earlier, reply]
            conversation.append(reply)
            for call in reply.tool_calls:
                self.on_call(call)
                step = await run_tool(self.tools, call, self.is_allowed)
                self.steps.append(step)
                conversation.append_result(call, step.result)
                self.on_step(step)
            self.turns = list(conversation)[beginning:]
            options.pop("tool_choice", None)  # "required" would never let it answer


def create_loop(
    tools: Iterable[Callable[..., Any] | Tool],
    max_rounds: int,
    on_step: Callable[[ToolStep], object] | None,
    confirm: Callable[[ToolCall], bool] | None,
) -> ToolLoop:
    """Return the loop of `ChatCompletion.run`.

    Raises:
        InvalidArgumentError: a function cannot be described, or an argument is wrong.
    """
    for name, value in {"on_step": on_step, "confirm": confirm}.items():
        if value is not None and not callable(value):
            raise InvalidArgumentError(
                tr(
                    "{name}={value}: must be a function, or None for the default",
                    name=name,
                    value=format_value(value),
                )
            )
    loop = ToolLoop(to_tools(tools), validate_positive("max_rounds", max_rounds))
    loop.on_step = on_step or loop.on_step
    loop.is_allowed = confirm or ask_user
    return loop
