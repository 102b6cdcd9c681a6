"""Chat, answered by the base model or by a tuned one behind its endpoint, or with a function to call."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..wire import catalog
from ..wire import chat as wire
from . import seeing, tools
from .routing import Call, Stream, emulates, refuse, refuse_call

if TYPE_CHECKING:
    from .engine import Model, Reply

PIECE, PACE = 4, 0.025
"""Characters of a piece of a stream, and seconds between two pieces."""

_RANGES = {"temperature": (0.0, 1.0), "top_p": (0.0, 1.0), "penalty_score": (1.0, 2.0)}
_WORDS = re.compile(r"[A-Za-z0-9_]+|[^\sA-Za-z0-9_]")


@emulates(wire.CHAT_V1)
def chat_v1(call: Call, body: wire.ChatRequest) -> dict[str, Any] | Stream:
    """Answer `/chat/<endpoint>`."""
    check_options(call, body.model_extra or {})
    check_talk(call, body.messages)
    _check_length(call, call.path["model"], body.messages)
    if any(message.role == "system" for message in body.messages):
        raise refuse_call(call, "invalid role in message: system is an option of its own here")
    if not len(body.messages) % 2:
        raise refuse_call(call, "the length of messages must be an odd number")
    model = model_at(call, call.path["model"])
    asked = [text_of(message.content) for message in body.messages]
    if found := _wanted((body.model_extra or {}).get("functions"), body.messages):
        name, arguments = found
        reply = reply_of("", kind=f"function {name}")
        more = {"function_call": {"name": name, "arguments": arguments}, "finish_reason": "function_call"}
        return answer_v1(call, reply, asked, body.stream, more=more)
    return answer_v1(call, _answer(model, body), asked, body.stream)


@emulates(wire.CHAT_V2)
def chat_v2(call: Call, body: wire.ChatRequestV2) -> dict[str, Any] | Stream:
    """Answer `/v2/chat/completions`."""
    extra = body.model_extra or {}
    check_options(call, extra)
    check_talk(call, body.messages)
    _check_length(call, body.model, body.messages)
    model = model_at(call, body.model)
    offered = [
        tool.get("function") or {} for tool in extra.get("tools") or () if tool.get("type") == "function"
    ]
    message: dict[str, Any] = {"role": "assistant"}
    if found := _wanted(offered, body.messages):
        function = {"name": found[0], "arguments": found[1]}
        calls = [{"id": f"call_{call.id[3:]}", "type": "function", "function": function}]
        reply, reason = reply_of("", kind=f"function {found[0]}"), "tool_calls"
        message |= {"content": "", "tool_calls": calls}
    else:
        reply, reason = _answer(model, body), "stop"
        message["content"] = reply.text
    usage = usage_of([text_of(m.content) for m in body.messages], reply.text)
    head = {"id": call.id, "created": int(time.time()), "model": body.model, "sandbox": mark_of(reply)}
    if not body.stream:
        choice = {"index": 0, "message": message, "finish_reason": reason, "flag": 0}
        return {**head, "object": "chat.completion", "choices": [choice], "usage": usage}
    chunk = {**head, "object": "chat.completion.chunk"}
    return Stream(_pieces_v2(message, chunk, usage, reason), done="[DONE]")


def count_tokens(text: str) -> int:
    """Count tokens the sandbox's way: a word or number is one, any other visible character is one."""
    return len(_WORDS.findall(text))


def model_at(call: Call, name: str) -> Model:
    """Return the model behind an endpoint or a preset model's name, or refuse."""
    service = call.world.service_at(name)
    if service is not None:
        return call.world.tuned(service["task"])
    v1, row = call.endpoint.plane == "v1", catalog.find("chat", name)
    if row is not None and (row.v1 or not v1):
        return call.world.base()
    if v1:
        raise refuse("v1", 3, "Unsupported openapi method")
    raise refuse(
        "v2", 0, f"No permission to use the model {name!r}: the sandbox has no such model or service",
        word="invalid_model", status=401,
    )  # fmt: skip


def check_options(call: Call, extra: Mapping[str, Any]) -> None:
    """Refuse an option that is out of its range."""
    for name, (low, high) in _RANGES.items():
        value = extra.get(name)
        if value is None:
            continue
        fits = (
            isinstance(value, (int, float)) and low <= value <= high and (name != "temperature" or value > 0)
        )
        if not fits:
            raise refuse_call(call, f"{name} must be in [{low}, {high}], it is {value!r}")


def check_talk(call: Call, messages: Sequence[wire.Message]) -> None:
    """Refuse a conversation that does not end with something to answer."""
    talk = [message for message in messages if message.role != "system"]
    if not talk or talk[-1].role not in {"user", "function", "tool"}:
        raise refuse_call(call, "the role of the last message must be user", word="invalid_messages")


def _check_length(call: Call, name: str, messages: Sequence[wire.Message]) -> None:
    """Refuse more characters than a model takes."""
    row = catalog.find("chat", name)
    most = row.chars if row else None
    if most and sum(len(text_of(message.content)) for message in messages) > most:
        if call.endpoint.plane == "v1":
            raise refuse("v1", 336007, f"the max input characters is {most}")
        raise refuse_call(call, f"the max input characters is {most}", word="characters_too_long")


def answer_v1(
    call: Call,
    reply: Reply,
    asked: Sequence[str],
    stream: bool,
    *,
    kind: str = "chat.completion",
    more: Mapping[str, Any] | None = None,
) -> dict[str, Any] | Stream:
    """Return a reply in v1's shape, whole or in pieces; `more` goes into the whole and into every piece."""
    usage = usage_of(asked, reply.text)
    head = {"id": call.id, "object": kind, "created": int(time.time())}
    tail = {"need_clear_history": False, "finish_reason": "normal", "usage": usage, "sandbox": mark_of(reply)}
    tail |= more or {}
    if not stream:
        return {**head, "result": reply.text, "is_truncated": False, **tail}
    return Stream(_pieces_v1(reply.text, head, tail))


def reply_of(text: str, kind: str) -> Reply:
    """Return a reply that a tool made, not a model."""
    from .engine import Reply  # noqa: PLC0415 - numpy

    return Reply(kind, 1.0, text)


def text_of(content: str | list[dict[str, Any]] | None) -> str:
    """Return the text of a turn."""
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if part.get("type") == "text")
    return (content or "").strip()


def mark_of(reply: Reply) -> dict[str, Any]:
    """Return what every reply says about who wrote it."""
    return {
        "engine": "qfnb local model, not ERNIE",
        "kind": reply.kind,
        "confidence": round(reply.confidence, 3),
    }


def usage_of(asked: Sequence[str], answer: str) -> dict[str, int]:
    """Return the tokens of a call."""
    prompt, completion = sum(map(count_tokens, asked)), count_tokens(answer)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _answer(model: Model, body: wire.ChatRequest) -> Reply:
    extra, last = body.model_extra or {}, body.messages[-1]
    if last.role in {"function", "tool"}:
        return reply_of(f"工具的结果是：{text_of(last.content)}", kind="tool result")
    if seen := seeing.describe(last.content):
        return reply_of(seen, kind="picture")
    temperature = float(extra.get("temperature") or 0.0) if "seed" in extra else 0.0
    reply = model.reply(text_of(last.content), temperature=temperature, seed=int(extra.get("seed") or 0))
    return _as_json(reply) if _wants_json(extra.get("response_format")) else reply


def _wanted(functions: Any, messages: Sequence[wire.Message]) -> tuple[str, str] | None:
    last = messages[-1]
    if not functions or last.role != "user":
        return None
    return tools.wanted(functions, text_of(last.content))


def _wants_json(wanted: Any) -> bool:
    name = wanted.get("type") if isinstance(wanted, Mapping) else wanted
    return name in {"json_object", "json_schema"}


def _as_json(reply: Reply) -> Reply:
    """Wrap an answer that is no JSON object into one."""
    try:
        if isinstance(json.loads(reply.text), dict):
            return reply
    except ValueError:
        pass
    return reply_of(json.dumps({"answer": reply.text}, ensure_ascii=False), kind=reply.kind)


async def _pieces_v1(text: str, head: dict[str, Any], tail: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
    parts = [text[i : i + PIECE] for i in range(0, len(text), PIECE)] or [""]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        yield {**head, "sentence_id": number, "is_end": last, "is_truncated": False, "result": part, **tail}
        await asyncio.sleep(PACE)


async def _pieces_v2(
    message: dict[str, Any], head: dict[str, Any], usage: dict[str, int], reason: str
) -> AsyncIterator[dict[str, Any]]:
    text, wanted = message["content"], message.get("tool_calls") or ()
    for start in range(0, len(text), PIECE):
        delta = {"role": "assistant", "content": text[start : start + PIECE]}
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None, "flag": 0}]}
        await asyncio.sleep(PACE)
    calls = [{"index": index, **call} for index, call in enumerate(wanted)]
    last = {"content": "", "tool_calls": calls} if calls else {"content": ""}
    end = {"index": 0, "delta": last, "finish_reason": reason, "flag": 0}
    yield {**head, "choices": [end], "usage": usage}
