"""The upstream engine: another server answers, its errors become the platform's, its key appears
nowhere.
"""

import json
import threading

import pytest
from support.fake_upstream import TALK, USAGE
from support.raw_http import open_client

from qfnb import ChatCompletion, Embedding, Reranker, errors
from qfnb.sandbox import ensure, stop

KEY = "sk-canary-0123456789"
TEXT = "".join(TALK)


def v2(http, world, **body):
    request = {"model": "ernie-4.0-8k", "messages": [{"role": "user", "content": "你好"}], **body}
    return http(world).post("/v2/chat/completions", json=request)


def events(answer):
    return [line.removeprefix("data: ") for line in answer.text.split("\n\n") if line]


def test_pieces_arrive_before_the_upstream_has_finished(world, upstream, http):
    upstream.release = threading.Event()
    running = world()
    request = {
        "model": "ernie-4.0-8k",
        "messages": [{"role": "user", "content": "x"}],
        "stream": True,
    }
    with http(running).stream("POST", "/v2/chat/completions", json=request) as answer:
        lines = answer.iter_lines()
        assert TALK[0] in next(lines)
        upstream.release.set()
        chunks = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert "".join(row["choices"][0]["delta"]["content"] for row in chunks) == TEXT[1:]
    assert (chunks[-1]["choices"][0]["finish_reason"], chunks[-1]["usage"]) == ("stop", USAGE)


def test_a_disconnect_ends_the_upstreams_work(world, upstream, http):
    upstream.release = threading.Event()
    running = world()
    request = {
        "model": "ernie-4.0-8k",
        "messages": [{"role": "user", "content": "x"}],
        "stream": True,
    }
    with http(running).stream("POST", "/v2/chat/completions", json=request) as answer:
        next(answer.iter_lines())
    assert upstream.client_left.wait(180)


@pytest.mark.parametrize(
    ("status", "v2_status", "word", "number"),
    [
        (401, 400, "invalid_argument", 336003),
        (404, 404, "invalid_model", 336005),
        (429, 429, "rpm_rate_limit_exceeded", 336501),
        (500, 500, "internal_error", 336000),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_its_errors_become_the_platforms_with_the_reason(
    world, upstream, http, status, v2_status, word, number, stream
):
    upstream.status = status
    upstream.repeated_key = KEY
    running = world()
    answer = v2(http, running, stream=stream)
    assert (answer.status_code, answer.json()["error"]["code"]) == (v2_status, word)
    assert f"that is a {status} ***" in answer.json()["error"]["message"]
    with pytest.raises(errors.APIError) as caught:
        ChatCompletion(version="1").do("x", model="ERNIE-Speed-8K", retry_count=1)
    assert caught.value.error_code == number
    assert KEY not in answer.text + str(caught.value)


def test_an_upstream_that_is_down_is_named(world, http):
    running = world(upstream_url="http://127.0.0.1:9/v1")
    answer = v2(http, running)
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "cannot be reached" in answer.json()["error"]["message"]


def test_a_silent_upstream_times_out(world, upstream, http):
    upstream.release = threading.Event()
    answer = v2(http, world(upstream_timeout=0.2), stream=True)
    assert "said nothing for 0.2 s" in events(answer)[-1]


def test_tools_are_passed_to_the_upstream(world, upstream, http):
    call = {
        "id": "c1",
        "type": "function",
        "function": {"name": "weather", "arguments": '{"city": "北京"}'},
    }
    upstream.calls = [call]
    running = world()
    tools = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]
    choice = v2(http, running, tools=tools).json()["choices"][0]
    assert (choice["finish_reason"], choice["message"]["tool_calls"]) == ("tool_calls", [call])
    reply = ChatCompletion(version="1").do(
        "x",
        model="ERNIE-Speed-8K",
        functions=[{"name": "weather", "description": "", "parameters": {}}],
    )
    assert reply["function_call"] == call["function"]
    assert upstream.requests[1]["tools"][0]["function"]["name"] == "weather"


def test_it_embeds_with_the_configured_model(world, upstream):
    world(upstream_embedding_model="bge")
    reply = Embedding().do(["a", "bbb"])
    assert [vector[0] for vector in reply.vectors] == [1.0, 3.0]
    assert reply["sandbox"]["engine"] == "upstream bge, not ERNIE"
    assert upstream.requests[0] == {"model": "bge", "input": ["a", "bbb"]}
    assert Reranker().do("a", ["bbb", "c"])["results"][0]["index"] == 1


def test_its_key_is_in_no_reply_status_or_log(tmp_path, upstream):
    upstream.status = 401
    upstream.repeated_key = KEY
    options = {"engine": "upstream", "upstream_url": upstream.url, "upstream_key": KEY}
    address = ensure(tmp_path, engine=options)
    try:
        bearer = {"authorization": f"Bearer {address.api_key}"}
        control = {"authorization": f"Bearer {address.control_token}"}
        request = {"model": "ernie-4.0-8k", "messages": [{"role": "user", "content": "x"}]}
        with open_client(address.url) as client:
            text = client.post("/v2/chat/completions", json=request, headers=bearer).text
            text += client.get("/_sandbox/health", headers=control).text
    finally:
        stop(tmp_path)
    assert KEY not in text + repr(address) + (tmp_path / "server.log").read_text()
    assert "upstream" in text
    holding = [
        path.name
        for path in tmp_path.rglob("*")
        if path.is_file() and KEY in path.read_text("latin-1")
    ]
    assert holding == ["engine.json"]
    assert (tmp_path / "engine.json").stat().st_mode & 0o777 == 0o600
