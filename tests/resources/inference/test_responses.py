"""Responses against the sandbox, and against servers that answer otherwise."""

import asyncio
import json

import pytest
from support.scripted_server import http_answer, stream_head

import qfnb
from qfnb import Responses, errors
from qfnb.resources.inference.reply import ToolCall
from qfnb.wire import responses as wire

TOOL = {
    "type": "function",
    "name": "add",
    "description": "加法",
    "parameters": {"type": "object", "properties": {}},
}


def test_a_conversation_goes_on_by_its_id(sandbox):
    first = Responses.create("我叫小明", instructions="你是助手")
    second = Responses.create("我叫什么", previous_response_id=first.id)
    assert first.text
    assert second.data.previous_response_id == first.id
    assert second.usage.prompt_tokens > first.usage.prompt_tokens
    assert Responses.get(second.id).text == second.text
    assert qfnb.usage()["model"].iloc[-1] == wire.DEFAULT_MODEL


def test_events_have_the_class_of_their_type(sandbox):
    events = list(Responses.stream("你是谁"))
    assert isinstance(events[0], wire.ResponseChanged)
    assert isinstance(events[-1], wire.ResponseChanged)
    text = "".join(event.delta for event in events if isinstance(event, wire.OutputTextDelta))
    assert [item.content[0].text for item in events[-1].response.output] == [text]


def test_the_awaited_forms_answer_the_same(sandbox):
    async def ask():
        reply = await Responses.create.aio("你是谁")
        return reply.text, [event async for event in Responses.stream.aio("你是谁")][-1]

    text, last = asyncio.run(ask())
    assert last.response.output[0].content[0].text == text


def test_a_deleted_response_cannot_be_continued_and_the_error_says_what_to_do(sandbox):
    response_id = Responses.create("你好").id
    assert Responses.delete(response_id)["deleted"]
    with pytest.raises(errors.APIError, match="send the whole conversation again"):
        Responses.create("我叫什么", previous_response_id=response_id)
    with pytest.raises(errors.APIError, match="send the whole conversation again"):
        list(Responses.stream("我叫什么", previous_response_id=response_id))


def test_a_response_that_is_not_stored_has_no_id_to_come_back_to(sandbox):
    with pytest.raises(errors.APIError, match="No such response"):
        Responses.get(Responses.create("你好", store=False).id)
    with pytest.raises(errors.APIError, match="no response of this key has that id"):
        Responses.delete("resp_nowhere")


def test_tools_and_further_options_are_sent_as_they_are(scripted):
    server = scripted([http_answer(b'{"id": "resp_1", "object": "response", "output": []}')])
    mcp = {"type": "mcp", "server_label": "x", "server_url": "https://example.com/mcp"}
    Responses.create("问", tools=[TOOL, mcp], thinking={"type": "enabled"}, include=["x"])
    sent = json.loads(server.requests[0].split(b"\r\n\r\n", 1)[1])
    assert (sent["tools"], sent["thinking"], sent["include"]) == (
        [TOOL, mcp],
        {"type": "enabled"},
        ["x"],
    )
    assert sent["model"] == wire.DEFAULT_MODEL


def test_a_retired_name_goes_to_its_living_replacement_or_is_refused(scripted):
    server = scripted([http_answer(b'{"id": "resp_1", "object": "response", "output": []}')])
    Responses.create("一", model="DeepSeek-V3.2")
    assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2])["model"] == "deepseek-v4-pro"
    qfnb.get_config().strict_models = True
    with pytest.raises(errors.InvalidArgumentError, match="ended 2026-09-29; ask deepseek-v4-pro"):
        Responses.create("一", model="deepseek-v3.2")
    assert len(server.requests) == 1


def test_function_calls_and_reasoning_are_read_and_answered(scripted):
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "想"}]},
        {"type": "function_call", "call_id": "c1", "name": "add", "arguments": '{"a": 1}'},
    ]
    usage = {
        "input_tokens": 3,
        "output_tokens": 4,
        "total_tokens": 7,
        "input_tokens_details": {"cached_tokens": 2},
    }
    body = {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "output": output,
        "usage": usage,
    }
    scripted([http_answer(json.dumps(body).encode())])
    reply = Responses.create("1 + 1")
    assert (reply.text, reply.reasoning, reply.tool_calls) == (
        "",
        "想",
        [ToolCall("add", {"a": 1}, "c1")],
    )
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (3, 4)
    answer = Responses.output_of(reply.tool_calls[0], {"和": 2})
    assert answer == {"type": "function_call_output", "call_id": "c1", "output": '{"和": 2}'}


def stream(*events):
    return [stream_head() + b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events)]


def test_unknown_events_and_events_of_another_form_are_kept(scripted):
    end = {"type": "response.completed", "response": {"id": "r", "status": "completed"}}
    scripted(
        stream(
            {"type": "response.dance", "steps": 3},
            {"type": "response.output_text.delta", "piece": "x"},
            end,
        )
    )
    dance, delta, last = Responses.stream("问")
    assert type(dance) is wire.ResponseEvent
    assert (dance.type, dance.steps, delta.piece) == ("response.dance", 3, "x")
    assert last.response.id == "r"


def test_a_stream_that_breaks_keeps_its_text(scripted):
    scripted(stream({"type": "response.output_text.delta", "delta": "半"}))
    with pytest.raises(errors.StreamInterrupted) as caught:
        list(Responses.stream("问"))
    assert caught.value.partial == "半"


def test_a_stored_response_that_failed_is_an_answer(scripted):
    body = {
        "id": "resp_1",
        "object": "response",
        "status": "failed",
        "error": {"code": "x", "message": "y"},
    }
    scripted([http_answer(json.dumps(body).encode())])
    assert Responses.get("resp_1").data.status == "failed"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(input=" "), "input is empty"),
        (dict(input=[]), "a string or a list of items"),
        (dict(input={"role": "user"}), "a string or a list of items"),
        (dict(input=["你好"]), r"input\[0\]='你好'"),
        (
            dict(input=[{"type": "function_call_output", "output": "1"}]),
            r"input\[0\]\.call_id is missing",
        ),
        (dict(input="你好", tools="add"), r"Responses\.create\.tools"),
        (dict(input="你好", think="hihg"), "did you mean 'high'"),
        (dict(input="你好", request_timeout=0), "request_timeout=0"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(scripted, arguments, message):
    server = scripted([http_answer(b"{}")])
    for call in (Responses.create, Responses.stream):
        with pytest.raises(errors.InvalidArgumentError, match=message):
            call(**arguments)
    assert not server.requests
