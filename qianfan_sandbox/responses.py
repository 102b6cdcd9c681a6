"""Responses, their items and events: created by chat's model, kept with their conversation,
continued by their id.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from qfnb.wire import responses as wire
from qfnb.wire.base import JsonMapping, JsonObject
from qfnb.wire.chat import CHAT_V2, join_tool_calls

from .chat.conversion import set_options
from .http.call import (
    HANDLERS,
    Call,
    Refusal,
    Stream,
    emulates,
    fields_of,
    page_by_id,
    parse_record,
    v2_refusal,
)
from .state.store import random_id

Item = JsonObject
Event = JsonObject


class EventWriter:
    """Writes the events of one response, and keeps its items.

    Args:
        response: the response as it begins; it is completed while events are written.
    """

    def __init__(self, response: JsonObject) -> None:
        self.output = list[Item]()
        self.response = response
        self._number = 0
        self._text = ""
        self._deltas: list[JsonObject] = []

    def open(self) -> Iterator[Event]:
        """Yield the events before the first piece."""
        yield self._event("response.created", response=dict(self.response))
        yield self._event("response.in_progress", response=dict(self.response))

    def write(self, delta: JsonMapping) -> Iterator[Event]:
        """Yield the events of one piece of chat: its reasoning, text and tool calls."""
        if text := delta.get("reasoning_content"):
            yield from self._add_text("reasoning", text)
        if text := delta.get("content"):
            yield from self._add_text("message", text)
        self._deltas.append({"choices": [{"delta": delta}]})

    def close(self, piece: JsonMapping, reason: str | None) -> Iterator[Event]:
        """Yield the events after the last piece.

        Args:
            piece: chat's piece with the usage.
            reason: why the model stopped.
        """
        yield from self._end_item()
        for tool_call in join_tool_calls(self._deltas):
            yield from self._write_call(tool_call)
        if not self.output:
            yield from self._begin("message")
            yield from self._end_item()
        status = "completed"
        if reason in _INCOMPLETE:
            status = "incomplete"
            self.response["incomplete_details"] = {"reason": _INCOMPLETE[reason]}
        usage = to_usage(piece.get("usage"))
        self.response |= {"status": status, "output": self.output, "usage": usage}
        if "sandbox" in piece:
            self.response["sandbox"] = piece["sandbox"]
        yield self._event(f"response.{status}", response=self.response)

    def fail(self, refusal: Refusal) -> Event:
        """Return the last event of a response that failed in the middle."""
        error = refusal.body.get("error") or {}
        self.response |= {"status": "failed", "output": self.output}
        self.response["error"] = {"code": error.get("code"), "message": error.get("message")}
        return self._event("response.failed", response=self.response)

    def _event(self, type_: str, **fields: Any) -> Event:
        self._number += 1
        return {"_event": type_, "type": type_, "sequence_number": self._number - 1, **fields}

    def _item_event(self, type_: str, **fields: Any) -> Event:
        index = len(self.output) - 1
        return self._event(type_, item_id=self.output[index]["id"], output_index=index, **fields)

    def _begin(self, type_: str) -> Iterator[Event]:
        """Begin an item, unless it is the open one."""
        last = self.output[-1] if self.output else {}
        if last.get("type") == type_ and last["status"] == "in_progress":
            return
        yield from self._end_item()
        item = {"type": type_, "id": item_id(type_), "status": "in_progress", "content": []}
        if type_ == "message":
            yield self._add_item(item | {"role": "assistant"})
            part = {"type": "output_text", "text": "", "annotations": []}
            yield self._item_event("response.content_part.added", content_index=0, part=part)
        else:
            yield self._add_item(item | {"summary": []})

    def _add_item(self, item: Item) -> Event:
        self.output.append(item)
        index = len(self.output) - 1
        return self._event("response.output_item.added", output_index=index, item=dict(item))

    def _complete_item(self, **fields: Any) -> Event:
        item = self.output[-1] | {"status": "completed"} | fields
        self.output[-1] = item
        return self._event(
            "response.output_item.done", output_index=len(self.output) - 1, item=item
        )

    def _add_text(self, type_: str, text: str) -> Iterator[Event]:
        yield from self._begin(type_)
        self._text += text
        event = self._item_event(f"response.{_TEXTS[type_]}.delta", content_index=0, delta=text)
        if type_ == "message":
            event["logprobs"] = []
        yield event

    def _end_item(self) -> Iterator[Event]:
        """End the open item, if one is open."""
        if not self.output or self.output[-1]["status"] == "completed":
            return
        type_ = self.output[-1]["type"]
        content: Item = {"type": _TEXTS[type_], "text": self._text}
        event = self._item_event(f"response.{_TEXTS[type_]}.done", content_index=0, text=self._text)
        self._text = ""
        if type_ == "message":
            content["annotations"] = []
            yield event | {"logprobs": []}
            yield self._item_event("response.content_part.done", content_index=0, part=content)
        else:
            yield event
        yield self._complete_item(content=[content])

    def _write_call(self, tool_call: JsonMapping) -> Iterator[Event]:
        function = dict(tool_call["function"])
        arguments = function["arguments"]
        item = {
            "type": "function_call",
            "id": item_id("function_call"),
            "status": "in_progress",
            "call_id": tool_call["id"] or random_id("call_", 24),
            "name": function["name"],
            "arguments": "",
        }
        yield self._add_item(item)
        yield self._item_event("response.function_call_arguments.delta", delta=arguments)
        yield self._item_event("response.function_call_arguments.done", **function)
        yield self._complete_item(arguments=arguments)


async def write_events(
    writer: EventWriter, pieces: AsyncIterator[JsonObject], on_end: Callable[[], None]
) -> AsyncIterator[Event]:
    """Yield the events of a response.

    Args:
        writer: writes them.
        pieces: chat's stream.
        on_end: called when the response is complete, before its last event.
    """
    for event in writer.open():
        yield event
    last_piece: JsonObject = {}
    reason = None
    try:
        async for piece in pieces:
            choice: Event = next(iter(piece.get("choices") or ()), {})
            reason = choice.get("finish_reason") or reason
            last_piece |= {name: piece[name] for name in ("usage", "sandbox") if piece.get(name)}
            for event in writer.write(choice.get("delta") or {}):
                yield event
    except Refusal as refusal:
        yield writer.fail(refusal)
        return
    events = list(writer.close(last_piece, reason))
    on_end()
    for event in events:
        yield event


_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why a model stopped -> why a response is incomplete."""

_TEXTS = {"message": "output_text", "reasoning": "reasoning_text"}
"""The part of an item that has its text."""

_CHAT_OPTIONS = (
    "temperature", "top_p", "tool_choice", "parallel_tool_calls", "thinking", "enable_thinking",
    "thinking_budget",
)  # fmt: skip
"""The options that chat has, too."""

_ID_PREFIXES = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
}


def input_items(body: wire.CreateResponse) -> list[Item]:
    """Return the input of a request as items, each with an id and a type."""
    items = body.input
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    inputs = []
    for item in items:
        type_ = item.get("type") or "message"
        inputs.append({**item, "type": type_, "id": item.get("id") or item_id(type_)})
    return inputs


def item_id(type_: object) -> str:
    """Return a new id for an item."""
    return random_id(_ID_PREFIXES.get(str(type_), "item_"), 24)


def validate_outputs(call: Call, items: Sequence[Item], earlier: Sequence[Item]) -> None:
    """Refuse an output that does not stand right after its call, there or at the end of the earlier
    response.

    Args:
        call: the request.
        items: its input.
        earlier: the items of the conversation before it.
    """
    pending = {item.get("call_id") for item in earlier if item["type"] == "function_call"}
    pending -= {item.get("call_id") for item in earlier if item["type"] == "function_call_output"}
    before = None
    for index, item in enumerate(items):
        key = item.get("call_id")
        is_output = item["type"] == "function_call_output"
        if is_output and key not in pending | {before}:
            message = f"input[{index}]: the function_call_output does not follow its function_call"
            raise call.refusal(message, v2_code="invalid_messages")
        before = key if item["type"] == "function_call" else None


def to_chat_request(body: wire.CreateResponse, items: Sequence[Item]) -> JsonObject:
    """Return the request of chat for a conversation; what chat does not know is dropped."""
    extra = body.model_extra or {}
    request: JsonObject = {"model": body.model, "messages": _to_messages(items)}
    if body.instructions:
        request["messages"].insert(0, {"role": "system", "content": body.instructions})
    request |= set_options(extra, _CHAT_OPTIONS)
    if extra.get("max_output_tokens") is not None:
        request["max_completion_tokens"] = extra["max_output_tokens"]
    reasoning = extra.get("reasoning")
    if isinstance(reasoning, Mapping) and reasoning.get("effort"):
        request["reasoning_effort"] = reasoning["effort"]
    tools = []
    for tool in body.tools or ():
        if tool.get("type") == "function":
            function = {name: value for name, value in tool.items() if name != "type"}
            tools.append({"type": "function", "function": function})
    if tools:
        request["tools"] = tools
    if body.stream:
        request["stream"] = True
    return request


def to_usage(usage: JsonMapping | None) -> JsonObject | None:
    """Return chat's usage under the names of this API."""
    if not usage:
        return None
    return {
        **fields_of(usage, "total_tokens"),
        "input_tokens": usage["prompt_tokens"],
        "input_tokens_details": usage["prompt_tokens_details"],
        "output_tokens": usage["completion_tokens"],
        "output_tokens_details": usage["completion_tokens_details"],
    }


def _to_messages(items: Sequence[Item]) -> list[Item]:
    """Return the items as messages; calls that follow each other are one message."""
    messages: list[Item] = []
    for item in items:
        if item["type"] == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            tool_call = {"id": item.get("call_id"), "type": "function", "function": function}
            if not (messages and messages[-1].get("tool_calls")):
                messages.append({"role": "assistant", "content": "", "tool_calls": []})
            messages[-1]["tool_calls"].append(tool_call)
        elif item["type"] == "function_call_output":
            content = _to_content(item.get("output"))
            key = item.get("call_id")
            messages.append({"role": "tool", "tool_call_id": key, "content": content})
        elif item["type"] == "message":
            messages.append({"role": item.get("role"), "content": _to_content(item.get("content"))})
    return messages


def _to_content(content: Any) -> Any:
    """Return a message's content in chat's form: a text, or parts when there are pictures."""
    if not isinstance(content, list):
        return content
    parts = [_to_part(part) for part in content]
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _to_part(part: JsonMapping) -> Item:
    if part.get("type") == "input_image":
        return {"type": "image_url", "image_url": {"url": str(part.get("image_url") or "")}}
    return {"type": "text", "text": str(part.get("text") or "")}


KIND = "response"

DEFAULT_PAGE = 20
"""Items of a page without a limit."""


@emulates(wire.CREATE)
def create(call: Call, body: wire.CreateResponse) -> JsonObject | Stream:
    """Answer with chat's model; the answer is kept, unless `store` is false."""
    if call.is_strict and not wire.has_responses(body.model):
        message = f"The model {body.model!r} is not available for the Responses API"
        raise v2_refusal("invalid_model", message, status=400)
    items = input_items(body)
    earlier = _conversation(call, body.previous_response_id)
    validate_outputs(call, items, earlier)
    chat_call = replace(call, endpoint=CHAT_V2)
    answer = HANDLERS[CHAT_V2.name](
        chat_call, parse_record(chat_call, to_chat_request(body, [*earlier, *items]))
    )
    writer = EventWriter(_begin_response(call, body))

    def save() -> None:
        if body.store is not False:
            call.store.add(KIND, writer.response["id"], response=dict(writer.response), input=items)

    if isinstance(answer, Stream):
        return Stream(write_events(writer, answer.pieces, save))
    choice = answer["choices"][0]
    chat_message = dict(choice["message"])
    calls = enumerate(chat_message.get("tool_calls") or ())
    chat_message["tool_calls"] = [tool_call | {"index": index} for index, tool_call in calls]
    list(writer.write(chat_message))
    list(writer.close(answer, choice.get("finish_reason")))
    save()
    return writer.response


@emulates(wire.INFO)
def describe(call: Call, body: wire.ResponseRef) -> JsonObject:
    """Return a stored response."""
    return dict(call.find_in_path(KIND)["response"])


@emulates(wire.DELETE)
def delete(call: Call, body: wire.ResponseRef) -> JsonObject:
    """Delete a stored response."""
    id_ = str(call.find_in_path(KIND)["id"])
    call.store.remove(KIND, id_)
    return {"id": id_, "object": "response", "deleted": True}


@emulates(wire.INPUT_ITEMS)
def list_input_items(call: Call, body: wire.ListInputItems) -> JsonObject:
    """List the items of a response's input, the newest first."""
    call.validate_choice("order", body.order or "desc", ("asc", "desc"))
    if body.limit is not None:
        call.validate_range("limit", body.limit, 1, wire.MAX_ITEMS_LIMIT)
    rows = call.find_in_path(KIND)["input"]
    if body.order != "asc":
        rows = rows[::-1]
    if body.before:
        ids = [item["id"] for item in rows]
        rows = rows[: ids.index(body.before)] if body.before in ids else []
    return page_by_id(call, rows, body.after, body.limit or DEFAULT_PAGE)


def _conversation(call: Call, response_id: str | None) -> list[Item]:
    """Return the items before a request: the input and the output of each earlier response, the
    oldest first.
    """
    items: list[Item] = []
    while response_id:
        turn = call.find_v2(KIND, response_id)
        items = [*turn["input"], *turn["response"]["output"], *items]
        response_id = turn["response"]["previous_response_id"]
    return items


def _begin_response(call: Call, body: wire.CreateResponse) -> JsonObject:
    return {
        "id": random_id("resp_", 24),
        "object": "response",
        "created_at": int(call.world.clock.now()),
        "model": body.model,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "previous_response_id": body.previous_response_id,
        "output": [],
        "usage": None,
    }
