"""Bytes instead of records: files up as a form and down to a path.

Keys, connections and retries are the client's; a file is never held in memory as a whole unless asked for.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx

from .. import errors
from ..config import settings
from ..wire import batches as wire
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
    with opened(source) as (content, size):
        if not 0 < size <= wire.MOST_BYTES:
            raise errors.InvalidArgumentError(
                f"{name} has {size:,} bytes: a file has 1 to {wire.MOST_BYTES:,} (1 字节到 1 GB)"
            )

        def make() -> httpx.Request:
            if not isinstance(content, bytes):
                content.seek(0)
            part = {"file": (name, content, "application/jsonl")}
            return httpx.Request("POST", url, data={"purpose": purpose}, files=part)

        url, take = client.platform.address(wire.UPLOAD, {}), record_of(wire.FileObject)
        return await client.request(make, take, endpoint=wire.UPLOAD, limits=time_for(size))


async def content(client: Client, ref: wire.FileRef, path: Path | None = None) -> bytes:
    """Return a file's bytes, or write them to a path and return none.

    Raises:
        ResponseTooLarge: it has more than 64 MiB and no path was given.
    """
    url = client.platform.address(wire.CONTENT, path_of(wire.CONTENT, ref))
    return await client.request(lambda: httpx.Request("GET", url), bytes_to(path), endpoint=wire.CONTENT)


def time_for(size: int) -> Limits:
    """Return how long so many bytes may take."""
    return Limits(timeout=settings().llm_api_retry_timeout + size / SLOWEST)


def record_of(type_: type[R]) -> Take[Response[R]]:
    """Take an answer as a record."""

    async def take(answer: httpx.Response) -> Response[R]:
        return Response(await reading.content(answer), type_, answer.status_code, answer.headers)

    return take


def bytes_to(path: Path | None, most: int | None = None) -> Take[bytes]:
    """Take an answer's bytes as they are: whole, or piece by piece into a file, `most` at most."""

    async def take(answer: httpx.Response) -> bytes:
        if answer.status_code >= 300:
            protocol.decipher(answer.status_code, answer.headers, await reading.read(answer))
        if path is None:
            return await reading.read(answer, reading.MAX_REPLY if most is None else most)
        with atomically(path) as file:
            async for part in answer.aiter_bytes():
                file.write(part)
                if most is not None and file.tell() > most:
                    raise errors.ResponseTooLarge(f"more than {most:,} bytes came: it is not kept")
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
def atomically(path: Path) -> Iterator[BinaryIO]:
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
def opened(source: Path | bytes) -> Iterator[tuple[BinaryIO | bytes, int]]:
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
