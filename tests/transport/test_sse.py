"""Server-sent events: the same for any chunks, line ends and characters."""

import pytest
from hypothesis import given, settings, strategies as st

from qfnb.errors import ResponseTooLarge
from qfnb.transport import response
from qfnb.transport.response import EventParser, ServerSentEvent


def split(data: bytes, cuts: list[int]) -> list[ServerSentEvent]:
    splitter = EventParser()
    events = []
    positions = [0, *sorted(cuts), len(data)]
    for start, end in zip(positions, positions[1:], strict=False):
        events += splitter.feed(data[start:end])
    return events + splitter.close()


@pytest.mark.fault("F18")
def test_an_empty_chunk_between_cr_and_lf_ends_no_line_twice():
    assert split(b"data: a\r\ndata: b\r\n\r\n", [8, 8]) == [ServerSentEvent("a\nb")]


@pytest.mark.fault("F19", "F20", "F22")
@pytest.mark.parametrize(
    ("frame", "events"),
    [
        (b": ping\n\ndata: a\n\n", [ServerSentEvent("a")]),
        (b"id: 7\nretry: 10\ndata: a\n\n", [ServerSentEvent("a")]),
        (b"data:a\n\n", [ServerSentEvent("a")]),
        (b"data: a\ndata: b\n\n", [ServerSentEvent("a\nb")]),
        (b"\xef\xbb\xbfdata: a\n\n", [ServerSentEvent("a")]),
        (b"data: \n\n", [ServerSentEvent("")]),
        (b"data: tail without end", []),
        (b'{"error_code":1}\n', [ServerSentEvent(stray='{"error_code":1}')]),
        (b'{"error_code":1}', [ServerSentEvent(stray='{"error_code":1}')]),
        (b"data: \xff\n\n", [ServerSentEvent("\ufffd")]),
    ],
)
def test_events_are_parsed_as_the_standard_says(frame, events):
    assert split(frame, []) == events


@pytest.mark.fault("F16")
def test_an_event_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(response, "MAX_EVENT_BYTES", 100)
    with pytest.raises(ResponseTooLarge):
        EventParser().feed(b"data: " + b"x" * 200)


@pytest.mark.timeout(60)
def test_the_work_for_a_long_event_grows_with_its_length_only():
    """Reading the whole buffer again for each chunk took minutes, in which no other call went
    on.
    """
    parser = EventParser()
    chunks = [b"data: ", *[bytes(1024)] * 8000, b"\n\n"]
    (event,) = [event for chunk in chunks for event in parser.feed(chunk)]
    assert len(event.data) == 8000 * 1024


def parse_whole(data: bytes) -> list[ServerSentEvent]:
    """Parse a whole stream by the rules of the standard, and of the platform's bare lines; the
    reference.
    """
    text = (
        data.decode("utf-8", "replace")
        .removeprefix("\ufeff")
        .replace("\r\n", "\n")
        .replace("\r", "\n")
    )
    *lines, tail = text.split("\n")
    events = []
    values = []
    name = ""
    for line in lines:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            events += [ServerSentEvent("\n".join(values), name)] if values else []
            values = []
            name = ""
        elif field == "data":
            values.append(value)
        elif field == "event":
            name = value
        elif field not in {"", "id", "retry"}:
            events.append(ServerSentEvent(stray=line))
    is_stray = tail and tail.partition(":")[0] not in {"", "id", "retry", "data", "event"}
    return [*events, ServerSentEvent(stray=tail)] if is_stray else events


LINES = st.sampled_from([
    b"", b"", b"data: a", b"data:b", b"data:  c", b"data", b"data:", b"event: chat", b"event", b": comment", b"id: 7",
    b"retry: 1", b'{"error_code": 1}', b"dataset: x", b"data: \xe4\xbd", b"data: \xff\xfe", b" data: x", b"\x00", b"[DONE]",
    "data: 你😀\u2028\x85\x0b\x1c".encode(), "\ufeffdata: x".encode(), b"data: " + b"x" * 70,
])  # fmt: skip


@pytest.mark.fault("F18", "F19", "F20", "F21", "F22")
@given(
    lines=st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=12),
    tail=LINES,
    has_mark=st.booleans(),
    data=st.data(),
)
@settings(max_examples=200, deadline=None)
def test_any_stream_in_any_chunks_is_what_the_reference_parser_reads(lines, tail, has_mark, data):
    stream = b"\xef\xbb\xbf" * has_mark + b"".join(line + end for line, end in lines) + tail
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=20))
    assert split(stream, cuts) == parse_whole(stream)
