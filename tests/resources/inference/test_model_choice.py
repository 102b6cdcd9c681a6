"""Which model is asked: defaults that live, replacements of retired names, kinds, and keys of
today's API.
"""

import logging

import pytest
from support.chat_script import sent_bodies
from support.scripted_server import http_answer

from qfnb import ChatCompletion, Embedding, Plugin, Reranker, Text2Image, config, errors
from qfnb._notices import warn_once
from qfnb.wire import catalog

REPLY = (
    b'{"id": "as-1", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}]}'
)
UNKNOWN = b'{"error": {"code": "invalid_model", "message": "No permission to use the model", "type": "x"}, "id": "as-1"}'


@pytest.fixture
def said_again():
    """Let warnings be said again, as in a new process."""
    warn_once.cache_clear()


def sent_model(server, number=0):
    return sent_bodies(server)[number]["model"]


def test_the_default_model_lives(scripted):
    server = scripted([http_answer(REPLY)])
    ChatCompletion().do("x")
    assert sent_model(server) == "ernie-4.5-turbo-128k"
    assert catalog.find_model("chat", sent_model(server)).is_living


@pytest.mark.parametrize(
    ("setting", "ask"),
    [
        ("model", lambda: ChatCompletion().do("x")),
        ("embedding_model", lambda: Embedding().do(["x"])),
        ("rerank_model", lambda: Reranker().do("x", ["y"])),
        ("image_model", lambda: Text2Image().do("x")),
    ],
)
def test_each_kind_has_its_setting(scripted, monkeypatch, setting, ask):
    server = scripted([http_answer(UNKNOWN, status="400 Bad Request")])
    monkeypatch.setenv(f"QIANFAN_{setting.upper()}", "my-own-model")
    with pytest.raises(errors.APIError):
        ask()
    assert sent_model(server) == "my-own-model"


def test_a_model_that_is_named_wins_over_the_setting(scripted):
    server = scripted([http_answer(REPLY)])
    config.get_config().model = "ernie-5.1"
    ChatCompletion(model="deepseek-v4-pro").do("x")
    assert sent_model(server) == "deepseek-v4-pro"


@pytest.mark.parametrize(
    "name", ["ERNIE-Bot-turbo", "ERNIE-4.0-8K", "ernie-speed-128k", "ERNIE-Lite-8K-0922"]
)
def test_a_retired_name_goes_to_what_replaces_it_and_that_is_said_once(
    scripted, caplog, said_again, name
):
    server = scripted([http_answer(REPLY)], [http_answer(REPLY)])
    with caplog.at_level(logging.WARNING, "qfnb"):
        for _ in range(2):
            ChatCompletion(model=name).do("x")
    assert catalog.find_model("chat", sent_model(server)).is_living
    assert [record.message for record in caplog.records if name in record.message] == [
        (
            f"{name} ended {catalog.find_model('chat', name).ended}; asking {sent_model(server)} "
            "instead"
        )
    ]


def test_a_retired_name_is_refused_on_request(scripted, monkeypatch):
    server = scripted([http_answer(REPLY)])
    monkeypatch.setenv("QIANFAN_STRICT_MODELS", "1")
    with pytest.raises(
        errors.InvalidArgumentError, match=r"ERNIE-Bot-turbo ended .*; ask ernie-4\.5-turbo-128k"
    ):
        ChatCompletion(model="ERNIE-Bot-turbo").do("x")
    assert not server.requests


def test_an_unknown_name_is_tried_and_a_refusal_names_living_models(scripted):
    server = scripted([http_answer(UNKNOWN, status="401 Unauthorized")])
    with pytest.raises(errors.APIError, match=r"models that are served: ernie-4\.5-turbo-128k"):
        ChatCompletion(model="ernie-4.5-turbo-129k").do("x")
    assert sent_model(server) == "ernie-4.5-turbo-129k"


def test_a_model_of_another_kind_is_refused_with_what_asks_it(scripted):
    server = scripted([http_answer(REPLY)])
    with pytest.raises(
        errors.InvalidArgumentError,
        match=r"of the kind text2image, not chat: use Text2Image\(model=",
    ):
        ChatCompletion(model="qwen-image").do("x")
    with pytest.raises(errors.InvalidArgumentError, match="of the kind chat, not embedding"):
        Embedding(model="ernie-5.1").do(["x"])
    assert not server.requests


@pytest.mark.fault("F39")
@pytest.mark.parametrize("keys", [{"ak": "a" * 24, "sk": "b" * 32}, {"access_token": "24.x"}])
def test_keys_of_v1_alone_are_told_that_it_ended_before_any_call(keys):
    config.get_config().platform = "qianfan"
    with pytest.raises(errors.CredentialsError, match=r"ended on 2026-08-31: create an API key"):
        ChatCompletion(**keys).do("x")


def test_what_only_v1_has_is_refused_on_the_cloud():
    with pytest.raises(errors.InvalidArgumentError, match="Plugin is of the v1 inference API"):
        Plugin(api_key="bce-v3/ALTAK-x/0123456789").do("x")


def test_a_service_is_called_by_its_name_on_v2(scripted):
    server = scripted([http_answer(REPLY)])
    config.get_config().access_key = "ALTAKx"
    config.get_config().secret_key = "y"
    ChatCompletion(endpoint="my_service").do("x")
    assert b"POST /v2/chat/completions " in server.requests[0]
    assert sent_model(server) == "my_service"


@pytest.mark.fault("F39")
def test_version_1_with_an_api_key_alone_is_told_that_v1_has_ended(scripted):
    scripted([http_answer(b"{}")])
    with pytest.raises(
        errors.CredentialsError, match="ended on the cloud on 2026-08-31; v2 is the default"
    ):
        ChatCompletion(version=1).do("你好")
