"""What all calls to one address have in common: worked out once, however many thousands a batch sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from ..wire.base import Sendable
from ..wire.endpoints import Endpoint
from . import rate_limiter
from .platform import Platform
from .rate_limiter import RateLimiter
from .request import BytesStream, new_request_id, path_values

MAX_ROUTES = 256
"""Lanes that are remembered; a process asks few models, and no more addresses of each than it has calls."""


@dataclass(frozen=True)
class Route:
    """The way to one address.

    Attributes:
        limiter: whose turns the calls wait for, None for management.
    """

    method: str
    url: httpx.URL
    headers: httpx.Headers
    limiter: RateLimiter | None = None

    def build_request(self, content: bytes) -> httpx.Request:
        """Return a request with this content and a name of its own."""
        request = httpx.Request(self.method, self.url, headers=self.headers, stream=BytesStream(content))
        request.headers["request_id"] = new_request_id()
        return request


class RouteCache:
    """The lanes of one platform; those of models are remembered."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._routes: dict[tuple[str, ...], Route] = {}

    def get(
        self, endpoint: Endpoint[Any, Any], body: Sendable, path: Mapping[str, str] | None, model: str
    ) -> Route:
        """Return the lane of a call.

        Args:
            endpoint: the row that it goes to.
            body: the record that is sent, a GET's as the query.
            path: values of the placeholders in the row's path; default: the record's fields of these names.
            model: whose rate limits apply; "" for calls that have none.
        """
        if "{" in endpoint.path and not path:
            path = path_values(endpoint, body)
        if not model or endpoint.method == "GET":  # whose record is part of the address
            return self._create(
                endpoint, body, path or {}, rate_limiter.get_limiter(self._platform, model) if model else None
            )
        key = (endpoint.name, model, *path.values()) if path else (endpoint.name, model)
        route = self._routes.get(key)
        if route is None:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            route = self._routes[key] = self._create(
                endpoint, body, path or {}, rate_limiter.get_limiter(self._platform, model)
            )
        return route

    def _create(
        self,
        endpoint: Endpoint[Any, Any],
        body: Sendable,
        path: Mapping[str, str],
        limiter: RateLimiter | None = None,
    ) -> Route:
        query = body.to_wire() if endpoint.method == "GET" else {}
        query |= {"Action": endpoint.action} if endpoint.action else {}
        url = httpx.URL(self._platform.endpoint_url(endpoint, path))
        if query:
            url = url.copy_merge_params(query)
        host = url.netloc.decode("ascii")
        headers = {"host": host, "content-type": "application/json", **endpoint.headers}
        return Route(endpoint.method, url, httpx.Headers(headers), limiter)
