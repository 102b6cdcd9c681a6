"""A conversation in which a model calls functions, until it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ...base.language import tr
from ...base.text import format_value
from ...errors import InvalidArgumentError, ToolLoopError
from ...transport import event_loop
from ..validation import validate_positive
from .arguments import Messages, Turn
from .chat_request import validate_messages
from .reply import ChatResponse, Reply, ToolCall, ToolStep
from .tools import Tool, ask_user, run_tool, to_tools

DEFAULT_ROUNDS = 8

Ask = Callable[[Messages, dict[str, Any]], Awaitable[ChatResponse]]
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
    turns: list[dict[str, Any]] = field(default_factory=list)
    replies: list[Reply[Any]] = field(default_factory=list)

    async def run(
        self, ask: Ask, messages: Iterable[Turn], options: dict[str, Any]
    ) -> ChatResponse:
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


class ToolRunner:
    """`run` and `arun` of a chat model."""

    ado: Callable[..., Any]

    def run(
        self,
        messages: Iterable[Turn] | str,
        tools: Iterable[Callable[..., Any] | Tool],
        *,
        max_rounds: int = DEFAULT_ROUNDS,
        on_step: Callable[[ToolStep], object] | None = None,
        confirm: Callable[[ToolCall], bool] | None = None,
        **options: Any,
    ) -> ChatResponse:
        """Ask a model that may call Python functions, run what it calls, and return its final
        reply.

        The functions run one after the other, in a thread with a time-out; an interrupt ends them.
        What they raise is told to the model. `messages.append(reply)` adds the calls and results
        before the answer.

        Args:
            messages: as `do` takes them.
            tools: functions with annotations and a docstring (Google style: its `Args:` describe
                the arguments); `@qfnb.tool(confirm=True, timeout=60)` sets options.
            max_rounds: replies that may call functions, default 8.
            on_step: called after each call of a function.
            confirm: returns whether a call is allowed, for functions with `confirm=True`; default:
                ask by `input()`.
            **options: of `do`, without `stream`.

        Raises:
            InvalidArgumentError: a function cannot be described; nothing was sent.
            ToolLoopError: the model still calls functions after `max_rounds` replies; `.steps` has
                the calls.
            APIError: the platform refused.

        Source: API page (tools, tool_choice, parallel_tool_calls).
        """
        loop = _create_loop(tools, max_rounds, on_step, confirm)
        return event_loop.run(loop.run(self._ask_round, _to_turns(messages), _validate(options)))

    async def arun(
        self,
        messages: Iterable[Turn] | str,
        tools: Iterable[Callable[..., Any] | Tool],
        *,
        max_rounds: int = DEFAULT_ROUNDS,
        on_step: Callable[[ToolStep], object] | None = None,
        confirm: Callable[[ToolCall], bool] | None = None,
        **options: Any,
    ) -> ChatResponse:
        """The awaited form of `run`; async functions run on the caller's loop."""
        loop = _create_loop(tools, max_rounds, on_step, confirm)
        return await loop.run(self._ask_round, _to_turns(messages), _validate(options))

    async def _ask_round(self, messages: Messages, options: dict[str, Any]) -> ChatResponse:
        reply: ChatResponse = await self.ado(messages, **options)
        return reply


def _create_loop(
    tools: Iterable[Callable[..., Any] | Tool],
    max_rounds: int,
    on_step: Callable[[ToolStep], object] | None,
    confirm: Callable[[ToolCall], bool] | None,
) -> ToolLoop:
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


def _to_turns(messages: Iterable[Turn] | str) -> Iterable[Turn]:
    turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    validate_messages(turns)
    return turns


def _validate(options: dict[str, Any]) -> dict[str, Any]:
    if options.get("stream"):
        raise InvalidArgumentError(
            tr("stream: run() returns the final reply; on_step= tells of each call before it")
        )
    return {name: value for name, value in options.items() if name != "stream"}
