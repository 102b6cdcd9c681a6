"""What the sandbox's Responses send, over HTTP."""

import pytest
from support.raw_http import open_client


@pytest.fixture
def client(sandbox):
    headers = {"authorization": f"Bearer {sandbox.api_key}"}
    with open_client(f"{sandbox.url}/v2", headers=headers) as client:
        yield client


def create(client, **body):
    return client.post("/responses", json={"model": "glm-5.1", "input": "你是谁", **body})


def test_a_streamed_function_call_has_its_events_in_order(client):
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    tool = {
        "type": "function",
        "name": "get_weather",
        "description": "查询天气",
        "parameters": schema,
    }
    lines = create(client, input="北京的天气怎么样", tools=[tool], stream=True).text.splitlines()
    names = [line.removeprefix("event: response.") for line in lines if line.startswith("event: ")]
    assert names == [
        "created", "in_progress", "output_item.added", "function_call_arguments.delta", "function_call_arguments.done",
        "output_item.done", "completed",
    ]  # fmt: skip


def test_the_items_of_outputs_are_in_the_next_conversation(client):
    call = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
    result = {"type": "function_call_output", "call_id": "c1", "output": "42"}
    body = create(client, input=[{"role": "user", "content": "算"}, call, result]).json()
    assert "42" in body["output"][0]["content"][0]["text"]
    swapped = create(client, input=[{"role": "user", "content": "算"}, result, call])
    assert swapped.status_code == 400
    assert swapped.json()["error"]["code"] == "invalid_messages"


def test_a_strict_sandbox_has_the_models_of_the_page_only(client, control):
    control.post("/_sandbox/modes", json={"strict": True}).raise_for_status()
    try:
        refused = create(client, model="ernie-5.1")
        answered = create(client)
    finally:
        control.post("/_sandbox/modes", json={"strict": False}).raise_for_status()
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_model")
    assert answered.status_code == 200
