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

from ...wire import storage as wire
from ..http import auth
from ..http.refusals import SANDBOX_HEADER, Refusal
from ..state.store import Document, Store
from . import multipart as parts

if TYPE_CHECKING:
    from ..state.world import World

Handle = Callable[["World", Request], Awaitable[Response]]

PREFIX = "/bos"
"""Where the library looks for the storage; other clients, which know hosts only, find it at the root too."""


def routes(world: World) -> list[Route]:
    """Return the routes of the object storage."""
    routes_ = []
    for bucket in (f"{PREFIX}/{{bucket}}", "/{bucket:own}"):
        routes_ += [
            _route(world, bucket, {"GET": _list_bucket, "HEAD": _list_bucket}),
            _route(world, f"{bucket}/", {"GET": _list_bucket, "HEAD": _list_bucket}),
            _route(world, f"{bucket}/{{key:path}}", _OBJECT_HANDLERS),
        ]
    return routes_


def write_object(store: Store, bucket: str, key: str, content: bytes, etag: str = "") -> Document:
    """Keep an object in the place of one with the same key; return what is known of it."""
    id_, fields = f"{bucket}/{key}", {"size": len(content), "etag": etag or etag_of(content)}
    store.write_file(_file_name(id_), content)
    if store.get("object", id_) is None:
        return store.add("object", id_, **fields, modified=store.now())
    store.update(id_, **fields, modified=store.now())
    return fields


def read_object(store: Store, address: str) -> bytes | None:
    """Return the object at `bos:/bucket/key`, None when there is none."""
    bucket, key = wire.parse_uri(address)
    return store.read_file(_file_name(f"{bucket}/{key}"))


def delete_object(store: Store, bucket: str, key: str) -> None:
    """Delete an object, if there is one."""
    store.remove("object", f"{bucket}/{key}")
    store.remove_file(_file_name(f"{bucket}/{key}"))


def etag_of(content: bytes) -> str:
    """Return the tag of some bytes: their MD5, as the storage has it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def list_objects(store: Store, bucket: str, prefix: str = "") -> list[Document]:
    """Return the objects of a bucket whose key starts so, each with its `key`, in the order of the keys."""
    start = len(bucket) + 1
    objects = [row | {"key": row["id"][start:]} for row in store.all("object")]
    return sorted(
        (row for row in objects if row["id"].startswith(f"{bucket}/{prefix}")),
        key=lambda row: str(row["key"]),
    )


def key_problem(key: str) -> str:
    """Return what is wrong with an object's key, "" when nothing is."""
    if not 1 <= len(key.encode()) <= wire.MAX_KEY_BYTES:
        return f"a key has 1 to {wire.MAX_KEY_BYTES} bytes"
    if key[0] in "/\\" or not key.isprintable() or {".", ".."} & set(key.replace("\\", "/").split("/")):
        return "a key must not start with a slash, nor hold control characters or the parts . and .."
    return ""


def _route(world: World, path: str, handlers: Mapping[str, Handle]) -> Route:
    """Return a route that lets a request with the right signature through to the right bucket."""

    async def answer(request: Request) -> Response:
        response = _refusal_of(world, request) or await handlers[request.method](world, request)
        response.headers.update(SANDBOX_HEADER)
        return response

    return Route(path.replace("{bucket:own}", world.address.bucket), answer, methods=[*handlers])


def _refusal_of(world: World, request: Request) -> Response | None:
    """Return the refusal of a request, None when there is nothing against it."""
    # a key may hold !'()* and the like, which a client may sign encoded and send as they are
    signed_request = replace(auth.signed_request(request), path=quote(request.scope["path"]))
    authorization = request.headers.get("authorization") or signed_request.parameter("authorization")
    try:
        auth.verify_signature(world, authorization, signed_request)
    except Refusal as refusal:
        return refusal.to_response()
    if requested_bucket(world, request) != world.address.bucket:
        return error_response(404, "NoSuchBucket", "The specified bucket does not exist.")
    key = request.path_params.get("key")
    reason = key_problem(key) if key else ""
    return error_response(400, "InvalidArgument", reason) if reason else None


def requested_bucket(world: World, request: Request) -> str:
    """Return the bucket of a request; at the root there is only the sandbox's own."""
    return str(request.path_params.get("bucket", world.address.bucket))


async def _put_object(world: World, request: Request) -> Response:
    content = await request.body()
    if problem := digest_problem(content, request.headers):
        return error_response(400, "BadDigest", problem)
    if "uploadId" in request.query_params:
        return parts.put_part(world, request, content)
    stored = write_object(world.store, requested_bucket(world, request), request.path_params["key"], content)
    return Response(headers={"etag": f'"{stored["etag"]}"'})


async def _post_object(world: World, request: Request) -> Response:
    if "uploads" in request.query_params:
        return parts.start_upload(world, request)
    if "uploadId" in request.query_params:
        return await parts.complete_upload(world, request)
    return error_response(400, "InvalidArgument", "a POST begins or completes an upload in parts")


async def _delete_object(world: World, request: Request) -> Response:
    if "uploadId" in request.query_params:
        return parts.abort_upload(world, request)
    delete_object(world.store, requested_bucket(world, request), request.path_params["key"])
    return Response(status_code=204)


async def _get_object(world: World, request: Request) -> Response:
    bucket, key = requested_bucket(world, request), request.path_params["key"]
    if "uploadId" in request.query_params:
        return parts.list_parts(world, request)
    row, content = (
        world.store.get("object", f"{bucket}/{key}"),
        read_object(world.store, wire.build_uri(bucket, key)),
    )
    if row is None or content is None:
        return error_response(404, "NoSuchKey", "The specified key does not exist.")
    headers = {
        "etag": f'"{row["etag"]}"',
        "last-modified": formatdate(row["modified"], usegmt=True),
        "accept-ranges": "bytes",
    }
    range_header = request.headers.get("range", "")
    if not range_header:
        return Response(content, headers=headers, media_type="application/octet-stream")
    if (byte_range := _parse_range(range_header, len(content))) is None:
        return error_response(416, "InvalidRange", "The requested range cannot be satisfied.")
    headers["content-range"] = f"bytes {byte_range.start}-{byte_range.stop - 1}/{len(content)}"
    return Response(content[byte_range.start : byte_range.stop], 206, headers, "application/octet-stream")


def _parse_range(range_header: str, size: int) -> range | None:
    """Return which bytes `bytes=2-5`, `bytes=2-` or `bytes=-3` are, None when there are no such bytes."""
    match = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", range_header.strip())
    if match is None or not any(match.groups()) or len(range_header) > 60:
        return None
    first, last = match.groups()
    byte_range = (
        range(int(first), min(int(last or size), size - 1) + 1) if first else range(size)[-int(last) :]
    )
    return byte_range if byte_range and int(last or 1) else None


def digest_problem(content: bytes, headers: Mapping[str, str]) -> str:
    """Return which digest in the headers is not that of the content, "" when all are."""
    md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    digests = {"content-md5": md5, "x-bce-content-crc32": str(zlib.crc32(content))}
    digests["x-bce-content-sha256"] = hashlib.sha256(content).hexdigest()
    wrong = [name for name, value in digests.items() if headers.get(name, value) != value]
    return f"{wrong[0]} is not that of what arrived" if wrong else ""


async def _list_bucket(world: World, request: Request) -> Response:
    """List a bucket's objects, or tell where it is."""
    query, bucket = request.query_params, requested_bucket(world, request)
    if "location" in query:
        return JSONResponse({"locationConstraint": "bj"})
    if "uploads" in query:
        return parts.list_uploads(world, bucket)
    max_keys, marker, prefix = query.get("maxKeys", "1000"), query.get("marker", ""), query.get("prefix", "")
    if not (max_keys.isascii() and max_keys.isdigit()) or not int(max_keys[:9]) >= 1:
        return error_response(400, "InvalidArgument", "maxKeys is a whole number from 1")
    limit, delimiter = min(int(max_keys[:9]), wire.MAX_KEYS), query.get("delimiter", "")
    rows: dict[str, Document | None] = {}
    for row in list_objects(world.store, bucket, prefix):
        name = _fold_key(row["key"], prefix, delimiter)
        if name > marker:
            rows.setdefault(name, row if name == row["key"] else None)
    page, is_truncated = [*rows.items()][:limit], len(rows) > limit
    return JSONResponse(
        {
            "name": bucket,
            "prefix": prefix,
            "marker": marker,
            "delimiter": delimiter,
            "maxKeys": limit,
            "isTruncated": is_truncated,
            **({"nextMarker": page[-1][0]} if is_truncated else {}),
            "contents": [_object_to_wire(row) for _, row in page if row is not None],
            "commonPrefixes": [{"prefix": name} for name, row in page if row is None],
        }
    )


def _fold_key(key: str, prefix: str, delimiter: str) -> str:
    """Return a key, or as much of it as the delimiter after the prefix leaves."""
    position = key.find(delimiter, len(prefix)) if delimiter else -1
    return key if position < 0 else key[: position + len(delimiter)]


def _object_to_wire(row: Document) -> dict[str, Any]:
    return {
        "key": row["key"],
        "size": row["size"],
        "eTag": row["etag"],
        "lastModified": format_time(row["modified"]),
        "storageClass": "STANDARD",
    }


def format_time(timestamp: float) -> str:
    """Return a time as the storage writes it."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def error_response(status: int, code: str, message: str) -> Response:
    """Return an error in the storage's shape."""
    return JSONResponse({"code": code, "message": message, "requestId": str(uuid.uuid4())}, status)


def _file_name(id_: str) -> str:
    return f"object-{hashlib.sha256(id_.encode()).hexdigest()}"


_OBJECT_HANDLERS = {
    "PUT": _put_object,
    "GET": _get_object,
    "HEAD": _get_object,
    "POST": _post_object,
    "DELETE": _delete_object,
}
