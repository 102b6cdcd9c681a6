"""The `openai` client uses the sandbox unchanged."""

import base64
import json

import httpx
import openai
import pytest
from pydantic import BaseModel

pytestmark = pytest.mark.peer
SAY = [{"role": "user", "content": "你是谁"}]
MODEL = "ernie-4.5-turbo-128k"
THINKER = "deepseek-v4-pro"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "查询一个城市的天气",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


class Answer(BaseModel):
    """A form to fill."""

    city: str
    days: int


@pytest.fixture
def client(sandbox):
    with openai.OpenAI(
        base_url=f"{sandbox.url}/v2", api_key=sandbox.api_key, max_retries=0
    ) as client:
        yield client


def test_it_chats(client):
    answer = client.chat.completions.create(model=MODEL, messages=SAY)
    assert "不是文心一言" in answer.choices[0].message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_it_streams(client):
    pieces = list(client.chat.completions.create(model=MODEL, messages=SAY, stream=True))
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert "不是文心一言" in text
    assert pieces[-1].choices[0].finish_reason == "stop"


def test_a_wrong_key_is_an_authentication_error(sandbox):
    with (
        openai.OpenAI(base_url=f"{sandbox.url}/v2", api_key="wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.chat.completions.create(model=MODEL, messages=SAY)


def test_an_unknown_model_is_named(client):
    with pytest.raises(openai.APIStatusError, match="no-such-model"):
        client.chat.completions.create(model="no-such-model", messages=SAY)


def test_it_reads_thinking_and_its_tokens(client):
    answer = client.chat.completions.create(model=THINKER, messages=SAY, reasoning_effort="high")
    assert "Confidence" in answer.choices[0].message.reasoning_content
    assert answer.usage.completion_tokens_details.reasoning_tokens > 0
    assert answer.usage.prompt_tokens_details.cached_tokens == 0
    off = client.chat.completions.create(
        model=THINKER, messages=SAY, extra_body={"thinking": {"type": "disabled"}}
    ).choices[0]
    assert not hasattr(off.message, "reasoning_content")


def test_it_streams_thinking_first_and_usage_last(client):
    options = {
        "stream_options": {"include_usage": True},
        "extra_body": {"thinking": {"type": "enabled"}},
    }
    with client.chat.completions.create(
        model=THINKER, messages=SAY, stream=True, **options
    ) as stream:
        pieces = list(stream)
    assert pieces[0].choices[0].delta.reasoning_content
    assert [piece.usage is not None for piece in pieces] == [False] * (len(pieces) - 1) + [True]


def test_it_calls_a_function_and_sends_its_result(client):
    messages = [{"role": "user", "content": "杭州的天气怎么样"}]
    message = (
        client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
        .choices[0]
        .message
    )
    (call,) = message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == (
        "get_weather",
        {"city": "杭州"},
    )
    messages += [message, {"role": "tool", "tool_call_id": call.id, "content": "晴"}]
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    assert "晴" in answer.choices[0].message.content


def test_it_streams_a_call_of_a_function(client):
    messages = [{"role": "user", "content": "杭州的天气怎么样"}]
    with client.chat.completions.stream(model=MODEL, messages=messages, tools=[WEATHER]) as stream:
        choice = stream.get_final_completion().choices[0]
    assert choice.message.tool_calls[0].function.name == "get_weather"
    assert choice.finish_reason == "tool_calls"


def test_it_parses_an_answer_in_a_schema(client):
    messages = [{"role": "user", "content": "杭州 3 天"}]
    answer = client.chat.completions.parse(model=THINKER, messages=messages, response_format=Answer)
    assert answer.choices[0].message.parsed.days == 3
    with pytest.raises(openai.BadRequestError, match="json_schema"):
        client.chat.completions.parse(model=MODEL, messages=messages, response_format=Answer)


def test_it_lists_the_models(client):
    rows = {row.id: row for row in client.models.list()}
    assert rows[MODEL].owned_by == "Baidu"
    assert rows[MODEL].context_length == 131072


def test_it_embeds(client):
    answer = client.embeddings.create(model="bge-large-zh", input=["一", "二"])
    assert [len(row.embedding) for row in answer.data] == [1024, 1024]


def test_it_draws(client):
    by_url = client.images.generate(model="qwen-image", prompt="雪山", size="512x512")
    assert httpx.get(by_url.data[0].url, trust_env=False).content.startswith(b"\x89PNG")
    encoded = client.images.generate(
        model="qwen-image", prompt="雪山", size="512x512", response_format="b64_json"
    )
    assert base64.b64decode(encoded.data[0].b64_json).startswith(b"\x89PNG")


def test_it_completes(client):
    answer = client.completions.create(model=MODEL, prompt="你是谁", suffix="，")
    assert answer.choices[0].text == "我是 qfnb 本地沙盒模型"


def test_a_wrong_tool_is_a_bad_request(client):
    with pytest.raises(openai.BadRequestError, match="tools"):
        client.chat.completions.create(model=MODEL, messages=SAY, extra_body={"tools": 3})
