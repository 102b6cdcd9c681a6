"""The options of a chat: their types and ranges, and what they ask the model for.

An option that a model does not take is ignored, as the platform does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qfnb.wire.catalog import CatalogModel
from qfnb.wire.chat import ChatRequestV2

from ..http.call import Call

MAX_STOPS = 4
MAX_STOP_CHARS = 20
MIN_BUDGET = 100
MAX_SEED = 2147483647
EFFORTS = {"low": "high", "medium": "high", "high": "high", "xhigh": "max", "max": "max"}
"""A word of `reasoning_effort` -> what it counts as."""

_RANGES_V2 = {
    "temperature": (0.0, 2.0), "top_p": (0.0, 1.0), "penalty_score": (1.0, 2.0),
    "repetition_penalty": (0.0, 2.0),
    "frequency_penalty": (-2.0, 2.0), "presence_penalty": (-2.0, 2.0),
}  # fmt: skip
_TOTAL_LIMIT_MODELS = "ernie-5.0"
"""Models whose `max_tokens` counts thinking too start with this."""


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


def validate_functions(call: Call, extra: Mapping[str, Any]) -> None:
    """Refuse functions of v1 that are none."""
    for function in _list_of_objects(call, "functions", extra.get("functions")):
        _validate_function(call, "functions", function)


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
    validate_sampling(call, extra, row)
    _validate_tools(call, extra)
    max_tokens, max_total = (
        parse_count(call, extra, name) for name in ("max_tokens", "max_completion_tokens")
    )
    if row is not None and row.max_output and max(max_tokens or 0, max_total or 0) > row.max_output:
        raise call.refusal(
            f"max_tokens and max_completion_tokens of {row.id} are at most {row.max_output}"
        )
    if max_total is None and row is not None and row.id.startswith(_TOTAL_LIMIT_MODELS):
        max_total = max_tokens
        max_tokens = None
    json_format, schema = _parse_format(call, extra.get("response_format"), row)
    return GenerationOptions(
        **_parse_thinking(call, extra, row),
        max_answer_tokens=max_tokens if max_total is None else None,
        max_total_tokens=max_total,
        json_format=json_format,
        schema=schema,
        usage_pieces=_parse_usage_pieces(call, extra.get("stream_options")),
    )


def validate_sampling(call: Call, extra: Mapping[str, Any], row: CatalogModel | None) -> None:
    """Refuse an option of v2 about sampling that is of a wrong type or out of its range.

    Args:
        call: the call.
        extra: the options of the request.
        row: the model's row of the catalogue; ERNIE models take temperatures up to 1 only.
    """
    is_ernie = row is not None and row.id.startswith("ernie")
    for name, (low, high) in _RANGES_V2.items():
        is_strict = is_ernie and name == "temperature"
        _validate_number(
            call, name, extra.get(name), low, 1.0 if is_strict else high, excludes_low=is_strict
        )
    _validate_number(call, "seed", extra.get("seed"), 0, MAX_SEED)
    _validate_stop(call, extra)


def _validate_stop(call: Call, extra: Mapping[str, Any]) -> None:
    stops = extra.get("stop")
    if isinstance(stops, str):
        stops = [stops]
    else:
        stops = stops or []
    if not isinstance(stops, list) or len(stops) > MAX_STOPS or not all(map(_is_stop, stops)):
        raise call.refusal(
            f"stop must be at most {MAX_STOPS} texts of 1 to {MAX_STOP_CHARS} characters"
        )


def _is_stop(text: Any) -> bool:
    return isinstance(text, str) and 1 <= len(text) <= MAX_STOP_CHARS


def _validate_tools(call: Call, extra: Mapping[str, Any]) -> None:
    for tool in _list_of_objects(call, "tools", extra.get("tools")):
        if tool.get("type") != "function":
            raise call.refusal(
                f"tools: the type of a tool must be function, it is {tool.get('type')!r}"
            )
        _validate_function(call, "tools", tool.get("function"))
    choice = extra.get("tool_choice")
    if isinstance(choice, Mapping):
        _validate_function(call, "tool_choice", choice.get("function"))
    elif choice not in (None, "none", "auto", "required"):
        raise call.refusal(
            f"tool_choice must be none, auto, required or a function, it is {choice!r}"
        )
    if not isinstance(extra.get("parallel_tool_calls", True), bool):
        raise call.refusal("parallel_tool_calls must be true or false")
    if not isinstance(extra.get("web_search") or {}, Mapping):
        raise call.refusal("web_search must be an object")


def _list_of_objects(call: Call, name: str, value: Any) -> Sequence[Mapping[str, Any]]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise call.refusal(f"{name} must be a list of objects, it is {str(value)[:80]}")
    return value


def _validate_function(call: Call, field: str, function: Any) -> None:
    if (
        not isinstance(function, Mapping)
        or not isinstance(function.get("name"), str)
        or not function["name"]
    ):
        raise call.refusal(f"{field}: a function must have a name")
    parameters = function.get("parameters") or {}
    if isinstance(parameters, Mapping):
        properties = parameters.get("properties")
    else:
        properties = parameters
    if not isinstance(properties or {}, Mapping) or not all(
        isinstance(p, Mapping) for p in (properties or {}).values()
    ):
        raise call.refusal(
            f"{field}: the parameters of {function['name']} must be a JSON schema of an object"
        )


def _validate_number(
    call: Call, name: str, value: Any, low: float, high: float, *, excludes_low: bool = False
) -> None:
    if value is None:
        return
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or (excludes_low and value <= low):
        raise call.refusal(
            f"{name} must be in {'(' if excludes_low else '['}{low}, {high}], it is {value!r}"
        )


def parse_count(call: Call, extra: Mapping[str, Any], name: str) -> int | None:
    """Return an option that is a whole number from 1, None without it. Raises Refusal."""
    value = extra.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise call.refusal(f"{name} must be a whole number from 1, it is {value!r}")
    return value


def _parse_thinking(
    call: Call, extra: Mapping[str, Any], row: CatalogModel | None
) -> dict[str, Any]:
    """Return the fields of `ChatOptions` about thinking; a spelling that the model does not take is
    ignored.
    """
    if row is None or row.thinking in {"", "no"}:
        return {}
    thinks = row.thinking == "always" or bool(row.thinks_by_default)
    effort = "high"
    budget = None
    if row.thinking_field == "thinking" and (switch := extra.get("thinking")) is not None:
        kind = switch.get("type") if isinstance(switch, Mapping) else None
        if kind not in ("enabled", "disabled"):
            raise call.refusal('thinking must be {"type": "enabled"} or {"type": "disabled"}')
        thinks = kind == "enabled"
    if row.thinking_field == "enable_thinking":
        if not isinstance(extra.get("enable_thinking", False), bool | None):
            raise call.refusal(
                f"enable_thinking must be true or false, it is {extra['enable_thinking']!r}"
            )
        thinks = extra["enable_thinking"] if extra.get("enable_thinking") is not None else thinks
        budget = parse_count(call, extra, "thinking_budget")
        if budget is not None and budget < MIN_BUDGET:
            raise call.refusal(f"thinking_budget must be at least {MIN_BUDGET}, it is {budget}")
    if row.efforts and (word := extra.get("reasoning_effort")) is not None:
        if not isinstance(word, str) or word not in EFFORTS:
            raise call.refusal(
                f"reasoning_effort must be one of {', '.join(EFFORTS)}, it is {word!r}"
            )
        thinks = True
        effort = EFFORTS[word]
    return {"thinks": thinks or row.thinking == "always", "budget": budget, "effort": effort}


def _parse_format(call: Call, value: Any, row: CatalogModel | None) -> tuple[str, Any]:
    """Return the form of the answer, and its schema."""
    if value is None:
        return "text", None
    if isinstance(value, Mapping):
        kind = value.get("type")
    else:
        kind = value
    if kind not in ("text", "json_object", "json_schema"):
        raise call.refusal(
            f"response_format.type must be text, json_object or json_schema, it is {kind!r}"
        )
    if kind != "json_schema":
        return kind, None
    if row is not None and not row.json_schema:
        raise call.refusal(f"response_format json_schema is not supported by {row.id}")
    if not isinstance(value, Mapping):
        definition = None
    else:
        definition = value.get("json_schema")
    if not isinstance(definition, Mapping) or not isinstance(definition.get("schema"), Mapping):
        raise call.refusal("response_format.json_schema must have a schema, which is an object")
    return kind, definition["schema"]


def _parse_usage_pieces(call: Call, value: Any) -> str:
    """Return which pieces of a stream have the usage; without the option a strict sandbox sends
    none.
    """
    if value is None:
        if call.world.modes.strict:
            return "none"
        return "last"
    if not isinstance(value, Mapping):
        raise call.refusal("stream_options must be an object")
    if value.get("chunk_include_usage"):
        return "all"
    if value.get("include_usage", not call.world.modes.strict):
        return "last"
    return "none"
