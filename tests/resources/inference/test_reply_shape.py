"""A response without an answer in it is an error that shows what came, whoever is asked and
however.
"""

import asyncio
import json

import pytest
from support.chat_script import streamed, tool_call, whole
from support.scripted_server import http_answer, stream_head

from qfnb import ChatCompletion, Completion, Embedding, Plugin, Reranker, Text2Image, errors
from qfnb.resources import ImageEdit, Responses
from qfnb.wire.chat import find_chat_defect

pytestmark = pytest.mark.fault("F25")

PICTURE = "data:image/png;base64,iVBORw0KGgo="
V1 = {"version": 1, "access_token": "24.test"}
CALLS = {
    "chat v1": lambda: ChatCompletion(**V1).do("问"),
    "chat v2": lambda: ChatCompletion(version=2).do("问"),
    "chat awaited": lambda: asyncio.run(ChatCompletion(version=2).ado("问")),
    "chat stream": lambda: list(ChatCompletion(version=2).do("问", stream=True)),
    "completion v1": lambda: Completion("sqlcoder-7b", **V1).do("问"),
    "completion v2": lambda: Completion(version=2).do("问"),
    "gap": lambda: Completion(version=2).do("问", suffix="答"),
    "plugin": lambda: Plugin(endpoint="app", **V1).do("问"),
    "responses": lambda: Responses.create("问"),
    "embedding": lambda: Embedding().do(["问"]),
    "reranker": lambda: Reranker().do("问", ["答"]),
    "text2image": lambda: Text2Image().do("猫"),
    "text2image decoded": lambda: Text2Image().do("猫", with_decode="base64"),
    "image edit": lambda: ImageEdit().do("猫", PICTURE),
}
BODIES = [
    {},
    {"data": None},
    {"choices": None, "results": None, "data": []},
    {"choices": [], "results": [], "output": None},
    {"choices": [{"index": 0}], "data": [{}], "results": [{}]},
    {"choices": ["x"], "result": 5, "data": ["x"], "results": ["x"], "output": ["x"]},
    {
        "choices": [{"message": {"content": 5}}],
        "data": [{"embedding": ["x"], "url": 5}],
        "results": 5,
        "output": 5,
    },
]


@pytest.mark.parametrize("body", BODIES, ids=json.dumps)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_200_without_an_answer_is_an_error_with_what_came_and_the_request(scripted, call, body):
    content = json.dumps(
        {**body, "id": "as-77", "echo": "bce-v3/ALTAK-test/canary0123456789"}
    ).encode()
    head = (
        http_answer(content)
        if call is not CALLS["chat stream"]
        else stream_head() + b"data: " + content + b"\n\n"
    )
    scripted([head + b"data: [DONE]\n\n"] if call is CALLS["chat stream"] else [head])
    with pytest.raises(errors.UnexpectedContent, match=r"\(request as-77\)") as caught:
        call()
    assert caught.value.request_id == "as-77"
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("content", [b"[]", b"null", b'"x"', b"5"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_200_that_is_no_object_is_an_error_too(scripted, call, content):
    scripted([http_answer(content, more="x-bce-request-id: r-5\r\n")])
    with pytest.raises(errors.UnexpectedContent, match=r"\(request r-5\)"):
        call()


CALL = tool_call("f", "{}")


@pytest.mark.parametrize(
    "body",
    [
        {"result": ""},
        {"result": "", "function_call": None, "usage": None},
        {"function_call": {"name": "f", "arguments": "{}"}},
        {"choices": [{"message": {"content": ""}}], "usage": None},
        {"choices": [{"message": {"content": None, "tool_calls": [CALL]}}]},
        {
            "choices": [{"message": {"role": "assistant", "tool_calls": [CALL]}}],
            "extra": {"a": [1]},
        },
        {
            "choices": [
                {"message": {"content": None, "reasoning_content": "想"}, "finish_reason": "length"}
            ]
        },
        {"choices": [{"message": None, "finish_reason": "content_filter"}]},
        {
            "choices": [{"message": {"content": "好", "mood": 5}, "logprobs": 5}],
            "result": None,
            "new": 5,
        },
        {"choices": [{"text": ""}]},
        {"choices": [{"message": {"content": [{"type": "text", "text": "好"}]}}]},
    ],
    ids=json.dumps,
)
def test_null_optional_fields_and_unknown_ones_are_no_defect(body):
    assert find_chat_defect(body) == ""


def test_a_content_in_parts_is_one_text(scripted):
    scripted(whole([{"type": "text", "text": "好"}, {"type": "text", "text": "的"}]))
    assert ChatCompletion(version=2).do("问").text == "好的"


def test_fewer_vectors_than_texts_are_an_error(scripted):
    scripted([http_answer(b'{"id": "e-1", "data": [{"embedding": [0.5], "index": 1}]}')])
    with pytest.raises(errors.UnexpectedContent, match="1 vectors for 2 texts"):
        Embedding().do(["甲", "乙"])


def test_a_response_that_is_not_complete_may_have_no_output(scripted):
    scripted([http_answer(b'{"id": "r", "status": "queued"}')])
    assert Responses.create("问").data.status == "queued"


BROKEN = [
    b"data: {bad json\n\n",
    b"data: [1]\n\n",
    b'data: {"choices": 5}\n\n',
    b'data: {"choices": [{"delta": 5}]}\n\n',
]
BROKEN += [
    b'data: {"choices": [{"delta": {"tool_calls": [{"function": 5}]}}]}\n\n',
    b'data: {"result": [1]}\n\n',
]


async def collect(chat):
    return [piece async for piece in await chat.ado("问", stream=True)]


@pytest.mark.fault("F23")
@pytest.mark.parametrize("chat_options", [{"version": 2}, V1], ids=["v2", "v1"])
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_event_in_mid_stream_keeps_the_text_before_it(
    scripted, broken, is_async, chat_options
):
    scripted([*streamed({"content": "半"}, {"content": "个"})[:3], broken, b"data: [DONE]\n\n"])
    chat = ChatCompletion(**chat_options)
    with pytest.raises(errors.UnexpectedContent) as caught:
        asyncio.run(collect(chat)) if is_async else list(chat.do("问", stream=True))
    assert caught.value.partial == "半个"


def delta(text):
    return f'data: {{"type": "response.output_text.delta", "delta": "{text}"}}\n\n'.encode()


async def collect_events():
    return [event async for event in Responses.stream.aio("问")]


@pytest.mark.fault("F23", "F24")
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (b"data: {bad\n\n", errors.UnexpectedContent),
        (b'data: {"error": {"code": "internal_error", "message": "x"}}\n\n', errors.APIError),
    ],
)
def test_a_broken_event_of_a_response_keeps_the_text_before_it(scripted, broken, kind, is_async):
    scripted([stream_head(), delta("半"), delta("个"), broken])
    with pytest.raises(kind) as caught:
        asyncio.run(collect_events()) if is_async else list(Responses.stream("问"))
    assert caught.value.partial == "半个"
