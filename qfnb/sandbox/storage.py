"""Object storage, as BOS has it under `/bos/{bucket}/{key}`: put, get, delete, and list by prefix.

Objects are files under names of the sandbox's own making, so that no key can lead out of its folder.
"""

from __future__ import annotations

import base64
import hashlib
import re
import uuid
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import formatdate
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..wire import storage as wire
from . import auth
from . import storage_parts as parts
from .routing import MARK, Refusal
from .store import Document, Store

if TYPE_CHECKING:
    from .world import World

Handle = Callable[["World", Request], Awaitable[Response]]

PREFIX = "/bos"
"""Where the library looks for the storage; other clients, which know hosts only, find it at the root too."""


def routes(world: World) -> list[Route]:
    """Return the routes of the object storage."""
    found = []
    for bucket in (f"{PREFIX}/{{bucket}}", "/{bucket:own}"):
        found += [
            _route(world, bucket, {"GET": _bucket, "HEAD": _bucket}),
            _route(world, f"{bucket}/", {"GET": _bucket, "HEAD": _bucket}),
            _route(world, f"{bucket}/{{key:path}}", _OBJECT),
        ]
    return found


def write(store: Store, bucket: str, key: str, content: bytes, tag: str = "") -> Document:
    """Keep an object in the place of one with the same key; return what is known of it."""
    id_, known = f"{bucket}/{key}", {"size": len(content), "etag": tag or tag_of(content)}
    store.write_file(_file(id_), content)
    if store.get("object", id_) is None:
        return store.add("object", id_, **known, modified=store.now())
    store.update(id_, **known, modified=store.now())
    return known


def read(store: Store, address: str) -> bytes | None:
    """Return the object at `bos:/bucket/key`, None when there is none."""
    bucket, key = wire.split(address)
    return store.read_file(_file(f"{bucket}/{key}"))


def remove(store: Store, bucket: str, key: str) -> None:
    """Delete an object, if there is one."""
    store.remove("object", f"{bucket}/{key}")
    store.remove_file(_file(f"{bucket}/{key}"))


def tag_of(content: bytes) -> str:
    """Return the tag of some bytes: their MD5, as the storage has it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def listed(store: Store, bucket: str, prefix: str = "") -> list[Document]:
    """Return the objects of a bucket whose key starts so, each with its `key`, in the order of the keys."""
    start = len(bucket) + 1
    found = [row | {"key": row["id"][start:]} for row in store.all("object")]
    return sorted(
        (row for row in found if row["id"].startswith(f"{bucket}/{prefix}")), key=lambda row: str(row["key"])
    )


def problem_of(key: str) -> str:
    """Return what is wrong with an object's key, "" when nothing is."""
    if not 1 <= len(key.encode()) <= wire.MOST_KEY_BYTES:
        return f"a key has 1 to {wire.MOST_KEY_BYTES} bytes"
    if key[0] in "/\\" or not key.isprintable() or {".", ".."} & set(key.replace("\\", "/").split("/")):
        return "a key must not start with a slash, nor hold control characters or the parts . and .."
    return ""


def _route(world: World, path: str, handlers: Mapping[str, Handle]) -> Route:
    """Return a route that lets a request with the right signature through to the right bucket."""

    async def answer(request: Request) -> Response:
        answered = _checked(world, request) or await handlers[request.method](world, request)
        answered.headers.update(MARK)
        return answered

    return Route(path.replace("{bucket:own}", world.address.bucket), answer, methods=[*handlers])


def _checked(world: World, request: Request) -> Response | None:
    """Return the refusal of a request, None when there is nothing against it."""
    # a key may hold !'()* and the like, which a client may sign encoded and send as they are
    seen = replace(auth.seen(request), path=quote(request.scope["path"]))
    claim = request.headers.get("authorization") or seen.parameter("authorization")
    try:
        auth.check_signature(world, claim, seen)
    except Refusal as refusal:
        return JSONResponse(refusal.body, refusal.status, refusal.headers)
    if bucket_of(world, request) != world.address.bucket:
        return refused(404, "NoSuchBucket", "The specified bucket does not exist.")
    key = request.path_params.get("key")
    problem = problem_of(key) if key else ""
    return refused(400, "InvalidArgument", problem) if problem else None


def bucket_of(world: World, request: Request) -> str:
    """Return the bucket of a request; at the root there is only the sandbox's own."""
    return str(request.path_params.get("bucket", world.address.bucket))


async def _put(world: World, request: Request) -> Response:
    content = await request.body()
    if problem := digest_problem(content, request.headers):
        return refused(400, "BadDigest", problem)
    if "uploadId" in request.query_params:
        return parts.put(world, request, content)
    kept = write(world.store, bucket_of(world, request), request.path_params["key"], content)
    return Response(headers={"etag": f'"{kept["etag"]}"'})


async def _post(world: World, request: Request) -> Response:
    if "uploads" in request.query_params:
        return parts.begin(world, request)
    if "uploadId" in request.query_params:
        return await parts.complete(world, request)
    return refused(400, "InvalidArgument", "a POST begins or completes an upload in parts")


async def _delete(world: World, request: Request) -> Response:
    if "uploadId" in request.query_params:
        return parts.abort(world, request)
    remove(world.store, bucket_of(world, request), request.path_params["key"])
    return Response(status_code=204)


async def _get(world: World, request: Request) -> Response:
    bucket, key = bucket_of(world, request), request.path_params["key"]
    if "uploadId" in request.query_params:
        return parts.listed(world, request)
    row, content = world.store.get("object", f"{bucket}/{key}"), read(world.store, wire.join(bucket, key))
    if row is None or content is None:
        return refused(404, "NoSuchKey", "The specified key does not exist.")
    headers = {
        "etag": f'"{row["etag"]}"',
        "last-modified": formatdate(row["modified"], usegmt=True),
        "accept-ranges": "bytes",
    }
    asked = request.headers.get("range", "")
    if not asked:
        return Response(content, headers=headers, media_type="application/octet-stream")
    if (part := _range(asked, len(content))) is None:
        return refused(416, "InvalidRange", "The requested range cannot be satisfied.")
    headers["content-range"] = f"bytes {part.start}-{part.stop - 1}/{len(content)}"
    return Response(content[part.start : part.stop], 206, headers, "application/octet-stream")


def _range(asked: str, size: int) -> range | None:
    """Return which bytes `bytes=2-5`, `bytes=2-` or `bytes=-3` are, None when there are no such bytes."""
    found = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", asked.strip())
    if found is None or not any(found.groups()) or len(asked) > 60:
        return None
    first, last = found.groups()
    part = range(int(first), min(int(last or size), size - 1) + 1) if first else range(size)[-int(last) :]
    return part if part and int(last or 1) else None


def digest_problem(content: bytes, headers: Mapping[str, str]) -> str:
    """Return which digest in the headers is not that of the content, "" when all are."""
    md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    digests = {"content-md5": md5, "x-bce-content-crc32": str(zlib.crc32(content))}
    digests["x-bce-content-sha256"] = hashlib.sha256(content).hexdigest()
    wrong = [name for name, value in digests.items() if headers.get(name, value) != value]
    return f"{wrong[0]} is not that of what arrived" if wrong else ""


async def _bucket(world: World, request: Request) -> Response:
    """List a bucket's objects, or tell where it is."""
    query, bucket = request.query_params, bucket_of(world, request)
    if "location" in query:
        return JSONResponse({"locationConstraint": "bj"})
    if "uploads" in query:
        return parts.underway(world, bucket)
    most, marker, prefix = query.get("maxKeys", "1000"), query.get("marker", ""), query.get("prefix", "")
    if not (most.isascii() and most.isdigit()) or not int(most[:9]) >= 1:
        return refused(400, "InvalidArgument", "maxKeys is a whole number from 1")
    limit, delimiter = min(int(most[:9]), wire.MOST_KEYS), query.get("delimiter", "")
    rows: dict[str, Document | None] = {}
    for row in listed(world.store, bucket, prefix):
        name = _folded(row["key"], prefix, delimiter)
        if name > marker:
            rows.setdefault(name, row if name == row["key"] else None)
    page, more = [*rows.items()][:limit], len(rows) > limit
    return JSONResponse(
        {
            "name": bucket,
            "prefix": prefix,
            "marker": marker,
            "delimiter": delimiter,
            "maxKeys": limit,
            "isTruncated": more,
            **({"nextMarker": page[-1][0]} if more else {}),
            "contents": [_shown(row) for _, row in page if row is not None],
            "commonPrefixes": [{"prefix": name} for name, row in page if row is None],
        }
    )


def _folded(key: str, prefix: str, delimiter: str) -> str:
    """Return a key, or as much of it as the delimiter after the prefix leaves."""
    place = key.find(delimiter, len(prefix)) if delimiter else -1
    return key if place < 0 else key[: place + len(delimiter)]


def _shown(row: Document) -> dict[str, Any]:
    return {
        "key": row["key"],
        "size": row["size"],
        "eTag": row["etag"],
        "lastModified": dated(row["modified"]),
        "storageClass": "STANDARD",
    }


def dated(moment: float) -> str:
    """Return a time as the storage writes it."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def refused(status: int, code: str, message: str) -> Response:
    """Return an error in the storage's shape."""
    return JSONResponse({"code": code, "message": message, "requestId": str(uuid.uuid4())}, status)


def _file(id_: str) -> str:
    return f"object-{hashlib.sha256(id_.encode()).hexdigest()}"


_OBJECT = {"PUT": _put, "GET": _get, "HEAD": _get, "POST": _post, "DELETE": _delete}
