"""Any server that speaks OpenAI's API, by base URL or by profile; a key goes only where it was
given for.
"""

import pytest
from support.scripted_server import http_answer

from qfnb import ChatCompletion, Embedding, Plugin, config, connect, errors
from qfnb.config import Credentials
from qfnb.transport.platform import Platform

REPLY = b'{"id": "x", "model": "llama", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}]}'


def test_a_base_url_and_a_key(sandbox):
    chat = ChatCompletion(
        base_url=f"{sandbox.url}/v2", api_key=sandbox.api_key, model="ernie-lite-8k"
    )
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


def test_the_server_judges_ranges(scripted):
    server = scripted([http_answer(REPLY)], [http_answer(REPLY)])
    ChatCompletion().do("x", temperature=9, top_p=2)
    ChatCompletion(base_url=f"{server.url}/v1", model="llama").do("x", temperature=9, top_p=2)
    for request in server.requests:
        assert b'"temperature":9,"top_p":2' in request


REFUSED = b'{"error": {"code": "iam_error", "message": "no", "type": "x"}, "id": "as-1"}'


def test_a_403_says_account_activation_or_range(scripted):
    scripted([http_answer(REFUSED, status="403 Forbidden")])
    with pytest.raises(errors.AuthError, match="range of the key"):
        ChatCompletion().do("x")


@pytest.mark.fault("F40")
def test_a_refused_key_is_told_whose_keys_the_address_takes(scripted):
    scripted([http_answer(REFUSED, status="401 Unauthorized")])
    with pytest.raises(errors.AuthError, match="QIANFAN_PROFILE=coding"):
        ChatCompletion().do("x")


@pytest.mark.fault("F41")
@pytest.mark.parametrize(
    ("url", "note"),
    [
        ("https://qianfan.baidubce.com/v2/tokenplan/team", "key of its own plan"),
        ("https://api.baiduqianfan.ai/v1", "international site has accounts and keys of its own"),
        ("https://api.example.com/v1", ""),
    ],
)
def test_each_site_has_its_own_keys(url, note):
    platform = Platform("custom", Credentials(), *["https://qianfan.baidubce.com"] * 4, openai=url)
    assert note in platform.key_note
    assert bool(note) == bool(platform.key_note) == platform.is_qianfan


@pytest.mark.parametrize("profile", ["intl", "coding", "tokenplan", "tokenplan-team"])
def test_a_profile_without_an_api_key_is_refused_before_any_call(profile):
    config.get_config().profile = profile
    config.get_config().access_key = "ALTAKx"
    config.get_config().secret_key = "y"
    with pytest.raises(errors.CredentialsError, match="set QIANFAN_API_KEY"):
        ChatCompletion().do("x")


@pytest.mark.fault("F39")
@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"api_key": "ALTAKabcdef"}, "api_key holds the access key of an IAM pair"),
        ({"ak": "bce-v3/ALTAK-x/y", "sk": "z"}, "ak holds an API key"),
        ({"access_key": "bce-v3/ALTAK-x/y", "secret_key": "z"}, "access_key holds an API key"),
    ],
)
def test_a_key_of_another_kind_is_named(keys, message):
    with pytest.raises(errors.CredentialsError, match=message):
        ChatCompletion(**keys).do("x")


def test_a_plan_gets_the_options_and_the_default_of_qianfan():
    coding = Platform(
        "custom", Credentials(), *["https://x.example"] * 4, openai=connect.PROFILES["coding"]
    )
    request = ChatCompletion().prepare("x", think=True, stream=True).request_for(coding)
    assert request.model == "qianfan-code-latest"
    assert request.record.to_wire()["thinking"] == {"type": "enabled"}
