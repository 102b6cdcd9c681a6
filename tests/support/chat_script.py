"""Chat replies for a scripted server, whole or as streams, and the requests that it got."""

from __future__ import annotations

import json
from typing import Any

from support.scripted_server import ScriptedServer, http_answer, stream_head


def whole(
    text: str = "", *, finish: str = "stop", usage: dict[str, Any] | None = None, **message: Any
) -> list[bytes]:
    """Return the script of one whole reply; `message` has reasoning_content, tool_calls, ..."""
    content = {"role": "assistant", "content": text, **message}
    body = {
        "id": "as-1",
        "model": "m",
        "choices": [{"index": 0, "message": content, "finish_reason": finish}],
    }
    return [http_answer(json.dumps(body | ({"usage": usage} if usage else {})).encode())]


def streamed(
    *deltas: dict[str, Any], finish: str = "stop", usage: dict[str, Any] | None = None
) -> list[bytes]:
    """Return the script of one stream; `usage` comes in a chunk without choices, as OpenAI's
    servers send it.
    """
    chunks = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
    chunks += [{"choices": [], "usage": usage}] if usage else []
    lines = [
        f"data: {json.dumps({'id': 'as-1', 'model': 'm', **chunk})}\n\n".encode()
        for chunk in chunks
    ]
    return [stream_head(), *lines, b"data: [DONE]\n\n"]


def tool_call(name: str, arguments: str, call_id: str = "call_1") -> dict[str, Any]:
    """Return a call as a reply's `tool_calls` has it."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def sent_bodies(server: ScriptedServer) -> list[dict[str, Any]]:
    """Return the JSON of all requests."""
    return [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.requests]
