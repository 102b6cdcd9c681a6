"""Images: drawn in both versions, asked about, saved, and rejected when they are none or come from
a private address.
"""

import base64
import io
import json

import pytest
from PIL import Image
from support.scripted_server import http_answer

from qfnb import ChatCompletion, Image2Text, errors
from qfnb.config import settings
from qfnb.resources.inference.images import to_data_url
from qfnb.transport import event_loop, file_transfer


def png(width=40, height=30, colour=(200, 30, 30)):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, format="PNG")
    return buffer.getvalue()


def fetch(url, trusted=""):
    return event_loop.run(file_transfer.download_image(url, settings(), trusted_host=trusted))


def test_a_question_about_an_image(sandbox, tmp_path):
    path = tmp_path / "红.png"
    path.write_bytes(png())
    for image in (path, str(path), png(), base64.b64encode(png()).decode()):
        assert "40×30" in Image2Text().do("这是什么", image).text
    parts = [
        {"type": "text", "text": "什么颜色"},
        {"type": "image_url", "image_url": {"url": to_data_url(png())}},
    ]
    assert "red" in ChatCompletion(version=2).do([{"role": "user", "content": parts}]).text


def test_the_picture_goes_before_the_question_to_a_model_that_sees(scripted):
    server = scripted([http_answer(b'{"id": "x", "choices": [{"message": {"content": "y"}}]}')])
    assert Image2Text("Fuyu-8B").do("这是什么", png(), temperature=0.5).text == "y"
    body = json.loads(server.requests[0].split(b"\r\n\r\n", 1)[1])
    assert (body["model"], body["temperature"]) == ("ernie-4.5-turbo-vl", 0.5)
    assert [part["type"] for part in body["messages"][0]["content"]] == ["image_url", "text"]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("nowhere.png", "No such file"),
        (b"GIF89a", "not a picture file"),
        (b"\x89PNG" + b"0" * 11_000_000, "less than 10,485,760"),
    ],
)
def test_what_is_not_an_image_is_not_sent(scripted, image, message):
    server = scripted([http_answer(b"{}")])
    with pytest.raises(errors.InvalidArgumentError, match=message):
        Image2Text().do("x", image)
    assert not server.requests


@pytest.mark.fault("F93")
@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.com/a.png", "not https"),
        ("https://169.254.169.254/latest", "private network"),
    ],
)
def test_images_are_not_downloaded_from_private_addresses(url, message):
    with pytest.raises(errors.UnexpectedContent, match=message):
        fetch(url)


@pytest.mark.fault("F93")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda: b"<svg onload=x>", "not a PNG"),
        (lambda: b"\x89PNG\r\n\x1a\nbroken", "cannot be read"),
        (lambda: png(9000, 9000), "81,000,000 pixels"),
    ],
)
def test_a_downloaded_image_is_validated(scripted, content, message):
    server = scripted([http_answer(content(), kind="image/png")])
    with pytest.raises(errors.UnexpectedContent, match=message):
        fetch(f"{server.url}/x.png", server.url.removeprefix("http://"))
