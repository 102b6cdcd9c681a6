"""A server that says exactly what a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field


class Act(enum.Enum):
    """What a server does instead of sending bytes."""

    RESET = struct.pack("ii", 1, 0)
    """Break the connection off with RST; the value is the SO_LINGER of 0 s that makes `close` do
    so.
    """


Part = bytes | threading.Event | Act | None
"""Bytes to send; an event to wait for; None: stay silent until the client goes away."""

Answer = Iterable[Part] | Callable[[bytes], Iterable[Part]]
"""An answer, or what returns the answer to a request."""


@dataclass
class ScriptedServer:
    """A server on loopback that answers each request with the next of some byte strings, then hangs
    up.

    An answer may be endless: it is sent until the client goes away. It may also be a function of
    the request.
    """

    answers: list[Answer]
    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    client_left: threading.Event = field(default_factory=threading.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
            writer.close()
            with contextlib.suppress(OSError):  # a TimeoutError too
                await asyncio.wait_for(writer.wait_closed(), 2)
        finally:
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        length = (
            int(lower.split(b"content-length:")[1].split(b"\r\n")[0])
            if b"content-length:" in lower
            else 0
        )
        self.requests.append(head + await reader.readexactly(length))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        for part in answer(self.requests[-1]) if callable(answer) else answer:
            if part is None:
                with contextlib.suppress(ConnectionError):  # it left what was still sent unread
                    await reader.read()
                self.client_left.set()
                break
            if isinstance(part, threading.Event):
                await asyncio.to_thread(part.wait, 180)
                continue
            if part is Act.RESET:
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, part.value
                )
                writer.transport.abort()
                break
            writer.write(part)
            await asyncio.sleep(0)  # an endless answer leaves time for the others
            try:
                await writer.drain()
            except ConnectionError:
                self.client_left.set()
                break


def http_answer(
    body: bytes, *, status: str = "200 OK", kind: str = "application/json", more: str = ""
) -> bytes:
    """Return a whole HTTP answer."""
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: "
        f"{len(body)}\r\nconnection: close\r\n{more}\r\n"
    )
    return head.encode() + body


def stream_head() -> bytes:
    """Return the head of a stream that ends when the connection does."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
