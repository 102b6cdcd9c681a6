"""Responses that are not valid HTTP raise a qfnb error without keys, whole or streamed."""

import pytest

import qfnb
from qfnb import errors

OK = b"HTTP/1.1 200 OK\r\n"
SECRET = "a-key-of-my-own-0123456789"

NO_HTTP = [
    pytest.param(b"HTTP/1.1 garbage\r\n\r\n", id="status line"),
    pytest.param(b"\x00\x01\x02\r\n\r\n", id="binary"),
    pytest.param(OK + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc", id="gzip"),
    pytest.param(OK + b"transfer-encoding: chunked\r\n\r\nZZ\r\n", id="chunk"),
    pytest.param(OK + b"x: " + b"a" * 100_000 + b"\r\n\r\n", id="header"),
]
CUT = [
    pytest.param(OK + b"content-length: 100\r\n\r\nabc", id="short"),
    pytest.param(b"", id="nothing"),
]


def error_of_call(scripted, answer, *, stream=False):
    """Return the error of a call that gets this response."""
    server = scripted([answer])
    chat = qfnb.ChatCompletion(base_url=f"{server.url}/v1", api_key=SECRET, model="m")
    with pytest.raises(errors.QianfanError) as caught:
        list(chat.do("x", stream=True, retry_count=1)) if stream else chat.do("x", retry_count=1)
    assert SECRET not in f"{caught.value} {caught.value.args!r}"
    return caught.value


@pytest.mark.parametrize("answer", NO_HTTP)
def test_invalid_http_is_reported_as_such(scripted, answer):
    assert "did not answer in valid HTTP" in str(error_of_call(scripted, answer))


@pytest.mark.fault("F10")
@pytest.mark.parametrize("answer", CUT)
def test_a_broken_connection_is_reported_as_such(scripted, answer):
    assert isinstance(error_of_call(scripted, answer), errors.ConnectionFailed)


@pytest.mark.parametrize("answer", NO_HTTP + CUT)
def test_a_stream_with_invalid_http_raises_too(scripted, answer):
    error_of_call(scripted, answer, stream=True)
