"""An httpx transport over aiohttp's connection pool."""

import contextlib
import errno
import functools
import io
import ipaddress
import socket
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import httpx
import yarl
from aiohttp import ThreadedResolver
from aiohttp.abc import ResolveResult

from ..base.language import tr, tr_noop
from ..config import Secret
from ..redact import hide_secrets_in
from .response import (
    PUBLIC_ONLY,
    URL_TO_SEND,
    BytesStream,
    CertificateError,
    DescriptorLimitError,
    NotPublicError,
)

_IPV6_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses of IPv4 hosts in networks that have only IPv6; the IPv4 address is their last 32
bits.
"""


class PrivateAddressError(OSError):
    """A host has an address that is not public."""


def is_public_address(address: str) -> bool:
    """Return whether an IP address is one of the public Internet.

    Tunnels that hold an IPv4 address (6to4, Teredo) are not, nor is the NAT64 prefix for local use.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64 or ip.ipv4_mapped:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        elif ip not in _IPV6_UNICAST or ip.sixtofour or ip.teredo:
            return False
    return ip.is_global and not ip.is_multicast


class PublicResolver(ThreadedResolver):
    """Resolves the names of hosts that have only public addresses."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a host, all of them public.

        Raises:
            PrivateAddressError: one is not.
        """
        results = await super().resolve(host, port, family)
        if not all(is_public_address(row["host"]) for row in results):
            raise PrivateAddressError(host)
        return results

    async def validate(self, host: str, *, by_proxy: bool) -> None:
        """Raise for a host that is connected to without this resolver: a numeric one, or by a
        proxy.

        Args:
            host: of the URL.
            by_proxy: whether a proxy resolves the name; one that only the proxy can resolve is
                accepted.

        Raises:
            PrivateAddressError: the host has an address that is not public.
        """
        # as aiohttp: "127.1" and "2130706433" are addresses
        if ":" in host or host.replace(".", "").isdigit():
            if not is_public_address(host):
                raise PrivateAddressError(host)
        elif by_proxy:
            with contextlib.suppress(socket.gaierror):
                await self.resolve(host, family=socket.AF_UNSPEC)


IDLE_TIMEOUT_S: Final = 30.0
"""Seconds for which an idle connection is kept; servers and load balancers keep theirs for 60 s or
more.
"""

_NOT_SENT_MESSAGE: Final = tr_noop("the connection was closed before the whole request was sent")

_ERRORS: tuple[tuple[type[Exception], type[httpx.RequestError]], ...] = (
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientProxyConnectionError, httpx.ProxyError),
    (aiohttp.ClientHttpProxyError, httpx.ProxyError),
    (aiohttp.ClientSSLError, CertificateError),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.ClientConnectionError, httpx.ReadError),
    (aiohttp.ClientPayloadError, httpx.ReadError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ClientError, httpx.RemoteProtocolError),
)
"""aiohttp's errors and the httpx errors that they become; the first match counts."""


def _translate_error(error: aiohttp.ClientError | PrivateAddressError) -> httpx.RequestError:
    """Return the httpx error for an aiohttp error."""
    cause = getattr(error, "os_error", error)
    if isinstance(cause, PrivateAddressError):
        return NotPublicError("not a public address")
    if isinstance(cause, OSError) and cause.errno in {errno.EMFILE, errno.ENFILE}:
        return DescriptorLimitError(str(cause))
    if isinstance(error, aiohttp.ClientConnectionResetError) or isinstance(
        error.__cause__, aiohttp.ClientConnectionResetError
    ):
        return httpx.WriteError(tr(_NOT_SENT_MESSAGE))
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return httpx.ConnectTimeout(tr("the connection could not be established in time"))
    certificate = getattr(error, "certificate_error", None)
    tls_message = getattr(certificate, "verify_message", "") or getattr(error, "strerror", "")
    # not the URL: it may hold a token
    message = str(tls_message or getattr(error, "message", "") or error)
    return next(ours for theirs, ours in _ERRORS if isinstance(error, theirs))(message)


_MAX_BYTES_AT_ONCE: Final = 1 << 20
"""Longer contents are written in parts: other calls wait while one part is written, and aiohttp
warns of it.
"""


class _UploadStream:
    """The content of a request that is written in chunks.

    Attributes:
        is_cut: True until all chunks have been written. The next chunk is read only once the one
            before is in the socket's buffer, and no server executes a request whose end it never
            received.
    """

    def __init__(self, stream: httpx.SyncByteStream | httpx.AsyncByteStream) -> None:
        assert isinstance(stream, httpx.AsyncByteStream)
        self._stream = stream
        self.is_cut = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk
        self.is_cut = False


class Connections(httpx.AsyncBaseTransport):
    """An httpx transport over aiohttp; URLs are sent as they were written and signed, not quoted
    again.

    Each request that must not be repeated (extension `repeatable` is False) has a new connection: a
    server may close an idle one just as a request is written to it, and whether it read the request
    cannot be known then. Requests with the extension `PUBLIC_ONLY` use a pool of connections to
    public addresses.
    """

    def __init__(self, proxy: Secret, tls: Any) -> None:
        self._proxy = proxy
        idle: dict[str, Any] = {"limit": 0, "ssl": tls, "keepalive_timeout": IDLE_TIMEOUT_S}
        self._session = _create_session(aiohttp.TCPConnector(**idle))
        self._fresh_session = _create_session(
            aiohttp.TCPConnector(limit=0, ssl=tls, force_close=True)
        )
        self._public_resolver = PublicResolver()
        self._public_session = _create_session(
            aiohttp.TCPConnector(**idle, resolver=self._public_resolver)
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and return the response, its content still unread.

        Raises:
            WriteError: the connection closed before the whole request was written: it was not
                executed.
            NotPublicError: the request is for public addresses only, and the host has another one.
            RequestError: no response came back; the request may have been executed.
        """
        content = _request_content(request)
        timeouts = request.extensions.get("timeout", {})
        failure: Exception | None = None
        try:
            session = await self._select_session(request)
            response = await session.request(
                request.method,
                _parse_url(_url_to_send(request)),
                headers=[(name.decode(), value.decode()) for name, value in request.headers.raw],
                data=content or None,
                allow_redirects=False,
                auto_decompress=False,
                timeout=_client_timeout(timeouts.get("connect"), timeouts.get("read")),
                proxy=self._proxy.get_secret_value() or None,
            )
        except (aiohttp.ClientError, PrivateAddressError) as error:
            failure = _translate_error(error)
        except Exception as error:  # noqa: BLE001 - raised again, without the frames that have the keys
            failure = hide_secrets_in(error)
            if isinstance(error, RuntimeError) and self._session.closed:
                failure = httpx.ConnectError(
                    tr("Python is ending: its connections are closed already")
                )
        is_cut = isinstance(content, _UploadStream) and content.is_cut
        if type(failure) is httpx.ReadError and is_cut:
            failure = httpx.WriteError(tr(_NOT_SENT_MESSAGE))
        # raised here, where aiohttp's frames with the keys are not its context
        if failure is not None:
            raise failure
        stream = _ResponseStream(response)
        return httpx.Response(
            response.status, headers=response.raw_headers, stream=stream, request=request
        )

    async def aclose(self) -> None:
        """Close all connections."""
        for session in (self._session, self._fresh_session, self._public_session):
            await session.close()

    async def _select_session(self, request: httpx.Request) -> aiohttp.ClientSession:
        if not request.extensions.get(PUBLIC_ONLY):
            if request.extensions.get("repeatable", True):
                return self._session
            return self._fresh_session
        await self._public_resolver.validate(
            _parse_url(_url_to_send(request)).host or "", by_proxy=bool(self._proxy)
        )
        if self._proxy:
            return self._session
        return self._public_session


def _url_to_send(request: httpx.Request) -> str:
    """Return the URL that a request goes to, with its secrets."""
    secret = request.extensions.get(URL_TO_SEND)
    if isinstance(secret, Secret):
        return secret.get_secret_value()
    return str(request.url)


def _request_content(request: httpx.Request) -> bytes | io.BytesIO | _UploadStream:
    stream = request.stream
    try:
        content = stream.content if isinstance(stream, BytesStream) else request.content
    except httpx.RequestNotRead:
        request.headers.pop("transfer-encoding", None)  # aiohttp adds it itself
        return _UploadStream(stream)
    return content if len(content) <= _MAX_BYTES_AT_ONCE else io.BytesIO(content)


class _ResponseStream(httpx.AsyncByteStream):
    """The content of a response as it arrives; not a generator, which costs one more `aclose` a
    response.
    """

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._response.content.at_eof():
            raise StopAsyncIteration
        failure: httpx.RequestError | None = None
        try:
            chunk = await self._response.content.readany()
        except aiohttp.ClientError as error:
            failure = _translate_error(error)
        if failure is not None:  # raised here, as above
            raise failure
        if not chunk:
            raise StopAsyncIteration
        return chunk

    async def aclose(self) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


@functools.lru_cache(maxsize=1024)
def _parse_url(url: str) -> yarl.URL:
    return yarl.URL(url, encoded=True)


@functools.lru_cache(maxsize=64)
def _client_timeout(connect: float | None, read: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=read)


class _QuietResponse(aiohttp.ClientResponse):
    """A response whose repr has no URL: that of v1 holds the token, and tracebacks print it."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status}>"


def _create_session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    jar = aiohttp.DummyCookieJar()
    return aiohttp.ClientSession(connector=connector, cookie_jar=jar, response_class=_QuietResponse)


def create_connections(*, proxy: Secret, verify: bool) -> Connections:
    """Return a new pool of connections.

    Args:
        proxy: URL of the proxy, "" for none.
        verify: whether certificates are checked.
    """
    return Connections(proxy, httpx.create_ssl_context(verify=verify))
