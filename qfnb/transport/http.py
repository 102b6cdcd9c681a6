"""Send a request over the shared connection pools, with httpx's types and aiohttp's connections.

httpx's own pool spends 10-20 ms of CPU a request above about fifty connections, and leaks connections when
requests are cancelled; aiohttp's does neither. Requests go straight to the transport: redirects are refused
and cookies are not kept, and the rest of httpx's client costs as much as the network (see benchmarks/).
"""

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
from contextlib import aclosing
from typing import Final

import httpx

from .. import config, errors
from ..config import Settings
from ..redact import hide_secrets_in, install_log_filter, redact
from . import event_loop
from .auth import StaticAuth, TokenAuth
from .proxy import proxy_for, without_password
from .request import CertificateError

CA_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables that name the trusted certificates; a change takes effect at once."""

_transports: dict[tuple[str, bool, str, str], httpx.AsyncBaseTransport] = {}


async def exchange(request: httpx.Request, auth: StaticAuth | TokenAuth | None, settings: Settings) -> httpx.Response:
    """Send a request, and first those that its authentication needs; return the response, still unread.

    Runs on the I/O loop only.

    Args:
        request: its extensions `timeout` and `repeatable` are honoured.
        auth: None for a request without keys.
        settings: for proxy and certificate checks.

    Raises:
        httpx.RequestError: no response came back; `translate_error` returns qfnb's own error.
        InvalidArgumentError: the proxy or the certificate file cannot be used.
    """
    transport = _transport(request.url, settings)
    if isinstance(auth, StaticAuth):
        auth.apply(request)
    if not isinstance(auth, TokenAuth):
        return await transport.handle_async_request(request)
    async with aclosing(auth.flow(request)) as flow:
        next_request = await anext(flow)
        while True:
            response = await transport.handle_async_request(next_request)
            response.request = next_request
            try:
                next_request = await flow.asend(response)
            except StopAsyncIteration:
                return response
            except BaseException:
                await response.aclose()
                raise


def _transport(url: httpx.URL, settings: Settings) -> httpx.AsyncBaseTransport:
    ca_files = [os.environ.get(name, "") for name in CA_VARIABLES if url.scheme == "https"]
    key = proxy_for(url, settings.proxy), settings.ssl_verification_enabled, *(ca_files or ("", ""))
    if key not in _transports:
        if not _transports:
            install_log_filter()
            atexit.register(_close_all)
        from .connections import create_connections  # noqa: PLC0415 - 0.1 s that only a first request pays

        try:
            _transports[key] = create_connections(proxy=key[0], verify=key[1])
        except OSError as error:  # SSL's own among them
            ca_settings = " or ".join(f"{name}={os.environ[name]!r}" for name in CA_VARIABLES if name in os.environ)
            raise errors.InvalidArgumentError(
                f"the certificates of {ca_settings or 'certifi'} cannot be read: {error.strerror or error} "
                "(证书文件无法读取)"
            ) from None
    return _transports[key]


def translate_error(error: errors.QianfanError | httpx.RequestError, url: httpx.URL) -> errors.QianfanError:
    """Return qfnb's error for a network error; qfnb's own errors are returned without secrets in them."""
    if isinstance(error, errors.QianfanError):
        return hide_secrets_in(error)
    host, proxy = url.netloc.decode("ascii"), proxy_for(url, config.settings().proxy)
    proxy_text = f" through the proxy {without_password(proxy)}" if proxy else ""
    if isinstance(error, CertificateError):
        return errors.TLSError(
            f"{host} cannot be reached securely{proxy_text}: {error_text(error)}\n若公司代理替换了证书，"
            "请把其 CA 文件设为 SSL_CERT_FILE / set SSL_CERT_FILE to the CA of a proxy that has its own",
            host=host,
        )
    if isinstance(error, httpx.ReadTimeout):
        return errors.RequestTimeoutError(f"{host} did not answer in time")
    if isinstance(error, (httpx.RemoteProtocolError, httpx.DecodingError)):
        return errors.UnexpectedContent(
            f"{host} did not answer in valid HTTP: {error_text(error)} (返回的不是合法的 HTTP 响应)"
        )
    was_sent = not isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.WriteError))
    return errors.ConnectionFailed(
        f"{host} cannot be reached{proxy_text}: {error_text(error)}\n"
        "检查网络、代理和 base_url / check the network, the proxy and base_url",
        host=host,
        sent=was_sent,
    )


def error_text(error: BaseException) -> str:
    """Return a network error's message on one line, without secrets."""
    if isinstance(error, TimeoutError):
        return "no data arrived in time"
    return redact(" ".join(str(error).split())) or type(error).__name__


def _reset_in_child() -> object:
    """Drop the parent's connections: a forked child opens its own."""
    global _transports
    inherited, _transports = _transports, {}
    return inherited


def _close_all() -> None:
    if not _transports:
        return

    async def close() -> None:
        await asyncio.gather(*(transport.aclose() for transport in _transports.values()), return_exceptions=True)
        _transports.clear()

    with contextlib.suppress(concurrent.futures.TimeoutError, RuntimeError):
        event_loop.submit(close()).result(timeout=1)


event_loop.register_child_reset(_reset_in_child)
