"""Uploads in parts: each is kept by itself until all of them become one object, or none."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..wire import storage as wire
from . import storage
from .store import Document, random_id

if TYPE_CHECKING:
    from .world import World


def begin(world: World, request: Request) -> Response:
    """Begin an upload."""
    bucket, key = storage.bucket_of(world, request), request.path_params["key"]
    upload = world.store.add("upload", random_id("", 32), bucket=bucket, key=key, parts={})
    return JSONResponse({"bucket": bucket, "key": key, "uploadId": upload["id"]})


def put(world: World, request: Request, content: bytes) -> Response:
    """Keep a part in the place of one with the same number."""
    upload, number = _upload(world, request), request.query_params.get("partNumber", "")
    if upload is None:
        return _unknown()
    if not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= wire.MOST_PARTS):
        return storage.refused(400, "InvalidArgument", f"partNumber is 1 to {wire.MOST_PARTS}")
    tag = storage.tag_of(content)
    world.store.write_file(_file(upload, int(number)), content)
    known = {**_kept(world, upload), str(int(number)): {"etag": tag, "size": len(content)}}
    world.store.update(upload["id"], parts=known)
    return Response(headers={"etag": f'"{tag}"'})


async def complete(world: World, request: Request) -> Response:
    """Make one object of the parts that are named."""
    upload = _upload(world, request)
    if upload is None:
        return _unknown()
    try:
        named = wire.Parts.model_validate_json(await request.body()).parts
    except ValidationError:
        return storage.refused(400, "MalformedJSON", "the body is not a list of parts")
    if refusal := _refusal(named, _kept(world, upload)):
        return refusal
    content = b"".join(world.store.read_file(_file(upload, part.part_number)) or b"" for part in named)
    tag = "-" + hashlib.md5("".join(map(_tag, named)).encode(), usedforsecurity=False).hexdigest()
    storage.write(world.store, upload["bucket"], upload["key"], content, tag)
    _forget(world, upload)
    where = f"{world.address.url}/{upload['bucket']}/{upload['key']}"
    return JSONResponse(
        {"location": where, "bucket": upload["bucket"], "key": upload["key"], "eTag": tag},
        headers={"etag": f'"{tag}"'},
    )


def abort(world: World, request: Request) -> Response:
    """Give up an upload, and what has come of it."""
    upload = _upload(world, request)
    if upload is None:
        return _unknown()
    _forget(world, upload)
    return Response(status_code=204)


def listed(world: World, request: Request) -> Response:
    """Tell which parts have come."""
    upload = _upload(world, request)
    if upload is None:
        return _unknown()
    parts = sorted((int(number), part) for number, part in _kept(world, upload).items())
    return JSONResponse(
        {
            "bucket": upload["bucket"],
            "key": upload["key"],
            "uploadId": upload["id"],
            "isTruncated": False,
            "maxParts": wire.MOST_PARTS,
            "parts": [
                {"partNumber": number, "eTag": part["etag"], "size": part["size"]} for number, part in parts
            ],
        }
    )


def underway(world: World, bucket: str) -> Response:
    """Tell which uploads have begun and not ended."""
    rows = [row for row in world.store.all("upload") if row["bucket"] == bucket]
    uploads = [
        {"key": row["key"], "uploadId": row["id"], "initiated": storage.dated(row["created"])} for row in rows
    ]
    return JSONResponse({"bucket": bucket, "isTruncated": False, "uploads": uploads})


def _refusal(named: list[wire.Part], kept: dict[str, Any]) -> Response | None:
    """Return what is wrong with the parts that an object shall be made of, None when nothing is."""
    numbers = [part.part_number for part in named]
    if not numbers or numbers != sorted(set(numbers)):
        return storage.refused(400, "InvalidPartOrder", "the numbers of the parts do not rise")
    if any(kept.get(str(part.part_number), {}).get("etag") != _tag(part) for part in named):
        return storage.refused(400, "InvalidPart", "a part was not found, or has another tag")
    if any(kept[str(number)]["size"] < wire.LEAST_PART_BYTES for number in numbers[:-1]):
        return storage.refused(
            400, "EntityTooSmall", f"a part but the last has {wire.LEAST_PART_BYTES} bytes at least"
        )
    return None


def _upload(world: World, request: Request) -> Document | None:
    """Return the upload that a request names, when it is one of this object."""
    upload = world.store.get("upload", request.query_params["uploadId"])
    return upload if upload and upload["key"] == request.path_params["key"] else None


def _kept(world: World, upload: Document) -> dict[str, Any]:
    """Return the parts that have come, as they are now: parts come side by side."""
    now = world.store.get("upload", upload["id"])
    return now["parts"] if now else {}


def _forget(world: World, upload: Document) -> None:
    for number in _kept(world, upload):
        world.store.remove_file(_file(upload, int(number)))
    world.store.remove("upload", upload["id"])


def _unknown() -> Response:
    return storage.refused(404, "NoSuchUpload", "The specified multipart upload does not exist.")


def _tag(part: wire.Part) -> str:
    return part.e_tag.strip('"')


def _file(upload: Document, number: int) -> str:
    return f"part-{upload['id']}-{number}"
