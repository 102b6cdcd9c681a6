"""The objects of the storage: put, get, look at, list, delete; large ones go up in parts, several at a time.

Source: API pages of BOS (PutObject, InitiateMultipartUpload, UploadPart, CompleteMultipartUpload).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import httpx

from .. import errors
from ..wire import storage as wire
from .calls import encode
from .client import Client
from .files import PIECE, bytes_to, opened, record_of, time_for

WHOLE = 16 * 1024 * 1024
"""Bytes up to which an object goes up in one request."""

PART = 8 * 1024 * 1024
"""Bytes of one part; more when there would be too many parts."""

AT_ONCE = 4
"""Parts on their way together."""

Told = Callable[[int, int], object]
"""Is told the bytes that have gone up, and all bytes; on the I/O thread, so it must be quick."""


async def objects(client: Client, bucket: str, prefix: str = "") -> list[wire.StoredObject]:
    """Return all objects of a bucket whose key starts so, in the order of their keys."""
    found: list[wire.StoredObject] = []
    marker, more = "", True
    while more:
        page = await _page(client, bucket, {"prefix": prefix, "marker": marker})
        found += page.contents
        following = page.next_marker or (page.contents[-1].key if page.contents else "")
        more, marker = page.is_truncated and following > marker, following
    return found


async def put_object(
    client: Client, bucket: str, key: str, source: bytes | Path, told: Told | None = None
) -> None:
    """Put an object in the place of what there is; doing it twice does no harm.

    Raises:
        InvalidArgumentError: the file cannot be read, or the key is none.
        APIError: the storage refused; parts that had gone up are taken back.
    """
    url = _object_url(client, bucket, key)
    with opened(source) as (content, size):
        sending = _Sending(client, url, content, size, told)
        await (sending.whole() if size <= WHOLE else sending.in_parts())


async def get_object(
    client: Client, bucket: str, key: str, path: Path | None = None, most: int | None = None
) -> bytes:
    """Return an object's bytes, or write them to a path and return none.

    Raises:
        ResponseTooLarge: it has more than 64 MiB and no path was given, or more than `most`.
    """
    url = _object_url(client, bucket, key)
    return await client.request(lambda: httpx.Request("GET", url), bytes_to(path, most))


async def stat_object(client: Client, bucket: str, key: str) -> wire.StoredObject | None:
    """Return what is known of an object without its bytes, None when there is none."""
    url = _object_url(client, bucket, key)

    async def take(answer: httpx.Response) -> wire.StoredObject | None:
        if answer.status_code == 404:
            return None
        if answer.status_code >= 300:
            raise errors.APIError(answer.status_code, f"{key} cannot be looked at", status=answer.status_code)
        head = answer.headers
        size, modified = head.get("content-length", "0"), head.get("last-modified", "")
        return wire.StoredObject(key=key, size=int(size), e_tag=_tag(answer), last_modified=modified)

    return await client.request(lambda: httpx.Request("HEAD", url), take)


async def delete_object(client: Client, bucket: str, key: str) -> None:
    """Delete an object."""
    url = _object_url(client, bucket, key)
    await client.request(lambda: httpx.Request("DELETE", url), bytes_to(None))


class _Sending:
    """One object on its way up."""

    def __init__(
        self, client: Client, url: str, content: BinaryIO | bytes, size: int, told: Told | None
    ) -> None:
        self._client, self._url, self._content, self._size = client, url, content, size
        self._told, self._done = told, 0

    async def whole(self) -> None:
        """Send it in one request."""
        await self._client.request(
            lambda: self._put(0, self._size, {}), bytes_to(None), limits=time_for(self._size)
        )
        self._advance(self._size)

    async def in_parts(self) -> None:
        """Send it in parts; when one fails for good, or nobody waits any more, the others are taken back."""
        begun = (await self._client.request(lambda: self._post({"uploads": ""}), record_of(wire.Begun))).data
        size = max(PART, -(-self._size // wire.MOST_PARTS))
        starts, gate = range(0, self._size, size), asyncio.Semaphore(AT_ONCE)
        try:
            async with asyncio.TaskGroup() as group:
                sent = [
                    group.create_task(self._part(begun.upload_id, number, start, size, gate))
                    for number, start in enumerate(starts, 1)
                ]
            parts = wire.Parts(parts=[task.result() for task in sent])
            await self._client.request(
                lambda: self._post({"uploadId": begun.upload_id}, encode(parts)), record_of(wire.Completed)
            )
        except BaseException as error:
            await asyncio.shield(self._abort(begun.upload_id))
            if isinstance(error, BaseExceptionGroup):
                raise error.exceptions[0] from None
            raise

    async def _part(
        self, upload: str, number: int, start: int, size: int, gate: asyncio.Semaphore
    ) -> wire.Part:
        size = min(size, self._size - start)
        query = {"partNumber": str(number), "uploadId": upload}

        async def take(answer: httpx.Response) -> str:
            await bytes_to(None)(answer)
            return _tag(answer)

        async with gate:
            tag = await self._client.request(
                lambda: self._put(start, size, query), take, limits=time_for(size)
            )
        self._advance(size)
        return wire.Part(part_number=number, e_tag=tag)

    async def _abort(self, upload: str) -> None:
        query = {"uploadId": upload}
        with contextlib.suppress(errors.QianfanError):
            await self._client.request(
                lambda: httpx.Request("DELETE", self._url, params=query), bytes_to(None)
            )

    def _put(self, start: int, size: int, query: Mapping[str, str]) -> httpx.Request:
        headers = {"content-type": "application/octet-stream", "content-length": str(size)}
        content = _pieces(self._content, start, size)
        return httpx.Request("PUT", self._url, params=query or None, content=content, headers=headers)

    def _post(self, query: Mapping[str, str], content: bytes = b"") -> httpx.Request:
        headers = {"content-type": "application/json", "content-length": str(len(content))}
        return httpx.Request("POST", self._url, params=query, content=content, headers=headers)

    def _advance(self, size: int) -> None:
        self._done += size
        if self._told is not None:
            self._told(self._done, self._size)


async def _pieces(content: BinaryIO | bytes, start: int, size: int) -> AsyncIterator[bytes]:
    """Yield bytes piece by piece: all at once they would hold up everybody else's calls."""
    for place in range(start, start + size, PIECE):
        length = min(PIECE, start + size - place)
        if isinstance(content, bytes):
            yield content[place : place + length]
        else:  # parts are read side by side, so each says where
            content.seek(place)
            yield content.read(length)


async def _page(client: Client, bucket: str, query: Mapping[str, str]) -> wire.ObjectList:
    url = _bucket_url(client, bucket)
    asked = {name: value for name, value in query.items() if value} | {"maxKeys": str(wire.MOST_KEYS)}
    take = record_of(wire.ObjectList)
    return (await client.request(lambda: httpx.Request("GET", url, params=asked), take)).data


def _tag(answer: httpx.Response) -> str:
    return str(answer.headers.get("etag", "")).strip('"')


def _bucket_url(client: Client, bucket: str) -> str:
    return f"{client.platform.bos_url.rstrip('/')}/{quote(bucket, safe='')}"


def _object_url(client: Client, bucket: str, key: str) -> str:
    if not key or key.startswith("/") or {".", ".."} & set(key.split("/")):
        raise errors.InvalidArgumentError(f"{key!r} is no key of an object: it leads to another place")
    return f"{_bucket_url(client, bucket)}/{quote(key)}"
