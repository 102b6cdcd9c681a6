"""The options of a chat: their types and ranges, and what they ask the model for.

An option that a model does not take is ignored, as the platform does.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from qfnb.wire.base import JsonMapping, JsonObject
from qfnb.wire.catalog import CatalogModel
from qfnb.wire.chat import ChatRequestV2

from ..http.call import Call

MIN_BUDGET = 100
EFFORTS = {"low": "high", "medium": "high", "high": "high", "xhigh": "max", "max": "max"}
"""A word of `reasoning_effort` -> what it counts as."""

_TOTAL_LIMIT_MODELS = "ernie-5.0"
"""Models whose `max_tokens` counts thinking too start with this."""


class _Options(BaseModel):
    model_config = ConfigDict(strict=True)


class _Parameters(_Options):
    properties: dict[str, JsonObject] | None = None


class _Function(_Options):
    name: str = Field(min_length=1)
    parameters: _Parameters | None = None


class _Tool(_Options):
    type: Literal["function"]
    function: _Function


class _Choice(_Options):
    function: _Function


Penalty = Annotated[float, Field(ge=-2, le=2)]
Count = Annotated[int, Field(ge=1)]
Stop = Annotated[str, Field(min_length=1, max_length=20)]


class SamplingOptions(_Options):
    """Options of chat and completion."""

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, ge=0, le=1)
    penalty_score: float | None = Field(None, ge=1, le=2)
    repetition_penalty: float | None = Field(None, ge=0, le=2)
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    seed: int | None = Field(None, ge=0, le=2147483647)
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
    max_tokens: Count | None = None


class _Schema(_Options):
    schema_: JsonObject = Field(alias="schema")


class _Format(_Options):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: _Schema | None = None


class ChatOptionRecord(SamplingOptions):
    """Options of chat that every model takes."""

    max_completion_tokens: Count | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | _Choice | None = None
    parallel_tool_calls: bool = True
    web_search: JsonObject | None = None
    response_format: Annotated[
        _Format | None, BeforeValidator(lambda row: {"type": row} if isinstance(row, str) else row)
    ] = None
    stream_options: JsonObject | None = None


class FunctionOptions(_Options):
    """Functions of v1."""

    functions: list[_Function] | None = None


class _Thinking(_Options):
    type: Literal["enabled", "disabled"]


class _ThinkingOptions(_Options):
    """The options about thinking, each of which some models take."""

    thinking: _Thinking | None = None
    enable_thinking: bool | None = None
    thinking_budget: int | None = Field(None, ge=MIN_BUDGET)
    reasoning_effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None


@dataclass(frozen=True)
class GenerationOptions:
    """What a request asks for beside the answer itself; None is no limit."""

    thinks: bool = False
    budget: int | None = None  # tokens of thinking
    effort: str = "high"  # or max
    max_answer_tokens: int | None = None  # of the answer alone
    max_total_tokens: int | None = None  # of thinking and answer
    json_format: str = "text"  # or json_object, json_schema
    schema: Any = None  # of the answer, for json_schema
    usage_pieces: str = "last"  # which pieces of a stream have the usage: last, all or none


OptionsT = TypeVar("OptionsT", bound=BaseModel)


def validate(call: Call, kind: type[OptionsT], options: JsonMapping) -> OptionsT:
    """Return the options of a kind.

    Raises:
        Refusal: one is of a wrong type or out of its range.
    """
    try:
        return kind.model_validate(dict(options))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        names = ".".join(map(str, first["loc"]))
        raise call.refusal(f"{names}: {first['msg']}, it is {str(first['input'])[:80]}") from None


def validate_temperature(call: Call, options: SamplingOptions, row: CatalogModel | None) -> None:
    """Refuse a temperature that a model of the catalogue does not take: ERNIE's go up to 1 only."""
    is_ernie = row is not None and row.id.startswith("ernie")
    if is_ernie and options.temperature is not None and not 0 < options.temperature <= 1:
        raise call.refusal(f"temperature must be in (0, 1], it is {options.temperature}")


def parse_options(call: Call, body: ChatRequestV2, row: CatalogModel | None) -> GenerationOptions:
    """Return what a request of v2 asks for.

    Args:
        call: the call.
        body: the request.
        row: the model's row of the catalogue, None for one that is not in it.

    Raises:
        Refusal: an option is of a wrong type or out of its range.
    """
    extra = body.model_extra or {}
    options = validate(call, ChatOptionRecord, extra)
    validate_temperature(call, options, row)
    max_tokens = options.max_tokens
    max_total = options.max_completion_tokens
    if row is not None and row.max_output and max(max_tokens or 0, max_total or 0) > row.max_output:
        raise call.refusal(
            f"max_tokens and max_completion_tokens of {row.id} are at most {row.max_output}"
        )
    if max_total is None and row is not None and row.id.startswith(_TOTAL_LIMIT_MODELS):
        max_total = max_tokens
    if max_total is not None:
        max_tokens = None
    answer_format = options.response_format or _Format()
    schema = None
    if answer_format.type == "json_schema":
        if row is not None and not row.json_schema:
            raise call.refusal(f"response_format json_schema is not supported by {row.id}")
        if answer_format.json_schema is None:
            raise call.refusal("response_format.json_schema must have a schema")
        schema = answer_format.json_schema.schema_
    return GenerationOptions(
        **_parse_thinking(call, extra, row),
        max_answer_tokens=max_tokens,
        max_total_tokens=max_total,
        json_format=answer_format.type,
        schema=schema,
        usage_pieces=_usage_pieces(call, options.stream_options),
    )


def _parse_thinking(call: Call, extra: JsonMapping, row: CatalogModel | None) -> JsonObject:
    """Return the fields about thinking; a spelling that the model does not take is ignored."""
    if row is None or row.thinking in {"", "no"}:
        return {}
    names: set[str] = {row.thinking_field}
    if row.thinking_field == "enable_thinking":
        names.add("thinking_budget")
    if row.efforts:
        names.add("reasoning_effort")
    taken = {name: extra[name] for name in names & extra.keys()}
    options = validate(call, _ThinkingOptions, taken)
    thinks = bool(row.thinks_by_default)
    if options.thinking is not None:
        thinks = options.thinking.type == "enabled"
    if options.enable_thinking is not None:
        thinks = options.enable_thinking
    if options.reasoning_effort is not None:
        thinks = True
    return {
        "thinks": thinks or row.thinking == "always",
        "budget": options.thinking_budget,
        "effort": EFFORTS[options.reasoning_effort or "high"],
    }


def _usage_pieces(call: Call, options: JsonObject | None) -> str:
    """Return which pieces of a stream have the usage; without the option a strict sandbox sends
    none.
    """
    options = options or {}
    if options.get("chunk_include_usage"):
        return "all"
    if options.get("include_usage", not call.world.modes.strict):
        return "last"
    return "none"
