"""The official `qianfan` SDK uses the sandbox unchanged: v1 and v2, streaming and not, both kinds
of key.
"""

import pytest

pytestmark = [pytest.mark.peer, pytest.mark.long]

ASK = """
import asyncio, qianfan
chat = qianfan.ChatCompletion(version={version!r}, model={model!r})
say = [{{"role": "user", "content": "你是谁"}}]
text = lambda r: r["result"] if {version!r} == "1" else (r["choices"][0].get("message") or r["choices"][0]["delta"])["content"]
async def later():
    whole = text(await chat.ado(messages=say))
    return whole, "".join([text(p) async for p in await chat.ado(messages=say, stream=True)])
print(text(chat.do(messages=say)))
print("".join(text(p) for p in chat.do(messages=say, stream=True)))
print(*asyncio.run(later()), sep="\\n")
"""


@pytest.mark.parametrize(
    ("version", "model", "keys"),
    [
        ("1", "ERNIE-Bot-turbo", ("QIANFAN_AK", "QIANFAN_SK")),
        ("1", "ERNIE-Bot-turbo", ("QIANFAN_ACCESS_KEY", "QIANFAN_SECRET_KEY")),
        ("2", "ernie-lite-8k", ("QIANFAN_ACCESS_KEY", "QIANFAN_SECRET_KEY")),
        ("2", "ernie-lite-8k", ("QIANFAN_BEARER_TOKEN",)),
        ("2", "ernie-4.5-turbo-128k", ("QIANFAN_BEARER_TOKEN",)),
    ],
    ids=["v1 AK/SK", "v1 IAM", "v2 IAM", "v2 API key", "v2 today"],
)
def test_it_chats(sdk, version, model, keys):
    answers = sdk(ASK.format(version=version, model=model), *keys)
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert "不是文心一言" in answers[0]


def test_a_wrong_secret_is_refused(sdk):
    code = (
        "import qianfan\ntry:\n    "
        "qianfan.ChatCompletion(secret_key='wrong').do(messages=[{'role': 'user', 'content': "
        "'x'}])\nexcept Exception as e:\n    print(type(e).__name__)"
    )
    assert sdk(code, "QIANFAN_ACCESS_KEY", "QIANFAN_SECRET_KEY")[-1] in {"RequestError", "APIError"}


def test_it_generates_images(sdk):
    code = (
        "import qianfan\nr = qianfan.Text2Image().do(prompt='Rag doll cat', "
        "with_decode='base64')\nprint(r['body']['data'][0]['image'][:4])"
    )
    assert sdk(code, "QIANFAN_AK", "QIANFAN_SK") == ["b'\\x89PNG'"]


def test_it_lists_the_services(sdk):
    code = (
        "import qianfan\nfrom qianfan.resources import "
        "Service\nprint(len(Service.list()['result']['common']) > 10)"
    )
    keys = ("QIANFAN_ACCESS_KEY", "QIANFAN_SECRET_KEY")
    assert sdk(code, *keys)[-1] == "True"


def test_it_streams_usage_where_it_asks_for_it(sdk):
    code = """
import qianfan
chat = qianfan.ChatCompletion(version="2", model="deepseek-v4-pro")
say = [{"role": "user", "content": "你是谁"}]
pieces = list(chat.do(messages=say, stream=True, stream_options={"include_usage": True}, thinking={"type": "enabled"}))
print("reasoning_content" in pieces[0]["choices"][0]["delta"])
print(pieces[-1]["usage"]["completion_tokens_details"]["reasoning_tokens"] > 0)
"""
    assert sdk(code, "QIANFAN_BEARER_TOKEN")[-2:] == ["True", "True"]


def test_its_rate_limiter_waits_for_no_notification_that_has_been(sdk):
    code = """
import time
from qianfan.resources.rate_limiter.rate_limiter import _RateLimiter
limiter = _RateLimiter(1e6, 1)._sync_limiter
put = limiter._condition_queue.put
limiter._condition_queue.put = lambda task: (put(task), time.sleep(0.2))  # the worker would notify before the caller waits
limiter.acquire(1)
print("granted")
"""
    assert sdk(code) == ["granted"]
