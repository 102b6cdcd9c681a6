"""The client of one platform: sends records, returns replies, raises typed errors; when it tries
again, and after which delay.

Three attempts by default, exponential backoff with full jitter; a server's Retry-After is honoured
up to two minutes; a call that may already have changed something is not repeated.
"""

import asyncio
import contextlib
import functools
import json
import math
import random
import string
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Integral, Real
from typing import Any, Self

import httpx

from .. import errors
from ..base.language import tr
from ..config import Settings, settings
from ..redact import hide_secrets_in, register_secret
from ..wire import error_codes
from ..wire.base import Sendable
from ..wire.endpoints import Endpoint, Plane
from . import clock, http
from .http import Authentication
from .platform import Platform
from .rate_limiter import MAX_RETRY_AFTER, RateLimiter
from .response import (
    DONE_MARK,
    BytesStream,
    R,
    ReadResponse,
    Response,
    SentRequest,
    Stopwatch,
    T,
    describe_request,
    iter_events,
    read_json,
    require_stream,
    total_tokens,
)
from .shared_rate_limiter import get_limiter

BuildRequest = Callable[[], tuple[httpx.Request, RateLimiter | None]]
"""Builds a request, and returns the rate limiter that it waits for; called again for each
attempt.
"""


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

MAX_EXPONENT = 60
"""Doublings of a delay; further ones would leave the range of a float."""


@dataclass(frozen=True)
class RetryPolicy:
    """When to try a call again.

    Attributes:
        attempts: in all, the first included.
        base_s, cap_s: seconds; the delay after attempt k is random, up to min(base_s * 2**k,
        cap_s).
        backoff_s: the official SDK's rule in place of this one: the delay is backoff_s * 2**(k - 1)
            and up to `jitter_s` seconds, `max_wait_s` at most.
        codes: of errors that are tried again, in place of those of a busy platform; a number of v1
            is its word in v2.
    """

    attempts: int = 3
    base_s: float = 0.5
    cap_s: float = 8.0
    backoff_s: float | None = None
    jitter_s: float = 1.0
    max_wait_s: float = 120.0
    codes: frozenset[int | str] | None = None

    def or_configured(self, current: Settings) -> Self:
        """Return this policy, with the delays and codes of the settings where it names none."""
        policy = self
        if self.codes is None:
            policy = replace(policy, codes=current.llm_api_retry_err_codes)
        if self.backoff_s is None and current.llm_api_retry_backoff_factor is not None:
            return replace(
                policy,
                backoff_s=current.llm_api_retry_backoff_factor,
                jitter_s=current.llm_api_retry_jitter,
                max_wait_s=current.llm_api_retry_max_wait_interval,
            )
        return policy

    def next_delay_s(
        self,
        error: Exception,
        n_attempts: int,
        *,
        repeatable: bool,
        random_: Callable[[], float] = random.random,
    ) -> float | None:
        """Return the seconds until the next attempt, None if there must be none.

        Args:
            error: of the last attempt.
            n_attempts: so far, from 1.
            repeatable: whether doing it twice does no harm.
            random_: returns a random number in [0, 1).
        """
        if n_attempts >= self.attempts or not self._is_retryable(error, repeatable=repeatable):
            return None
        requested_s: float | None = getattr(error, "retry_after", None)
        if requested_s is not None:
            return float(requested_s) if requested_s <= MAX_RETRY_AFTER else None
        doublings = 2.0 ** min(n_attempts, MAX_EXPONENT)
        if self.backoff_s is not None:
            return min(self.backoff_s * doublings / 2 + random_() * self.jitter_s, self.max_wait_s)
        return random_() * min(self.base_s * doublings, self.cap_s)

    def _is_retryable(self, error: Exception, *, repeatable: bool) -> bool:
        if isinstance(error, errors.RateLimitError) and not error.was_sent:
            return False  # it has waited already
        if isinstance(error, errors.APIError):
            if self.codes is not None:
                return repeatable and error_codes.is_any_of(error.error_code, self.codes)
            # refused before anything was done
            is_refusal = isinstance(error, errors.RateLimitError)
            row = error_codes.lookup(error.error_code, error.status)
            return is_refusal or (repeatable and row.kind == "server")
        if isinstance(error, errors.ConnectionFailed):  # a certificate will be the same
            return not isinstance(error, errors.TLSError) and (repeatable or not error.sent)
        return isinstance(error, errors.RequestTimeoutError) and repeatable


DEFAULT_RETRY = RetryPolicy()


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
        if self.timeout is not None and not _is_positive(self.timeout, Real):
            raise errors.InvalidArgumentError(
                tr(
                    "request_timeout={value!r}: must be a number of seconds above 0",
                    value=self.timeout,
                )
            )
        if self.attempts is not None and not _is_positive(self.attempts, Integral):
            raise errors.InvalidArgumentError(
                tr(
                    "retry_count={value!r}: must be an integer from 1 (attempts in all)",
                    value=self.attempts,
                )
            )

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


DEFAULT_OPTIONS = CallOptions()

MAX_REFUSAL_WAIT_S = 30.0
"""Seconds that a refused call waits at most where the server states no time."""


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
        timeout: paused while the call waits for the rate limiter; None where there is none.
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
    timeout: asyncio.Timeout | None = None
    max_wait_s: float | None = None
    attempts: int = 0
    has_expired_token: bool = False
    request: SentRequest | None = None
    refused_at: float | None = None
    refusals: int = 0

    @property
    def is_console(self) -> bool:
        """Whether it is one of management, or of object storage."""
        return self.endpoint is None or self.endpoint.plane == "console"

    async def wait_after_refusal(self, error: errors.QianfanError) -> bool:
        """Wait after a refusal as too fast; return whether to send again. Its attempt does not
        count.

        The wait is the one that the server states, or a random one whose bound doubles. Other calls
        do not wait.
        """
        limit_s = self.options.rate_limit_wait_s
        if not limit_s or not isinstance(error, errors.RateLimitError):
            return False
        now = clock.now()
        if self.refused_at is None:
            self.refused_at = now
        if (error.retry_after or 0) > MAX_RETRY_AFTER or now - self.refused_at >= limit_s:
            return False
        self.attempts -= 1
        delay_s = error.retry_after
        if delay_s is None:
            bound_s = min(2.0 ** min(self.refusals, 10), MAX_REFUSAL_WAIT_S)
            delay_s = random.random() * bound_s  # noqa: S311 - not a secret
        self.refusals += 1
        with clock.paused(self.timeout):
            await wire_state.get().rest(delay_s)
        return True


@dataclass(frozen=True)
class Route:
    """What all calls of one endpoint and model share.

    Attributes:
        url: with its query.
        headers: all but those of authentication and `request_id`.
        limiter: the model's rate limiter; None for management.
    """

    url: httpx.URL
    headers: httpx.Headers
    limiter: RateLimiter | None


RETRY_BUDGET = 500.0
"""Limits the load on a broken platform: a retry costs 5, after a timeout 10, and a success earns 1;
without any left, calls fail.
"""


class Client:
    """Sends records to the endpoints of one platform.

    Its coroutines run on the I/O loop only (see `event_loop`).

    Attributes:
        is_connection_lost: whether the latest connection broke, or could not be opened.
    """

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.is_connection_lost = False
        self._authentication = Authentication(platform)
        self._routes: dict[tuple[object, ...], Route] = {}
        self._retry_budget = RETRY_BUDGET
        for secret in platform.credentials:
            register_secret(secret)

    async def send(
        self,
        endpoint: Endpoint[Any, R],
        body: Sendable,
        *,
        options: CallOptions = DEFAULT_OPTIONS,
        model: str = "",
    ) -> Response[R]:
        """Send one record and wait for the response.

        Args:
            endpoint: the row.
            body: the record.
            options: timeout and attempts.
            model: whose rate limits apply; "" for calls that have none.

        Raises:
            APIError: the platform refused.
            RequestError: nothing usable came back.
            CredentialsError: no key is valid for this plane.
        """
        current = options.effective(settings())
        stopwatch = Stopwatch()
        build_request = partial(self._build_request, endpoint, body, model, options.headers)
        call = OutgoingCall(
            endpoint, body, build_request, options, current, endpoint.repeatable, silence_s=None
        )
        timeout_s = current.llm_api_retry_timeout
        unwrap = None
        if call.is_console:
            timeout_s = current.console_api_retry_timeout
            unwrap = "result"
        response, content = await self._send_within(call, read_json, options.timeout or timeout_s)
        statistic = {**stopwatch.read(content), "attempts": call.attempts}
        head = (endpoint.result, response.status_code, response.headers)
        return Response(content, *head, statistic, unwrap, call.request)

    async def stream(
        self,
        endpoint: Endpoint[Any, R],
        body: Sendable,
        *,
        final: Callable[[Mapping[str, Any]], bool],
        options: CallOptions = DEFAULT_OPTIONS,
        model: str = "",
    ) -> AsyncGenerator[Response[R], None]:
        """Send one record and yield the events of the response as they arrive.

        Only opening is retried. The stream is complete with `[DONE]`, or an event that is `final`.

        Args:
            endpoint: the row.
            body: the record.
            final: returns whether an event is the last one.
            options: timeout and attempts.
            model: whose rate limits apply; "" for calls that have none.

        Raises:
            StreamInterrupted: the connection broke, ended or went silent before that.
        """
        current = options.effective(settings())
        stopwatch = Stopwatch()
        n_events = 0
        used_tokens = 0
        is_complete = False
        failure: errors.QianfanError | None = None
        ends_at = stopwatch.started_at + options.timeout if options.timeout else None
        build_request = partial(self._build_request, endpoint, body, model, options.headers)
        silence_s = max(current.first_token_timeout, current.idle_timeout)
        call = OutgoingCall(
            endpoint, body, build_request, options, current, repeatable=True, silence_s=silence_s
        )
        call.max_wait_s = options.timeout or current.llm_api_retry_timeout
        response, _ = await self._send_with_retries(call, require_stream)
        head = (endpoint.result, response.status_code, response.headers)
        async with aclosing(response):
            pieces = iter_events(response, current, ends_at)
            try:
                async for piece in pieces:
                    if piece is DONE_MARK:
                        return
                    n_events += 1
                    is_complete = is_complete or final(piece)
                    # counts from the start of the answer
                    used_tokens = total_tokens(piece) or used_tokens
                    statistic = stopwatch.read_piece(piece)
                    yield Response(piece, *head, statistic, request=call.request)
            except (httpx.RequestError, TimeoutError, errors.RequestTimeoutError) as error:
                self.is_connection_lost = isinstance(error, httpx.RequestError)
                failure = errors.StreamInterrupted(
                    tr(
                        "{host} stopped in the middle of the answer: {error}",
                        host=self._host(endpoint),
                        error=http.error_text(error),
                    ),
                    events=n_events,
                )
            except errors.QianfanError as error:
                failure = hide_secrets_in(error)
            finally:
                await pieces.aclose()
                if call.limiter and call.estimate and used_tokens:
                    call.limiter.correct_tokens(call.estimate, used_tokens)
        if failure is not None:
            raise failure
        if not is_complete:
            raise errors.StreamInterrupted(
                tr("{host} ended the answer before its end mark", host=self._host(endpoint)),
                events=n_events,
            )

    async def request(
        self,
        build: Callable[[], httpx.Request],
        read: ReadResponse[T],
        *,
        endpoint: Endpoint[Any, Any] | None = None,
        options: CallOptions = DEFAULT_OPTIONS,
    ) -> T:
        """Send any request, with the keys, retries and errors of the platform.

        Args:
            build: builds the request; called again for each attempt.
            read: reads the response, or raises the error that it describes.
            endpoint: the row; None for object storage, where repeating does no harm.
            options: timeout and attempts; without a timeout the call may last as long as bytes
                move.

        Returns:
            The result of `read`.
        """
        current = options.effective(settings())

        def build_request() -> tuple[httpx.Request, None]:
            request = build()
            request.headers["request_id"] = _new_request_id()
            return request, None

        is_repeatable = endpoint is None or endpoint.repeatable
        call = OutgoingCall(
            endpoint, None, build_request, options, current, is_repeatable, current.idle_timeout
        )

        async def read_and_close(response: httpx.Response) -> T:
            async with aclosing(response):
                return await read(response)

        return (await self._send_within(call, read_and_close, options.timeout))[1]

    def _build_request(
        self, endpoint: Endpoint[Any, Any], body: Sendable, model: str, headers: Mapping[str, str]
    ) -> tuple[httpx.Request, RateLimiter | None]:
        """Return a request that sends one record, with a new id, and its rate limiter, None for
        management.

        Placeholders in the endpoint's path take the record's fields of the same names, or `model`.
        """
        path = {"model": model}
        if "{" in endpoint.path and "{model}" not in endpoint.path:
            path = path_values(endpoint, body)
        # each clock has its limiters
        key = (endpoint.name, clock.is_scaled(), *path.values())
        route = self._routes.get(key)
        if route is None:
            route = self._create_route(endpoint, body, path, model)
            if model and endpoint.method != "GET":  # the record of a GET is part of the URL
                self._routes[key] = route
        stream = BytesStream(encode_json(body) if endpoint.method == "POST" else b"")
        request = httpx.Request(endpoint.method, route.url, headers=route.headers, stream=stream)
        request.headers["request_id"] = _new_request_id()
        if headers:
            request.headers.update(headers)
        return request, route.limiter

    def _create_route(
        self, endpoint: Endpoint[Any, Any], body: Sendable, path: Mapping[str, str], model: str
    ) -> Route:
        query = body.to_wire() if endpoint.method == "GET" else {}
        if endpoint.action:
            query["Action"] = endpoint.action
        url = httpx.URL(self.platform.endpoint_url(endpoint, path))
        if query:
            url = url.copy_merge_params(query)
        host = url.netloc.decode("ascii")
        headers = {"host": host, "content-type": "application/json", **endpoint.headers}
        limiter = get_limiter(self.platform, model) if model else None
        return Route(url, httpx.Headers(headers), limiter)

    async def _send_within(
        self, call: OutgoingCall, read: ReadResponse[T], timeout_s: float | None
    ) -> tuple[httpx.Response, T]:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s) as call.timeout:
                if not call.options.rate_limit_wait_s:
                    call.max_wait_s = timeout_s
                return await self._send_with_retries(call, read)
        # here, and not in the handler: the frames of the network library, with the keys, are not
        # its context
        host = self._host(call.endpoint)
        raise errors.RequestTimeoutError(
            tr("{host} did not answer within {seconds:g} s", host=host, seconds=timeout_s or 0)
        )

    async def _send_with_retries(
        self, call: OutgoingCall, read: ReadResponse[T]
    ) -> tuple[httpx.Response, T]:
        """Send until `read` accepts the response; return the response and the result of `read`."""
        is_token_renewed = False
        while True:
            call.attempts += 1
            try:
                result = await self.send_once(call, read)
            except errors.QianfanError as error:
                if call.has_expired_token and not is_token_renewed:
                    is_token_renewed = True
                    call.attempts -= 1
                    continue
                error.attempts = call.attempts
                if not await call.wait_after_refusal(error):
                    await self._wait_or_raise(error, call)
            else:
                self._retry_budget = min(RETRY_BUDGET, self._retry_budget + 1)
                return result

    async def send_once(
        self, call: OutgoingCall, read: ReadResponse[T]
    ) -> tuple[httpx.Response, T]:
        """Send once, when the rate limiter allows it, and report the outcome to the limiter."""
        request, limiter = call.build_request()
        call.request = describe_request(request, call.body)
        timeouts = {"connect": call.settings.connect_timeout, "read": call.silence_s}
        request.extensions |= {"timeout": timeouts, "repeatable": call.repeatable}
        plane: Plane = call.endpoint.plane if call.endpoint else "console"
        refusals = 0
        if limiter is not None:
            limiter.apply_settings(call.settings)
            size = len(request.stream.content) if isinstance(request.stream, BytesStream) else 0
            call.estimate = limiter.estimate_tokens(size, call.body)
            call.limiter = limiter
            refusals = await limiter.acquire(call.estimate, call.timeout, call.max_wait_s)
        started_at = time.perf_counter()
        state = wire_state.get()
        state.is_on_wire = True
        failure = None
        try:
            response = await http.exchange(request, call.settings, self._authentication, plane)
            result = await read(response)
        except (errors.QianfanError, httpx.RequestError) as error:
            state.is_on_wire = False
            failure = http.translate_error(error, request.url)
            if limiter is not None and isinstance(failure, errors.RateLimitError):
                limiter.record_refusal(refusals, failure)
            if isinstance(failure, errors.AuthError):
                call.has_expired_token = self._authentication.expire(request, plane)
                if plane == "v2" and failure.status in {401, 403}:
                    failure.hint = "\n".join(filter(None, (failure.hint, self.platform.key_note)))
        finally:
            if limiter is not None:
                limiter.release()
        self.is_connection_lost = isinstance(failure, errors.ConnectionFailed)
        if failure is not None:
            raise failure
        if limiter is not None:
            limiter.record_success(
                refusals,
                response.headers,
                estimate=call.estimate,
                used_tokens=total_tokens(result),
                latency_s=time.perf_counter() - started_at,
            )
        return response, result

    async def _wait_or_raise(self, error: errors.QianfanError, call: OutgoingCall) -> None:
        current = call.settings
        policy = call.options.retry
        attempts = current.console_api_retry_count
        if not call.is_console:
            policy = policy.or_configured(current)
            attempts = current.llm_api_retry_count
        policy = replace(policy, attempts=call.options.attempts or attempts)
        delay_s = policy.next_delay_s(error, call.attempts, repeatable=call.repeatable)
        cost = 10 if isinstance(error, errors.RequestTimeoutError) else 5
        if (
            delay_s is None
            or delay_s >= clock.remaining_s(call.timeout)
            or self._retry_budget < cost
        ):
            raise error from None
        self._retry_budget -= cost
        await clock.sleep(delay_s)
        if call.options.before_retry:
            await call.options.before_retry(error)

    def _host(self, endpoint: Endpoint[Any, Any] | None) -> str:
        url = self.platform.base_url_of(endpoint.plane) if endpoint else self.platform.bos_url
        return httpx.URL(url).netloc.decode("ascii")


def _new_request_id() -> str:
    """Return an id for a request, by which the platform's support finds it."""
    return f"qfnb-{random.getrandbits(64):016x}"  # not a secret: no system call for it


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
