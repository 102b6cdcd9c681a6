"""The only place that talks to the network: records out, replies in, errors typed."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

import httpx

from .. import errors
from ..config import Settings, settings
from ..redact import hide_in, redact, remember
from ..wire.base import Endpoint, Plane, Sendable
from . import clock, http, proxies, reading
from .auth import Keyring, TokenAuth
from .calls import Call as Call
from .calls import Limits as Limits
from .calls import Make, T, Take, encode, on_wire, patient, request_id, tokens_of
from .deadline import Deadline
from .lane import Lanes
from .platform import Platform
from .response import R, Response
from .retry import Budget, Retry


class Client:
    """Sends records to the endpoints of one platform; its coroutines run on the I/O loop only."""

    def __init__(self, platform: Platform) -> None:
        self.platform = platform
        self._keyring, self._lanes = Keyring(platform), Lanes(platform)
        self._budget = Budget()
        for secret in platform.credentials:
            remember(secret)

    async def send(
        self,
        endpoint: Endpoint[Any, R],
        body: Sendable,
        *,
        limits: Limits | None = None,
        path: Mapping[str, str] | None = None,
        model: str = "",
    ) -> Response[R]:
        """Send one record and wait for the answer.

        Args:
            endpoint: the row that it goes to.
            body: the record.
            limits: what it may cost.
            path: values of the placeholders in the row's path; default: the record's fields of these names.
            model: whose rate limits apply; "" for calls that have none.

        Raises:
            APIError: the platform refused.
            RequestError: nothing usable came back.
            CredentialsError: no key opens this plane.
        """
        limits, now = limits or Limits(), settings()
        started = time.perf_counter()
        call = self._call(endpoint, body, path, limits, now, model)
        seconds = limits.timeout or _default_timeout(endpoint, now)
        answer, content = await self._in_time(call, reading.content, seconds)
        unwrap = "result" if endpoint.plane == "console" else None
        latency = time.perf_counter() - started
        statistic = {"request_latency": latency, "total_latency": latency, "attempts": call.attempts}
        return Response(content, endpoint.result, answer.status_code, answer.headers, statistic, unwrap)

    async def stream(
        self,
        endpoint: Endpoint[Any, R],
        body: Sendable,
        *,
        final: Callable[[Mapping[str, Any]], bool],
        limits: Limits | None = None,
        path: Mapping[str, str] | None = None,
        model: str = "",
    ) -> AsyncGenerator[Response[R], None]:
        """Send one record and yield the answer piece by piece, as it comes.

        Only opening is retried. The stream is complete when the server says [DONE] or a piece is `final`.

        Raises:
            StreamInterrupted: the connection broke, ended or went silent before that.
        """
        limits, now = limits or Limits(), settings()
        started, events = time.perf_counter(), 0
        until = started + limits.timeout if limits.timeout else None
        call = self._call(endpoint, body, path, limits, now, model)
        call.repeatable = True
        answer, _ = await self._trying(call, reading.refuse_non_stream)
        async with aclosing(answer):
            pieces, complete = reading.events(answer, now, until), False
            try:
                async for piece in pieces:
                    if piece is reading.DONE:
                        return
                    events, complete = events + 1, complete or final(piece)
                    if call.limiter and call.estimate and (used := tokens_of(piece)) is not None:
                        call.limiter.correct(call.estimate, used)
                    statistic = {"request_latency": time.perf_counter() - started}
                    yield Response(piece, endpoint.result, answer.status_code, answer.headers, statistic)
            except (httpx.RequestError, TimeoutError, errors.RequestTimeoutError) as error:
                raise errors.StreamInterrupted(
                    f"{self._host(endpoint)} stopped in mid-answer: {_cause(error)}", events=events
                ) from None
            except errors.APIError as error:
                raise hide_in(error) from None
            finally:
                await pieces.aclose()
        if not complete:
            raise errors.StreamInterrupted(
                f"{self._host(endpoint)} ended the answer before its end mark", events=events
            )

    async def request(
        self,
        make: Make,
        take: Take[T],
        *,
        endpoint: Endpoint[Any, Any] | None = None,
        limits: Limits | None = None,
    ) -> T:
        """Send a request of one's own with the keys, the retries and the errors of all others.

        Args:
            make: builds the request, anew for every try.
            take: reads the answer, or raises the error that it is.
            endpoint: the row that it goes to; None is the object storage, where repeating does no harm.
            limits: what it may cost; without a timeout it may take as long as bytes move.

        Returns:
            What `take` made of the answer.
        """
        limits, now = limits or Limits(), settings()

        def named() -> httpx.Request:
            made = make()
            made.headers["request_id"] = request_id()
            return made

        call = Call(endpoint, named, limits, now, endpoint is None or endpoint.repeatable)

        async def taken(answer: httpx.Response) -> T:
            async with aclosing(answer):
                return await take(answer)

        return (await self._in_time(call, taken, limits.timeout))[1]

    def _call(
        self,
        endpoint: Endpoint[Any, Any],
        body: Sendable,
        path: Mapping[str, str] | None,
        limits: Limits,
        now: Settings,
        model: str,
    ) -> Call:
        content = encode(body) if endpoint.method == "POST" else b""
        lane = self._lanes.of(endpoint, body, path, model)
        call = Call(endpoint, partial(lane.request, content), limits, now, endpoint.repeatable, lane.limiter)
        if lane.limiter is not None:
            lane.limiter.allow(now)
            call.estimate = lane.limiter.estimate(len(content), body)
        return call

    async def _in_time(self, call: Call, take: Take[T], seconds: float | None) -> tuple[httpx.Response, T]:
        try:
            async with Deadline(seconds) as deadline:
                call.deadline = deadline if call.limits.patience else None
                return await self._trying(call, take)
        except TimeoutError:
            within = f"within {seconds:g} s" if seconds else "in time"
            raise errors.RequestTimeoutError(f"{self._host(call.endpoint)} did not answer {within}") from None

    async def _trying(self, call: Call, take: Take[T]) -> tuple[httpx.Response, T]:
        """Send until `take` accepts the answer; return the answer and what was taken from it."""
        renewed = False
        while True:
            call.attempts += 1
            generation = self._generation(call.plane)
            try:
                answer, taken = await self._in_turn(call, take)
            except errors.QianfanError as error:
                if not renewed and self._renew(call.plane, error, generation):
                    renewed, call.attempts = True, call.attempts - 1
                    continue
                error.attempts = call.attempts
                if not patient(call, error):
                    await self._wait_or_raise(error, call)
            else:
                self._budget.earn()
                return answer, taken

    async def _in_turn(self, call: Call, take: Take[T]) -> tuple[httpx.Response, T]:
        """Send once, when the limiter lets it, and tell the limiter how it went."""
        limiter, request = call.limiter, call.make()
        since = await call.turn() if limiter is not None else 0.0
        tell = on_wire.get() or _nobody
        tell(True)
        try:
            answer = await self._dispatch(request, call)
            taken = await take(answer)
        except (errors.QianfanError, httpx.RequestError) as error:
            tell(False)
            typed = self._typed(error, request.url)
            if limiter is not None and isinstance(typed, errors.RateLimitError):
                limiter.refused(since, typed)
            raise typed from None
        finally:
            if limiter is not None:
                limiter.give_back()
        if limiter is not None:
            limiter.answered(since, answer.headers, call.estimate, tokens_of(taken))
        return answer, taken

    async def _dispatch(self, request: httpx.Request, call: Call) -> httpx.Response:
        request.extensions |= {"timeout": _timeouts(call.now), "repeatable": call.repeatable}
        return await http.exchange(request, self._keyring.for_plane(call.plane), call.now)

    async def _wait_or_raise(self, error: Exception, call: Call) -> None:
        now, console = call.now, call.plane == "console"
        default = now.console_api_retry_count if console else now.llm_api_retry_count
        retry = Retry(attempts=call.limits.attempts or default)
        seconds = retry.wait(error, call.attempts, repeatable=call.repeatable)
        if seconds is None or not self._budget.spend(error):
            raise error from None
        await clock.sleep(seconds)

    def _renew(self, plane: Plane, error: Exception, generation: int) -> bool:
        """Drop a token that the platform no longer takes; tell whether the call may be replayed for it."""
        auth = self._keyring.for_plane(plane)
        if not isinstance(error, errors.AuthError) or not isinstance(auth, TokenAuth) or generation == 0:
            return False
        auth.expire(generation)
        return True

    def _generation(self, plane: Plane) -> int:
        auth = self._keyring.for_plane(plane)
        return auth.generation if isinstance(auth, TokenAuth) else 0

    def _host(self, endpoint: Endpoint[Any, Any] | None) -> str:
        url = self.platform.url(endpoint.plane) if endpoint else self.platform.bos_url
        return httpx.URL(url).netloc.decode("ascii")

    def _typed(self, error: errors.QianfanError | httpx.RequestError, url: httpx.URL) -> errors.QianfanError:
        """Return our own error for the network library's; ours pass through, without the keys in them."""
        if isinstance(error, errors.QianfanError):
            return hide_in(error)
        host, proxy = url.netloc.decode("ascii"), proxies.through(url, settings().proxy)
        through = f" through the proxy {proxies.shown(proxy)}" if proxy else ""
        if isinstance(error, http.Untrusted):
            return errors.TLSError(
                f"{host} cannot be reached securely{through}: {_cause(error)}\n若公司代理替换了证书，"
                "请把其 CA 文件设为 SSL_CERT_FILE / set SSL_CERT_FILE to the CA of a proxy that has its own",
                host=host,
            )
        if isinstance(error, httpx.ReadTimeout):
            return errors.RequestTimeoutError(f"{host} did not answer in time")
        if isinstance(error, (httpx.RemoteProtocolError, httpx.DecodingError)):
            return errors.UnexpectedContent(
                f"{host} answers with what is no HTTP: {_cause(error)} (返回的不是合法的 HTTP 响应)"
            )
        sent = not isinstance(
            error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.WriteError)
        )
        return errors.ConnectionFailed(
            f"{host} cannot be reached{through}: {_cause(error)}\n"
            "检查网络、代理和 base_url / check the network, the proxy and base_url",
            host=host,
            sent=sent,
        )


def _nobody(sent: bool) -> None:
    """Nobody need be told."""


def _default_timeout(endpoint: Endpoint[Any, Any], now: Settings) -> float:
    return now.console_api_retry_timeout if endpoint.plane == "console" else now.llm_api_retry_timeout


def _timeouts(now: Settings) -> dict[str, float | None]:
    silence = now.first_token_timeout
    return {"connect": now.connect_timeout, "read": silence, "write": silence, "pool": None}


def _cause(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "nothing arrived in time"
    return redact(" ".join(str(error).split())) or type(error).__name__
