"""Connections on which no request is completed are closed; all others stay."""

import socket
import time
from urllib.parse import urlsplit

import pytest
from support.sandbox_thread import run_world

from qfnb.sandbox.http import head_timeout

REQUEST = b"GET /_sandbox/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
HALF = b"POST /v2/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-"


@pytest.fixture
def connect(tmp_path, monkeypatch):
    """Connect to a sandbox whose time-out is short."""
    monkeypatch.setattr(head_timeout, "HEAD_TIMEOUT_S", 0.05)
    with run_world(tmp_path, time.monotonic) as world:
        parts = urlsplit(world.address.url)
        yield lambda: socket.create_connection((parts.hostname, parts.port), timeout=20)


@pytest.mark.parametrize("sent", [b"", HALF], ids=["nothing", "half a head"])
def test_a_connection_without_a_request_is_closed(connect, sent):
    with connect() as connection:
        connection.sendall(sent)
        assert connection.recv(1) == b""


def test_a_half_open_request_on_a_used_connection_is_closed(connect):
    with connect() as connection:
        connection.sendall(REQUEST)
        assert connection.recv(4096).startswith(b"HTTP/1.1 ")
        connection.sendall(HALF)
        while connection.recv(4096):
            pass


def test_an_idle_connection_stays_open(connect):
    with connect() as used, connect() as half, used.makefile("rb") as answers:
        used.sendall(REQUEST)
        read_answer(answers)
        half.sendall(HALF)
        assert half.recv(1) == b""  # the time-out has passed
        used.sendall(REQUEST)
        read_answer(answers)


def read_answer(file):
    """Read one answer to its end."""
    head = b"".join(iter(file.readline, b"\r\n")).lower()
    assert head.startswith(b"http/1.1 ")
    file.read(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
