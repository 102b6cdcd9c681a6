"""What a reply must have to be an answer: a response without it is an error, and never an empty
answer.

Only what is read is looked at. Optional fields may be null, and unknown ones may be anything.
"""

from functools import partial
from typing import Annotated

from pydantic import BaseModel, Field, ValidationError

from ..base.language import tr
from ..base.text import describe_problem
from .base import JsonMapping, JsonObject


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
    indexes = [
        index
        for index, row in enumerate(body["data"])
        if not any(map(row.get, _Picture.model_fields))
    ]
    if indexes:
        return tr("data.{index}: there is neither a file nor an address", index=indexes[0])
    return ""


def find_response_defect(body: JsonMapping) -> str:
    """Return the defect of an object of the Responses API; one that is not complete may have no
    output.
    """
    if body.get("status") in (None, "completed"):
        return _find_output_defect(body)
    return ""
