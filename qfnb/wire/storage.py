"""Object storage (BOS): URIs, lists of objects, and multipart uploads."""

from ..base.language import tr
from .base import ConsoleRecord

MAX_KEYS = 1000  # limit of the keys on one page of a list
MAX_KEY_BYTES = 1024

MAX_PARTS = 10_000
MIN_PART_BYTES = 100 * 1024
"""Minimum size of a part, except for the last one. Source: API pages of UploadPart."""


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
    max_keys: int = MAX_KEYS
    is_truncated: bool = False
    next_marker: str | None = None
    contents: list[StoredObject] = []


class MultipartUpload(ConsoleRecord):
    """A multipart upload that has begun."""

    bucket: str = ""
    key: str = ""
    upload_id: str


class UploadedPart(ConsoleRecord):
    """One part; `part_number` from 1."""

    part_number: int
    e_tag: str


class CompleteUpload(ConsoleRecord):
    """The parts of an object, in the order of their numbers."""

    parts: list[UploadedPart]


class CompletedUpload(ConsoleRecord):
    """The uploaded object."""

    location: str = ""
    bucket: str = ""
    key: str = ""
    e_tag: str = ""


def parse_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of `bos:/bucket/key`.

    Raises:
        ValueError: the URI has a different form.
    """
    scheme, _, path = uri.partition(":")
    bucket, _, key = path.strip().lstrip("/").partition("/")
    if scheme != "bos" or not bucket:
        raise ValueError(
            tr("{uri!r} is not a URI of object storage, which looks like bos:/bucket/path", uri=uri)
        )
    return bucket, key


def build_uri(bucket: str, key: str) -> str:
    """Return the URI of an object."""
    return f"bos:/{bucket}/{key}"
