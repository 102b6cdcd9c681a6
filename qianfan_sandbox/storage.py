"""The object storage, and its HTTP interface as BOS has it under `/bos/{bucket}/{key}`.

Files have names of the sandbox's own making, so that no key can lead out of its folder.
"""

import base64
import hashlib
import uuid
import zlib
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from operator import itemgetter
from urllib.parse import quote

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qfnb.wire import storage as wire
from qfnb.wire.base import JsonObject

from .http.call import SANDBOX_HEADER, Refusal, fields_of, utc
from .http.middleware import verify_signature
from .state.store import Document, Store, random_id
from .state.world import World


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
    rows = []
    for row in store.all("object"):
        row["key"] = row["id"].removeprefix(f"{bucket}/")
        if row["id"].startswith(f"{bucket}/{prefix}"):
            rows.append(row)
    return sorted(rows, key=itemgetter("key"))


def key_problem(key: str) -> str:
    """Return what is wrong with an object's key, "" if it is valid."""
    if not 1 <= len(key.encode()) <= wire.MAX_KEY_BYTES:
        return f"a key has 1 to {wire.MAX_KEY_BYTES} bytes"
    is_path = {".", ".."} & set(key.replace("\\", "/").split("/"))
    if key[0] in "/\\" or not key.isprintable() or is_path:
        return (
            "a key must not start with a slash, nor hold control characters or the parts . and .."
        )
    return ""


def digest_problem(content: bytes, headers: Mapping[str, str]) -> str:
    """Return which digest in the headers differs from the content's, "" if none."""
    digests = {
        "content-md5": base64.b64encode(bytes.fromhex(md5_of(content))).decode(),
        "x-bce-content-crc32": str(zlib.crc32(content)),
        "x-bce-content-sha256": hashlib.sha256(content).hexdigest(),
    }
    for name, digest in digests.items():
        if headers.get(name, digest) != digest:
            return f"{name} is not the digest of the received content"
    return ""


def md5_of(content: bytes) -> str:
    """Return the MD5 of some bytes in hexadecimal digits, which is an object's tag."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def storage_refusal(status: int, code: str, message: str) -> Refusal:
    """Return a refusal in the object storage's shape."""
    return Refusal(status, {"code": code, "message": message, "requestId": str(uuid.uuid4())})


def _file_name(id_: str) -> str:
    return f"object-{hashlib.sha256(id_.encode()).hexdigest()}"


Handle = Callable[["World", Request], Awaitable[Response]]

# where the library looks for the storage; clients that only know hosts find it at the root, too
PREFIX = "/bos"


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


def _route(world: World, path: str, handlers: Mapping[str, Handle]) -> Route:
    """Return a route for signed requests to the sandbox's bucket."""

    async def answer(request: Request) -> Response:
        try:
            _validate_request(world, request)
            response = await handlers[request.method](world, request)
        except Refusal as refusal:
            response = refusal.to_response()
        response.headers.update(SANDBOX_HEADER)
        return response

    return Route(path.replace("{bucket:own}", world.address.bucket), answer, methods=[*handlers])


def _validate_request(world: World, request: Request) -> None:
    """Raise a refusal unless a request is signed, and names the sandbox's bucket and a valid
    key.
    """
    # a key may hold !'()* and the like, which a client may sign encoded and send as they are
    authorization = request.headers.get("authorization")
    authorization = authorization or request.query_params.get("authorization", "")
    verify_signature(world, authorization, request, quote(request.scope["path"]))
    if _bucket_of(world, request) != world.address.bucket:
        raise storage_refusal(404, "NoSuchBucket", "The specified bucket does not exist.")
    key = request.path_params.get("key")
    if key and (problem := key_problem(key)):
        raise storage_refusal(400, "InvalidArgument", problem)


def _bucket_of(world: World, request: Request) -> str:
    """Return the bucket of a request; the routes at the root are the sandbox's bucket."""
    return str(request.path_params.get("bucket", world.address.bucket))


async def _put_object(world: World, request: Request) -> Response:
    content = await request.body()
    if problem := digest_problem(content, request.headers):
        raise storage_refusal(400, "BadDigest", problem)
    if "uploadId" in request.query_params:
        return _put_part(world, request, content)
    key = request.path_params["key"]
    stored = write_object(world.store, _bucket_of(world, request), key, content)
    return Response(headers={"etag": f'"{stored["etag"]}"'})


async def _post_object(world: World, request: Request) -> Response:
    if "uploads" in request.query_params:
        return _start_upload(world, _bucket_of(world, request), request)
    if "uploadId" in request.query_params:
        return await _complete_upload(world, request)
    raise storage_refusal(400, "InvalidArgument", "a POST begins or completes a multipart upload")


async def _delete_object(world: World, request: Request) -> Response:
    if "uploadId" in request.query_params:
        return _abort_upload(world, request)
    delete_object(world.store, _bucket_of(world, request), request.path_params["key"])
    return Response(status_code=204)


async def _get_object(world: World, request: Request) -> Response:
    bucket = _bucket_of(world, request)
    key = request.path_params["key"]
    row = world.store.get("object", f"{bucket}/{key}")
    content = read_object(world.store, wire.build_uri(bucket, key))
    if row is None or content is None:
        raise storage_refusal(404, "NoSuchKey", "The specified key does not exist.")
    modified = formatdate(row["modified"], usegmt=True)
    headers = {"etag": f'"{row["etag"]}"', "last-modified": modified}
    return Response(content, headers=headers, media_type="application/octet-stream")


async def _list_bucket(world: World, request: Request) -> Response:
    """List a bucket's objects, or its uploads."""
    query = request.query_params
    bucket = _bucket_of(world, request)
    if "uploads" in query:
        return _list_uploads(world, bucket)
    max_keys = query.get("maxKeys", "1000")
    marker = query.get("marker", "")
    prefix = query.get("prefix", "")
    if not (max_keys.isascii() and max_keys.isdigit()) or not int(max_keys[:9]) >= 1:
        raise storage_refusal(400, "InvalidArgument", "maxKeys is a whole number from 1")
    limit = min(int(max_keys[:9]), wire.MAX_KEYS)
    rows = [row for row in list_objects(world.store, bucket, prefix) if row["key"] > marker]
    answer: JsonObject = {
        "name": bucket,
        "prefix": prefix,
        "marker": marker,
        "maxKeys": limit,
        "isTruncated": len(rows) > limit,
        "contents": [_object_to_wire(row) for row in rows[:limit]],
    }
    if answer["isTruncated"]:
        answer["nextMarker"] = rows[limit - 1]["key"]
    return JSONResponse(answer)


def _object_to_wire(row: Document) -> JsonObject:
    return {
        **fields_of(row, "key", "size", eTag="etag"),
        "lastModified": utc(row["modified"]),
        "storageClass": "STANDARD",
    }


def _start_upload(world: World, bucket: str, request: Request) -> Response:
    key = request.path_params["key"]
    upload = world.store.add("upload", random_id("", 32), bucket=bucket, key=key, parts={})
    return JSONResponse({"bucket": bucket, "key": key, "uploadId": upload["id"]})


def _put_part(world: World, request: Request, content: bytes) -> Response:
    """Store a part, or replace the one with the same number."""
    upload = _get_upload(world, request)
    number = request.query_params.get("partNumber", "")
    if not (number.isascii() and number.isdigit() and 1 <= int(number[:9]) <= wire.MAX_PARTS):
        raise storage_refusal(400, "InvalidArgument", f"partNumber is 1 to {wire.MAX_PARTS}")
    etag = md5_of(content)
    world.store.write_file(_part_file_name(upload, int(number)), content)
    parts = _stored_parts(world, upload)
    parts[str(int(number))] = {"etag": etag, "size": len(content)}
    world.store.update(upload["id"], parts=parts)
    return Response(headers={"etag": f'"{etag}"'})


async def _complete_upload(world: World, request: Request) -> Response:
    """Make one object of the parts that the request lists."""
    upload = _get_upload(world, request)
    try:
        parts = wire.CompleteUpload.model_validate_json(await request.body()).parts
    except ValidationError:
        raise storage_refusal(400, "MalformedJSON", "the body is not a list of parts") from None
    _validate_parts(parts, _stored_parts(world, upload))
    content = b""
    etags = ""
    for uploaded in parts:
        content += world.store.read_file(_part_file_name(upload, uploaded.part_number)) or b""
        etags += uploaded.e_tag.strip('"')
    etag = f"-{md5_of(etags.encode())}"
    write_object(world.store, upload["bucket"], upload["key"], content, etag)
    _delete_upload(world, upload)
    answer = fields_of(upload, "bucket", "key")
    answer["location"] = f"{world.address.url}/{upload['bucket']}/{upload['key']}"
    answer["eTag"] = etag
    return JSONResponse(answer, headers={"etag": f'"{etag}"'})


def _abort_upload(world: World, request: Request) -> Response:
    upload = _get_upload(world, request)
    _delete_upload(world, upload)
    return Response(status_code=204)


def _list_uploads(world: World, bucket: str) -> Response:
    """List the uploads that are neither completed nor aborted."""
    uploads = []
    for row in world.store.all("upload", bucket=bucket):
        uploads.append(fields_of(row, "key", uploadId="id") | {"initiated": utc(row["created"])})
    return JSONResponse({"bucket": bucket, "isTruncated": False, "uploads": uploads})


def _validate_parts(parts: list[wire.UploadedPart], stored: JsonObject) -> None:
    """Raise a refusal unless the parts of an object are stored, large enough and in ascending
    order.
    """
    numbers = [part.part_number for part in parts]
    if not numbers or numbers != sorted(set(numbers)):
        raise storage_refusal(400, "InvalidPartOrder", "the numbers of the parts do not rise")
    for part in parts:
        if stored.get(str(part.part_number), {}).get("etag") != part.e_tag.strip('"'):
            reason = "a part was not found, or has a different tag"
            raise storage_refusal(400, "InvalidPart", reason)
    if any(stored[str(number)]["size"] < wire.MIN_PART_BYTES for number in numbers[:-1]):
        reason = f"a part but the last has {wire.MIN_PART_BYTES} bytes at least"
        raise storage_refusal(400, "EntityTooSmall", reason)


def _get_upload(world: World, request: Request) -> Document:
    upload = world.store.get("upload", request.query_params["uploadId"])
    if upload is None or upload["key"] != request.path_params["key"]:
        message = "The specified multipart upload does not exist."
        raise storage_refusal(404, "NoSuchUpload", message)
    return upload


def _stored_parts(world: World, upload: Document) -> JsonObject:
    """Return the stored parts by number, read anew: parts are uploaded concurrently."""
    current = world.store.get("upload", upload["id"]) or {"parts": {}}
    return dict(current["parts"])


def _delete_upload(world: World, upload: Document) -> None:
    for number in _stored_parts(world, upload):
        world.store.remove_file(_part_file_name(upload, int(number)))
    world.store.remove("upload", upload["id"])


def _part_file_name(upload: Document, number: int) -> str:
    return f"part-{upload['id']}-{number}"


_OBJECT_HANDLERS = {
    "PUT": _put_object,
    "GET": _get_object,
    "HEAD": _get_object,
    "POST": _post_object,
    "DELETE": _delete_object,
}
