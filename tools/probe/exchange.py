"""Requests of the probe and their answers: status, headers and body as received, errors too."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import httpx

from qfnb.config import Credentials, settings
from qfnb.errors import APIError, QianfanError
from qfnb.redact import redact
from qfnb.transport import event_loop, http, response
from qfnb.transport.client import CallOptions, Client
from qfnb.transport.response import build_api_error, read_bytes
from qfnb.wire.endpoints import Endpoint

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
    """

    endpoint: Endpoint[Any, Any]
    body: Mapping[str, Any] = field(default_factory=dict)
    path: str = ""
    key: Literal["own", "wrong", "none"] = "own"

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
        return parse_object(self.content)

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The JSON objects of a stream, each with its event's name as `_event`."""
        if "event-stream" not in self.headers.get("content-type", ""):
            return []
        events = response.EventParser().feed(self.content + b"\n\n")
        values = [(event.name, parse_object(event.data)) for event in events]
        return [{**value, "_event": name} if name else value for name, value in values if value]

    @property
    def refusal(self) -> str:
        """Status and code of a refusal, e.g. "401 invalid_model", or why nothing came back."""
        if not self.status:
            return self.error or "no answer"
        error = self.body.get("error")
        code = error.get("code") if isinstance(error, Mapping) else error or self.body.get("code")
        return f"{self.status} {code or self.body.get('error_code') or ''}".strip()


Ask = Callable[[Request], Exchange]
"""Sends one request; it never raises for what comes back."""


def parse_object(text: bytes | str) -> dict[str, Any]:
    """Return the JSON object in a text, {} for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def create_ask(client: Client) -> Ask:
    """Return a function that asks a client's platform."""
    wrong = Client(replace(client.platform, credentials=Credentials.of({"api_key": WRONG_KEY})))

    async def send(request: Request) -> Exchange:
        if request.key == "none":
            return await _read(request, await http.exchange(_build(client, request), settings()))
        return await (wrong if request.key == "wrong" else client).request(
            lambda: _build(client, request),
            lambda response: _read(request, response),
            endpoint=request.endpoint,
            options=CallOptions(timeout=TIMEOUT_S),
        )

    def ask(request: Request) -> Exchange:
        try:
            return event_loop.run(send(request))
        except APIError as error:  # only for too many requests: those were repeated
            return Exchange(request, error.status, error=str(error))
        except (QianfanError, httpx.RequestError) as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            return Exchange(request, error=redact(reason))

    return ask


def _build(client: Client, request: Request) -> httpx.Request:
    platform = client.platform
    endpoint = request.endpoint
    path = request.path or endpoint.path
    if platform.openai:
        path = path.removeprefix("/v2")
    url = platform.base_url_of(endpoint.plane) + path
    query = {"Action": endpoint.action} if endpoint.action else {}
    if endpoint.method == "GET":
        query |= {name: str(value) for name, value in request.body.items()}
    content = b""
    if endpoint.method == "POST":
        content = json.dumps(request.body, ensure_ascii=False).encode()
    headers = {"content-type": "application/json", **endpoint.headers}
    return httpx.Request(endpoint.method, url, params=query, content=content, headers=headers)


async def _read(request: Request, response: httpx.Response) -> Exchange:
    content = await read_bytes(response)
    headers = {name.lower(): value for name, value in response.headers.items()}
    if response.status_code == 429:
        raise build_api_error("rate_limit", "too many requests", status=429, headers=headers)
    return Exchange(request, response.status_code, headers, content)
