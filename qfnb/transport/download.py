"""Pictures from the network: from public https addresses only, bounded, and checked to be pictures."""

from __future__ import annotations

import asyncio
import io
import ipaddress
import socket
from contextlib import aclosing
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from .. import errors
from ..config import Settings, settings
from . import http, response_body
from .client import Client
from .file_transfer import read_bytes_to

MAX_BYTES, MAX_PIXELS = 32 * 1024 * 1024, 64_000_000
IMAGE_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")


async def download_image(url: str, settings: Settings, *, trusted_host: str) -> bytes:
    """Return the picture at an address that the platform named.

    Args:
        url: https, on a public address; the platform's own host may be anything.
        settings: the settings, for proxy and timeouts.
        trusted_host: the platform's `host:port`.

    Raises:
        UnexpectedContent: the address or what is there is not what a picture's can be.
        ConnectionFailed: it cannot be fetched.
    """
    if not trusted_host or urlsplit(url).netloc != trusted_host:
        await validate_public_url(url)
    try:
        async with asyncio.timeout(settings.llm_api_retry_timeout):
            content = await _download(url, settings)
    except (httpx.HTTPError, TimeoutError) as error:
        raise errors.ConnectionFailed(f"the picture cannot be fetched: {type(error).__name__}") from None
    validate_image(content)
    return content


def validate_image(content: bytes) -> None:
    """Refuse what is no PNG, JPEG or WebP file, or would fill the memory when it is opened.

    Raises:
        UnexpectedContent: says which.
    """
    if not content.startswith(IMAGE_SIGNATURES):
        raise errors.UnexpectedContent("a picture came that is not a PNG, JPEG or WebP file")
    from PIL import Image  # noqa: PLC0415 - only when there is a picture

    try:
        with Image.open(io.BytesIO(content)) as image:
            pixels = image.width * image.height
    except (OSError, ValueError, Image.DecompressionBombError):
        raise errors.UnexpectedContent("a picture came that cannot be read") from None
    if pixels > MAX_PIXELS:
        raise errors.UnexpectedContent(
            f"a picture came with {pixels:,} pixels: at most {MAX_PIXELS:,} are shown"
        )


async def _download(url: str, settings: Settings) -> bytes:
    async with aclosing(await http.exchange(httpx.Request("GET", url), None, settings)) as response:
        if response.status_code != 200:
            raise errors.UnexpectedContent(f"a picture's address answers with HTTP {response.status_code}")
        return await response_body.read_bytes(response, MAX_BYTES)


async def validate_public_url(url: str, label: str = "a picture") -> None:
    """Refuse an address that is not https, or leads into a private network.

    Raises:
        UnexpectedContent: says which, of what.
        ConnectionFailed: the host is not known.
    """
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise errors.UnexpectedContent(f"{label}'s address is not https")
    try:
        addresses = await asyncio.get_running_loop().getaddrinfo(
            parts.hostname, parts.port or 443, type=socket.SOCK_STREAM
        )
    except OSError:
        raise errors.ConnectionFailed(f"{parts.hostname} cannot be found", host=parts.hostname) from None
    if not all(ipaddress.ip_address(row[4][0]).is_global for row in addresses):
        raise errors.UnexpectedContent(f"{label}'s address is on a private network: it is not fetched")


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
