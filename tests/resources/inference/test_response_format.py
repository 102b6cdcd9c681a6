"""`response_format=`: what is sent, what is accepted, and what happens to an answer that does not
match.
"""

import asyncio
import json
import threading
from functools import reduce
from typing import Literal

import pytest
from pydantic import BaseModel
from support.chat_script import sent_bodies, streamed, tool_call, whole

from qfnb import ChatCompletion, errors
from qfnb.resources.inference.response_format import parse_json, parse_response_format

GOOD = '{"title": "红楼梦", "year": 1791}'
BAD = '{"title": "红楼梦", "year": "很早"}'
SCHEMA = {"type": "object", "properties": {"year": {"type": "integer"}}, "required": ["year"]}


class Book(BaseModel):
    """A novel."""

    title: str
    year: int


def on_other_server(server):
    """Return a client of a server that takes OpenAI's `json_schema`."""
    return ChatCompletion(base_url=f"{server.url}/v1", model="llama")


def test_a_pydantic_class_becomes_an_object_and_the_schema_is_an_instruction(scripted):
    server = scripted(whole(GOOD))
    assert ChatCompletion().do("红楼梦", response_format=Book).parsed == Book(
        title="红楼梦", year=1791
    )
    body = sent_bodies(server)[0]
    assert body["response_format"] == {"type": "json_object"}
    assert '"title": "Book"' in body["messages"][0]["content"]
    assert body["messages"][0]["role"] == "system"


@pytest.mark.parametrize(
    ("question", "asked"),
    [("Novels of 1791", "Answer with JSON only"), ("1791 年的小说", "只输出 JSON")],
)
def test_the_form_is_asked_for_in_the_language_of_the_question(scripted, question, asked):
    server = scripted(whole("no"), whole(GOOD))
    ChatCompletion().do(question, response_format=Book)
    first, second = (body["messages"] for body in sent_bodies(server))
    texts = [first[0]["content"], second[0]["content"], second[-1]["content"]]
    assert all(asked in text and ("只" in text) == ("只" in asked) for text in texts)


def test_a_server_that_takes_schemas_gets_the_schema_and_no_instruction(scripted):
    server = scripted(whole(GOOD))
    on_other_server(server).do("红楼梦", response_format=Book)
    body = sent_bodies(server)[0]
    assert body["response_format"]["json_schema"] == {
        "name": "Book",
        "schema": Book.model_json_schema(),
    }
    assert [message["role"] for message in body["messages"]] == ["user"]


def test_the_instruction_follows_the_persona(scripted):
    server = scripted(whole(GOOD))
    ChatCompletion().do("x", system="你是书店", response_format=Book)
    ChatCompletion().do(
        [{"role": "system", "content": "你是书店"}, {"role": "user", "content": "x"}],
        response_format=Book,
    )
    first, second = (body["messages"] for body in sent_bodies(server))
    assert first == second
    assert first[0]["content"].startswith("你是书店\n\n")


@pytest.mark.parametrize("kind", ["text", "json_object"])
def test_the_platforms_own_words_are_sent_and_not_checked(scripted, kind):
    server = scripted(whole("不是 JSON"))
    for value in (kind, {"type": kind}):
        assert ChatCompletion().do("x", response_format=value).parsed is None
    assert [body["response_format"] for body in sent_bodies(server)] == [{"type": kind}] * 2


def test_a_wrong_answer_is_asked_for_once_more_with_what_was_wrong(scripted):
    server = scripted(whole(BAD, usage={"total_tokens": 5}), whole(GOOD))
    reply = ChatCompletion().do("红楼梦", response_format=Book)
    assert reply.parsed.year == 1791
    assert [earlier.usage.total_tokens for earlier in reply.earlier] == [5]
    _, _, answer, correction = sent_bodies(server)[1]["messages"]
    assert answer == {"role": "assistant", "content": BAD}
    assert "year: Input should be a valid integer" in correction["content"]


def test_a_second_wrong_answer_is_an_error_that_carries_it(scripted):
    server = scripted(whole(BAD))
    with pytest.raises(errors.UnreadableAnswer, match="not Book: year") as error:
        ChatCompletion().do("红楼梦", response_format=Book)
    assert (error.value.answer, error.value.reply.text) == (BAD, BAD)
    assert len(server.requests) == 2


def test_an_answer_that_is_cut_off_is_not_asked_for_again(scripted):
    server = scripted(whole(GOOD[:10], finish="length"))
    with pytest.raises(errors.UnreadableAnswer, match="larger max_completion_tokens"):
        ChatCompletion().do("红楼梦", response_format=Book)
    assert len(server.requests) == 1


def test_a_call_of_a_function_is_no_answer_yet(scripted):
    scripted(whole("", tool_calls=[tool_call("f", "{}")], finish="tool_calls"))
    assert ChatCompletion().do("x", response_format=Book).parsed is None


def test_a_json_schema_is_checked_too(scripted):
    scripted(whole('{"year": "x"}'), whole('{"year": 3}'))
    assert asyncio.run(ChatCompletion().ado("x", response_format=SCHEMA)).parsed == {"year": 3}


def test_a_stream_is_parsed_at_its_end(scripted):
    scripted(streamed({"content": GOOD[:8]}, {"content": GOOD[8:]}, usage={"total_tokens": 9}))
    pieces = list(ChatCompletion().do("x", stream=True, response_format=Book))
    assert "".join(piece.text for piece in pieces) == GOOD
    assert [piece.parsed for piece in pieces if piece.parsed] == [Book(title="红楼梦", year=1791)]


def test_a_stream_that_does_not_match_comes_whole_before_its_error(scripted):
    server = scripted(streamed({"content": BAD}))
    texts = []
    with pytest.raises(errors.UnreadableAnswer) as error:
        texts += [
            piece.text for piece in ChatCompletion().do("x", stream=True, response_format=Book)
        ]
    assert error.value.answer == BAD
    assert len(server.requests) == 1


class HasThread(BaseModel):
    """Cannot be JSON."""

    model_config = {"arbitrary_types_allowed": True}
    thread: threading.Thread


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (HasThread, "HasThread: cannot be expressed as JSON Schema"),
        (Book(title="x", year=1), "is a Book object: must be .*not an instance"),
        ("json", "'json': must be 'text', 'json_object'"),
        (len, "is a builtin_function_or_method object"),
        ({}, "must be 'text'"),
        ({"type": "objekt"}, "not a valid JSON Schema: 'objekt'"),
        ({"type": "string", "pattern": "("}, "not a valid JSON Schema: '\\(' is not a 'regex'"),
        (
            reduce(lambda inner, _: {"properties": {"a": inner}}, range(3000), {}),
            "not a valid JSON Schema",
        ),
        ({"type": "json_schema"}, "'json_schema' must be"),
        ({"properties": {"book": Book}}, "not a valid JSON Schema"),
        ({"$ref": "https://example.com/book.json"}, "is not in the schema"),
        (
            {"properties": {"a": {"$ref": "#/$defs/missing"}}},
            "'#/\\$defs/missing' is not in the schema",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_said_before_the_call(value, message):
    with pytest.raises(errors.InvalidArgumentError, match=message):
        ChatCompletion(base_url="http://127.0.0.1:9/v1", model="m").do("x", response_format=value)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (list[Book], f"好的：[{GOOD}]", [Book(title="红楼梦", year=1791)]),
        (dict[str, Literal["a", "b"]], '{"x": "a"}', {"x": "a"}),
        ({"type": "array", "items": {"type": "integer"}}, "[1, 2]", [1, 2]),
        (
            {"type": "json_schema", "json_schema": {"name": "y", "schema": SCHEMA}},
            '{"year": 1}',
            {"year": 1},
        ),
    ],
)
def test_generic_types_and_schemas_are_parsed(kind, text, value):
    assert parse_response_format(kind).parse(text) == value


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"```json\n{GOOD}\n```",
        f"见 [1]：{GOOD} 完",
        f"<think>a {{}} 还有 {{</think>{GOOD}",
        f"注意 {{书名}}：\n {GOOD}，以上",
    ],
)
def test_json_stands_among_other_text(text):
    assert parse_json(text) == json.loads(GOOD)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it is empty"),
        ("没有", "has no JSON"),
        (GOOD[:12], "ends inside the JSON"),
        ("[" * 99999, "nested too deeply"),
    ],
)
def test_an_answer_without_json_says_why(text, message):
    with pytest.raises(ValueError, match=message):
        parse_response_format(Book).parse(text)
