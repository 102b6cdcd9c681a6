"""The sandbox over HTTP, as any client meets it."""

import time

import pytest
from support.raw_http import open_client

from qfnb.wire import auth

V1 = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat"
HELLO = {"messages": [{"role": "user", "content": "你好"}]}


@pytest.fixture
def http(sandbox):
    with open_client(sandbox.url) as client:
        yield client


def signed(sandbox, method, path, query=(), *, secret=None, access_key=None, timestamp=None):
    host = sandbox.url.removeprefix("http://")
    date = auth.format_timestamp(timestamp or time.time())
    headers = {"host": host, "content-type": "application/json", "x-bce-date": date}
    headers["authorization"] = auth.build_authorization(
        access_key or sandbox.access_key,
        secret or sandbox.secret_key,
        method=method,
        path=path,
        query=query,
        headers=headers,
        date=date,
    )
    return headers


def bearer(sandbox):
    return {"authorization": f"Bearer {sandbox.api_key}"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"secret": "wrong"}, "SignatureDoesNotMatch"),
        ({"timestamp": time.time() - 3600}, "RequestExpired"),
    ],
)
def test_a_wrong_signature_is_refused_as_the_gateway_does(sandbox, http, change, code):
    headers = signed(sandbox, "POST", f"{V1}/eb-instant", **change)
    answer = http.post(f"{V1}/eb-instant", json=HELLO, headers=headers)
    assert (answer.status_code, answer.headers["x-bce-error-code"]) == (403, code)


def token(sandbox, http, **change):
    query = {
        "grant_type": "client_credentials",
        "client_id": sandbox.ak,
        "client_secret": sandbox.sk,
        **change,
    }
    return http.post("/oauth/2.0/token", params=query, json={})


def test_ak_and_sk_become_a_token_that_v1_takes(sandbox, http):
    query = {"access_token": token(sandbox, http).json()["access_token"]}
    assert (
        http.post(f"{V1}/eb-instant", params=query, json=HELLO).json()["object"]
        == "chat.completion"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"client_id": "x"}, "unknown client id"),
        ({"client_secret": "x"}, "Client authentication failed"),
    ],
)
def test_wrong_ak_or_sk_get_the_platforms_words(sandbox, http, change, text):
    answer = token(sandbox, http, **change).json()
    assert (answer["error"], answer["error_description"].partition(";")[0]) == (
        "invalid_client",
        text,
    )


def test_an_iam_pair_becomes_a_bearer_that_v2_takes(sandbox, http):
    query = [("expireInSeconds", "600")]
    headers = signed(sandbox, "GET", "/v1/BCE-BEARER/token", query)
    issued = http.get("/v1/BCE-BEARER/token", params=query, headers=headers).json()
    answer = http.post(
        "/v2/chat/completions",
        json={"model": "ernie-lite-8k", **HELLO},
        headers={"authorization": f"Bearer {issued['token']}"},
    )
    assert answer.status_code == 200


def chat_v2(sandbox, http, **body):
    return http.post(
        "/v2/chat/completions",
        json={"model": "ernie-lite-8k", **HELLO, **body},
        headers=bearer(sandbox),
    )


def test_every_reply_says_that_it_is_the_sandboxs(sandbox, http):
    answer = chat_v2(sandbox, http)
    assert "not ERNIE" in answer.json()["sandbox"]["engine"]
    assert answer.headers["x-qfnb-sandbox"] == "1"


def test_a_path_that_is_not_served_is_a_typed_refusal(sandbox, http):
    assert (
        http.post("/v2/unknown", json={}, headers=bearer(sandbox)).json()["error"]["code"]
        == "invalid_path"
    )
    assert http.post("/rpc/2.0/unknown", json={}).json()["error_code"] == 3
