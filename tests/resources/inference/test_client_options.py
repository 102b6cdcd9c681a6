"""The client's own options of the official SDK: they work, in every kind of call, and none is sent
in the body.
"""

import asyncio
import contextlib
import json

import pytest
from support.chat_script import sent_bodies, streamed, whole
from support.scripted_server import http_answer

import qfnb
from qfnb import (
    ChatCompletion,
    Completion,
    Embedding,
    Image2Text,
    Reranker,
    Text2Image,
    config,
    errors,
)
from qfnb.resources.inference import thinking
from qfnb.transport import clock
from qfnb.wire.catalog import find_model

PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
VECTORS = [http_answer(b'{"id": "1", "data": [{"embedding": [1.0], "index": 0}]}')]
SCORES = [http_answer(b'{"id": "1", "results": [{"relevance_score": 1.0, "index": 0}]}')]
PICTURES = [http_answer(json.dumps({"id": "1", "data": [{"b64_json": PICTURE}]}).encode())]
KINDS = {
    ChatCompletion: (("问",), whole("好")),
    Completion: (("写诗",), whole("好")),
    Image2Text: (("是什么", PICTURE), whole("好")),
    Embedding: ((["一"],), VECTORS),
    Reranker: (("一", ["二"]), SCORES),
    Text2Image: (("猫",), PICTURES),
}
OPTIONS = {
    "request_id": "req-7", "app_id": 42, "headers": {"x-team": "a"}, "retry_count": 2, "request_timeout": 30,
    "backoff_factor": 0, "retry_jitter": 0, "retry_max_wait_interval": 1, "retry_err_codes": {336100},
    "truncate_overlong_msgs": True, "auto_concat_truncate": False, "truncated_continue_prompt": "继续",
    "adapt_openai_message_format": True, "show_total_latency": True, "ssl": True, "_no_extra_parameters": True,
}  # fmt: skip


def refusal(code="rpm_rate_limit_exceeded", status="429 Too Many Requests"):
    return [
        http_answer(
            json.dumps({"error": {"code": code, "message": "x"}, "id": "as-1"}).encode(),
            status=status,
        )
    ]


BUSY = refusal("internal_error", "500 Internal Server Error")
"""It leaves the rate limiter, which has delays of its own, alone."""


def headers_of(server):
    lines = server.requests[-1].partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {
        name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }


def ask_all_ways(kind, arguments, **options):
    yield kind().do(*arguments, **options)
    yield asyncio.run(kind().ado(*arguments, **options))
    yield (
        kind().batch_do([arguments if len(arguments) > 1 else arguments[0]], **options).results()[0]
    )


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_option_of_the_client_is_in_the_body_of_any_call(scripted, kind):
    arguments, answer = KINDS[kind]
    server = scripted(answer)
    for reply in ask_all_ways(kind, arguments, user_id="u1", **OPTIONS):
        assert reply.code == 200
        assert sent_bodies(server)[-1]["user"] == "u1"  # v2's name
        assert not OPTIONS.keys() & sent_bodies(server)[-1].keys()
        headers = headers_of(server)
        assert (headers["request_id"], headers["appid"], headers["x-team"]) == ("req-7", "42", "a")


def test_the_same_id_is_on_every_attempt_of_a_stream(scripted):
    server = scripted(refusal(), streamed({"content": "好"}))
    with qfnb.testing():
        pieces = list(ChatCompletion().do("问", stream=True, request_id="req-8"))
    assert pieces[0]["result"] == "好"
    assert [b"req-8" in request for request in server.requests] == [True, True]


def test_extra_parameters_are_sent_as_the_sdk_sends_them(scripted):
    server = scripted(whole("好"))
    ChatCompletion().do("问", extra_parameters={"use_keyword": True})
    assert sent_bodies(server)[0]["extra_parameters"] == {"use_keyword": True}


@pytest.mark.parametrize(
    ("codes", "code", "n_requests"),
    [
        ({"invalid_model"}, "invalid_model", 2),
        ({336501}, "rpm_rate_limit_exceeded", 2),
        ({336100}, "internal_error", 2),
        ({336100}, "rpm_rate_limit_exceeded", 1),
        (set(), "internal_error", 1),
        (None, "rpm_rate_limit_exceeded", 2),
        (None, "invalid_model", 1),
    ],
)
def test_only_the_errors_that_are_listed_are_tried_again(scripted, codes, code, n_requests):
    server = scripted(refusal(code), whole("好"))
    with qfnb.testing(), contextlib.suppress(errors.APIError):
        ChatCompletion().do("问", retry_err_codes=codes)
    assert len(server.requests) == n_requests


def test_delays_follow_the_factor_that_is_set(scripted):
    scripted(BUSY, BUSY, BUSY, whole("好"))
    with qfnb.testing():
        start_s = clock._skipped_s
        ChatCompletion().do(
            "问", retry_count=4, backoff_factor=30, retry_jitter=0, retry_max_wait_interval=100
        )
        assert clock._skipped_s - start_s == 30 + 60 + 100


def test_settings_say_when_calls_are_tried_again_and_a_calls_options_win(scripted):
    settings = config.get_config()
    settings.LLM_API_RETRY_BACKOFF_FACTOR = 30
    settings.LLM_API_RETRY_JITTER = 0
    settings.LLM_API_RETRY_ERR_CODES = {"invalid_model"}
    unknown = refusal("invalid_model")
    server = scripted(unknown, unknown, whole("好"), BUSY, BUSY, whole("好"))
    with qfnb.testing():
        start_s = clock._skipped_s
        ChatCompletion().do("问")
        assert clock._skipped_s - start_s == 30 + 60
        with pytest.raises(errors.ServerError):
            ChatCompletion().do("问")
        ChatCompletion().do("问", retry_err_codes={336100}, backoff_factor=1, retry_jitter=0)
        assert clock._skipped_s - start_s == 30 + 60 + 1
    assert len(server.requests) == 6


def test_codes_of_the_environment_are_numbers_and_words(monkeypatch):
    assert 336100 in config.get_config().LLM_API_RETRY_ERR_CODES
    assert config.get_config().LLM_API_RETRY_BACKOFF_FACTOR == 1
    monkeypatch.setenv("QIANFAN_LLM_API_RETRY_ERR_CODES", "336100, internal_error")
    assert config.settings().llm_api_retry_err_codes == {336100, "internal_error"}


def test_a_constructors_application_is_in_every_call_and_a_calls_own_wins(scripted):
    server = scripted(whole("好"))
    config.get_config().app_id = "settings"
    chat = ChatCompletion(app_id="mine")
    seen = []
    for app in (None, "this call"):
        chat.do("问", app_id=app)
        seen.append(headers_of(server)["appid"])
    ChatCompletion().do("问")
    assert [*seen, headers_of(server)["appid"]] == ["mine", "this call", "settings"]
    assert not chat.has_own_keys


def test_keywords_of_the_sdks_constructors_that_change_nothing_are_taken(scripted, caplog):
    thinking.warn_once.cache_clear()
    scripted(whole("好"))
    assert ChatCompletion(use_function=True, query_per_second=5, ssl=True).do("问").text == "好"
    assert [record.getMessage().partition("=")[0] for record in caplog.records] == [
        "query_per_second"
    ]


def test_a_header_of_the_users_own_is_in_no_repr():
    call = ChatCompletion().prepare("问", headers={"x-team-key": "canary0123456789"})
    assert call.call_options.headers == {"x-team-key": "canary0123456789"}
    assert "canary" not in repr(call)


@pytest.mark.parametrize(
    "headers", [{"Authorization": "canary0123456789"}, {"x-team-key": "canary\n0123456789"}]
)
def test_a_header_that_is_refused_is_named_without_its_text(headers):
    with pytest.raises(errors.InvalidArgumentError, match=next(iter(headers))) as caught:
        ChatCompletion().prepare("问", headers=headers)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"request_id": "a\r\nx: y"},
            "request_id='a\\r\\nx: y': must be a text of printable ASCII",
        ),
        ({"request_id": 5}, "request_id=5"),
        ({"app_id": ""}, "app_id"),
        ({"headers": {"Authorization": "Bearer x"}}, "headers="),
        ({"headers": "x"}, "headers='x': must be a mapping"),
        ({"backoff_factor": -1}, "backoff_factor=-1: must be a number of seconds from 0"),
        ({"retry_jitter": "1"}, "retry_jitter='1'"),
        ({"retry_err_codes": "internal_error"}, "retry_err_codes='internal_error': must be a set"),
        ({"retry_err_codes": [None]}, "retry_err_codes=[None]"),
        ({"truncate_overlong_msgs": "yes"}, "truncate_overlong_msgs='yes': must be True or False"),
        ({"ssl": 0}, "ssl=0: must be True or False"),
        ({"retry_count": 0}, "retry_count=0"),
    ],
    ids=str,
)
def test_a_wrong_value_is_named_before_anything_is_sent(scripted, options, message):
    server = scripted(whole("好"))
    with pytest.raises(errors.InvalidArgumentError) as caught:
        ChatCompletion().do("问", **options)
    assert message in str(caught.value)
    assert not server.requests


def turns_of(*texts):
    roles = ("user", "assistant")
    return [{"role": roles[index % 2], "content": text} for index, text in enumerate(texts)]


def test_the_oldest_turns_are_dropped_until_the_model_has_room(scripted):
    server = scripted(whole("好"))
    row = find_model("chat", "ernie-4.5-turbo-32k")
    assert row.max_input == 27 * 1024
    half = "word " * (row.max_input // 2 - 1)
    turns = [{"role": "system", "content": "助手"}, *turns_of("a b c", "d e f", half, "四", half)]
    ChatCompletion("ernie-4.5-turbo-32k").do(turns, truncate_overlong_msgs=True)
    ChatCompletion("ernie-4.5-turbo-32k").do(turns, truncate_overlong_msgs=False)
    short, long = ([turn["content"] for turn in body["messages"]] for body in sent_bodies(server))
    assert (short, len(long)) == (["助手", half, "四", half], 6)


def test_options_of_the_sdk_that_change_nothing_are_named_and_not_sent(scripted, caplog):
    thinking.warn_once.cache_clear()
    server = scripted(whole("好", finish="length"))
    ChatCompletion().do("讲", auto_concat_truncate=True, adapt_openai_message_format=True)
    assert [message.partition("=")[0] for message in caplog.messages] == [
        "adapt_openai_message_format",
        "auto_concat_truncate",
    ]
    assert sent_bodies(server)[0].keys() == {"model", "messages", "stream"}


def test_times_are_in_the_statistic_of_replies_and_pieces(scripted):
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    scripted(whole("好", usage=usage), streamed({"content": "你"}, {"content": "好"}))
    statistic = ChatCompletion().do("问")["statistic"]
    assert 0 < statistic["request_latency"] <= statistic["total_latency"]
    assert statistic["avg_output_tokens_per_second"] == pytest.approx(
        2 / statistic["total_latency"]
    )
    assert statistic["start_timestamp"] > 1_700_000_000_000
    first, second, last = (
        p.statistic for p in ChatCompletion().do("问", stream=True, show_total_latency=True)
    )
    assert (
        first["request_latency"] == first["first_token_latency"] == last["first_token_latency"] > 0
    )
    assert first["total_latency"] <= second["total_latency"] <= last["total_latency"]
    laps = [each["request_latency"] for each in (first, second, last)]
    assert sum(laps) == pytest.approx(last["total_latency"])
