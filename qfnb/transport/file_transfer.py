"""Upload and download of files; keys, connections and retries are the client's.

A file is read and written in chunks, unless its bytes are asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import httpx

from .. import errors
from .._files import write_atomically
from ..config import settings
from ..wire import batches as wire
from . import protocol, response_body
from .client import CallOptions, Client
from .request import ReadResponse, path_values
from .response import R, Response

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
                f"{name} has {size:,} bytes: a file has 1 to {wire.MAX_FILE_BYTES:,} (1 字节到 1 GB)"
            )

        def build() -> httpx.Request:
            if not isinstance(content, bytes):
                content.seek(0)
            part = {"file": (name, content, "application/jsonl")}
            return httpx.Request("POST", url, data={"purpose": purpose}, files=part)

        url, read = client.platform.endpoint_url(wire.UPLOAD, {}), read_record(wire.FileObject)
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
    return await client.request(lambda: httpx.Request("GET", url), read_bytes_to(path), endpoint=wire.CONTENT)


def upload_options(size: int) -> CallOptions:
    """Return options whose timeout suits an upload of `size` bytes."""
    return CallOptions(timeout=settings().llm_api_retry_timeout + size / MIN_UPLOAD_BYTES_PER_S)


def read_record(type_: type[R]) -> ReadResponse[Response[R]]:
    """Return a reader that reads a response as a record."""

    async def read(response: httpx.Response) -> Response[R]:
        content = await response_body.read_json(response)
        return Response(content, type_, response.status_code, response.headers)

    return read


def read_bytes_to(path: Path | None, max_bytes: int | None = None) -> ReadResponse[bytes]:
    """Return a reader that reads a response's bytes: into a file chunk by chunk, or at once without a path.

    Args:
        path: the file to write, in which case the reader returns b"".
        max_bytes: size limit; default: none for a file, else `MAX_REPLY_BYTES`.
    """

    async def read(response: httpx.Response) -> bytes:
        if response.status_code >= 300:
            content = await response_body.read_bytes(response)
            protocol.decode_response(response.status_code, response.headers, content)
        if path is None:
            limit = response_body.MAX_REPLY_BYTES if max_bytes is None else max_bytes
            return await response_body.read_bytes(response, limit)
        with write_atomically(path) as file:
            async for chunk in response.aiter_bytes():
                file.write(chunk)
                if max_bytes is not None and file.tell() > max_bytes:
                    raise errors.ResponseTooLarge(f"the file has more than {max_bytes:,} bytes: not saved")
            _validate_size(response, file.tell())
        return b""

    return read


def _validate_size(response: httpx.Response, size: int) -> None:
    """Raise unless a file has the announced length; the length of a compressed one is not comparable."""
    length, host = response.headers.get("content-length", ""), response.url.host
    if length.isdigit() and "content-encoding" not in response.headers and int(length) != size:
        raise errors.ConnectionFailed(f"{host} sent {size:,} of {int(length):,} bytes", host=host, sent=True)


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
        raise errors.InvalidArgumentError(f"{source} cannot be read: {error.strerror}") from None
    with file:
        yield file, os.fstat(file.fileno()).st_size
