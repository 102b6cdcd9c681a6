"""Secrets of the transport that are no keys of a call: tokens, proxies, webhooks, settings
(`test_canaries` has the keys).
"""

from __future__ import annotations

import copy
import io
import json
import pickle

import pytest
from support.canaries import MARK, search, texts_of
from support.scripted_server import http_answer

from qfnb import ChatCompletion, config, errors
from qfnb.transport import http as proxies

KEYS = {
    "API key": {"api_key": f"bce-v3/ALTAK-{MARK}/secret"},
    "IAM pair": {"access_key": f"ALTAK{MARK}access", "secret_key": f"{MARK}secret"},
    "AK and SK": {"ak": f"{MARK}application", "sk": f"{MARK}secret"},
}


def use_keys(name: str) -> None:
    for key in config.KEY_NAMES:
        setattr(config.get_config(), key, KEYS[name].get(key, ""))


def error_of(*, version: str) -> BaseException:
    """Return the error of a call."""
    model = (
        ChatCompletion(version=version, endpoint="e")
        if version == "1"
        else ChatCompletion(version="2", model="m")
    )
    with pytest.raises(errors.QianfanError) as caught:
        model.do("x", retry_count=1)
    return caught.value


@pytest.mark.parametrize(("name", "version"), [("IAM pair", "2"), ("AK and SK", "1")])
def test_a_token_that_is_not_as_documented_is_refused_and_not_quoted(scripted, name, version):
    scripted(
        [
            http_answer(
                json.dumps({"access_token": MARK, "token": [MARK], "expires_in": MARK}).encode()
            )
        ]
    )
    use_keys(name)
    error = error_of(version=version)
    assert isinstance(error, errors.UnexpectedContent)
    assert search(texts_of(error)) == []


@pytest.mark.fault("F14", "F50")
@pytest.mark.parametrize(
    "answer", [http_answer(b"", status="407 Proxy Authentication Required"), b"no\r\n\r\n", b""]
)
@pytest.mark.parametrize("source", ["setting", "environment"])
def test_no_fault_of_a_proxy_shows_its_password(scripted, monkeypatch, source, answer):
    proxies._environment_proxy.cache_clear()
    server = scripted([answer])
    current = config.get_config()
    use_keys("API key")
    current.base_url = current.console_api_base_url = "https://qianfan.invalid"
    monkeypatch.setenv(
        "HTTPS_PROXY" if source == "environment" else "QIANFAN_PROXY", with_password(server.url)
    )
    assert search(texts_of(error_of(version="2"))) == []
    proxies._environment_proxy.cache_clear()


def with_password(url: str) -> str:
    return url.replace("//", f"//user:{MARK}@")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("QIANFAN_API_KEY", f"bce-v3/{MARK} {MARK}"),
        ("QIANFAN_AK", MARK),
        ("QIANFAN_API_KEY", f"ALTAK{MARK}"),
        ("QIANFAN_API_KEY", f"my-{MARK}"),
        ("QIANFAN_LLM_API_RETRY_COUNT", "many"),
    ],
)
def test_a_wrong_setting_is_refused_without_the_other_settings_values(monkeypatch, variable, value):
    monkeypatch.setenv("QIANFAN_SECRET_KEY", f"{MARK}other")
    monkeypatch.setenv("QIANFAN_ACCESS_KEY", f"{MARK}access")
    monkeypatch.setenv(variable, value)
    del value
    error = error_of(version="2")
    error.__traceback__ = error.__traceback__.tb_next  # our own frame is pytest's
    assert search(texts_of(error)) == []


@pytest.mark.fault("F51")
def test_keys_are_copied_but_not_pickled():
    model = ChatCompletion(api_key=KEYS["API key"]["api_key"], model="m")
    assert copy.deepcopy(model)._keys == copy.copy(model)._keys == model._keys
    for value in (model, config.Credentials.of(KEYS["API key"])):
        written = io.BytesIO()
        with pytest.raises(TypeError, match="QIANFAN_API_KEY"):
            pickle.Pickler(written).dump(value)
        assert MARK.encode() not in written.getvalue()
    assert isinstance(pickle.loads(pickle.dumps(ChatCompletion(model="m"))), ChatCompletion)
