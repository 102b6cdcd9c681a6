"""The arguments of inference calls: conversations, options and keys, validated before anything is
sent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from ...base.language import tr
from ...base.text import replace_surrogates
from ...errors import InvalidArgumentError
from ...wire import chat as wire
from ...wire.base import JsonObject

if TYPE_CHECKING:
    from .reply import ToolCall
    from .response_format import ResponseFormat


class AccountKeys(TypedDict, total=False):
    """Keys of an account, passed to a constructor in place of the settings'; `base_url` is another
    server's.

    app_id and ssl are of every call, see `ClientOptions`; bearer_token is another name for api_key.
    """

    api_key: str | None
    access_key: str | None
    secret_key: str | None
    ak: str | None
    sk: str | None
    access_token: str | None
    base_url: str | None
    bearer_token: str | None
    app_id: str | int | None
    ssl: bool | None


class ClientOptions(TypedDict, total=False):
    """The client's own options of a call, as the official SDK has them; the retries' default is the
    client's own rule.

    request_id is sent in the header, and app_id names the application that is billed (v2). After
    attempt k the client waits backoff_factor * 2**(k-1) seconds and up to retry_jitter (default 1)
    more, retry_max_wait_interval (120) at most; retry_err_codes are the only errors of the platform
    that are tried again, numbers of v1 or words of v2. truncate_overlong_msgs drops the oldest
    turns that the model cannot take. extra_parameters goes into the body as it is; ssl=False does
    not check the certificate. auto_concat_truncate, truncated_continue_prompt,
    adapt_openai_message_format and show_total_latency have no effect: every reply's `statistic` has
    the times.
    """

    request_id: str
    app_id: str | int
    backoff_factor: float
    retry_jitter: float
    retry_max_wait_interval: float
    retry_err_codes: Collection[int | str]
    headers: Mapping[str, str]
    truncate_overlong_msgs: bool
    auto_concat_truncate: bool
    truncated_continue_prompt: str
    adapt_openai_message_format: bool
    show_total_latency: bool
    ssl: bool
    extra_parameters: Mapping[str, Any]


class ChatOptions(ClientOptions, total=False):
    """The options of a chat call; further options of a model are sent as they are.

    The server judges the ranges of numbers, which differ by model; stop has at most 4 texts;
    response_format is "text", "json_object", a pydantic class or a JSON Schema, which the reply's
    `parsed` is validated against; think is True, False, an effort ("low", "high", ...) or a number
    of tokens, sent in the one spelling that the model takes.
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
    functions: Sequence[Mapping[str, Any]]
    function_call: str | Mapping[str, Any]
    tools: Sequence[JsonObject | Callable[..., Any]]
    tool_choice: str | JsonObject
    disable_search: bool
    enable_citation: bool
    user_id: str
    user: str
    suffix: str
    max_tokens: int
    web_search: Mapping[str, Any]


class ChatCallOptions(ChatOptions, total=False):
    """The options of one chat call, with its limits: seconds for the whole call, attempts in
    all.
    """

    request_timeout: float | None
    retry_count: int | None


class ImageOptions(ClientOptions, total=False):
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

MAX_RESULT_CHARS = 65_536
"""Characters of a function's result that a model gets."""

MAX_NOTICE_CHARS = 64


def clip_result(text: str) -> str:
    """Return the result of a function as it can be sent: lone surrogates replaced, and cut with a
    notice.
    """
    text = replace_surrogates(text)
    if len(text) <= MAX_RESULT_CHARS:
        return text
    length = MAX_RESULT_CHARS - MAX_NOTICE_CHARS
    return f"{text[:length]}\n… ({len(text) - length:,} characters left out)"


def encode_result(result: Any) -> str:
    """Return the result of a function as a text: as it is, or written as JSON."""
    if isinstance(result, str):
        return result
    return json.dumps(result, ensure_ascii=False, default=str)


class Messages:
    """A conversation that grows: append the user's text, then the reply, and so on.

    Source: seed 003 (Chat).
    """

    def __init__(self, turns: Iterable[Turn] = ()) -> None:
        self._turns: list[JsonObject] = [dict(turn) for turn in turns]

    def append(self, message: str | Turn, role: str | None = None) -> None:
        """Add a turn: text, a `{"role", "content"}` mapping, or a reply.

        Args:
            message: the text or turn; a reply is added as the assistant's turn, after the functions
                that it needed.
            role: by default "user", or "assistant" for a reply; a text after a function call is its
                result.

        Raises:
            InvalidArgumentError: the message is of another type.
        """
        if not isinstance(message, (str, Mapping)):
            raise InvalidArgumentError(
                tr(
                    "message={value!r:.60}: must be a text, a turn with 'role' and 'content', or "
                    "a reply",
                    value=message,
                )
            )
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

    def _open_call(self) -> JsonObject:
        """Return the fields that make a text the result of the first function call that has none,
        {} without one.
        """
        n_results = 0
        for turn in reversed(self._turns):
            if turn["role"] in {"tool", "function"}:
                n_results += 1
                continue
            functions = [call.get("function") or {} for call in turn.get("tool_calls") or ()]
            if turn.get("function_call"):
                functions = [turn["function_call"]]
            if len(functions) > n_results:
                return {"role": "function", "name": functions[n_results].get("name", "")}
            break
        return {}

    def append_result(self, call: ToolCall, result: Any) -> None:
        """Add the result of a function, after the reply that called it; a long one is cut, with a
        notice.

        Args:
            call: one of the reply's `tool_calls`.
            result: a text, or any value that can be encoded as JSON.
        """
        content = clip_result(encode_result(result))
        if call.id:
            self._turns.append({"role": "tool", "tool_call_id": call.id, "content": content})
        else:
            self._turns.append({"role": "function", "name": call.name, "content": content})

    def _to_list(self) -> list[JsonObject]:
        """Return the turns, under the official SDK's name."""
        return list(self._turns)

    def __iter__(self) -> Iterator[JsonObject]:
        return iter(self._turns)

    def __len__(self) -> int:
        return len(self._turns)

    def __getitem__(self, index: int) -> JsonObject:
        return self._turns[index]

    def __repr__(self) -> str:
        return f"Messages({self._turns!r})"
