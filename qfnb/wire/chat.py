"""Chat, v1 (`/chat/<endpoint>`) and v2 (`/v2/chat/completions`), and accessors of the replies of
both.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from ..base.language import tr
from ..base.text import describe_problem
from .base import JsonMapping, JsonObject, Record
from .endpoints import Endpoint

V1_PREFIX = "/rpc/2.0/ai_custom/v1/wenxinworkshop"

Role = Literal["system", "user", "assistant", "function", "tool"]


class Message(Record):
    """One turn of a conversation; content is text, or a list of parts for models that see
    images.
    """

    role: Role
    content: str | list[JsonObject] | None = None


class Usage(Record):
    """Token counts; every field may be absent."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None

    @property
    def cached_tokens(self) -> int:
        """The part of the prompt that the platform had cached (`prompt_tokens_details`), 0 where it
        names none.
        """
        return self._detail("prompt_tokens_details", "cached_tokens")

    @property
    def reasoning_tokens(self) -> int:
        """The part of the completion that is thinking (`completion_tokens_details`), 0 where it
        names none.
        """
        return self._detail("completion_tokens_details", "reasoning_tokens")

    def _detail(self, group: str, name: str) -> int:
        details = (self.model_extra or {}).get(group)
        if not isinstance(details, dict):
            count = None
        else:
            count = details.get(name)
        if type(count) is int and count > 0:
            return count
        return 0


class ChatRequest(Record):
    """The fields of both versions; further options are sent as they are."""

    messages: list[Message]
    stream: bool = False


class ChatRequestV2(ChatRequest):
    """v2 names the model in the body."""

    model: str


class ChatReply(Record):
    """A whole v1 reply, or one event of a v1 stream (`result` is then the new text only)."""

    id: str = ""
    object: str = "chat.completion"
    created: int = 0
    result: str = ""
    is_truncated: bool | None = None
    need_clear_history: bool | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    sentence_id: int | None = None
    is_end: bool | None = None


class ChoiceText(Record):
    """The text of a v2 choice: the whole message, or the delta of a stream."""

    role: str | None = None
    content: str | None = None
    reasoning_content: str | None = None


class ChatChoice(Record):
    """One answer of a v2 reply."""

    index: int = 0
    message: ChoiceText | None = None
    delta: ChoiceText | None = None
    finish_reason: str | None = None


class ChatReplyV2(Record):
    """A whole v2 reply, or one event of a v2 stream."""

    id: str = ""
    object: str = "chat.completion"
    created: int = 0
    model: str = ""
    choices: list[ChatChoice] = []
    usage: Usage | None = None


CHAT_V1 = Endpoint("chat.v1", V1_PREFIX + "/chat/{model}", ChatRequest, ChatReply, plane="v1")
CHAT_V2 = Endpoint("chat.v2", "/v2/chat/completions", ChatRequestV2, ChatReplyV2, plane="v2")


def text_of(body: JsonMapping) -> str:
    """Return the text of a reply or of a stream's event, v1 or v2."""
    if not body.get("choices") and body.get("result") is not None:
        return str(body["result"])
    content = _first_message(body).get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text") or "") for part in content)


def reasoning_of(body: JsonMapping) -> str:
    """Return the model's reasoning text, "" without one."""
    message = _first_message(body)
    return str(message.get("reasoning_content") or message.get("reasoning") or "")


def assistant_message(body: JsonMapping) -> JsonObject:
    """Return a reply as a message of the conversation, with its reasoning and its tool and function
    calls.

    The reasoning is for the history; `drop_old_reasoning` removes it from what is sent.
    """
    turn: JsonObject = {"role": "assistant", "content": text_of(body)}
    if reasoning := reasoning_of(body):
        turn["reasoning_content"] = reasoning
    if tool_calls := _first_message(body).get("tool_calls"):
        turn["tool_calls"] = tool_calls
    elif body.get("function_call"):
        turn["function_call"] = body["function_call"]
    return turn


def drop_old_reasoning(messages: Sequence[Message]) -> list[Message]:
    """Return the conversation without reasoning, but for the rounds of tools since the user's last
    message.
    """
    last_question = 0
    for index, message in enumerate(messages):
        if message.role == "user":
            last_question = index
    sent = []
    for index, message in enumerate(messages):
        is_needed = index > last_question and has_calls(message)
        sent.append(message if is_needed else without_reasoning(message))
    return sent


def has_calls(message: Message) -> bool:
    """Return whether a message calls functions."""
    return bool((message.model_extra or {}).get("tool_calls"))


def without_reasoning(message: Message) -> Message:
    """Return the message without its reasoning."""
    extra = message.model_extra or {}
    if "reasoning_content" not in extra and "reasoning" not in extra:
        return message
    fields = {key: value for key, value in message if key not in {"reasoning_content", "reasoning"}}
    return Message(**fields)


def has_call_parts(event: JsonMapping) -> bool:
    """Return whether an event of a v2 stream has parts of tool calls."""
    return bool(_first_message(event).get("tool_calls"))


def join_tool_calls(events: Iterable[JsonMapping]) -> list[JsonObject]:
    """Return the calls whose parts came in the events of a stream; parts of one call have the same
    index.
    """
    calls: dict[int, JsonObject] = {}
    for event in events:
        for part in _first_message(event).get("tool_calls") or ():
            index = part.get("index")
            function = part.get("function") or {}
            call = calls.setdefault(
                len(calls) if index is None else index,
                {"id": "", "type": "function", "function": {"name": "", "arguments": ""}},
            )
            call["id"] = call["id"] or part.get("id") or ""
            call["function"]["name"] = call["function"]["name"] or function.get("name") or ""
            call["function"]["arguments"] += function.get("arguments") or ""
    return [calls[index] for index in sorted(calls)]


def function_calls(body: JsonMapping) -> list[JsonObject]:
    """Return the function calls of a reply: [{"name", "arguments" (as written), "id"}]."""
    calls = []
    for call in _first_message(body).get("tool_calls") or ():
        calls.append((call.get("function") or {}, call.get("id", "")))
    if not calls and "choices" not in body and body.get("function_call"):
        calls = [(body["function_call"], "")]
    rows = []
    for function, id_ in calls:
        name = str(function.get("name", ""))
        rows.append({"name": name, "arguments": function.get("arguments"), "id": id_})
    return rows


def finish_reason_v1(reason: str) -> str:
    """Return v1's word for why an answer ended, from v2's."""
    return {"stop": "normal", "tool_calls": "function_call"}.get(reason, reason)


def is_final(body: JsonMapping) -> bool:
    """Return whether an event completes the stream."""
    if body.get("is_end"):
        return True
    choices = body.get("choices")
    return isinstance(choices, list) and any(
        isinstance(each, dict) and each.get("finish_reason") for each in choices
    )


def finish_reason(body: JsonMapping) -> str | None:
    """Return the finish reason, None until the model has stopped."""
    reason = (first_choice(body) if "choices" in body else body).get("finish_reason")
    if reason:
        return str(reason)
    return None


def _first_message(body: JsonMapping) -> JsonMapping:
    choice = first_choice(body)
    messages = (choice.get("message"), choice.get("delta"), {"content": choice.get("text")})
    return next((message for message in messages if message and isinstance(message, Mapping)), {})


def first_choice(body: JsonMapping) -> JsonMapping:
    """Return the first choice of a reply or of a stream's event, an empty one without it."""
    choices = body.get("choices")
    if not (isinstance(choices, list) and choices):
        first = None
    else:
        first = choices[0]
    if isinstance(first, Mapping):
        return first
    return {}


class _Function(BaseModel):
    name: str | None = None
    arguments: str | JsonObject | None = None


class _Call(BaseModel):
    function: _Function | None = None


class _Message(BaseModel):
    content: str | list[JsonObject] | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None


class _PartialFunction(BaseModel):
    arguments: str | None = None


class _PartialCall(BaseModel):
    index: int | None = None
    function: _PartialFunction | None = None


class _Delta(BaseModel):
    content: str | list[JsonObject] | None = None
    reasoning_content: str | None = None
    tool_calls: list[_PartialCall] | None = None


class _Choice(BaseModel):
    message: _Message | None = None
    delta: _Delta | None = None
    text: str | None = None


class _Chat(BaseModel):
    choices: list[_Choice] | None = None
    result: str | None = None
    function_call: _Function | None = None


class _Vector(BaseModel):
    embedding: Annotated[list[float], Field(min_length=1)]


class _Vectors(BaseModel):
    data: Annotated[list[_Vector], Field(min_length=1)]


class _Score(BaseModel):
    relevance_score: float


class _Scores(BaseModel):
    results: Annotated[list[_Score], Field(min_length=1)]


class _Picture(BaseModel):
    b64_image: str | None = None
    b64_json: str | None = None
    url: str | None = None


class _Pictures(BaseModel):
    data: Annotated[list[_Picture], Field(min_length=1)]


class _Count(BaseModel):
    total_tokens: int


class _Counted(BaseModel):
    usage: _Count


class _Response(BaseModel):
    output: list[JsonObject]


_CHOICE_FIELDS = frozenset(["message", "delta", "text", "finish_reason"])
_MESSAGE_FIELDS = frozenset(
    ["content", "reasoning_content", "reasoning", "tool_calls", "function_call", "refusal"]
)


def _first_problem(model: type[BaseModel], body: JsonMapping) -> str:
    """Return the first field that is not as the type says, and what is wrong with it, "" for
    none.
    """
    try:
        model.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        location = ".".join(map(str, first["loc"]))
        return tr("{field}: {problem}", field=location, problem=describe_problem(first))
    return ""


find_event_defect = partial(_first_problem, _Chat)
"""Returns what is wrong with one event of a chat's stream, "" for nothing; the others are of whole
replies.
"""

find_vector_defect = partial(_first_problem, _Vectors)
find_score_defect = partial(_first_problem, _Scores)
find_count_defect = partial(_first_problem, _Counted)
_find_file_defect = partial(_first_problem, _Pictures)
_find_output_defect = partial(_first_problem, _Response)


def has_answer(body: JsonMapping) -> bool:
    """Return whether an event of a chat's stream is a part of an answer, and not usage or a mark
    only.
    """
    if body.get("function_call") or body.get("result") is not None:
        return True
    return any(_CHOICE_FIELDS & choice.keys() for choice in body.get("choices") or ())


def find_chat_defect(body: JsonMapping) -> str:
    """Return the defect of the whole reply of a chat or a completion, v1 or v2."""
    if defect := find_event_defect(body):
        return defect
    if not has_answer(body):
        return tr("there are neither choices nor a result")
    if not body.get("choices") or body.get("result") is not None:
        return ""
    choice = body["choices"][0]
    is_text = choice.get("text") is not None or bool(
        _MESSAGE_FIELDS & (choice.get("message") or {}).keys()
    )
    # content_filter: there is nothing to show
    is_withheld = choice.get("finish_reason") not in (None, "stop")
    if is_text or is_withheld:
        return ""
    return tr("choices.0: there is no message with a content")


def find_picture_defect(body: JsonMapping) -> str:
    """Return the defect of the reply of a model that draws."""
    if defect := _find_file_defect(body):
        return defect
    for index, row in enumerate(body["data"]):
        if not any(map(row.get, _Picture.model_fields)):
            return tr("data.{index}: there is neither a file nor an address", index=index)
    return ""


def find_response_defect(body: JsonMapping) -> str:
    """Return the defect of an object of the Responses API; one that is not complete may have no
    output.
    """
    if body.get("status") in (None, "completed"):
        return _find_output_defect(body)
    return ""
