"""No fault shows a secret: not in its message or chain, nor in the frames that `%xmode Verbose` prints."""

from __future__ import annotations

import copy
import io
import json
import logging
import pickle

import pytest
from IPython.core.ultratb import VerboseTB
from support.scripted_server import http_answer, stream_head

from qfnb import ChatCompletion, config, errors
from qfnb.resources import Service
from qfnb.transport import http as proxies
from qfnb.transport.webhook import post_webhook

MARK = "CANARY7"
TOKEN = {"access_token": f"24.{MARK}token", "token": f"bce-v3/ALTAK-{MARK}/bearer", "expires_in": 2592000}
GOOD_TOKEN = http_answer(json.dumps(TOKEN).encode())
KEYS = {
    "API key": {"api_key": f"bce-v3/ALTAK-{MARK}/secret"},
    "IAM pair": {"access_key": f"ALTAK{MARK}access", "secret_key": f"{MARK}secret"},
    "AK and SK": {"ak": f"{MARK}application", "sk": f"{MARK}secret"},
    "access token": {"access_token": f"24.{MARK}token"},
}
FAULTS = {
    "no HTTP": [b"220 mail.example\r\n\r\n"],
    "no answer": [b""],
    "401": [http_answer(b'{"error":{"code":"invalid_iam_token","message":"no"}}', status="401 Unauthorized")],
    "500": [http_answer(b"oops", status="500 Internal Server Error")],
    "broken JSON": [http_answer(b'{"id": ')],
    "half an answer": [http_answer(b"{}")[:-1]],
    "silence": [None],
}


def texts_of(error: BaseException) -> str:
    """Return what a user can see of an error: the messages of its chain, and all variables of all frames."""
    texts, todo, seen = [], [error], set()
    while todo:
        current = todo.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        texts += [str(current), repr(current), repr(vars(current))]
        todo += [current.__context__, current.__cause__]
        trace = current.__traceback__
        while trace is not None:
            texts += [f"{trace.tb_frame.f_code.co_qualname}: {value!r}" for value in trace.tb_frame.f_locals.values()]
            trace = trace.tb_next
    return "\n".join(texts)


def leaks(text: str) -> list[str]:
    return [line[:300] for line in text.splitlines() if MARK in line]


def use_keys(name: str) -> None:
    for key in config.KEY_NAMES:
        setattr(config.get_config(), key, KEYS[name].get(key, ""))


def error_of(*, version: str, stream: bool = False, is_silent: bool = False) -> BaseException:
    """Return the error of a call; it waits for a silent server for a moment only."""
    model = ChatCompletion(version=version, endpoint="e") if version == "1" else ChatCompletion(version="2", model="m")
    with pytest.raises(errors.QianfanError) as caught:
        reply = model.do("x", stream=stream, retry_count=1, request_timeout=0.3 if is_silent else 60)
        list(reply)
    return caught.value


def version_of(name: str) -> str:
    return "2" if name in {"API key", "IAM pair"} else "1"


@pytest.mark.fault("F50")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", KEYS)
def test_no_fault_of_an_answer_shows_a_key(scripted, caplog, name, fault):
    caplog.set_level(logging.DEBUG)
    has_token = name in {"IAM pair", "AK and SK"}
    for answers in ([FAULTS[fault]], [[GOOD_TOKEN], FAULTS[fault]])[: 1 + has_token]:
        scripted(*answers)
        use_keys(name)
        assert leaks(texts_of(error_of(version=version_of(name), is_silent=fault == "silence"))) == []
    assert leaks(caplog.text) == []


@pytest.mark.fault("F51")
@pytest.mark.parametrize("name", KEYS)
def test_a_refused_connection_shows_no_key(scripted, name):
    scripted([b""])
    use_keys(name)
    config.get_config().base_url = config.get_config().console_api_base_url = "http://127.0.0.1:9"
    config.get_config().iam_base_url = "http://127.0.0.1:9"
    error = error_of(version=version_of(name))
    assert leaks(texts_of(error)) == []
    assert leaks(VerboseTB().text(type(error), error, error.__traceback__)) == []


@pytest.mark.parametrize("name", ["IAM pair", "AK and SK"])
def test_a_token_that_is_not_as_documented_is_refused_and_not_quoted(scripted, name):
    scripted([http_answer(json.dumps({"access_token": MARK, "token": [MARK], "expires_in": MARK}).encode())])
    use_keys(name)
    error = error_of(version=version_of(name))
    assert isinstance(error, errors.UnexpectedContent)
    assert leaks(texts_of(error)) == []


@pytest.mark.fault("F50")
@pytest.mark.parametrize("end", [b"", None, b"data: {broken\n\n"])
@pytest.mark.parametrize("name", KEYS)
def test_a_broken_stream_shows_no_key(scripted, name, end):
    answer = [stream_head(), b'data: {"result": "a", "choices": []}\n\n', end]
    scripted([GOOD_TOKEN], answer) if name in {"IAM pair", "AK and SK"} else scripted(answer)
    use_keys(name)
    assert leaks(texts_of(error_of(version=version_of(name), stream=True, is_silent=end is None))) == []


@pytest.mark.fault("F50")
@pytest.mark.parametrize("fault", ["no HTTP", "401", "broken JSON"])
def test_a_management_call_shows_no_key(scripted, fault):
    scripted(FAULTS[fault])
    use_keys("IAM pair")
    with pytest.raises(errors.QianfanError) as caught:
        Service.V2.service_list()
    assert leaks(texts_of(caught.value)) == []


@pytest.mark.fault("F14", "F50")
@pytest.mark.parametrize("answer", [http_answer(b"", status="407 Proxy Authentication Required"), b"no\r\n\r\n", b""])
@pytest.mark.parametrize("source", ["setting", "environment"])
def test_no_fault_of_a_proxy_shows_its_password(scripted, monkeypatch, source, answer):
    proxies._environment_proxy.cache_clear()
    server, current = scripted([answer]), config.get_config()
    use_keys("API key")
    current.base_url = current.console_api_base_url = "https://qianfan.invalid"
    monkeypatch.setenv("HTTPS_PROXY" if source == "environment" else "QIANFAN_PROXY", with_password(server.url))
    assert leaks(texts_of(error_of(version="2"))) == []
    proxies._environment_proxy.cache_clear()


def with_password(url: str) -> str:
    return url.replace("//", f"//user:{MARK}@")


@pytest.mark.parametrize("address", ["socks5://a:1", "ftp://a", "http://a:b:c"])
@pytest.mark.parametrize("variable", ["QIANFAN_PROXY", "HTTPS_PROXY"])
def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(scripted, monkeypatch, variable, address):
    proxies._environment_proxy.cache_clear()
    scripted([b""])
    config.get_config().base_url = config.get_config().console_api_base_url = "https://qianfan.invalid"
    monkeypatch.setenv(variable, with_password(address))
    assert leaks(texts_of(error_of(version="2"))) == []
    proxies._environment_proxy.cache_clear()


@pytest.mark.parametrize("fault", ["no HTTP", "401", "500"])
def test_a_refused_alert_does_not_show_the_webhooks_address(scripted, fault):
    address = config.Secret(f"{scripted(FAULTS[fault]).url}/hook/{MARK}?key={MARK}")
    with pytest.raises(errors.ConnectionFailed) as caught:
        post_webhook(address, {"text": "x"})
    assert leaks(texts_of(caught.value)) == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("QIANFAN_API_KEY", f"bce-v3/{MARK} {MARK}"),
        ("QIANFAN_AK", MARK),
        ("QIANFAN_API_KEY", f"ALTAK{MARK}"),
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
    assert leaks(texts_of(error)) == []


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
