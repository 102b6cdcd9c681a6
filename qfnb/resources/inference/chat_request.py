"""The request of a conversation: options validated, and put as an API version and a model take
them.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self
from uuid import uuid4

from pydantic import ValidationError
from pydantic_core import from_json, to_json

from ..._notices import warn_once
from ...base.language import tr
from ...base.text import describe_problem, is_chinese
from ...errors import InvalidArgumentError
from ...transport.client import CallOptions
from ...transport.platform import Platform
from ...wire import chat as wire
from .arguments import Messages, Turn
from .call_sender import InferenceCall, InferenceRequest
from .client_options import CONTINUE_PROMPT, MAX_CONTINUATIONS, MESSAGE_OPTIONS, fit_messages
from .model_choice import ModelChoice, find_target
from .reply import ChatResponse
from .response_format import parse_response_format
from .thinking import validate_think, with_thinking
from .tools import to_tools
from .v1_words import has_v1_calls, to_v1, to_v2_messages, to_v2_options

Conversation = Messages | Iterable[Turn] | str


_NUMBERS = frozenset(
    [
        "temperature",
        "top_p",
        "penalty_score",
        "repetition_penalty",
        "frequency_penalty",
        "presence_penalty",
        "cfg_scale",
    ]
)
_SWITCHES = frozenset(["disable_search", "enable_citation", "enable_trace"])
_COUNTS = frozenset(["max_output_tokens", "max_tokens", "max_completion_tokens", "n", "steps"])

MAX_STOP_TEXTS = 4


def validate_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not None, after checking what is wrong for every model; the
    server judges ranges.

    Raises:
        InvalidArgumentError: names the option, its value and what is allowed.
    """
    set_options = {name: value for name, value in options.items() if value is not None}
    for name, value in set_options.items():
        if problem := _option_problem(name, value):
            raise InvalidArgumentError(
                tr("{name}={value!r:.60}: {problem}", name=name, value=value, problem=problem)
            )
    return set_options


def _option_problem(name: str, value: Any) -> str:
    """Return what is wrong with an option for every model, "" for nothing."""
    is_number = (
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    )
    if name in _NUMBERS:
        return "" if is_number else tr("must be a number")
    if name in _COUNTS:
        return "" if type(value) is int and value > 0 else tr("must be an integer from 1")
    if name == "seed":
        return "" if type(value) is int and value >= 0 else tr("must be an integer from 0")
    if name == "stop" and not isinstance(value, str):
        is_list = isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value)
        if not is_list or len(value) > MAX_STOP_TEXTS:
            return tr("must be a list of at most {limit} strings", limit=MAX_STOP_TEXTS)
    return _word_problem(name, value)


def _word_problem(name: str, value: Any) -> str:
    """Return what is wrong with a switch, a list of functions or a search, "" for nothing."""
    if name in _SWITCHES:
        return "" if isinstance(value, bool) else tr("must be True or False")
    if name == "functions":
        is_list = isinstance(value, (list, tuple)) and all(
            isinstance(each, Mapping) and each.get("name") for each in value
        )
        return "" if is_list else tr("must be a list of functions, each with a name")
    if name == "web_search":
        return (
            ""
            if isinstance(value, Mapping)
            else tr("must be a mapping, e.g. {example}", example={"enable": True})
        )
    return ""


@dataclass(frozen=True)
class ChatCall(InferenceCall[ChatResponse]):
    """A conversation that is sent.

    Attributes:
        messages: the validated conversation.
        asks_again: whether an answer that is not in `response_format` is asked for once more.
        continue_prompt: the user's turn that asks for the rest of an answer that was cut at the
            longest output; "" where it is not asked for.
        continuations_left: how often it is asked for.
    """

    messages: Sequence[wire.Message] = ()
    asks_again: bool = True
    continue_prompt: str = ""
    continuations_left: int = MAX_CONTINUATIONS

    def request_for(self, platform: Platform) -> InferenceRequest:
        """Return the request as a platform takes it."""
        return build_chat_request(
            list(self.messages), platform, self.choice, self.options, stream=self.is_streamed
        )

    def correction(self, reply: ChatResponse, text: str) -> Self | None:
        """Validate an answer by its schema; return the call that asks for it once more."""
        response_format = self.options.get("response_format")
        if response_format is None or not response_format.is_checked:
            return None
        earlier = [message.model_dump() for message in self.messages]
        turns = response_format.check(reply, text, earlier, retry=self.asks_again)
        if not turns:
            return None
        messages = [*self.messages, *validate_messages(turns)]
        return replace(self, messages=messages, asks_again=False)

    def continuation(self, reply: ChatResponse, part: str) -> Self | None:
        """Return the call that asks for the rest of an answer."""
        is_cut = self.continue_prompt and reply.body.get("is_truncated") and part.strip()
        if not is_cut:
            return None
        if self.continuations_left <= 0:
            warn_once(
                tr(
                    "auto_concat_truncate: the answer is still cut after {n} requests",
                    n=MAX_CONTINUATIONS,
                )
            )
            return None
        answer = wire.Message(role="assistant", content=part)
        question = wire.Message(role="user", content=self.continue_prompt)
        return replace(
            self,
            messages=[*self.messages, answer, question],
            continuations_left=self.continuations_left - 1,
        )


def prepare_chat_call(
    messages: Conversation,
    choice: ModelChoice,
    options_: Mapping[str, Any],
    call_options: CallOptions,
    *,
    stream: bool,
) -> ChatCall:
    """Return the validated call for one conversation.

    Args:
        messages: a `Messages`, a list of {"role", "content"}, or one text.
        choice: which model is asked.
        options_: see `ChatOptions`.
        call_options: timeout and attempts.
        stream: whether the answer comes in pieces.

    Raises:
        InvalidArgumentError: a message or an option is wrong.
    """
    options = validate_chat_options(options_)
    records = validate_messages(messages)
    prompt = options.pop("truncated_continue_prompt", CONTINUE_PROMPT)
    if not options.pop("auto_concat_truncate", False):
        prompt = ""
    return ChatCall(
        choice,
        options,
        call_options,
        stream,
        records,
        asks_again=not stream,
        continue_prompt=prompt,
    )


def validate_chat_options(options_: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not None: the response format parsed, functions among the tools
    described.

    Raises:
        InvalidArgumentError: names the option, its value and what is allowed.
    """
    options = validate_options(options_)
    if "response_format" in options:
        options["response_format"] = parse_response_format(options["response_format"])
    if "think" in options:
        validate_think(options)
    if isinstance(tools := options.get("tools"), list) and not all(
        isinstance(each, dict) for each in tools
    ):
        options["tools"] = [
            each if isinstance(each, dict) else to_tools([each])[0].definition() for each in tools
        ]
    return options


def validate_messages(
    messages: Iterable[Turn | wire.Message] | Messages | str,
) -> list[wire.Message]:
    """Return the conversation as records.

    Args:
        messages: a text, a `Messages`, or a list of turns {"role", "content"}.

    Raises:
        InvalidArgumentError: it is of the wrong type, empty, has a malformed turn, or does not end
            with a turn that the model can answer.
    """
    if isinstance(messages, (bytes, Mapping)) or not isinstance(messages, Iterable):
        raise InvalidArgumentError(
            tr(
                "messages={value!r:.60}: must be a string, a Messages or turns [{{'role': 'user', "
                "'content': ...}}]",
                value=messages,
            )
        )
    turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else list(messages)
    if not turns:
        raise InvalidArgumentError(
            tr("messages is empty: it needs at least one {'role': 'user', 'content': ...}")
        )
    records = [_to_record(index, turn) for index, turn in enumerate(turns)]
    if records[-1].role not in {"user", "tool", "function"}:
        raise InvalidArgumentError(
            tr(
                "the last turn has role={role!r}: it must be the user's, or a tool's result",
                role=records[-1].role,
            )
        )
    return records


def _to_record(index: int, turn: object) -> wire.Message:
    try:
        message = wire.Message.model_validate(turn)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = f"messages[{index}].{'.'.join(map(str, first['loc'][:1])) or 'turn'}"
        raise InvalidArgumentError(
            tr(
                "{field}: {reason}; got {value!r}",
                field=name,
                reason=describe_problem(first),
                value=str(first["input"])[:60],
            )
        ) from None
    if message.role == "user" and not message.content:
        raise InvalidArgumentError(
            tr("messages[{index}].content is empty: it needs a question", index=index)
        )
    if isinstance(message.content, str):
        validate_encodable(f"messages[{index}].content", message.content)
    return message


def validate_encodable(field: str, text: str) -> None:
    """Check that a text can be encoded as UTF-8: it has no lone surrogate.

    Raises:
        InvalidArgumentError: names the field and the position.
    """
    if text.isprintable():
        return
    for position, char in enumerate(text):
        if "\ud800" <= char <= "\udfff":
            raise InvalidArgumentError(
                tr(
                    "{field} has a lone surrogate at character {position} (U+{char:04X}): it "
                    "cannot be encoded "
                    "as UTF-8; replace it",
                    field=field,
                    position=position,
                    char=ord(char),
                )
            )


def with_format(
    messages: list[wire.Message], options: Mapping[str, Any], *, takes_schema: bool
) -> tuple[list[wire.Message], dict[str, Any]]:
    """Return conversation and options with `response_format` as the model takes it.

    What the option cannot say becomes an instruction at the end of the persona.

    Args:
        messages: the validated conversation.
        options: the validated options; "system" is the persona.
        takes_schema: whether the model takes `json_schema`.
    """
    response_format = parse_response_format(options["response_format"])
    option = response_format.to_option(takes_schema=takes_schema)
    first = messages[0]
    instruction = response_format.instruction(
        option, [message.model_dump() for message in messages]
    )
    changed = {name: value for name, value in options.items() if name != "response_format"}
    changed |= {} if option is None else {"response_format": option}
    if (
        instruction
        and first.role == "system"
        and "system" not in options
        and isinstance(first.content, str)
    ):
        first = first.model_copy(update={"content": f"{first.content}\n\n{instruction}"})
        return [first, *messages[1:]], changed
    if instruction:
        changed["system"] = "\n\n".join(filter(None, [options.get("system"), instruction]))
    return messages, changed


def build_chat_request(
    messages: list[wire.Message],
    platform: Platform,
    choice: ModelChoice,
    options: Mapping[str, Any],
    *,
    stream: bool,
) -> InferenceRequest:
    """Return the request of a conversation as a platform takes it; in v2 the persona is the first
    message.

    Args:
        messages: the validated conversation.
        platform: the request goes to it.
        choice: which model is asked.
        options: the validated options; "system" is the persona.
        stream: whether the answer comes in pieces.
    """
    version, model, row = find_target(choice, platform)
    if MESSAGE_OPTIONS & options.keys():
        messages, options = fit_messages(messages, options, row)
    if len(messages) > 1:
        messages = wire.drop_old_reasoning(messages)
    if options.get("response_format") is not None:
        takes_schema = version == 2 and bool(not platform.is_qianfan or (row and row.json_schema))
        messages, options = with_format(messages, options, takes_schema=takes_schema)
    if version == 1:
        messages, options = to_v1(messages, options)
        record = wire.ChatRequest(messages=messages, stream=stream, **options)
        return InferenceRequest(wire.CHAT_V1, record, model)
    if has_v1_calls(messages):
        messages = to_v2_messages(messages)
    fields = to_v2_options(options, is_qianfan=platform.is_qianfan)
    if fields.get("think") is not None:
        fields = with_thinking(fields, model, row, is_qianfan=platform.is_qianfan)
    if system := fields.pop("system", None):
        messages = [wire.Message(role="system", content=system), *messages]
    if stream and platform.is_qianfan:  # without it the platform's streams have no usage
        fields = {"stream_options": {"include_usage": True}, **fields}
    record = wire.ChatRequestV2(messages=messages, stream=stream, model=model, **fields)
    return InferenceRequest(wire.CHAT_V2, record, model)


PLACEHOLDER: Final = uuid4().hex
"""The text in a template's record that is replaced by each row's text."""

CHINESE_PLACEHOLDER: Final = f"{PLACEHOLDER}的文字"
"""The same for a Chinese text: the form of an answer is asked for in the question's language."""


class BatchRequests:
    """The requests of a batch's rows on one platform; the JSON around a plain text is encoded once.

    Args:
        build: builds the request of a conversation.

    Attributes:
        build: as above.
        model: the model's id, or its segment of the path; rate limits are kept by it.
    """

    def __init__(self, build: Callable[[list[wire.Message]], InferenceRequest]) -> None:
        self.build = build
        request = build([wire.Message(role="user", content=PLACEHOLDER)])
        self.endpoint = request.endpoint
        self.model = request.model
        self.record = request.record
        self._around = [self._encode_around(text) for text in (PLACEHOLDER, CHINESE_PLACEHOLDER)]
        self._has_languages = self._around[0] != self._around[1]

    def _encode_around(self, placeholder: str) -> tuple[bytes, bytes]:
        """Return the JSON before and behind a text."""
        record = self.build([wire.Message(role="user", content=placeholder)]).record
        before, _, behind = record.to_json().partition(to_json(placeholder))
        return before, behind

    def encode(self, text: str) -> bytes:
        """Return the JSON of a row with this text; what is added to it is in its language."""
        before, behind = self._around[self._has_languages and is_chinese(text)]
        return before + to_json(text) + behind

    def for_row(self, conversation: str | list[dict[str, Any]]) -> InferenceRequest:
        """Return the request of one row: a validated text, or messages.

        Raises:
            InvalidArgumentError: a message is wrong.
        """
        if isinstance(conversation, str):
            return InferenceRequest(self.endpoint, RenderedRequest(self, conversation), self.model)
        return self.build(validate_messages(conversation))


class RenderedRequest:
    """The template of a batch with a row's text: encodes as the record would, and has the record's
    other fields.
    """

    __slots__ = ("_template", "_text")

    def __init__(self, template: BatchRequests, text: str) -> None:
        self._template = template
        self._text = text

    def to_json(self) -> bytes:
        """Return the JSON text to send."""
        return self._template.encode(self._text)

    def to_wire(self) -> dict[str, Any]:
        """Return the JSON object to send."""
        body: dict[str, Any] = from_json(self.to_json())
        return body

    def __getattr__(self, name: str) -> Any:
        return getattr(self._template.record, name)
