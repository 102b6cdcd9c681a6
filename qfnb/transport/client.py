"""The client of one platform: sends records, returns replies, raises typed errors."""

import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import httpx

from .. import errors
from ..base.language import tr
from ..config import settings
from ..redact import hide_secrets_in, register_secret
from ..wire.base import Sendable
from ..wire.endpoints import Endpoint, Plane
from . import clock, http
from .auth import AuthByPlane, TokenAuth
from .clock import Deadline
from .platform import Platform
from .request import (
    BuildRequest,
    BytesStream,
    CallOptions as CallOptions,
    OutgoingCall,
    ReadResponse,
    RouteCache,
    T,
    new_request_id,
    total_tokens,
    wait_after_refusal,
    wire_state,
)
from .response import (
    DONE_MARK,
    R,
    Response,
    Stopwatch,
    describe_request,
    iter_events,
    read_json,
    require_stream,
)


@dataclass
class RetryBudget:
    """Limits the load on a broken platform: retries cost tokens, successes earn them back; without
    any, calls fail.
    """

    capacity: float = 500
    tokens: float = 500

    def spend(self, error: Exception) -> bool:
        """Pay for one retry (10 after a timeout, else 5); return whether there were enough
        tokens.
        """
        if isinstance(error, errors.RequestTimeoutError):
            cost = 10
        else:
            cost = 5
        if self.tokens < cost:
            return False
        self.tokens -= cost
        return True

    def earn(self) -> None:
        """Earn one token for a success."""
        self.tokens = min(self.capacity, self.tokens + 1)


class Client:
    """Sends records to the endpoints of one platform.

    Its coroutines run on the I/O loop only (see `event_loop`).

    Attributes:
        is_connection_lost: whether the latest connection broke, or could not be opened.
    """

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self.is_connection_lost = False
        self._auth_by_plane = AuthByPlane(platform)
        self._routes = RouteCache(platform)
        self._retry_budget = RetryBudget()
        for secret in platform.credentials:
            register_secret(secret)

    async def send(
        self,
        endpoint: Endpoint[Any, R],
        body: Sendable,
        *,
        options: CallOptions | None = None,
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
        options = options or CallOptions()
        current = options.effective(settings())
        stopwatch = Stopwatch()
        build_request = self.request_builder(endpoint, body, model, options)
        call = OutgoingCall(
            endpoint, body, build_request, options, current, endpoint.repeatable, silence_s=None
        )
        is_console = endpoint.plane == "console"
        if is_console:
            default_s = current.console_api_retry_timeout
        else:
            default_s = current.llm_api_retry_timeout
        response, content = await self._send_within(call, read_json, options.timeout or default_s)
        if not is_console:
            unwrap = None
        else:
            unwrap = "result"
        statistic = {**stopwatch.read(content), "attempts": call.attempts}
        head = (endpoint.result, response.status_code, response.headers)
        return Response(content, *head, statistic, unwrap, call.request)

    async def stream(
        self,
        endpoint: Endpoint[Any, R],
        body: Sendable,
        *,
        final: Callable[[Mapping[str, Any]], bool],
        options: CallOptions | None = None,
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
        options = options or CallOptions()
        current = options.effective(settings())
        stopwatch = Stopwatch()
        n_events = 0
        used_tokens = 0
        failure: errors.QianfanError | None = None
        if not options.timeout:
            ends_at = None
        else:
            ends_at = stopwatch.started_at + options.timeout
        build_request = self.request_builder(endpoint, body, model, options)
        silence_s = max(current.first_token_timeout, current.idle_timeout)
        call = OutgoingCall(
            endpoint, body, build_request, options, current, repeatable=True, silence_s=silence_s
        )
        call.max_wait_s = options.timeout or current.llm_api_retry_timeout
        response, _ = await self._send_with_retries(call, require_stream)
        async with aclosing(response):
            pieces = iter_events(response, current, ends_at)
            complete = False
            try:
                async for piece in pieces:
                    if piece is DONE_MARK:
                        return
                    n_events = n_events + 1
                    complete = complete or final(piece)
                    # counts from the start of the answer
                    used_tokens = total_tokens(piece) or used_tokens
                    statistic = stopwatch.read_piece(piece)
                    head = (endpoint.result, response.status_code, response.headers)
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
        if not complete:
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
        options: CallOptions | None = None,
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
        options = options or CallOptions()
        current = options.effective(settings())

        def build_request() -> tuple[httpx.Request, None]:
            request = build()
            request.headers["request_id"] = new_request_id()
            return request, None

        is_repeatable = endpoint is None or endpoint.repeatable
        call = OutgoingCall(
            endpoint, None, build_request, options, current, is_repeatable, current.idle_timeout
        )

        async def read_and_close(response: httpx.Response) -> T:
            async with aclosing(response):
                return await read(response)

        return (await self._send_within(call, read_and_close, options.timeout))[1]

    def request_builder(
        self, endpoint: Endpoint[Any, Any], body: Sendable, model: str, options: CallOptions
    ) -> BuildRequest:
        """Return the builder of the request of each attempt of a call; the arguments are those of
        `send`.
        """
        return partial(self._routes.build_request, endpoint, body, model, options.headers)

    async def _send_within(
        self, call: OutgoingCall, read: ReadResponse[T], timeout_s: float | None
    ) -> tuple[httpx.Response, T]:
        with contextlib.suppress(TimeoutError):
            async with Deadline(timeout_s) as deadline:
                call.deadline = deadline
                if call.options.rate_limit_wait_s:
                    call.max_wait_s = None
                else:
                    call.max_wait_s = timeout_s
                return await self._send_with_retries(call, read)
        # here, and not in the handler: the frames of the network library, with the keys, are not
        # its context
        host = self._host(call.endpoint)
        if not timeout_s:
            raise errors.RequestTimeoutError(tr("{host} did not answer in time", host=host))
        raise errors.RequestTimeoutError(
            tr("{host} did not answer within {seconds:g} s", host=host, seconds=timeout_s)
        )

    async def _send_with_retries(
        self, call: OutgoingCall, read: ReadResponse[T]
    ) -> tuple[httpx.Response, T]:
        """Send until `read` accepts the response; return the response and the result of `read`."""
        is_token_renewed = False
        while True:
            call.attempts += 1
            try:
                response, result = await self.send_once(call, read)
            except errors.QianfanError as error:
                if call.has_expired_token and not is_token_renewed:
                    is_token_renewed = True
                    call.attempts = call.attempts - 1
                    continue
                error.attempts = call.attempts
                if not await wait_after_refusal(call, error):
                    await self._wait_or_raise(error, call)
            else:
                self._retry_budget.earn()
                return response, result

    async def send_once(
        self, call: OutgoingCall, read: ReadResponse[T]
    ) -> tuple[httpx.Response, T]:
        """Send once, when the rate limiter allows it, and report the outcome to the limiter."""
        request, limiter = call.build_request()
        call.request = describe_request(request, call.body)
        timeouts = {"connect": call.settings.connect_timeout, "read": call.silence_s}
        request.extensions |= {"timeout": timeouts, "repeatable": call.repeatable}
        refusals = 0
        if limiter is not None:
            limiter.apply_settings(call.settings)
            if isinstance(request.stream, BytesStream):
                size = len(request.stream.content)
            else:
                size = 0
            call.estimate = limiter.estimate_tokens(size, call.body)
            call.limiter = limiter
            refusals = await limiter.acquire(call.estimate, call.deadline, call.max_wait_s)
        started_at = time.perf_counter()
        state = wire_state.get()
        state.is_on_wire = True
        failure = None
        plane: Plane = call.endpoint.plane if call.endpoint else "console"
        try:
            response = await http.exchange(request, call.settings, self._auth_by_plane, plane)
            result = await read(response)
        except (errors.QianfanError, httpx.RequestError) as error:
            state.is_on_wire = False
            failure = http.translate_error(error, request.url)
            self.is_connection_lost = isinstance(failure, errors.ConnectionFailed)
            if limiter is not None and isinstance(failure, errors.RateLimitError):
                limiter.record_refusal(refusals, failure)
            if isinstance(failure, errors.AuthError):
                auth = self._auth_by_plane[plane]
                call.has_expired_token = isinstance(auth, TokenAuth) and auth.expire(request)
                if plane == "v2" and failure.status in {401, 403}:
                    failure.hint = "\n".join(filter(None, (failure.hint, self.platform.key_note)))
        finally:
            if limiter is not None:
                limiter.release()
        if failure is not None:
            raise failure
        self.is_connection_lost = False
        if limiter is not None:
            latency_s = time.perf_counter() - started_at
            used_tokens = total_tokens(result)
            limiter.record_success(
                refusals,
                response.headers,
                estimate=call.estimate,
                used_tokens=used_tokens,
                latency_s=latency_s,
            )
        return response, result

    async def _wait_or_raise(self, error: errors.QianfanError, call: OutgoingCall) -> None:
        current = call.settings
        is_console = call.endpoint is None or call.endpoint.plane == "console"
        if is_console:
            default_attempts = current.console_api_retry_count
            policy = call.options.retry
        else:
            default_attempts = current.llm_api_retry_count
            policy = call.options.retry.or_configured(current)
        retry = replace(policy, attempts=call.options.attempts or default_attempts)
        delay_s = retry.next_delay_s(error, call.attempts, repeatable=call.repeatable)
        if delay_s is None or delay_s >= call.remaining_s or not self._retry_budget.spend(error):
            raise error from None
        await clock.sleep(delay_s)
        if call.options.before_retry:
            await call.options.before_retry(error)

    def _host(self, endpoint: Endpoint[Any, Any] | None) -> str:
        if endpoint:
            url = self.platform.base_url_of(endpoint.plane)
        else:
            url = self.platform.bos_url
        return httpx.URL(url).netloc.decode("ascii")
