"""The fault matrix, through the calls that users make: what a server does wrong, and what is
kept.
"""

import json

import pytest
from support.scripted_server import http_answer, stream_head

from qfnb import ChatCompletion, errors

SAY = "你好"


def v2(text="", *, reason=None, **more):
    choice = {
        "index": 0,
        "delta": {"role": "assistant", "content": text, **more},
        "finish_reason": reason,
    }
    return event(
        {"id": "as-abc", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}
    )


def event(value):
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


DONE = b"data: [DONE]\n\n"
END = v2(reason="stop") + DONE


def streamed(scripted, *parts, head=None):
    scripted([head or stream_head(), *parts])
    return list(ChatCompletion(version=2).do(SAY, stream=True))


def text(pieces):
    return "".join(piece.text for piece in pieces)


@pytest.mark.parametrize(
    ("fault", "parts"),
    [
        ("F07 the connection ends after some events", [v2("半"), v2("个")]),
        ("F08 a clean end without an end mark", [v2("半个"), b""]),
        ("F09 cut in the middle of an event", [v2("半个"), v2("后面")[:25]]),
    ],
)
def test_a_stream_that_ends_early_is_interrupted_and_keeps_its_text(scripted, fault, parts):
    with pytest.raises(errors.StreamInterrupted) as caught:
        streamed(scripted, *parts)
    assert caught.value.partial == "半个"


@pytest.mark.fault("F10")
def test_f10_a_body_shorter_than_announced_is_a_typed_error(scripted):
    scripted(
        [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{}"]
    )
    with pytest.raises(errors.RequestError):
        ChatCompletion(version=2).do(SAY, retry_count=1)


@pytest.mark.fault("F13")
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_f13_a_redirect_is_not_followed_and_gets_no_key(scripted, status, stream):
    other = scripted([http_answer(b"{}")])
    away = f"location: {other.url}/v2/chat/completions\r\n"
    server = scripted([http_answer(b"", status=f"{status} Moved", more=away)])
    with pytest.raises(
        errors.UnexpectedContent, match=f"redirects to {other.url.removeprefix('http://')}"
    ):
        list(ChatCompletion(version=2).do(SAY, stream=stream))
    assert (len(server.requests), other.requests) == (1, [])


@pytest.mark.fault("F18")
@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n", "\r\r"])
@pytest.mark.parametrize("cut", range(0, 40, 3))
def test_f18_where_the_bytes_are_split_does_not_matter(scripted, end, cut):
    whole = v2("千帆😀").replace(b"\n\n", end.encode()) + END.replace(b"\n\n", end.encode())
    assert text(streamed(scripted, whole[:cut], whole[cut : cut + 1], whole[cut + 1 :])) == "千帆😀"


@pytest.mark.fault("F19", "F20")
def test_f19_f20_odd_but_legal_events(scripted):
    odd = (
        b"\xef\xbb\xbf: hello\nid: 7\nretry: 10\n"
        + v2("甲").replace(b"data: ", b"data:")
        + b"data:\n\n"
    )
    lines = v2("乙").decode().strip().removeprefix("data: ")
    half = lines.index(", ") + 1
    odd += f"data: {lines[:half]}\ndata: {lines[half:]}\n\n".encode()
    assert text(streamed(scripted, odd, END)) == "甲乙"


@pytest.mark.fault("F21")
def test_f21_line_separators_inside_of_a_text_stay(scripted):
    strange = "a\u2028b\u2029c\x85d\x0be\x1cf"
    assert text(streamed(scripted, v2(strange), END)) == strange


@pytest.mark.fault("F22")
def test_f22_a_broken_byte_becomes_a_replacement_character(scripted):
    assert text(streamed(scripted, v2("X").replace(b"X", b"a\xffb"), END)) == "a\ufffdb"


def test_f23_broken_json_is_named_and_ends_the_stream(scripted):
    with pytest.raises(errors.UnexpectedContent):
        streamed(scripted, v2("半个"), b"data: {bad json\n\n", END)


@pytest.mark.parametrize(
    "error",
    [
        {"error": {"code": "internal_error", "message": "no", "type": "x"}, "id": "as-err"},
        {"error_code": 336100, "error_msg": "no", "id": "as-err"},
    ],
)
@pytest.mark.parametrize("framed", [True, False])
def test_f24_an_error_in_mid_stream_is_typed_and_keeps_the_text(scripted, error, framed):
    line = event(error) if framed else json.dumps(error).encode() + b"\n"
    with pytest.raises(errors.APIError) as caught:
        streamed(scripted, v2("半个"), line, END)
    assert (caught.value.partial, caught.value.request_id) == ("半个", "as-err")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"<html>log in</html>", "text/html"), (b"", "application/json"), (b"null", "application/json"), (b"[]", "application/json")],
)  # fmt: skip
def test_f25_what_is_no_answer_is_refused(scripted, content, kind, stream):
    scripted([http_answer(content, kind=kind)])
    with pytest.raises(errors.UnexpectedContent):
        list(ChatCompletion(version=2).do(SAY, stream=stream, retry_count=1) or ())


@pytest.mark.fault("F26")
@pytest.mark.parametrize(
    "body", [{"error_code": 336501, "error_msg": "slow"}, {"code": 336501, "msg": "slow"}]
)
def test_f26_both_shapes_of_an_error_in_http_200(scripted, body):
    scripted([http_answer(json.dumps(body).encode())])
    with pytest.raises(errors.RateLimitError, match="336501"):
        ChatCompletion(version=1, access_token="24.x").do(SAY, retry_count=1)


@pytest.mark.fault("F27")
@pytest.mark.parametrize(
    "usage", [None, {}, {"total_tokens": "many"}, {"total_tokens": None}, "n/a"]
)
def test_f27_odd_usage_does_no_harm(scripted, usage):
    last = event({"id": "as-abc", "choices": [], "usage": usage})
    pieces = streamed(scripted, v2("好"), v2(reason="stop"), last, DONE)
    assert text(pieces) == "好"
    assert pieces[-1].usage.total_tokens is None
    assert pieces[-1].cost is None


@pytest.mark.fault("F28")
@pytest.mark.parametrize("reason", ["content_filter", "insufficient_system_resource", "tool_calls"])
def test_f28_odd_choices_do_no_harm(scripted, reason):
    odd = event({"id": "x", "choices": []}) + event(
        {"id": "x", "choices": [{"index": 0, "delta": {}}]}
    )
    odd += v2(None) + v2("好", reason=reason)
    pieces = streamed(scripted, odd, DONE)
    assert text(pieces) == "好"
    assert pieces[-1].body["choices"][0]["finish_reason"] == reason


@pytest.mark.fault("F29")
@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_f29_thinking_is_kept_apart(scripted, name):
    pieces = streamed(scripted, v2(None, **{name: "想一想"}), v2("好"), END)
    assert text(pieces) == "好"
    assert "".join(piece.reasoning for piece in pieces) == "想一想"


def test_f30_nothing_counts_after_the_end_mark(scripted):
    assert text(streamed(scripted, v2("好"), END, DONE, v2("多余"))) == "好"


@pytest.mark.fault("F31")
def test_f31_unknown_fields_are_kept(scripted):
    body = {
        "id": "x",
        "choices": [{"index": 0, "message": {"content": "好", "mood": "calm"}, "extra": [1]}],
        "new": {"a": 1},
    }
    scripted([http_answer(json.dumps(body).encode())])
    reply = ChatCompletion(version=2).do(SAY)
    assert reply["new"] == {"a": 1}
    assert reply["choices"][0]["message"]["mood"] == "calm"
