"""Answers of v2: a reply with its thinking, in the form and the length that were asked for, whole
or in pieces.
"""

from __future__ import annotations

import asyncio
import json
import os.path
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qfnb.base.language import tr
from qfnb.base.text import count_tokens, cut_to_tokens
from qfnb.wire import catalog
from qfnb.wire.base import JsonObject
from qfnb.wire.chat import ChatRequestV2
from qfnb.wire.prices import china_hour

from ..engines.builtin import engine
from ..engines.protocol import Conversation, EngineReply
from ..http.call import Call, Stream
from . import conversion
from .conversion import PIECE_CHARS, PIECE_SECONDS, GenerationOptions

if TYPE_CHECKING:
    from ..engines.builtin.model import LanguageModel

BLOCK_CHARS = 128
MIN_CACHED_TOKENS = 64
CACHE_SECONDS = 600.0
"""A cached prefix is whole blocks of characters and has at least these tokens."""

REASONING_PIECE_CHARS = 16  # of a stream, where the answer has `PIECE_CHARS`

_ALTERNATIVES = {"high": 2, "max": 8}
"""How many candidates an account of thinking names, by effort."""


def finish_reply(
    call: Call,
    reply: EngineReply,
    model: LanguageModel,
    conversation: Conversation,
    options: GenerationOptions,
) -> EngineReply:
    """Return a reply with thinking, form and limits as the options say.

    Args:
        call: the call.
        reply: what the model, or a rule of the sandbox, has answered.
        model: the model.
        conversation: what was answered.
        options: of the request.

    Raises:
        Refusal: the schema cannot be filled.
    """
    reasoning = ""
    if options.thinks:
        reasoning = _explain(reply, model, conversation, options)
    if not reply.extra:
        reply = _cut_at_stop(_to_format(call, reply, conversation, options), conversation)
    return _limit(reply, reasoning, options)


def build_answer(
    call: Call,
    body: ChatRequestV2,
    conversation: Conversation,
    reply: EngineReply,
    options: GenerationOptions,
) -> JsonObject | Stream:
    """Return a reply in v2's shape, whole or in pieces.

    Args:
        call: the call.
        body: the request.
        conversation: what was answered.
        reply: the finished reply.
        options: of the request.
    """
    if body.stream:
        return Stream(_stream_events(call, body, conversation, reply, options), done="[DONE]")
    message = {"role": "assistant", "content": reply.text, **reply.extra}
    if "tool_calls" in message:
        message["tool_calls"] = _identify(call, message["tool_calls"])
    choice = {"index": 0, "message": message, "finish_reason": reply.reason, "flag": 0}
    answer = _head(call, body, "chat.completion") | {"choices": [choice]}
    return _with_usage(call, body, conversation, reply, answer)


def v1_answer(
    call: Call, reply: EngineReply, prompt: str, stream: bool, kind: str = "chat.completion"
) -> JsonObject | Stream:
    """Return a reply to one prompt in v1's shape, whole or in pieces."""
    messages = [{"role": "user", "content": prompt}]
    body = {"model": "", "messages": messages, "stream": stream}
    request = ChatRequestV2.model_validate(body)
    answer = build_answer(call, request, Conversation(messages), reply, GenerationOptions())
    return conversion.to_v1_answer(call, answer, kind=kind)


async def _stream_events(
    call: Call,
    body: ChatRequestV2,
    conversation: Conversation,
    reply: EngineReply,
    options: GenerationOptions,
) -> AsyncIterator[JsonObject]:
    """Yield a whole reply as deltas, the thinking first, then what ends it."""
    head = _head(call, body, "chat.completion.chunk")
    reasoning = str(reply.extra.get("reasoning_content", ""))
    for name, text, size in (
        ("reasoning_content", reasoning, REASONING_PIECE_CHARS),
        ("content", reply.text, PIECE_CHARS),
    ):
        for start in range(0, len(text), size):
            delta = {"role": "assistant", "content": "", name: text[start : start + size]}
            choice = {"index": 0, "delta": delta, "finish_reason": None, "flag": 0}
            yield {**head, "choices": [choice]}
            await asyncio.sleep(PIECE_SECONDS)
    last: JsonObject = {"content": ""}
    if calls := _identify(call, reply.extra.get("tool_calls", [])):
        last["tool_calls"] = [{"index": index, **row} for index, row in enumerate(calls)]
    choice = {"index": 0, "delta": last, "finish_reason": reply.reason, "flag": 0}
    event = _with_usage(call, body, conversation, reply, head | {"choices": [choice]})
    if not options.sends_usage:
        event["_unsent"] = ["usage"]
    yield event


def wrap_as_json(reply: EngineReply) -> EngineReply:
    """Return a reply as a JSON object; its text is the field `answer`, unless it is an object
    itself.
    """
    try:
        if isinstance(json.loads(reply.text), dict):
            return reply
    except (ValueError, RecursionError):
        pass
    return replace(
        reply, text=json.dumps({"answer": reply.text}, ensure_ascii=False), confidence=1.0
    )


def _explain(
    reply: EngineReply, model: LanguageModel, conversation: Conversation, options: GenerationOptions
) -> str:
    """Return how a reply came about."""
    if reply.kind.partition(" ")[0] in {"function", "tool", "picture"}:
        return tr("A rule of the sandbox answers here, not a model: {kind}.", kind=reply.kind)
    text = engine.explain(model, conversation.question, reply, _ALTERNATIVES[options.effort])
    if options.budget is None:
        return text
    return cut_to_tokens(text, options.budget)


def _to_format(
    call: Call, reply: EngineReply, conversation: Conversation, options: GenerationOptions
) -> EngineReply:
    """Return a reply as JSON, if that was asked for, by option or in words, and the model did not
    write it.
    """
    is_option = options.json_format == "json_schema"
    if is_option:
        schema = options.schema
    else:
        schema = _schema_in_words(conversation)
    if schema is not None:
        from .structured import SchemaError, fill_schema  # noqa: PLC0415 - jsonschema takes 50 ms

        try:
            value = fill_schema(schema, conversation.question, reply.text)
        except SchemaError as error:
            if is_option:
                raise call.refusal(f"response_format.json_schema: {error}") from None
        else:
            return replace(reply, text=json.dumps(value, ensure_ascii=False))
    if options.json_format == "text":
        return reply
    return wrap_as_json(reply)


def _schema_in_words(conversation: Conversation) -> Any:
    """Return the JSON Schema behind the words "JSON Schema:" in the system message, None without
    one: a model follows it as an instruction.
    """
    _, marker, text = conversation.texts[0].rpartition("JSON Schema:")
    if conversation.messages[0]["role"] != "system" or not marker:
        return None
    try:
        schema, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except ValueError:
        return None
    return schema if isinstance(schema, dict) else None


def _cut_at_stop(reply: EngineReply, conversation: Conversation) -> EngineReply:
    stops = conversation.options.get("stop") or []
    if isinstance(stops, str):
        stops = [stops]
    text = reply.text
    for stop in stops:
        text = text.partition(stop)[0]
    return replace(reply, text=text)


def _limit(reply: EngineReply, reasoning: str, options: GenerationOptions) -> EngineReply:
    """Return a reply with its thinking, cut to the limits; without content, if the thinking has
    used them up.
    """
    limit = options.max_answer_tokens
    extra = dict(reply.extra)
    text = reply.text
    if options.max_total_tokens is not None:
        thinking = cut_to_tokens(reasoning, options.max_total_tokens)
        limit = options.max_total_tokens - count_tokens(thinking)
        if thinking != reasoning:
            limit = -1
        reasoning = thinking
    if limit is not None:
        text = cut_to_tokens(text, limit) if limit >= 0 else ""
    if reasoning:
        extra["reasoning_content"] = reasoning
    reason = reply.reason
    if text != reply.text:
        reason = "length"
    return replace(reply, text=text, reason=reason, extra=extra)


def _identify(call: Call, tool_calls: list[JsonObject]) -> list[JsonObject]:
    """Return the calls with an id, where the engine has not given one."""
    calls = []
    for index, row in enumerate(tool_calls):
        id_ = f"call_{call.id[3:]}{index or ''}"
        calls.append({"id": id_, "type": "function", **row})
    return calls


def _with_usage(
    call: Call,
    body: ChatRequestV2,
    conversation: Conversation,
    reply: EngineReply,
    answer: JsonObject,
) -> JsonObject:
    """Return an answer with its tokens, as `count_tokens` counts them, and the field `sandbox`.

    Thinking is part of the completion. The field has what the reply would cost on the platform now;
    the sandbox bills nothing.
    """
    reasoning = count_tokens(str(reply.extra.get("reasoning_content", "")))
    usage: JsonObject = dict(conversion.count_usage(conversation.texts, reply.text))
    usage["completion_tokens"] += reasoning
    usage["total_tokens"] += reasoning
    cached = min(_cached_tokens(call, body, conversation), usage["prompt_tokens"])
    usage["prompt_tokens_details"] = {"cached_tokens": cached}
    usage["completion_tokens_details"] = {"reasoning_tokens": reasoning}
    mark = conversion.sandbox_mark(reply)
    cost = catalog.reply_cost(
        body.model,
        usage["prompt_tokens"],
        usage["completion_tokens"],
        cached_tokens=cached,
        hour=china_hour(answer["created"]),
    )
    if cost:
        mark["list_price"] = {"low": cost.low, "high": cost.high, "unit": "CNY", "billed": 0}
    return answer | {"usage": usage, "sandbox": mark}


def _head(call: Call, body: ChatRequestV2, kind: str) -> JsonObject:
    head = call.head(kind) | {"model": body.model}
    search = (body.model_extra or {}).get("web_search")
    if search and search.get("enable"):
        title = tr("(local sandbox) there is no web search")
        head["search_results"] = [{"index": 1, "url": "https://example.com/", "title": title}]
    return head


def _cached_tokens(call: Call, body: ChatRequestV2, conversation: Conversation) -> int:
    """Return how many tokens the prompt begins with that the model read in the last minutes."""
    turns = []
    for message, text in zip(conversation.messages, conversation.texts, strict=True):
        turns.append(f"{message.get('role')}: {text}")
    prompt = "\n".join(turns)
    now = call.world.clock.now()
    prompts = call.world.recent_prompts
    shared = 0
    for model, text, at in prompts:
        if model == body.model and now - at < CACHE_SECONDS:
            start = os.path.commonprefix([text, prompt])  # noqa: RUF071 - texts, not paths
            shared = max(shared, len(start))
    prompts.append((body.model, prompt, now))
    tokens = count_tokens(prompt[: shared - shared % BLOCK_CHARS])
    if tokens < MIN_CACHED_TOKENS:
        return 0
    return tokens
