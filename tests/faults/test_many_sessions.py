"""Many sessions leave nothing open (F17)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.scripted_server import http_answer, stream_head
from support.waiting import until

from qfnb import ChatCompletion, errors

AT_ONCE = 8
SESSIONS = 120
PIECE = b'data: {"id": "as-1", "choices": [{"index": 0, "delta": {"content": "a"}}]}\n\n'
DONE = b"data: [DONE]\n\n"
ANSWERS = {
    b"read": [stream_head(), PIECE, PIECE, DONE],
    b"left": [stream_head(), PIECE, None],
    b"cut": [stream_head(), PIECE],
    b"refused": [http_answer(b'{"error": {"code": "x", "message": "no"}}', status="400 Bad")],
}


def count_open_files():
    return len(list(Path("/dev/fd").iterdir()))


def run_session(number):
    """Read a stream to its end, leave it, or meet an error."""
    prompt = sorted(ANSWERS)[number % len(ANSWERS)].decode()
    try:
        pieces = ChatCompletion(version=2).do(prompt, stream=True)
        next(pieces)
        return pieces.close() if prompt == "left" else list(pieces)
    except (errors.StreamInterrupted, errors.APIError):
        return prompt


@pytest.mark.fault("F17")
def test_streams_that_are_read_left_or_broken_leave_no_file_open(scripted):
    server = scripted(
        lambda request: next(
            answer for word, answer in ANSWERS.items() if b'"%b"' % word in request
        )
    )
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(run_session, range(AT_ONCE)))
        open_files = count_open_files()
        list(threads.map(run_session, range(SESSIONS)))
        # idle connections, one a thread at most
        until(lambda: count_open_files() <= open_files + AT_ONCE)
    assert len(server.requests) == AT_ONCE + SESSIONS
