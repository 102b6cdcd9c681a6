"""Keys that the platform does not take: refused by a strict sandbox, and named in a header by
others.
"""

import pytest
from support.raw_http import CHAT, connect, error_of

HEADER = "x-qfnb-unknown-keys"
SAY = [{"role": "user", "content": "你是谁"}]
BODY = {"model": "ernie-4.5-turbo-128k", "messages": SAY}


@pytest.fixture
def http(world):
    with connect(world.address) as client:
        yield client


WRONG = [
    (CHAT, {**BODY, "functions": [{"name": "f"}]}, "functions"),
    (CHAT, {**BODY, "user_id": "u", "retry_count": 3}, "retry_count, user_id"),
    (CHAT, {**BODY, "messages": [*SAY, {"role": "function", "content": "x"}]}, "messages.1.role"),
    ("/v2/embeddings", {"model": "embedding-v1", "input": ["一"], "user_id": "u"}, "user_id"),
    (
        "/v2/rerank",
        {"model": "bce-reranker-base", "query": "一", "documents": ["二"], "topn": 1},
        "topn",
    ),
    ("/v2/images/generations", {"model": "qwen-image", "prompt": "猫", "style": "Base"}, "style"),
]


@pytest.mark.parametrize(("path", "body", "names"), WRONG, ids=[names for *_, names in WRONG])
def test_a_strict_sandbox_refuses_what_others_name_in_a_header(world, http, path, body, names):
    reply = http.post(path, json=body)
    assert (reply.status_code, reply.headers[HEADER]) == (200, names)
    world.set_modes({"strict": True})
    refused = http.post(path, json=body)
    code = "invalid_messages" if "messages" in names else "invalid_argument"
    assert error_of(refused)[:2] == (400, code)
    assert f"param[{names}] invalid" in refused.text


def test_keys_without_a_value_and_those_of_the_official_sdk_are_taken(world, http):
    world.set_modes({"strict": True})
    body = {**BODY, "user_id": None, "extra_parameters": {"request_source": "qianfan_py_sdk"}}
    reply = http.post(CHAT, json=body)
    assert reply.status_code == 200
    assert HEADER not in reply.headers
