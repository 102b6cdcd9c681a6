"""Object storage (BOS): what datasets are uploaded to and inference tasks read and write."""

from __future__ import annotations

import builtins
from pathlib import Path

from ...errors import InvalidArgumentError
from ...transport import object_storage
from ...transport.client import Client
from ...transport.file_transfer import download_file
from ...transport.object_storage import ProgressCallback
from ...wire import storage as wire
from .operation import transfer


class Storage:
    """Objects by address, `bos:/bucket/key`; needs an IAM pair."""

    @transfer
    async def upload(
        client: Client, address: str, content: bytes | Path, on_progress: ProgressCallback | None = None
    ) -> str:
        """Put one object there, in the place of what there is; return its address.

        Args:
            address: where to.
            content: bytes, or the path of a file. More than 16 MiB go up in parts, four at a time, each tried
                again by itself.
            on_progress: is told the bytes that have gone up, and all bytes; on another thread.

        Raises:
            InvalidArgumentError: the file cannot be read.
            APIError: the storage refused; nothing of it is left there.
        """
        bucket, key = _split_address(address)
        await object_storage.put_object(client, bucket, key, content, on_progress)
        return wire.build_uri(bucket, key)

    @transfer
    async def list(client: Client, address: str) -> builtins.list[str]:
        """Return the addresses of all objects that start so, in alphabetical order."""
        bucket, prefix = _split_address(address)
        return [
            wire.build_uri(bucket, row.key)
            for row in await object_storage.list_objects(client, bucket, prefix)
        ]

    @transfer
    async def info(client: Client, address: str) -> wire.StoredObject | None:
        """Return an object's size, tag and date, None when there is none."""
        return await object_storage.stat_object(client, *_split_address(address))

    @transfer
    async def read(client: Client, address: str) -> bytes:
        """Return an object's bytes, 64 MiB at most; `download` has no such limit."""
        return await object_storage.get_object(client, *_split_address(address))

    @transfer
    async def download(client: Client, address: str, path: str | Path, max_bytes: int | None = None) -> Path:
        """Write an object to a path, which appears when all of it has arrived; return the path.

        Raises:
            ResponseTooLarge: it has more than `max_bytes` bytes.
        """
        await object_storage.get_object(client, *_split_address(address), Path(path), max_bytes)
        return Path(path)

    @transfer
    async def delete(client: Client, address: str) -> None:
        """Delete one object."""
        await object_storage.delete_object(client, *_split_address(address))


@transfer
async def download(client: Client, url: str, path: Path, max_bytes: int) -> Path:
    """Write what is at an address that the platform named to a path; `downloads` says what is refused."""
    await download_file(client, url, path, max_bytes)
    return path


def _split_address(address: str) -> tuple[str, str]:
    try:
        return wire.parse_uri(address)
    except ValueError as error:
        raise InvalidArgumentError(str(error)) from None
