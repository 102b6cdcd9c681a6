"""`think=`: the spelling that each model takes, never two; reasoning that is not sent back; answers
that are cut off.
"""

import logging

import pytest
from support.chat_script import sent_bodies, streamed, tool_call, whole

import qfnb
from qfnb import ChatCompletion, Messages, errors
from qfnb.resources.inference import thinking
from qfnb.resources.inference.reply import join_pieces
from qfnb.wire import catalog


@pytest.fixture(autouse=True)
def _warn_again():
    thinking.warn_once.cache_clear()


def fields_for(model, think, **options):
    """Return the options that a model gets."""
    row = catalog.find_model("chat", model)
    return thinking.with_thinking({"think": think, **options}, model, row, is_qianfan=True)


@pytest.mark.parametrize(
    ("model", "think", "fields"),
    [
        ("qwen3.5-27b", 0, {"enable_thinking": False}),
        ("qwen9-new", "low", {"enable_thinking": True}),
        ("nobody-knows-it", False, {"thinking": {"type": "disabled"}}),
        ("ernie-x1.1", True, {}),
        ("ernie-x1.1", False, {}),
    ],
)
def test_each_model_gets_its_own_spelling(model, think, fields):
    assert fields_for(model, think) == fields


@pytest.mark.parametrize(
    ("model", "think", "message"),
    [
        ("ernie-4.5-turbo-128k", True, "does not think: think= is not sent"),
        ("ernie-x1.1", False, "always thinks"),
        ("glm-5.1", "high", "no levels of thinking"),
        ("glm-5.1", 4000, "no budget of thinking"),
        (
            "nobody-knows-it",
            "high",
            "nothing is known about the thinking of nobody-knows-it: it is switched on, and 'high'",
        ),
        (
            "nobody-knows-it",
            4000,
            "nothing is known about the thinking of nobody-knows-it: it is switched on, and '4000'",
        ),
    ],
)
def test_what_a_model_cannot_do_is_said_once(caplog, model, think, message):
    for _ in range(3):
        fields_for(model, think)
    assert [message in record.getMessage() for record in caplog.records] == [True]


def test_a_budget_makes_the_longest_answer_count_both():
    fields = fields_for("qwen3.5-27b", 4000, max_output_tokens=500)
    assert fields == {
        "enable_thinking": True,
        "thinking_budget": 4000,
        "max_completion_tokens": 4500,
    }
    assert (
        fields_for("qwen3.5-27b", 4000, max_completion_tokens=6000)["max_completion_tokens"] == 6000
    )


@pytest.mark.parametrize(
    ("think", "effort"), [(True, "medium"), (False, "none"), ("low", "low"), (3000, "medium")]
)
def test_other_servers_get_openais_spelling(scripted, think, effort):
    server = scripted(whole("好"))
    ChatCompletion(base_url=f"{server.url}/v1", model="gpt-oss").do("x", think=think)
    assert sent_bodies(server)[0]["reasoning_effort"] == effort


def test_every_form_of_the_call_sends_it(scripted):
    server = scripted(whole("好"))
    chat = ChatCompletion(model="glm-5.1")
    chat.do("x", think=True)
    chat.batch_do(["x"], think=True).results()
    chat.batch_do(body_list=[{"messages": "x", "think": True}]).results()
    qfnb.batch(["x"], client=chat, think=True).wait()
    assert [body["thinking"] for body in sent_bodies(server)] == [{"type": "enabled"}] * 4
    assert not any("think" in body for body in sent_bodies(server))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"think": "hihg"}, "did you mean 'high'"),
        ({"think": -5}, "think=-5: must be True, False, a number of tokens from 1"),
        ({"think": 0.5}, "think=0.5"),
        ({"think": True, "enable_thinking": True}, "think= and enable_thinking=: set one"),
    ],
)
def test_a_wrong_switch_is_refused_before_the_call(options, message):
    with pytest.raises(errors.InvalidArgumentError, match=message):
        ChatCompletion(base_url="http://127.0.0.1:9/v1", model="m").do("x", **options)


def test_reasoning_is_kept_in_the_history_and_not_sent_back(scripted):
    server = scripted(whole("好", reasoning_content="想"))
    messages = Messages([{"role": "user", "content": "一"}])
    messages.append(ChatCompletion().do(messages))
    assert messages[1] == {"role": "assistant", "content": "好", "reasoning_content": "想"}
    messages.append("二")
    ChatCompletion().do(messages)
    assert sent_bodies(server)[1]["messages"][1] == {"role": "assistant", "content": "好"}


def test_reasoning_stays_within_a_round_of_tools(scripted):
    server = scripted(
        whole("", reasoning_content="要查", tool_calls=[tool_call("f", "{}")], finish="tool_calls")
    )
    messages = Messages([{"role": "user", "content": "一"}])
    reply = ChatCompletion().do(messages)
    messages.append(reply)
    messages.append_result(reply.tool_calls[0], "晴")
    ChatCompletion().do(messages)
    assert sent_bodies(server)[1]["messages"][1]["reasoning_content"] == "要查"


USAGE = {
    "prompt_tokens": 30,
    "completion_tokens": 50,
    "total_tokens": 80,
    "prompt_tokens_details": {"cached_tokens": 20},
    "completion_tokens_details": {"reasoning_tokens": 40},
}


def test_thinking_and_cached_tokens_are_counted(scripted):
    scripted(whole("好", usage=USAGE))
    usage = ChatCompletion().do("x").usage
    assert (usage.reasoning_tokens, usage.cached_tokens) == (40, 20)
    assert list(qfnb.usage().iloc[-1][["reasoning_tokens", "cached_tokens"]]) == [40, 20]


def test_the_pieces_of_a_stream_are_one_reply_with_the_last_usage(scripted):
    calls = [
        {"index": 0, **tool_call("f", '{"a"')},
        {"index": 0, "function": {"arguments": ": 1}"}},
    ]
    parts = [{"reasoning_content": "想一"}, {"reasoning_content": "想"}, {"content": "好"}]
    scripted(
        streamed(
            *parts, *({"tool_calls": [call]} for call in calls), finish="tool_calls", usage=USAGE
        )
    )
    pieces = list(ChatCompletion().do("x", stream=True))
    reply = join_pieces(pieces, "".join(piece.text for piece in pieces), 1.0)
    assert (reply.reasoning, reply.text, reply.usage.total_tokens) == ("想一想", "好", 80)
    assert (reply.tool_calls[0].name, reply.tool_calls[0].arguments, reply.tool_calls[0].id) == (
        "f",
        {"a": 1},
        "call_1",
    )
    assert reply.body["choices"][0]["finish_reason"] == "tool_calls"


def test_an_answer_that_thinking_used_up_says_so(scripted, caplog):
    scripted(whole("", reasoning_content="想" * 50, finish="length"))
    reply = ChatCompletion().do("x", think=True)
    assert reply.is_cut_while_thinking
    assert "raise max_completion_tokens" in repr(reply)
    assert any(
        "Cut off while thinking" in record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING
    )
