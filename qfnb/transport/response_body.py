"""Read response bodies: whole ones with a size limit, streams event by event with time limits."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, Final

import httpx

from .. import errors
from ..config import Settings
from . import protocol, sse
from .deadline import Deadline

DONE_MARK: Final[dict[str, Any]] = {}
"""Stands for the `[DONE]` of a stream."""

MAX_REPLY_BYTES = 64 * 1024 * 1024
"""Bytes a reply may have after decompression."""


async def read_bytes(response: httpx.Response, max_bytes: int = MAX_REPLY_BYTES) -> bytes:
    """Return the whole body.

    Raises:
        ResponseTooLarge: it has more than `max_bytes` after decompression.
    """
    chunks, size = [], 0
    async for chunk in _iter_chunks(response):
        size += len(chunk)
        if size > max_bytes:
            raise errors.ResponseTooLarge(f"the response is larger than {max_bytes >> 20} MiB")
        chunks.append(chunk)
    return b"".join(chunks)


def _iter_chunks(response: httpx.Response) -> AsyncIterator[bytes]:
    """Return the body as it arrives; httpx is used only where it must be decompressed."""
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return response.aiter_bytes() if "content-encoding" in response.headers else aiter(response.stream)


async def read_json(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON of a whole response, or raise the error that it describes."""
    try:
        return protocol.decode_response(response.status_code, response.headers, await read_bytes(response))
    finally:
        assert isinstance(response.stream, httpx.AsyncByteStream)
        await response.stream.aclose()


async def require_stream(response: httpx.Response) -> None:
    """Raise unless a response is a stream of events.

    Raises:
        APIError: the response describes an error.
        UnexpectedContent: it is a single answer.
    """
    if response.status_code < 300 and "event-stream" in response.headers.get("content-type", ""):
        return
    await read_json(response)
    raise errors.UnexpectedContent("a stream was requested, and the response is a single answer")


async def iter_events(
    response: httpx.Response, settings: Settings, ends_at: float | None
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the JSON of each event, `DONE_MARK` for `[DONE]`.

    Args:
        response: the stream.
        settings: limit the silence before the first event and between events; comments are not events.
        ends_at: limit of the whole stream, on `time.perf_counter`; None for no limit.

    Raises:
        TimeoutError: a limit was exceeded.
    """
    splitter, chunks = sse.EventParser(), _iter_chunks(response)
    timeout_s = settings.first_token_timeout
    while True:
        events: list[sse.Event] = []
        remaining_s = math.inf if ends_at is None else ends_at - time.perf_counter()
        async with Deadline(min(timeout_s, remaining_s)):  # never held across a yield: callers change tasks
            while not events and (chunk := await anext(chunks, None)) is not None:
                events = splitter.feed(chunk)
        timeout_s = settings.idle_timeout
        for event in events or splitter.close():
            if event.data.strip() == "[DONE]":
                yield DONE_MARK
                return
            if event.stray or event.data.strip():
                piece = protocol.decode_stream_event(event.stray or event.data)
                yield {**piece, "_event": event.name} if event.name else piece
        if not events:
            return
