"""Responses: the value that a call returns, and the reading of response bodies: which are good, and
which error a bad one is; and what requests carry beside httpx's own.

One function decides, for all five planes and the gateway in front of them. Whole bodies have a size
limit, streams are read event by event with time limits. Subscripts of a `Response` are for users
(`resp["result"]`, `resp["body"]["result"]`); qfnb's own code reads `.data`.
"""

import asyncio
import json
import logging
import math
import re
import time
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from typing import Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

import httpx
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from .. import errors
from ..base.language import tr
from ..base.text import clip, describe_problem, duration
from ..config import Secret, Settings
from ..redact import redact
from ..wire import error_codes
from ..wire.base import JsonObject, Sendable

log = logging.getLogger("qfnb")

T = TypeVar("T")
ReadResponse = Callable[[httpx.Response], Awaitable[T]]
"""Reads a response, or raises the error that it describes."""


@dataclass
class BytesStream(httpx.AsyncByteStream):
    """The content of a request as bytes, which the connection pool takes without iterating."""

    content: bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content


URL_TO_SEND = "url_to_send"
"""Extension of a request: the URL that is sent, where that holds a secret; `Request.url` is printed
in tracebacks.
"""


def set_secret_url(request: httpx.Request, url: httpx.URL | str) -> None:
    """Make a request go to a URL that no repr shows."""
    request.extensions[URL_TO_SEND] = Secret(str(url))


PUBLIC_ONLY = "public_only"
"""Extension of a request: whether it may go to public addresses only."""


class CertificateError(httpx.ConnectError):
    """The server's certificate is not trusted, or it does not speak TLS."""


class DescriptorLimitError(httpx.ConnectError):
    """This computer has no free file descriptor for a connection."""


class NotPublicError(httpx.ConnectError):
    """A request for public addresses only would have gone to another one."""


MAX_CLOCK_SKEW_S = 240
"""Seconds between this computer's clock and a server's that are worth a word; signatures are valid
for 300.
"""

_CLASSES: dict[error_codes.ErrorKind, type[errors.APIError]] = {
    "auth": errors.AuthError,
    "token": errors.AuthError,
    "throttle": errors.RateLimitError,
    "activation": errors.NotActivatedError,
    "server": errors.ServerError,
    "user": errors.APIError,
}


def decode_response(status: int, headers: Mapping[str, str], content: bytes) -> JsonObject:
    """Return the JSON object of a good response; raise the typed error of a bad one.

    Args:
        status: of HTTP.
        headers: with lower-case names.
        content: the whole body.

    Raises:
        APIError: the response is a refusal, in any of the platform's shapes.
        UnexpectedContent: the response is not a JSON object (a proxy's page, an empty body).
    """
    if 300 <= status < 400:
        target = urlsplit(headers.get("location", "")).netloc or tr("another page")
        raise errors.UnexpectedContent(
            tr(
                "HTTP {status} redirects to {target}: keys are not sent there\ncheck base_url; or "
                "is a login "
                "page in between?",
                status=status,
                target=target,
            )
        )
    body = _parse_json_object(content)
    if body is not None:
        raise_for_error(body, status, headers)
    if status >= 400:
        raise _gateway_error(status, headers, content)
    if body is None:
        raise errors.UnexpectedContent(
            tr(
                "HTTP {status}, {kind}: the response is not a JSON object: {excerpt}\nis a "
                "proxy or a login "
                "page in between?",
                status=status,
                kind=headers.get("content-type", tr("no content type")),
                excerpt=quote_excerpt(content),
            ),
            request_id=redact(_header_request_id(headers)),
        )
    return body


def raise_for_error(
    body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    """Raise the error that a JSON response describes, if it describes one.

    Args:
        body: the response.
        status: of HTTP.
        headers: with lower-case names.

    Raises:
        APIError: of the class that fits its code.
    """
    code, message = _find_error(body)
    if code is None:
        return
    if not isinstance(code, int | str):
        code = json.dumps(code)
    names = ("id", "requestId", "request_id", "log_id")
    request_id = next((str(body[name]) for name in names if body.get(name)), "")
    raise build_api_error(
        code, message, status=status, headers=headers or {}, request_id=request_id
    )


def build_api_error(
    code: int | str, message: str, *, status: int, headers: Mapping[str, str], request_id: str = ""
) -> errors.APIError:
    """Return the exception for an error code, with a hint and the delay that the server asks for.

    Args:
        code: the platform's code, an int (v1, console) or a word (v2).
        message: the platform's text; secrets are removed.
        status: of HTTP.
        headers: with lower-case names.
        request_id: default: that of the headers.
    """
    row = error_codes.lookup(code, status)
    hints = [row.hint and tr(row.hint), _clock_note(headers) if row.kind == "auth" else ""]
    return _CLASSES[row.kind](
        code,
        redact(message),
        redact(request_id or _header_request_id(headers)),
        hint="\n".join(filter(None, hints)),
        status=status,
        retry_after=parse_retry_after(headers),
    )


def _clock_note(headers: Mapping[str, str]) -> str:
    """Return a note on the clock for a refused signature, "" where the clock is right."""
    ahead_s = -_seconds_until(headers.get("date", ""), datetime.now(UTC))
    if not abs(ahead_s) > MAX_CLOCK_SKEW_S:  # NaN without a date
        return ""
    if ahead_s > 0:
        return tr(
            "this computer's clock is {time} ahead: signatures of an IAM pair last minutes only",
            time=duration(ahead_s),
        )
    return tr(
        "this computer's clock is {time} behind: signatures of an IAM pair last minutes only",
        time=duration(-ahead_s),
    )


def parse_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return the seconds that a server asks to wait (as a number or a date), None if it does not
    say.
    """
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if not text:
            continue
        try:
            seconds = float(text) * scale
        except ValueError:
            seconds = _seconds_until(text, now or datetime.now(UTC))
        if math.isfinite(seconds) and seconds >= 0:
            return seconds
    return None


def decode_stream_event(data: str) -> JsonObject:
    """Return the JSON object of one stream event.

    Raises:
        APIError: the event describes an error.
        UnexpectedContent: it is not a JSON object.
    """
    body = _parse_json_object(data.encode())
    if body is None:
        raise errors.UnexpectedContent(
            tr(
                "the stream sent something that is not JSON: {excerpt}",
                excerpt=quote_excerpt(data.encode()),
            )
        )
    raise_for_error(body)
    return body


_is_invalid_utf8_logged = False


def decode_utf8(content: bytes) -> str:
    """Return the text of a response; bytes that are not UTF-8 become U+FFFD, which one log line
    says.
    """
    global _is_invalid_utf8_logged
    try:
        return content.decode()
    except UnicodeDecodeError:
        if not _is_invalid_utf8_logged:
            log.warning(tr("a response has bytes that are not UTF-8: shown as �"))
        _is_invalid_utf8_logged = True
        return content.decode("utf-8", "replace")


def _find_error(body: Mapping[str, Any]) -> tuple[Any, str]:
    """Return code and message of the error that a body describes, None for the code without one."""
    error = body.get("error")
    # v2; a stored response may have failed
    if isinstance(error, Mapping) and body.get("object") != "response":
        return error.get("code") or error.get("type") or "error", str(error.get("message") or "")
    if isinstance(error, str) and error:  # OAuth
        return error, str(body.get("error_description") or "")
    if body.get("error_code"):  # v1, console v1
        return body["error_code"], str(body.get("error_msg") or "")
    if body.get("code") and ("message" in body or "msg" in body) and "result" not in body:
        message = body.get("message") or body.get("msg") or ""
        if isinstance(message, Mapping):  # v1 prompts
            message = message.get("global", message)
        return body["code"], str(message)
    return None, ""


def _gateway_error(status: int, headers: Mapping[str, str], content: bytes) -> errors.QianfanError:
    code = headers.get("x-bce-error-code")
    message = headers.get("x-bce-error-message") or f"HTTP {status}: {quote_excerpt(content)}"
    if code is None and status < 500 and status not in {401, 403, 404, 408, 409, 429}:
        return errors.UnexpectedContent(message)
    return build_api_error(code or status, message, status=status, headers=headers)


def _parse_json_object(content: bytes) -> JsonObject | None:
    content = content.removeprefix(b"\xef\xbb\xbf")  # which a parser may ignore
    try:
        body = from_json(content)
    except ValueError:
        try:
            body = json.loads(decode_utf8(content))  # accepts more, e.g. a lone surrogate
        except (ValueError, RecursionError):
            return None
    if isinstance(body, dict):
        return body
    return None


def _header_request_id(headers: Mapping[str, str]) -> str:
    return headers.get("x-baidu-request-id", "") or headers.get("x-bce-request-id", "")


def _seconds_until(text: str, now: datetime) -> float:
    try:
        return (parsedate_to_datetime(text) - now).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return math.nan


def quote_excerpt(content: bytes) -> str:
    """Return the beginning of a response for a message, quoted and without secrets."""
    text = " ".join(redact(content[:2000].decode("utf-8", "replace")).split())
    if text:
        return repr(clip(text, 81))
    return "(empty)"


MAX_EVENT_BYTES = 8 * 1024 * 1024
"""Size limit of one event."""

_LINE_END = re.compile(rb"\r\n|\n|\r")


class ServerSentEvent(NamedTuple):
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
            raise errors.ResponseTooLarge(
                tr(
                    "one event of the stream is larger than {limit} MiB",
                    limit=MAX_EVENT_BYTES >> 20,
                )
            )
        return events

    def close(self) -> list[ServerSentEvent]:
        """Return the last line if it has no line end and is stray (an error)."""
        event = self._parse_line(bytes(self._buffer)) if self._buffer else None
        self._buffer.clear()
        return [event] if event and event.stray else []

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
    def json_body(self) -> JsonObject:
        """The JSON object that was sent; {} of a GET."""
        if self.record is None or self.method == "GET":
            return {}
        return self.record.to_wire()

    def requests_args(self) -> JsonObject:
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

    body: JsonObject
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
        text = str(body_id or self.headers.get("x-baidu-request-id", ""))
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


def total_tokens(body: Any) -> int | None:
    """Return the `total_tokens` of a reply's `usage`, None where it has none."""
    return _used_tokens(body, "total_tokens")


def _used_tokens(body: Any, name: str) -> int | None:
    usage = body.get("usage") if isinstance(body, Mapping) else None
    count = usage.get(name) if isinstance(usage, Mapping) else None
    return count if isinstance(count, int) else None


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
        n_tokens = _used_tokens(body, "completion_tokens") or 0
        return {
            "request_latency": total_s,
            "total_latency": total_s,
            "start_timestamp": self._start_ms,
            "avg_output_tokens_per_second": n_tokens / total_s if total_s else 0.0,
        }

    def read_piece(self, body: Mapping[str, Any]) -> dict[str, float]:
        """Return the statistic of a piece of a stream that has arrived now."""
        statistic = self.read(body)
        self._first_s = self._first_s or statistic["total_latency"]
        arrived_at = self.started_at + statistic["total_latency"]
        lap_s = arrived_at - self._lap_at
        self._lap_at = arrived_at
        return {**statistic, "request_latency": lap_s, "first_token_latency": self._first_s}


DONE_MARK: Final[JsonObject] = {}
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


async def read_json(response: httpx.Response) -> JsonObject:
    """Return the JSON of a whole response, or raise the error that it describes."""
    try:
        return decode_response(response.status_code, response.headers, await read_bytes(response))
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
) -> AsyncGenerator[JsonObject, None]:
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
        remaining_s = math.inf if ends_at is None else ends_at - time.perf_counter()
        # never held across a yield: callers change tasks
        async with asyncio.timeout(min(timeout_s, remaining_s)):
            while not events and (chunk := await anext(chunks, None)) is not None:
                events = splitter.feed(chunk)
        timeout_s = settings.idle_timeout
        for event in events or splitter.close():
            if event.data.strip() == "[DONE]":
                yield DONE_MARK
                return
            if event.stray or event.data.strip():
                piece = decode_stream_event(event.stray or event.data)
                yield {**piece, "_event": event.name} if event.name else piece
        if not events:
            return
