"""Requests that the sandbox must refuse, and malformed ones that must not harm it."""

import concurrent.futures
import json
import socket
from pathlib import Path

import httpx
import pytest
from support.raw_http import CHAT, line, open_client, signed_headers, storage_request
from support.waiting import until

from qfnb.sandbox import process
from qfnb.wire.endpoints import ENDPOINTS

BODY = line(1)["body"]
REAL = "bce-v3/ALTAK-CanaryCanaryCanary/0123456789abcdef0123456789abcdef01234567"
REAL_PAIR = ("ALTAKcanarycanarycanaryca", "c" * 32)
DETAIL = "/wenxinworkshop/dataset/info"


def raw_response(sandbox, content, seconds=5):
    """Return the answer to some bytes, "" when the connection is closed without an answer."""
    with open_socket(sandbox, seconds) as connection:
        connection.sendall(content)
        try:
            return connection.recv(65536).decode("latin-1")
        except ConnectionResetError:
            return ""


def open_socket(sandbox, seconds=5):
    host, _, port = sandbox.url.removeprefix("http://").partition(":")
    return socket.create_connection((host, int(port)), timeout=seconds)


@pytest.mark.fault("F86")
def test_it_listens_on_loopback_only(sandbox):
    port = int(sandbox.url.rpartition(":")[2])
    table = Path("/proc/net/tcp").read_text().splitlines()
    listening = [row.split()[1] for row in table if row.split()[3] == "0A"]
    assert [
        address for address in listening if int(address.partition(":")[2] or "0", 16) == port
    ] == [f"0100007F:{port:04X}"]


@pytest.mark.fault("F86")
@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "127.0.0.1.evil:80", "[::1]:80", "0.0.0.0:80", "127.0.0.1@evil:1"),
        *("127.0.0.1:evil", "127.0.0.1:39869@evil"),
    ],
)
def test_a_foreign_host_is_refused(http, host):
    assert http.post(CHAT, json=BODY, headers={"host": host}).status_code == 403


@pytest.mark.fault("F86")
@pytest.mark.parametrize("head", ["", "host: 127.0.0.1:1\r\nhost: evil.example\r\n"])
def test_a_request_without_a_host_or_with_two_is_refused(sandbox, head):
    assert raw_response(sandbox, f"GET /v2/models HTTP/1.1\r\n{head}\r\n".encode()).split()[1] in {
        "400",
        "403",
    }


@pytest.mark.fault("F86")
@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1.evil", "file://", "evil//localhost"],
)
def test_a_web_page_is_refused(http, origin):
    assert http.post(CHAT, json=BODY, headers={"origin": origin}).status_code == 403


@pytest.mark.fault("F87")
@pytest.mark.parametrize(
    "kind",
    ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""],
)
@pytest.mark.parametrize(
    "path", [CHAT, DETAIL, "/v2/service?Action=CreateService", "/oauth/2.0/token", "/_sandbox/stop"]
)
def test_a_web_forms_body_is_refused_on_every_plane(sandbox, http, path, kind):
    token = {"authorization": f"Bearer {sandbox.control_token}"} if "_sandbox" in path else {}
    answer = http.post(
        path, content=json.dumps(BODY).encode(), headers={"content-type": kind, **token}
    )
    assert answer.status_code == 415


@pytest.mark.fault("F87")
def test_a_preflight_request_gets_no_permission(http):
    headers = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    answers = [
        http.options(CHAT, headers={**headers, "origin": origin})
        for origin in ("https://evil", "http://localhost:1")
    ]
    answers.append(http.post(CHAT, json=BODY, headers={"origin": "http://localhost:8888"}))
    assert not [
        name for answer in answers for name in answer.headers if name.startswith("access-control")
    ]
    assert [answer.status_code for answer in answers] == [403, 405, 200]


@pytest.mark.fault("F87", "F91")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "health"),
        ("POST", "stop"),
        ("GET", "openapi.json"),
        ("POST", "faults"),
        ("GET", "snapshots"),
    ],
)
@pytest.mark.parametrize(
    "token", [{}, {"authorization": "Bearer"}, {"authorization": "Bearer wrong"}]
)
def test_the_control_needs_its_token(sandbox, method, path, token):
    with open_client(sandbox.url) as http:
        assert http.request(method, f"/_sandbox/{path}", headers=token).status_code == 401


def refusals(sandbox, http):
    """Yield each plane's answer to keys of the real platform."""
    access, secret = REAL_PAIR
    real = type(sandbox)(**{**vars(sandbox), "access_key": access, "secret_key": secret})
    query = {
        "grant_type": "client_credentials",
        "client_id": "CanaryApiKey0123456789ab",
        "client_secret": "canary",
    }
    v1 = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/eb-instant"
    yield "v2", http.post(CHAT, json=BODY, headers={"authorization": f"Bearer {REAL}"})
    yield "v1 token", http.post(v1, params={"access_token": "24.canary.2592000.1.1-2"}, json=BODY)
    yield "v1 signature", http.post(v1, json=BODY, headers=signed_headers(real, "POST", v1))
    yield "console", http.post(DETAIL, json={}, headers=signed_headers(real, "POST", DETAIL))
    yield (
        "bearer",
        http.get(
            "/v1/BCE-BEARER/token", headers=signed_headers(real, "GET", "/v1/BCE-BEARER/token")
        ),
    )
    yield "storage", storage_request(real, http, "PUT", "/bos/sandbox/x", b"x")
    yield "oauth", http.post("/oauth/2.0/token", params=query, json={})


@pytest.mark.fault("F89")
def test_keys_of_the_real_platform_are_refused_in_clear_words_and_kept_nowhere(sandbox):
    with open_client(sandbox.url) as http:
        for plane, answer in refusals(sandbox, http):
            assert "this is the qfnb sandbox" in answer.text, plane
            assert "anary" not in answer.text, plane
    state = [path for path in process.default_home().rglob("*") if path.is_file()]
    assert [path.name for path in state if b"anary" in path.read_bytes()] == []


@pytest.mark.fault("F88")
@pytest.mark.parametrize(
    "content",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"POST /v2/chat/completions HTTP/1.1\r\nhost: localhost:1\r\ncontent-length: -1\r\n\r\n",
        b"POST /v2/chat/completions HTTP/1.1\r\nhost: localhost:1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nhost: localhost:1\r\n\r\n",
        b"GET /v2/models HTTP/1.1\r\nhost: localhost:1\r\nx: " + b"a" * (1 << 20) + b"\r\n\r\n",
    ],
)  # fmt: skip
def test_bytes_that_are_not_http_do_no_harm(sandbox, http, content):
    try:
        answer = raw_response(sandbox, content)
    except (BrokenPipeError, ConnectionResetError, TimeoutError):
        answer = ""
    assert not answer or answer.split()[1][0] == "4"
    assert http.post(CHAT, json=BODY).status_code == 200


@pytest.mark.fault("F88")
def test_clients_that_never_finish_their_request_do_not_block_others(sandbox, http):
    slow = [open_socket(sandbox) for _ in range(100)]
    for connection in slow:
        connection.sendall(b"POST /v2/chat/completions HTTP/1.1\r\nhost: localhost:1\r\n")
    assert http.post(CHAT, json=BODY).status_code == 200
    for connection in slow:
        connection.close()


def open_streams(control):
    return control.get("/_sandbox/health").json()["streams"]


@pytest.mark.fault("F88")
def test_two_hundred_streams_at_once_all_end_well(sandbox, http, control):
    limits = httpx.Limits(max_connections=200)

    def ask(number):
        with client.stream("POST", CHAT, json={**BODY, "stream": True}) as answer:
            return "[DONE]" in answer.read().decode()

    with (
        open_client(sandbox.url, headers=http.headers, limits=limits) as client,
        concurrent.futures.ThreadPoolExecutor(200) as pool,
    ):
        assert all(pool.map(ask, range(200)))
    until(lambda: open_streams(control) == 0, 1)


@pytest.mark.fault("F88")
@pytest.mark.parametrize("stalled", [False, True])
def test_a_stream_whose_reader_went_away_is_over_within_a_second(sandbox, http, control, stalled):
    kind = "stall@2" if stalled else "drip:0.05"
    headers = {"x-qfnb-fault": kind, "x-qfnb-control": sandbox.control_token}
    with http.stream("POST", CHAT, json={**BODY, "stream": True}, headers=headers) as answer:
        pieces = answer.iter_raw()
        next(pieces)
        assert open_streams(control) == 1
    until(lambda: open_streams(control) == 0, 1)


@pytest.mark.fault("F94")
@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"a":' * 50_000, b"9" * 5000, b'"\\ud800"', b"NaN", b"\xff", b"[]", b"null"],
)
@pytest.mark.parametrize("name", ["chat.v2", "data.info", "service.v2.describe"])
def test_malicious_json_is_refused(sandbox, http, name, content):
    row = ENDPOINTS[name]
    query = {"Action": row.action} if row.action else {}
    headers = {"content-type": "application/json"}
    if row.plane == "console":
        headers |= signed_headers(sandbox, "POST", row.path, **query)
    answer = http.post(row.path, params=query, content=content, headers=headers)
    assert answer.status_code < 500
    assert not {"object", "result"} & set(answer.json())
