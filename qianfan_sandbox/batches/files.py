"""Files of v2, which batches read and write: uploaded as a form, downloaded as bytes."""

import json
from collections.abc import Iterator, Sequence

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qfnb.wire import batches as wire
from qfnb.wire.base import JsonObject
from qfnb.wire.endpoints import AnyEndpoint

from ..http.call import HANDLERS, SANDBOX_HEADER, Call, emulates, page_ends, v2_refusal
from ..http.middleware import RequestHandler, serve
from ..state.store import Document, Store, random_id
from ..state.world import World

MAX_FILES = 10_000  # files of one page of the list


@emulates(wire.UPLOAD)
def upload(call: Call, body: wire.UploadFile) -> JsonObject:
    """Store an uploaded file."""
    if not body.content:
        raise call.invalid("file", "the file is missing or empty")
    if len(body.content) > wire.MAX_FILE_BYTES:
        raise call.invalid("file", f"a file has at most {wire.MAX_FILE_BYTES >> 30} GiB")
    return _file_to_wire(store_file(call.store, random_id("file-", 10), body))


@emulates(wire.LIST_FILES)
def list_files(call: Call, body: wire.ListFiles) -> JsonObject:
    """List the files that were not deleted."""
    call.validate_choice("order", body.order or "desc", ("asc", "desc"))
    rows = [row for row in call.store.all("file") if not row.get("deleted")]
    rows = [row for row in rows if body.purpose in {None, row["purpose"]}]
    rows = rows if body.order == "asc" else rows[::-1]
    page, has_more = paginate(
        call, rows, body.after, body.limit, default=MAX_FILES, max_limit=MAX_FILES
    )
    return {
        "object": "list",
        "data": [_file_to_wire(row) for row in page],
        "has_more": has_more,
        **page_ends(page),
    }


@emulates(wire.FILE_INFO)
def file_info(call: Call, body: wire.FileRef) -> JsonObject:
    """Describe a file."""
    return _file_to_wire(_get_file(call))


@emulates(wire.CONTENT)
def content(call: Call, body: wire.FileRef) -> bytes:
    """Return a file's bytes."""
    return read_file(call.store, str(_get_file(call)["id"])) or b""


@emulates(wire.DELETE_FILE)
def delete(call: Call, body: wire.FileRef) -> JsonObject:
    """Delete a file."""
    id_ = str(_get_file(call)["id"])
    call.store.update(id_, deleted=True)
    call.store.write_file(id_, b"")
    return {"id": id_, "object": "file", "deleted": True}


def routes(world: World) -> list[Route]:
    """Return the routes whose bodies are not JSON; they come before those of the endpoint table."""

    async def receive_upload(call: Call, request: Request) -> Response:
        form = await _read_form(call, request)
        return JSONResponse(await run_in_threadpool(HANDLERS[wire.UPLOAD.name], call, form))

    async def send_content(call: Call, request: Request) -> Response:
        data = await run_in_threadpool(HANDLERS[wire.CONTENT.name], call, wire.FileRef())
        return Response(data, media_type="application/octet-stream")

    def route(endpoint: AnyEndpoint, handle: RequestHandler) -> Route:
        async def answer(request: Request) -> Response:
            response = await serve(world, endpoint, request, handle)
            response.headers.update(SANDBOX_HEADER)
            return response

        return Route(endpoint.path, answer, methods=[endpoint.method])

    return [route(wire.UPLOAD, receive_upload), route(wire.CONTENT, send_content)]


def store_file(store: Store, id_: str, file: wire.UploadFile) -> Document:
    """Store a file under an id, unless one with this id exists; return its document."""
    if (existing := store.get("file", id_)) is not None:
        return existing
    store.write_file(id_, file.content)
    name = file.filename.replace("\\", "/").rpartition("/")[2]
    return store.add("file", id_, filename=name, purpose=file.purpose, size=len(file.content))


def read_file(store: Store, id_: str) -> bytes | None:
    """Return a file's bytes, None if it does not exist or was deleted."""
    row = store.get("file", id_)
    if row is None or row.get("deleted"):
        return None
    return store.read_file(str(row["id"]))


def paginate(
    call: Call,
    rows: Sequence[Document],
    after: str | None,
    limit: int | None,
    *,
    default: int,
    max_limit: int,
) -> tuple[list[Document], bool]:
    """Return at most `limit` rows after the one with an id, and whether there are more."""
    if limit is not None:
        call.validate_range("limit", limit, 1, max_limit)
    ids = [row["id"] for row in rows]
    if after and after not in ids:
        raise call.invalid("after", f"{after} is not in the list")
    if after:
        start = ids.index(after) + 1
    else:
        start = 0
    end = start + (limit or default)
    return list(rows[start:end]), end < len(rows)


async def _read_form(call: Call, request: Request) -> wire.UploadFile:
    """Return the uploaded file; until it is complete it is on disk, not in memory."""
    try:
        form = await request.form(max_files=1, max_fields=8)
    except HTTPException as error:
        raise call.refusal(
            f"the form cannot be read: {error.detail}", v2_code="malformed_form"
        ) from None
    try:
        file = form.get("file")
        purpose = form.get("purpose")
        if not isinstance(file, UploadFile):
            raise call.invalid("file", "the form has no file")
        if not isinstance(purpose, str) or not purpose.strip():
            raise call.invalid("purpose", "it must not be empty")
        return wire.UploadFile(
            purpose=purpose, filename=file.filename or "", content=await file.read()
        )
    finally:
        await form.close()


def _get_file(call: Call) -> Document:
    row = call.store.get("file", call.path["file_id"])
    if row is None or row.get("deleted"):
        raise v2_refusal("file_not_found", f"No such file: {call.path['file_id']}", status=404)
    return row


def _file_to_wire(row: Document) -> JsonObject:
    return {
        "id": row["id"],
        "object": "file",
        "bytes": row["size"],
        "created_at": int(row["created"]),
        "filename": row["filename"],
        "purpose": row["purpose"],
        "status": "processed",
    }


def parse_jsonl(content: bytes) -> Iterator[tuple[int, JsonObject | None]]:
    """Yield the number and the object of every line that is not blank, None for what is not an
    object.

    None, too, for an object that cannot be written again (NaN, a lone surrogate): results repeat
    their request.
    """
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if not raw.strip():
            continue
        try:
            value = json.loads(raw.decode())
            json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
        except (ValueError, RecursionError):
            value = None
        yield number, value if isinstance(value, dict) else None
