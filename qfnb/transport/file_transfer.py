"""Upload and download of files, downloads from URLs that the platform returned, and object storage:
put, get, stat, list and delete objects; large ones are uploaded in concurrent parts.

Files are read and written in chunks, unless their bytes are asked for. URLs must be https and lead
to public addresses, downloads have size limits, and images are checked to be images.

Source: API pages of BOS (PutObject, InitiateMultipartUpload, UploadPart, CompleteMultipartUpload).
"""

import asyncio
import contextlib
import io
import os
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
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
from .client import CallOptions, Client, encode_json, path_values
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
            if not isinstance(content, bytes):
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
def open_source(source: Path | bytes) -> Iterator[tuple[BinaryIO | bytes, int]]:
    """Open a file to upload, or take its bytes; yield content and size in bytes.

    Raises:
        InvalidArgumentError: the file cannot be read.
    """
    if isinstance(source, bytes):
        yield source, len(source)
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
    except (_BrokenDownload, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise errors.ConnectionFailed(
            tr("the picture cannot be fetched: {reason}", reason=reason)
        ) from None
    validate_image(content)
    return content


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


class _BrokenDownload(Exception):
    """A download failed; the text is the class of the network's error."""


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
        _BrokenDownload: it cannot be fetched.
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
    except (httpx.HTTPError, TimeoutError) as error:
        reason = type(error).__name__
    raise _BrokenDownload(reason)


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
    except _BrokenDownload as error:
        raise errors.ConnectionFailed(
            tr("{host}: the download broke off: {reason}", host=host, reason=error), host=host
        ) from None


MAX_SINGLE_UPLOAD_BYTES = 16 * 1024 * 1024
"""A larger object is uploaded in parts."""

PART_BYTES = 8 * 1024 * 1024
"""Size of one part; larger when there would be too many parts."""

MAX_CONCURRENT_PARTS = 4

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
    params = {"maxKeys": str(storage.MAX_KEYS)} | ({"prefix": prefix} if prefix else {})
    objects_: list[storage.StoredObject] = []
    marker = ""
    has_more = True
    while has_more:
        build = partial(
            httpx.Request, "GET", url, params=params | ({"marker": marker} if marker else {})
        )
        page = (await client.request(build, read)).data
        objects_ += page.contents
        next_marker = page.next_marker or (page.contents[-1].key if page.contents else "")
        if page.is_truncated and next_marker <= marker:
            raise errors.UnexpectedContent(
                tr(
                    "the bucket's list goes round in circles at {next_marker!r}",
                    next_marker=next_marker,
                )
            )
        has_more = page.is_truncated
        marker = next_marker
    return objects_


async def put_object(
    client: Client,
    bucket: str,
    key: str,
    source: bytes | Path,
    on_progress: ProgressCallback | None = None,
) -> None:
    """Write an object, replacing an existing one; repeating it does no harm.

    Args:
        client: of the platform.
        bucket: the bucket's name.
        key: the object's key.
        source: bytes, or the path of a file.
        on_progress: called after each request.

    Raises:
        InvalidArgumentError: the file cannot be read, or the key is not valid.
        APIError: the storage refused; parts that were uploaded are deleted.
    """
    url = _object_url(client, bucket, key)
    with open_source(source) as (content, size):
        upload = _ObjectUpload(client, url, content, size, on_progress)
        await (upload.send_whole() if size <= MAX_SINGLE_UPLOAD_BYTES else upload.send_in_parts())


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
        size = headers.get("content-length", "0")
        modified = headers.get("last-modified", "")
        return storage.StoredObject(
            key=key, size=int(size), e_tag=_parse_etag(response), last_modified=modified
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


class _ObjectUpload:
    """The upload of one object."""

    def __init__(
        self,
        client: Client,
        url: str,
        content: BinaryIO | bytes,
        size: int,
        on_progress: ProgressCallback | None,
    ) -> None:
        self._client = client
        self._url = url
        self._content = content
        self._size = size
        self._on_progress = on_progress
        self._sent_bytes = 0

    async def send_whole(self) -> None:
        """Send the object in one request."""
        await self._client.request(
            lambda: self._put(0, self._size, {}),
            read_bytes_to(None),
            options=upload_options(self._size),
        )
        self._advance(self._size)

    async def send_in_parts(self) -> None:
        """Send the object in parts; on an error or when cancelled, the parts sent so far are
        deleted.
        """
        read = read_record(storage.MultipartUpload)
        upload_id = (
            await self._client.request(lambda: self._post({"uploads": ""}), read)
        ).data.upload_id
        part_bytes = max(PART_BYTES, -(-self._size // storage.MAX_PARTS))
        offsets = range(0, self._size, part_bytes)
        semaphore = asyncio.Semaphore(MAX_CONCURRENT_PARTS)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(
                        self._send_part(upload_id, number, start, part_bytes, semaphore)
                    )
                    for number, start in enumerate(offsets, 1)
                ]
            parts = encode_json(storage.CompleteUpload(parts=[task.result() for task in tasks]))
            query = {"uploadId": upload_id}
            await self._client.request(
                lambda: self._post(query, parts), read_record(storage.CompletedUpload)
            )
        except BaseException as error:
            await asyncio.shield(self._abort(upload_id))
            if isinstance(error, BaseExceptionGroup):
                raise error.exceptions[0] from None
            raise

    async def _send_part(
        self, upload_id: str, number: int, start: int, size: int, semaphore: asyncio.Semaphore
    ) -> storage.UploadedPart:
        size = min(size, self._size - start)
        query = {"partNumber": str(number), "uploadId": upload_id}

        async def read_etag(response: httpx.Response) -> str:
            await read_bytes_to(None)(response)
            return _parse_etag(response)

        async with semaphore:
            e_tag = await self._client.request(
                lambda: self._put(start, size, query), read_etag, options=upload_options(size)
            )
        self._advance(size)
        return storage.UploadedPart(part_number=number, e_tag=e_tag)

    async def _abort(self, upload_id: str) -> None:
        query = {"uploadId": upload_id}
        with contextlib.suppress(errors.QianfanError):
            await self._client.request(
                lambda: httpx.Request("DELETE", self._url, params=query), read_bytes_to(None)
            )

    def _put(self, start: int, size: int, query: Mapping[str, str]) -> httpx.Request:
        headers = {"content-type": "application/octet-stream", "content-length": str(size)}
        content = _iter_chunks(self._content, start, size)
        return httpx.Request(
            "PUT", self._url, params=query or None, content=content, headers=headers
        )

    def _post(self, query: Mapping[str, str], content: bytes = b"") -> httpx.Request:
        headers = {"content-type": "application/json", "content-length": str(len(content))}
        return httpx.Request("POST", self._url, params=query, content=content, headers=headers)

    def _advance(self, size: int) -> None:
        self._sent_bytes += size
        if self._on_progress is not None:
            self._on_progress(self._sent_bytes, self._size)


async def _iter_chunks(content: BinaryIO | bytes, start: int, size: int) -> AsyncIterator[bytes]:
    """Yield bytes in chunks, so that other calls are not held up meanwhile."""
    for offset in range(start, start + size, CHUNK_BYTES):
        length = min(CHUNK_BYTES, start + size - offset)
        if isinstance(content, bytes):
            yield content[offset : offset + length]
        else:  # concurrent parts share the file
            content.seek(offset)
            yield content.read(length)


def _parse_etag(response: httpx.Response) -> str:
    return str(response.headers.get("etag", "")).strip('"')


def _bucket_url(client: Client, bucket: str) -> str:
    return f"{client.platform.bos_url.rstrip('/')}/{quote(bucket, safe='')}"


def _object_url(client: Client, bucket: str, key: str) -> str:
    if not key or key.startswith("/") or {".", ".."} & set(key.split("/")):
        raise errors.InvalidArgumentError(
            tr("{key!r} is not an object's key: it would lead to another one", key=key)
        )
    return f"{_bucket_url(client, bucket)}/{quote(key)}"
