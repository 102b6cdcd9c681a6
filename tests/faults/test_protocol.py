"""Answers that are not as documented: bytes, events, dates, states, lists and pictures
(F18-F36).
"""

import base64
import contextlib
import io
import json

import pytest
from PIL import Image
from support.scripted_server import http_answer, stream_head

from qfnb import ChatCompletion, Text2Image, config, errors, services
from qfnb.resources import FineTune
from qfnb.resources.management.storage import Storage
from qfnb.trainer.train_action import find_job
from qfnb.transport import response as protocol

DONE = b"data: [DONE]\n\n"


def event(text):
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    return f"data: {json.dumps({'id': 'as-1', 'choices': [choice]})}\n\n".encode()


def result(value):
    return http_answer(json.dumps({"requestId": "r", "result": value}).encode())


@pytest.fixture
def manager(scripted):
    """Start a scripted server for calls of management."""

    def start(*answers):
        now = config.get_config()
        now.access_key = "ALTAKtest"
        now.secret_key = "test0123"
        return scripted(*answers)

    return start


@pytest.mark.fault("F22")
def test_broken_bytes_are_replaced_and_logged_once(scripted, caplog, monkeypatch):
    monkeypatch.setattr(protocol, "_is_invalid_utf8_logged", False)
    broken = event("aXb").replace(b"X", b"\xff")
    scripted([stream_head(), broken, broken, DONE])
    assert (
        "".join(piece.text for piece in ChatCompletion(version=2).do("x", stream=True))
        == "a\ufffdba\ufffdb"
    )
    assert [record.levelname for record in caplog.records if "not UTF-8" in record.message] == [
        "WARNING"
    ]


@pytest.mark.fault("F22")
def test_a_whole_answer_with_a_broken_byte_is_not_lost(scripted):
    body = (
        json.dumps({"id": "as-1", "choices": [{"message": {"content": "aXb"}}]})
        .encode()
        .replace(b"X", b"\xff")
    )
    scripted([http_answer(body)])
    assert ChatCompletion(version=2).do("x").text == "a\ufffdb"


@pytest.mark.fault("F23")
def test_broken_json_is_quoted_without_secrets_and_hangs_up(scripted):
    broken = b'data: {"Bearer bce-v3/ALTAK-test/canary0123456789": ' + b"x" * 500 + b"\n\n"
    server = scripted([stream_head(), event("半"), broken, None])
    with pytest.raises(errors.UnexpectedContent) as caught:
        list(ChatCompletion(version=2).do("x", stream=True))
    assert "canary" not in str(caught.value)
    assert len(str(caught.value).split("JSON: ")[1]) <= 90
    assert server.client_left.wait(180)


@pytest.mark.fault("F30")
def test_the_first_end_mark_ends_the_stream_and_hangs_up(scripted):
    server = scripted(
        [stream_head(), event("好"), DONE, DONE, event("多余"), b"data: {broken\n\n", None]
    )
    assert [piece.text for piece in ChatCompletion(version=2).do("x", stream=True)] == ["好"]
    assert server.client_left.wait(180)


@pytest.mark.fault("F32")
@pytest.mark.parametrize("id_", [9220, "9220", "task-ab12cd34ef56"])
def test_a_number_or_a_text_is_an_id_and_is_sent_unchanged(manager, id_):
    server = manager([result({"taskId": "task-x"})])
    FineTune.V2.task_detail(id_)
    assert json.loads(server.requests[0].partition(b"\r\n\r\n")[2]) == {"taskId": id_}


@pytest.mark.fault("F33")
@pytest.mark.parametrize("zeros", ["0000-00-00T00:00:00Z", "0000-00-00 00:00:00"])
def test_a_date_of_zeros_is_no_date(manager, zeros):
    manager(
        [result({"taskId": "task-x", "createDate": "2026-01-01T00:00:00Z", "finishDate": zeros})]
    )
    reply = FineTune.V2.task_detail("task-x")
    assert (reply.data.create_date, reply.data.finish_date) == ("2026-01-01T00:00:00Z", None)
    assert reply["result"]["finishDate"] == zeros


def page(marker):
    info = {"isTruncated": True, "nextMarker": marker}
    return result(
        {
            "jobList": [{"jobId": "job-1"}],
            "serviceList": [{"serviceId": "svc-1", "runStatus": "Serving"}],
            "pageInfo": info,
        }
    )


@pytest.mark.fault("F35")
@pytest.mark.parametrize("read", [services, lambda: find_job("run-0123456789")])
def test_a_list_that_goes_round_in_circles_is_an_error(manager, read):
    server = manager([page("a")], [page("b")], [page("a")])
    with pytest.raises(errors.UnexpectedContent, match="circles at 'a'"):
        read()
    assert len(server.requests) == 3


@pytest.mark.fault("F35")
def test_a_bucket_whose_list_does_not_lead_on_is_an_error(manager):
    contents = {"contents": [{"key": "x/1", "size": 1}], "isTruncated": True, "nextMarker": "x/1"}
    config.get_config().bos_base_url = manager([http_answer(json.dumps(contents).encode())]).url
    with pytest.raises(errors.UnexpectedContent, match="circles at 'x/1'"):
        Storage.list("bos:/bucket/x/")


@pytest.mark.fault("F36")
def test_a_picture_is_the_same_in_every_field_that_it_may_come_in(scripted):
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(buffer, "PNG")
    picture = buffer.getvalue()
    server = scripted([b""])
    text = base64.b64encode(picture).decode()
    for row in ({"b64_image": text}, {"b64_json": text}, {"url": f"{server.url}/1.png"}):
        answer = http_answer(json.dumps({"id": "x", "created": 1, "data": [row]}).encode())
        server.answers[:] = [[answer], [http_answer(picture, kind="image/png")]]
        assert Text2Image().do("山").images == [picture]


ANSWER = {"id": "as-1", "choices": [{"index": 0, "message": {"content": "hi"}}]}
PICTURE = {"id": "as-1", "created": 1, "data": [{"b64_json": "aGk="}]}
ODD = [
    (
        ChatCompletion,
        ANSWER | {"choices": [{"message": {"content": "hi"}, "finish_reason": [None]}]},
    ),
    (ChatCompletion, ANSWER | {"choices": [{"message": "hi", "finish_reason": {"a": 1}}]}),
    (ChatCompletion, {"error_code": {"a": 1}}),
    (ChatCompletion, {"error": {"code": [1.5], "message": None}}),
    (Text2Image, PICTURE | {"data": 1.5}),
    (Text2Image, PICTURE | {"data": [{"url": "\ud800"}]}),
    (Text2Image, PICTURE | {"choices": [[]]}),
    (Text2Image, PICTURE | {"choices": 10**30}),
]


@pytest.mark.fault("F25", "F28")
@pytest.mark.parametrize(("kind", "body"), ODD)
def test_json_of_any_shape_is_an_answer_or_one_of_our_errors(scripted, kind, body):
    scripted([http_answer(json.dumps(body).encode())])
    with contextlib.suppress(errors.QianfanError):  # every other exception fails the test
        reply = kind().do("x")
        assert (reply.request_id, bool(repr(reply))) == ("as-1", True)
