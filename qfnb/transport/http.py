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
from ..redact import guard_logs
from . import portal, proxies
from .auth import Ready

AUTHORITIES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that say which certificates are trusted; a change counts at once."""

_shared: dict[tuple[str, bool, str, str], httpx.AsyncBaseTransport] = {}


class Untrusted(httpx.ConnectError):
    """No secure connection could be made."""


async def exchange(request: httpx.Request, auth: httpx.Auth | None, now: Settings) -> httpx.Response:
    """Send a request, and before it what its authentication asks for; the answer is not read yet.

    On the I/O loop only.
    """
    through = _transport(request.url, now)
    if isinstance(auth, Ready):
        auth.apply(request)
    if auth is None or isinstance(auth, Ready):
        return await through.handle_async_request(request)
    async with contextlib.aclosing(auth.async_auth_flow(request)) as flow:
        asked = await anext(flow)
        while True:
            answer = await through.handle_async_request(asked)
            answer.request = asked
            try:
                asked = await flow.asend(answer)
            except StopAsyncIteration:
                return answer
            except BaseException:
                await answer.aclose()
                raise


def _transport(url: httpx.URL, now: Settings) -> httpx.AsyncBaseTransport:
    authorities = [os.environ.get(name, "") for name in AUTHORITIES if url.scheme == "https"]
    key = proxies.through(url, now.proxy), now.ssl_verification_enabled, *(authorities or ("", ""))
    if key not in _shared:
        if not _shared:
            guard_logs()
            atexit.register(_close_all)
        from .connections import opened  # noqa: PLC0415 - 0.1 s of import that only a first request should pay

        try:
            _shared[key] = opened(proxy=key[0], verify=key[1])
        except OSError as error:  # SSL's own among them
            named = " or ".join(f"{name}={os.environ[name]!r}" for name in AUTHORITIES if name in os.environ)
            raise InvalidArgumentError(
                f"the certificates of {named or 'certifi'} cannot be read: {error.strerror or error} "
                "(证书文件无法读取)"
            ) from None
    return _shared[key]


def _forget() -> object:
    """Leave the parent's connections to the parent."""
    global _shared
    inherited, _shared = _shared, {}
    return inherited


def _close_all() -> None:
    if not _shared:
        return

    async def close() -> None:
        await asyncio.gather(*(made.aclose() for made in _shared.values()), return_exceptions=True)
        _shared.clear()

    with contextlib.suppress(concurrent.futures.TimeoutError, RuntimeError):
        portal.submit(close()).result(timeout=1)


portal.in_child(_forget)
