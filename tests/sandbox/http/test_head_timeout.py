"""Connections on which no request is completed are closed; all others stay."""

import socket
import time
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

import pytest
from support.sandbox_thread import run_world

from qianfan_sandbox import app

REQUEST = b"GET /_sandbox/health HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
HALF = b"POST /v2/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-"


@pytest.fixture
def connect(tmp_path):
    """Connect to a sandbox."""
    with run_world(tmp_path, time.monotonic) as world:
        parts = urlsplit(world.address.url)
        yield lambda: socket.create_connection((parts.hostname, parts.port), timeout=180)


@pytest.fixture
def shorten(monkeypatch):
    """Make the time-out short, for heads that do not come: one that comes must not have to be
    quick.
    """
    monkeypatch.setattr(app, "HEAD_TIMEOUT_S", 600.0)
    return partial(monkeypatch.setattr, app, "HEAD_TIMEOUT_S", 0.05)


@pytest.mark.parametrize("sent", [b"", HALF], ids=["nothing", "half a head"])
def test_a_connection_without_a_request_is_closed(connect, shorten, sent):
    shorten()
    with connect() as connection, suppress(ConnectionError):  # it may be closed before this is sent
        connection.sendall(sent)
        assert connection.recv(1) == b""


def test_a_half_open_request_on_a_used_connection_is_closed(connect, shorten):
    with connect() as connection, connection.makefile("rb") as answers:
        connection.sendall(REQUEST)
        read_answer(answers)
        shorten()
        connection.sendall(HALF)
        assert connection.recv(1) == b""


def test_an_idle_connection_stays_open(connect, shorten):
    with connect() as used, used.makefile("rb") as answers:
        used.sendall(REQUEST)
        read_answer(answers)
        shorten()
        with connect() as half:
            half.sendall(HALF)
            assert half.recv(1) == b""  # the time-out has passed
        used.sendall(REQUEST)
        read_answer(answers)


def read_answer(file):
    """Read one answer to its end."""
    head = b"".join(iter(file.readline, b"\r\n")).lower()
    assert head.startswith(b"http/1.1 ")
    file.read(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
