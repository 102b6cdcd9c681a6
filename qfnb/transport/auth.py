"""Authentication of each plane; keys are added to a request only here, while it is being sent.

A token is fetched once for all concurrent callers (single flight), before the request that needs
it, and renewed when the platform rejects it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import httpx
from pydantic import ValidationError

from ..base.language import tr, tr_noop
from ..config import NO_SECRET, Secret, settings
from ..errors import CredentialsError, UnexpectedContent
from ..redact import register_secret
from ..wire import auth as wire
from ..wire.base import EmptyBody
from ..wire.endpoints import Endpoint, Plane
from .platform import Platform
from .request import set_secret_url
from .response import Response, read_json

_EXPIRY_MARGIN_S = 60.0
"""A token counts as expired this many seconds before its end."""

_GENERATION = "token_generation"
"""Extension of a request: the number of the token that it uses, 0 for one that was fetched for this
request.
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


@dataclass(frozen=True)
class StaticAuth:
    """Authentication that is the same for every request.

    Attributes:
        headers: are added to a request.
        query: is added to its URL.
    """

    headers: Mapping[str, Secret] = field(default_factory=dict)
    query: Mapping[str, Secret] = field(default_factory=dict)

    def apply(self, request: httpx.Request) -> None:
        """Add the keys to a request."""
        headers = {name: value.get_secret_value() for name, value in self.headers.items()}
        if APP_HEADER in request.headers:  # of this one call
            headers.pop(APP_HEADER, None)
        request.headers.update(headers)
        if self.query:
            query = {name: value.get_secret_value() for name, value in self.query.items()}
            set_secret_url(request, request.url.copy_merge_params(query))


@dataclass(frozen=True)
class SignedAuth:
    """Authentication by a signature of each request.

    Attributes:
        sign: adds the signature.
    """

    sign: Callable[[httpx.Request], None]


class TokenAuth:
    """Fetches a token, keeps it until shortly before it expires, and shares it between all callers.

    Args:
        build_request: returns the request that fetches a token.
        parse: returns token and lifetime in seconds from the response's JSON object.
        apply: adds the token to a request.
    """

    def __init__(
        self,
        build_request: Callable[[], httpx.Request],
        parse: Callable[[dict[str, Any]], tuple[Secret, float]],
        apply: Callable[[httpx.Request, Secret], None],
    ) -> None:
        self._build_request = build_request
        self._parse = parse
        self._apply = apply
        self._token = NO_SECRET
        self._expires_at = 0.0
        self._generation = 0
        self._lock = asyncio.Lock()

    def expire(self, request: httpx.Request) -> bool:
        """Drop the token that a request was sent with; a newer one is kept.

        Returns:
            True if the request is worth sending again: its token had not been fetched for it.
        """
        generation = request.extensions.get(_GENERATION, 0)
        if generation == self._generation:
            self._token = NO_SECRET
        return bool(generation)

    async def flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Yield the request for a token unless one is valid, then the request with the token."""
        async with self._lock:
            request.extensions[_GENERATION] = self._generation
            if not self._token or time.time() > self._expires_at:
                response = yield self._build_request()
                self._token, lifetime_s = self._parse_token(await read_json(response))
                register_secret(self._token.get_secret_value())
                self._expires_at = time.time() + lifetime_s - _EXPIRY_MARGIN_S
                self._generation += 1
                request.extensions[_GENERATION] = 0
        self._apply(request, self._token)
        yield request

    def _parse_token(self, body: dict[str, Any]) -> tuple[Secret, float]:
        with contextlib.suppress(ValidationError):  # it quotes the token
            return self._parse(body)
        raise UnexpectedContent(tr("the answer to the request for a token is not as documented"))


Auth = StaticAuth | SignedAuth | TokenAuth


class AuthByPlane(dict[Plane, Auth]):
    """The authentication of each plane, selected on first use; CredentialsError where no key is
    valid for it.
    """

    def __init__(self, platform: Platform) -> None:
        super().__init__()
        self._platform = platform

    def __missing__(self, plane: Plane) -> Auth:
        auth = self[plane] = self._select(plane)
        return auth

    def _select(self, plane: Plane) -> Auth:
        keys = self._platform.credentials
        platform = self._platform
        if plane == "v2" and keys.api_key:
            return StaticAuth(_bearer_headers(platform, keys.api_key))
        if plane == "v2" and keys.get("access_key"):
            set_bearer = partial(_set_bearer, platform)
            return TokenAuth(partial(_bearer_request, platform), _parse_bearer, set_bearer)
        if plane == "v1" and keys.get("ak"):
            return TokenAuth(partial(_oauth_request, platform), _parse_oauth, _set_token)
        if plane == "oauth" and keys.get("ak"):
            return StaticAuth(query=_oauth_query(platform))
        if plane == "v1" and keys.access_token:
            return StaticAuth(query={"access_token": keys.access_token})
        if plane in {"v1", "console", "iam"} and keys.get("access_key"):
            return SignedAuth(partial(_sign, platform))
        purpose, required_key = _REQUIRED_KEYS.get(plane, _REQUIRED_KEYS["console"])
        raise CredentialsError(
            tr(
                "{purpose} needs {required_key}; what is set: {kinds}\nsee or set keys with "
                "%qfauth",
                purpose=tr(purpose),
                required_key=tr(required_key),
                kinds=tr(", ").join(keys.kinds()) or tr("nothing"),
            )
        )


async def fetch_access_token(
    send: Callable[[Endpoint[Any, Any], EmptyBody], Awaitable[Response[Any]]],
) -> Secret:
    """Return a new token of v1 for an application's AK and SK; `send` is a client's."""
    response: Response[wire.AccessToken] = await send(wire.OAUTH_TOKEN, EmptyBody())
    return Secret(response.data.access_token)


def _oauth_request(platform: Platform) -> httpx.Request:
    """Return the request that exchanges an application's AK and SK for the token of v1
    inference.
    """
    request = httpx.Request(
        wire.OAUTH_TOKEN.method, platform.base_url_of("oauth") + wire.OAUTH_TOKEN.path, json={}
    )
    StaticAuth(query=_oauth_query(platform)).apply(request)
    return request


def _oauth_query(platform: Platform) -> dict[str, Secret]:
    ak = platform.credentials.get("ak")
    sk = platform.credentials.get("sk")
    return {
        "grant_type": Secret("client_credentials"),
        "client_id": Secret(ak),
        "client_secret": Secret(sk),
    }


def _parse_oauth(body: dict[str, Any]) -> tuple[Secret, float]:
    token = wire.AccessToken.model_validate(body)
    return Secret(token.access_token), token.expires_in


def _bearer_request(platform: Platform) -> httpx.Request:
    """Return the request that exchanges an IAM pair for the bearer of v2 inference."""
    url = platform.base_url_of("iam") + wire.BCE_BEARER.path
    lifetime_s = settings().bearer_token_expired_interval
    query = {"expireInSeconds": str(lifetime_s)}
    headers = {"content-type": "application/json"}
    request = httpx.Request(wire.BCE_BEARER.method, url, params=query, headers=headers)
    _sign(platform, request)
    return request


def _parse_bearer(body: dict[str, Any]) -> tuple[Secret, float]:
    return Secret(wire.Bearer.model_validate(body).token), settings().bearer_token_expired_interval


def _sign(platform: Platform, request: httpx.Request) -> None:
    """Add the date and the IAM signature; type, host, `request_id` and date are signed if
    present.
    """
    date = wire.format_timestamp(time.time())
    request.headers["x-bce-date"] = date
    names = ("content-type", "host", "request_id", "x-bce-date")
    request.headers["authorization"] = wire.build_authorization(
        platform.credentials.get("access_key"),
        platform.credentials.get("secret_key"),
        method=request.method,
        path=request.url.raw_path.split(b"?")[0].decode("ascii"),
        query=parse_qsl(request.url.query.decode("ascii"), keep_blank_values=True),
        headers={name: request.headers[name] for name in names if name in request.headers},
        date=date,
        expires=settings().iam_sign_expiration_sec,
    )


def _bearer_headers(platform: Platform, token: Secret) -> dict[str, Secret]:
    """Return the headers of an API key or a bearer, and of the application that is billed."""
    bearer = Secret(f"Bearer {token.get_secret_value()}")
    return {"authorization": bearer} | (
        {APP_HEADER: Secret(platform.app_id)} if platform.app_id else {}
    )


def _set_bearer(platform: Platform, request: httpx.Request, token: Secret) -> None:
    StaticAuth(_bearer_headers(platform, token)).apply(request)


def _set_token(request: httpx.Request, token: Secret) -> None:
    StaticAuth(query={"access_token": token}).apply(request)
