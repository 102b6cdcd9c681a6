"""Object storage (BOS): what datasets are uploaded to and inference tasks read and write."""

from __future__ import annotations

import builtins
from pathlib import Path

from ..errors import InvalidArgumentError
from ..transport import files
from ..transport.client import Client
from ..wire import storage as wire
from .operation import transfer


class Storage:
    """Objects by address, `bos:/bucket/key`; needs an IAM pair."""

    @transfer
    async def upload(client: Client, address: str, content: bytes) -> str:
        """Put one object there, in the place of what there is; return its address."""
        bucket, key = _split(address)
        await files.put_object(client, bucket, key, content)
        return wire.join(bucket, key)

    @transfer
    async def list(client: Client, address: str) -> builtins.list[str]:
        """Return the addresses of all objects that start so, in alphabetical order."""
        bucket, prefix = _split(address)
        return [wire.join(bucket, row.key) for row in await files.objects(client, bucket, prefix)]

    @transfer
    async def read(client: Client, address: str) -> bytes:
        """Return an object's bytes, 64 MiB at most; `download` has no such limit."""
        return await files.get_object(client, *_split(address))

    @transfer
    async def download(client: Client, address: str, path: str | Path) -> Path:
        """Write an object to a path, which appears when all of it has arrived; return the path."""
        await files.get_object(client, *_split(address), Path(path))
        return Path(path)


def _split(address: str) -> tuple[str, str]:
    try:
        return wire.split(address)
    except ValueError as error:
        raise InvalidArgumentError(str(error)) from None
