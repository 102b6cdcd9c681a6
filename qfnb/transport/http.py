"""Send a request over the shared connection pools, with httpx's types and aiohttp's connections.

httpx's own pool spends 10-20 ms of CPU a request above about fifty connections, and leaks
connections when requests are cancelled; aiohttp's does neither. Requests go straight to the
transport: redirects are refused and cookies are not kept, and the rest of httpx's client costs as
much as the network (see benchmarks/). The proxy is chosen here because the network library would
use a thread for each request, read ~/.netrc, and speak HTTP to a SOCKS proxy.
"""

import asyncio
import atexit
import concurrent.futures
import contextlib
import functools
import logging
import os
import time
from contextlib import aclosing
from typing import Final
from urllib.request import getproxies, proxy_bypass

import httpx

from .. import config, errors
from ..base.language import tr
from ..config import NO_SECRET, Secret, Settings
from ..redact import hide_secrets_in, install_log_filter, redact
from ..wire.endpoints import Plane
from . import event_loop, fork_and_exit
from .auth import AuthByPlane, SignedAuth, StaticAuth, TokenAuth
from .platform import is_loopback_host
from .request import CertificateError, DescriptorLimitError

log = logging.getLogger("qfnb")

CA_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables that name the trusted certificates; a change takes effect at once."""

ENVIRONMENT_TTL_S: Final = 1.0
"""Seconds after which the environment is read again."""

_transports: dict[tuple[Secret, bool, str, str], httpx.AsyncBaseTransport] = {}


async def exchange(
    request: httpx.Request,
    settings: Settings,
    auth_by_plane: AuthByPlane | None = None,
    plane: Plane = "console",
) -> httpx.Response:
    """Send a request, and first those that its authentication needs; return the response, still
    unread.

    Runs on the I/O loop only.

    Args:
        request: its extensions `timeout` and `repeatable` are honoured.
        settings: for proxy and certificate checks.
        auth_by_plane: adds the keys; None for a request without keys.
        plane: whose keys are used.

    Raises:
        httpx.RequestError: no response came back; `translate_error` returns qfnb's own error.
        InvalidArgumentError: the proxy or the certificate file cannot be used.
        CredentialsError: none of the keys is valid for the plane.
    """
    transport = _transport(request.url, settings)
    if auth_by_plane is None:
        auth = None
    else:
        auth = auth_by_plane[plane]
    if isinstance(auth, StaticAuth):
        auth.apply(request)
    elif isinstance(auth, SignedAuth):
        auth.sign(request)
    if not isinstance(auth, TokenAuth):
        return await transport.handle_async_request(request)
    async with aclosing(auth.flow(request)) as flow:
        next_request = await anext(flow)
        try:
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
        except httpx.ReadError as error:
            if next_request is request:
                raise
            reason = str(error)
    raise httpx.WriteError(reason)  # only the request for a token was sent


def _transport(url: httpx.URL, settings: Settings) -> httpx.AsyncBaseTransport:
    ca_files = [os.environ.get(name, "") for name in CA_VARIABLES if url.scheme == "https"]
    key = proxy_for(url, settings.proxy), settings.ssl_verification_enabled, *(ca_files or ("", ""))
    if key not in _transports:
        if not _transports:
            install_log_filter()
            atexit.register(_close_all)
        from .connections import create_connections  # noqa: PLC0415 - 0.1 s that only a first request pays

        try:
            connections = _transports[key] = create_connections(proxy=key[0], verify=key[1])
        except OSError as error:  # SSL's own among them
            ca_settings = " or ".join(
                f"{name}={os.environ[name]!r}" for name in CA_VARIABLES if name in os.environ
            )
            raise errors.InvalidArgumentError(
                tr(
                    "the certificates of {path} cannot be read: {reason}",
                    path=ca_settings or "certifi",
                    reason=error.strerror or error,
                )
            ) from None
        if url.scheme == "https" and not settings.ssl_verification_enabled:
            log.warning(
                tr(
                    "certificates are not checked: ssl=False, or QIANFAN_SSL_VERIFICATION_ENABLED "
                    "is off"
                )
            )
        # `_close_all` may come before the last call of other handlers
        fork_and_exit.keep_forever(connections)
    return _transports[key]


def proxy_for(url: httpx.URL, configured: Secret) -> Secret:
    """Return the URL of the proxy for a request, empty for none; this computer's own addresses need
    none.

    Args:
        url: of the request.
        configured: the setting `proxy`, which wins over the environment.

    Raises:
        InvalidArgumentError: the proxy cannot be used.
    """
    if is_loopback_host(url.host):
        return NO_SECRET
    if configured:
        return _parse_proxy("QIANFAN_PROXY", configured)
    return _environment_proxy(url.scheme, url.host, time.monotonic() // ENVIRONMENT_TTL_S)


def without_password(proxy: Secret) -> str:
    """Return a proxy's URL without user name and password."""
    url = httpx.URL(proxy.get_secret_value())
    return f"{url.scheme}://{url.netloc.decode('ascii')}"


@functools.lru_cache(maxsize=64)
def _environment_proxy(scheme: str, host: str, _period: float) -> Secret:
    """Return the proxy in HTTPS_PROXY or ALL_PROXY, an empty one if NO_PROXY names the host."""
    if proxy_bypass(host):
        return NO_SECRET
    proxies = {name: Secret(address) for name, address in getproxies().items()}
    if scheme in proxies:
        return _parse_proxy(f"{scheme.upper()}_PROXY", proxies[scheme])
    all_proxy = proxies.get("all", NO_SECRET)
    if not all_proxy or all_proxy.get_secret_value().lower().startswith("socks"):
        return NO_SECRET
    return _parse_proxy("ALL_PROXY", all_proxy)


def _parse_proxy(name: str, address: Secret) -> Secret:
    """Return a proxy's URL; as in curl, the scheme may be missing."""
    if "://" not in address.get_secret_value():
        address = Secret(f"http://{address.get_secret_value()}")
    try:
        url = httpx.URL(address.get_secret_value())
    except (httpx.InvalidURL, ValueError):
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not url.host:
        raise errors.InvalidArgumentError(
            tr(
                "{name}={value!r}: must be http://host:port; SOCKS is not supported, but such a "
                "proxy mostly "
                "has an HTTP port too",
                name=name,
                value=redact(address.get_secret_value()),
            )
        )
    return address


def translate_error(
    error: errors.QianfanError | httpx.RequestError, url: httpx.URL
) -> errors.QianfanError:
    """Return qfnb's error for a network error; qfnb's own errors are returned without secrets in
    them.
    """
    if isinstance(error, errors.QianfanError):
        return hide_secrets_in(error)
    host = url.netloc.decode("ascii")
    proxy = proxy_for(url, config.settings().proxy)
    if proxy:
        proxy_text = tr(" through the proxy {proxy}", proxy=without_password(proxy))
    else:
        proxy_text = ""
    if isinstance(error, CertificateError):
        return errors.TLSError(
            tr(
                "{host} cannot be reached securely{proxy_text}: {error}\nif a proxy has a "
                "certificate of its "
                "own, set SSL_CERT_FILE to the file of its CA",
                host=host,
                proxy_text=proxy_text,
                error=error_text(error),
            ),
            host=host,
        )
    if isinstance(error, DescriptorLimitError):
        return errors.ConnectionFailed(
            tr(
                "this computer allows no more open files and connections: {error}\n"
                "use fewer workers (worker_num=), or raise the limit (ulimit -n)",
                error=error_text(error),
            ),
            host=host,
            sent=False,
        )
    if isinstance(error, httpx.ReadTimeout):
        return errors.RequestTimeoutError(tr("{host} did not answer in time", host=host))
    if isinstance(error, (httpx.RemoteProtocolError, httpx.DecodingError)):
        return errors.UnexpectedContent(
            tr("{host} did not answer in valid HTTP: {error}", host=host, error=error_text(error))
        )
    was_sent = not isinstance(
        error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.WriteError)
    )
    return errors.ConnectionFailed(
        tr(
            "{host} cannot be reached{proxy_text}: {error}\ncheck the network, the proxy and "
            "base_url{note}",
            host=host,
            proxy_text=proxy_text,
            error=error_text(error),
            note=_unused_proxy_note(url, proxy),
        ),
        host=host,
        sent=was_sent,
    )


def _unused_proxy_note(url: httpx.URL, proxy: Secret) -> str:
    """Return that the environment's SOCKS proxy is not used, "" where there is none."""
    if (
        proxy
        or is_loopback_host(url.host)
        or not getproxies().get("all", "").lower().startswith("socks")
    ):
        return ""
    return tr(
        "\nALL_PROXY is a SOCKS proxy, which is not supported: set HTTPS_PROXY to its HTTP port"
    )


def error_text(error: BaseException) -> str:
    """Return a network error's message on one line, without secrets."""
    if isinstance(error, TimeoutError):
        return tr("no data arrived in time")
    return redact(" ".join(str(error).split())) or type(error).__name__


def _reset_in_child() -> object:
    """Drop the parent's connections: a forked child opens its own."""
    global _transports
    inherited = _transports
    _transports = {}
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


fork_and_exit.register_child_reset(_reset_in_child)
