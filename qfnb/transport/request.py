"""Requests: the options and the state of a call, and the URL and headers that calls of one endpoint
share.
"""

import functools
import json
import math
import random
import string
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any, TypeVar

import httpx

from .. import errors
from ..base.language import tr
from ..config import Secret, Settings
from ..wire.base import Sendable
from ..wire.endpoints import Endpoint
from . import clock
from .clock import Deadline
from .platform import Platform
from .rate_limiter import RateLimiter
from .response import SentRequest
from .retry import DEFAULT_RETRY, MAX_RETRY_AFTER, RetryPolicy
from .shared_rate_limiter import get_limiter

T = TypeVar("T")
BuildRequest = Callable[[], tuple[httpx.Request, RateLimiter | None]]
"""Builds a request, and returns the rate limiter that it waits for; called again for each
attempt.
"""

ReadResponse = Callable[[httpx.Response], Awaitable[T]]
"""Reads a response, or raises the error that it describes."""


@dataclass
class WireState:
    """Whether a task's request is on the wire: what is not may be dropped at once when a batch is
    cancelled.

    Attributes:
        is_on_wire: as above.
        rest: is awaited where the task waits for a number of seconds; a worker pool lets another
            worker in meanwhile.
    """

    is_on_wire: bool = False
    rest: Callable[[float], Awaitable[None]] = clock.sleep


wire_state: ContextVar[WireState] = ContextVar("wire_state", default=WireState())  # noqa: B039 - nobody reads it
"""The state of this task's request."""


@dataclass
class BytesStream(httpx.AsyncByteStream):
    """The content of a request as bytes, which the connection pool takes without iterating."""

    content: bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content


URL_TO_SEND = "url_to_send"
"""Extension of a request: the URL that is sent, where that holds a secret; `Request.url` is printed
in tracebacks.
"""


def set_secret_url(request: httpx.Request, url: httpx.URL | str) -> None:
    """Make a request go to a URL that no repr shows."""
    request.extensions[URL_TO_SEND] = Secret(str(url))


PUBLIC_ONLY = "public_only"
"""Extension of a request: whether it may go to public addresses only."""


class CertificateError(httpx.ConnectError):
    """The server's certificate is not trusted, or it does not speak TLS."""


class DescriptorLimitError(httpx.ConnectError):
    """This computer has no free file descriptor for a connection."""


class NotPublicError(httpx.ConnectError):
    """A request for public addresses only would have gone to another one."""


@dataclass(frozen=True)
class CallOptions:
    """Limits and headers of one call.

    Attributes:
        timeout: seconds in all; None for the endpoint's default.
        attempts: in all, the first included; None for the settings'.
        rate_limit_wait_s: seconds for which the call is tried again while the platform answers "too
            fast", which
            is no attempt and no time spent. None: a rate limit is an error like any other.
        retry: when the call is tried again; the attempts are those above.
        headers: of every attempt, beside or in place of the usual ones.
        verifies: False does not check the server's certificate.
        before_retry: is awaited with an attempt's error before the next one.
    """

    timeout: float | None = None
    attempts: int | None = None
    rate_limit_wait_s: float | None = None
    retry: RetryPolicy = DEFAULT_RETRY
    # a user may put a secret there
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    verifies: bool = True
    before_retry: Callable[[errors.QianfanError], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        """Validate the options under the names that users give them.

        Raises:
            InvalidArgumentError: names the argument, its value and what is allowed.
        """
        reason = ""
        if self.timeout is not None and not _is_positive(self.timeout, Real):
            reason = tr(
                "request_timeout={value!r}: must be a number of seconds above 0", value=self.timeout
            )
        elif self.attempts is not None and not _is_positive(self.attempts, Integral):
            reason = tr(
                "retry_count={value!r}: must be an integer from 1 (attempts in all)",
                value=self.attempts,
            )
        if reason:
            raise errors.InvalidArgumentError(reason)

    def with_defaults(self, defaults: "CallOptions") -> "CallOptions":
        """Return these options with the headers and the check of certificates of others, where they
        set none.
        """
        if defaults.verifies and not defaults.headers:
            return self
        return replace(
            self,
            headers={**defaults.headers, **self.headers},
            verifies=self.verifies and defaults.verifies,
        )

    def effective(self, current: Settings) -> Settings:
        """Return the settings of a call with these options."""
        if self.verifies:
            return current
        return current.model_copy(update={"ssl_verification_enabled": False})


def _is_positive(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and 0 < value < math.inf


@dataclass
class OutgoingCall:
    """The state of one call.

    Attributes:
        endpoint: its row; None for object storage.
        body: the record that is sent, None for other content.
        build_request: builds the request of each attempt; those of models come with their rate
            limiter.
        options: limits of the call.
        settings: as they were when the call began.
        repeatable: True if sending it twice does no harm.
        silence_s: seconds without a byte after which it fails; None where a deadline limits the
            whole call.
        limiter: the model's rate limiter; None for management, and before the first attempt.
        estimate: tokens that the call may use.
        deadline: paused while the call waits for the rate limiter; None where there is none.
        max_wait_s: seconds that it may wait for the rate limiter; None for no limit.
        attempts: so far.
        has_expired_token: whether it was refused with a token that had been fetched for an earlier
            call.
        request: as it was last sent, without the keys.
        refused_at: when the platform first answered "too fast", on `clock.now`.
        refusals: how often it did.
    """

    endpoint: Endpoint[Any, Any] | None
    body: Sendable | None
    build_request: BuildRequest
    options: CallOptions
    settings: Settings
    repeatable: bool
    silence_s: float | None
    limiter: RateLimiter | None = None
    estimate: float = 0
    deadline: Deadline | None = None
    max_wait_s: float | None = None
    attempts: int = 0
    has_expired_token: bool = False
    request: SentRequest | None = None
    refused_at: float | None = None
    refusals: int = 0

    @property
    def remaining_s(self) -> float:
        """Seconds until the deadline, infinite without one."""
        if self.deadline is None:
            return math.inf
        return self.deadline.remaining_s


async def wait_after_refusal(call: OutgoingCall, error: errors.QianfanError) -> bool:
    """Wait with a call that was refused as too fast; return whether to send it again. Its attempt
    does not count.

    The wait is the one that the server states, or a random one whose bound doubles. Other calls do
    not wait.
    """
    if not _may_keep_waiting(call, error):
        return False
    call.attempts -= 1
    call.refusals += 1
    retry_after: float | None = getattr(error, "retry_after", None)
    bound_s = min(2.0 ** min(call.refusals - 1, 10), MAX_REFUSAL_WAIT_S)
    if call.deadline:
        remaining_s = call.deadline.pause()
    else:
        remaining_s = 0.0
    delay_s = random.random() * bound_s if retry_after is None else retry_after  # noqa: S311 - not a secret
    await wire_state.get().rest(delay_s)
    if call.deadline:
        call.deadline.resume(remaining_s)
    return True


MAX_REFUSAL_WAIT_S = 30.0
"""Seconds that a refused call waits at most where the server states no time."""


def _may_keep_waiting(call: OutgoingCall, error: errors.QianfanError) -> bool:
    if not call.options.rate_limit_wait_s or not isinstance(error, errors.RateLimitError):
        return False
    if (error.retry_after or 0) > MAX_RETRY_AFTER:
        return False
    clock_now = clock.now()
    if call.refused_at is None:
        call.refused_at = clock_now
    return clock_now - call.refused_at < call.options.rate_limit_wait_s


MAX_ROUTES = 256
"""Cached routes; a process uses few models and endpoints."""


@dataclass(frozen=True)
class Route:
    """What all calls of one endpoint and model share.

    Attributes:
        method: HTTP method.
        url: with its query.
        headers: all but those of authentication and `request_id`.
        limiter: the model's rate limiter; None for management.
    """

    method: str
    url: httpx.URL
    headers: httpx.Headers
    limiter: RateLimiter | None = None


class RouteCache:
    """Builds the requests of one platform; the routes of models are cached."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._routes: dict[tuple[object, ...], Route] = {}

    def build_request(
        self, endpoint: Endpoint[Any, Any], body: Sendable, model: str, headers: Mapping[str, str]
    ) -> tuple[httpx.Request, RateLimiter | None]:
        """Return a request that sends one record, with a new id, and its rate limiter, None for
        management.

        Args:
            endpoint: the row; placeholders in its path take the record's fields of the same names,
                or `model`.
            body: the record, a GET's as the query.
            model: whose rate limits apply; "" for calls that have none.
            headers: beside or in place of the usual ones.
        """
        route = self._route(endpoint, body, model)
        request_id = new_request_id()
        stream = BytesStream(encode_json(body) if endpoint.method == "POST" else b"")
        request = httpx.Request(route.method, route.url, headers=route.headers, stream=stream)
        request.headers["request_id"] = request_id
        if headers:
            request.headers.update(headers)
        return request, route.limiter

    def _route(self, endpoint: Endpoint[Any, Any], body: Sendable, model: str) -> Route:
        path: Mapping[str, str] = {}
        if "{" in endpoint.path:
            if "{model}" in endpoint.path:
                path = {"model": model}
            else:
                path = path_values(endpoint, body)
        if not model or endpoint.method == "GET":  # the record of a GET is part of the URL
            return self._create(endpoint, body, path, model)
        # each clock has its limiters
        key = (endpoint.name, model, clock.is_scaled(), *path.values())
        route = self._routes.get(key)
        if route is None:
            if len(self._routes) >= MAX_ROUTES:
                self._routes.clear()
            route = self._routes[key] = self._create(endpoint, body, path, model)
        return route

    def _create(
        self, endpoint: Endpoint[Any, Any], body: Sendable, path: Mapping[str, str], model: str
    ) -> Route:
        if endpoint.method == "GET":
            query = body.to_wire()
        else:
            query = {}
        query |= {"Action": endpoint.action} if endpoint.action else {}
        url = httpx.URL(self._platform.endpoint_url(endpoint, path))
        if query:
            url = url.copy_merge_params(query)
        host = url.netloc.decode("ascii")
        headers = {"host": host, "content-type": "application/json", **endpoint.headers}
        if not model:
            limiter = None
        else:
            limiter = get_limiter(self._platform, model)
        return Route(endpoint.method, url, httpx.Headers(headers), limiter)


def new_request_id() -> str:
    """Return an id for a request, by which the platform's support finds it."""
    return f"qfnb-{random.getrandbits(64):016x}"  # not a secret: no system call for it


def total_tokens(body: Any) -> int | None:
    """Return the `total_tokens` of a reply's `usage`, None where it has none."""
    if not isinstance(body, Mapping):
        usage = None
    else:
        usage = body.get("usage")
    if not isinstance(usage, Mapping):
        used = None
    else:
        used = usage.get("total_tokens")
    if isinstance(used, int):
        return used
    return None


def path_values(endpoint: Endpoint[Any, Any], body: Sendable) -> dict[str, str]:
    """Return the values of the placeholders in a row's path: the record's fields of the same names.

    Raises:
        InvalidArgumentError: a value is empty, or would change the path.
    """
    values = {name: str(getattr(body, name)) for name in _placeholders(endpoint.path)}
    for name, value in values.items():
        if not value.strip(" .") or "/" in value:
            raise errors.InvalidArgumentError(
                tr("{name}={value!r} is not an id", name=name, value=value)
            )
    return values


@functools.lru_cache(maxsize=256)
def _placeholders(path: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in string.Formatter().parse(path) if name)


def encode_json(body: Sendable) -> bytes:
    """Return a record as JSON bytes.

    Raises:
        InvalidArgumentError: it holds NaN, infinity or a lone surrogate.
    """
    try:
        content = body.to_json()
        if b"NaN" in content or b"Infinity" in content:  # as a number, or only inside a text
            json.dumps(body.to_wire(), allow_nan=False)
    except (UnicodeEncodeError, ValueError) as error:
        raise errors.InvalidArgumentError(
            tr(
                "the request cannot be written as JSON ({kind}): it holds a lone surrogate or NaN",
                kind=type(error).__name__,
            )
        ) from None
    return content
