"""Object storage, as BOS has it under `/bos/{bucket}/{key}`: put, get, and list by prefix.

Objects are files under names of the sandbox's own making, so that no key can lead out of its folder.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..wire import storage as wire
from . import auth
from .routing import MARK, Refusal
from .store import Document, Store

if TYPE_CHECKING:
    from .world import World

Handle = Callable[["World", Request], Awaitable[Response]]


def routes(world: World) -> list[Route]:
    """Return the routes of the object storage."""
    one = "/bos/{bucket}/{key:path}"
    return [
        Route("/bos/{bucket}", _guarded(world, _list), methods=["GET"]),
        Route("/bos/{bucket}/", _guarded(world, _list), methods=["GET"]),
        Route(one, _guarded(world, _put), methods=["PUT"]),
        Route(one, _guarded(world, _get), methods=["GET"]),
    ]


def write(store: Store, bucket: str, key: str, content: bytes) -> Document:
    """Keep an object in the place of one with the same key; return what is known of it."""
    id_, known = f"{bucket}/{key}", {"size": len(content), "etag": hashlib.sha256(content).hexdigest()[:32]}
    store.write_file(_file(id_), content)
    if store.get("object", id_) is None:
        return store.add("object", id_, **known, modified=time.time())
    store.update(id_, **known, modified=time.time())
    return known


def read(store: Store, address: str) -> bytes | None:
    """Return the object at `bos:/bucket/key`, None when there is none."""
    bucket, key = wire.split(address)
    return store.read_file(_file(f"{bucket}/{key}"))


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


def _guarded(world: World, handle: Handle) -> Callable[[Request], Awaitable[Response]]:
    """Let a request with the right signature through to the right bucket."""

    async def answer(request: Request) -> Response:
        answered = _checked(world, request) or await handle(world, request)
        answered.headers.update(MARK)
        return answered

    return answer


def _checked(world: World, request: Request) -> Response | None:
    """Return the refusal of a request, None when there is nothing against it."""
    # a key may hold !'()* and the like, which a client may sign encoded and send as they are
    seen = replace(auth.seen(request), path=quote(request.scope["path"]))
    try:
        auth.check_signature(world, request.headers.get("authorization", ""), seen)
    except Refusal as refusal:
        return JSONResponse(refusal.body, refusal.status, refusal.headers)
    if request.path_params["bucket"] != world.address.bucket:
        return _refused(404, "NoSuchBucket", "The specified bucket does not exist.")
    key = request.path_params.get("key")
    problem = problem_of(key) if key else ""
    return _refused(400, "InvalidArgument", problem) if problem else None


async def _put(world: World, request: Request) -> Response:
    bucket, key = request.path_params["bucket"], request.path_params["key"]
    kept = write(world.store, bucket, key, await request.body())
    return Response(headers={"etag": kept["etag"]})


async def _get(world: World, request: Request) -> Response:
    content = read(world.store, wire.join(request.path_params["bucket"], request.path_params["key"]))
    if content is None:
        return _refused(404, "NoSuchKey", "The specified key does not exist.")
    return Response(content, media_type="application/octet-stream")


async def _list(world: World, request: Request) -> Response:
    query, bucket = request.query_params, request.path_params["bucket"]
    most, marker, prefix = query.get("maxKeys", "1000"), query.get("marker", ""), query.get("prefix", "")
    if not most.isdigit() or int(most) < 1:
        return _refused(400, "InvalidArgument", "maxKeys is a whole number from 1")
    limit = min(int(most), wire.MOST_KEYS)
    rows = [row for row in listed(world.store, bucket, prefix) if row["key"] > marker]
    page, more = rows[:limit], len(rows) > limit
    return JSONResponse(
        {
            "name": bucket,
            "prefix": prefix,
            "marker": marker,
            "maxKeys": limit,
            "isTruncated": more,
            **({"nextMarker": page[-1]["key"]} if more else {}),
            "contents": [_shown(row) for row in page],
        }
    )


def _shown(row: Document) -> dict[str, Any]:
    modified = datetime.fromtimestamp(row["modified"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"key": row["key"], "size": row["size"], "eTag": row["etag"], "lastModified": modified}


def _refused(status: int, code: str, message: str) -> Response:
    return JSONResponse({"code": code, "message": message, "requestId": str(uuid.uuid4())}, status)


def _file(id_: str) -> str:
    return f"object-{hashlib.sha256(id_.encode()).hexdigest()}"
