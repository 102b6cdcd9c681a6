"""Object storage (BOS): datasets are uploaded to it, inference tasks read and write it."""

import builtins
from pathlib import Path

from ...errors import InvalidArgumentError
from ...transport import file_transfer
from ...transport.client import Client
from ...transport.file_transfer import ProgressCallback
from ...wire import storage as wire
from .operation import transfer


class Storage:
    """Objects by address, `bos:/bucket/key`; needs an IAM pair."""

    @transfer
    async def upload(
        client: Client,
        address: str,
        content: bytes | Path,
        on_progress: ProgressCallback = lambda _sent, _size: None,
    ) -> str:
        """Upload one object, overwriting an existing one; return its address.

        Args:
            address: `bos:/bucket/key`.
            content: bytes, or the path of a file.
            on_progress: called with the bytes uploaded so far and in all, on another thread.

        Raises:
            InvalidArgumentError: the file cannot be read.
            APIError: the storage refused.
        """
        bucket, key = _split_address(address)
        await file_transfer.put_object(client, bucket, key, content, on_progress)
        return wire.build_uri(bucket, key)

    @transfer
    async def list(client: Client, address: str) -> builtins.list[str]:
        """Return the addresses of all objects with this prefix, in alphabetical order."""
        bucket, prefix = _split_address(address)
        return [
            wire.build_uri(bucket, row.key)
            for row in await file_transfer.list_objects(client, bucket, prefix)
        ]

    @transfer
    async def info(client: Client, address: str) -> wire.StoredObject | None:
        """Return an object's size, tag and date; None if it does not exist."""
        return await file_transfer.stat_object(client, *_split_address(address))

    @transfer
    async def read(client: Client, address: str) -> bytes:
        """Return an object's bytes, 64 MiB at most; `download` has no such limit."""
        return await file_transfer.get_object(client, *_split_address(address))

    @transfer
    async def download(
        client: Client, address: str, path: str | Path, max_bytes: int | None = None
    ) -> Path:
        """Write an object to a path, which is created when the download is complete; return the
        path.

        Args:
            address: `bos:/bucket/key`.
            path: the file to write.
            max_bytes: the limit of its size; default: none.

        Raises:
            ResponseTooLarge: it has more than `max_bytes` bytes.
        """
        await file_transfer.get_object(client, *_split_address(address), Path(path), max_bytes)
        return Path(path)

    @transfer
    async def delete(client: Client, address: str) -> None:
        """Delete one object."""
        await file_transfer.delete_object(client, *_split_address(address))


@transfer
async def download(client: Client, url: str, path: Path, max_bytes: int) -> Path:
    """Download at most `max_bytes` from an address that the platform named; `download_file` says
    which are refused.
    """
    await file_transfer.download_file(client, url, path, max_bytes)
    return path


def _split_address(address: str) -> tuple[str, str]:
    try:
        return wire.parse_uri(address)
    except ValueError as error:
        raise InvalidArgumentError(str(error)) from None
