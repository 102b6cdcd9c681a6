"""The request of a conversation: options validated, and put as an API version and a model take them."""

from collections.abc import Mapping
from typing import Any

from ...errors import InvalidArgumentError
from ...wire import catalog, chat as wire
from .arguments import validate_options
from .inference_model import InferenceRequest
from .response_format import parse_response_format


def validate_chat_options(options_: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not None; `response_format` becomes a `ResponseFormat`.

    Raises:
        InvalidArgumentError: names the option, its value and what is allowed.
    """
    options = validate_options(options_)
    if "response_format" in options:
        options["response_format"] = parse_response_format(options["response_format"])
    return options


def with_instruction(
    messages: list[wire.Message], options: Mapping[str, Any], instruction: str
) -> tuple[list[wire.Message], dict[str, Any]]:
    """Return conversation and options with an instruction at the end of the persona.

    Args:
        messages: the validated conversation.
        options: the validated options; "system" is the persona.
        instruction: a text, "" for none.
    """
    first = messages[0]
    if not instruction:
        return messages, dict(options)
    if first.role == "system" and "system" not in options and isinstance(first.content, str):
        changed = first.model_copy(update={"content": f"{first.content}\n\n{instruction}"})
        return [changed, *messages[1:]], dict(options)
    system = "\n\n".join(filter(None, [options.get("system"), instruction]))
    return messages, {**options, "system": system}


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
    name = model or catalog.DEFAULT_CHAT
    if options.get("response_format") is not None:
        response_format = parse_response_format(options["response_format"])
        listed = None if endpoint or not translate_names else catalog.find_model("chat", name)
        takes_schema = bool(listed and listed.json_schema) if translate_names else True  # it is OpenAI's
        option = response_format.to_option(takes_schema=takes_schema and version == 2)
        messages, options = with_instruction(messages, options, response_format.instruction(option))
        options = {name: value for name, value in options.items() if name != "response_format"}
        options |= {} if option is None else {"response_format": option}
    if version == 1:
        messages, options = to_v1(messages, options)
        record = wire.ChatRequest(messages=messages, stream=stream, **options)
        return InferenceRequest(wire.CHAT_V1, record, endpoint or catalog.path_segment("chat", name))
    fields = {key: value for key, value in options.items() if key != "system"}
    if system := options.get("system"):
        messages = [wire.Message(role="system", content=system), *messages]
    model_id = endpoint or (catalog.v2_id("chat", name) if translate_names else name)
    record = wire.ChatRequestV2(messages=messages, stream=stream, model=model_id, **fields)
    return InferenceRequest(wire.CHAT_V2, record, model_id)


def to_v1(messages: list[wire.Message], options_: Mapping[str, Any]) -> tuple[list[wire.Message], dict[str, Any]]:
    """Return conversation and options as v1 takes them: the persona is an option, roles alternate.

    Raises:
        InvalidArgumentError: a turn has a role that v1 does not accept there.
    """
    options_v1, first = dict(options_), messages[0]
    if "response_format" in options_v1:
        options_v1["response_format"] = options_v1["response_format"]["type"]
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
