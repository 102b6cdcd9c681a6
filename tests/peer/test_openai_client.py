"""The `openai` client uses the sandbox unchanged."""

import openai
import pytest

pytestmark = pytest.mark.peer
SAY = [{"role": "user", "content": "你是谁"}]


@pytest.fixture
def client(sandbox):
    with openai.OpenAI(base_url=f"{sandbox.url}/v2", api_key=sandbox.api_key, max_retries=0) as client:
        yield client


def test_it_chats(client):
    answer = client.chat.completions.create(model="ernie-lite-8k", messages=SAY)
    assert "不是文心一言" in answer.choices[0].message.content
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_it_streams(client):
    pieces = list(client.chat.completions.create(model="ernie-lite-8k", messages=SAY, stream=True))
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces)
    assert "不是文心一言" in text
    assert pieces[-1].choices[0].finish_reason == "stop"


def test_a_wrong_key_is_an_authentication_error(sandbox):
    with (
        openai.OpenAI(base_url=f"{sandbox.url}/v2", api_key="wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.chat.completions.create(model="ernie-lite-8k", messages=SAY)


def test_an_unknown_model_is_named(client):
    with pytest.raises(openai.APIStatusError, match="no-such-model"):
        client.chat.completions.create(model="no-such-model", messages=SAY)
