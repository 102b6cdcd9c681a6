"""Bytes instead of records: files up as a form and down to a path.

Keys, connections and retries are the client's; a file is never held in memory as a whole unless asked for.
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
"""Bytes per second below which an upload counts as stuck."""

CHUNK_BYTES = 256 * 1024


async def upload(
    client: Client, source: Path | bytes, *, purpose: str = "batch", filename: str = ""
) -> Response[wire.FileObject]:
    """Upload a file from disk or from memory.

    Raises:
        InvalidArgumentError: it cannot be read, or has no or too many bytes; nothing was sent.
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
    """Return a file's bytes, or write them to a path and return none.

    Raises:
        ResponseTooLarge: it has more than 64 MiB and no path was given.
    """
    url = client.platform.endpoint_url(wire.CONTENT, path_values(wire.CONTENT, ref))
    return await client.request(lambda: httpx.Request("GET", url), read_bytes_to(path), endpoint=wire.CONTENT)


def upload_options(size: int) -> CallOptions:
    """Return how long so many bytes may take."""
    return CallOptions(timeout=settings().llm_api_retry_timeout + size / MIN_UPLOAD_BYTES_PER_S)


def read_record(type_: type[R]) -> ReadResponse[Response[R]]:
    """Take an answer as a record."""

    async def read(response: httpx.Response) -> Response[R]:
        return Response(
            await response_body.read_json(response), type_, response.status_code, response.headers
        )

    return read


def read_bytes_to(path: Path | None, max_bytes: int | None = None) -> ReadResponse[bytes]:
    """Take an answer's bytes as they are: whole, or piece by piece into a file, `max_bytes` at most."""

    async def read(response: httpx.Response) -> bytes:
        if response.status_code >= 300:
            protocol.decode_response(
                response.status_code, response.headers, await response_body.read_bytes(response)
            )
        if path is None:
            return await response_body.read_bytes(
                response, response_body.MAX_REPLY_BYTES if max_bytes is None else max_bytes
            )
        with write_atomically(path) as file:
            async for chunk in response.aiter_bytes():
                file.write(chunk)
                if max_bytes is not None and file.tell() > max_bytes:
                    raise errors.ResponseTooLarge(f"more than {max_bytes:,} bytes came: it is not kept")
            _validate_size(response, file.tell())
        return b""

    return read


def _validate_size(response: httpx.Response, size: int) -> None:
    """Refuse a file that is not as long as was announced; compressed ones announce another length."""
    content_length = response.headers.get("content-length", "")
    if (
        content_length.isdigit()
        and "content-encoding" not in response.headers
        and int(content_length) != size
    ):
        raise errors.ConnectionFailed(
            f"{response.url.host} sent {size:,} of {int(content_length):,} bytes",
            host=response.url.host,
            sent=True,
        )


@contextmanager
def open_source(source: Path | bytes) -> Iterator[tuple[BinaryIO | bytes, int]]:
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
