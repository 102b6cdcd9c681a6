"""Requests use the configured proxy, and errors name it; this computer's own addresses need
none.
"""

from __future__ import annotations

import httpx
import pytest
from support.scripted_server import http_answer

import qfnb
from qfnb import config, errors
from qfnb.transport import http as proxies

REMOTE_HOST = httpx.URL("https://qianfan.invalid/v2/chat/completions")
REFUSED = http_answer(b"", status="407 Proxy Authentication Required")
NO_PROXY = config.Secret("")
NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    proxies._environment_proxy.cache_clear()
    yield monkeypatch.setenv
    proxies._environment_proxy.cache_clear()


@pytest.fixture
def proxy(scripted):
    """A proxy with a password, and the cloud behind it."""
    server = scripted([REFUSED])
    settings = config.get_config()
    settings.base_url = settings.console_api_base_url = settings.iam_base_url = (
        "https://qianfan.invalid"
    )
    settings.proxy = ""
    yield server
    settings.proxy = ""


def error_of_call():
    """Return the error of a call that does not get through."""
    chat = qfnb.ChatCompletion(version="2", api_key="bce-v3/ALTAK-mine/0123456789", model="m")
    with pytest.raises(errors.QianfanError) as caught:
        chat.do("x", retry_count=1)
    return caught.value


@pytest.mark.fault("F14")
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "setting"])
def test_a_request_uses_the_proxys_password_and_no_error_contains_it(proxy, environment, name):
    address = proxy.url.replace("//", "//user:pass-of-mine@")
    if name == "setting":
        config.get_config().proxy = address
    else:
        environment(name, address)
    error = error_of_call()
    assert proxy.requests[0].startswith(b"CONNECT qianfan.invalid:443 ")
    assert b"Proxy-Authorization: Basic dXNlcjpwYXNzLW9mLW1pbmU=" in proxy.requests[0]
    assert b"0123456789" not in proxy.requests[0]
    assert isinstance(error, errors.ConnectionFailed)
    assert f"through the proxy {proxy.url}: Proxy Authentication Required" in str(error)
    assert "pass-of-mine" not in f"{error} {error.args!r} {vars(error)!r}"


def test_a_default_login_in_netrc_is_not_sent(proxy, environment, tmp_path):
    path = tmp_path / "netrc"
    path.write_text("default login somebody password something\n", encoding="utf-8")
    path.chmod(0o600)
    environment("NETRC", str(path))
    assert isinstance(error_of_call(), errors.ConnectionFailed)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_this_computers_own_addresses_use_no_proxy(environment, host):
    environment("HTTP_PROXY", "http://elsewhere:3128")
    assert not proxies.proxy_for(
        httpx.URL(f"http://{host}:8000/x"), config.Secret("http://elsewhere:3128")
    )


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ""),
        ({"HTTPS_PROXY": "http://a:1"}, "http://a:1"),
        ({"HTTPS_PROXY": "a:1"}, "http://a:1"),
        ({"HTTP_PROXY": "http://a:1"}, ""),
        ({"ALL_PROXY": "http://a:1"}, "http://a:1"),
        ({"ALL_PROXY": "socks5h://a:1"}, ""),
        ({"ALL_PROXY": "socks5://a:1", "HTTPS_PROXY": "http://b:2"}, "http://b:2"),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": ".invalid"}, ""),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "other.example"}, "http://a:1"),
        ({"HTTPS_PROXY": "http://a:1", "NO_PROXY": "*"}, ""),
    ],
)
def test_the_environment_decides_without_a_setting(environment, variables, expected):
    for name, value in variables.items():
        environment(name, value)
    assert proxies.proxy_for(REMOTE_HOST, NO_PROXY) == config.Secret(expected)


def test_the_setting_wins_over_the_environment(environment):
    environment("HTTPS_PROXY", "http://a:1")
    environment("NO_PROXY", "*")
    assert proxies.proxy_for(REMOTE_HOST, config.Secret("b:2")) == config.Secret("http://b:2")


@pytest.mark.fault("F14")
@pytest.mark.parametrize(
    "address", ["socks5://user:pass-of-mine@a:1", "ftp://a", "http://", "http://a:b:c"]
)
def test_an_invalid_proxy_is_refused_before_anything_is_sent(environment, address):
    environment("HTTPS_PROXY", address)
    with pytest.raises(errors.InvalidArgumentError, match="HTTPS_PROXY=") as caught:
        proxies.proxy_for(REMOTE_HOST, NO_PROXY)
    assert "pass-of-mine" not in str(caught.value)
    with pytest.raises(errors.InvalidArgumentError, match="QIANFAN_PROXY="):
        proxies.proxy_for(REMOTE_HOST, config.Secret(address))
