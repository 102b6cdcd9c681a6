"""Chat: one call for both API versions."""

import copy
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final, Literal, Self, Unpack, overload
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import from_json, to_json

from ..._jobs.worker_pool import validate_worker_count
from ..._notices import warn_once
from ...base.language import tr
from ...base.text import count_tokens, describe_problem, did_you_mean, is_chinese, turn_text
from ...errors import InvalidArgumentError
from ...transport import event_loop
from ...transport.platform import Platform
from ...wire import chat as wire
from ...wire.base import JsonObject
from ...wire.catalog import CatalogModel
from . import v1_words
from .arguments import ChatCallOptions, Messages, Turn
from .batch_task import BatchTask, validate_rows
from .inference_model import CLIENT_NAMES, InferenceCall, InferenceModel, InferenceRequest
from .model_choice import ModelChoice, find_target
from .reply import ChatResponse as ChatResponse, ToolCall, ToolStep
from .response_format import parse_response_format
from .thinking import validate_think, with_thinking
from .tools import DEFAULT_ROUNDS, Tool, create_loop, to_tools

log = logging.getLogger("qfnb")

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


def validate_options(options: Mapping[str, Any]) -> JsonObject:
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
    """Return the mistake in an option for every model, "" for none."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if name in _NUMBERS and not (is_number and math.isfinite(value)):
        return tr("must be a number")
    if name in _COUNTS and (type(value) is not int or value < 1):
        return tr("must be an integer from 1")
    if name == "seed" and (type(value) is not int or value < 0):
        return tr("must be an integer from 0")
    return _word_problem(name, value)


def _word_problem(name: str, value: Any) -> str:
    """Return the mistake in a list of texts or functions, a switch or a search, "" for none."""
    if name == "stop" and not isinstance(value, str):
        is_list = isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in value)
        if not is_list or len(value) > MAX_STOP_TEXTS:
            return tr("must be a list of at most {limit} strings", limit=MAX_STOP_TEXTS)
    if name in _SWITCHES and not isinstance(value, bool):
        return tr("must be True or False")
    if name == "functions":
        is_list = isinstance(value, (list, tuple))
        if not is_list or not all(isinstance(row, Mapping) and row.get("name") for row in value):
            return tr("must be a list of functions, each with a name")
    if name == "web_search" and not isinstance(value, Mapping):
        return tr("must be a mapping, e.g. {example}", example={"enable": True})
    return ""


def validate_chat_options(options_: Mapping[str, Any]) -> JsonObject:
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
    if isinstance(tools := options.get("tools"), list):
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
    turns = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    records = [_to_record(index, turn) for index, turn in enumerate(turns)]
    if not records:
        raise InvalidArgumentError(
            tr("messages is empty: it needs at least one {'role': 'user', 'content': ...}")
        )
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
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(
            tr(
                "{field} has a lone surrogate at character {position} (U+{char:04X}): it "
                "cannot be encoded "
                "as UTF-8; replace it",
                field=field,
                position=error.start,
                char=ord(text[error.start]),
            )
        ) from None


def fit_messages(
    messages: list[wire.Message], system: str, row: CatalogModel
) -> list[wire.Message]:
    """Return the conversation without the oldest turns that the model has no room for.

    It begins with a user's turn, and ends with the last one whatever its length.

    Args:
        messages: the conversation.
        system: the persona among the options.
        row: the model's row of the catalogue, with its limits.
    """
    personas = [message for message in messages if message.role == "system"]
    turns = [message for message in messages if message.role != "system"]
    max_chars = row.max_chars or math.inf
    max_tokens = row.max_input or row.context or math.inf
    fixed = [system, *(turn_text(message.model_dump()) for message in personas)]
    chars = sum(map(len, fixed))
    tokens = sum(map(count_tokens, fixed))
    start = len(turns)
    for turn in reversed(turns):
        text = turn_text(turn.model_dump())
        chars += len(text)
        tokens += count_tokens(text)
        if start < len(turns) and (chars > max_chars or tokens > max_tokens):
            break
        start -= 1
    while 0 < start < len(turns) - 1 and turns[start].role != "user":
        start += 1
    if start:
        log.info(
            tr(
                "truncate_overlong_msgs: the first {n} messages do not fit and are not sent",
                n=start,
            )
        )
    return [*personas, *turns[start:]]


def build_chat_request(
    messages: list[wire.Message],
    platform: Platform,
    choice: ModelChoice,
    options_: Mapping[str, Any],
    *,
    stream: bool,
) -> InferenceRequest:
    """Return the request of a conversation as a platform takes it; the persona is the first
    message.

    What `response_format` cannot say becomes an instruction at the end of the persona.

    Args:
        messages: the validated conversation.
        platform: the request goes to it.
        choice: which model is asked.
        options_: the validated options; "system" is the persona.
        stream: whether the answer comes in pieces.
    """
    version, model, row = find_target(choice, platform)
    options = dict(options_)
    system = options.pop("system", None)
    if options.pop("truncate_overlong_msgs", False) and row:
        messages = fit_messages(messages, str(system or ""), row)
    if len(messages) > 1:
        messages = wire.drop_old_reasoning(messages)
    if system:
        messages = [wire.Message(role="system", content=system), *messages]
    if options.get("response_format") is not None:
        response_format = parse_response_format(options.pop("response_format"))
        takes_schema = version == 2 and bool(not platform.is_qianfan or (row and row.json_schema))
        option = response_format.to_option(takes_schema=takes_schema)
        if option:
            options["response_format"] = option
        turns = [message.model_dump() for message in messages]
        messages = _instruct(messages, response_format.instruction(option, turns))
    if version == 1:
        messages, options = v1_words.to_v1(messages, options)
        record = wire.ChatRequest(messages=messages, stream=stream, **options)
        return InferenceRequest(wire.CHAT_V1, record, model)
    if any(
        each.role == "function" or "function_call" in (each.model_extra or ()) for each in messages
    ):
        messages = v1_words.to_v2_messages(messages)
    fields = to_v2_options(options, is_qianfan=platform.is_qianfan)
    if fields.get("think") is not None:
        fields = with_thinking(fields, model, row, is_qianfan=platform.is_qianfan)
    if stream and platform.is_qianfan:  # without it the platform's streams have no usage
        fields = {"stream_options": {"include_usage": True}, **fields}
    record = wire.ChatRequestV2(messages=messages, stream=stream, model=model, **fields)
    return InferenceRequest(wire.CHAT_V2, record, model)


def _instruct(messages: list[wire.Message], instruction: str) -> list[wire.Message]:
    """Return the conversation with an instruction at the end of its persona."""
    first = messages[0]
    if not instruction:
        return messages
    if first.role != "system" or not isinstance(first.content, str):
        return [wire.Message(role="system", content=instruction), *messages]
    text = f"{first.content}\n\n{instruction}"
    return [first.model_copy(update={"content": text}), *messages[1:]]


def to_v2_options(options: JsonObject, *, is_qianfan: bool) -> JsonObject:
    """Return the options of a chat in v2's words; warn once of each that no version has, which is
    sent.

    Args:
        options: validated options.
        is_qianfan: False for another server with OpenAI's API, of whose options only misspelt ones
            are named.
    """
    if not is_qianfan or not options.keys() <= v1_words.V2_OPTIONS - {"tools"}:
        options = v1_words.to_v2_options(options, is_qianfan=is_qianfan)
    for name in options.keys() - v1_words.V2_OPTIONS:
        suggestion = did_you_mean(name, v1_words.V2_OPTIONS | v1_words.V1_ONLY | CLIENT_NAMES)
        if suggestion or is_qianfan:
            warn_once(
                tr(
                    "{name}= is not an option of v2 chat and is sent as it is{suggestion}",
                    name=name,
                    suggestion=suggestion,
                )
            )
    return options


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

    def for_row(self, conversation: str | list[JsonObject]) -> InferenceRequest:
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

    def to_wire(self) -> JsonObject:
        """Return the JSON object to send."""
        body: JsonObject = from_json(self.to_json())
        return body

    def __getattr__(self, name: str) -> Any:
        return getattr(self._template.record, name)


class ChatCompletion(InferenceModel[ChatResponse]):
    """A chat model.

    Args:
        model: name of a preset model; unknown names are passed on to the platform.
        endpoint: a service of your own; wins over `model`.
        version: 1 or 2 decides the API; by default an API key or an IAM pair means 2, AK/SK means
            1.
        **keys: `api_key`, `access_key` + `secret_key`, `ak` + `sk` or `access_token`; default: the
            settings'.

    Source: seed 003 (Chat).
    """

    reply_type = ChatResponse
    kind = "chat"
    items_name = "messages_list"
    _is_raw = False

    def validate(
        self, item: Conversation, options: JsonObject, choice: ModelChoice, /
    ) -> tuple[list[wire.Message], JsonObject]:
        """Return a conversation as records, and valid options."""
        valid_options = validate_chat_options(options)
        return validate_messages(item), valid_options

    @staticmethod
    def build_request(call: InferenceCall[Any], platform: Platform, /) -> InferenceRequest:
        """Return the request of a conversation as a platform takes it."""
        return build_chat_request(
            call.item, platform, call.choice, call.options, stream=call.is_streamed
        )

    def correct(
        self, call: InferenceCall[ChatResponse], reply: ChatResponse, text: str
    ) -> InferenceCall[ChatResponse] | None:
        """Validate an answer by its schema; return the call that asks for it once more."""
        response_format = call.options.get("response_format")
        if response_format is None or not response_format.is_checked:
            return None
        earlier = [message.model_dump() for message in call.item]
        turns = response_format.check(reply, text, earlier, retry=call.asks_again)
        if not turns:
            return None
        return replace(call, item=[*call.item, *validate_messages(turns)], asks_again=False)

    @overload
    def do(
        self,
        messages: Conversation,
        model: str | None = ...,
        endpoint: str | None = ...,
        stream: Literal[False] = ...,
        **options_: Unpack[ChatCallOptions],
    ) -> ChatResponse: ...
    @overload
    def do(
        self,
        messages: Conversation,
        model: str | None = ...,
        endpoint: str | None = ...,
        *,
        stream: Literal[True],
        **options_: Unpack[ChatCallOptions],
    ) -> Iterator[ChatResponse]: ...
    def do(
        self,
        messages: Conversation,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options_: Unpack[ChatCallOptions],
    ) -> Any:
        """Send a conversation, and return the reply, or with `stream=True` an iterator over its
        pieces.

        Args:
            messages: a `Messages`, a list of {"role", "content"}, or one text.
            model: a model for this call.
            endpoint: a service of your own for this call.
            stream: yield pieces as they come; each piece's text is the new text only, and the last
                has `parsed`.
            **options_: see `ChatOptions`; also request_timeout (seconds for the whole call; default
                600, none for streams) and retry_count (attempts in all; default 3).

        Raises:
            InvalidArgumentError: a message or option is wrong; nothing was sent.
            UnreadableAnswer: the answer does not match `response_format`, after one more try (a
                stream: none).
            APIError: the platform refused.
            StreamInterrupted: a stream ended early; `.partial` holds the text so far.
        """
        return self.answer(self.prepare(messages, model, endpoint, stream=stream, **options_))

    @overload
    async def ado(
        self,
        messages: Conversation,
        model: str | None = ...,
        endpoint: str | None = ...,
        stream: Literal[False] = ...,
        **options_: Unpack[ChatCallOptions],
    ) -> ChatResponse: ...
    @overload
    async def ado(
        self,
        messages: Conversation,
        model: str | None = ...,
        endpoint: str | None = ...,
        *,
        stream: Literal[True],
        **options_: Unpack[ChatCallOptions],
    ) -> AsyncIterator[ChatResponse]: ...
    async def ado(
        self,
        messages: Conversation,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options_: Unpack[ChatCallOptions],
    ) -> Any:
        """The awaited form of `do`."""
        call = self.prepare(messages, model, endpoint, stream=stream, **options_)
        return await self.answer_async(call)

    def batch_do(  # type: ignore[override] # its rows also go by the seed's name
        self,
        messages_list: Sequence[Conversation] | None = None,
        worker_num: int | None = None,
        *,
        body_list: Sequence[Mapping[str, Any]] | None = None,
        **options_: Any,
    ) -> BatchTask[ChatResponse]:
        """Send many conversations, at most `worker_num` at a time; returns at once.

        Args:
            messages_list: conversations as `do` takes them.
            worker_num: 1 to 1000, default 8.
            body_list: instead of messages_list: the arguments of `do` for each row, e.g.
                {"messages": [...], "temperature": 0.1}; they win over `options_`.
            **options_: of `do`, the same for all; with stream=True each result is an iterator over
                the pieces.

        Raises:
            InvalidArgumentError: an option is wrong, or no row can be sent; nothing was sent. One
                wrong row among others is an error in its place in `results()`.

        Source: seed 003 (batch inference).
        """
        worker_count = validate_worker_count("worker_num", worker_num)
        if (messages_list is None) == (body_list is None):
            raise InvalidArgumentError(
                tr("messages_list and body_list: only one of them can be used")
            )
        if body_list is None:
            rows = validate_rows("messages_list", messages_list, tr("conversations"))
            return super().batch_do(rows, worker_count, **options_)
        bodies = validate_rows("body_list", body_list, tr("mappings with 'messages'"))
        prepare = partial(self._prepare_body, options_)
        return self._start_batch("body_list", bodies, prepare, worker_count)

    def _prepare_body(self, options_: Mapping[str, Any], row: Any) -> InferenceCall[ChatResponse]:
        if not isinstance(row, Mapping) or "messages" not in row:
            raise InvalidArgumentError(
                tr("{row!r:.60} must be a mapping with at least 'messages'", row=row)
            )
        own_options = {**options_, **row}
        return self.prepare(own_options.pop("messages"), **own_options)

    async def abatch_do(  # type: ignore[override]
        self,
        messages_list: Sequence[Conversation] | None = None,
        worker_num: int | None = None,
        *,
        body_list: Sequence[Mapping[str, Any]] | None = None,
        **options_: Any,
    ) -> list[ChatResponse | Exception]:
        """The awaited form of `batch_do`: one reply or exception for each row, in order."""
        task = await self.batch_do(messages_list, worker_num, body_list=body_list, **options_)
        return task.awaited_results()

    def batch_requests(
        self,
        platform: Platform,
        model: str | None,
        endpoint: str | None,
        options: Mapping[str, Any],
    ) -> BatchRequests:
        """Return the builder of the requests of a batch's rows for a platform.

        Args:
            platform: the requests go to it.
            model: a model for these calls.
            endpoint: a service of your own for these calls.
            options: validated ones of `do`, without `stream`.
        """
        choice = self.choose(model, endpoint)
        return BatchRequests(
            partial(
                build_chat_request, platform=platform, choice=choice, options_=options, stream=False
            )
        )

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
        loop = create_loop(tools, max_rounds, on_step, confirm)
        turns = _validate_rounds(messages, options)
        return event_loop.run(loop.run(self._ask_round, turns, options))

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
        loop = create_loop(tools, max_rounds, on_step, confirm)
        turns = _validate_rounds(messages, options)
        return await loop.run(self._ask_round, turns, options)

    async def _ask_round(self, messages: Messages, options: JsonObject) -> ChatResponse:
        reply: ChatResponse = await self.ado(messages, **options)
        return reply

    @property
    def with_raw_response(self) -> Self:
        """The same model, whose `create` returns replies as `do` does."""
        raw = copy.copy(self)
        raw._is_raw = True  # noqa: SLF001 - of this class
        return raw

    def create(
        self,
        messages: Any,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options: Any,
    ) -> Any:
        """Send a conversation, and return a `Completion`, or with `stream=True` an iterator over
        `CompletionChunk`s.

        Args:
            messages: the conversation.
            model: a model for this call.
            endpoint: a service of your own for this call.
            stream: yield pieces as they come.
            **options: of `do`.

        Source: the official SDK's ChatCompletion.create.
        """
        reply = self.answer(self.prepare(messages, model, endpoint, stream=stream, **options))
        if self._is_raw:
            return reply
        if stream:
            return map(_to_object, reply)
        return _to_object(reply)

    async def acreate(
        self,
        messages: Any,
        model: str | None = None,
        endpoint: str | None = None,
        stream: bool = False,
        **options: Any,
    ) -> Any:
        """The awaited form of `create`."""
        call = self.prepare(messages, model, endpoint, stream=stream, **options)
        reply = await self.answer_async(call)
        if self._is_raw:
            return reply
        if stream:
            return (_to_object(piece) async for piece in reply)
        return _to_object(reply)


def _validate_rounds(messages: Iterable[Turn] | str, options: JsonObject) -> Iterable[Turn]:
    """Return the turns of a conversation with tools, and take `stream` out of the options.

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


class _Object(BaseModel):
    """A part of a reply; fields that are not named here are kept."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())


class FunctionCall(_Object):
    """The function that a model asks for; `arguments` is JSON text."""

    name: str = ""
    arguments: str = ""


class ToolCallObject(_Object):
    """A call that a model asks for."""

    id: str = ""
    type: str = "function"
    function: FunctionCall


class SearchResult(_Object):
    """A page that the model has read."""

    index: int = 0
    url: str = ""
    title: str = ""
    datasource_id: str = ""


class ChatCompletionMessage(_Object):
    """The model's turn."""

    content: str | None = None
    reasoning_content: str | None = None
    role: str = "assistant"
    name: str | None = None
    tool_calls: list[ToolCallObject] | None = None
    tool_call_id: str | None = None


class Choice(_Object):
    """One answer."""

    finish_reason: str | None = None
    index: int = 0
    message: ChatCompletionMessage
    ban_round: int | None = None
    flag: int | None = None


class CompletionUsage(_Object):
    """Tokens."""

    completion_tokens: int = 0
    prompt_tokens: int = 0
    total_tokens: int = 0


class CompletionStatistic(_Object):
    """Seconds; of a piece, since the request was sent."""

    first_token_latency: float = 0
    request_latency: float = 0
    total_latency: float = 0
    start_timestamp: float = 0
    avg_output_tokens_per_second: float = 0


class Completion(_Object):
    """A whole reply; `raw` is its JSON."""

    id: str = ""
    choices: list[Choice]
    created: int = 0
    model: str = ""
    object: str = "chat.completion"
    usage: CompletionUsage | None = None
    statistic: CompletionStatistic | None = None
    raw: Any = None


class ChoiceDelta(_Object):
    """The new part of an answer."""

    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[ToolCallObject] | None = None


class CompletionChunkChoice(_Object):
    """One answer's new part."""

    delta: ChoiceDelta
    finish_reason: str | None = None
    index: int = 0
    ban_round: int | None = None
    flag: int | None = None


class CompletionChunk(_Object):
    """A piece of a stream; `raw` is its JSON."""

    id: str = ""
    choices: list[CompletionChunkChoice]
    created: int = 0
    model: str = ""
    object: str = "chat.completion.chunk"
    usage: CompletionUsage | None = None
    statistic: CompletionStatistic | None = None
    web_search: SearchResult | None = None
    raw: Any = None


def _to_object(reply: ChatResponse) -> Completion | CompletionChunk | ChatResponse:
    """Return a reply, or one piece of a stream, as an object; that of v1, which has no choices, as
    it is.
    """
    if "choices" not in reply.body:
        return reply
    kind = (
        Completion
        if any("message" in choice for choice in reply.body["choices"])
        else CompletionChunk
    )
    return kind.model_validate({**reply.body, "statistic": reply.statistic, "raw": reply.body})
