"""The events of a streamed response, as OpenAI sends them, made of the pieces of chat's stream."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

from ..http.refusals import Refusal
from .items import Item, call_item, message_item, reasoning_item, to_usage

Event = dict[str, Any]


class EventWriter:
    """Writes the events of one response, and keeps its items.

    Args:
        response: the response as it begins; it is completed while events are written.
    """

    def __init__(self, response: dict[str, Any]) -> None:
        self.output = list[Item]()
        self.response = response
        self._number = 0
        self._text = ""
        self._tool_calls: dict[int, dict[str, Any]] = {}

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
        status = "incomplete" if reason in {"length", "content_filter"} else "completed"
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
    writer: EventWriter, pieces: AsyncIterator[dict[str, Any]], on_end: Callable[[], None]
) -> AsyncIterator[Event]:
    """Yield the events of a response.

    Args:
        writer: writes them.
        pieces: chat's stream.
        on_end: called when the response is complete, before its last event.
    """
    for event in writer.open():
        yield event
    last_piece: dict[str, Any] = {}
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
    return {"reason": reasons[reason]} if reason in reasons else None
