"""The client against servers that misbehave, byte for byte."""

import asyncio
import json
import threading

import pytest
from support.scripted_server import http_answer, stream_head

import qfnb
from qfnb import config, connect, errors
from qfnb.transport import shared_rate_limiter

REPLY = b'{"id":"as-1","choices":[{"index":0,"message":{"role":"assistant","content":"ok"},"finish_reason":"stop"}]}'
CANARY = "canary0123456789"


def chunk(text, reason=None):
    body = {
        "id": "as-1",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}],
    }
    return f"data: {json.dumps(body)}\n\n".encode()


def ask(**options):
    return qfnb.ChatCompletion().do("你好", **options)


def read_all(**options):
    return "".join(piece.text for piece in ask(stream=True, **options))


@pytest.fixture(autouse=True)
def _no_sleeping():
    with qfnb.testing():
        yield


def test_a_busy_server_gets_three_attempts(scripted):
    script = scripted([http_answer(b"<html>", status="503 Busy", kind="text/html")])
    with pytest.raises(errors.ServerError):
        ask()
    assert len(script.requests) == 3


def test_a_rate_limit_with_retry_after_is_waited_for(scripted):
    body = b'{"error":{"code":"rpm_rate_limit_exceeded","message":"RPM"},"id":"as-2"}'
    scripted(
        [http_answer(body, status="429 Too Many", more="retry-after: 1\r\n")], [http_answer(REPLY)]
    )
    assert ask().text == "ok"


@pytest.mark.parametrize("status", ["400 Bad", "401 No", "403 No"])
def test_a_refusal_is_not_repeated(scripted, status):
    script = scripted([http_answer(b'{"error":{"code":"x","message":"no"}}', status=status)])
    with pytest.raises(errors.APIError):
        ask()
    assert len(script.requests) == 1


@pytest.mark.fault("F49")
def test_keys_are_not_sent_over_plain_http_to_other_hosts():
    now = config.get_config()
    now.console_api_base_url = now.base_url = "http://example.com"
    now.api_key = f"bce-v3/ALTAK-test/{CANARY}"
    with pytest.raises(errors.InvalidArgumentError, match="https only"):
        ask()


@pytest.mark.fault("F05")
def test_a_silent_server_times_out(scripted):
    scripted([None])
    with pytest.raises(errors.RequestTimeoutError, match=r"0\.3 s"):
        ask(request_timeout=0.3)


@pytest.mark.fault("F08", "F09")
@pytest.mark.parametrize(
    "tail",
    [b"", b'data: {"id":"as-1","cho', b"data: \n\n"],
    ids=["clean end", "cut in the middle", "empty event"],
)
def test_a_stream_without_its_end_mark_is_interrupted(scripted, tail):
    scripted([stream_head(), chunk("你"), chunk("好"), tail])
    with pytest.raises(errors.StreamInterrupted) as caught:
        read_all()
    assert (caught.value.partial, caught.value.events) == ("你好", 2)


def test_a_finish_reason_is_an_end_mark(scripted):
    scripted([stream_head(), chunk("好", "stop")])
    assert read_all() == "好"


@pytest.mark.fault("F12")
def test_a_stream_that_goes_silent_is_interrupted(scripted):
    config.get_config().idle_timeout = 0.2
    scripted([stream_head() + chunk("你"), None])
    with pytest.raises(errors.StreamInterrupted, match="in time") as caught:
        read_all()
    assert caught.value.partial == "你"


def test_pieces_of_thinking_count_as_activity(scripted):
    thought = b'data: {"id": "as-1", "choices": [{"index": 0, "delta": {"reasoning_content": "..."}}]}\n\n'
    config.get_config().first_token_timeout = 0.2
    second = threading.Event()
    scripted([stream_head() + thought, second, chunk("好", "stop")])
    # longer than the silence that is allowed before the first piece
    threading.Timer(0.5, second.set).start()
    assert read_all() == "好"


def test_a_call_that_the_rate_limiter_holds_back_says_so_and_sends_nothing(scripted):
    server = scripted([None])
    config.get_config().rpm_limit = 1
    limiter = shared_rate_limiter.get_limiter(connect.current_platform(), "held-model")
    limiter.apply_settings(config.settings())
    limiter.state.paused_until = limiter._now() + 90
    with pytest.raises(
        errors.RateLimitError, match=r"held back .*1 requests/min.*nothing was sent"
    ) as raised:
        ask(model="held-model", request_timeout=8)
    assert (raised.value.was_sent, len(server.requests)) == (False, 0)


def test_a_single_answer_instead_of_a_stream_is_refused(scripted):
    scripted([http_answer(REPLY)])
    with pytest.raises(errors.UnexpectedContent, match="single answer"):
        read_all()


@pytest.mark.fault("F27", "F28", "F31")
def test_nulls_and_unknown_fields_are_accepted(scripted):
    body = {
        "id": "as-1",
        "usage": None,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": None}, "finish_reason": "new"}
        ],
        "more": 1,
    }
    scripted([http_answer(json.dumps(body).encode())])
    reply = ask()
    assert (reply.text, reply.usage.total_tokens, reply["more"]) == ("", None, 1)


def test_a_thousand_cancelled_calls_leave_a_working_client(scripted, sandbox):
    async def storm():
        chat = qfnb.ChatCompletion()
        calls = [asyncio.create_task(chat.ado("你好")) for _ in range(300)]
        await asyncio.sleep(0.05)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    config.get_config().platform = "sandbox"
    asyncio.run(storm())
    assert qfnb.ChatCompletion().do("你好", request_timeout=60, retry_count=1).text
