"""Server-sent events: the same for any chunks, line ends and characters."""

import pytest
from hypothesis import given, strategies as st

from qfnb.errors import ResponseTooLarge
from qfnb.transport import sse
from qfnb.transport.sse import Event, EventParser


def split(data: bytes, cuts: list[int]) -> list[Event]:
    splitter, events, positions = EventParser(), [], [0, *sorted(cuts), len(data)]
    for start, end in zip(positions, positions[1:], strict=False):
        events += splitter.feed(data[start:end])
    return events + splitter.close()


@pytest.mark.fault("F18", "F21")
@given(
    texts=st.lists(st.text(alphabet="你好😀a\u2028\u2029\x85\x0b\x1c", min_size=1), min_size=1, max_size=4),
    end=st.sampled_from([b"\n", b"\r\n", b"\r"]),
    data=st.data(),
)
def test_any_chunking_gives_the_same_events(texts, end, data):
    frames = b"".join(b"data: " + text.encode() + end + end for text in texts)
    cuts = data.draw(st.lists(st.integers(0, len(frames)), max_size=12))
    assert [event.data for event in split(frames, cuts)] == texts


@pytest.mark.fault("F18")
def test_every_split_point_of_a_frame_gives_the_same_event():
    frame = 'event: chat\r\ndata: {"result":"你😀"}\r\n\r\n'.encode()
    expected = [Event('{"result":"你😀"}', "chat")]
    assert all(split(frame, [cut]) == expected for cut in range(len(frame)))


@pytest.mark.fault("F19", "F20", "F22")
@pytest.mark.parametrize(
    ("frame", "events"),
    [
        (b": ping\n\ndata: a\n\n", [Event("a")]),
        (b"id: 7\nretry: 10\ndata: a\n\n", [Event("a")]),
        (b"data:a\n\n", [Event("a")]),
        (b"data: a\ndata: b\n\n", [Event("a\nb")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event("a")]),
        (b"data: \n\n", [Event("")]),
        (b"data: tail without end", []),
        (b'{"error_code":1}\n', [Event(stray='{"error_code":1}')]),
        (b'{"error_code":1}', [Event(stray='{"error_code":1}')]),
        (b"data: \xff\n\n", [Event("\ufffd")]),
    ],
)
def test_events_are_parsed_as_the_standard_says(frame, events):
    assert split(frame, []) == events


@pytest.mark.fault("F16")
def test_an_event_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    with pytest.raises(ResponseTooLarge):
        EventParser().feed(b"data: " + b"x" * 200)


@pytest.mark.timeout(60)
def test_the_work_for_a_long_event_grows_with_its_length_only():
    """Reading the whole buffer again for each chunk took minutes, in which no other call went on."""
    parser, chunks = EventParser(), [b"data: ", *[bytes(1024)] * 8000, b"\n\n"]
    (event,) = [event for chunk in chunks for event in parser.feed(chunk)]
    assert len(event.data) == 8000 * 1024
