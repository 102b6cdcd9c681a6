"""Bytes instead of records: files up as a form and down to a path, and the objects of the storage.

Keys, connections and retries are the client's; a file is never held in memory as a whole unless asked for.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

import httpx

from .. import errors
from ..config import settings
from ..wire import batches as wire
from ..wire import storage
from . import protocol, reading
from .calls import Take, path_of
from .client import Client, Limits
from .response import R, Response

SLOWEST = 64 * 1024
"""Bytes per second below which an upload counts as stuck."""

PIECE = 256 * 1024


async def upload(
    client: Client, source: Path | bytes, *, purpose: str = "batch", filename: str = ""
) -> Response[wire.FileObject]:
    """Upload a file from disk or from memory.

    Raises:
        InvalidArgumentError: it cannot be read, or has no or too many bytes; nothing was sent.
        APIError: the platform refused.
    """
    name = filename or (source.name if isinstance(source, Path) else "batch.jsonl")
    with _opened(source) as (content, size):
        if not 0 < size <= wire.MOST_BYTES:
            raise errors.InvalidArgumentError(
                f"{name} has {size:,} bytes: a file has 1 to {wire.MOST_BYTES:,} (1 字节到 1 GB)"
            )

        def make() -> httpx.Request:
            if not isinstance(content, bytes):
                content.seek(0)
            part = {"file": (name, content, "application/jsonl")}
            return httpx.Request("POST", url, data={"purpose": purpose}, files=part)

        url, take = client.platform.address(wire.UPLOAD, {}), _record_of(wire.FileObject)
        return await client.request(make, take, endpoint=wire.UPLOAD, limits=_time_for(size))


async def content(client: Client, ref: wire.FileRef, path: Path | None = None) -> bytes:
    """Return a file's bytes, or write them to a path and return none.

    Raises:
        ResponseTooLarge: it has more than 64 MiB and no path was given.
    """
    url = client.platform.address(wire.CONTENT, path_of(wire.CONTENT, ref))
    return await client.request(lambda: httpx.Request("GET", url), _bytes_to(path), endpoint=wire.CONTENT)


async def objects(client: Client, bucket: str, prefix: str = "") -> list[storage.StoredObject]:
    """Return all objects of a bucket whose key starts so, in the order of their keys."""
    found: list[storage.StoredObject] = []
    marker, more = "", True
    while more:
        page = (await _page(client, bucket, {"prefix": prefix, "marker": marker})).data
        found += page.contents
        following = page.next_marker or (page.contents[-1].key if page.contents else "")
        more, marker = page.is_truncated and following > marker, following
    return found


async def put_object(client: Client, bucket: str, key: str, content: bytes) -> None:
    """Put an object in the place of what there is; doing it twice does no harm."""
    url, size = _object_url(client, bucket, key), str(len(content))
    headers = {"content-type": "application/octet-stream", "content-length": size}

    def make() -> httpx.Request:
        return httpx.Request("PUT", url, content=_pieces(content), headers=headers)

    await client.request(make, _bytes_to(None), limits=_time_for(len(content)))


async def get_object(client: Client, bucket: str, key: str, path: Path | None = None) -> bytes:
    """Return an object's bytes, or write them to a path and return none."""
    url = _object_url(client, bucket, key)
    return await client.request(lambda: httpx.Request("GET", url), _bytes_to(path))


async def _page(client: Client, bucket: str, query: Mapping[str, str]) -> Response[storage.ObjectList]:
    url = _bucket_url(client, bucket)
    asked = {name: value for name, value in query.items() if value} | {"maxKeys": str(storage.MOST_KEYS)}
    take = _record_of(storage.ObjectList)
    return await client.request(lambda: httpx.Request("GET", url, params=asked), take)


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    """Yield bytes piece by piece: all at once they would hold up everybody else's calls."""
    for start in range(0, len(content), PIECE):
        yield content[start : start + PIECE]


def _time_for(size: int) -> Limits:
    return Limits(timeout=settings().llm_api_retry_timeout + size / SLOWEST)


def _record_of(type_: type[R]) -> Take[Response[R]]:
    async def take(answer: httpx.Response) -> Response[R]:
        return Response(await reading.content(answer), type_, answer.status_code, answer.headers)

    return take


def _bytes_to(path: Path | None) -> Take[bytes]:
    """Take an answer's bytes as they are: whole, or piece by piece into a file."""

    async def take(answer: httpx.Response) -> bytes:
        if answer.status_code >= 300:
            protocol.decipher(answer.status_code, answer.headers, await reading.read(answer))
        if path is None:
            return await reading.read(answer)
        with _atomically(path) as file:
            async for part in answer.aiter_bytes():
                file.write(part)
            _check_size(answer, file.tell())
        return b""

    return take


def _check_size(answer: httpx.Response, size: int) -> None:
    """Refuse a file that is not as long as was announced; compressed ones announce another length."""
    announced = answer.headers.get("content-length", "")
    if announced.isdigit() and "content-encoding" not in answer.headers and int(announced) != size:
        raise errors.ConnectionFailed(
            f"{answer.url.host} sent {size:,} of {int(announced):,} bytes", host=answer.url.host, sent=True
        )


@contextmanager
def _atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a file that takes the path's place when all of it has been written, and vanishes otherwise."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        with part.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except (TimeoutError, ConnectionError):  # the network's, not the disk's
        raise
    except OSError as error:
        raise errors.InvalidArgumentError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _opened(source: Path | bytes) -> Iterator[tuple[BinaryIO | bytes, int]]:
    """Open what is to be uploaded, and tell its size."""
    if isinstance(source, bytes):
        yield source, len(source)
        return
    try:
        file = source.open("rb")
    except OSError as error:
        raise errors.InvalidArgumentError(f"{source} cannot be read: {error.strerror}") from None
    with file:
        yield file, os.fstat(file.fileno()).st_size


def _bucket_url(client: Client, bucket: str) -> str:
    return f"{client.platform.bos_url.rstrip('/')}/{quote(bucket, safe='')}"


def _object_url(client: Client, bucket: str, key: str) -> str:
    if not key or key.startswith("/") or {".", ".."} & set(key.split("/")):
        raise errors.InvalidArgumentError(f"{key!r} is no key of an object: it leads to another place")
    return f"{_bucket_url(client, bucket)}/{quote(key)}"
