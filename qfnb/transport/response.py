"""Responses: the value that a call returns, and the reading of response bodies.

Whole bodies have a size limit, streams are read event by event with time limits. Subscripts of a
`Response` are for users (`resp["result"]`, `resp["body"]["result"]`); qfnb's own code reads
`.data`.
"""

import math
import re
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Generic, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from .. import errors
from ..base.language import tr
from ..base.text import describe_problem
from ..config import Settings
from ..errors import ResponseTooLarge
from ..redact import redact
from ..wire.base import Sendable
from . import protocol
from .clock import Deadline
from .protocol import decode_utf8

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""Size limit of one event."""

_LINE_END = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True)
class ServerSentEvent:
    """One event; `stray` is a line that is not a field of the standard."""

    data: str = ""
    name: str = ""
    stray: str = ""


@dataclass
class EventParser:
    """An incremental parser: `feed` it bytes as they arrive, and it returns the complete events."""

    _buffer: bytearray = field(default_factory=bytearray)
    _ends_with_cr: bool = False
    _is_bom_checked: bool = False
    _data: list[str] = field(default_factory=list)
    _name: str = ""
    _size: int = 0

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """Return the events that a chunk completes.

        Raises:
            ResponseTooLarge: one event has more than MAX_EVENT_BYTES bytes.
        """
        if not chunk:  # it says nothing of the line end that the chunk before may have begun
            return []
        if self._ends_with_cr:
            chunk = chunk.removeprefix(b"\n")
        # not of the whole buffer: a long event takes many chunks
        end_of_line, *lines = _LINE_END.split(chunk)
        self._buffer += end_of_line
        if lines:
            lines.insert(0, bytes(self._buffer))
            self._buffer = bytearray(lines.pop())
        self._ends_with_cr = chunk.endswith(b"\r")
        events = [event for line in lines if (event := self._parse_line(line)) is not None]
        if len(self._buffer) + self._size > MAX_EVENT_BYTES:
            raise ResponseTooLarge(
                tr(
                    "one event of the stream is larger than {limit} MiB",
                    limit=MAX_EVENT_BYTES >> 20,
                )
            )
        return events

    def close(self) -> list[ServerSentEvent]:
        """Return the last line if it has no line end and is stray (an error)."""
        if not self._buffer:
            event = None
        else:
            event = self._parse_line(bytes(self._buffer))
        self._buffer.clear()
        if event and event.stray:
            return [event]
        return []

    def _parse_line(self, line: bytes) -> ServerSentEvent | None:
        if not self._is_bom_checked:
            line = line.removeprefix(b"\xef\xbb\xbf")
            self._is_bom_checked = True
        if not line:
            return self._dispatch()
        text = decode_utf8(line)
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._size += len(line)
        elif name == "event":
            self._name = value
        elif name not in {"", "id", "retry"}:
            return ServerSentEvent(stray=text)
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        data = self._data
        name = self._name
        self._data = []
        self._name = ""
        self._size = 0
        if data:
            return ServerSentEvent("\n".join(data), name)
        return None


R = TypeVar("R")
_ATTRIBUTE_KEYS = ("body", "code", "headers", "statistic", "request")


@dataclass(frozen=True, repr=False)
class SentRequest:
    """A request as it was sent, without the keys.

    Attributes:
        method: HTTP method.
        url: with its query.
        headers: with lower-case names.
        record: the record that was sent; None for other content.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    record: Sendable | None = None

    @cached_property
    def query(self) -> dict[str, str]:
        """The parameters of the URL."""
        return dict(httpx.URL(self.url).params)

    @cached_property
    def json_body(self) -> dict[str, Any]:
        """The JSON object that was sent; {} of a GET."""
        if self.record is None or self.method == "GET":
            return {}
        return self.record.to_wire()

    def requests_args(self) -> dict[str, Any]:
        """Return the arguments of `requests.request` for the same request; keys are to be added."""
        url = self.url.partition("?")[0]
        body = {"headers": dict(self.headers), "json": self.json_body}
        return {"method": self.method, "url": url, "params": self.query, **body}

    def __repr__(self) -> str:
        return redact(f"{type(self).__name__}({self.method} {self.url} {self.json_body!r})")


@dataclass(repr=False)
class Response(Mapping[str, Any], Generic[R]):
    """A response.

    Attributes:
        body: the JSON object as received, with unknown fields.
        data_type: type of `data`.
        code: HTTP status.
        headers: with lower-case names.
        statistic: see `Stopwatch`; of a whole response the attempts, too.
        unwrap: the key of `body` that holds `data`; None for the whole body.
        request: what was sent; None where the response was not made by a call.
    """

    body: dict[str, Any]
    data_type: type[R]
    code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    statistic: dict[str, float] = field(default_factory=dict)
    unwrap: str | None = None
    request: SentRequest | None = None

    @cached_property
    def data(self) -> R:
        """The typed record, validated on first access.

        Raises:
            UnexpectedContent: a required field is missing or has the wrong type.
        """
        raw = self.body if self.unwrap is None else self.body.get(self.unwrap)
        try:
            return TypeAdapter(self.data_type).validate_python(raw)
        except ValidationError as error:
            first_error = error.errors(include_input=False, include_url=False)[0]
            location = ".".join(map(str, first_error["loc"])) or self.unwrap or "body"
            raise errors.UnexpectedContent(
                tr(
                    "the response's {location!r} is not as documented: {reason}",
                    location=location,
                    reason=describe_problem(first_error),
                )
            ) from None

    @property
    def request_id(self) -> str:
        """The id by which the platform's support finds the call; "" if the response has none."""
        body = self.body
        body_id = body.get("id") or body.get("requestId") or body.get("log_id")
        if body_id:
            text = str(body_id)
        else:
            text = self.headers.get("x-baidu-request-id", "")
        # a server may send half of a surrogate pair
        return text.encode("utf-8", "replace").decode()

    def __getitem__(self, key: str) -> Any:
        if key in self.body:
            return self.body[key]
        if key in _ATTRIBUTE_KEYS:
            return getattr(self, key)
        return self.body[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.body)

    def __len__(self) -> int:
        return len(self.body)

    def __repr__(self) -> str:
        return redact(f"{type(self).__name__}({self.body!r})")


_OPEN_HEADERS = ("content-type", "host", "referer", "request_id")
"""Headers that hold no secret, whoever has set them."""


def describe_request(request: httpx.Request, record: Sendable | None) -> SentRequest:
    """Return a request, before the keys are added, as its response shows it."""
    headers = {name: request.headers[name] for name in _OPEN_HEADERS if name in request.headers}
    return SentRequest(request.method, str(request.url), headers, record)


class Stopwatch:
    """Measures one call as the official SDK's `statistic` has it; times are those at which the
    network delivered.

    request_latency is the seconds of the request, in a stream those since the piece before;
    first_token_latency (streams) those until the first piece; total_latency those until now.
    start_timestamp is in milliseconds since 1970, avg_output_tokens_per_second counts the usage so
    far.
    """

    def __init__(self) -> None:
        self.started_at = time.perf_counter()
        self._start_ms = int(time.time() * 1000)
        self._first_s = 0.0
        self._lap_at = self.started_at

    def read(self, body: Mapping[str, Any]) -> dict[str, float]:
        """Return the statistic of a response that is complete now."""
        total_s = time.perf_counter() - self.started_at
        usage = body.get("usage")
        if isinstance(usage, Mapping):
            n_tokens = usage.get("completion_tokens")
        else:
            n_tokens = 0
        if isinstance(n_tokens, int) and total_s > 0:
            speed = n_tokens / total_s
        else:
            speed = 0.0
        return {
            "request_latency": total_s,
            "total_latency": total_s,
            "start_timestamp": self._start_ms,
            "avg_output_tokens_per_second": speed,
        }

    def read_piece(self, body: Mapping[str, Any]) -> dict[str, float]:
        """Return the statistic of a piece of a stream that has arrived now."""
        statistic = self.read(body)
        self._first_s = self._first_s or statistic["total_latency"]
        arrived_at = self.started_at + statistic["total_latency"]
        lap_s = arrived_at - self._lap_at
        self._lap_at = arrived_at
        return {**statistic, "request_latency": lap_s, "first_token_latency": self._first_s}


DONE_MARK: Final[dict[str, Any]] = {}
"""Stands for the `[DONE]` of a stream."""

MAX_REPLY_BYTES = 64 * 1024 * 1024
"""Bytes a reply may have after decompression."""

MAX_UNPACKED_BYTES = 1024 * 1024
"""Bytes that are unpacked at a time: a few hundred bytes can hold gigabytes."""


async def read_bytes(response: httpx.Response, max_bytes: int = MAX_REPLY_BYTES) -> bytes:
    """Return the whole body.

    Raises:
        ResponseTooLarge: it has more than `max_bytes` after decompression.
    """
    chunks = []
    size = 0
    async for chunk in iter_bytes(response):
        size += len(chunk)
        if size > max_bytes:
            raise errors.ResponseTooLarge(
                tr("the response is larger than {limit} MiB", limit=max_bytes >> 20)
            )
        chunks.append(chunk)
    return b"".join(chunks)


def iter_bytes(response: httpx.Response) -> AsyncIterator[bytes]:
    """Return the body as it arrives, unpacked if it has one of the encodings that requests ask
    for.
    """
    assert isinstance(response.stream, httpx.AsyncByteStream)
    encoding = response.headers.get("content-encoding", "").strip().lower()
    if encoding in {"gzip", "deflate"}:
        return _unpack(response.stream)
    return aiter(response.stream)


async def _unpack(packed: httpx.AsyncByteStream) -> AsyncIterator[bytes]:
    """Yield at most `MAX_UNPACKED_BYTES` at a time; httpx unpacks all that a chunk holds, gigabytes
    if need be.

    Raises:
        DecodingError: it is neither gzip nor zlib, or its end is missing.
    """
    unpacker = zlib.decompressobj(wbits=47)  # reads both; nothing at all is complete
    is_complete = True
    async for chunk in packed:
        remaining = chunk
        is_full = False
        while (remaining or is_full) and not unpacker.eof:
            try:
                content = unpacker.decompress(remaining, MAX_UNPACKED_BYTES)
            except zlib.error as error:
                raise httpx.DecodingError(str(error)) from None
            yield content
            remaining = unpacker.unconsumed_tail
            is_full = len(content) == MAX_UNPACKED_BYTES
        is_complete = unpacker.eof
    if not is_complete:
        raise httpx.DecodingError(tr("the compressed body is incomplete"))


async def read_json(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON of a whole response, or raise the error that it describes."""
    try:
        return protocol.decode_response(
            response.status_code, response.headers, await read_bytes(response)
        )
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
    raise errors.UnexpectedContent(
        tr("a stream was requested, and the response is a single answer")
    )


async def iter_events(
    response: httpx.Response, settings: Settings, ends_at: float | None
) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the JSON of each event, `DONE_MARK` for `[DONE]`.

    Args:
        response: the stream.
        settings: limit the silence before the first event and between events; comments are not
            events.
        ends_at: limit of the whole stream, on `time.perf_counter`; None for no limit.

    Raises:
        TimeoutError: a limit was exceeded.
    """
    splitter = EventParser()
    chunks = iter_bytes(response)
    timeout_s = settings.first_token_timeout
    while True:
        events: list[ServerSentEvent] = []
        if ends_at is None:
            remaining_s = math.inf
        else:
            remaining_s = ends_at - time.perf_counter()
        # never held across a yield: callers change tasks
        async with Deadline(min(timeout_s, remaining_s)):
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
