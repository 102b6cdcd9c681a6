"""The connections under httpx's interface, chosen in this one place.

httpx's own pool spends 10-20 ms of CPU per request above some fifty connections and leaks connections when
requests are cancelled; aiohttp's connections behind the same interface do neither. Requests go straight to
the transport: redirects are refused, cookies not kept, and what httpx's client does beside that costs as much
as the network (see benchmarks/).
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
from typing import Final

import httpx

from ..config import Settings
from ..errors import InvalidArgumentError
from ..redact import install_log_filter
from . import event_loop, proxy
from .auth import StaticAuth

CA_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that say which certificates are trusted; a change counts at once."""

_transports: dict[tuple[str, bool, str, str], httpx.AsyncBaseTransport] = {}


class CertificateError(httpx.ConnectError):
    """No secure connection could be made."""


async def exchange(request: httpx.Request, auth: httpx.Auth | None, settings: Settings) -> httpx.Response:
    """Send a request, and before it what its authentication asks for; the answer is not read yet.

    On the I/O loop only.
    """
    transport = _transport(request.url, settings)
    if isinstance(auth, StaticAuth):
        auth.apply(request)
    if auth is None or isinstance(auth, StaticAuth):
        return await transport.handle_async_request(request)
    async with contextlib.aclosing(auth.async_auth_flow(request)) as flow:
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
    key = proxy.proxy_for(url, settings.proxy), settings.ssl_verification_enabled, *(ca_files or ("", ""))
    if key not in _transports:
        if not _transports:
            install_log_filter()
            atexit.register(_close_all)
        from .connections import create_connections  # noqa: PLC0415 - 0.1 s of import that only a first request should pay

        try:
            _transports[key] = create_connections(proxy=key[0], verify=key[1])
        except OSError as error:  # SSL's own among them
            ca_settings = " or ".join(
                f"{name}={os.environ[name]!r}" for name in CA_VARIABLES if name in os.environ
            )
            raise InvalidArgumentError(
                f"the certificates of {ca_settings or 'certifi'} cannot be read: {error.strerror or error} "
                "(证书文件无法读取)"
            ) from None
    return _transports[key]


def _reset_in_child() -> object:
    """Leave the parent's connections to the parent."""
    global _transports
    inherited, _transports = _transports, {}
    return inherited


def _close_all() -> None:
    if not _transports:
        return

    async def close() -> None:
        await asyncio.gather(
            *(transport.aclose() for transport in _transports.values()), return_exceptions=True
        )
        _transports.clear()

    with contextlib.suppress(concurrent.futures.TimeoutError, RuntimeError):
        event_loop.submit(close()).result(timeout=1)


event_loop.register_child_reset(_reset_in_child)
