"""Which proxy a request takes: the configured one, or the environment's.

It is chosen here because the network library would use a thread for each request, read ~/.netrc, and speak HTTP to a
SOCKS proxy.
"""

import functools
import time
from typing import Final
from urllib.request import getproxies, proxy_bypass

import httpx

from ..errors import InvalidArgumentError
from ..redact import redact
from .platform import is_loopback_host

ENVIRONMENT_TTL_S: Final = 1.0
"""Seconds after which the environment is read again."""


def proxy_for(url: httpx.URL, configured: str) -> str:
    """Return the URL of the proxy for a request, "" for none; this computer's own addresses need none.

    Args:
        url: of the request.
        configured: the setting `proxy`, which wins over the environment.

    Raises:
        InvalidArgumentError: the proxy cannot be used.
    """
    if is_loopback_host(url.host):
        return ""
    if configured:
        return _parse_proxy("QIANFAN_PROXY", configured)
    return _environment_proxy(url.scheme, url.host, time.monotonic() // ENVIRONMENT_TTL_S)


def without_password(proxy: str) -> str:
    """Return a proxy's URL without user name and password."""
    url = httpx.URL(proxy)
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


@functools.lru_cache(maxsize=64)
def _environment_proxy(scheme: str, host: str, _period: float) -> str:
    """Return the proxy in HTTPS_PROXY or ALL_PROXY, "" if NO_PROXY names the host."""
    if proxy_bypass(host):
        return ""
    proxies = getproxies()
    if scheme in proxies:
        return _parse_proxy(f"{scheme.upper()}_PROXY", proxies[scheme])
    all_proxy = proxies.get("all", "")
    return "" if all_proxy.lower().startswith("socks") else all_proxy and _parse_proxy("ALL_PROXY", all_proxy)


def _parse_proxy(name: str, address: str) -> str:
    """Return a proxy's URL; as in curl, the scheme may be missing."""
    full_address = address if "://" in address else f"http://{address}"
    try:
        url = httpx.URL(full_address)
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise InvalidArgumentError(
            f"{name}={redact(full_address)!r}: a proxy is http://host:port; SOCKS is not supported, and such a "
            "proxy mostly has an HTTP port too (不支持 SOCKS 代理，请改用其 HTTP 端口)"
        )
    return full_address
