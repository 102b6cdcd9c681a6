"""Upload and download of files, downloads from URLs that the platform returned, and object storage:
put, get, stat, list and delete objects.

Files are read and written in chunks, unless their bytes are asked for. URLs must be https and lead
to public addresses, downloads have size limits, and images are checked to be images.

Source: API pages of BOS (PutObject, GetObject, ListObjects).
"""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit

import httpx

from .. import errors
from ..base.language import tr
from ..base.private_files import write_atomically
from ..config import Secret, Settings, settings
from ..wire import batches as wire, storage
from . import http
from .client import CallOptions, Client, path_values
from .response import (
    MAX_REPLY_BYTES,
    PUBLIC_ONLY,
    NotPublicError,
    R,
    ReadResponse,
    Response,
    T,
    decode_response,
    iter_bytes,
    read_bytes,
    read_json,
    set_secret_url,
)

MIN_UPLOAD_BYTES_PER_S = 64 * 1024
"""An upload that is slower times out."""

CHUNK_BYTES = 256 * 1024
"""How much of a file is read and written at once."""


async def upload(
    client: Client, source: Path | bytes, *, purpose: str = "batch", filename: str = ""
) -> Response[wire.FileObject]:
    """Upload a file from disk or from memory.

    Args:
        client: of the platform.
        source: a path, or the bytes.
        purpose: the platform's `purpose` field.
        filename: default: the path's name, or `batch.jsonl`.

    Raises:
        InvalidArgumentError: the file cannot be read, is empty or is too large; nothing was sent.
        APIError: the platform refused.
    """
    name = filename or (source.name if isinstance(source, Path) else "batch.jsonl")
    with open_source(source) as (content, size):
        if not 0 < size <= wire.MAX_FILE_BYTES:
            raise errors.InvalidArgumentError(
                tr(
                    "{name} has {size:,} bytes: a file has 1 to {limit:,}",
                    name=name,
                    size=size,
                    limit=wire.MAX_FILE_BYTES,
                )
            )

        def build() -> httpx.Request:
            content.seek(0)
            part = {"file": (name, content, "application/jsonl")}
            return httpx.Request("POST", url, data={"purpose": purpose}, files=part)

        url = client.platform.endpoint_url(wire.UPLOAD, {})
        read = read_record(wire.FileObject)
        return await client.request(build, read, endpoint=wire.UPLOAD, options=upload_options(size))


async def download_content(client: Client, ref: wire.FileRef, path: Path | None = None) -> bytes:
    """Return a file's bytes, or write them to a path and return b"".

    Args:
        client: of the platform.
        ref: the file's id.
        path: the file to write; None returns the bytes.

    Raises:
        ResponseTooLarge: there are more than 64 MiB, without a path.
    """
    url = client.platform.endpoint_url(wire.CONTENT, path_values(wire.CONTENT, ref))
    return await client.request(
        lambda: httpx.Request("GET", url), read_bytes_to(path), endpoint=wire.CONTENT
    )


def upload_options(size: int) -> CallOptions:
    """Return options whose timeout suits an upload of `size` bytes."""
    return CallOptions(timeout=settings().llm_api_retry_timeout + size / MIN_UPLOAD_BYTES_PER_S)


def read_record(type_: type[R]) -> ReadResponse[Response[R]]:
    """Return a reader that reads a response as a record."""

    async def read(response: httpx.Response) -> Response[R]:
        content = await read_json(response)
        return Response(content, type_, response.status_code, response.headers)

    return read


def read_bytes_to(path: Path | None, max_bytes: int | None = None) -> ReadResponse[bytes]:
    """Return a reader that reads a response's bytes: into a file chunk by chunk, or at once without
    a path.

    Args:
        path: the file to write, in which case the reader returns b"".
        max_bytes: size limit; default: none for a file, else `MAX_REPLY_BYTES`.
    """

    async def read(response: httpx.Response) -> bytes:
        if response.status_code >= 300:
            content = await read_bytes(response)
            decode_response(response.status_code, response.headers, content)
        if path is None:
            return await read_bytes(response, max_bytes or MAX_REPLY_BYTES)
        with write_atomically(path) as file:
            async for chunk in iter_bytes(response):
                file.write(chunk)
                if max_bytes is not None and file.tell() > max_bytes:
                    raise errors.ResponseTooLarge(
                        tr(
                            "the file has more than {max_bytes:,} bytes: not saved",
                            max_bytes=max_bytes,
                        )
                    )
            _validate_size(response, file.tell())
        return b""

    return read


def _validate_size(response: httpx.Response, size: int) -> None:
    """Raise unless a file has the announced length; the length of a compressed one is not
    comparable.
    """
    length = response.headers.get("content-length", "")
    host = response.url.host
    if length.isdigit() and "content-encoding" not in response.headers and int(length) != size:
        raise errors.ConnectionFailed(
            tr(
                "{host} sent {size:,} of {length:,} bytes", host=host, size=size, length=int(length)
            ),
            host=host,
            sent=True,
        )


@contextmanager
def open_source(source: Path | bytes) -> Iterator[tuple[BinaryIO, int]]:
    """Open what is to be uploaded; yield it and its size in bytes.

    Raises:
        InvalidArgumentError: the file cannot be read.
    """
    if isinstance(source, bytes):
        yield io.BytesIO(source), len(source)
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise errors.InvalidArgumentError(
            tr("{source} cannot be read: {reason}", source=source, reason=error.strerror)
        ) from None
    with file:
        yield file, os.fstat(file.fileno()).st_size


MAX_IMAGE_BYTES = 32 * 1024 * 1024
MAX_IMAGE_PIXELS = 64_000_000
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
    secret = Secret(url)
    del url

    async def read(response: httpx.Response) -> bytes:
        if response.status_code != 200:
            raise errors.UnexpectedContent(
                tr("the picture's address answers HTTP {status}", status=response.status_code)
            )
        return await read_bytes(response, MAX_IMAGE_BYTES)

    try:
        async with asyncio.timeout(settings.llm_api_retry_timeout):
            content = await _download(secret, tr("the picture"), {trusted_host}, settings, read)
    except (httpx.HTTPError, TimeoutError) as error:
        reason = type(error).__name__
    else:
        validate_image(content)
        return content
    # here, where the URL is not in the context
    raise errors.ConnectionFailed(tr("the picture cannot be fetched: {reason}", reason=reason))


def validate_image(content: bytes) -> None:
    """Raise unless the content is a PNG, JPEG or WebP file of at most `MAX_IMAGE_PIXELS` pixels.

    Raises:
        UnexpectedContent: says which of these rules is broken.
    """
    if not content.startswith(IMAGE_SIGNATURES):
        raise errors.UnexpectedContent(tr("the picture is not a PNG, JPEG or WebP file"))
    from PIL import Image  # noqa: PLC0415 - only when there is a picture

    try:
        with Image.open(io.BytesIO(content)) as image:
            pixels = image.width * image.height
    except (OSError, ValueError, Image.DecompressionBombError):
        raise errors.UnexpectedContent(tr("the picture cannot be read")) from None
    if pixels > MAX_IMAGE_PIXELS:
        raise errors.UnexpectedContent(
            tr(
                "the picture has {pixels:,} pixels: at most {limit:,} are shown",
                pixels=pixels,
                limit=MAX_IMAGE_PIXELS,
            )
        )


async def _download(
    url: Secret,
    label: str,
    trusted_hosts: Collection[str],
    current: Settings,
    read: ReadResponse[T],
) -> T:
    """Return what `read` makes of the answer of a URL that the platform returned; whoever has such
    a URL may read what is there.

    Args:
        url: https; it may lead to public addresses only.
        label: what is at the URL, for the message.
        trusted_hosts: `host:port`s for which both rules are waived.
        current: the settings, for proxy and timeouts.
        read: reads the response.

    Raises:
        UnexpectedContent: the URL is not https, or leads to a private network.
        httpx.HTTPError: it cannot be fetched.
    """
    try:
        parts = httpx.URL(url.get_secret_value())
    except (httpx.InvalidURL, ValueError):  # half of a surrogate pair
        parts = httpx.URL()
    host = parts.netloc.decode("ascii")
    is_trusted = bool(host) and host in trusted_hosts and parts.scheme in {"http", "https"}
    if not is_trusted and (parts.scheme != "https" or not host):
        raise errors.UnexpectedContent(tr("the address of {label} is not https", label=label))
    timeouts = {"connect": current.connect_timeout, "read": current.idle_timeout}
    extensions = {PUBLIC_ONLY: not is_trusted, "timeout": timeouts}
    request = httpx.Request("GET", f"{parts.scheme}://{host}", extensions=extensions)
    set_secret_url(request, parts)
    del parts
    try:
        async with aclosing(await http.exchange(request, current)) as response:
            response.request = request
            return await read(response)
    except NotPublicError:
        raise errors.UnexpectedContent(
            tr("the address of {label} is on a private network: it is not fetched", label=label)
        ) from None


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
    platform = client.platform
    hosts = {urlsplit(address).netloc for address in (platform.console_url, platform.bos_url)}
    secret = Secret(url)
    host = urlsplit(url).netloc
    del url

    async def read(response: httpx.Response) -> bytes:
        if response.status_code != 200:
            raise errors.UnexpectedContent(
                tr(
                    "{host} answers the download with HTTP {status}: the address may have expired",
                    host=host,
                    status=response.status_code,
                )
            )
        return await read_bytes_to(path, max_bytes)(response)

    try:
        await _download(secret, tr("the download"), hosts, settings(), read)
    except (httpx.HTTPError, TimeoutError) as error:
        reason = type(error).__name__
    else:
        return
    raise errors.ConnectionFailed(
        tr("{host}: the download broke off: {reason}", host=host, reason=reason), host=host
    )


ProgressCallback = Callable[[int, int], object]
"""Called with bytes sent and bytes in all; on the I/O thread, so it must return quickly."""


async def list_objects(client: Client, bucket: str, prefix: str = "") -> list[storage.StoredObject]:
    """Return all objects of a bucket whose keys start with a prefix, in the order of their keys.

    Args:
        client: of the platform.
        bucket: the bucket's name.
        prefix: "" for all objects.

    Raises:
        UnexpectedContent: a page does not lead on.
    """
    url = _bucket_url(client, bucket)
    read = read_record(storage.ObjectList)
    params = {"maxKeys": str(storage.MAX_KEYS), "prefix": prefix}
    objects_: list[storage.StoredObject] = []
    has_more = True
    while has_more:
        page = (await client.request(partial(httpx.Request, "GET", url, params=params), read)).data
        objects_ += page.contents
        has_more = page.is_truncated
        marker = page.next_marker or (page.contents[-1].key if page.contents else "")
        if has_more and marker <= params.get("marker", ""):
            raise errors.UnexpectedContent(
                tr("the bucket's list goes round in circles at {next_marker!r}", next_marker=marker)
            )
        params = {**params, "marker": marker}
    return objects_


async def put_object(
    client: Client,
    bucket: str,
    key: str,
    source: bytes | Path,
    on_progress: ProgressCallback = lambda _sent, _size: None,
) -> None:
    """Write an object, replacing an existing one; repeating it does no harm.

    Args:
        client: of the platform.
        bucket: the bucket's name.
        key: the object's key.
        source: bytes, or the path of a file.
        on_progress: called after each chunk; it begins again where the request is repeated.

    Raises:
        InvalidArgumentError: the file cannot be read, or the key is not valid.
        APIError: the storage refused.
    """
    url = _object_url(client, bucket, key)
    with open_source(source) as (content, size):
        headers = {"content-type": "application/octet-stream", "content-length": str(size)}

        def build() -> httpx.Request:
            chunks = _iter_chunks(content, size, on_progress)
            return httpx.Request("PUT", url, content=chunks, headers=headers)

        await client.request(build, read_bytes_to(None), options=upload_options(size))


async def _iter_chunks(
    content: BinaryIO, size: int, on_progress: ProgressCallback
) -> AsyncIterator[bytes]:
    """Yield a file in chunks, so that other calls are not held up meanwhile."""
    content.seek(0)
    while chunk := content.read(CHUNK_BYTES):
        yield chunk
        on_progress(content.tell(), size)


async def get_object(
    client: Client, bucket: str, key: str, path: Path | None = None, max_bytes: int | None = None
) -> bytes:
    """Return an object's bytes, or write them to a path and return b"".

    Args:
        client: of the platform.
        bucket: the bucket's name.
        key: the object's key.
        path: the file to write; None returns the bytes.
        max_bytes: size limit; default: 64 MiB without a path, none with one.

    Raises:
        ResponseTooLarge: the object has more bytes than that.
    """
    url = _object_url(client, bucket, key)
    return await client.request(lambda: httpx.Request("GET", url), read_bytes_to(path, max_bytes))


async def stat_object(client: Client, bucket: str, key: str) -> storage.StoredObject | None:
    """Return an object's size, tag and date, None if it does not exist.

    Args:
        client: of the platform.
        bucket: the bucket's name.
        key: the object's key.
    """
    url = _object_url(client, bucket, key)

    async def read(response: httpx.Response) -> storage.StoredObject | None:
        if response.status_code == 404:
            return None
        if response.status_code >= 300:
            raise errors.APIError(
                response.status_code, f"{key} cannot be read", status=response.status_code
            )
        headers = response.headers
        return storage.StoredObject(
            key=key,
            size=int(headers.get("content-length", "0")),
            e_tag=headers.get("etag", "").strip('"'),
            last_modified=headers.get("last-modified", ""),
        )

    return await client.request(lambda: httpx.Request("HEAD", url), read)


async def delete_object(client: Client, bucket: str, key: str) -> None:
    """Delete an object.

    Args:
        client: of the platform.
        bucket: the bucket's name.
        key: the object's key.
    """
    url = _object_url(client, bucket, key)
    await client.request(lambda: httpx.Request("DELETE", url), read_bytes_to(None))


def _bucket_url(client: Client, bucket: str) -> str:
    return f"{client.platform.bos_url.rstrip('/')}/{quote(bucket, safe='')}"


def _object_url(client: Client, bucket: str, key: str) -> str:
    if not key or key.startswith("/") or {".", ".."} & set(key.split("/")):
        raise errors.InvalidArgumentError(
            tr("{key!r} is not an object's key: it would lead to another one", key=key)
        )
    return f"{_bucket_url(client, bucket)}/{quote(key)}"
