"""Chat against the sandbox: both versions, every form of the call, and what is refused before it is
sent.
"""

import asyncio
import json

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


def test_the_pieces_of_a_stream_are_the_reply_and_so_are_the_awaited_forms(chat):
    async def ask():
        whole = await chat.ado(SAY)
        pieces = [piece.text async for piece in await chat.ado(SAY, stream=True)]
        return whole.text, "".join(pieces)

    pieces = list(chat.do(SAY, stream=True))
    assert len(pieces) > 3
    text = "".join(piece.text for piece in pieces)
    assert text == "".join(piece["result"] for piece in pieces) == chat.do(SAY).text
    assert asyncio.run(ask()) == (text, text)


def test_a_conversation_grows(chat):
    messages = Messages()
    messages.append("你是谁")
    messages.append(chat.do(messages))
    messages.append("你叫什么")
    assert [turn["role"] for turn in messages] == ["user", "assistant", "user"]
    assert chat.do(messages).text


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


def test_an_abandoned_stream_hangs_up(scripted):
    piece = 'data: {"id": "x", "choices": [{"index": 0, "delta": {"content": "一"}}]}\n\n'
    server = scripted([stream_head(), piece.encode(), None])
    stream = ChatCompletion(version=2).do(SAY, stream=True)
    assert next(stream).text == "一"
    stream.close()
    assert server.client_left.wait(180)


def test_the_persona_is_a_message_in_v2_and_an_option_in_v1(scripted):
    server = scripted([http_answer(b'{"result": "x", "is_end": true}')])
    ChatCompletion(version=1, access_key="a", secret_key="b").do(SAY, system="你是猫")
    assert '"system":"你是猫"'.encode() in server.requests[-1].replace(b'": "', b'":"')
    ChatCompletion(version=2).do(SAY, system="你是猫")
    assert b'"role":"system"' in server.requests[-1].replace(b'": "', b'":"')


def test_no_key_shows_in_a_repr(sandbox):
    config.get_config().api_key = "bce-v3/ALTAK-canary/0123456789"
    assert "canary" not in repr(config.get_config()) + repr(qfnb.ChatCompletion(api_key="canary"))


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


def test_another_server_may_have_options_of_its_own(scripted, caplog):
    thinking.warn_once.cache_clear()
    server = scripted(whole("好"))
    ChatCompletion(base_url=server.url + "/v1").do("问", guided_regex="x", max_completion_token=5)
    assert "guided_regex" not in caplog.text
    assert "max_completion_token= is not" in caplog.text
