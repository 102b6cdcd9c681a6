"""Parameters of the official SDK that functions take among their `**options`, each in a real
call.
"""

import pytest

from qfnb import ChatCompletion, Completion, Embedding, Image2Text, Plugin, Reranker, Text2Image

QUESTION = [{"role": "user", "content": "你好"}]
COMMON = {"retry_count": 1, "request_timeout": 60, "request_id": "request-1", "backoff_factor": 0}
LONG = {
    "auto_concat_truncate": False,
    "truncated_continue_prompt": "继续",
    "truncate_overlong_msgs": False,
}

pytestmark = pytest.mark.usefixtures("sandbox")


@pytest.mark.parametrize(
    ("call", "input", "options"),
    [
        (
            ChatCompletion().do,
            {"messages": QUESTION},
            {**COMMON, **LONG, "show_total_latency": True},
        ),
        (ChatCompletion().create, {"messages": QUESTION}, {**COMMON, **LONG}),
        (ChatCompletion(use_custom_endpoint=False).do, {"messages": QUESTION}, COMMON),
        (Completion().do, {"prompt": "你好"}, COMMON),
        (Embedding().do, {"texts": ["你好"]}, {**COMMON, "stream": False}),
        (Reranker().do, {"query": "你好", "documents": ["你好", "再见"]}, COMMON),
        (Text2Image().do, {"prompt": "猫"}, COMMON),
        (Plugin().do, {"query": "你好", "endpoint": "abc_own"}, COMMON),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_an_option_of_the_official_sdk_is_taken(call, input, options):  # noqa: A002
    reply = call(**input, **options)
    assert reply.body if hasattr(reply, "body") else reply.choices


def test_a_question_about_a_picture_takes_them_too():
    picture = Text2Image().do("猫", with_decode="base64")["body"]["data"][0]["image"]
    assert Image2Text().do(prompt="这是什么", image=picture, **COMMON)["result"]
