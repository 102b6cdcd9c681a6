"""Requests as conversations, which are in OpenAI's form, and replies as the platform writes them:
whole or in pieces.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from qfnb.base.text import count_tokens
from qfnb.wire import catalog, chat as wire
from qfnb.wire.base import EmptyBody, JsonMapping, JsonObject
from qfnb.wire.catalog import MODELS_V2, CatalogModel
from qfnb.wire.chat import ChatRequestV2
from qfnb.wire.prices import PriceStep

from ..engines.builtin import engine
from ..engines.protocol import BUILT_IN, Conversation, EngineReply, content_text
from ..http.call import Call, Refusal, Stream, emulates, v1_refusal, v2_refusal
from ..services import active_deployment, find_service

if TYPE_CHECKING:
    from ..engines.builtin.model import LanguageModel

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
    sends_usage: bool = True  # whether the last piece of a stream has the usage


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
    stream_options = options.stream_options or {}
    return GenerationOptions(
        **_parse_thinking(call, extra, row),
        max_answer_tokens=max_tokens,
        max_total_tokens=max_total,
        json_format=answer_format.type,
        schema=schema,
        # without the option a strict sandbox sends none
        sends_usage=bool(stream_options.get("include_usage", not call.is_strict)),
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
    options = validate(call, _ThinkingOptions, set_options(extra, sorted(names)))
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


PIECE_CHARS = 4
PIECE_SECONDS = 0.025
"""Characters of a piece of a stream that is cut from a whole answer, and seconds between two
pieces.
"""

_SHARED_OPTIONS = ("temperature", "top_p", "stop", "seed", "frequency_penalty", "presence_penalty")


def to_v2_request(body: wire.ChatRequest, model: str) -> wire.ChatRequestV2:
    """Return a request of v1 as one of v2: its functions become tools, its system text a
    message.
    """
    extra = body.model_extra or {}
    messages = [_message_v1(message) for message in body.messages]
    if extra.get("system"):
        messages.insert(0, {"role": "system", "content": str(extra["system"])})
    options = set_options(extra, (*_SHARED_OPTIONS, "tool_choice"))
    if extra.get("max_output_tokens") is not None:
        options["max_tokens"] = extra["max_output_tokens"]
    if functions := extra.get("functions"):
        options["tools"] = [{"type": "function", "function": function} for function in functions]
    if extra.get("response_format") in {"text", "json_object"}:
        options["response_format"] = {"type": extra["response_format"]}
    return wire.ChatRequestV2.model_validate(
        options | {"model": model, "messages": messages, "stream": body.stream}
    )


def conversation_v2(body: wire.ChatRequest) -> Conversation:
    """Return the conversation of a request, with its options."""
    messages = [message.to_wire() for message in body.messages]
    return Conversation(messages, body.model_extra or {})


def prompt_conversation(prompt: str, extra: JsonMapping | None) -> Conversation:
    """Return the conversation of one question, with the options of its request."""
    return Conversation([{"role": "user", "content": prompt}], extra or {})


def set_options(extra: JsonMapping, names: Sequence[str]) -> JsonObject:
    """Return the options of a request that are set, of some names."""
    return {name: extra[name] for name in names if extra.get(name) is not None}


def validate_messages(call: Call, messages: Sequence[wire.Message]) -> None:
    """Refuse a conversation whose last message cannot be answered."""
    last: wire.Message | None = None
    for message in messages:
        if message.role != "system":
            last = message
    if last is None or last.role not in {"user", "function", "tool"}:
        raise call.refusal("the role of the last message must be user", v2_code="invalid_messages")
    if call.endpoint.plane == "v2" and last.role == "user" and is_blank(last.content):
        reason = "the content of the last message must not be blank"
        raise call.refusal(reason, v2_code="invalid_messages")


def is_blank(content: str | list[JsonObject] | None) -> bool:
    """Return whether a message's content has neither text nor pictures."""
    if isinstance(content, list):
        for item in content:
            if item.get("type") != "text":
                return False
    return not content_text(content)


def unknown_model(call: Call, model: str, hint: str = "") -> Refusal:
    """Return the refusal of a model that does not exist; v1 has no such path.

    Args:
        call: the call.
        model: the name.
        hint: added to v2's message.
    """
    if call.endpoint.plane == "v1":
        return v1_refusal(3, "Unsupported openapi method")
    message = f"No permission to use the model {model!r}{hint}"
    return v2_refusal("invalid_model", message, status=401)


def tool_reply(text: str, kind: str) -> EngineReply:
    """Return a reply that a tool wrote, not a model."""
    return EngineReply(kind, 1.0, text)


def to_v1_answer(
    call: Call, answer: JsonObject | Stream, *, kind: str = "chat.completion"
) -> JsonObject | Stream:
    """Return an answer of v2 in v1's shape, whole or in pieces.

    Args:
        call: the call.
        answer: of v2.
        kind: the answer's `object`.
    """
    head = call.head(kind)
    if isinstance(answer, Stream):
        return Stream(_v1_pieces(answer.pieces, head))
    choice = answer["choices"][0]
    return head | _v1_fields(answer, choice["message"], choice["finish_reason"])


async def _v1_pieces(
    pieces: AsyncIterator[JsonObject], head: JsonObject
) -> AsyncIterator[JsonObject]:
    sentence_id = 0
    async for piece in pieces:
        choice = piece["choices"][0]
        is_end = choice["finish_reason"] is not None
        if is_end or choice["delta"].get("content"):
            fields = _v1_fields(piece, choice["delta"], choice["finish_reason"])
            yield head | {"sentence_id": sentence_id, "is_end": is_end} | fields
            sentence_id += 1


def _v1_fields(answer: JsonObject, message: JsonObject, reason: str | None) -> JsonObject:
    """Return v1's fields for a message of v2, or for a part of one."""
    fields: JsonObject = {"result": message.get("content") or "", "need_clear_history": False}
    fields["is_truncated"] = reason == "length"
    if reason is not None:
        fields["finish_reason"] = wire.finish_reason_v1(reason)
    for name in ("usage", "sandbox"):
        if name in answer:
            fields[name] = answer[name]
    if calls := message.get("tool_calls"):
        fields["function_call"] = dict(calls[0]["function"])
    return fields


def count_usage(prompts: Sequence[str], answer: str) -> dict[str, int]:
    """Return the tokens of prompts and their answer."""
    prompt = sum(map(count_tokens, prompts))
    completion = count_tokens(answer)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def sandbox_mark(reply: EngineReply) -> JsonObject:
    """Return the field `sandbox` of a reply: which engine wrote it, and how sure it is."""
    confidence = round(reply.confidence, 3)
    return {"engine": BUILT_IN, "kind": reply.kind, "confidence": confidence}


def _message_v1(message: wire.Message) -> JsonObject:
    """Return a message; a function's call and its result get one id, which v1 does not need."""
    extra = message.model_extra or {}
    if message.role == "function":
        return {"role": "tool", "tool_call_id": "call_0", "content": message.content or ""}
    converted: JsonObject = {"role": message.role, "content": message.content or ""}
    if call := extra.get("function_call"):
        function = {"name": "", "arguments": "{}", **call}
        converted["tool_calls"] = [{"id": "call_0", "type": "function", "function": function}]
    return converted


LISTED_AT = 1789516800  # 2026-09-16, the day of the model list

# the list's words where the catalogue has others
_TYPES = {"embedding": "embeddings", "reranker": "rerank"}


class Target(NamedTuple):
    """The model that a request names."""

    model: LanguageModel
    # of the catalogue; None for a service
    row: catalog.CatalogModel | None


def resolve_target(call: Call, name: str) -> Target:
    """Return the model behind an endpoint or a preset model's name.

    Raises:
        Refusal: there is no such model, or its service is not ready.
    """
    service = find_service(call, name)
    if service is not None:
        task = active_deployment(call, service)["task"]
        if (model := call.world.tuned_model(task)) is None:
            raise unknown_model(call, name, f": {task} has no model of this engine")
        return Target(model, None)
    is_v1 = call.endpoint.plane == "v1"
    row = catalog.find_model("chat", name)
    if row is not None and _is_served(call, row, name) and (row.v1 or not is_v1):
        return Target(engine.base_model(), row)
    raise unknown_model(call, name, ": the sandbox has no such model or service")


def require_preset(call: Call, kind: catalog.ModelKind, name: str) -> catalog.CatalogModel:
    """Return the catalogue's row of a preset model of a kind.

    Args:
        call: the call.
        kind: e.g. `embedding`.
        name: any of its names; a strict sandbox takes today's ids only.

    Raises:
        Refusal: there is no such model.
    """
    row = catalog.find_model(kind, name)
    if row is None or not _is_served(call, row, name):
        raise unknown_model(call, name)
    return row


@emulates(MODELS_V2)
def list_models(call: Call, body: EmptyBody) -> JsonObject:
    """List today's models and the deployed services, in the form of 2026 or of 2025."""
    rows = {}
    for row in catalog.load_models():
        if row.is_living:
            rows[row.id] = _describe(row)
    for service in call.store.all("service"):
        name = service["endpoint"]
        rows[name] = _head(name, "sandbox") | {"type": "chat"}
    return {"object": "list", "data": [*rows.values()]}


def _is_served(call: Call, row: catalog.CatalogModel, name: str) -> bool:
    """Return whether a model answers to a name: in a strict sandbox living models do, to their id
    only.
    """
    return not call.is_strict or (row.is_living and row.id == name)


def _head(name: str, owner: str) -> JsonObject:
    return {"id": name, "object": "model", "created": LISTED_AT, "owned_by": owner}


def _describe(row: catalog.CatalogModel) -> JsonObject:
    """Return a model as the list of 2026 has it; lengths are null where they are not known."""
    inputs = "+".join(row.modality_in)
    outputs = "+".join(row.modality_out)
    described = {
        **_head(row.id, row.owner),
        "type": _TYPES.get(row.kind, row.kind),
        "context_length": row.context,
        "max_completions_tokens": row.max_output,
        "max_tokens": row.max_output if row.thinking == "no" else None,
        "max_input_tokens": row.max_input,
        "architecture": {
            "modality": f"{inputs}->{outputs}",
            "input_modalities": list(row.modality_in),
            "output_modalities": list(row.modality_out),
        },
    }
    prices = row.prices
    if prices and prices.input:
        described["pricing"] = {"prompt": _price(prices.input), "completion": _price(prices.output)}
    return described


def _price(steps: Sequence[PriceStep]) -> str | list[JsonObject] | None:
    """Return a price as a text, or as tiers with an upper bound in thousands of tokens; of hours
    the first.
    """
    if not steps:
        return None
    if len(steps) < 2 or steps[0].max_input is None:
        return f"{steps[0].price:.10g}"
    tiers: list[JsonObject] = []
    for step in steps:
        upper = math.ceil((step.max_input or 0) / 1024)
        tiers.append({"upper": upper, "price": f"{step.price:.10g}"})
    tiers[-1]["upper"] = None
    return tiers
