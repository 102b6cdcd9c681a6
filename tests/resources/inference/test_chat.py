"""Chat against the sandbox: both versions, every form of the call, and what is refused before it is
sent.
"""

import asyncio
import json
import threading

import pytest
from support.chat_script import whole
from support.scripted_server import http_answer, stream_head

import qfnb
from qfnb import ChatCompletion, Messages, config, errors
from qfnb.resources.inference import thinking

SAY = [{"role": "user", "content": "你是谁"}]


@pytest.fixture(params=[1, 2], ids=["v1", "v2"])
def chat(request, sandbox):
    return ChatCompletion(version=request.param)


def test_a_reply_answers_both_versions_subscripts(chat):
    reply = chat.do(SAY)
    assert "沙盒" in reply["result"]
    assert reply["choices"][0]["message"]["content"] == reply["result"] == reply.text
    assert reply.from_sandbox
    assert reply.usage.total_tokens > 0
    assert reply["body"]["id"]


def test_the_pieces_of_a_stream_are_the_reply(chat):
    pieces = list(chat.do(SAY, stream=True))
    assert len(pieces) > 3
    assert "".join(piece.text for piece in pieces) == chat.do(SAY).text
    assert "".join(piece["result"] for piece in pieces) == chat.do(SAY).text


def test_the_awaited_forms(chat):
    async def ask():
        whole = await chat.ado(SAY)
        pieces = [piece.text async for piece in await chat.ado(SAY, stream=True)]
        return whole.text, "".join(pieces)

    whole, streamed = asyncio.run(ask())
    assert whole == streamed == chat.do(SAY).text


def test_a_conversation_grows(chat):
    messages = Messages()
    messages.append("你是谁")
    messages.append(chat.do(messages))
    messages.append("你叫什么")
    assert [turn["role"] for turn in messages] == ["user", "assistant", "user"]
    assert chat.do(messages).text


def test_old_names_and_new_names_reach_the_same_model(sandbox):
    replies = {
        ChatCompletion(model=name).do(SAY).text for name in ("ERNIE-Bot-turbo", "ernie-lite-8k")
    }
    assert len(replies) == 1


def test_an_unknown_name_is_tried_and_the_platforms_error_names_it(sandbox):
    with pytest.raises(errors.APIError, match="no-such-model"):
        ChatCompletion(model="no-such-model").do(SAY)


def test_a_text_is_a_conversation(sandbox):
    assert ChatCompletion().do("你是谁").text == ChatCompletion().do(SAY).text


def test_many_threads_may_ask_at_once(sandbox):
    chat = ChatCompletion()
    texts = []
    threads = [threading.Thread(target=lambda: texts.append(chat.do(SAY).text)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    assert len(texts) == 16
    assert len(set(texts)) == 1


def test_a_batch_keeps_the_order_and_puts_an_error_in_its_place(sandbox, fault):
    fault("chat.v2", "status", status=400)
    results = ChatCompletion(version=2).batch_do([SAY, SAY, SAY], worker_num=1).results()
    assert isinstance(results[0], errors.APIError)
    assert [type(reply).__name__ for reply in results[1:]] == ["ChatResponse"] * 2


def test_iterating_a_batch_gives_results_in_order(sandbox):
    task = ChatCompletion().batch_do(["你是谁"] * 3)
    assert [item.result().text == task.results()[0].text for item in task] == [True] * 3
    assert (task.finished_count(), task.total_count(), len(task)) == (3, 3, 3)


def test_an_awaited_batch(sandbox):
    results = asyncio.run(ChatCompletion().abatch_do(["你是谁"] * 3))
    assert len({reply.text for reply in results}) == 1


REFUSED = [
    (dict(messages=[]), "messages is empty"),
    (dict(messages=[{"role": "user"}]), "messages[0].content is empty"),
    (dict(messages=[{"role": "user", "content": ""}]), "messages[0].content is empty"),
    (dict(messages=[{"content": "x"}]), "messages[0].role"),
    (dict(messages=[*SAY, {"role": "assistant", "content": "x"}]), "must be the user's"),
    (dict(messages=["x"]), "messages[0]"),
    (dict(messages="a\ud800b"), "lone surrogate at character 1"),
    (dict(messages=SAY, temperature="0.5"), "temperature='0.5': must be a number"),
    (dict(messages=SAY, temperature=float("nan")), "temperature=nan"),
    (dict(messages=SAY, temperature=True), "temperature=True"),
    (dict(messages=SAY, top_p=float("inf")), "top_p=inf"),
    (dict(messages=SAY, max_output_tokens=0), "max_output_tokens=0: must be an integer from 1"),
    (dict(messages=SAY, seed=-1), "seed=-1: must be an integer from 0"),
    (dict(messages=SAY, stop=list("abcde")), "at most 4"),
    (dict(messages=SAY, stop=[1]), "stop=[1]: must be a list of at most 4 strings"),
]


@pytest.mark.fault("F76")
@pytest.mark.parametrize(("arguments", "message"), REFUSED, ids=[message for _, message in REFUSED])
@pytest.mark.parametrize("stream", [False, True])
def test_bad_input_is_refused_before_anything_is_sent(scripted, arguments, message, stream):
    server = scripted([http_answer(b"{}")])
    with pytest.raises(errors.InvalidArgumentError) as caught:
        ChatCompletion().do(**arguments, stream=stream)
    assert message in str(caught.value)
    assert not server.requests


@pytest.mark.fault("F76")
def test_megabytes_and_nul_are_the_platforms_to_judge_and_arrive_unchanged(scripted):
    body = json.dumps(
        {
            "error": {"code": "tokens_too_long", "message": "the max input tokens is 128000"},
            "id": "as-1",
        }
    )
    server = scripted([http_answer(body.encode(), status="400 Bad Request")])
    text = "好\x00" * 1_000_000
    with pytest.raises(errors.APIError, match=r"tokens_too_long.*128000"):
        ChatCompletion().do(text)
    assert [
        json.loads(sent.split(b"\r\n\r\n", 1)[1])["messages"][0]["content"]
        for sent in server.requests
    ] == [text]


@pytest.mark.parametrize("arguments", [{"version": 3}, {"api_kye": "x"}])
def test_a_constructors_mistake_is_named(arguments):
    with pytest.raises(errors.InvalidArgumentError, match=next(iter(arguments))):
        ChatCompletion(**arguments)


@pytest.mark.parametrize("workers", [0, -1, 1001, 2.5, True, "8"])
def test_a_workers_number_out_of_range_is_refused(workers):
    with pytest.raises(errors.InvalidArgumentError, match="1 to 1000"):
        ChatCompletion().batch_do([SAY], worker_num=workers)


def test_a_stream_that_ends_early_keeps_its_text(scripted):
    piece = 'data: {"id": "x", "choices": [{"index": 0, "delta": {"content": "半个"}}]}\n\n'
    scripted([stream_head(), piece.encode()])
    with pytest.raises(errors.StreamInterrupted) as caught:
        list(ChatCompletion(version=2).do(SAY, stream=True))
    assert caught.value.partial == "半个"


def test_an_abandoned_stream_hangs_up(scripted):
    piece = 'data: {"id": "x", "choices": [{"index": 0, "delta": {"content": "一"}}]}\n\n'
    server = scripted([stream_head(), piece.encode(), None])
    stream = ChatCompletion(version=2).do(SAY, stream=True)
    assert next(stream).text == "一"
    stream.close()
    assert server.client_left.wait(180)


def test_keys_of_a_constructor_win_over_the_settings(scripted):
    server = scripted(
        [http_answer(b'{"error": {"code": "x", "message": "no"}}', status="400 Bad Request")]
    )
    with pytest.raises(errors.APIError):
        ChatCompletion(api_key="bce-v3/ALTAK-own/secret").do(SAY)
    assert b"bce-v3/ALTAK-own/secret" in server.requests[0]


def test_the_persona_is_a_message_in_v2_and_an_option_in_v1(scripted):
    server = scripted([http_answer(b'{"result": "x", "is_end": true}')])
    ChatCompletion(version=1, access_key="a", secret_key="b").do(SAY, system="你是猫")
    assert '"system":"你是猫"'.encode() in server.requests[-1].replace(b'": "', b'":"')
    ChatCompletion(version=2).do(SAY, system="你是猫")
    assert b'"role":"system"' in server.requests[-1].replace(b'": "', b'":"')


def test_no_key_shows_in_a_repr(sandbox):
    config.get_config().api_key = "bce-v3/ALTAK-canary/0123456789"
    assert "canary" not in repr(config.get_config()) + repr(qfnb.ChatCompletion(api_key="canary"))


USER, ASSISTANT, SYSTEM = (
    {"role": role, "content": "x"} for role in ("user", "assistant", "system")
)


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([USER, USER, USER], "turn 2 is 'user', v1 requires assistant there"),
        ([ASSISTANT, USER], "turn 1 is 'assistant'"),
        ([USER, SYSTEM, USER], "turn 2 is 'system'"),
    ],
)
def test_v1_wants_user_and_assistant_in_turns(scripted, messages, message):
    server = scripted([http_answer(b"{}")])
    with pytest.raises(errors.InvalidArgumentError) as caught:
        ChatCompletion(version=1, access_key="a", secret_key="b").do(messages)
    assert message in str(caught.value)
    assert not server.requests


def test_a_persona_as_the_first_message_works_on_both_versions(sandbox):
    talk = [{"role": "system", "content": "你是猫"}, *SAY]
    assert ChatCompletion(version=1).do(talk).text == ChatCompletion(version=2).do(talk).text


def today() -> str:
    """Return the date."""
    return "2026-11-22"


CALLS = {
    "do": lambda chat, **options: chat.do("问", **options),
    "ado": lambda chat, **options: asyncio.run(chat.ado("问", **options)),
    "stream": lambda chat, **options: list(chat.do("问", stream=True, **options)),
    "run": lambda chat, **options: chat.run("问", [today], **options),
    "batch_do": lambda chat, **options: chat.batch_do(["问", "答"], **options).results(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_misspelt_option_is_sent_with_one_warning_that_has_the_nearest_name(
    sandbox, caplog, call
):
    thinking.warn_once.cache_clear()
    call(ChatCompletion(version=2), temprature=0.5, top_p=0.5)
    warnings = [record.message for record in caplog.records if "not an option" in record.message]
    assert warnings == [
        "temprature= is not an option of v2 chat and is sent as it is; did you mean temperature?"
    ]


def test_the_name_of_a_time_limit_is_suggested(sandbox, caplog):
    thinking.warn_once.cache_clear()
    ChatCompletion(version=2).do("你好", timeout=5)
    assert "did you mean request_timeout?" in caplog.text


def test_another_server_may_have_options_of_its_own(scripted, caplog):
    thinking.warn_once.cache_clear()
    server = scripted(whole("好"))
    ChatCompletion(base_url=server.url + "/v1").do("问", guided_regex="x", max_completion_token=5)
    assert "guided_regex" not in caplog.text
    assert "max_completion_token= is not" in caplog.text
