"""Replies of v2 answer the keys of v1, whole and in pieces; replies of v1 answer those of v2."""

import json

import pytest
from support.chat_script import streamed
from support.scripted_server import http_answer, stream_head

from qfnb import ChatCompletion, Messages

WEATHER = {"name": "weather", "arguments": '{"city": "杭州"}'}


def reply_of(scripted, message=None, **fields):
    choice = {
        "index": 0,
        "message": message or {"content": "好"},
        "finish_reason": "stop",
        **fields.pop("choice", {}),
    }
    scripted([http_answer(json.dumps({"id": "as-1", "choices": [choice], **fields}).encode())])
    return ChatCompletion().do("问")


def pieces_of(scripted, *choices):
    events = [{"id": "as-1", "choices": [{"index": 0, **choice}]} for choice in choices]
    lines = [f"data: {json.dumps(event)}\n\n".encode() for event in events]
    scripted([stream_head(), *lines, b"data: [DONE]\n\n"])
    return list(ChatCompletion().do("问", stream=True))


def test_a_whole_reply_of_v2_answers_v1s_keys(scripted):
    reply = reply_of(scripted)
    values = {"result": "好", "is_end": True, "is_truncated": False, "need_clear_history": False}
    assert {key: reply[key] for key in values} == {key: reply.body[key] for key in values} == values
    assert (
        reply["finish_reason"],
        reply.get("search_info"),
        reply.body.get("function_call", 1),
    ) == ("normal", None, 1)
    assert "is_end" in reply.body
    assert "function_call" not in reply.body
    with pytest.raises(KeyError):
        reply.body["function_call"]


def test_a_cut_and_a_refused_reply_say_so_in_v1s_words(scripted):
    assert reply_of(scripted, choice={"finish_reason": "length"})["is_truncated"] is True
    refused = reply_of(scripted, choice={"need_clear_history": True, "ban_round": -1, "flag": 1})
    assert [refused[key] for key in ("need_clear_history", "ban_round", "flag")] == [True, -1, 1]


def test_a_call_and_a_search_of_v2_have_v1s_names(scripted):
    call = {"id": "call_1", "type": "function", "function": WEATHER}
    reply = reply_of(
        scripted, {"content": "", "tool_calls": [call]}, choice={"finish_reason": "tool_calls"}
    )
    assert (reply["function_call"], reply["result"], reply["finish_reason"]) == (
        WEATHER,
        "",
        "function_call",
    )
    assert len(reply.tool_calls) == 1
    results = [{"index": 1, "url": "https://example.com/", "title": "题"}]
    assert reply_of(scripted, search_results=results)["search_info"] == {"search_results": results}


def test_what_is_sent_and_stored_of_a_reply_is_what_came(scripted):
    reply = reply_of(scripted)
    assert (
        set(json.loads(json.dumps(reply.body)))
        == {"id", "choices"}
        == set(reply)
        == set(reply.body.keys())
    )


def test_the_pieces_of_a_stream_answer_v1s_keys(scripted):
    pieces = pieces_of(
        scripted,
        {"delta": {"content": "你"}},
        {"delta": {"content": "好"}, "finish_reason": "length"},
    )
    assert [(piece["result"], piece["is_end"], piece["is_truncated"]) for piece in pieces] == [
        ("你", False, False),
        ("好", True, True),
    ]


def test_what_comes_behind_the_end_with_the_usage_is_at_the_end_too(scripted):
    scripted(
        streamed(
            {"content": "好"}, usage={"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        )
    )
    pieces = list(ChatCompletion().do("问", stream=True))
    assert [(piece["is_end"], piece["result"]) for piece in pieces] == [
        (False, "好"),
        (True, ""),
        (True, ""),
    ]


def test_the_last_piece_has_the_whole_function_call(scripted):
    start = {"index": 0, "id": "call_1", "function": {"name": "weather", "arguments": '{"city"'}}
    end = {"index": 0, "function": {"arguments": ': "杭州"}'}}
    final = {"delta": {}, "finish_reason": "tool_calls"}
    pieces = pieces_of(
        scripted, {"delta": {"tool_calls": [start]}}, {"delta": {"tool_calls": [end]}}, final
    )
    assert ["function_call" in piece.body for piece in pieces] == [False, False, True]
    assert pieces[-1]["function_call"] == WEATHER
    messages = Messages()
    messages.append(pieces[-1])
    assert messages[0]["function_call"] == WEATHER


def test_a_function_call_of_v1_has_v2s_name(scripted):
    scripted(
        [http_answer(json.dumps({"id": "as-1", "result": "", "function_call": WEATHER}).encode())]
    )
    reply = ChatCompletion(version=1, access_token="24.test").do("问")
    assert reply["choices"][0]["message"]["tool_calls"][0]["function"] == WEATHER
