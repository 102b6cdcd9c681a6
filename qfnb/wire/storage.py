"""Object storage (BOS): addresses, and the list of what a bucket holds."""

from __future__ import annotations

from .base import ConsoleRecord

MOST_KEYS = 1000
"""Keys of one page of a list."""

MOST_KEY_BYTES = 1024


class StoredObject(ConsoleRecord):
    """One object; `size` in bytes, `last_modified` as ISO 8601."""

    key: str
    size: int = 0
    e_tag: str = ""
    last_modified: str = ""


class ObjectList(ConsoleRecord):
    """A page of a bucket's objects in the order of their keys; `next_marker` continues it."""

    name: str = ""
    prefix: str = ""
    marker: str = ""
    max_keys: int = MOST_KEYS
    is_truncated: bool = False
    next_marker: str | None = None
    contents: list[StoredObject] = []


def split(address: str) -> tuple[str, str]:
    """Return bucket and key of `bos:/bucket/key`.

    Raises:
        ValueError: it is no such address.
    """
    scheme, _, rest = address.partition(":")
    bucket, _, key = rest.strip().lstrip("/").partition("/")
    if scheme != "bos" or not bucket:
        raise ValueError(f"{address!r} is no address in object storage: it looks like bos:/bucket/path")
    return bucket, key


def join(bucket: str, key: str) -> str:
    """Return the address of an object."""
    return f"bos:/{bucket}/{key}"
