"""Authentication of each plane; keys are added to a request only here, while it is being sent.

A token is fetched once for all concurrent callers (single flight), before the request that needs it, and
renewed when the platform rejects it.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import httpx

from ..errors import CredentialsError
from ..redact import register_secret
from ..wire import auth as wire, signature
from ..wire.endpoints import Plane
from . import protocol
from .platform import Platform

_EXPIRY_MARGIN_S = 60.0
"""A token counts as expired this many seconds before its end."""

_SIGNATURE_LIFETIME_S, _BEARER_LIFETIME_S = 300, 43200

_REQUIRED_KEYS: dict[Plane, tuple[str, str]] = {
    "v1": ("v1 inference", "an application's AK/SK or an IAM pair"),
    "v2": ("v2 inference", "an API key (bce-v3/ALTAK-...) or an IAM pair"),
    "console": ("management (datasets, training, services)", "an IAM pair (QIANFAN_ACCESS_KEY and QIANFAN_SECRET_KEY)"),
}
"""Plane -> its purpose and its keys."""


@dataclass(frozen=True)
class StaticAuth:
    """Authentication that needs no request of its own.

    Attributes:
        apply: adds it to a request.
        generation: always 0: there is no token to renew.
    """

    apply: Callable[[httpx.Request], None]
    generation: int = 0

    def expire(self, generation: int) -> None:
        """Do nothing."""


class TokenAuth:
    """Fetches a token, keeps it until shortly before it expires, and shares it between all callers.

    Args:
        build_request: returns the request that fetches a token.
        parse: returns token and lifetime in seconds from the response's JSON object.
        apply: adds the token to a request.

    Attributes:
        generation: how many tokens have been fetched.
    """

    def __init__(
        self,
        build_request: Callable[[], httpx.Request],
        parse: Callable[[dict[str, Any]], tuple[str, float]],
        apply: Callable[[httpx.Request, str], None],
    ) -> None:
        self._build_request, self._parse, self._apply = build_request, parse, apply
        self._token, self._expires_at, self.generation = "", 0.0, 0
        self._lock = asyncio.Lock()

    def expire(self, generation: int) -> None:
        """Drop the token of this generation; a newer one is kept."""
        if generation == self.generation:
            self._token = ""

    async def flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Yield the request for a token unless one is valid, then the request with the token."""
        async with self._lock:
            if not self._token or time.time() > self._expires_at:
                response = yield self._build_request()
                content = await response.aread()
                self._token, lifetime_s = self._parse(
                    protocol.decode_response(response.status_code, response.headers, content)
                )
                register_secret(self._token)
                self._expires_at = time.time() + lifetime_s - _EXPIRY_MARGIN_S
                self.generation += 1
            token = self._token
        self._apply(request, token)
        yield request


class AuthSelector:
    """Selects the authentication of each plane from the keys of a platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._by_plane: dict[Plane, StaticAuth | TokenAuth] = {}

    def for_plane(self, plane: Plane) -> StaticAuth | TokenAuth:
        """Return the authentication of a plane.

        Raises:
            CredentialsError: none of the keys is valid for it.
        """
        if plane not in self._by_plane:
            self._by_plane[plane] = self._select(plane)
        return self._by_plane[plane]

    def _select(self, plane: Plane) -> StaticAuth | TokenAuth:
        keys, platform = self._platform.credentials, self._platform
        if plane == "v2" and (api_key := keys.get("api_key")):
            return StaticAuth(lambda request: _set_bearer(platform, request, api_key))
        if plane == "v2" and keys.get("access_key"):
            return TokenAuth(partial(_bearer_request, platform), _parse_bearer, partial(_set_bearer, platform))
        if plane == "v1" and keys.get("ak"):
            return TokenAuth(partial(_oauth_request, platform), _parse_oauth, _set_token)
        if plane == "v1" and (token := keys.get("access_token")):
            return StaticAuth(lambda request: _set_token(request, token))
        if plane in {"v1", "console", "iam"} and keys.get("access_key"):
            return StaticAuth(partial(_sign, platform))
        purpose, required_key = _REQUIRED_KEYS.get(plane, _REQUIRED_KEYS["console"])
        raise CredentialsError(
            f"{purpose} needs {required_key}; what is set: {', '.join(keys.kinds()) or 'nothing'}\n"
            "用 %qfauth 查看或设置密钥 / see or set keys with %qfauth"
        )


def _oauth_request(platform: Platform) -> httpx.Request:
    """Return the request that exchanges an application's AK and SK for the token of v1 inference."""
    ak, sk = platform.credentials.get("ak"), platform.credentials.get("sk")
    query = {"grant_type": "client_credentials", "client_id": ak, "client_secret": sk}
    url = platform.base_url_of("oauth") + wire.OAUTH_TOKEN.path
    return httpx.Request(wire.OAUTH_TOKEN.method, url, params=query, json={})


def _parse_oauth(body: dict[str, Any]) -> tuple[str, float]:
    token = wire.AccessToken.model_validate(body)
    return token.access_token, token.expires_in


def _bearer_request(platform: Platform) -> httpx.Request:
    """Return the request that exchanges an IAM pair for the bearer of v2 inference."""
    url = platform.base_url_of("iam") + wire.BCE_BEARER.path
    query, headers = {"expireInSeconds": str(_BEARER_LIFETIME_S)}, {"content-type": "application/json"}
    request = httpx.Request(wire.BCE_BEARER.method, url, params=query, headers=headers)
    _sign(platform, request)
    return request


def _parse_bearer(body: dict[str, Any]) -> tuple[str, float]:
    return wire.Bearer.model_validate(body).token, _BEARER_LIFETIME_S


def _sign(platform: Platform, request: httpx.Request) -> None:
    """Add the date and the IAM signature; type, host, `request_id` and date are signed if present."""
    date = signature.format_timestamp(time.time())
    request.headers["x-bce-date"] = date
    names = ("content-type", "host", "request_id", "x-bce-date")
    request.headers["authorization"] = signature.build_authorization(
        platform.credentials.get("access_key"),
        platform.credentials.get("secret_key"),
        method=request.method,
        path=request.url.raw_path.split(b"?")[0].decode("ascii"),
        query=parse_qsl(request.url.query.decode("ascii"), keep_blank_values=True),
        headers={name: request.headers[name] for name in names if name in request.headers},
        date=date,
        expires=_SIGNATURE_LIFETIME_S,
    )


def _set_bearer(platform: Platform, request: httpx.Request, token: str) -> None:
    """Add an API key or a bearer, and the id of the application that is billed."""
    request.headers["authorization"] = f"Bearer {token}"
    if platform.app_id:
        request.headers["appid"] = platform.app_id


def _set_token(request: httpx.Request, token: str) -> None:
    request.url = request.url.copy_merge_params({"access_token": token})
