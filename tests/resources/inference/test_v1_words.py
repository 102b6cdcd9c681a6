"""Options and messages of v1 on the v2 route, and v2's on the v1 route: translated, or named in one
warning.
"""

import asyncio

import pytest
from support.chat_script import sent_bodies, tool_call, whole
from support.scripted_server import http_answer

from qfnb import ChatCompletion, Completion, Image2Text, Messages, Text2Image, errors
from qfnb.resources.inference import thinking

WEATHER = {
    "name": "weather",
    "description": "天气",
    "parameters": {"type": "object", "properties": {"city": {}}},
}
CALL = {"name": "weather", "arguments": '{"city": "杭州"}'}
ANSWER_V1 = [http_answer(b'{"id": "as-1", "result": "x"}')]


@pytest.fixture
def sent(scripted):
    """Return the body that a call sends on the v2 route."""

    def ask(messages="杭州天气", **options):
        server = scripted(whole("好"))
        ChatCompletion().do(messages, **options)
        return sent_bodies(server)[0]

    return ask


@pytest.fixture
def sent_v1(scripted):
    """Return the body that a call sends on the v1 route."""

    def ask(messages="杭州天气", **options):
        server = scripted(ANSWER_V1)
        ChatCompletion(version=1, access_token="24.test").do(messages, **options)
        return sent_bodies(server)[0]

    return ask


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({"functions": [WEATHER]}, {"tools": [{"type": "function", "function": WEATHER}]}),
        (
            {"function_call": {"name": "f"}},
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
        ),
        ({"function_call": "auto"}, {"tool_choice": "auto"}),
        ({"user_id": "u1"}, {"user": "u1"}),
        ({"max_output_tokens": 9}, {"max_tokens": 9}),
        ({"response_format": "json_object"}, {"response_format": {"type": "json_object"}}),
        ({"penalty_score": 1.2}, {"penalty_score": 1.2}),
        ({"disable_search": True, "enable_citation": True}, {}),
        ({"disable_search": False}, {"web_search": {"enable": True}}),
        ({"enable_citation": True}, {"web_search": {"enable": True, "enable_citation": True}}),
        ({"enable_trace": False}, {}),
        (
            {"tools": [{"type": "tool", "tool": {"name": "baidu_search"}}]},
            {"web_search": {"enable": True}},
        ),
    ],
    ids=str,
)
def test_an_option_of_v1_is_sent_as_v2_names_it(sent, options, fields):
    body = sent(**options)
    assert {name: body[name] for name in body.keys() - {"messages", "model", "stream"}} == fields


def test_an_option_that_v2_does_not_have_is_named_once_and_not_sent(sent, caplog):
    thinking.warn_once.cache_clear()
    for _ in range(2):
        body = sent(user_setting="x", trace_number=3)
        assert not {"user_setting", "trace_number"} & body.keys()
    named = [record.getMessage().partition("=")[0] for record in caplog.records]
    assert named == ["trace_number", "user_setting"]


def test_what_v1_tells_of_a_function_beside_its_schema_is_not_sent(sent, caplog):
    thinking.warn_once.cache_clear()
    body = sent(functions=[{**WEATHER, "examples": [[]], "responses": {"type": "object"}}])
    assert body["tools"][0]["function"] == WEATHER
    assert [record.getMessage().split()[1] for record in caplog.records] == [
        "examples",
        "responses",
    ]


def test_a_call_and_its_result_in_v1s_form_have_the_same_id_in_v2(sent):
    turns = [
        {"role": "user", "content": "杭州天气"},
        {"role": "assistant", "content": None, "function_call": {**CALL, "thoughts": "查一下"}},
        {"role": "function", "name": "weather", "content": '{"度": 25}'},
    ]
    _, call, result = sent(turns)["messages"]
    assert call == {"role": "assistant", "content": "", "tool_calls": [tool_call(**CALL)]}
    assert result == {"role": "tool", "content": '{"度": 25}', "tool_call_id": "call_1"}


def test_results_of_v1_find_the_calls_of_v2_by_name(sent):
    calls = [tool_call("a", "{}", "c1"), tool_call("b", "{}", "c2")]
    results = [{"role": "function", "name": name, "content": name} for name in "ba"]
    turns = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        *results,
    ]
    assert [turn["tool_call_id"] for turn in sent(turns)["messages"][2:]] == ["c2", "c1"]


def test_a_text_after_a_reply_that_calls_a_function_is_the_functions_result(scripted, sent):
    scripted(whole(tool_calls=[tool_call(**CALL)], finish="tool_calls"))
    messages = Messages()
    messages.append("杭州天气")
    messages.append(ChatCompletion().do(messages, functions=[WEATHER]))
    messages.append('{"度": 25}')
    assert messages[2] == {"role": "function", "name": "weather", "content": '{"度": 25}'}
    assert sent(messages)["messages"][2] == {
        "role": "tool",
        "content": '{"度": 25}',
        "tool_call_id": "call_1",
    }
    messages.append("谢谢")
    assert messages._to_list()[3] == {"role": "user", "content": "谢谢"}


def test_words_of_v2_are_sent_as_v1_names_them(sent_v1, caplog):
    thinking.warn_once.cache_clear()
    tools = [{"type": "function", "function": WEATHER}]
    body = sent_v1(
        tools=tools, user="u", max_completion_tokens=9, web_search={"enable": True}, logprobs=True
    )
    expected = {
        "functions": [WEATHER],
        "user_id": "u",
        "max_output_tokens": 9,
        "disable_search": False,
    }
    assert {name: body[name] for name in body.keys() - {"messages", "stream"}} == expected
    assert [record.getMessage().partition("=")[0] for record in caplog.records] == ["logprobs"]


def test_calls_of_v2_are_sent_as_v1_names_them(sent_v1):
    turns = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": "", "tool_calls": [tool_call(**CALL)]},
        {"role": "tool", "tool_call_id": "call_1", "content": "晴"},
    ]
    assert sent_v1(turns)["messages"][1:] == [
        {"role": "assistant", "content": "", "function_call": CALL},
        {"role": "function", "name": "weather", "content": "晴"},
    ]


def test_another_server_gets_openais_names_and_nothing_of_qianfans_own(scripted, caplog):
    thinking.warn_once.cache_clear()
    server = scripted(whole("好"))
    chat = ChatCompletion("m", base_url=f"{server.url}/v1")
    chat.do("x", functions=[WEATHER], user_id="u", penalty_score=1.1, enable_citation=True)
    body = sent_bodies(server)[0]
    assert (body["user"], body["repetition_penalty"], len(body["tools"])) == ("u", 1.1, 1)
    assert "web_search" not in body
    assert "web_search" in caplog.text


PICTURE = "iVBORw0KGgoAAAANSUhEUgAAABAAAAAQCAIAAACQkWg2AAAAGklEQVR42mM8oaHBQApgYiARjGoY1TB0NAAAjC0BOJDndDkAAAAASUVORK5CYII="


def test_the_options_of_the_fill_route_are_v2s(scripted):
    server = scripted(
        [http_answer(b'{"id": "1", "choices": [{"text": "x", "finish_reason": "stop"}]}')]
    )
    Completion().do("def f(", suffix="return 1", max_output_tokens=5)
    assert sent_bodies(server)[0]["max_tokens"] == 5


@pytest.mark.parametrize("message", [3, None, b"x"])
def test_what_is_no_message_is_named(message):
    with pytest.raises(errors.InvalidArgumentError, match=r"message=.*must be a text"):
        Messages().append(message)


NAMES = [
    (Text2Image, {"prompt_list": ["猫"], "with_decode": "base64"}),
    (Image2Text, {"input_list": [("是什么", PICTURE)]}),
]


@pytest.mark.parametrize(("kind", "rows"), NAMES, ids=[kind.__name__ for kind, _ in NAMES])
def test_the_inputs_of_a_batch_have_the_sdks_names(sandbox, kind, rows):
    (reply,) = kind().batch_do(**rows, worker_num=1).results()
    assert reply.code == 200
    assert "with_decode" not in rows or reply["data"][0]["image"][:4] == b"\x89PNG"
    (awaited,) = asyncio.run(kind().abatch_do(**rows))
    assert awaited.code == 200


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"max_output_tokens": 9, "max_tokens": 5}, "max_tokens"),
        ({"user_id": "a", "user": "b"}, "user"),
    ],
)
def test_of_two_names_of_one_option_that_of_v2_is_sent_with_a_warning(sent, caplog, options, name):
    assert sent(**options)[name] == options[name]
    assert caplog.messages == [
        f"{next(iter(options))}= and {name}= are one option: {name}= is sent"
    ]


def test_a_function_under_both_names_is_sent_once(sent):
    tool = {"type": "function", "function": WEATHER}
    assert sent(functions=[WEATHER], tools=[tool])["tools"] == [tool]
