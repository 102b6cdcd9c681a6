"""Networks that fail: names, connections, streams and bodies that break off, and bodies that never
end (F01-F16).
"""

import gzip
import itertools
import json
import socket
import threading

import httpx
import pytest
from support.scripted_server import Act, http_answer, stream_head
from support.waiting import until

import qfnb
from qfnb import ChatCompletion, config, errors
from qfnb.resources import FineTune
from qfnb.transport import clock, event_loop, http as proxies
from qfnb.transport.response import MAX_REPLY_BYTES, MAX_UNPACKED_BYTES, BytesStream, iter_bytes

SIZE_CHUNK = b"%x\r\n%b\r\n"


@pytest.fixture(autouse=True)
def _no_waiting_between_attempts():
    with qfnb.testing():
        yield


def event(text, version=2):
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    body = (
        {"id": "as-1", "choices": [choice]}
        if version == 2
        else {"id": "as-1", "result": text, "is_end": False}
    )
    return f"data: {json.dumps(body)}\n\n".encode()


def use_host(url):
    now = config.get_config()
    now.base_url = now.console_api_base_url = now.iam_base_url = url
    now.access_token = "24.canary0123456789"


def ask_v1():
    """Ask with the key in the URL; return the error."""
    with pytest.raises(errors.ConnectionFailed) as caught:
        ChatCompletion(version=1, endpoint="e").do("x")
    assert "24.canary" not in str(caught.value)
    assert "access_token" not in str(caught.value)
    return caught.value


def ask_stream(version):
    config.get_config().access_token = "24.x" if version == 1 else ""
    return ChatCompletion(version=version, endpoint="e").do("x", stream=True)


@pytest.fixture
def _no_names(monkeypatch):
    """No name has an address, and no proxy is set."""

    def fail(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    for name in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    proxies._environment_proxy.cache_clear()
    yield
    proxies._environment_proxy.cache_clear()


@pytest.mark.fault("F01")
@pytest.mark.parametrize("proxy", ["", "http://proxy.invalid:3128"])
@pytest.mark.usefixtures("_no_names")
def test_a_host_without_an_address_is_named_after_three_attempts(proxy):
    use_host("https://qianfan.invalid")
    config.get_config().proxy = proxy
    error = ask_v1()
    assert (error.attempts, error.host, error.sent) == (3, "qianfan.invalid", False)
    assert f"qianfan.invalid cannot be reached{proxy and f' through the proxy {proxy}'}: " in str(
        error
    )


@pytest.mark.fault("F14")
@pytest.mark.usefixtures("_no_names")
def test_a_socks_proxy_that_is_not_used_is_said_without_its_password(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://user:pass-of-mine@proxy.invalid:1080")
    use_host("https://qianfan.invalid")
    error = ask_v1()
    assert "ALL_PROXY is a SOCKS proxy, which is not supported" in str(error)
    assert "pass-of-mine" not in str(error)


@pytest.mark.fault("F02")
def test_a_refused_connection_costs_three_seconds_of_waiting_at_most():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    use_host(f"http://127.0.0.1:{port}")
    waited = clock._skipped_s
    error = ask_v1()
    assert (error.attempts, error.host) == (3, f"127.0.0.1:{port}")
    assert 0 < clock._skipped_s - waited <= 3


@pytest.mark.fault("F03")
def test_a_connection_that_is_never_established_is_tried_three_times():
    with (
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        socket.socket() as waiting,
        socket.socket() as last,
    ):
        # they fill the queue: from now on the system drops what arrives
        for client in (waiting, last):
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        use_host(f"http://127.0.0.1:{full.getsockname()[1]}")
        config.get_config().connect_timeout = 0.1
        error = ask_v1()
    assert (error.attempts, error.sent) == (3, False)
    assert "could not be established in time" in str(error)


@pytest.mark.fault("F05")
def test_a_stream_that_never_starts_is_asked_for_again(scripted):
    server = scripted([None])
    config.get_config().first_token_timeout = config.get_config().idle_timeout = 0.1
    with pytest.raises(errors.RequestTimeoutError):
        list(ChatCompletion(version=2).do("x", stream=True))
    until(lambda: len(server.requests) == 3)


@pytest.mark.fault("F05")
def test_a_creation_that_is_never_answered_is_not_repeated(scripted):
    server = scripted([http_answer(b'{"result": {"jobId": "job-1"}}')], [None])
    now = config.get_config()
    now.access_key = "ALTAKtest"
    now.secret_key = "test0123"
    FineTune.V2.create_job("first", "ERNIE-Speed-8K", "SFT")  # loads what a first call loads
    now.console_api_retry_timeout = 0.5
    with pytest.raises(errors.RequestTimeoutError, match=r"0\.5 s"):
        FineTune.V2.create_job("second", "ERNIE-Speed-8K", "SFT")
    assert until(lambda: len(server.requests) > 1)
    assert len(server.requests) == 2


@pytest.mark.fault("F07")
@pytest.mark.parametrize("version", [1, 2])
def test_a_stream_that_is_reset_keeps_its_text_and_is_not_repeated(scripted, version):
    has_read = threading.Event()
    server = scripted(
        [stream_head(), event("半", version), event("个", version), has_read, Act.RESET]
    )
    with pytest.raises(errors.StreamInterrupted) as caught:
        for _ in ask_stream(version):
            has_read.set()
    assert (caught.value.partial, caught.value.events, len(server.requests)) == ("半个", 2, 1)


CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.fault("F08")
@pytest.mark.parametrize("version", [1, 2])
def test_a_chunked_stream_that_ends_properly_without_its_end_mark_is_interrupted(scripted, version):
    chunk = SIZE_CHUNK % (len(event("半", version)), event("半", version))
    scripted([CHUNKED_HEAD % b"text/event-stream", chunk, b"0\r\n\r\n"])
    with pytest.raises(errors.StreamInterrupted, match="before its end mark") as caught:
        list(ask_stream(version))
    assert caught.value.partial == "半"


@pytest.mark.fault("F09")
@pytest.mark.parametrize("head", [b"HTTP/1.1 200 OK\r\n\r\n", CHUNKED_HEAD % b"application/json"])
def test_half_an_answer_is_an_error(scripted, head):
    half = b'{"id": "as-1", "result": "so'
    scripted([head, SIZE_CHUNK % (len(half), half) + b"0\r\n\r\n" if b"chunked" in head else half])
    with pytest.raises(errors.UnexpectedContent, match="not a JSON object"):
        ChatCompletion(version=2).do("x")


@pytest.mark.fault("F11")
@pytest.mark.parametrize("limit", ["idle_timeout", "request_timeout"])
def test_comments_do_not_keep_a_stream_alive(scripted, limit):
    server = scripted(
        itertools.chain([stream_head(), event("半")], itertools.repeat(b": ping\n\n"))
    )
    if limit == "idle_timeout":
        config.get_config().idle_timeout = 0.2
    options = {"request_timeout": 0.3} if limit == "request_timeout" else {}
    with pytest.raises(errors.StreamInterrupted, match="in time") as caught:
        list(ChatCompletion(version=2).do("x", stream=True, **options))
    # request_timeout counts from the call on
    assert caught.value.partial == "半" or limit == "request_timeout"
    assert server.client_left.wait(180)


def packed(content):
    return gzip.compress(content, compresslevel=1)


@pytest.mark.fault("F16")
def test_an_answer_that_is_huge_when_unpacked_is_refused(scripted):
    scripted([http_answer(packed(bytes(MAX_REPLY_BYTES + 1)), more="content-encoding: gzip\r\n")])
    with pytest.raises(errors.ResponseTooLarge, match="64 MiB"):
        ChatCompletion(version=2).do("x")


@pytest.mark.fault("F16")
def test_an_answer_that_is_packed_twice_is_not_unpacked(scripted):
    scripted(
        [http_answer(packed(packed(bytes(9_000_000))), more="content-encoding: gzip, gzip\r\n")]
    )
    with pytest.raises(errors.UnexpectedContent, match="not a JSON object"):
        ChatCompletion(version=2).do("x")


@pytest.mark.fault("F16")
def test_an_event_that_is_huge_when_unpacked_is_refused(scripted):
    head = stream_head()[:-2] + b"content-encoding: gzip\r\n\r\n"
    scripted([head, packed(event("好") + b"data: " + bytes(9 << 20))])
    with pytest.raises(errors.ResponseTooLarge, match="8 MiB"):
        list(ChatCompletion(version=2).do("x", stream=True))


@pytest.mark.fault("F16")
@pytest.mark.parametrize(
    "content", [b"", b"short", bytes(3 * MAX_UNPACKED_BYTES), bytes(MAX_UNPACKED_BYTES)]
)
def test_a_body_is_unpacked_piece_by_piece(content):
    async def read(body):
        response = httpx.Response(
            200, headers={"content-encoding": "gzip"}, stream=BytesStream(body)
        )
        return [chunk async for chunk in iter_bytes(response)]

    chunks = event_loop.run(read(packed(content)))
    assert b"".join(chunks) == content
    assert max(map(len, chunks)) <= MAX_UNPACKED_BYTES
    with pytest.raises(httpx.DecodingError, match="incomplete"):
        event_loop.run(read(packed(content)[:-9]))
