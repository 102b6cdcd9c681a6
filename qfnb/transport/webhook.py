"""Messages to a webhook: one POST of JSON, to https addresses and this computer only."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from .. import config, errors
from . import event_loop
from .http import exchange
from .platform import is_loopback_host

TIMEOUT_S: Final = 15.0


def validate_webhook(url: str) -> None:
    """Raise unless messages may be sent to a URL.

    Raises:
        InvalidArgumentError: the URL is neither https nor on this computer.
    """
    parts = urlsplit(url)
    is_allowed = parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(parts.hostname or ""))
    if not is_allowed or not parts.hostname:
        raise errors.InvalidArgumentError(
            f"{parts.scheme}://{parts.hostname or ''}: a webhook is an https address (须为 https 地址)"
        )


def post_webhook(url: str, message: Mapping[str, Any]) -> None:
    """Post a message as JSON and wait for the response.

    Raises:
        InvalidArgumentError: the URL is not allowed.
        ConnectionFailed: the message was not delivered.
    """
    validate_webhook(url)
    event_loop.run(_post_json(url, json.dumps(message, ensure_ascii=False).encode()))


async def _post_json(url: str, content: bytes) -> None:
    host = urlsplit(url).hostname or ""  # the rest of the address may be a secret
    request = httpx.Request("POST", url, content=content, headers={"content-type": "application/json"})
    try:
        async with asyncio.timeout(TIMEOUT_S), aclosing(await exchange(request, config.settings())) as response:
            if response.status_code >= 300:
                raise errors.ConnectionFailed(f"{host} answers with HTTP {response.status_code}", host=host)
    except (httpx.HTTPError, TimeoutError) as error:
        raise errors.ConnectionFailed(f"{host} cannot be reached: {type(error).__name__}", host=host) from None
