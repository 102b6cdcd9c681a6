"""The request of a conversation: options validated, and put as an API version and a model take them."""

from collections.abc import Mapping
from typing import Any

from ...errors import InvalidArgumentError
from ...wire import catalog, chat as wire
from .arguments import validate_options
from .inference_model import InferenceRequest
from .response_format import parse_response_format
from .thinking import validate_think, warn_once, with_thinking


def validate_chat_options(options_: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not None; `response_format` becomes a `ResponseFormat`.

    Raises:
        InvalidArgumentError: names the option, its value and what is allowed.
    """
    options = validate_options(options_)
    if "response_format" in options:
        options["response_format"] = parse_response_format(options["response_format"])
    if validate_think(options) is None:
        options.pop("think", None)
    return options


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
    option, first = response_format.to_option(takes_schema=takes_schema), messages[0]
    instruction = response_format.instruction(option)
    changed = {name: value for name, value in options.items() if name != "response_format"}
    changed |= {} if option is None else {"response_format": option}
    if instruction and first.role == "system" and "system" not in options and isinstance(first.content, str):
        first = first.model_copy(update={"content": f"{first.content}\n\n{instruction}"})
        return [first, *messages[1:]], changed
    if instruction:
        changed["system"] = "\n\n".join(filter(None, [options.get("system"), instruction]))
    return messages, changed


def build_chat_request(
    messages: list[wire.Message],
    version: int,
    translate_names: bool,
    *,
    model: str | None,
    endpoint: str | None,
    options: Mapping[str, Any],
    stream: bool,
) -> InferenceRequest:
    """Return the request of a conversation for an API version; in v2 the persona is the first message.

    Args:
        messages: the validated conversation.
        version: 1 or 2.
        translate_names: whether names of Qianfan's catalogue become v2 ids.
        model: name of a model; default: the default chat model.
        endpoint: a service of your own; wins over `model`.
        options: the validated options; "system" is the persona.
        stream: whether the answer comes in pieces.
    """
    name, messages = model or catalog.DEFAULT_CHAT, wire.drop_old_reasoning(messages)
    model_id = endpoint or (catalog.v2_id("chat", name) if translate_names else name)
    listed = None if endpoint or not translate_names else catalog.find_model("chat", model_id)
    if options.get("response_format") is not None:
        takes_schema = version == 2 and (not translate_names or bool(listed and listed.json_schema))
        messages, options = with_format(messages, options, takes_schema=takes_schema)
    if version == 1:
        messages, options = to_v1(messages, options)
        record = wire.ChatRequest(messages=messages, stream=stream, **options)
        return InferenceRequest(wire.CHAT_V1, record, endpoint or catalog.path_segment("chat", name))
    options = with_thinking(options, model_id, listed, is_qianfan=translate_names)
    if system := options.pop("system", None):
        messages = [wire.Message(role="system", content=system), *messages]
    if "max_output_tokens" in options:  # v1's name
        options["max_tokens"] = options.pop("max_output_tokens")
    record = wire.ChatRequestV2(messages=messages, stream=stream, model=model_id, **options)
    return InferenceRequest(wire.CHAT_V2, record, model_id)


def to_v1(messages: list[wire.Message], options_: Mapping[str, Any]) -> tuple[list[wire.Message], dict[str, Any]]:
    """Return conversation and options as v1 takes them: the persona is an option, roles alternate.

    Raises:
        InvalidArgumentError: a turn has a role that v1 does not accept there.
    """
    options_v1, first = dict(options_), messages[0]
    if options_v1.pop("think", None) is not None:
        warn_once("v1 of the API has no thinking: think= is not sent")
    if "response_format" in options_v1:
        options_v1["response_format"] = options_v1["response_format"]["type"]
    if tools := options_v1.pop("tools", None):
        options_v1["functions"] = [tool["function"] for tool in tools]
    if first.role == "system":
        options_v1.setdefault("system", first.content)
        messages = messages[1:]
    for index, message in enumerate(messages):
        if (message.role == "assistant") != bool(index % 2) or message.role in {"system", "tool"}:
            expected_role = "assistant" if index % 2 else "user (or function)"
            raise InvalidArgumentError(
                f"messages: turn {index + 1} is {message.role!r}, v1 requires {expected_role} there: "
                "user and assistant take turns (须交替出现)"
            )
    return messages, options_v1
