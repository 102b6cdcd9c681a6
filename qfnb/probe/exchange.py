"""Requests of the probe and what came back: status, headers and body as received, errors
included.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import httpx

from ..config import Credentials, settings
from ..errors import APIError, QianfanError
from ..redact import redact
from ..transport import http, sse
from ..transport.client import CallOptions, Client
from ..transport.protocol import build_api_error
from ..transport.response import read_bytes
from ..wire.endpoints import Endpoint

WRONG_KEY = "bce-v3/ALTAK-qfnbprobe/0000000000000000000000000000000000000000"
"""A key that nobody has."""

TIMEOUT_S = 180.0


@dataclass(frozen=True)
class Request:
    """One request.

    Attributes:
        endpoint: the row; decides host, method and kind of key.
        body: the JSON body, a GET's as the query.
        path: in place of the row's path.
        key: whether it goes out with the user's key, a wrong one, or none.
        files: fields of a form with a file, in place of a JSON body.
        lines: what a batch asks: the body of a line, and how many there are.
        delay_s: seconds to wait before it is sent.
    """

    endpoint: Endpoint[Any, Any]
    body: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""
    key: Literal["own", "wrong", "none"] = "own"
    files: Mapping[str, Any] | None = None
    lines: tuple[Mapping[str, Any], int] | None = None
    delay_s: float = 0.0

    @property
    def target(self) -> str:
        """The path, with the action of the management plane."""
        action = f"?Action={self.endpoint.action}" if self.endpoint.action else ""
        return (self.path or self.endpoint.path) + action

    @property
    def label(self) -> str:
        """Method, path and model, for lists."""
        model = f" ({self.body['model']})" if self.body.get("model") else ""
        key = "" if self.key == "own" else f" [key: {self.key}]"
        return f"{self.endpoint.method} {self.target}{model}{key}"


@dataclass(frozen=True)
class Exchange:
    """A request and its answer; one that did not arrive has status 0 and an error."""

    request: Request
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = field(default=b"", repr=False)
    error: str = ""

    @property
    def is_success(self) -> bool:
        """Whether it was answered, and not refused."""
        return 200 <= self.status < 300

    @cached_property
    def body(self) -> dict[str, Any]:
        """The JSON object; {} for what is none."""
        try:
            value = json.loads(self.content)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The JSON objects of a stream, each with its event's name as `_event`; [] for another
        answer.
        """
        if "event-stream" not in self.headers.get("content-type", ""):
            return []
        events = []
        for event in sse.EventParser().feed(self.content + b"\n\n"):
            try:
                value = json.loads(event.data)
            except ValueError:
                continue
            if isinstance(value, dict):
                events.append({**value, "_event": event.name} if event.name else value)
        return events

    @staticmethod
    def json_line(value: Mapping[str, Any]) -> bytes:
        """Return an object as a line of a JSONL file."""
        return json.dumps(value, ensure_ascii=False).encode() + b"\n"

    @property
    def refusal(self) -> str:
        """Status and code of a refusal, e.g. "401 invalid_model"; what happened, if nothing came
        back.
        """
        if not self.status:
            return self.error or "no answer"
        error = self.body.get("error")
        code = error.get("code") if isinstance(error, Mapping) else error or self.body.get("code")
        return f"{self.status} {code or self.body.get('error_code') or ''}".strip()


Send = Callable[[Request], Coroutine[Any, Any, Exchange]]


def sender(client: Client) -> Send:
    """Return a function that sends requests to a client's platform and never raises for what comes
    back.
    """
    wrong = Client(replace(client.platform, credentials=Credentials.of({"api_key": WRONG_KEY})))

    async def send(request: Request) -> Exchange:
        try:
            if request.key == "none":
                return await _read(
                    request, await http.exchange(_build(client, request), settings())
                )
            chosen = wrong if request.key == "wrong" else client
            return await chosen.request(
                lambda: _build(client, request),
                lambda response: _read(request, response),
                endpoint=request.endpoint,
                options=CallOptions(timeout=TIMEOUT_S),
            )
        except APIError as error:  # only for too many requests: those were repeated
            return Exchange(request, error.status, error=str(error))
        except (QianfanError, httpx.RequestError) as error:
            return Exchange(
                request, error=redact(f"{type(error).__name__}: {error}".splitlines()[0])
            )

    return send


def _build(client: Client, request: Request) -> httpx.Request:
    platform = client.platform
    endpoint = request.endpoint
    path = request.path or endpoint.path
    url = platform.base_url_of(endpoint.plane) + (
        path.removeprefix("/v2") if platform.openai else path
    )
    query = {"Action": endpoint.action} if endpoint.action else {}
    if endpoint.method == "GET":
        query |= {name: str(value) for name, value in request.body.items()}
    if request.files is not None:
        return httpx.Request(
            endpoint.method, url, params=query, data=dict(request.body), files=dict(request.files)
        )
    content = (
        json.dumps(request.body, ensure_ascii=False).encode() if endpoint.method == "POST" else b""
    )
    headers = {"content-type": "application/json", **endpoint.headers}
    return httpx.Request(endpoint.method, url, params=query, content=content, headers=headers)


async def _read(request: Request, response: httpx.Response) -> Exchange:
    content = await read_bytes(response)
    headers = {name.lower(): value for name, value in response.headers.items()}
    if response.status_code == 429:
        raise build_api_error("rate_limit", "too many requests", status=429, headers=headers)
    return Exchange(request, response.status_code, headers, content)
