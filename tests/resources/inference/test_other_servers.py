"""Any server that speaks OpenAI's API, by base URL or by profile; a key goes only where it was given for."""

import pytest
from support.scripted_server import http_answer

from qfnb import ChatCompletion, Embedding, Plugin, config, errors

REPLY = b'{"id": "x", "model": "llama", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}'


def test_a_base_url_and_a_key(sandbox):
    chat = ChatCompletion(base_url=f"{sandbox.url}/v2", api_key=sandbox.api_key, model="ernie-lite-8k")
    assert "不是文心一言" in chat.do("你是谁").text
    assert "不是文心一言" in "".join(piece.text for piece in chat.do("你是谁", stream=True))
    vectors = Embedding(base_url=f"{sandbox.url}/v2", api_key=sandbox.api_key).do(["a"]).vectors
    assert len(vectors) == 1


def test_names_are_not_translated_and_the_path_is_the_servers(scripted):
    server = scripted([http_answer(REPLY)])
    ChatCompletion(base_url=f"{server.url}/openai/v1", model="ERNIE-Bot").do("x")
    assert server.requests[0].startswith(b"POST /openai/v1/chat/completions ")
    assert b'"model":"ERNIE-Bot"' in server.requests[0].replace(b'": "', b'":"')


def test_the_settings_key_is_not_sent_to_another_server(scripted):
    server = scripted([http_answer(REPLY)])
    config.get_config().api_key = "bce-v3/ALTAK-test/settingskey0123"
    ChatCompletion(base_url=f"{server.url}/v1", model="llama").do("x")
    assert b"settingskey" not in server.requests[0]


def test_a_setting_points_everything_at_the_server(scripted):
    server = scripted([http_answer(REPLY)])
    config.get_config().openai_base_url = f"{server.url}/v1"
    config.get_config().api_key = "its-own-key"
    assert ChatCompletion(model="llama").do("x").text == "hi"
    assert b"its-own-key" in server.requests[0]


def test_qianfans_own_calls_are_refused_there(scripted):
    server = scripted([http_answer(REPLY)])
    with pytest.raises(errors.InvalidArgumentError, match="speaks OpenAI's API only"):
        Plugin(base_url=f"{server.url}/v1").do("x", endpoint="app")
    assert not server.requests


def test_plain_http_to_a_stranger_is_refused():
    with pytest.raises(errors.InvalidArgumentError, match="https"):
        ChatCompletion(base_url="http://example.com/v1", api_key="k").do("x")


def test_profiles_are_named(monkeypatch):
    config.get_config().profile = "moon"
    with pytest.raises(errors.InvalidArgumentError, match="intl, coding, tokenplan"):
        ChatCompletion(model="x").do("x")


@pytest.mark.parametrize("temperature", [0, 1.5])
def test_the_server_judges_ranges(scripted, temperature):
    server = scripted([http_answer(REPLY)], [http_answer(REPLY)])
    ChatCompletion().do("x", temperature=temperature, top_p=2)
    ChatCompletion(base_url=f"{server.url}/v1", model="llama").do("x", temperature=temperature, top_p=2)
    for request in server.requests:
        assert f'"temperature":{temperature},"top_p":2'.encode() in request
