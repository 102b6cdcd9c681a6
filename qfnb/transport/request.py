"""One call on its way: what it carries, what it may cost, whose turn it waits for."""

from __future__ import annotations

import functools
import json
import math
import random
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, TypeVar

import httpx

from .. import errors
from ..config import Settings
from ..wire.base import Sendable
from ..wire.endpoints import Endpoint, Plane
from . import clock
from .deadline import Deadline
from .platform import Platform
from .rate_limiter import RateLimiter, get_limiter
from .retry import MAX_RETRY_AFTER

T = TypeVar("T")
BuildRequest = Callable[[], httpx.Request]
ReadResponse = Callable[[httpx.Response], Awaitable[T]]
"""Builds a request, anew for every try; reads its answer, or raises the error that it is."""


on_wire: ContextVar[Callable[[bool], None] | None] = ContextVar("on_wire", default=None)
"""Who is told in this task that a request is on the wire, or that it waits again: what was not sent may be
dropped at once when a batch is cancelled."""


class BytesStream(httpx.AsyncByteStream):
    """The content of a request as bytes, so that nothing need be taken apart to send it."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content


class CertificateError(httpx.ConnectError):
    """No secure connection could be made."""


@dataclass(frozen=True)
class CallOptions:
    """What one call may cost.

    Attributes:
        timeout: seconds in all, None for no end.
        attempts: tries in all; default: the settings'.
        rate_limit_wait_s: seconds to keep on trying while the platform says "too fast"; waiting for a turn then counts
            neither as a try nor as time. None: "too fast" is an error like any other.
    """

    timeout: float | None = None
    attempts: int | None = None
    rate_limit_wait_s: float | None = None

    def __post_init__(self) -> None:
        """Check what the user gave, in the user's words.

        Raises:
            InvalidArgumentError: names the argument, its value and what is allowed.
        """
        if self.timeout is not None and not _is_positive(self.timeout, Real):
            raise errors.InvalidArgumentError(
                f"request_timeout={self.timeout!r}: it is a number of seconds above 0 (须为正数)"
            )
        if self.attempts is not None and not _is_positive(self.attempts, Integral):
            raise errors.InvalidArgumentError(
                f"retry_count={self.attempts!r}: it is a whole number from 1, the tries in all (须为正整数)"
            )


def _is_positive(value: Any, kind: type) -> bool:
    is_number = isinstance(value, kind) and not isinstance(value, bool)
    return is_number and 0 < value < math.inf


@dataclass
class Call:
    """One request on its way.

    Attributes:
        endpoint: the row that it goes to; None is the object storage.
        build_request: what builds it.
        repeatable: sending it twice does no harm.
        limiter: whose turns it waits for, None for management.
        estimate: tokens that it may take.
        deadline: what runs out meanwhile; it stands still while a patient call waits for its turn.
        attempts: tries so far.
        refused_at: when the platform first said "too fast".
    """

    endpoint: Endpoint[Any, Any] | None
    build_request: BuildRequest
    options: CallOptions
    settings: Settings
    repeatable: bool
    limiter: RateLimiter | None = None
    estimate: float = 0
    deadline: Deadline | None = None
    attempts: int = 0
    refused_at: float | None = None

    @property
    def plane(self) -> Plane:
        """Whose key it takes; the object storage takes management's signature."""
        return self.endpoint.plane if self.endpoint else "console"

    async def acquire_turn(self) -> float:
        """Wait until the limiter lets it go; return when that was."""
        assert self.limiter is not None, "management calls wait for no turn"
        if self.limiter.is_available():
            return self.limiter.acquire_nowait(self.estimate)
        if self.deadline is None:
            return await self.limiter.acquire(self.estimate)
        remaining_s = self.deadline.pause()
        started_at = await self.limiter.acquire(self.estimate)
        self.deadline.resume(remaining_s)
        return started_at


def may_keep_waiting(call: Call, error: errors.QianfanError) -> bool:
    """Tell whether a call that was refused as too fast goes on waiting for its turn."""
    if not call.options.rate_limit_wait_s or not isinstance(error, errors.RateLimitError):
        return False
    if (error.retry_after or 0) > MAX_RETRY_AFTER:
        return False
    clock_now = clock.now()
    call.refused_at = clock_now if call.refused_at is None else call.refused_at
    call.attempts -= 1
    return clock_now - call.refused_at < call.options.rate_limit_wait_s


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

    def get(self, endpoint: Endpoint[Any, Any], body: Sendable, model: str) -> Route:
        """Return the lane of a call.

        Args:
            endpoint: the row that it goes to.
            body: the record that is sent, a GET's as the query.
            model: whose rate limits apply; "" for calls that have none.

        The placeholders of the path take the record's fields of the same names, `{model}` takes `model`.
        """
        path: Mapping[str, str] = {}
        if "{" in endpoint.path:
            path = {"model": model} if "{model}" in endpoint.path else path_values(endpoint, body)
        if not model or endpoint.method == "GET":  # whose record is part of the address
            return self._create(endpoint, body, path, get_limiter(self._platform, model) if model else None)
        key = (endpoint.name, model, *path.values())
        route = self._routes.get(key)
        if route is None:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            route = self._routes[key] = self._create(endpoint, body, path, get_limiter(self._platform, model))
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


def new_request_id() -> str:
    """Return a name for a request, by which support finds it."""
    return f"qfnb-{random.getrandbits(64):016x}"  # a name, not a secret: no system call for it


def total_tokens(body: Any) -> int | None:
    """Return the tokens that an answer says it took."""
    usage = body.get("usage") if isinstance(body, Mapping) else None
    used = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    return used if isinstance(used, int) else None


def path_values(endpoint: Endpoint[Any, Any], body: Sendable) -> dict[str, str]:
    """Return the values of a row's placeholders, which are the record's fields of the same names.

    Raises:
        InvalidArgumentError: one is empty, or would lead to another place.
    """
    values = {name: str(getattr(body, name)) for name in _placeholders(endpoint.path)}
    for name, value in values.items():
        if not value.strip(" .") or "/" in value:
            raise errors.InvalidArgumentError(f"{name}={value!r} is no id")
    return values


@functools.lru_cache(maxsize=256)
def _placeholders(path: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in string.Formatter().parse(path) if name)


def encode_json(body: Sendable) -> bytes:
    """Return a record as the bytes to send.

    Raises:
        InvalidArgumentError: it holds what JSON cannot.
    """
    try:
        content = body.to_json()
        if b"NaN" in content or b"Infinity" in content:  # as a number, or merely in a text
            json.dumps(body.to_wire(), allow_nan=False)
    except (UnicodeEncodeError, ValueError) as error:
        raise errors.InvalidArgumentError(
            f"the request cannot be written as JSON: {type(error).__name__} "
            "(文本含非法字符或 NaN / a lone surrogate or NaN in it)"
        ) from None
    return content
