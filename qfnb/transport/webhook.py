"""Post a message to an address of the user's own: https, or http on this computer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from .. import config, errors
from . import http, portal
from .platform import is_loopback_host

SECONDS: Final = 15.0


def check(address: str) -> None:
    """Refuse an address that a message must not go to.

    Raises:
        InvalidArgumentError: it is neither https nor on this computer.
    """
    parts = urlsplit(address)
    allowed = parts.scheme == "https" or (parts.scheme == "http" and is_loopback_host(parts.hostname or ""))
    if not allowed or not parts.hostname:
        raise errors.InvalidArgumentError(
            f"{parts.scheme}://{parts.hostname or ''}: a webhook is an https address (须为 https 地址)"
        )


def post(address: str, message: Mapping[str, Any]) -> None:
    """Post a message as JSON and wait until it was taken.

    Raises:
        InvalidArgumentError: the address is not allowed.
        ConnectionFailed: it was not taken.
    """
    check(address)
    portal.run(_post(address, json.dumps(message, ensure_ascii=False).encode()))


async def _post(address: str, content: bytes) -> None:
    host = urlsplit(address).hostname or ""  # the rest of the address may be a secret
    request = httpx.Request("POST", address, content=content, headers={"content-type": "application/json"})
    try:
        async with (
            asyncio.timeout(SECONDS),
            aclosing(await http.exchange(request, None, config.settings())) as answer,
        ):
            if answer.status_code >= 300:
                raise errors.ConnectionFailed(f"{host} answers with HTTP {answer.status_code}", host=host)
    except (httpx.HTTPError, TimeoutError) as error:
        raise errors.ConnectionFailed(
            f"{host} cannot be reached: {type(error).__name__}", host=host
        ) from None
