"""The only place that talks to the network: records out, replies in, errors typed."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from .. import errors
from ..config import Settings, settings
from ..wire.base import Endpoint, Record
from . import clock, http, protocol, reading
from .auth import Keyring, TokenAuth, sign
from .platform import Platform
from .redact import redact
from .response import R, Response
from .retry import Budget, Retry

T = TypeVar("T")


@dataclass(frozen=True)
class Limits:
    """What one call may cost: seconds in all (`None`: no end), and tries."""

    timeout: float | None = None
    attempts: int | None = None


@dataclass(frozen=True)
class _Call:
    """One record on its way."""

    endpoint: Endpoint[Any, Any]
    body: Record
    path: Mapping[str, str]
    limits: Limits
    now: Settings
    repeatable: bool


class Client:
    """Sends records to the endpoints of one platform; its coroutines run on the I/O loop only."""

    def __init__(self, platform: Platform, *, http_client: httpx.AsyncClient | None = None) -> None:
        self.platform = platform
        self._keyring = Keyring(platform)
        self._budget = Budget()
        self._http = http_client

    async def send(
        self,
        endpoint: Endpoint[Any, R],
        body: Record,
        *,
        limits: Limits | None = None,
        path: Mapping[str, str] | None = None,
    ) -> Response[R]:
        """Send one record and wait for the answer.

        Raises:
            APIError: the platform refused.
            RequestError: nothing usable came back.
            CredentialsError: no key opens this plane.
        """
        limits, now = limits or Limits(), settings()
        started = time.perf_counter()
        seconds = limits.timeout or _default_timeout(endpoint, now)
        try:
            async with asyncio.timeout(seconds):
                call = _Call(endpoint, body, path or {}, limits, now, endpoint.repeatable)
                answer, content = await self._trying(call, reading.content)
        except TimeoutError:
            raise errors.RequestTimeoutError(
                f"{self._host(endpoint)} did not answer within {seconds:g} s"
            ) from None
        unwrap = "result" if endpoint.plane == "console" else None
        latency = time.perf_counter() - started
        statistic = {"request_latency": latency, "total_latency": latency}
        return Response(content, endpoint.result, answer.status_code, answer.headers, statistic, unwrap)

    async def stream(
        self,
        endpoint: Endpoint[Any, R],
        body: Record,
        *,
        final: Callable[[Mapping[str, Any]], bool],
        limits: Limits | None = None,
        path: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[Response[R], None]:
        """Send one record and yield the answer piece by piece, as it comes.

        Only opening is retried. The stream is complete when the server says [DONE] or a piece is `final`.

        Raises:
            StreamInterrupted: the connection broke, ended or went silent before that.
        """
        limits, now = limits or Limits(), settings()
        started, events = time.perf_counter(), 0
        until = started + limits.timeout if limits.timeout else None
        call = _Call(endpoint, body, path or {}, limits, now, repeatable=True)
        answer, _ = await self._trying(call, reading.refuse_non_stream)
        async with aclosing(answer):
            pieces, complete = reading.events(answer, now, until), False
            try:
                async for piece in pieces:
                    if piece is reading.DONE:
                        return
                    events, complete = events + 1, complete or final(piece)
                    statistic = {"request_latency": time.perf_counter() - started}
                    yield Response(piece, endpoint.result, answer.status_code, answer.headers, statistic)
            except (httpx.TransportError, TimeoutError, errors.RequestTimeoutError) as error:
                raise errors.StreamInterrupted(
                    f"{self._host(endpoint)} stopped in mid-answer: {_cause(error)}", events=events
                ) from None
            finally:
                await pieces.aclose()
        if not complete:
            raise errors.StreamInterrupted(
                f"{self._host(endpoint)} ended the answer before its end mark", events=events
            )

    async def put_object(self, bucket: str, key: str, content: bytes) -> None:
        """Upload one object to the platform's storage; sending it twice does no harm."""
        now = settings()
        url = f"{self.platform.bos_url.rstrip('/')}/{bucket}/{key}"
        for attempt in range(1, now.console_api_retry_count + 1):
            request = httpx.Request(
                "PUT",
                url,
                content=content,
                headers={"content-type": "application/octet-stream"},
                extensions={"timeout": _timeouts(now, now.llm_api_retry_timeout)},
            )
            sign(request, self.platform)
            try:
                answer = await self._connection(url, now).send(request)
                if answer.status_code >= 300:
                    protocol.decipher(max(answer.status_code, 400), answer.headers, answer.content)
            except (httpx.TransportError, errors.APIError) as error:
                await self._wait_or_raise(self._typed(error, url), attempt, Limits(), now, repeatable=True)
            else:
                return

    async def _trying(
        self, call: _Call, take: Callable[[httpx.Response], Awaitable[T]]
    ) -> tuple[httpx.Response, T]:
        """Send until `take` accepts the answer; return the answer and what was taken from it."""
        attempt, renewed, url = 0, False, self.platform.address(call.endpoint, call.path)
        while True:
            attempt += 1
            generation = self._generation(call.endpoint)
            try:
                answer = await self._post(call, url)
                taken = await take(answer)
            except (errors.QianfanError, httpx.TransportError) as error:
                typed = self._typed(error, url)
                if not renewed and self._renew(call.endpoint, typed, generation):
                    renewed, attempt = True, attempt - 1
                    continue
                await self._wait_or_raise(
                    typed, attempt, call.limits, call.now, repeatable=call.repeatable, of=call.endpoint
                )
            else:
                self._budget.earn()
                return answer, taken

    async def _post(self, call: _Call, url: str) -> httpx.Response:
        endpoint, now = call.endpoint, call.now
        request = httpx.Request(
            endpoint.method,
            url,
            params={"Action": endpoint.action} if endpoint.action else None,
            content=None if endpoint.method == "GET" else _encode(call.body),
            headers={"content-type": "application/json", "request_id": f"qfnb-{uuid.uuid4().hex[:16]}"},
            extensions={"timeout": _timeouts(now, now.first_token_timeout)},
        )
        auth = self._keyring.for_plane(endpoint.plane)
        return await self._connection(url, now).send(request, auth=auth, stream=True)

    async def _wait_or_raise(
        self,
        error: Exception,
        attempt: int,
        limits: Limits,
        now: Settings,
        *,
        repeatable: bool,
        of: Endpoint[Any, Any] | None = None,
    ) -> None:
        console = of is None or of.plane == "console"
        default = now.console_api_retry_count if console else now.llm_api_retry_count
        retry = Retry(attempts=limits.attempts or default)
        seconds = retry.wait(error, attempt, repeatable=repeatable)
        if seconds is None or not self._budget.spend(error):
            raise error from None
        await clock.sleep(seconds)

    def _renew(self, endpoint: Endpoint[Any, Any], error: Exception, generation: int) -> bool:
        """Drop a token that the platform no longer takes; tell whether the call may be replayed for it."""
        auth = self._keyring.for_plane(endpoint.plane)
        if not isinstance(error, errors.AuthError) or not isinstance(auth, TokenAuth) or generation == 0:
            return False
        auth.expire(generation)
        return True

    def _generation(self, endpoint: Endpoint[Any, Any]) -> int:
        auth = self._keyring.for_plane(endpoint.plane)
        return auth.generation if isinstance(auth, TokenAuth) else 0

    def _connection(self, url: str, now: Settings) -> httpx.AsyncClient:
        return self._http or http.connection(url, proxy=now.proxy, verify=now.ssl_verification_enabled)

    def _host(self, endpoint: Endpoint[Any, Any]) -> str:
        return httpx.URL(self.platform.url(endpoint.plane)).netloc.decode("ascii")

    def _typed(self, error: Exception, url: str) -> Exception:
        """Return our own error for the network library's; ours pass through."""
        if not isinstance(error, httpx.TransportError):
            return error
        host = httpx.URL(url).netloc.decode("ascii")
        if isinstance(error, httpx.ReadTimeout):
            return errors.RequestTimeoutError(f"{host} did not answer in time")
        sent = not isinstance(error, (httpx.ConnectError, httpx.ProxyError))
        return errors.ConnectionFailed(
            f"{host} cannot be reached: {_cause(error)}\n"
            "检查网络、代理和 base_url / check the network, the proxy and base_url",
            host=host,
            sent=sent,
        )


def _default_timeout(endpoint: Endpoint[Any, Any], now: Settings) -> float:
    return now.console_api_retry_timeout if endpoint.plane == "console" else now.llm_api_retry_timeout


def _timeouts(now: Settings, read: float) -> dict[str, float | None]:
    return {"connect": now.connect_timeout, "read": read, "write": read, "pool": None}


def _encode(body: Record) -> bytes:
    try:
        return json.dumps(body.to_wire(), ensure_ascii=False, allow_nan=False).encode()
    except (UnicodeEncodeError, ValueError) as error:
        raise errors.InvalidArgumentError(
            f"the request cannot be written as JSON: {type(error).__name__} "
            "(文本含非法字符或 NaN / a lone surrogate or NaN in it)"
        ) from None


def _cause(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "nothing arrived in time"
    return redact(str(error)) or type(error).__name__
