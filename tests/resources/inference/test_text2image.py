"""Drawing against the sandbox, and replies that are not images."""

import asyncio
import base64
import io
import json

import pytest
from PIL import Image
from support.scripted_server import http_answer

from qfnb import ImageEdit, Text2Image, errors
from qfnb._notices import warn_once


def picture(size=(200, 200), colour="red"):
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def answer(*rows, **more):
    data = rows or [{"b64_json": base64.b64encode(picture()).decode()}]
    body = {"id": "x", "object": "image", "created": 1, "data": data, **more}
    return http_answer(json.dumps(body).encode())


def sent(server, index=0):
    head, _, body = server.requests[index].partition(b"\r\n\r\n")
    return head.split()[1].decode(), json.loads(body)


def test_decoded_pictures_are_in_the_reply(sandbox):
    reply = Text2Image().do("猫在月亮下", with_decode="base64", size="768x768", n=2, seed=3)
    assert [item["image"][:4] for item in reply["body"]["data"]] == [b"\x89PNG"] * 2
    assert reply.images == [item["image"] for item in reply["data"]]
    assert len(set(reply.images)) == 2
    assert (reply.model, reply.seeds(), reply.cost) == ("qwen-image", [3, 4], 0)


@pytest.mark.fault("F36")
def test_pictures_that_come_as_addresses_are_there_at_once(sandbox):
    reply = Text2Image().do("山", size="768x768")
    assert "image" not in reply["data"][0]
    with Image.open(io.BytesIO(reply.images[0])) as image:
        assert image.size == (768, 768)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(prompt=""), "prompt is empty"),
        (dict(prompt="猫", with_decode="utf8"), "with_decode='utf8'"),
        (dict(prompt="猫", size="big"), "size='big': must be WIDTHxHEIGHT"),
        (dict(prompt="猫", n=0), "integer from 1"),
        (dict(prompt="猫", steps=1.5), "integer from 1"),
        (dict(prompt="猫", seed=-1), "seed=-1"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(scripted, arguments, message):
    server = scripted([http_answer(b"{}")])
    with pytest.raises(errors.InvalidArgumentError, match=message):
        Text2Image().do(**arguments)
    assert not server.requests


def test_a_size_that_a_model_does_not_have_is_a_warning_and_the_platform_decides(scripted, caplog):
    warn_once.cache_clear()
    server = scripted([answer()])
    reply = Text2Image("musesteamer-air-image").do("猫", size="512x512")
    assert "draws 1024x1024 instead; its sizes are 1024x1024" in caplog.text
    assert reply.images == [picture()]
    assert sent(server)[1]["size"] == "512x512"


def test_a_retired_model_goes_to_its_replacement_which_draws_one_picture_a_call(scripted, caplog):
    warn_once.cache_clear()
    server = scripted([answer({"b64_json": base64.b64encode(picture()).decode()})])
    assert len(Text2Image("Stable-Diffusion-XL").do("猫", n=2).images) == 2
    assert [sent(server, index)[1]["model"] for index in (0, 1)] == ["qwen-image"] * 2
    assert "Stable-Diffusion-XL ended" in caplog.text


@pytest.mark.parametrize("content", ["not base64!", base64.b64encode(b"<svg onload=x>").decode()])
def test_a_reply_that_is_not_an_image_is_rejected(scripted, content):
    scripted([answer({"b64_image": content, "index": 0})])
    with pytest.raises(errors.UnexpectedContent):
        Text2Image().do("猫", with_decode="base64")


def test_a_picture_that_could_not_be_downloaded_is_not_lost(scripted):
    server = scripted([b"x"])
    gone = http_answer(b"gone", status="404 Not Found", kind="text/plain")
    server.answers[:] = [
        [answer({"url": f"{server.url}/1.png"})],
        [gone],
        [http_answer(picture(), kind="image/png")],
    ]
    reply = Text2Image().do("猫", with_decode="base64")
    with pytest.raises(
        errors.QianfanError, match=r"reply\.download\(\) tries again, its address is valid for 24 h"
    ):
        _ = reply.images
    assert reply.download() == [picture()]
    assert reply.images == [picture()]


def test_of_several_pictures_those_that_were_drawn_are_kept(scripted, caplog):
    refused = http_answer(
        json.dumps({"error": {"code": "x", "message": "no"}}).encode(), status="400 Bad"
    )
    scripted([answer({"b64_json": base64.b64encode(picture()).decode()})], [refused])
    warn_once.cache_clear()
    assert Text2Image().do("猫", n=2).images == [picture()]
    assert "1 of 2 images were not drawn" in caplog.text


@pytest.mark.fault("F84")
def test_an_existing_file_is_not_overwritten(sandbox, tmp_path):
    reply = Text2Image().do("水墨 猫/狗", size="768x768")
    paths = [reply.save(tmp_path / "new"), reply.save(tmp_path / "new")]
    assert [path.name for (path,) in paths] == ["水墨_猫_狗_1.png", "水墨_猫_狗_2.png"]


def test_one_picture_is_saved_under_the_name_of_a_file_once(sandbox, tmp_path):
    reply = Text2Image().do("猫", size="768x768")
    assert reply.save(tmp_path / "new" / "pic.png") == [tmp_path / "new" / "pic.png"]
    with Image.open(tmp_path / "new" / "pic.png") as image:
        assert image.text["prompt"] == "猫"
    with pytest.raises(errors.InvalidArgumentError, match="exists and is not overwritten"):
        reply.save(tmp_path / "new" / "pic.png")


def test_a_picture_is_edited_and_the_result_is_there(sandbox, tmp_path):
    (path := tmp_path / "photo.png").write_bytes(picture())
    reply = ImageEdit().do("变成黑白", [path, picture(colour="blue")], with_decode="base64")
    assert reply.images[0] == reply["data"][0]["image"] != picture()
    assert reply.model == "qwen-image-edit"
    assert asyncio.run(ImageEdit().ado("变成黑白", path)).images[0].startswith(b"\x89PNG")


def test_an_edit_sends_what_the_page_says(scripted):
    server = scripted([answer()])
    ImageEdit().do("改成夜晚", "https://example.com/a.png")
    assert sent(server) == (
        "/v2/images/edits",
        {"prompt": "改成夜晚", "model": "qwen-image-edit", "image": "https://example.com/a.png"},
    )


def test_more_pictures_than_a_page_allows_are_no_swarm_of_calls(scripted):
    server = scripted([answer()])
    with pytest.raises(
        errors.InvalidArgumentError,
        match=r"n=5: one call of qwen-image draws 1.*4 at most.*batch_do",
    ):
        Text2Image().do("猫", n=5)
    assert not server.requests
