"""Replies as objects, and a client with keys of its own."""

import asyncio

import pytest
from support.chat_script import whole
from support.scripted_server import http_answer

from qfnb import AsyncQianfan, ChatCompletion, Qianfan
from qfnb.errors import AuthError
from qfnb.resources import Data

QUESTION = [{"role": "user", "content": "你好"}]

pytestmark = pytest.mark.usefixtures("sandbox")


def test_a_reply_is_an_object():
    reply = ChatCompletion().create(QUESTION, model="ernie-4.5-turbo-128k")
    assert reply.choices[0].message.content
    assert reply.usage.total_tokens > 0
    assert reply.statistic.total_latency > 0
    assert reply.raw["choices"][0]["message"]["content"] == reply.choices[0].message.content


def test_with_raw_response_replies_are_those_of_do():
    model = ChatCompletion()
    assert model.with_raw_response.create(QUESTION)["body"]["choices"]
    assert model.create(QUESTION).choices


async def collect(pieces):
    return [piece async for piece in pieces]


async def ask_async():
    client = AsyncQianfan()
    whole = await client.chat.completions.create(messages=QUESTION)
    return whole, await collect(
        await client.chat.completions.create(messages=QUESTION, stream=True)
    )


def test_replies_can_be_awaited():
    whole, pieces = asyncio.run(ask_async())
    text = "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices)
    assert text == whole.choices[0].message.content


def test_a_client_has_keys_of_its_own(account):
    client = Qianfan(api_key=account.api_key, console_api_base_url=account.url)
    assert client.chat.completions.create(messages=QUESTION, model="ernie-4.5-turbo-128k").choices
    assert client.completions.do(QUESTION)["result"]
    with pytest.raises(AuthError):
        Qianfan(api_key="bce-v3/ALTAK-test/canary").chat.completions.create(messages=QUESTION)


def test_a_client_names_its_application(scripted):
    script = scripted(whole("你好"))
    Qianfan(app_id="app-1").chat.completions.create(messages=QUESTION)
    assert b"appid: app-1" in script.requests[0].lower()


def test_a_client_has_limits_of_its_own(scripted):
    script = scripted(
        [
            http_answer(
                b'{"error": {"code": "internal_error", "message": "busy"}}', status="500 Error"
            )
        ]
    )
    with pytest.raises(Exception, match="busy"):
        Qianfan(retry_count=1).chat.completions.create(messages=QUESTION)
    assert len(script.requests) == 1


def test_a_reply_has_its_request_without_the_keys(account):
    request = ChatCompletion(model="ernie-4.5-turbo-128k").do(QUESTION).request
    assert (request.method, request.json_body["messages"][0]["content"]) == ("POST", "你好")
    assert request.url == f"{account.url}/v2/chat/completions"
    assert request.headers["request_id"]
    assert account.api_key not in str(vars(request)) + repr(request)
    pieces = list(ChatCompletion().do(QUESTION, stream=True))
    assert pieces[-1].request.json_body["stream"] is True


def test_a_call_of_the_management_has_its_request(account):
    request = Data.V2.get_dataset_list(max_keys=1).request
    assert (request.query["Action"], request.json_body["maxKeys"]) == ("DescribeDatasets", 1)
    assert request.requests_args()["params"] == request.query
    assert account.access_key not in str(vars(request))
