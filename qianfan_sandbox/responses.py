"""Responses, their items and events: created by chat's model, kept with their conversation,
continued by their id.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from qfnb.wire import responses as wire
from qfnb.wire.base import JsonObject
from qfnb.wire.chat import CHAT_V2

from .http.call import HANDLERS, Call, Refusal, Stream, emulates, parse_record, v2_refusal
from .state.store import Document, random_id

Item = dict[str, Any]
Event = dict[str, Any]


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
        self._tool_calls: dict[int, JsonObject] = {}

    def open(self) -> Iterator[Event]:
        """Yield the events before the first piece."""
        yield self._event("response.created", response=dict(self.response))
        yield self._event("response.in_progress", response=dict(self.response))

    def write(self, delta: Mapping[str, Any]) -> Iterator[Event]:
        """Yield the events of one piece of chat: its reasoning, text and tool calls."""
        if text := delta.get("reasoning_content"):
            yield from self._begin("reasoning", reasoning_item)
            yield from self._add_text("response.reasoning_text.delta", text)
        if text := delta.get("content"):
            yield from self._begin("message", message_item)
            yield from self._add_text("response.output_text.delta", text)
        for tool_call in delta.get("tool_calls") or ():
            self._add_tool_call(tool_call)

    def close(self, piece: Mapping[str, Any], reason: str | None) -> Iterator[Event]:
        """Yield the events after the last piece.

        Args:
            piece: chat's piece with the usage.
            reason: why the model stopped.
        """
        yield from self._end_item()
        for _, tool_call in sorted(self._tool_calls.items()):
            yield from self._write_call(tool_call)
        if not self.output:
            yield from self._begin("message", message_item)
            yield from self._end_item()
        if reason in {"length", "content_filter"}:
            status = "incomplete"
        else:
            status = "completed"
        self.response |= {
            "status": status,
            "output": self.output,
            "usage": to_usage(piece.get("usage")),
        }
        self.response |= {"sandbox": piece["sandbox"]} if "sandbox" in piece else {}
        self.response["incomplete_details"] = incomplete_details(reason)
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

    def _begin(self, type_: str, create: Callable[..., Item]) -> Iterator[Event]:
        """Begin an item, unless it is the open one."""
        if (
            self.output
            and self.output[-1]["type"] == type_
            and self.output[-1]["status"] == "in_progress"
        ):
            return
        yield from self._end_item()
        self.output.append(create("", "in_progress"))
        yield self._event(
            "response.output_item.added", output_index=len(self.output) - 1, item=self.output[-1]
        )
        if type_ == "message":
            part = {"type": "output_text", "text": "", "annotations": []}
            yield self._item_event("response.content_part.added", content_index=0, part=part)

    def _add_text(self, type_: str, text: str) -> Iterator[Event]:
        self._text += text
        extra: Event = {"logprobs": []} if type_ == "response.output_text.delta" else {}
        yield self._item_event(type_, content_index=0, delta=text, **extra)

    def _end_item(self) -> Iterator[Event]:
        """End the open item, if one is open."""
        if not self.output or self.output[-1]["status"] == "completed":
            return
        item = self.output[-1]
        text = self._text
        self._text = ""
        if item["type"] == "message":
            self.output[-1] = message_item(text, id_=item["id"])
            part = self.output[-1]["content"][0]
            yield self._item_event(
                "response.output_text.done", content_index=0, text=text, logprobs=[]
            )
            yield self._item_event("response.content_part.done", content_index=0, part=part)
        else:
            self.output[-1] = reasoning_item(text, id_=item["id"])
            yield self._item_event("response.reasoning_text.done", content_index=0, text=text)
        yield self._event(
            "response.output_item.done", output_index=len(self.output) - 1, item=self.output[-1]
        )

    def _add_tool_call(self, piece: Mapping[str, Any]) -> None:
        """Add a piece of a tool call; its arguments may come in parts."""
        empty = {"function": {"name": "", "arguments": ""}}
        tool_call = self._tool_calls.setdefault(int(piece.get("index") or 0), empty)
        tool_call["id"] = piece.get("id") or tool_call.get("id")
        function = piece.get("function") or {}
        for name in ("name", "arguments"):
            tool_call["function"][name] += function.get(name) or ""

    def _write_call(self, tool_call: Mapping[str, Any]) -> Iterator[Event]:
        item = call_item(tool_call)
        arguments = item["arguments"]
        self.output.append({**item, "status": "in_progress", "arguments": ""})
        yield self._event(
            "response.output_item.added", output_index=len(self.output) - 1, item=self.output[-1]
        )
        yield self._item_event("response.function_call_arguments.delta", delta=arguments)
        yield self._item_event(
            "response.function_call_arguments.done", arguments=arguments, name=item["name"]
        )
        self.output[-1] = item
        yield self._event("response.output_item.done", output_index=len(self.output) - 1, item=item)


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


def incomplete_details(reason: str | None) -> dict[str, str] | None:
    """Return why a response is incomplete, None for one that is complete."""
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    if reason in reasons:
        return {"reason": reasons[reason]}
    return None


_CHAT_OPTIONS = (
    "temperature",
    "top_p",
    "tool_choice",
    "parallel_tool_calls",
    "thinking",
    "enable_thinking",
    "thinking_budget",
)
_ID_PREFIXES = {
    "message": "msg_",
    "reasoning": "rs_",
    "function_call": "fc_",
    "function_call_output": "fco_",
}


def input_items(body: wire.CreateResponse) -> list[Item]:
    """Return the input of a request as items, each with an id and a type."""
    if isinstance(body.input, str):
        items = [{"role": "user", "content": body.input}]
    else:
        items = body.input
    typed = [{**item, "type": item.get("type") or "message"} for item in items]
    return [{**item, "id": item.get("id") or item_id(item["type"])} for item in typed]


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
    for index, item in enumerate(items):
        if item["type"] != "function_call_output":
            continue
        if index:
            before = items[index - 1]
        else:
            before = {}
        follows_call = before.get("type") == "function_call" and before.get("call_id") == item.get(
            "call_id"
        )
        if not (follows_call or item.get("call_id") in pending):
            message = f"input[{index}]: the function_call_output does not follow its function_call"
            raise call.refusal(message, v2_code="invalid_messages")


def to_chat_request(body: wire.CreateResponse, items: Sequence[Item]) -> JsonObject:
    """Return the request of chat for a conversation; what chat does not know is dropped."""
    extra = body.model_extra or {}
    if body.instructions:
        system = [{"role": "system", "content": body.instructions}]
    else:
        system = []
    request = {"model": body.model, "messages": [*system, *_to_messages(items)]}
    request |= {name: extra[name] for name in _CHAT_OPTIONS if extra.get(name) is not None}
    if isinstance(extra.get("reasoning"), Mapping) and extra["reasoning"].get("effort"):
        request["reasoning_effort"] = extra["reasoning"]["effort"]
    if extra.get("max_output_tokens") is not None:
        request["max_completion_tokens"] = extra["max_output_tokens"]
    if tools := [
        _to_chat_tool(tool) for tool in body.tools or () if tool.get("type") == "function"
    ]:
        request["tools"] = tools
    return request | ({"stream": True} if body.stream else {})


def message_item(text: str, status: str = "completed", id_: str | None = None) -> Item:
    """Return the item of an answer's text.

    Args:
        text: the text; "" for an answer that begins.
        status: in_progress or completed.
        id_: the item's id; default: a new one.
    """
    if text or status == "completed":
        content = [{"type": "output_text", "text": text, "annotations": []}]
    else:
        content = []
    return {
        "type": "message", "id": id_ or item_id("message"), "status": status, "role": "assistant",
        "content": content,
    }  # fmt: skip


def reasoning_item(text: str, status: str = "completed", id_: str | None = None) -> Item:
    """Return the item of an answer's reasoning, with the same arguments."""
    if text:
        content = [{"type": "reasoning_text", "text": text}]
    else:
        content = []
    return {
        "type": "reasoning",
        "id": id_ or item_id("reasoning"),
        "status": status,
        "summary": [],
        "content": content,
    }


def call_item(
    tool_call: Mapping[str, Any], status: str = "completed", id_: str | None = None
) -> Item:
    """Return the item of one of chat's tool calls, with the same arguments."""
    function = tool_call.get("function") or {}
    return {
        "type": "function_call",
        "id": id_ or item_id("function_call"),
        "status": status,
        "call_id": tool_call.get("id") or random_id("call_", 24),
        "name": function.get("name") or "",
        "arguments": function.get("arguments") or "",
    }


def output_items(message: Mapping[str, Any]) -> list[Item]:
    """Return the items of a whole answer of chat: reasoning, text, function calls."""
    if message.get("reasoning_content"):
        items = [reasoning_item(message["reasoning_content"])]
    else:
        items = []
    tool_calls = message.get("tool_calls") or ()
    if message.get("content") or not tool_calls:
        items.append(message_item(message.get("content") or ""))
    return items + [call_item(tool_call) for tool_call in tool_calls]


def to_usage(usage: Mapping[str, Any] | None) -> JsonObject | None:
    """Return chat's usage under the names of this API."""
    if not usage:
        return None
    prompt, completion = (
        usage.get(f"{name}_tokens_details") or {} for name in ("prompt", "completion")
    )
    return {
        "input_tokens": usage.get("prompt_tokens", 0),
        "input_tokens_details": {"cached_tokens": prompt.get("cached_tokens", 0)},
        "output_tokens": usage.get("completion_tokens", 0),
        "output_tokens_details": {"reasoning_tokens": completion.get("reasoning_tokens", 0)},
        "total_tokens": usage.get("total_tokens", 0),
    }


def _to_messages(items: Sequence[Item]) -> list[Item]:
    """Return the items as messages; calls that follow each other are one message."""
    messages: list[Item] = []
    for item in items:
        if item["type"] == "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            tool_call = {"id": item.get("call_id"), "type": "function", "function": function}
            if messages and messages[-1].get("tool_calls"):
                messages[-1]["tool_calls"].append(tool_call)
            else:
                messages.append({"role": "assistant", "content": "", "tool_calls": [tool_call]})
        elif item["type"] == "function_call_output":
            output = item.get("output")
            messages.append(
                {
                    "role": "tool",
                    "tool_call_id": item.get("call_id"),
                    "content": _to_content(output),
                }
            )
        elif item["type"] == "message":
            messages.append({"role": item.get("role"), "content": _to_content(item.get("content"))})
    return messages


def _to_content(content: Any) -> Any:
    """Return a message's content in chat's form: a text, or parts when there are pictures."""
    if not isinstance(content, list):
        return content
    parts = [_to_part(part) for part in content if isinstance(part, Mapping)]
    has_pictures = any(part["type"] != "text" for part in parts)
    if has_pictures:
        return parts
    return "".join(part["text"] for part in parts)


def _to_part(part: Mapping[str, Any]) -> Item:
    if part.get("type") == "input_image":
        return {"type": "image_url", "image_url": {"url": str(part.get("image_url") or "")}}
    return {"type": "text", "text": str(part.get("text") or "")}


def _to_chat_tool(tool: Mapping[str, Any]) -> Item:
    function = {
        name: tool[name] for name in ("name", "description", "parameters", "strict") if name in tool
    }
    return {"type": "function", "function": function}


KIND = "response"

DEFAULT_PAGE = 20
"""Items of a page without a limit."""


@emulates(wire.CREATE)
async def create(call: Call, body: wire.CreateResponse) -> JsonObject | Stream:
    """Answer with chat's model; the answer is kept, unless `store` is false."""
    if call.world.modes.strict and not wire.has_responses(body.model):
        message = f"The model {body.model!r} is not available for the Responses API"
        raise v2_refusal("invalid_model", message, status=400)
    items = input_items(body)
    earlier = _conversation(call, body.previous_response_id)
    validate_outputs(call, items, earlier)
    chat_call = replace(call, endpoint=CHAT_V2)
    answer = HANDLERS[CHAT_V2.name](
        chat_call, parse_record(chat_call, to_chat_request(body, [*earlier, *items]))
    )
    if inspect.isawaitable(answer):
        answer = await answer
    response = _begin_response(call, body)
    save = partial(_save, call, response, items, is_kept=body.store is not False)
    if isinstance(answer, Stream):
        return Stream(write_events(EventWriter(response), answer.pieces, save))
    choice = answer["choices"][0]
    reason = choice.get("finish_reason")
    response |= {"output": output_items(choice["message"]), "usage": to_usage(answer.get("usage"))}
    response["incomplete_details"] = incomplete_details(reason)
    response["status"] = "incomplete" if response["incomplete_details"] else "completed"
    response |= {"sandbox": answer["sandbox"]} if "sandbox" in answer else {}
    save()
    return response


@emulates(wire.INFO)
def describe(call: Call, body: wire.ResponseRef) -> JsonObject:
    """Return a stored response."""
    return dict(_find(call, call.path["response_id"])["response"])


@emulates(wire.DELETE)
def delete(call: Call, body: wire.ResponseRef) -> JsonObject:
    """Delete a stored response."""
    id_ = str(_find(call, call.path["response_id"])["id"])
    call.store.remove(KIND, id_)
    return {"id": id_, "object": "response", "deleted": True}


@emulates(wire.INPUT_ITEMS)
def list_input_items(call: Call, body: wire.ListInputItems) -> JsonObject:
    """List the items of a response's input, the newest first."""
    items = _find(call, call.path["response_id"])["input"]
    call.validate_choice("order", body.order or "desc", ("asc", "desc"))
    if body.limit is not None:
        call.validate_range("limit", body.limit, 1, wire.MAX_ITEMS_LIMIT)
    if body.order == "asc":
        rows = items
    else:
        rows = items[::-1]
    ids = [item["id"] for item in rows]
    for name, marker in (("after", body.after), ("before", body.before)):
        if marker and marker not in ids:
            raise call.invalid(name, f"{marker} is not in the list")
    if body.after:
        start = ids.index(body.after) + 1
    else:
        start = 0
    if body.before:
        end = ids.index(body.before)
    else:
        end = len(rows)
    page = rows[start:end][: body.limit or DEFAULT_PAGE]
    if page:
        ends = {"first_id": page[0]["id"], "last_id": page[-1]["id"]}
    else:
        ends = {"first_id": None, "last_id": None}
    return {"object": "list", "data": page, **ends, "has_more": start + len(page) < end}


def _conversation(call: Call, response_id: str | None) -> list[Item]:
    """Return the items before a request: the input and the output of each earlier response, the
    oldest first.
    """
    turns = list(_earlier_turns(call, response_id))
    return [
        item for turn in reversed(turns) for item in (*turn["input"], *turn["response"]["output"])
    ]


def _earlier_turns(call: Call, response_id: str | None) -> Iterator[Document]:
    while response_id:
        turn = _find(call, response_id)
        yield turn
        response_id = turn["response"]["previous_response_id"]


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


def _save(call: Call, response: JsonObject, items: list[Item], *, is_kept: bool) -> None:
    if is_kept:
        call.store.add(KIND, response["id"], response=dict(response), input=items)


def _find(call: Call, response_id: str) -> Document:
    row: Document | None = call.store.get(KIND, response_id)
    if row is None:
        raise v2_refusal("response_not_found", f"No such response: {response_id}", status=404)
    return row
