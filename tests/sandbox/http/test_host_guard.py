"""How much can be sent to the sandbox, and that a refusal arrives even while a body is being
sent.
"""

import asyncio
import itertools
import socket
from http.client import HTTPResponse
from types import SimpleNamespace

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from support.raw_http import CHAT

from qianfan_sandbox import app as application

PIECE = bytes(1 << 20)
JSON = {"content-type": "application/json"}


def announce(sandbox, path, length):
    """Return the answer to a request with that content length, of which only the head is sent."""
    host, _, port = sandbox.url.removeprefix("http://").partition(":")
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: {length}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=180) as connection:
        connection.sendall(head.encode())
        answer = HTTPResponse(connection)
        answer.begin()
        return answer.status, answer.read().decode()


def run_guarded(path, pieces):
    """Return what is sent back and how many bytes an application read, without a network."""
    sent = []
    read = 0

    async def app(scope, receive, send):
        nonlocal read
        async for piece in Request(scope, receive).stream():
            read += len(piece)
        await PlainTextResponse("read")(scope, receive, send)

    async def receive():
        await asyncio.sleep(0)
        piece = next(pieces, None)
        return (
            {"type": "http.request", "body": piece, "more_body": True}
            if piece
            else {"type": "http.disconnect"}
        )

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": [(b"host", b"127.0.0.1:1")]}
    world = SimpleNamespace(
        record_activity=lambda: None, address=SimpleNamespace(url="http://127.0.0.1:1")
    )
    asyncio.run(application.HostGuard(app, world)(scope, receive, send))
    return sent, read


LIMITS = pytest.mark.parametrize(
    ("path", "most"),
    [(CHAT, application.MAX_BODY_BYTES), ("/v2/files", application.MAX_UPLOAD_BYTES)],
)


@LIMITS
def test_an_announced_length_is_refused_at_once(sandbox, path, most):
    status, text = announce(sandbox, path, most + 1)
    assert (status, f"{most >> 20} MiB at most" in text) == (413, True)


@LIMITS
def test_an_endless_body_is_read_up_to_its_limit(monkeypatch, path, most):
    monkeypatch.setattr(application, "DRAIN_SECONDS", 0.02)
    sent, read = run_guarded(path, itertools.repeat(PIECE))
    assert (sent[0]["status"], read) == (413, most)
    assert [message.get("more_body", False) for message in sent] == [False, True, False]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", CHAT, {"host": "evil.example"}, 403),
        ("POST", "/v2/unknown", JSON, 404),
        ("PUT", "/bos/sandbox/x", {}, 403),
        ("POST", "/v2/files", {"content-type": "application/json"}, 400),
    ],
)
def test_a_refusal_arrives_while_a_body_is_sent(http, method, path, headers, status):
    for connection in ("keep-alive", "close"):
        headers = {**headers, "connection": connection}
        assert (
            http.request(method, path, content=iter([PIECE] * 8), headers=headers).status_code
            == status
        )
