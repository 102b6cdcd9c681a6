"""aiohttp's connections under httpx's interface, with little in between."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import httpx
import yarl

from .calls import Body
from .http import Untrusted

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
    certificate = getattr(error, "certificate_error", None)
    wrong = getattr(certificate, "verify_message", "") or getattr(error, "strerror", "")
    said = str(wrong or getattr(error, "message", "") or error)  # not the address, which may carry a token
    return next(ours for theirs, ours in _ERRORS if isinstance(error, theirs))(said)


class Connections(httpx.AsyncBaseTransport):
    """aiohttp's connections; an address travels as it was written and signed, not quoted a second time."""

    def __init__(self, session: aiohttp.ClientSession, proxy: str) -> None:
        self._session, self._proxy = session, proxy or None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the answer's content is still to be read."""
        content = request.stream.content if isinstance(request.stream, Body) else _content(request)
        times = request.extensions.get("timeout", {})
        try:
            answer = await self._session.request(
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
            raise _translated(error) from None
        headers, stream = answer.raw_headers, _Content(answer)
        return httpx.Response(answer.status, headers=headers, stream=stream, request=request)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._session.close()


def _content(request: httpx.Request) -> Any:
    try:
        return request.content
    except httpx.RequestNotRead:
        request.headers.pop("transfer-encoding", None)  # aiohttp says it itself
        return request.stream


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


def opened(*, proxy: str, verify: bool) -> Connections:
    """Return connections of their own, through a proxy or "" for none."""
    tls: Any = httpx.create_ssl_context(verify=verify)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls, keepalive_timeout=30),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    return Connections(session, proxy)
