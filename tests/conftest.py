"""Fixtures: the sandbox as a real process, and a server that says exactly what a test tells it to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import httpx
import pytest

from qfnb import config
from qfnb.sandbox import Address, ensure, process


@pytest.fixture
def sandbox() -> Address:
    """The session's sandbox, alive."""
    return ensure()


@pytest.fixture
def control(sandbox: Address) -> Iterator[httpx.Client]:
    """A client of the sandbox's own control."""
    headers = {"authorization": f"Bearer {sandbox.control_token}"}
    with httpx.Client(base_url=sandbox.url, headers=headers, trust_env=False) as client:
        yield client


@pytest.fixture
def fault(control: httpx.Client) -> Callable[..., None]:
    """Make the next call of an endpoint go wrong."""
    return lambda endpoint, kind, **more: control.post(
        "/_sandbox/faults", json={"endpoint": endpoint, "fault": kind, **more}
    ).raise_for_status()


@dataclass
class Script:
    """A server on loopback that answers each request with the next of some byte strings, then hangs up.

    An answer may hold None: then it stays silent until the client goes away.
    """

    answers: list[list[bytes | None]]
    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    gone: threading.Event = field(default_factory=threading.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lower = head.lower()
        length = (
            int(lower.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in lower else 0
        )
        self.requests.append(head + await reader.readexactly(length))
        for part in self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]:
            if part is None:
                await reader.read()
                self.gone.set()
                break
            writer.write(part)
            await writer.drain()
        writer.close()


@pytest.fixture
def scripted() -> Iterator[Callable[..., Script]]:
    """Start scripted servers, and point the settings at the newest."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    servers: list[asyncio.Server] = []

    def start(*answers: list[bytes | None]) -> Script:
        script = Script(list(answers))
        opening = asyncio.run_coroutine_threadsafe(asyncio.start_server(script.serve, "127.0.0.1", 0), loop)
        servers.append(opening.result(5))
        script.url = f"http://127.0.0.1:{servers[-1].sockets[0].getsockname()[1]}"
        now = config.get_config()
        now.base_url = now.console_api_base_url = now.iam_base_url = script.url
        now.api_key = "bce-v3/ALTAK-test/canary0123456789"
        return script

    yield start
    for server in servers:
        loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


def http_answer(
    body: bytes, *, status: str = "200 OK", kind: str = "application/json", more: str = ""
) -> bytes:
    """Return a whole HTTP answer."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{more}\r\n"
    return head.encode() + body


def stream_head() -> bytes:
    """Return the head of a stream that ends when the connection does."""
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


__all__ = ["Script", "http_answer", "process", "stream_head"]
