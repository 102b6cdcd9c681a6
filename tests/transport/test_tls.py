"""A server whose certificate is not trusted: an error with a hint, without a retry."""

from __future__ import annotations

import socket
import ssl
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import trustme

import qfnb
from qfnb import errors
from qfnb.transport import event_loop, http

ANSWER = b'{"choices": [{"message": {"role": "assistant", "content": "hello"}}]}'


class Handler(BaseHTTPRequestHandler):
    """Answers a chat, and logs nothing."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.asked += 1
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def secure(authority):
    """Start a server with a certificate for `localhost` or another name."""
    servers = []

    def start(name="localhost", **validity):
        server = HTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name, **validity).configure_cert(context)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.asked = 0
        server.url = f"https://localhost:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    """Trust the authority, like a company's computer."""
    path = tmp_path / "company.pem"
    authority.cert_pem.write_to_path(path)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


def ask(url):
    return qfnb.ChatCompletion(
        base_url=f"{url}/v1", api_key="a-key-of-my-own-0123456789", model="m"
    ).do("x")


@pytest.mark.fault("F04")
def test_an_untrusted_certificate_is_refused_once_with_a_hint(secure, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    server = secure()
    with pytest.raises(errors.TLSError, match="cannot be reached securely: ") as caught:
        ask(server.url)
    assert "SSL_CERT_FILE" in str(caught.value)
    assert caught.value.attempts == 1
    assert isinstance(caught.value, errors.ConnectionFailed)
    assert server.asked == 0


def test_a_configured_authority_is_trusted_from_the_next_call_on(secure, monkeypatch, request):
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    server = secure()
    with pytest.raises(errors.TLSError):
        ask(server.url)
    request.getfixturevalue("trusted")
    assert ask(server.url).text == "hello"


@pytest.mark.fault("F04")
@pytest.mark.usefixtures("trusted")
def test_a_certificate_for_another_host_is_reported(secure):
    with pytest.raises(errors.TLSError, match=r"(?i)hostname mismatch"):
        ask(secure("elsewhere.example").url)


@pytest.mark.fault("F04")
@pytest.mark.usefixtures("trusted")
def test_a_certificate_that_has_expired_is_reported(secure):
    server = secure(
        not_before=datetime(2020, 1, 1, tzinfo=UTC), not_after=datetime(2021, 1, 1, tzinfo=UTC)
    )
    with pytest.raises(errors.TLSError, match="expired") as caught:
        ask(server.url)
    assert caught.value.attempts == 1


@pytest.mark.usefixtures("trusted")
def test_a_server_without_tls_is_reported():
    def answer():
        connection, _ = server.accept()
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.recv(10_000)
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(errors.TLSError, match=r"(?i)ssl|record layer|wrong version"):
            ask(f"https://localhost:{server.getsockname()[1]}")


@pytest.mark.fault("F04")
def test_certificates_are_unchecked_only_on_request_and_that_is_said_once(
    secure, monkeypatch, caplog
):
    monkeypatch.setattr(http, "_transports", {})
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.setenv("QIANFAN_SSL_VERIFICATION_ENABLED", "")
    url = secure().url
    with pytest.raises(errors.TLSError):
        ask(url)
    monkeypatch.setenv("QIANFAN_SSL_VERIFICATION_ENABLED", "false")
    assert [ask(url).text, ask(url).text] == ["hello", "hello"]
    assert caplog.text.count("certificates are not checked") == 1
    event_loop.run(_close_all(http._transports))


@pytest.mark.fault("F04")
def test_ssl_false_is_of_one_model_or_one_call_only(secure, monkeypatch):
    monkeypatch.setattr(http, "_transports", {})
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    keys = {"base_url": f"{secure().url}/v1", "api_key": "a-key-of-my-own-0123456789", "model": "m"}
    assert qfnb.ChatCompletion(**keys, ssl=False).do("x").text == "hello"
    assert qfnb.ChatCompletion(**keys).do("x", ssl=False).text == "hello"
    with pytest.raises(errors.TLSError):
        qfnb.ChatCompletion(**keys).do("x")
    event_loop.run(_close_all(http._transports))


async def _close_all(transports):
    for transport in transports.values():
        await transport.aclose()


def test_a_missing_certificate_file_is_named(secure, monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere.pem"))
    with pytest.raises(errors.InvalidArgumentError, match="SSL_CERT_FILE="):
        ask(secure().url)
