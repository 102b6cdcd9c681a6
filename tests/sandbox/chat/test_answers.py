"""Chat of v2 as the platform of 2026 does it: thinking, limits, cached tokens, schemas,
refusals.
"""

import json

import pytest
from hypothesis import example, given, settings, strategies as st
from jsonschema import Draft202012Validator
from support.raw_http import CHAT

from qfnb.base.text import count_tokens, cut_to_tokens
from qianfan_sandbox.chat.structured import SchemaError, fill_schema

DEEPSEEK = "deepseek-v4-pro"
QWEN = "qwen3.5-27b"
ERNIE = "ernie-4.5-turbo-128k"


def request(model=ERNIE, question="你是谁", **body):
    return {"model": model, "messages": [{"role": "user", "content": question}], **body}


def ask(http, *args, **body):
    answer = http.post(CHAT, json=request(*args, **body))
    assert answer.status_code == 200, answer.text
    return answer.json()


def message(answer):
    return answer["choices"][0]["message"]


def events(http, *args, **body):
    text = http.post(CHAT, json=request(*args, stream=True, **body)).text
    return [json.loads(line[6:]) for line in text.split("\n\n") if line and line != "data: [DONE]"]


def refused(http, *args, **body):
    answer = http.post(CHAT, json=request(*args, **body))
    return answer.status_code, answer.json()["error"]["code"]


ON = [
    (DEEPSEEK, {"thinking": {"type": "enabled"}}),
    (DEEPSEEK, {"reasoning_effort": "high"}),
    (QWEN, {"enable_thinking": True}),
    ("ernie-5.0-thinking-preview", {}),
    ("ernie-x1.1", {}),
]


@pytest.mark.parametrize(("model", "switch"), ON, ids=str)
def test_a_model_thinks_by_the_spelling_that_it_takes(http, model, switch):
    answer = ask(http, model, **switch)
    reasoning = message(answer)["reasoning_content"]
    usage = answer["usage"]
    assert "Confidence" in reasoning
    assert usage["completion_tokens_details"]["reasoning_tokens"] == count_tokens(reasoning)
    assert usage["completion_tokens"] == count_tokens(reasoning) + count_tokens(
        message(answer)["content"]
    )


def test_thinking_is_an_account_of_the_decision(http):
    known, unknown = (
        message(ask(http, QWEN, question, enable_thinking=True))
        for question in ("你是谁", "量子色动力学")
    )
    assert "我是 qfnb 本地沙盒模型" in known["reasoning_content"]
    assert "remembered answer as it is" in known["reasoning_content"]
    assert "does not know" in unknown["reasoning_content"]


def test_a_budget_ends_the_thinking_not_the_answer(http):
    answer = ask(http, QWEN, enable_thinking=True, thinking_budget=100)
    assert answer["usage"]["completion_tokens_details"]["reasoning_tokens"] <= 100
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert message(answer)["content"]


def test_max_tokens_counts_the_answer_alone_but_not_for_ernie_5_0(http):
    qwen, ernie = (
        ask(http, model, enable_thinking=True, max_tokens=5)
        for model in (QWEN, "ernie-5.0-thinking-preview")
    )
    assert count_tokens(message(qwen)["content"]) == 5
    assert (message(ernie)["content"], ernie["usage"]["completion_tokens"]) == ("", 5)


@given(st.text(alphabet="千帆ab _1。, \n", max_size=40), st.integers(0, 20))
@settings(max_examples=200)
def test_a_text_is_cut_at_the_longest_start_that_has_so_many_tokens(text, limit):
    cut = cut_to_tokens(text, limit)
    assert text.startswith(cut)
    assert count_tokens(cut) <= limit
    assert cut == text or count_tokens(text) > limit


@pytest.mark.parametrize(
    ("options", "with_usage"),
    [
        ({}, 1),
        ({"stream_options": {"include_usage": True}}, 1),
        ({"stream_options": {"include_usage": False}}, 0),
    ],
    ids=str,
)
def test_a_stream_has_usage_where_it_was_asked_for(http, options, with_usage):
    pieces = events(http, **options)
    totals = [piece["usage"]["total_tokens"] for piece in pieces if "usage" in piece]
    assert len(totals) == with_usage
    assert not totals or totals[-1] == ask(http)["usage"]["total_tokens"]


@pytest.mark.parametrize(
    "body",
    [
        {"tool_choice": "sometimes"},
        {"response_format": {"type": []}},
        {"tool_choice": {"type": "function", "function": {"name": "g"}}},
        {"temperature": 1.5},
        {"max_tokens": 100_000},
    ],
    ids=str,
)
def test_a_wrong_option_is_refused(http, body):
    assert refused(http, **body) == (400, "invalid_argument")


def test_a_prompt_that_is_too_long_is_refused(http):
    assert refused(http, "deepseek-ocr", "长" * 20_000) == (400, "tokens_too_long")
    assert refused(http, "ernie-4.0-8k", "长" * 21_000) == (400, "characters_too_long")


@pytest.mark.parametrize("content", ["", "  \n", []], ids=repr)
def test_a_blank_question_is_refused(http, content):
    assert refused(http, question=content) == (400, "invalid_messages")


TOOLS = [
    {
        "type": "function",
        "function": {"name": name, "description": text, "parameters": {"type": "object"}},
    }
    for name, text in (("get_weather", "查询一个城市的天气"), ("send_mail", "发送邮件"))
]


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("auto", "get_weather"),
        ("none", None),
        ("required", "get_weather"),
        ({"type": "function", "function": {"name": "send_mail"}}, "send_mail"),
    ],
    ids=str,
)
def test_tool_choice_decides_which_function_is_called(http, choice, name):
    answer = ask(
        http,
        question="杭州的天气怎么样",
        tools=TOOLS,
        tool_choice=choice,
        parallel_tool_calls=False,
    )
    calls = [call["function"]["name"] for call in message(answer).get("tool_calls", ())]
    assert calls == ([name] if name else [])


@pytest.mark.parametrize(
    ("question", "city", "said"),
    [
        ("What is the weather like in New York today?", "New York", "The tool's result: 21"),
        ("请问杭州的天气怎么样", "杭州", "工具的结果是：21"),
    ],
)
def test_a_tool_gets_the_subject_of_the_question_and_its_result_is_said_in_that_language(
    http, question, city, said
):
    parameters = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {
        "type": "function",
        "function": {"name": "weather", "description": "a city", "parameters": parameters},
    }
    asked = request(question=question, tools=[tool], tool_choice="required")
    call = message(http.post(CHAT, json=asked).json())
    assert json.loads(call["tool_calls"][0]["function"]["arguments"]) == {"city": city}
    asked["messages"] += [
        call,
        {"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": "21"},
    ]
    assert message(http.post(CHAT, json=asked).json())["content"] == said


def test_a_search_has_results_that_say_what_they_are(http):
    results = ask(http, web_search={"enable": True})["search_results"]
    assert "there is no web search" in results[0]["title"]
    assert "search_results" not in ask(http)


SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 4},
        "days": {"type": "integer", "minimum": 1, "maximum": 7},
        "mood": {"enum": ["晴", "雨"]},
        "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]},
    },
    "required": ["city", "days", "mood", "tags", "next"],
    "additionalProperties": False,
}


def json_schema(schema):
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }


def test_an_answer_fits_its_schema(http):
    text = message(ask(http, DEEPSEEK, "杭州 3 天有雨", response_format=json_schema(SCHEMA)))[
        "content"
    ]
    value = json.loads(text)
    Draft202012Validator(SCHEMA).validate(value)
    assert (value["days"], value["mood"]) == (3, "雨")


@pytest.mark.parametrize(
    "schema", [{"not": {}}, {"type": "x"}, {"$ref": "#/no"}, {"type": "string", "pattern": "("}]
)
def test_a_schema_that_cannot_be_filled_is_refused_with_the_reason(http, schema):
    answer = http.post(CHAT, json=request(DEEPSEEK, response_format=json_schema(schema)))
    assert answer.status_code == 400
    assert "response_format.json_schema: $" in answer.json()["error"]["message"]


LEAVES = st.sampled_from([
    {"type": "string"},
    {"type": "string", "minLength": 3, "maxLength": 5},
    {"type": "string", "format": "date"},
    {"type": "integer", "minimum": 5, "exclusiveMaximum": 9},
    {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
    {"type": "integer", "multipleOf": 7, "minimum": 10},
    {"type": "boolean"},
    {"type": ["null", "integer"]},
    {"enum": ["a", 3, None]},
    {"const": {"k": [1]}},
])  # fmt: skip
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda item, low: {"type": "array", "items": item, "minItems": low, "maxItems": 3}, inner, st.integers(0, 3)),
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda properties: {
                "type": "object", "properties": properties, "required": sorted(properties), "additionalProperties": False,
            },
            st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
        ),
    ),
    max_leaves=8,
)  # fmt: skip


@given(SCHEMAS, st.text(max_size=20), st.text(max_size=20))
@example({"type": "integer", "multipleOf": 7, "minimum": 10}, "", "Infinity")
@example({"type": "number"}, "", "9" * 400)
@settings(max_examples=300)
def test_whatever_fills_a_schema_fits_it(schema, question, answer):
    Draft202012Validator(schema).validate(fill_schema(schema, question, answer))


def test_a_schema_that_never_ends_is_refused():
    endless = {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#"}}}
    with pytest.raises(SchemaError, match="without end"):
        fill_schema(endless, "", "")


def test_a_picture_that_is_none_is_refused(http):
    for url in ("data:image/png;base64,AAAA", "nonsense"):
        content = [
            {"type": "text", "text": "这是什么"},
            {"type": "image_url", "image_url": {"url": url}},
        ]
        assert refused(http, "ernie-4.5-turbo-vl", content) == (400, "invalid_image_url")
