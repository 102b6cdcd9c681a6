"""aiohttp's connections under httpx's interface, with little in between."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import httpx
import yarl

from .calls import Body
from .http import Untrusted

IDLE_SECONDS: Final = 30.0
"""How long a connection is kept for the next request; servers and balancers keep theirs for 60 s or more."""

FRESH_SECONDS: Final = 1.0
"""How long it is kept for a request that may not be repeated: a server that closes idle connections may be
closing one just as a request goes out on it, and nothing tells then whether the request was read."""

_ERRORS: tuple[tuple[type[Exception], type[httpx.RequestError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientProxyConnectionError, httpx.ProxyError),
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientSSLError, Untrusted),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ClientConnectionError, httpx.ReadError),
    (aiohttp.ClientPayloadError, httpx.ReadError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ClientError, httpx.RemoteProtocolError),
)
"""aiohttp's errors in httpx's words; the first that fits counts."""


def _translated(error: aiohttp.ClientError) -> httpx.RequestError:
    """Return aiohttp's error in httpx's words."""
    if isinstance(error, aiohttp.ClientConnectionResetError) or isinstance(
        error.__cause__, aiohttp.ClientConnectionResetError
    ):
        return httpx.WriteError(_NOT_SENT)
    certificate = getattr(error, "certificate_error", None)
    wrong = getattr(certificate, "verify_message", "") or getattr(error, "strerror", "")
    said = str(wrong or getattr(error, "message", "") or error)  # not the address, which may carry a token
    return next(ours for theirs, ours in _ERRORS if isinstance(error, theirs))(said)


_NOT_SENT: Final = "the connection was closed before the whole request was sent (请求未发完，连接已关闭)"


class Connections(httpx.AsyncBaseTransport):
    """aiohttp's connections; an address travels as it was written and signed, not quoted a second time.

    Requests that may not be repeated (extension `repeatable`) have a pool of their own, which keeps idle
    connections for `FRESH_SECONDS` only.
    """

    def __init__(self, proxy: str, tls: Any) -> None:
        self._proxy = proxy or None
        self._session, self._fresh = _session(tls, IDLE_SECONDS), _session(tls, FRESH_SECONDS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the answer's content is still to be read.

        Raises:
            WriteError: the connection closed before the whole request was written, so nothing was done.
            RequestError: nothing came back; the request may have been carried out.
        """
        content = request.stream.content if isinstance(request.stream, Body) else _content(request)
        times = request.extensions.get("timeout", {})
        session = self._session if request.extensions.get("repeatable", True) else self._fresh
        try:
            answer = await session.request(
                request.method,
                _address(str(request.url)),
                headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
                data=content or None,
                allow_redirects=False,
                auto_decompress=False,
                timeout=_timeout(times.get("connect"), times.get("read")),
                proxy=self._proxy,
            )
        except aiohttp.ClientError as error:
            if isinstance(content, _Upload) and content.is_cut:
                raise httpx.WriteError(_NOT_SENT) from None
            raise _translated(error) from None
        headers, stream = answer.raw_headers, _Content(answer)
        return httpx.Response(answer.status, headers=headers, stream=stream, request=request)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self._fresh.close()


def _content(request: httpx.Request) -> bytes | _Upload:
    try:
        return request.content
    except httpx.RequestNotRead:
        request.headers.pop("transfer-encoding", None)  # aiohttp says it itself
        return _Upload(request.stream)


class _Upload:
    """The content of a request that is written piece by piece.

    Attributes:
        is_cut: True until all of it has been written. A piece is asked for only when those before it are
            in the socket's buffers, and no server carries out a request whose end it never got.
    """

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream) -> None:
        assert isinstance(stream, httpx.AsyncByteStream)
        self._stream = stream
        self.is_cut = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            yield piece
        self.is_cut = False


class _Content(httpx.AsyncByteStream):
    """The content of an answer, as it arrives; no generator, which would be closed once more per answer."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._answer.content.at_eof():
            raise StopAsyncIteration
        try:
            part = await self._answer.content.readany()
        except aiohttp.ClientError as error:
            raise _translated(error) from None
        if not part:
            raise StopAsyncIteration
        return part

    async def aclose(self) -> None:
        if self._answer.content.at_eof():
            self._answer.release()
        else:
            self._answer.close()


@functools.lru_cache(maxsize=1024)
def _address(url: str) -> yarl.URL:
    return yarl.URL(url, encoded=True)


@functools.lru_cache(maxsize=64)
def _timeout(connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=read)


def _session(tls: Any, idle_seconds: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls, keepalive_timeout=idle_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def opened(*, proxy: str, verify: bool) -> Connections:
    """Return connections of their own, through a proxy or "" for none."""
    return Connections(proxy, httpx.create_ssl_context(verify=verify))
