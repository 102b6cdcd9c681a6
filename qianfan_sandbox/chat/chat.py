"""Chat: the base model answers, or the tuned model behind an endpoint; or the answer is a function
to call.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from qfnb.base.text import count_tokens, has_chinese, is_chinese
from qfnb.wire import chat as wire, inference
from qfnb.wire.base import JsonMapping, JsonObject
from qfnb.wire.catalog import CatalogModel

from ..engines.builtin import engine
from ..engines.protocol import Conversation, EngineReply, content_text
from ..http.call import Call, Stream, emulates
from ..services import metered
from . import answers, conversion, images
from .conversion import FunctionOptions, parse_options, resolve_target, validate

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_PREPOSITION = re.compile(
    r"\b(?:of|in|for|at|near|about)\s+(?:the\s+)?(.+?)\s*(?=\b(?:today|tomorrow|tonight|now|please)\b|[,.?!;]|$)",
    re.IGNORECASE,
)

_POLITE_START = re.compile(r"^(?:请问|请|帮我|麻烦|查一下|查询|看看|今天|明天|现在)+")
_SUBJECT_END = re.compile(r"天气|气温|今天|明天|现在|怎么|如何|多少|[的，,。？?！! ]")

MIN_SIMILARITY = 0.12
"""The similarity (0-1) of a question to a description from which the function is called."""


@emulates(inference.PLUGIN_V1)
def answer_application(call: Call, body: inference.AppPluginRequest) -> JsonObject | Stream:
    """Answer `/plugin/<endpoint>/` with the base model; an application has no plugins here."""
    if not body.query.strip() or len(body.query) > inference.MAX_PLUGIN_QUERY_CHARS:
        raise call.refusal(f"query must have 1 to {inference.MAX_PLUGIN_QUERY_CHARS} characters")
    conversation = conversion.prompt_conversation(body.query, body.model_extra)
    return _answer_by_base_model(call, conversation, body.stream)


@emulates(inference.BUILTIN_PLUGIN_V1)
@emulates(inference.BUILTIN_PLUGIN_2_V1)
def answer_own_plugins(call: Call, body: inference.BuiltinPluginRequest) -> JsonObject | Stream:
    """Answer `/erniebot/plugins` with the base model; the platform's own plugins are not here."""
    conversion.validate_messages(call, body.messages)
    conversation = Conversation([message.to_wire() for message in body.messages])
    return _answer_by_base_model(call, conversation, body.stream)


def _answer_by_base_model(
    call: Call, conversation: Conversation, stream: bool
) -> JsonObject | Stream:
    reply = engine.answer(engine.base_model(), conversation)
    return answers.v1_answer(call, reply, conversation.question, stream)


def choose_function(
    functions: Sequence[JsonMapping], question: str, *, must_call: bool = False
) -> tuple[str, str] | None:
    """Return the name and the arguments (JSON) of the function that fits a question best, None when
    none does.

    Args:
        functions: with name, description and parameters.
        question: the user's last message.
        must_call: whether the best one is called even if it fits badly.
    """
    from ..engines.builtin.features import relevance  # noqa: PLC0415 - numpy

    if not functions:
        return None
    descriptions = []
    for function in functions:
        descriptions.append(f"{function.get('name', '')} {function.get('description', '')}")
    scores = relevance(question, descriptions)
    score = max(scores)
    best = functions[scores.index(score)]
    if score < MIN_SIMILARITY and not must_call:
        return None
    properties = (best.get("parameters") or {}).get("properties") or {}
    arguments = _extract_arguments(properties, question)
    return str(best.get("name", "")), json.dumps(arguments, ensure_ascii=False)


def _extract_arguments(properties: JsonMapping, question: str) -> JsonObject:
    numbers = iter(_NUMBER.findall(question))
    arguments: JsonObject = {}
    for name, schema in properties.items():
        kind = schema.get("type")
        choices = schema.get("enum")
        if choices:
            mentioned = [choice for choice in choices if str(choice) in question]
            arguments[name] = (mentioned or choices)[0]
        elif kind in {"number", "integer"}:
            if (number := next(numbers, None)) is not None:
                arguments[name] = float(number) if kind == "number" else int(float(number))
        else:
            arguments[name] = _subject(question)
    return arguments


def _subject(question: str) -> str:
    """Return the subject of a question to a function: its quotation, what stands behind an English
    preposition, or what is left without the usual words.
    """
    quotation = re.search(r"[“\"'「](.+?)[”\"'」]", question)
    if quotation:
        return quotation.group(1)
    if not has_chinese(question):
        match = _PREPOSITION.search(question)
        return match[1] if match else question
    stripped = _POLITE_START.sub("", question.strip())
    return _SUBJECT_END.split(stripped)[0] or question


@emulates(wire.CHAT_V1)
@metered
def chat_v1(call: Call, body: wire.ChatRequest) -> JsonObject | Stream:
    """Answer `/chat/<endpoint>` as v2 would, with the refusals that v1 has besides."""
    if any(message.role == "system" for message in body.messages):
        raise call.refusal("invalid role in message: system is an option of its own here")
    conversion.validate_messages(call, body.messages)
    if not len(body.messages) % 2:
        raise call.refusal("the length of messages must be an odd number")
    validate(call, FunctionOptions, body.model_extra or {})
    request = conversion.to_v2_request(body, call.path["model"])
    return conversion.to_v1_answer(call, answer_chat(call, request))


@emulates(wire.CHAT_V2)
@metered
def chat_v2(call: Call, body: wire.ChatRequestV2) -> JsonObject | Stream:
    """Answer `/v2/chat/completions`."""
    return answer_chat(call, body)


def answer_chat(call: Call, body: wire.ChatRequestV2) -> JsonObject | Stream:
    """Return the answer to a conversation, in v2's form; refusals are those of the call's
    version.
    """
    conversion.validate_messages(call, body.messages)
    model, row = resolve_target(call, body.model)
    options = parse_options(call, body, row)
    conversation = conversion.conversation_v2(body)
    _validate_length(call, row, conversation)
    images.validate_pictures(call, body.messages)
    reply = _sandbox_reply(call, body) or engine.answer(model, conversation)
    reply = answers.finish_reply(call, reply, model, conversation, options)
    return answers.build_answer(call, body, conversation, reply, options)


def _validate_length(call: Call, row: CatalogModel | None, conversation: Conversation) -> None:
    """Refuse more characters, or more tokens, than the model accepts; tokens are counted as the
    usage counts them.
    """
    if row is None:
        return
    texts = conversation.texts
    if row.max_chars and sum(map(len, texts)) > row.max_chars:
        message = f"the max input characters is {row.max_chars}"
        raise call.refusal(message, code=336007, v2_code="characters_too_long")
    max_tokens = row.max_input or row.context
    if max_tokens and (count := sum(map(count_tokens, texts))) > max_tokens:
        message = f"the max input tokens is {max_tokens}, these are {count}"
        raise call.refusal(message, v2_code="tokens_too_long")


def _offered_functions(call: Call, body: wire.ChatRequest) -> tuple[Sequence[JsonMapping], bool]:
    """Return the functions that the model may call, and whether it must call one of them."""
    extra = body.model_extra or {}
    functions = [tool["function"] for tool in extra.get("tools") or ()]
    choice = extra.get("tool_choice")
    if choice == "none":
        return (), False
    if isinstance(choice, Mapping):
        name = (choice.get("function") or choice)["name"]
        functions = [function for function in functions if function["name"] == name]
        if not functions:
            raise call.refusal(f"tool_choice: {name} is not one of the tools")
    return functions, choice == "required" or isinstance(choice, Mapping)


def _sandbox_reply(call: Call, body: wire.ChatRequest) -> EngineReply | None:
    """Return the sandbox's own reply to functions, their results and pictures, which the model
    cannot use.
    """
    last_message = body.messages[-1]
    if last_message.role in {"function", "tool"}:
        return conversion.tool_reply(_repeat_result(body.messages), kind="tool result")
    functions, must_call = _offered_functions(call, body)
    question = content_text(last_message.content)
    if match := choose_function(functions, question, must_call=must_call):
        name, arguments = match
        tool_call = {"function": {"name": name, "arguments": arguments}}
        reply = conversion.tool_reply("", kind=f"function {name}")
        return replace(reply, reason="tool_calls", extra={"tool_calls": [tool_call]})
    description = images.describe_content(call.world, last_message.content)
    if description:
        return conversion.tool_reply(description, kind="picture")
    return None


def _repeat_result(messages: Sequence[wire.Message]) -> str:
    """Return the result of a tool, which is the last message, in the language of the question."""
    question = ""
    for message in messages:
        if message.role == "user":
            question = content_text(message.content)
    result = content_text(messages[-1].content)
    if is_chinese(question):
        return f"工具的结果是：{result}"
    return f"The tool's result: {result}"
