"""A server that answers chats as fast as asyncio can, so that a measurement is of the client.

`python benchmarks/stub.py 0.05` prints its address; each answer comes 0.05 s after its question, or
at once in pieces when a stream is asked for. It reads no more of a request than where it ends, and
ends itself when
its standard input does: none is left behind.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any

ANSWER_TEXT = "你好！我是一个语言模型，可以回答问题、写作和编程。" * 4
USAGE = {"prompt_tokens": 12, "completion_tokens": 60, "total_tokens": 72}
MESSAGE = {"role": "assistant", "content": ANSWER_TEXT}

CHAT_V1 = {
    "id": "as-1",
    "object": "chat.completion",
    "created": 1,
    "result": ANSWER_TEXT,
    "usage": USAGE,
}
CHAT_V2 = {
    "id": "as-2",
    "object": "chat.completion",
    "created": 1,
    "model": "stub",
    "choices": [{"index": 0, "message": MESSAGE, "finish_reason": "stop"}],
    "usage": USAGE,
}
TOKENS = {"access_token": "fake", "expires_in": 2592000, "token": "fake"}
"""The replies of OAuth and of the bearer exchange in one."""

_STREAM = re.compile(rb'"stream": ?true')
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def http_reply(
    body: Any, *, status: str = "200 OK", headers: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """Return an HTTP answer with this JSON."""
    content = json.dumps(body, ensure_ascii=False).encode()
    fields = {"Content-Type": "application/json", "Content-Length": str(len(content)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + content


PIECES = 1000
"""Pieces of a streamed answer; each is sent by itself."""

STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


def stream_piece(number: int) -> bytes:
    """Return a piece of a streamed answer; the last one says that it is."""
    is_last = number == PIECES - 1
    delta = {"content": "" if is_last else "你好，"}
    choice = {"index": 0, "delta": delta, "finish_reason": "stop" if is_last else None}
    body = {**CHAT_V2, "object": "chat.completion.chunk", "choices": [choice]}
    if not is_last:
        del body["usage"]
    text = f"data: {json.dumps(body, ensure_ascii=False)}\n\n"
    return (text + "data: [DONE]\n\n" if is_last else text).encode()


REPLIES = (
    (b"/v2/chat/completions", http_reply(CHAT_V2)),
    (b"/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/", http_reply(CHAT_V1)),
)
OTHER_REPLY = http_reply(TOKENS)


class Stub(asyncio.Protocol):
    """One connection: any number of requests, in order, also sent ahead of their answers."""

    chats = 0
    """Questions received over all connections."""

    def __init__(self, delay: float, pace: float) -> None:
        self._delay = delay
        self._pace = pace
        self._unread = b""
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while (size := request_size(self._unread)) is not None and size <= len(self._unread):
            request = self._unread[:size]
            self._unread = self._unread[size:]
            self._handle(request)

    def _handle(self, request: bytes) -> None:
        path = request[: request.index(b"\r\n")].split(b" ")[1]
        for prefix, answer in REPLIES:
            if path.startswith(prefix):
                Stub.chats += 1
                if _STREAM.search(request):
                    self._loop.create_task(self._stream())
                else:
                    self._send(answer)
                return
        self._transport.write(http_reply(_counters()) if path == b"/_work" else OTHER_REPLY)

    def _send(self, answer: bytes) -> None:
        if self._delay:
            self._loop.call_later(self._delay, self._transport.write, answer)
        else:
            self._transport.write(answer)

    async def _stream(self) -> None:
        self._transport.write(STREAM_HEAD)
        for number in range(PIECES):
            if self._pace:
                await asyncio.sleep(self._pace)
            if self._transport.is_closing():
                return
            self._transport.write(stream_piece(number))
        self._transport.close()


def request_size(unread: bytes) -> int | None:
    """Return where the first request ends; None while its head is incomplete."""
    head = unread.find(b"\r\n\r\n")
    if head < 0:
        return None
    length = _LENGTH.search(unread, 0, head)
    return head + 4 + (int(length[1]) if length else 0)


def _counters() -> dict[str, float]:
    """Return what the server has done: questions answered, and the CPU seconds of its process."""
    return {"chats": Stub.chats, "cpu": time.process_time()}


async def serve(delay: float, pace: float = 0.0) -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(Stub, delay, pace), "127.0.0.1", 0, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)


@contextmanager
def running(delay: float, pace: float = 0.0) -> Iterator[str]:
    """Run a server in a process of its own for the time of the block; the value is its address.

    Args:
        delay: seconds before an answer.
        pace: seconds before each piece of a streamed one.
    """
    command = [sys.executable, __file__, str(delay), str(pace)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip()


def read_counters(url: str) -> dict[str, float]:
    """Return what a running server has done so far, see `_counters`."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"))
    connection.request("GET", "/_work")
    counters: dict[str, float] = json.loads(connection.getresponse().read())
    connection.close()
    return counters


def raw_client(url: str, workers: int) -> Callable[[list[str]], None]:
    """Return a client that parses almost nothing: it shows the limit of the server."""
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"messages": [{"role": "user", "content": "你好"}]}).encode()
    head = (
        f"POST /v2/chat/completions HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body

    async def send(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, texts: Iterator[str]
    ) -> None:
        for _ in texts:
            writer.write(request)
            answer = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(answer.rpartition(b": ")[2]))

    async def many(texts: list[str]) -> None:
        pending = iter(texts)
        await asyncio.gather(*[send(*connection, pending) for connection in connections])

    async def open_connections() -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        return [await asyncio.open_connection(host, int(port)) for _ in range(workers)]

    runner = asyncio.Runner()
    connections = runner.run(open_connections())
    return lambda texts: runner.run(many(texts))


if __name__ == "__main__":
    asyncio.run(serve(*map(float, sys.argv[1:])))
