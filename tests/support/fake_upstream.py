"""A small server that speaks OpenAI's API, and answers as a test configures it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

TALK = ("上", "游", "说", "：", "你", "好")
USAGE = {"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9}


@dataclass
class FakeUpstream:
    """Its configured answers, and the requests that it received.

    Attributes:
        status: of every answer; other than 200 the body is an error.
        repeated_key: a text that an error's message repeats.
        pause_seconds: seconds between two pieces.
        breaks_after: pieces after which a stream ends without an end mark.
        release: pieces wait for it after the first.
    """

    status: int = 200
    repeated_key: str = ""
    pause_seconds: float = 0.0
    breaks_after: int | None = None
    calls: list[dict[str, Any]] | None = None
    release: threading.Event | None = None
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    client_left: threading.Event = field(default_factory=threading.Event)

    async def chat(self, request: Request) -> Response:
        body = await self._record(request)
        if self.status != 200:
            return self._error()
        if body.get("stream"):
            return StreamingResponse(self._pieces(), media_type="text/event-stream")
        message: dict[str, Any] = {"role": "assistant", "content": "".join(TALK)}
        reason = "stop"
        if self.calls:
            message = {"role": "assistant", "content": None, "tool_calls": self.calls}
            reason = "tool_calls"
        choice = {"index": 0, "message": message, "finish_reason": reason}
        return JSONResponse({"choices": [choice], "usage": USAGE})

    async def embed(self, request: Request) -> Response:
        body = await self._record(request)
        if self.status != 200:
            return self._error()
        rows = [
            {"index": i, "embedding": [float(len(text)), 1.0]}
            for i, text in enumerate(body["input"])
        ]
        return JSONResponse({"data": rows[::-1], "usage": {"prompt_tokens": 5, "total_tokens": 5}})

    async def _record(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        self.requests.append(body)
        self.keys.append(request.headers.get("authorization", ""))
        return body

    def _error(self) -> Response:
        message = f"that is a {self.status} {self.repeated_key}"
        return JSONResponse({"error": {"message": message}}, self.status, {"retry-after": "7"})

    async def _pieces(self) -> Any:
        try:
            for number, text in enumerate(TALK):
                if number == self.breaks_after:
                    return
                yield _event(
                    {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
                )
                await asyncio.sleep(self.pause_seconds)
                while self.release and not self.release.is_set():
                    await asyncio.sleep(0.005)
            yield _event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            yield _event({"choices": [], "usage": USAGE})
            yield b"data: [DONE]\n\n"
        finally:
            self.client_left.set()


@contextlib.contextmanager
def serve_upstream(upstream: FakeUpstream) -> Iterator[FakeUpstream]:
    """Serve an upstream in a thread."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    routes = [
        Route("/v1/chat/completions", upstream.chat, methods=["POST"]),
        Route("/v1/embeddings", upstream.embed, methods=["POST"]),
    ]
    options = uvicorn.Config(
        Starlette(routes=routes), log_level="error", lifespan="off", access_log=False
    )
    server = uvicorn.Server(options)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    upstream.url = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    try:
        yield upstream
    finally:
        if upstream.release:
            upstream.release.set()
        server.should_exit = True
        thread.join(180)
        listener.close()


def _event(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()
