"""Drawing against the sandbox, and replies that are not images."""

import base64
import json

import pytest
from support.scripted_server import http_answer

from qfnb import Text2Image, errors
from qfnb.wire.inference import IMAGE_SIZES


def test_decoded_pictures_are_in_the_reply(sandbox):
    reply = Text2Image().do("猫在月亮下", with_decode="base64", size="768x768", n=2, seed=3)
    assert [item["image"][:4] for item in reply["body"]["data"]] == [b"\x89PNG"] * 2
    assert reply.images == [item["image"] for item in reply["data"]]
    assert len(set(reply.images)) == 2


def test_without_decoding_there_is_base64_only(sandbox):
    reply = Text2Image().do("山", size="768x768")
    assert "image" not in reply["data"][0]
    assert base64.b64decode(reply["data"][0]["b64_image"])[:4] == b"\x89PNG"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(prompt=""), "prompt is empty"),
        (dict(prompt="x" * 1025), "1025 characters"),
        (dict(prompt="猫", with_decode="utf8"), "with_decode='utf8'"),
        (dict(prompt="猫", size="1x1"), IMAGE_SIZES[0]),
        (dict(prompt="猫", n=5), "1 to 4"),
        (dict(prompt="猫", steps=3), "10 to 50"),
        (dict(prompt="猫", seed=-1), "seed=-1"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(scripted, arguments, message):
    server = scripted([http_answer(b"{}")])
    with pytest.raises(errors.InvalidArgumentError, match=message):
        Text2Image().do(**arguments)
    assert not server.requests


@pytest.mark.parametrize("content", ["not base64!", base64.b64encode(b"<svg onload=x>").decode()])
def test_a_reply_that_is_not_an_image_is_rejected(scripted, content):
    body = {"id": "x", "object": "image", "created": 1, "data": [{"b64_image": content, "index": 0}]}
    scripted([http_answer(json.dumps(body).encode())])
    with pytest.raises(errors.UnexpectedContent):
        Text2Image(access_key="a", secret_key="b").do("猫", with_decode="base64")
