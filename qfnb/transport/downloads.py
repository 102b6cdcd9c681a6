"""Files from addresses that the platform names: https or its own host only, bounded, whole or not at all."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from .. import errors
from ..config import settings
from . import http
from .client import Client
from .files import bytes_to
from .pictures import refuse_private


async def fetch(client: Client, url: str, path: Path, most: int) -> None:
    """Write what is at an address to a path, which appears when all of it has arrived. No key is sent.

    Args:
        client: whose platform named the address.
        url: https, on a public address; the platform's own hosts may be anything.
        path: where to.
        most: bytes that it may have.

    Raises:
        UnexpectedContent: the address is not one to download from, or has nothing.
        ResponseTooLarge: it has more bytes than that.
        ConnectionFailed: it cannot be fetched.
    """
    own = {urlsplit(address).netloc for address in (client.platform.console_url, client.platform.bos_url)}
    if urlsplit(url).netloc not in own or not url.startswith(("http://", "https://")):
        await refuse_private(url, "a download")
    now, host = settings(), urlsplit(url).netloc
    timeouts = {"connect": now.connect_timeout, "read": now.idle_timeout, "write": 60.0, "pool": None}
    request = httpx.Request("GET", url, extensions={"timeout": timeouts})
    try:
        async with aclosing(await http.exchange(request, None, now)) as answer:
            answer.request = request
            if answer.status_code != 200:
                raise errors.UnexpectedContent(
                    f"{host} answers a download with HTTP {answer.status_code} (下载地址已失效?)"
                )
            await bytes_to(path, most)(answer)
    except (httpx.HTTPError, TimeoutError) as error:
        raise errors.ConnectionFailed(
            f"{host}: the download broke off: {type(error).__name__}", host=host
        ) from None
