"""A conversation in which a model calls functions, until it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from ...base.language import tr
from ...base.text import format_value
from ...errors import InvalidArgumentError, ToolLoopError
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


def validate_rounds(messages: Iterable[Turn] | str, options: dict[str, Any]) -> Iterable[Turn]:
    """Return the turns of a conversation, and take `stream` out of the options.

    Raises:
        InvalidArgumentError: a turn is wrong, or the reply is to be streamed.
    """
    turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    validate_messages(turns)
    if options.pop("stream", False):
        raise InvalidArgumentError(
            tr("stream: run() returns the final reply; on_step= tells of each call before it")
        )
    return turns
