"""The arguments of inference calls: conversations, options and keys, validated before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from ...wire import chat as wire

if TYPE_CHECKING:
    from .reply import ToolCall
    from .response_format import ResponseFormat


class AccountKeys(TypedDict, total=False):
    """Keys of an account, passed to a constructor in place of the settings'; `base_url` is another server's."""

    api_key: str | None
    access_key: str | None
    secret_key: str | None
    ak: str | None
    sk: str | None
    access_token: str | None
    base_url: str | None


class ChatOptions(TypedDict, total=False):
    """The options of a chat call; further options of a model are sent as they are.

    The server judges the ranges of numbers, which differ by model; stop has at most 4 texts; response_format is
    "text", "json_object", a pydantic class or a JSON Schema, which the reply's `parsed` is validated against; think is
    True, False, an effort ("low", "high", ...) or a number of tokens, sent in the one spelling that the model takes.
    """

    system: str
    temperature: float
    top_p: float
    penalty_score: float
    frequency_penalty: float
    presence_penalty: float
    stop: list[str]
    max_output_tokens: int
    max_completion_tokens: int
    seed: int
    response_format: str | Mapping[str, Any] | type | ResponseFormat
    think: bool | int | str
    functions: list[dict[str, Any]]
    tools: Sequence[dict[str, Any] | Callable[..., Any]]
    tool_choice: str | dict[str, Any]
    disable_search: bool
    enable_citation: bool
    user_id: str
    user: str
    suffix: str


class ImageOptions(TypedDict, total=False):
    """The options of a text-to-image call: size is one of IMAGE_SIZES, n 1-4, seed 0-4294967295.

    What a model does not have is left to the platform.
    """

    negative_prompt: str
    size: str
    n: int
    steps: int
    sampler_index: str
    seed: int
    cfg_scale: float
    style: str
    prompt_extend: bool
    watermark: bool
    user_id: str


Turn = Mapping[str, Any]


class Messages:
    """A conversation that grows: append the user's text, then the reply, and so on.

    Source: seed 003 (Chat).
    """

    def __init__(self, turns: Iterable[Turn] = ()) -> None:
        self._turns: list[dict[str, Any]] = [dict(turn) for turn in turns]

    def append(self, message: str | Turn, role: str | None = None) -> None:
        """Add a turn: text, a `{"role", "content"}` mapping, or a reply.

        Args:
            message: the text or turn; a reply is added as the assistant's turn, after the functions that it needed.
            role: by default "user", or "assistant" for a reply; a text after a function call is its result.
        """
        role = getattr(role, "value", role)
        if isinstance(message, str):
            result_fields = {} if role else self._open_call()
            self._turns.append({"role": role or "user", "content": message, **result_fields})
        elif "role" in message:
            self._turns.append(dict(message))
        else:
            self._turns += getattr(message, "turns", ())
            turn = wire.assistant_message(message.get("body", message))
            self._turns.append({**turn, "role": role or "assistant"})

    def _open_call(self) -> dict[str, Any]:
        """Return what makes a text the result of the first function call that has none, {} without one."""
        n_results = 0
        for turn in reversed(self._turns):
            if turn["role"] not in {"tool", "function"}:
                break
            n_results += 1
        else:
            return {}
        if (function := turn.get("function_call")) and not n_results:
            return {"role": "function", "name": function.get("name", "")}
        calls = turn.get("tool_calls") or ()
        return {"role": "tool", "tool_call_id": calls[n_results].get("id", "")} if len(calls) > n_results else {}

    def append_result(self, call: ToolCall, result: Any) -> None:
        """Add the result of a function, after the reply that called it.

        Args:
            call: one of the reply's `tool_calls`.
            result: a text, or any value that can be encoded as JSON.
        """
        content = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
        if call.id:
            self._turns.append({"role": "tool", "tool_call_id": call.id, "content": content})
        else:
            self._turns.append({"role": "function", "name": call.name, "content": content})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._turns)

    def __len__(self) -> int:
        return len(self._turns)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._turns[index]

    def __repr__(self) -> str:
        return f"Messages({self._turns!r})"
