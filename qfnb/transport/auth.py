"""Authentication of each plane; keys are added to a request only here, while it is being sent.

A token is fetched once for all concurrent callers (single flight), before the request that needs it, and
renewed when the platform rejects it.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import httpx

from ..errors import CredentialsError
from ..redact import register_secret
from ..wire import auth as wire
from ..wire import signature
from ..wire.endpoints import Plane
from . import protocol
from .platform import Platform

_EXPIRY_MARGIN_S = 60.0
"""A token counts as expired this many seconds before its end."""


class PlatformAuth(httpx.Auth, ABC):
    """Authentication of one plane.

    Attributes:
        generation: how many tokens have been fetched.
    """

    generation = 0

    def expire(self, generation: int) -> None:
        """Drop the token of this generation; a newer one is kept."""


class StaticAuth(PlatformAuth):
    """Authentication that needs no request of its own."""

    @abstractmethod
    def apply(self, request: httpx.Request) -> None:
        """Add the credentials to a request."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the credentials to a request."""
        self.apply(request)
        yield request


class KeyAuth(StaticAuth):
    """Send an API key as it is."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def apply(self, request: httpx.Request) -> None:
        """Add the key to a request."""
        set_bearer(request, self._platform, self._platform.credentials.get("api_key"))


class IamAuth(StaticAuth):
    """Sign each request with the IAM pair (`bce-auth-v1`)."""

    def __init__(self, platform: Platform, expires: int = 300) -> None:
        self._platform, self._expires = platform, expires

    def apply(self, request: httpx.Request) -> None:
        """Sign a request with the present time."""
        sign_request(request, self._platform, self._expires)


class StaticTokenAuth(StaticAuth):
    """Send an OAuth token that the user has set."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def apply(self, request: httpx.Request) -> None:
        """Add the token to a request."""
        token = self._platform.credentials.get("access_token")
        request.url = request.url.copy_merge_params({"access_token": token})


@dataclass
class _Token:
    value: str
    expires_at: float


class TokenAuth(PlatformAuth):
    """Fetch a token, keep it until shortly before it expires, and share it between all callers."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._token: _Token | None = None
        self._lock = asyncio.Lock()

    def expire(self, generation: int) -> None:
        """Drop the token of this generation; a newer one is kept."""
        if generation == self.generation:
            self._token = None

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        """Fetch a token if there is no valid one, then add it to the request."""
        async with self._lock:
            if self._token is None or time.time() > self._token.expires_at:
                response = yield self._build_token_request()
                body = protocol.decode_response(
                    response.status_code, response.headers, await response.aread()
                )
                self._token, self.generation = self._parse_token(body), self.generation + 1
            token = self._token.value
        self._apply(request, token)
        yield request

    @abstractmethod
    def _build_token_request(self) -> httpx.Request:
        """Return the request that fetches a token."""

    @abstractmethod
    def _parse_token(self, body: dict[str, Any]) -> _Token:
        """Return the token of a response."""

    @abstractmethod
    def _apply(self, request: httpx.Request, token: str) -> None:
        """Add the token to a request."""


class OAuth(TokenAuth):
    """Exchange an application's AK and SK for the token of v1 inference."""

    def _build_token_request(self) -> httpx.Request:
        keys = self._platform.credentials
        query = {
            "grant_type": "client_credentials",
            "client_id": keys.get("ak"),
            "client_secret": keys.get("sk"),
        }
        url = self._platform.base_url_of("oauth") + wire.OAUTH_TOKEN.path
        return httpx.Request(wire.OAUTH_TOKEN.method, url, params=query, json={})

    def _parse_token(self, body: dict[str, Any]) -> _Token:
        token = wire.AccessToken.model_validate(body)
        register_secret(token.access_token)
        return _Token(token.access_token, time.time() + token.expires_in - _EXPIRY_MARGIN_S)

    def _apply(self, request: httpx.Request, token: str) -> None:
        request.url = request.url.copy_merge_params({"access_token": token})


class BearerExchange(TokenAuth):
    """Exchange an IAM pair for the bearer of v2 inference."""

    def __init__(self, platform: Platform, lifetime: int = 43200) -> None:
        super().__init__(platform)
        self._lifetime = lifetime

    def _build_token_request(self) -> httpx.Request:
        url = self._platform.base_url_of("iam") + wire.BCE_BEARER.path
        query = {"expireInSeconds": str(self._lifetime)}
        request = httpx.Request(
            wire.BCE_BEARER.method, url, params=query, headers={"content-type": "application/json"}
        )
        sign_request(request, self._platform)
        return request

    def _parse_token(self, body: dict[str, Any]) -> _Token:
        token = wire.Bearer.model_validate(body)
        register_secret(token.token)
        return _Token(token.token, time.time() + self._lifetime - _EXPIRY_MARGIN_S)

    def _apply(self, request: httpx.Request, token: str) -> None:
        set_bearer(request, self._platform, token)


class AuthSelector:
    """Selects the authentication of each plane from the keys of a platform."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._by_plane: dict[Plane, PlatformAuth] = {}

    def for_plane(self, plane: Plane) -> PlatformAuth:
        """Return the authentication of a plane.

        Raises:
            CredentialsError: none of the keys is valid for it.
        """
        if plane not in self._by_plane:
            self._by_plane[plane] = self._select(plane)
        return self._by_plane[plane]

    def _select(self, plane: Plane) -> PlatformAuth:
        keys, platform = self._platform.credentials, self._platform
        if plane == "v2" and keys.get("api_key"):
            return KeyAuth(platform)
        if plane == "v2" and keys.get("access_key"):
            return BearerExchange(platform)
        if plane == "v1" and keys.get("ak"):
            return OAuth(platform)
        if plane == "v1" and keys.get("access_token"):
            return StaticTokenAuth(platform)
        if plane in {"v1", "console", "iam"} and keys.get("access_key"):
            return IamAuth(platform)
        raise CredentialsError(_missing_key_message(plane, keys.kinds()))


def sign_request(request: httpx.Request, platform: Platform, expires: int = 300) -> None:
    """Add the date and the IAM signature to a request.

    Args:
        request: is changed; content type, host, `request_id` and date are signed if present.
        platform: its IAM pair signs.
        expires: seconds for which the signature is valid.
    """
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
        expires=expires,
    )


def set_bearer(request: httpx.Request, platform: Platform, token: str) -> None:
    """Add a bearer token to a request, and the id of the application that is billed, if one is set."""
    request.headers["authorization"] = f"Bearer {token}"
    if platform.app_id:
        request.headers["appid"] = platform.app_id


def _missing_key_message(plane: Plane, present_kinds: tuple[str, ...]) -> str:
    required_key = {
        "v1": "an application's AK/SK or an IAM pair",
        "v2": "an API key (bce-v3/ALTAK-...) or an IAM pair",
    }.get(plane, "an IAM pair (QIANFAN_ACCESS_KEY and QIANFAN_SECRET_KEY)")
    purpose = {"v1": "v1 inference", "v2": "v2 inference"}.get(
        plane, "management (datasets, training, services)"
    )
    return (
        f"{purpose} needs {required_key}; what is set: {', '.join(present_kinds) or 'nothing'}\n"
        "用 %qfauth 查看或设置密钥 / see or set keys with %qfauth"
    )
