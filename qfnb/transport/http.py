"""The connection under httpx's interface, chosen in this one place.

httpx's own pool spends 10-20 ms of CPU per request above some fifty connections and leaks connections when
requests are cancelled; aiohttp's connections behind the same interface do neither (see benchmarks/).
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
from typing import Any

import httpx

from . import portal
from .platform import is_loopback
from .redact import guard_logs

_shared: dict[tuple[bool, str, bool], httpx.AsyncClient] = {}


def connection(url: str, *, proxy: str = "", verify: bool = True) -> httpx.AsyncClient:
    """Return the process-wide client for an address; call it on the I/O loop only.

    Environment proxies are used for everything but this computer's own addresses.
    """
    direct = is_loopback(url)
    key = (direct, "" if direct else proxy, verify)
    if key not in _shared:
        if not _shared:
            guard_logs()
            atexit.register(_close_all)
        _shared[key] = _open(direct=direct, proxy=key[1], verify=verify)
    return _shared[key]


def _open(*, direct: bool, proxy: str, verify: bool) -> httpx.AsyncClient:
    import aiohttp  # noqa: PLC0415 - 0.1 s of import that only a first request should pay
    from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415

    tls: Any = httpx.create_ssl_context(verify=verify)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=tls, keepalive_timeout=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=not direct and not proxy,
    )
    transport = AiohttpTransport(client=session, proxy=httpx.Proxy(proxy) if proxy else None)
    return httpx.AsyncClient(transport=transport, follow_redirects=False, trust_env=False)


def _close_all() -> None:
    async def close() -> None:
        await asyncio.gather(*(client.aclose() for client in _shared.values()), return_exceptions=True)
        _shared.clear()

    with contextlib.suppress(concurrent.futures.TimeoutError, RuntimeError):
        portal.submit(close()).result(timeout=1)
