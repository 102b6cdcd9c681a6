"""Messages to a webhook: one POST of JSON, to https addresses and this computer only."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from .. import config, errors
from ..base.language import tr
from ..config import Secret
from . import event_loop
from .http import exchange
from .platform import is_loopback_host
from .request import set_secret_url

TIMEOUT_S: Final = 15.0


def validate_webhook(url: Secret) -> None:
    """Raise unless messages may be sent to a URL.

    Raises:
        InvalidArgumentError: the URL is neither https nor on this computer.
    """
    scheme, host = _scheme_and_host(url)
    is_allowed = scheme == "https" or (scheme == "http" and is_loopback_host(host))
    if not is_allowed or not host:
        raise errors.InvalidArgumentError(
            tr("{scheme}://{host}: a webhook is an https address", scheme=scheme, host=host)
        )


def post_webhook(url: Secret, message: Mapping[str, Any]) -> None:
    """Post a message as JSON and wait for the response.

    Raises:
        InvalidArgumentError: the URL is not allowed.
        ConnectionFailed: the message was not delivered.
    """
    validate_webhook(url)
    event_loop.run(_post_json(url, json.dumps(message, ensure_ascii=False).encode()))


async def _post_json(url: Secret, content: bytes) -> None:
    scheme, host = _scheme_and_host(url)  # the rest of the address is a secret
    request = httpx.Request(
        "POST", f"{scheme}://{host}", content=content, headers={"content-type": "application/json"}
    )
    request.headers["host"] = httpx.URL(url.get_secret_value()).netloc.decode("ascii")
    request.extensions["repeatable"] = False
    set_secret_url(request, url.get_secret_value())
    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            aclosing(await exchange(request, config.settings())) as response,
        ):
            if response.status_code >= 300:
                raise errors.ConnectionFailed(
                    tr("{host} answers with HTTP {status}", host=host, status=response.status_code),
                    host=host,
                )
            return
    except (httpx.HTTPError, TimeoutError) as error:
        reason = type(error).__name__
    raise errors.ConnectionFailed(
        tr("{host} cannot be reached: {reason}", host=host, reason=reason), host=host
    )


def _scheme_and_host(url: Secret) -> tuple[str, str]:
    parts = urlsplit(url.get_secret_value())
    return parts.scheme, parts.hostname or ""
