"""Send a request over the shared connection pools, with httpx's types and aiohttp's connections;
and the authentication of each plane.

httpx's own pool spends 10-20 ms of CPU a request above about fifty connections, and leaks
connections when requests are cancelled; aiohttp's does neither. Requests go straight to the
transport: redirects are refused and cookies are not kept, and the rest of httpx's client costs as
much as the network (see benchmarks/). The proxy is chosen here because the network library would
use a thread for each request, read ~/.netrc, and speak HTTP to a SOCKS proxy.

Keys are added to a request only here, while it is being sent. A token is fetched once for all
concurrent callers (single flight), before the request that needs it, and renewed when the platform
rejects it.
"""

import asyncio
import atexit
import concurrent.futures
import contextlib
import functools
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from pydantic import ValidationError

from .. import errors
from ..base.language import tr, tr_noop
from ..config import NO_SECRET, Secret, Settings, settings
from ..redact import hide_secrets_in, install_log_filter, redact, register_secret
from ..wire import auth as wire
from ..wire.base import EmptyBody
from ..wire.endpoints import Endpoint, Plane
from . import event_loop
from .platform import Platform, is_loopback_host
from .response import CertificateError, DescriptorLimitError, Response, read_json, set_secret_url

log = logging.getLogger("qfnb")


_EXPIRY_MARGIN_S = 60.0
"""A token counts as expired this many seconds before its end."""

_GENERATION = "token_generation"
"""Extension of a request: the number of the token that it uses, 0 for one that was fetched for it,
or for none.
"""

_REQUIRED_KEYS: dict[Plane, tuple[str, str]] = {
    "v1": (
        tr_noop("v1 inference (ended on the cloud on 2026-08-31; v2 is the default)"),
        tr_noop("an application's AK/SK or an IAM pair"),
    ),
    "v2": (tr_noop("v2 inference"), tr_noop("an API key (bce-v3/ALTAK-...) or an IAM pair")),
    "oauth": (tr_noop("an access token of v1"), tr_noop("an application's AK/SK")),
    "console": (
        tr_noop("management (datasets, training, services)"),
        tr_noop("an IAM pair (QIANFAN_ACCESS_KEY and QIANFAN_SECRET_KEY)"),
    ),
}
"""Plane -> its purpose and its keys."""


APP_HEADER = "appid"
"""Names the application that a call of v2 is billed to."""


Send = Callable[[httpx.Request], Awaitable[httpx.Response]]


class _Token:
    """A token that is fetched once for all callers, and kept until shortly before it expires."""

    def __init__(self) -> None:
        self.value = NO_SECRET
        self.expires_at = 0.0
        self.generation = 0
        self.lock = asyncio.Lock()


class Authentication:
    """Adds the keys of a platform to its requests, as each plane takes them."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._tokens: dict[Plane, _Token] = {}

    async def apply(self, request: httpx.Request, plane: Plane, send: Send) -> None:
        """Add the keys to a request.

        Args:
            request: the request.
            plane: where it goes.
            send: sends the request for a token, where one is needed.

        Raises:
            CredentialsError: no key is valid for the plane.
        """
        keys = self._platform.credentials
        if plane == "v2" and keys.api_key:
            self._set_bearer(request, keys.api_key)
        elif plane == "v2" and keys.access_key:
            self._set_bearer(request, await self._find_token(request, plane, send))
        elif plane == "v1" and keys.ak:
            token = await self._find_token(request, plane, send)
            _add_query(request, {"access_token": token})
        elif plane == "v1" and keys.access_token:
            _add_query(request, {"access_token": keys.access_token})
        elif plane == "oauth" and keys.ak:
            self._add_grant(request)
        elif plane in {"v1", "console", "iam"} and keys.access_key:
            self._sign(request)
        else:
            purpose, required_key = _REQUIRED_KEYS.get(plane, _REQUIRED_KEYS["console"])
            raise errors.CredentialsError(
                tr(
                    "{purpose} needs {required_key}; what is set: {kinds}\nsee or set keys with "
                    "%qfauth",
                    purpose=tr(purpose),
                    required_key=tr(required_key),
                    kinds=tr(", ").join(keys.kinds()) or tr("nothing"),
                )
            )

    def expire(self, request: httpx.Request, plane: Plane) -> bool:
        """Drop the token that a request was sent with; a newer one is kept.

        Returns:
            True if the request is worth sending again: its token had not been fetched for it.
        """
        generation = request.extensions.get(_GENERATION, 0)
        token = self._tokens.get(plane)
        if token and generation == token.generation:
            token.value = NO_SECRET
        return bool(generation)

    async def _find_token(self, request: httpx.Request, plane: Plane, send: Send) -> Secret:
        """Return the token of a plane; it is fetched unless one is valid."""
        token = self._tokens.setdefault(plane, _Token())
        async with token.lock:
            request.extensions[_GENERATION] = token.generation
            if not token.value or time.time() > token.expires_at:
                body = await _fetch_json(self._token_request(plane), send)
                token.value, lifetime_s = _parse_token(plane, body)
                register_secret(token.value.get_secret_value())
                token.expires_at = time.time() + lifetime_s - _EXPIRY_MARGIN_S
                token.generation += 1
                request.extensions[_GENERATION] = 0
            return token.value

    def _token_request(self, plane: Plane) -> httpx.Request:
        """Return the request that exchanges an application's AK and SK for the token of v1, or an
        IAM pair for the bearer of v2.
        """
        if plane == "v1":
            url = self._platform.base_url_of("oauth") + wire.OAUTH_TOKEN.path
            request = httpx.Request(wire.OAUTH_TOKEN.method, url, json={})
            self._add_grant(request)
            return request
        url = self._platform.base_url_of("iam") + wire.BCE_BEARER.path
        query = {"expireInSeconds": str(settings().bearer_token_expired_interval)}
        headers = {"content-type": "application/json"}
        request = httpx.Request(wire.BCE_BEARER.method, url, params=query, headers=headers)
        self._sign(request)
        return request

    def _add_grant(self, request: httpx.Request) -> None:
        """Add an application's AK and SK to a request for a token."""
        keys = self._platform.credentials
        grant = {"grant_type": Secret("client_credentials")}
        _add_query(request, {**grant, "client_id": keys.ak, "client_secret": keys.sk})

    def _set_bearer(self, request: httpx.Request, token: Secret) -> None:
        """Add an API key or a bearer, and the application that is billed, unless this call names
        one.
        """
        request.headers["authorization"] = f"Bearer {token.get_secret_value()}"
        if self._platform.app_id:
            request.headers.setdefault(APP_HEADER, self._platform.app_id)

    def _sign(self, request: httpx.Request) -> None:
        """Add the date and the IAM signature; type, host, `request_id` and date are signed if
        present.
        """
        date = wire.format_timestamp(time.time())
        request.headers["x-bce-date"] = date
        names = ("content-type", "host", "request_id", "x-bce-date")
        request.headers["authorization"] = wire.build_authorization(
            self._platform.credentials.get("access_key"),
            self._platform.credentials.get("secret_key"),
            method=request.method,
            path=request.url.raw_path.split(b"?")[0].decode("ascii"),
            query=parse_qsl(request.url.query.decode("ascii"), keep_blank_values=True),
            headers={name: request.headers[name] for name in names if name in request.headers},
            date=date,
            expires=settings().iam_sign_expiration_sec,
        )


def _add_query(request: httpx.Request, query: Mapping[str, Secret]) -> None:
    values = {name: value.get_secret_value() for name, value in query.items()}
    set_secret_url(request, request.url.copy_merge_params(values))


async def _fetch_json(request: httpx.Request, send: Send) -> dict[str, Any]:
    """Return the answer to a request for a token.

    Raises:
        httpx.WriteError: the connection broke; the request that needs the token was not sent.
    """
    try:
        response = await send(request)
        response.request = request
        return await read_json(response)
    except httpx.ReadError as error:
        reason = str(error)
    raise httpx.WriteError(reason)


def _parse_token(plane: Plane, body: dict[str, Any]) -> tuple[Secret, float]:
    """Return a token, and its lifetime in seconds."""
    with contextlib.suppress(ValidationError):  # it quotes the token
        if plane == "v1":
            token = wire.AccessToken.model_validate(body)
            return Secret(token.access_token), token.expires_in
        bearer = wire.Bearer.model_validate(body)
        return Secret(bearer.token), settings().bearer_token_expired_interval
    raise errors.UnexpectedContent(tr("the answer to the request for a token is not as documented"))


async def fetch_access_token(
    send: Callable[[Endpoint[Any, Any], EmptyBody], Awaitable[Response[Any]]],
) -> Secret:
    """Return a new token of v1 for an application's AK and SK; `send` is a client's."""
    response: Response[wire.AccessToken] = await send(wire.OAUTH_TOKEN, EmptyBody())
    return Secret(response.data.access_token)


CA_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Environment variables that name the trusted certificates; a change takes effect at once."""

ENVIRONMENT_TTL_S: Final = 1.0
"""Seconds after which the environment is read again."""

_transports: dict[tuple[Secret, bool, str, str], httpx.AsyncBaseTransport] = {}


async def exchange(
    request: httpx.Request,
    current: Settings,
    authentication: Authentication | None = None,
    plane: Plane = "console",
) -> httpx.Response:
    """Send a request, and first those that its authentication needs; return the response, still
    unread.

    Runs on the I/O loop only.

    Args:
        request: its extensions `timeout` and `repeatable` are honoured.
        current: the settings, for proxy and certificate checks.
        authentication: adds the keys; None for a request without keys.
        plane: whose keys are used.

    Raises:
        httpx.RequestError: no response came back; `translate_error` returns qfnb's own error.
        InvalidArgumentError: the proxy or the certificate file cannot be used.
        CredentialsError: none of the keys is valid for the plane.
    """
    transport = _transport(request.url, current)
    if authentication is not None:
        await authentication.apply(request, plane, transport.handle_async_request)
    return await transport.handle_async_request(request)


def _transport(url: httpx.URL, current: Settings) -> httpx.AsyncBaseTransport:
    ca_files = [os.environ.get(name, "") for name in CA_VARIABLES if url.scheme == "https"]
    key = proxy_for(url, current.proxy), current.ssl_verification_enabled, *(ca_files or ("", ""))
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
        if url.scheme == "https" and not current.ssl_verification_enabled:
            log.warning(
                tr(
                    "certificates are not checked: ssl=False, or QIANFAN_SSL_VERIFICATION_ENABLED "
                    "is off"
                )
            )
        # `_close_all` may come before the last call of other handlers
        event_loop.keep_forever(connections)
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
    if all_proxy and not _names_socks(all_proxy.get_secret_value()):
        return _parse_proxy("ALL_PROXY", all_proxy)
    return NO_SECRET


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
    proxy = proxy_for(url, settings().proxy)
    proxy_text = ""
    if proxy:
        proxy_text = tr(" through the proxy {proxy}", proxy=without_password(proxy))
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
    note = ""
    if not proxy and not is_loopback_host(url.host) and _names_socks(getproxies().get("all", "")):
        note = tr(
            "\nALL_PROXY is a SOCKS proxy, which is not supported: set HTTPS_PROXY to its HTTP port"
        )
    return errors.ConnectionFailed(
        tr(
            "{host} cannot be reached{proxy_text}: {error}\ncheck the network, the proxy and "
            "base_url{note}",
            host=host,
            proxy_text=proxy_text,
            error=error_text(error),
            note=note,
        ),
        host=host,
        sent=was_sent,
    )


def _names_socks(address: str) -> bool:
    return address.lower().startswith("socks")


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


event_loop.register_child_reset(_reset_in_child)


WEBHOOK_TIMEOUT_S: Final = 15.0


def validate_webhook(url: Secret) -> None:
    """Raise unless messages may be sent to a URL.

    Raises:
        InvalidArgumentError: the URL is neither https nor on this computer.
    """
    scheme, host = _scheme_and_host(url)
    is_allowed = scheme == "https" or (scheme == "http" and is_loopback_host(host))
    if not is_allowed or not host:
        raise errors.InvalidArgumentError(
            tr("{scheme}://{host}: a webhook is an https address", scheme=scheme, host=host)
        )


def post_webhook(url: Secret, message: Mapping[str, Any]) -> None:
    """Post a message as JSON and wait for the response.

    Raises:
        InvalidArgumentError: the URL is not allowed.
        ConnectionFailed: the message was not delivered.
    """
    validate_webhook(url)
    event_loop.run(_post_json(url, json.dumps(message, ensure_ascii=False).encode()))


async def _post_json(url: Secret, content: bytes) -> None:
    scheme, host = _scheme_and_host(url)  # the rest of the address is a secret
    request = httpx.Request(
        "POST", f"{scheme}://{host}", content=content, headers={"content-type": "application/json"}
    )
    request.headers["host"] = httpx.URL(url.get_secret_value()).netloc.decode("ascii")
    request.extensions["repeatable"] = False
    set_secret_url(request, url.get_secret_value())
    try:
        async with (
            asyncio.timeout(WEBHOOK_TIMEOUT_S),
            aclosing(await exchange(request, settings())) as response,
        ):
            if response.status_code >= 300:
                raise errors.ConnectionFailed(
                    tr("{host} answers with HTTP {status}", host=host, status=response.status_code),
                    host=host,
                )
            return
    except (httpx.HTTPError, TimeoutError) as error:
        reason = type(error).__name__
    raise errors.ConnectionFailed(
        tr("{host} cannot be reached: {reason}", host=host, reason=reason), host=host
    )


def _scheme_and_host(url: Secret) -> tuple[str, str]:
    parts = urlsplit(url.get_secret_value())
    return parts.scheme, parts.hostname or ""
