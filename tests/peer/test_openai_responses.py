"""The `openai` client's Responses run on the sandbox unchanged."""

import openai
import pytest

pytestmark = pytest.mark.peer
MODEL = "glm-5.1"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "查询城市天气",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
    },
    "strict": False,
}


@pytest.fixture
def client(sandbox):
    with openai.OpenAI(
        base_url=f"{sandbox.url}/v2", api_key=sandbox.api_key, max_retries=0
    ) as client:
        yield client


def test_it_creates_retrieves_and_deletes(client):
    response = client.responses.create(model=MODEL, input="你是谁", instructions="简短回答")
    assert response.status == "completed"
    assert response.output_text
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert client.responses.retrieve(response.id).output_text == response.output_text
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError, match=response.id):
        client.responses.retrieve(response.id)


def test_it_streams_the_text_of_the_stored_response(client):
    events = list(client.responses.create(model=MODEL, input="你是谁", stream=True))
    assert [event.type for event in (events[0], events[-1])] == [
        "response.created",
        "response.completed",
    ]
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert client.responses.retrieve(events[-1].response.id).output_text == text != ""
    assert [event.sequence_number for event in events] == list(range(len(events)))


def test_its_own_stream_helper_accumulates_the_response(client):
    with client.responses.stream(model=MODEL, input="你是谁") as stream:
        final = stream.get_final_response()
    assert final.output_text
    assert final.status == "completed"


def test_it_calls_a_function_and_answers_with_the_result(client):
    first = client.responses.create(model=MODEL, input="北京的天气怎么样", tools=[WEATHER])
    (call,) = [item for item in first.output if item.type == "function_call"]
    assert call.name == "get_weather"
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "晴 25 度"}
    second = client.responses.create(model=MODEL, input=[result], previous_response_id=first.id)
    assert "晴 25 度" in second.output_text


def test_a_result_that_is_not_right_behind_its_call_is_refused(client):
    result = {"type": "function_call_output", "call_id": "call_1", "output": "晴"}
    with pytest.raises(openai.BadRequestError, match="does not follow its function_call"):
        client.responses.create(model=MODEL, input=[{"role": "user", "content": "天气"}, result])


def test_it_pages_through_the_input(client):
    items = [
        {"role": role, "content": text}
        for role, text in [("user", "一"), ("assistant", "二"), ("user", "三")]
    ]
    response = client.responses.create(model=MODEL, input=items)
    pages = client.responses.input_items.list(response.id, limit=2, order="asc")
    assert [item.content for item in pages] == ["一", "二", "三"]
