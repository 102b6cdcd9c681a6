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
from .file_transfer import read_bytes_to
from .image_download import validate_public_url


async def download_file(client: Client, url: str, path: Path, max_bytes: int) -> None:
    """Write what is at an address to a path, which appears when all of it has arrived. No key is sent.

    Args:
        client: whose platform named the address.
        url: https, on a public address; the platform's own hosts may be anything.
        path: where to.
        max_bytes: bytes that it may have.

    Raises:
        UnexpectedContent: the address is not one to download from, or has nothing.
        ResponseTooLarge: it has more bytes than that.
        ConnectionFailed: it cannot be fetched.
    """
    platform_hosts = {
        urlsplit(address).netloc for address in (client.platform.console_url, client.platform.bos_url)
    }
    if urlsplit(url).netloc not in platform_hosts or not url.startswith(("http://", "https://")):
        await validate_public_url(url, "a download")
    current, host = settings(), urlsplit(url).netloc
    timeouts = {"connect": current.connect_timeout, "read": current.idle_timeout, "write": 60.0, "pool": None}
    request = httpx.Request("GET", url, extensions={"timeout": timeouts})
    try:
        async with aclosing(await http.exchange(request, None, current)) as response:
            response.request = request
            if response.status_code != 200:
                raise errors.UnexpectedContent(
                    f"{host} answers a download with HTTP {response.status_code} (下载地址已失效?)"
                )
            await read_bytes_to(path, max_bytes)(response)
    except (httpx.HTTPError, TimeoutError) as error:
        raise errors.ConnectionFailed(
            f"{host}: the download broke off: {type(error).__name__}", host=host
        ) from None
