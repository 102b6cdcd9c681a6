"""Downloads from URLs that the platform returned: public https addresses only, with a size limit.

Images are also checked to be images.
"""

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
    """Return the bytes of the image at a URL that the platform returned.

    Args:
        url: https and a public address; both rules are waived for `trusted_host`.
        settings: for proxy and timeouts.
        trusted_host: the platform's own `host:port`.

    Raises:
        UnexpectedContent: the URL is not allowed, or its content is not an image.
        ConnectionFailed: the image cannot be fetched.
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
    """Raise unless the content is a PNG, JPEG or WebP file of at most `MAX_PIXELS` pixels.

    Raises:
        UnexpectedContent: says which of these rules is broken.
    """
    if not content.startswith(IMAGE_SIGNATURES):
        raise errors.UnexpectedContent("the picture is not a PNG, JPEG or WebP file")
    from PIL import Image  # noqa: PLC0415 - only when there is a picture

    try:
        with Image.open(io.BytesIO(content)) as image:
            pixels = image.width * image.height
    except (OSError, ValueError, Image.DecompressionBombError):
        raise errors.UnexpectedContent("the picture cannot be read") from None
    if pixels > MAX_PIXELS:
        raise errors.UnexpectedContent(f"the picture has {pixels:,} pixels: at most {MAX_PIXELS:,} are shown")


async def _download(url: str, settings: Settings) -> bytes:
    async with aclosing(await http.exchange(httpx.Request("GET", url), None, settings)) as response:
        if response.status_code != 200:
            raise errors.UnexpectedContent(f"the picture's address answers HTTP {response.status_code}")
        return await response_body.read_bytes(response, MAX_BYTES)


async def validate_public_url(url: str, label: str = "the picture") -> None:
    """Raise unless a URL is https and leads to a public address.

    Args:
        url: of a picture or a file.
        label: what is at the URL, for the message.

    Raises:
        UnexpectedContent: says which rule is broken.
        ConnectionFailed: the host cannot be resolved.
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
    """Download a URL to a file, which appears only once it is complete. No key is sent.

    Args:
        client: of the platform that returned the URL.
        url: https and a public address; both rules are waived for the platform's own hosts.
        path: the file to write.
        max_bytes: size limit.

    Raises:
        UnexpectedContent: the URL is not allowed, or does not answer with HTTP 200.
        ResponseTooLarge: there are more bytes than `max_bytes`.
        ConnectionFailed: the file cannot be fetched.
    """
    platform_hosts = {
        urlsplit(address).netloc for address in (client.platform.console_url, client.platform.bos_url)
    }
    if urlsplit(url).netloc not in platform_hosts or not url.startswith(("http://", "https://")):
        await validate_public_url(url, "the download")
    current, host = settings(), urlsplit(url).netloc
    timeouts = {"connect": current.connect_timeout, "read": current.idle_timeout, "write": 60.0, "pool": None}
    request = httpx.Request("GET", url, extensions={"timeout": timeouts})
    try:
        async with aclosing(await http.exchange(request, None, current)) as response:
            response.request = request
            if response.status_code != 200:
                raise errors.UnexpectedContent(
                    f"{host} answers the download with HTTP {response.status_code} (下载地址已失效?)"
                )
            await read_bytes_to(path, max_bytes)(response)
    except (httpx.HTTPError, TimeoutError) as error:
        raise errors.ConnectionFailed(
            f"{host}: the download broke off: {type(error).__name__}", host=host
        ) from None
