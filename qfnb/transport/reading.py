"""Read answers off the network: whole ones with a size limit, streams event by event with time limits."""

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

DONE: Final[dict[str, Any]] = {}
"""Stands for the `[DONE]` of a stream."""

MAX_REPLY = 64 * 1024 * 1024
"""Bytes a reply may have after decompression."""


async def read(answer: httpx.Response, most: int = MAX_REPLY) -> bytes:
    """Return the whole content.

    Raises:
        ResponseTooLarge: it has more than `most` bytes.
    """
    parts, size = [], 0
    async for part in _arriving(answer):
        size += len(part)
        if size > most:
            raise errors.ResponseTooLarge(f"the answer is larger than {most >> 20} MiB")
        parts.append(part)
    return b"".join(parts)


def _arriving(answer: httpx.Response) -> AsyncIterator[bytes]:
    """Return the content as it arrives; httpx is asked only for what needs decompression."""
    assert isinstance(answer.stream, httpx.AsyncByteStream)
    return answer.aiter_bytes() if "content-encoding" in answer.headers else aiter(answer.stream)


async def content(answer: httpx.Response) -> dict[str, Any]:
    """Return the JSON of a whole answer, or raise the error that it is."""
    try:
        return protocol.decipher(answer.status_code, answer.headers, await read(answer))
    finally:
        assert isinstance(answer.stream, httpx.AsyncByteStream)
        await answer.stream.aclose()


async def refuse_non_stream(answer: httpx.Response) -> None:
    """Raise the error that came instead of a stream."""
    if answer.status_code < 300 and "event-stream" in answer.headers.get("content-type", ""):
        return
    await content(answer)
    raise errors.UnexpectedContent("a stream was asked for and a single answer came back")


async def events(
    answer: httpx.Response, now: Settings, until: float | None
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the JSON of each event; silence between events is bounded, comments do not count as events."""
    splitter, chunks = sse.Splitter(), _arriving(answer)
    waiting = now.first_token_timeout
    while True:
        events: list[sse.Event] = []
        left = math.inf if until is None else until - time.perf_counter()
        async with Deadline(min(waiting, left)):  # never held across a yield: callers change tasks
            while not events and (chunk := await anext(chunks, None)) is not None:
                events = splitter.feed(chunk)
        waiting = now.idle_timeout
        for event in events or splitter.close():
            if event.data.strip() == "[DONE]":
                yield DONE
                return
            if event.stray or event.data.strip():
                piece = protocol.stream_event(event.stray or event.data)
                yield {**piece, "_event": event.name} if event.name else piece
        if not events:
            return
