"""Every model of the list of 2026-09-16 as a call sends it, against what the platform's pages say
of it.
"""

import pytest
from support.request_recorder import record_requests

from qfnb import ChatCompletion, Embedding, Reranker, Text2Image
from qfnb.config import get_config
from qfnb.resources import ImageEdit
from qfnb.resources.inference import thinking
from qfnb.wire import catalog

NOTHING = {}
SWITCH = {"thinking": {"type": "enabled"}}
FLAG = {"enable_thinking": True}
OFF = {
    "thinking": {"thinking": {"type": "disabled"}},
    "enable_thinking": {"enable_thinking": False},
}

CHAT = {
    "ernie-4.5-turbo-128k": NOTHING, "ernie-4.5-turbo-32k": NOTHING, "ernie-4.5-turbo-20260402": NOTHING,
    "ernie-4.5-turbo-vl": NOTHING, "ernie-4.5-turbo-vl-32k": NOTHING, "internvl3-38b": NOTHING, "deepseek-ocr": NOTHING,
    "ernie-5.0": FLAG, "ernie-5.0-thinking-latest": FLAG, "ernie-5.0-thinking-preview": FLAG,
    "ernie-5.0-thinking-exp": FLAG, "qwen3.5-397b-a17b": FLAG, "qwen3.5-122b-a10b": FLAG, "qwen3.5-27b": FLAG,
    "qwen3.5-35b-a3b": FLAG, "ernie-5.1": SWITCH, "ernie-5.5-flash-preview": SWITCH, "deepseek-v4.1-flash": SWITCH,
    "deepseek-flash": SWITCH, "deepseek-v4-pro": SWITCH, "deepseek-v4-pro-0813": SWITCH,
    "deepseek-v4-flash-0731": SWITCH, "glm-5.3-flash": SWITCH, "glm-5.3": SWITCH, "glm-5.2": SWITCH, "glm-5.1": SWITCH,
    "qianfan-ocr": SWITCH,
}  # fmt: skip
"""Id -> what switches thinking on: by the page on deep thinking, newer models by their family (a
guess).
"""

EFFORTS = {"deepseek-v4-pro"}
OTHERS = {
    "embedding-v1": "/v2/embeddings", "tao-8k": "/v2/embeddings", "bge-large-zh": "/v2/embeddings",
    "bge-large-en": "/v2/embeddings", "qwen3-embedding-0.6b": "/v2/embeddings", "qwen3-embedding-4b": "/v2/embeddings",
    "qwen3-embedding-8b": "/v2/embeddings", "bce-reranker-base": "/v2/rerank", "qwen3-reranker-0.6b": "/v2/rerank",
    "qwen3-reranker-4b": "/v2/rerank", "qwen3-reranker-8b": "/v2/rerank", "qwen-image": "/v2/images/generations",
    "musesteamer-air-image": "/v2/musesteamer/images/generations", "qwen-image-edit": "/v2/images/edits",
}  # fmt: skip
WITHOUT_A_CALL = ["paddleocr-vl-0.9b", "pp-structurev3"]
"""Models with a path of their own, which qfnb has no call for."""

SPELLINGS = set(thinking.SPELLINGS)
ASKED = {
    "embedding": lambda model: Embedding(model).do(["一"]),
    "reranker": lambda model: Reranker(model).do("一", ["二"]),
    "text2image": lambda model: Text2Image(model).do("一"),
    "image2image": lambda model: ImageEdit(model).do("一", "data:image/png;base64,iVBORw0KGgo="),
}


@pytest.fixture(scope="module")
def recorder():
    with record_requests() as (url, requests):
        yield url, requests


@pytest.fixture
def sent(recorder):
    """The requests of one test, which go to the recorder with an API key."""
    url, requests = recorder
    current = get_config()
    current.base_url = current.console_api_base_url = current.iam_base_url = url
    current.api_key = "bce-v3/ALTAK-walk/0123456789"
    requests.clear()
    return requests


def fields_of(request):
    return {name: value for name, value in request.body.items() if name in SPELLINGS}


def test_the_lists_here_are_those_of_the_catalogue():
    living = {row.id for row in catalog.load_models() if row.is_living}
    assert living == {*CHAT, *OTHERS, *WITHOUT_A_CALL}


@pytest.mark.parametrize("model", CHAT)
def test_its_chat_sends_the_id_and_its_one_switch(sent, model):
    chat = ChatCompletion(model=model)
    on = CHAT[model]
    for think in (None, True, False, "high", 2000):
        chat.do("一", think=think)
    plain, enabled, disabled, effort, budget = sent
    assert {(request.path, request.body["model"]) for request in sent} == {
        ("/v2/chat/completions", model)
    }
    assert (fields_of(plain), fields_of(enabled)) == ({}, on)
    assert fields_of(disabled) == (OFF[next(iter(on))] if on else {})
    assert fields_of(effort) == ({"reasoning_effort": "high"} if model in EFFORTS else on)
    assert fields_of(budget) == (on | {"thinking_budget": 2000} if on is FLAG else on)


@pytest.mark.parametrize("model", OTHERS)
def test_it_is_asked_at_the_path_of_its_kind(sent, model):
    ASKED[catalog.find_model(None, model).kind](model)
    assert [(request.method, request.path, request.body["model"]) for request in sent] == [
        ("POST", OTHERS[model], model)
    ]
    assert not fields_of(sent[0])
