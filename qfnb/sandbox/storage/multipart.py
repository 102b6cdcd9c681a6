"""Multipart uploads: each part is stored by itself until the upload is completed or aborted."""

from __future__ import annotations

import hashlib
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ...wire import storage as wire
from ..http.timestamps import utc
from ..state.store import Document, random_id
from ..state.world import World
from . import objects


def start_upload(world: World, bucket: str, request: Request) -> Response:
    """Begin a multipart upload."""
    key = request.path_params["key"]
    upload = world.store.add("upload", random_id("", 32), bucket=bucket, key=key, parts={})
    return JSONResponse({"bucket": bucket, "key": key, "uploadId": upload["id"]})


def put_part(world: World, request: Request, content: bytes) -> Response:
    """Store a part, or replace the one with the same number."""
    upload, number = _get_upload(world, request), request.query_params.get("partNumber", "")
    if not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= wire.MAX_PARTS):
        raise objects.storage_refusal(400, "InvalidArgument", f"partNumber is 1 to {wire.MAX_PARTS}")
    etag = objects.md5_of(content)
    world.store.write_file(_part_file_name(upload, int(number)), content)
    parts = {**_stored_parts(world, upload), str(int(number)): {"etag": etag, "size": len(content)}}
    world.store.update(upload["id"], parts=parts)
    return Response(headers={"etag": f'"{etag}"'})


async def complete_upload(world: World, request: Request) -> Response:
    """Make one object of the parts that the request lists."""
    upload = _get_upload(world, request)
    try:
        parts = wire.CompleteUpload.model_validate_json(await request.body()).parts
    except ValidationError:
        raise objects.storage_refusal(400, "MalformedJSON", "the body is not a list of parts") from None
    _validate_parts(parts, _stored_parts(world, upload))
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
    """Delete an upload with its parts."""
    upload = _get_upload(world, request)
    _delete_upload(world, upload)
    return Response(status_code=204)


def list_parts(world: World, request: Request) -> Response:
    """List the stored parts of an upload."""
    upload = _get_upload(world, request)
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
    """List the uploads that are neither completed nor aborted."""
    rows = [row for row in world.store.all("upload") if row["bucket"] == bucket]
    uploads = [{"key": row["key"], "uploadId": row["id"], "initiated": utc(row["created"])} for row in rows]
    return JSONResponse({"bucket": bucket, "isTruncated": False, "uploads": uploads})


def _validate_parts(parts: list[wire.UploadedPart], stored: dict[str, Any]) -> None:
    """Raise a refusal unless the parts of an object are stored, large enough and in ascending order."""
    numbers = [part.part_number for part in parts]
    if not numbers or numbers != sorted(set(numbers)):
        raise objects.storage_refusal(400, "InvalidPartOrder", "the numbers of the parts do not rise")
    if any(stored.get(str(part.part_number), {}).get("etag") != _etag(part) for part in parts):
        raise objects.storage_refusal(400, "InvalidPart", "a part was not found, or has another tag")
    if any(stored[str(number)]["size"] < wire.MIN_PART_BYTES for number in numbers[:-1]):
        reason = f"a part but the last has {wire.MIN_PART_BYTES} bytes at least"
        raise objects.storage_refusal(400, "EntityTooSmall", reason)


def _get_upload(world: World, request: Request) -> Document:
    """Return the upload that a request names.

    Raises:
        Refusal: it does not exist, or is one of another object.
    """
    upload = world.store.get("upload", request.query_params["uploadId"])
    if upload is None or upload["key"] != request.path_params["key"]:
        message = "The specified multipart upload does not exist."
        raise objects.storage_refusal(404, "NoSuchUpload", message)
    return upload


def _stored_parts(world: World, upload: Document) -> dict[str, Any]:
    """Return the stored parts by number, read anew: parts are uploaded concurrently."""
    current = world.store.get("upload", upload["id"])
    return current["parts"] if current else {}


def _delete_upload(world: World, upload: Document) -> None:
    for number in _stored_parts(world, upload):
        world.store.remove_file(_part_file_name(upload, int(number)))
    world.store.remove("upload", upload["id"])


def _etag(part: wire.UploadedPart) -> str:
    return part.e_tag.strip('"')


def _part_file_name(upload: Document, number: int) -> str:
    return f"part-{upload['id']}-{number}"
