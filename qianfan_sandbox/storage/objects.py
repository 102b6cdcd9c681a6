"""The objects of the sandbox's bucket: a document and a file each.

Files have names of the sandbox's own making, so that no key can lead out of its folder.
"""

import base64
import hashlib
import uuid
import zlib
from collections.abc import Mapping

from qfnb.wire import storage as wire

from ..http.refusals import Refusal
from ..state.store import Document, Store


def write_object(store: Store, bucket: str, key: str, content: bytes, etag: str = "") -> Document:
    """Write an object, or replace the one with the same key.

    Returns:
        A mapping with at least `size` (bytes) and `etag`.
    """
    id_ = f"{bucket}/{key}"
    fields = {"size": len(content), "etag": etag or md5_of(content)}
    store.write_file(_file_name(id_), content)
    if store.get("object", id_) is None:
        return store.add("object", id_, **fields, modified=store.now())
    store.update(id_, **fields, modified=store.now())
    return fields


def read_object(store: Store, uri: str) -> bytes | None:
    """Return the content of `bos:/bucket/key`, None when it does not exist."""
    bucket, key = wire.parse_uri(uri)
    return store.read_file(_file_name(f"{bucket}/{key}"))


def delete_object(store: Store, bucket: str, key: str) -> None:
    """Delete an object, if it exists."""
    store.remove("object", f"{bucket}/{key}")
    store.remove_file(_file_name(f"{bucket}/{key}"))


def list_objects(store: Store, bucket: str, prefix: str = "") -> list[Document]:
    """Return a bucket's objects whose key has a prefix, each with its `key`, sorted by key."""
    start = f"{bucket}/{prefix}"
    rows = [row for row in store.all("object") if row["id"].startswith(start)]
    return sorted(
        (row | {"key": row["id"][len(bucket) + 1 :]} for row in rows),
        key=lambda row: str(row["key"]),
    )


def key_problem(key: str) -> str:
    """Return what is wrong with an object's key, "" if it is valid."""
    if not 1 <= len(key.encode()) <= wire.MAX_KEY_BYTES:
        return f"a key has 1 to {wire.MAX_KEY_BYTES} bytes"
    if (
        key[0] in "/\\"
        or not key.isprintable()
        or {".", ".."} & set(key.replace("\\", "/").split("/"))
    ):
        return (
            "a key must not start with a slash, nor hold control characters or the parts . and .."
        )
    return ""


def digest_problem(content: bytes, headers: Mapping[str, str]) -> str:
    """Return which digest in the headers differs from the content's, "" if none."""
    md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    digests = {"content-md5": md5, "x-bce-content-crc32": str(zlib.crc32(content))}
    digests["x-bce-content-sha256"] = hashlib.sha256(content).hexdigest()
    wrong = [name for name, value in digests.items() if headers.get(name, value) != value]
    return f"{wrong[0]} is not the digest of the received content" if wrong else ""


def md5_of(content: bytes) -> str:
    """Return the MD5 of some bytes in hexadecimal digits, which is an object's tag."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def storage_refusal(status: int, code: str, message: str) -> Refusal:
    """Return a refusal in the object storage's shape."""
    return Refusal(status, {"code": code, "message": message, "requestId": str(uuid.uuid4())})


def _file_name(id_: str) -> str:
    return f"object-{hashlib.sha256(id_.encode()).hexdigest()}"
