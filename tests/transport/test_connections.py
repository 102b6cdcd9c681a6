"""Connections that a server closes while a request goes out on them: what is sent again, and what
is not.
"""

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
import sys
import threading
from dataclasses import dataclass, field

import httpx
import pytest
from support.scripted_server import http_answer

import qfnb
from qfnb import config, errors
from qfnb.config import Secret
from qfnb.resources.management.batches import Batches, Files
from qfnb.transport import connections
from qfnb.transport.http import post_webhook

CHAT = b'{"id":"as-1","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}'
FILE = b'{"id":"file-1","object":"file","bytes":3,"filename":"a.jsonl","purpose":"batch","created_at":1}'
BATCH = b'{"id":"batch-1","object":"batch","status":"validating","endpoint":"/v2/chat/completions"}'
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER of 0 s: `close` sends RST at once."""


@dataclass
class ClosingServer:
    """A server that keeps its connections alive, and closes one while a request arrives.

    Attributes:
        close_at: requests, counted from 1 over all connections, whose connection is closed.
        close_reused: whether the second request on any connection closes it.
        read: how much of such a request is read first: "nothing", its "head", or "all" of it.
        reset: whether it is closed with RST, as for unread data, or with FIN.
        heads: first lines of all requests that arrived whole.
        ports: the client's port of each of them, which tells connections apart.
    """

    close_at: set[int] = field(default_factory=set)
    close_reused: bool = False
    read: str = "nothing"
    reset: bool = True
    heads: list[str] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)
    begun: int = 0
    listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self) -> None:
        with contextlib.suppress(OSError):  # closed by the test's end
            while True:
                connection, (_, port) = self.listening.accept()
                threading.Thread(
                    target=self._keep_alive, args=(connection, port), daemon=True
                ).start()

    def _keep_alive(self, connection: socket.socket, port: int) -> None:
        with connection, contextlib.suppress(OSError):
            while connection.recv(1, socket.MSG_PEEK):  # a request begins
                with self.lock:
                    self.begun += 1
                    closes = self.begun in self.close_at or (
                        self.close_reused and port in self.ports
                    )
                if closes and self.read == "nothing":
                    return self._close(connection)
                with connection.makefile("rb") as file:
                    line, length = self._head(file)
                    if closes and self.read == "head":
                        return self._close(connection)
                    file.read(length)
                self.heads.append(line)
                self.ports.append(port)
                if closes:
                    return self._close(connection)
                connection.sendall(_answer(line))
        return None

    @staticmethod
    def _head(file) -> tuple[str, int]:
        line, *headers = [text.decode().strip() for text in iter(file.readline, b"\r\n")]
        lengths = [
            text.split(":")[1] for text in headers if text.lower().startswith("content-length:")
        ]
        return line, int(lengths[0]) if lengths else 0

    def _close(self, connection: socket.socket) -> None:
        if self.reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def _answer(line: str) -> bytes:
    body = FILE if "/files" in line else BATCH if "/batches" in line else CHAT
    return http_answer(body).replace(b"connection: close\r\n", b"")


@pytest.fixture
def closing():
    """Start a server that closes connections, and set it in the settings."""
    server = ClosingServer()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    now = config.get_config()
    url = f"http://127.0.0.1:{server.listening.getsockname()[1]}"
    now.base_url = now.console_api_base_url = now.iam_base_url = url
    now.api_key = "bce-v3/ALTAK-test/canary0123456789"
    with qfnb.testing():  # no waiting between tries
        yield server
    server.listening.shutdown(socket.SHUT_RDWR)
    server.listening.close()
    thread.join(180)


def ask():
    return qfnb.ChatCompletion().do("你好").text


def test_calls_in_a_row_share_one_connection(closing):
    assert [ask() for _ in range(20)] == ["ok"] * 20
    assert len(set(closing.ports)) == 1


@pytest.mark.fault("F06")
@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("read", ["nothing", "all"])
def test_a_repeatable_call_is_sent_again(closing, read, reset):
    closing.close_at = {2}
    closing.read = read
    closing.reset = reset
    assert [ask(), ask()] == ["ok", "ok"]


@pytest.mark.parametrize("reset", [True, False])
def test_a_creation_does_not_use_a_connection_that_may_be_closing(closing, reset):
    """The server closes an idle connection just as the next request arrives on it."""
    closing.close_reused = True
    closing.reset = reset
    ask()
    Batches.create("file-1")
    assert closing.heads == ["POST /v2/chat/completions HTTP/1.1", "POST /v2/batches HTTP/1.1"]
    assert closing.begun == 2


def test_each_creation_and_each_webhook_message_has_a_new_connection(closing):
    Batches.create("file-1")
    Batches.create("file-2")
    for _ in range(2):
        post_webhook(Secret(f"{config.get_config().base_url}/hook"), {})
    assert len(set(closing.ports)) == 4


@pytest.mark.parametrize(
    "answer", [[], [http_answer(b"{}")[:-1]]], ids=["no answer", "half an answer"]
)
def test_a_creation_whose_token_was_not_answered_is_sent_once(scripted, answer):
    token = http_answer(
        b'{"userId":"u","token":"bce-v3/token","status":"enable","createTime":"","expireTime":""}'
    )
    server = scripted(answer, [token], [http_answer(BATCH)])
    now = config.get_config()
    now.api_key = ""
    now.access_key = "ALTAK-test"
    now.secret_key = "test"
    with qfnb.testing():
        assert Batches.create("file-1").data.id == "batch-1"
    assert [b"POST /v2/batches" in request for request in server.requests] == [False, False, True]


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("read", ["nothing", "head"])
def test_an_upload_that_breaks_off_is_sent_again(closing, read, reset):
    """A request whose end was never sent cannot have been executed."""
    closing.close_at = {2}
    closing.read = read
    closing.reset = reset
    Files.upload(b"{}\n")
    Files.upload(b"{}\n" * 8_000_000)  # more than a socket's buffers hold
    assert closing.heads == ["POST /v2/files HTTP/1.1"] * 2


@pytest.mark.fault("F06")
@pytest.mark.parametrize("reset", [True, False])
def test_a_creation_that_may_have_been_executed_is_not_sent_again(closing, reset):
    closing.close_at = {2}
    closing.read = "all"
    closing.reset = reset
    Batches.create("file-1")
    with pytest.raises(errors.ConnectionFailed) as caught:
        Batches.create("file-2")
    assert caught.value.sent
    assert closing.heads == ["POST /v2/batches HTTP/1.1"] * 2


@pytest.mark.fault("F67")
def test_connections_that_are_closed_as_python_ends_are_no_failure_of_the_job_that_is_watched():
    async def send():
        closed = connections.create_connections(proxy=Secret(""), verify=False)
        await closed.aclose()
        await closed.handle_async_request(httpx.Request("GET", "http://127.0.0.1:9/"))

    # the watcher tries again; it recorded a failure
    with pytest.raises(httpx.ConnectError, match="Python is ending"):
        asyncio.run(send())


def test_a_connection_that_closes_before_anything_was_written_has_sent_nothing():
    reset = connections.aiohttp.ClientConnectionResetError("Cannot write to closing transport")
    wrapped = connections.aiohttp.ClientOSError(
        None, "Can not write request body for https://x/?access_token=1"
    )
    wrapped.__cause__ = reset
    for error in (reset, wrapped):
        translated = connections._translate_error(error)
        assert isinstance(translated, httpx.WriteError)
        assert "access_token" not in str(translated)


NO_DESCRIPTORS = """
import os, resource
import qfnb
chat = qfnb.ChatCompletion(model="ernie-4.5-turbo-128k")
chat.batch_do(["a"] * 2, worker_num=2, retry_count=1).results()
n_open = len(os.listdir("/proc/self/fd"))
resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 8, n_open + 8))
opened = []
try:
    while True:
        opened.append(os.open(os.devnull, os.O_RDONLY))
except OSError:
    pass
results = chat.batch_do(["a"] * 40, worker_num=40, retry_count=1).results()
for file in opened:
    os.close(file)
print("\\n".join({str(result) for result in results if isinstance(result, Exception)}))
"""


def test_no_free_descriptor_is_said_to_be_of_this_computer(sandbox):
    address = {
        "QIANFAN_BASE_URL": sandbox.url,
        "QIANFAN_API_KEY": sandbox.api_key,
        "QIANFAN_PLATFORM": "qianfan",
    }
    command = [sys.executable, "-c", NO_DESCRIPTORS]
    completed = subprocess.run(
        command, env=os.environ | address, capture_output=True, text=True, timeout=120, check=True
    )
    assert "this computer allows no more open files and connections" in completed.stdout
    assert "worker_num=" in completed.stdout
