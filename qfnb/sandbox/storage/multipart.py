"""Uploads in parts: each is kept by itself until all of them become one object, or none."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...wire import storage as wire
from ..state.store import Document, random_id
from . import objects

if TYPE_CHECKING:
    from ..state.world import World


def start_upload(world: World, request: Request) -> Response:
    """Begin an upload."""
    bucket, key = objects.requested_bucket(world, request), request.path_params["key"]
    upload = world.store.add("upload", random_id("", 32), bucket=bucket, key=key, parts={})
    return JSONResponse({"bucket": bucket, "key": key, "uploadId": upload["id"]})


def put_part(world: World, request: Request, content: bytes) -> Response:
    """Keep a part in the place of one with the same number."""
    upload, number = _find_upload(world, request), request.query_params.get("partNumber", "")
    if upload is None:
        return _no_such_upload()
    if not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= wire.MAX_PARTS):
        return objects.error_response(400, "InvalidArgument", f"partNumber is 1 to {wire.MAX_PARTS}")
    etag = objects.etag_of(content)
    world.store.write_file(_part_file_name(upload, int(number)), content)
    parts = {**_stored_parts(world, upload), str(int(number)): {"etag": etag, "size": len(content)}}
    world.store.update(upload["id"], parts=parts)
    return Response(headers={"etag": f'"{etag}"'})


async def complete_upload(world: World, request: Request) -> Response:
    """Make one object of the parts that are named."""
    upload = _find_upload(world, request)
    if upload is None:
        return _no_such_upload()
    try:
        parts = wire.CompleteUpload.model_validate_json(await request.body()).parts
    except ValidationError:
        return objects.error_response(400, "MalformedJSON", "the body is not a list of parts")
    if refusal := _parts_refusal(parts, _stored_parts(world, upload)):
        return refusal
    content = b"".join(
        world.store.read_file(_part_file_name(upload, part.part_number)) or b"" for part in parts
    )
    etag = "-" + hashlib.md5("".join(map(_etag, parts)).encode(), usedforsecurity=False).hexdigest()
    objects.write_object(world.store, upload["bucket"], upload["key"], content, etag)
    _delete_upload(world, upload)
    location = f"{world.address.url}/{upload['bucket']}/{upload['key']}"
    return JSONResponse(
        {"location": location, "bucket": upload["bucket"], "key": upload["key"], "eTag": etag},
        headers={"etag": f'"{etag}"'},
    )


def abort_upload(world: World, request: Request) -> Response:
    """Give up an upload, and what has come of it."""
    upload = _find_upload(world, request)
    if upload is None:
        return _no_such_upload()
    _delete_upload(world, upload)
    return Response(status_code=204)


def list_parts(world: World, request: Request) -> Response:
    """Tell which parts have come."""
    upload = _find_upload(world, request)
    if upload is None:
        return _no_such_upload()
    parts = sorted((int(number), part) for number, part in _stored_parts(world, upload).items())
    return JSONResponse(
        {
            "bucket": upload["bucket"],
            "key": upload["key"],
            "uploadId": upload["id"],
            "isTruncated": False,
            "maxParts": wire.MAX_PARTS,
            "parts": [
                {"partNumber": number, "eTag": part["etag"], "size": part["size"]} for number, part in parts
            ],
        }
    )


def list_uploads(world: World, bucket: str) -> Response:
    """Tell which uploads have begun and not ended."""
    rows = [row for row in world.store.all("upload") if row["bucket"] == bucket]
    uploads = [
        {"key": row["key"], "uploadId": row["id"], "initiated": objects.format_time(row["created"])}
        for row in rows
    ]
    return JSONResponse({"bucket": bucket, "isTruncated": False, "uploads": uploads})


def _parts_refusal(parts: list[wire.UploadedPart], stored: dict[str, Any]) -> Response | None:
    """Return what is wrong with the parts that an object shall be made of, None when nothing is."""
    numbers = [part.part_number for part in parts]
    if not numbers or numbers != sorted(set(numbers)):
        return objects.error_response(400, "InvalidPartOrder", "the numbers of the parts do not rise")
    if any(stored.get(str(part.part_number), {}).get("etag") != _etag(part) for part in parts):
        return objects.error_response(400, "InvalidPart", "a part was not found, or has another tag")
    if any(stored[str(number)]["size"] < wire.MIN_PART_BYTES for number in numbers[:-1]):
        return objects.error_response(
            400, "EntityTooSmall", f"a part but the last has {wire.MIN_PART_BYTES} bytes at least"
        )
    return None


def _find_upload(world: World, request: Request) -> Document | None:
    """Return the upload that a request names, when it is one of this object."""
    upload = world.store.get("upload", request.query_params["uploadId"])
    return upload if upload and upload["key"] == request.path_params["key"] else None


def _stored_parts(world: World, upload: Document) -> dict[str, Any]:
    """Return the parts that have come, as they are now: parts come side by side."""
    current = world.store.get("upload", upload["id"])
    return current["parts"] if current else {}


def _delete_upload(world: World, upload: Document) -> None:
    for number in _stored_parts(world, upload):
        world.store.remove_file(_part_file_name(upload, int(number)))
    world.store.remove("upload", upload["id"])


def _no_such_upload() -> Response:
    return objects.error_response(404, "NoSuchUpload", "The specified multipart upload does not exist.")


def _etag(part: wire.UploadedPart) -> str:
    return part.e_tag.strip('"')


def _part_file_name(upload: Document, number: int) -> str:
    return f"part-{upload['id']}-{number}"
