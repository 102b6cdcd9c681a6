"""What all calls to one address have in common: worked out once, however many thousands a batch sends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from ..wire.base import Endpoint, Sendable
from . import limits
from .calls import Body, path_of, request_id
from .limits import Limiter
from .platform import Platform

MOST = 256
"""Lanes that are remembered; a process asks few models, and no more addresses of each than it has calls."""


@dataclass(frozen=True)
class Lane:
    """The way to one address.

    Attributes:
        limiter: whose turns the calls wait for, None for management.
    """

    method: str
    url: httpx.URL
    headers: httpx.Headers
    limiter: Limiter | None = None

    def request(self, content: bytes) -> httpx.Request:
        """Return a request with this content and a name of its own."""
        made = httpx.Request(self.method, self.url, headers=self.headers, stream=Body(content))
        made.headers["request_id"] = request_id()
        return made


class Lanes:
    """The lanes of one platform; those of models are remembered."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._known: dict[tuple[str, ...], Lane] = {}

    def of(
        self, endpoint: Endpoint[Any, Any], body: Sendable, path: Mapping[str, str] | None, model: str
    ) -> Lane:
        """Return the lane of a call.

        Args:
            endpoint: the row that it goes to.
            body: the record that is sent, a GET's as the query.
            path: values of the placeholders in the row's path; default: the record's fields of these names.
            model: whose rate limits apply; "" for calls that have none.
        """
        if "{" in endpoint.path and not path:
            path = path_of(endpoint, body)
        if not model or endpoint.method == "GET":  # whose record is part of the address
            return self._made(endpoint, body, path or {}, limits.of(self._platform, model) if model else None)
        key = (endpoint.name, model, *path.values()) if path else (endpoint.name, model)
        lane = self._known.get(key)
        if lane is None:
            if len(self._known) >= MOST:
                self._known.clear()
            lane = self._known[key] = self._made(endpoint, body, path or {}, limits.of(self._platform, model))
        return lane

    def _made(
        self,
        endpoint: Endpoint[Any, Any],
        body: Sendable,
        path: Mapping[str, str],
        limiter: Limiter | None = None,
    ) -> Lane:
        query = body.to_wire() if endpoint.method == "GET" else {}
        query |= {"Action": endpoint.action} if endpoint.action else {}
        url = httpx.URL(self._platform.address(endpoint, path))
        if query:
            url = url.copy_merge_params(query)
        host = url.netloc.decode("ascii")
        headers = {"host": host, "content-type": "application/json", **endpoint.headers}
        return Lane(endpoint.method, url, httpx.Headers(headers), limiter)
