"""Chat: the base model answers, or the tuned model behind an endpoint; or the answer is a function
to call.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from qfnb.base.text import count_tokens, is_chinese
from qfnb.wire import chat as wire
from qfnb.wire.base import JsonMapping, JsonObject
from qfnb.wire.catalog import CatalogModel

from ..engines.protocol import ChatModel, Conversation, EngineReply, StreamingModel, content_text
from ..http.call import Call, Stream, emulates
from ..services import metered
from . import answers, conversion, images, plugins
from .options import FunctionOptions, parse_options, validate
from .served_models import resolve_target


@emulates(wire.CHAT_V1)
@metered
async def chat_v1(call: Call, body: wire.ChatRequest) -> JsonObject | Stream:
    """Answer `/chat/<endpoint>` as v2 would, with the refusals that v1 has besides."""
    if any(message.role == "system" for message in body.messages):
        raise call.refusal("invalid role in message: system is an option of its own here")
    conversion.validate_messages(call, body.messages)
    if not len(body.messages) % 2:
        raise call.refusal("the length of messages must be an odd number")
    validate(call, FunctionOptions, body.model_extra or {})
    request = conversion.to_v2_request(body, call.path["model"])
    return conversion.to_v1_answer(call, await answer_chat(call, request))


@emulates(wire.CHAT_V2)
@metered
async def chat_v2(call: Call, body: wire.ChatRequestV2) -> JsonObject | Stream:
    """Answer `/v2/chat/completions`."""
    return await answer_chat(call, body)


async def answer_chat(call: Call, body: wire.ChatRequestV2) -> JsonObject | Stream:
    """Return the answer to a conversation, in v2's form; refusals are those of the call's
    version.
    """
    conversion.validate_messages(call, body.messages)
    model, row = resolve_target(call, body.model)
    options = parse_options(call, body, row)
    conversation = conversion.conversation_v2(body)
    _validate_chars(call, row, body.messages)
    _validate_tokens(call, row, conversation)
    images.validate_pictures(call, body.messages)
    sandbox_reply = _sandbox_reply(call, model, body)
    writes_format = options.json_format == "text" or "tools" in model.abilities
    if (
        sandbox_reply is None
        and body.stream
        and writes_format
        and isinstance(model, StreamingModel)
    ):
        pieces = await conversion.start_stream(call, model, conversation)
        return answers.stream_pieces(call, body, conversation, pieces, options)
    reply = sandbox_reply or await conversion.ask_model(call, model, conversation)
    reply = answers.finish_reply(call, reply, model, conversation, options)
    return answers.build_answer(call, body, conversation, reply, options)


def _validate_chars(call: Call, row: CatalogModel | None, messages: Sequence[wire.Message]) -> None:
    """Refuse more characters than the model accepts."""
    if not row:
        max_chars = None
    else:
        max_chars = row.max_chars
    if max_chars and sum(len(content_text(message.content)) for message in messages) > max_chars:
        message = f"the max input characters is {max_chars}"
        raise call.refusal(message, code=336007, v2_code="characters_too_long")


def _validate_tokens(call: Call, row: CatalogModel | None, conversation: Conversation) -> None:
    """Refuse more tokens than the model accepts; they are counted as the usage counts them."""
    if not row:
        max_tokens = None
    else:
        max_tokens = row.max_input or row.context
    if max_tokens and (count := sum(map(count_tokens, conversation.texts))) > max_tokens:
        raise call.refusal(
            f"the max input tokens is {max_tokens}, these are {count}", v2_code="tokens_too_long"
        )


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


def _sandbox_reply(call: Call, model: ChatModel, body: wire.ChatRequest) -> EngineReply | None:
    """Return the sandbox's own reply to functions, their results and pictures, if the model cannot
    use them.
    """
    if "tools" in model.abilities:
        return None
    last_message = body.messages[-1]
    if last_message.role in {"function", "tool"}:
        return conversion.tool_reply(_repeat_result(body.messages), kind="tool result")
    functions, must_call = _offered_functions(call, body)
    if match := plugins.choose_function(
        functions, content_text(last_message.content), must_call=must_call
    ):
        tool_call = {"function": {"name": match[0], "arguments": match[1]}}
        reply = conversion.tool_reply("", kind=f"function {match[0]}")
        return replace(reply, reason="tool_calls", extra={"tool_calls": [tool_call]})
    description = images.describe_content(call.world, last_message.content)
    if description:
        return conversion.tool_reply(description, kind="picture")
    return None


def _repeat_result(messages: Sequence[wire.Message]) -> str:
    """Return the result of a tool, which is the last message, in the language of the question."""
    questions = [content_text(message.content) for message in messages if message.role == "user"]
    result = content_text(messages[-1].content)
    if is_chinese(questions[-1] if questions else ""):
        return f"工具的结果是：{result}"
    return f"The tool's result: {result}"
