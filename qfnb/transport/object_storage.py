"""Object storage: put, get, stat, list and delete objects; large ones are uploaded in concurrent
parts.

Source: API pages of BOS (PutObject, InitiateMultipartUpload, UploadPart, CompleteMultipartUpload).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import httpx

from .. import errors
from ..base.language import tr
from ..wire import storage as wire
from .client import Client
from .file_transfer import CHUNK_BYTES, open_source, read_bytes_to, read_record, upload_options
from .request import encode_json

MAX_SINGLE_UPLOAD_BYTES = 16 * 1024 * 1024
"""A larger object is uploaded in parts."""

PART_BYTES = 8 * 1024 * 1024
"""Size of one part; larger when there would be too many parts."""

MAX_CONCURRENT_PARTS = 4

ProgressCallback = Callable[[int, int], object]
"""Called with bytes sent and bytes in all; on the I/O thread, so it must return quickly."""


async def list_objects(client: Client, bucket: str, prefix: str = "") -> list[wire.StoredObject]:
    """Return all objects of a bucket whose keys start with a prefix, in the order of their keys.

    Args:
        client: of the platform.
        bucket: the bucket's name.
        prefix: "" for all objects.

    Raises:
        UnexpectedContent: a page does not lead on.
    """
    url = _bucket_url(client, bucket)
    read = read_record(wire.ObjectList)
    params = {"maxKeys": str(wire.MAX_KEYS)} | ({"prefix": prefix} if prefix else {})
    objects_: list[wire.StoredObject] = []
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


async def stat_object(client: Client, bucket: str, key: str) -> wire.StoredObject | None:
    """Return an object's size, tag and date, None if it does not exist.

    Args:
        client: of the platform.
        bucket: the bucket's name.
        key: the object's key.
    """
    url = _object_url(client, bucket, key)

    async def read(response: httpx.Response) -> wire.StoredObject | None:
        if response.status_code == 404:
            return None
        if response.status_code >= 300:
            raise errors.APIError(
                response.status_code, f"{key} cannot be read", status=response.status_code
            )
        headers = response.headers
        size = headers.get("content-length", "0")
        modified = headers.get("last-modified", "")
        return wire.StoredObject(
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
        read = read_record(wire.MultipartUpload)
        upload_id = (
            await self._client.request(lambda: self._post({"uploads": ""}), read)
        ).data.upload_id
        part_bytes = max(PART_BYTES, -(-self._size // wire.MAX_PARTS))
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
            parts = encode_json(wire.CompleteUpload(parts=[task.result() for task in tasks]))
            query = {"uploadId": upload_id}
            await self._client.request(
                lambda: self._post(query, parts), read_record(wire.CompletedUpload)
            )
        except BaseException as error:
            await asyncio.shield(self._abort(upload_id))
            if isinstance(error, BaseExceptionGroup):
                raise error.exceptions[0] from None
            raise

    async def _send_part(
        self, upload_id: str, number: int, start: int, size: int, semaphore: asyncio.Semaphore
    ) -> wire.UploadedPart:
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
        return wire.UploadedPart(part_number=number, e_tag=e_tag)

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
