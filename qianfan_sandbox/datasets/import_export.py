"""Imports and exports: files of the object storage become rows, and a dataset becomes a zip file.

An import takes all lines of its files, or none of them if one is invalid. What is fetched by
address (an export, the invalid lines of an import) has a secret in its path.
"""

import asyncio
import io
import zipfile
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from qfnb.wire import data_v1 as wire, storage as storage_wire
from qfnb.wire.data_v2 import FORMATS

from ..http import timestamps
from ..http.call import CREATOR, Call, emulates
from ..state.store import Document, Store, random_id
from ..state.world import World
from ..storage import objects
from . import common, row_formats, rows
from .row_formats import InvalidRow
from .row_parser import RowParser

MAX_SAMPLES = 20  # invalid lines in one answer; all of them are at `downloadUrl`
MEGABYTE = 1024 * 1024
ZIP_SECONDS = 7 * 24 * 3600  # how long a zip file is kept, on the sandbox's clock

_BOS_DOMAIN = ".bcebos.com"


@emulates(wire.IMPORT)
async def import_files(call: Call, body: wire.ImportDataset) -> bool:
    """Begin to import files."""
    call.validate_choice("importFrom", body.import_from, (wire.USER_BOS, wire.SHARED_ZIP))
    await start_import(
        call, common.get_dataset(call, body.dataset_id), body.files, annotated=body.annotated
    )
    return True


@emulates(wire.IMPORT_ERRORS)
def import_errors(call: Call, body: wire.ErrorQuery) -> dict[str, Any]:
    """List the invalid lines of the last import that have an error code."""
    dataset = common.get_dataset(call, body.dataset_id)
    task = call.world.store.get("import", dataset["import"]) if dataset["import"] else None
    problems = (
        [problem for problem in task["problems"] if problem["code"] == body.err_code]
        if task
        else []
    )
    return {
        "dataType": "file",
        "downloadUrl": error_report_url(call.world, task) if task and problems else "",
        "isZip": int(bool(task and task["zipped"])),
        "projectType": FORMATS[dataset["form"]] // 100,
        "content": [
            _problem_to_wire(number, problem)
            for number, problem in enumerate(problems[:MAX_SAMPLES], 1)
        ],
    }


async def start_import(
    call: Call, dataset: Document, files: list[str], *, annotated: bool
) -> Document:
    """Read files and begin an import; its rows become visible at its end. Return the task.

    Raises:
        Refusal: the list of files is empty or wrong, or an import is running.
    """
    world = call.world
    if not files or not all(file and file.isprintable() for file in files):
        raise call.invalid("files", "each is the address of a file")
    _validate_idle(call, dataset)
    parser, part = await asyncio.to_thread(
        _parse_files, world, files, RowParser(dataset["form"], annotated)
    )
    dataset = common.get_dataset(call, dataset["id"])  # as it is now
    _validate_idle(call, dataset)
    final_state = wire.FAILED if parser.problems else wire.FINISHED
    plan = world.lifecycle.plan((wire.RUNNING, "import"), final=final_state)
    if part is not None:
        rows.attach_part(world.store, dataset["id"], part, plan[0][1])
    return record_import(world, dataset, plan, parser)


def record_import(world: World, dataset: Document, plan: list[Any], parser: RowParser) -> Document:
    """Record an import as the last one of its dataset."""
    first = parser.problems[0] if parser.problems else None
    task = world.store.add(
        "import",
        random_id("task-"),
        dataset=dataset["id"],
        plan=plan,
        secret=random_id("", 32),
        size=parser.size,
        count=0 if first else len(parser.named_rows),
        zipped=parser.zipped,
        code=first.code if first else 0,
        problem=str(first) if first else "",
        problems=parser.problems_to_json(),
    )
    world.store.update(dataset["id"], **{"import": task["id"]})
    return task


def error_report_url(world: World, task: Document) -> str:
    """Return the address of the invalid lines of an import, "" if all were valid."""
    return f"{world.address.url}/_imports/{task['id']}/{task['secret']}" if task["problems"] else ""


def routes(world: World) -> list[Route]:
    """Return the routes of exported files and import errors; a secret in the path stands in for a
    key.
    """

    async def fetch_errors(request: Request) -> Response:
        task = world.store.get("import", request.path_params["task"])
        if task is None or task["secret"] != request.path_params["secret"]:
            return Response("the import does not exist", 404)
        return JSONResponse(task["problems"])

    async def fetch_export(request: Request) -> Response:
        _remove_expired_zips(world.store)
        content = world.store.read_file(f"export-{request.path_params['secret']}")
        return Response(content or b"", 200 if content else 404, media_type="application/zip")

    return [
        Route("/_imports/{task}/{secret}", fetch_errors, methods=["GET"]),
        Route("/_exports/{secret}/{name}", fetch_export, methods=["GET"]),
    ]


def _validate_idle(call: Call, dataset: Document) -> None:
    if common.task_status(call.world, dataset, "import") == wire.RUNNING:
        raise call.refusal(f"dataset {dataset['id']} is already being imported")


def _parse_files(
    world: World, files: list[str], parser: RowParser
) -> tuple[RowParser, Document | None]:
    """Read files and write their rows into a part; None instead of the part if a line is
    invalid.
    """
    for file in files:
        try:
            address = _storage_address(world, file)
            content = objects.read_object(world.store, address)
            if content is None:
                raise InvalidRow(wire.BAD_FORMAT, "it was not uploaded")
            parser.parse_file(address.rpartition("/")[2], content)
        except InvalidRow as error:
            parser.add_problem(file, 0, error)
        except ValueError as error:
            parser.add_problem(file, 0, InvalidRow(wire.BAD_FORMAT, str(error)))
    if not parser.named_rows and not parser.problems:
        parser.add_problem(
            files[0].rpartition("/")[2], 0, InvalidRow(wire.EMPTY_TEXT, "it has no rows")
        )
    if parser.problems:
        return parser, None
    return parser, rows.write_part(
        world.store, rows.to_entities(parser.named_rows, world.clock.now())
    )


def _storage_address(world: World, file: str) -> str:
    """Return the `bos:/bucket/key` of a file; the sandbox reads from its own storage only."""
    url = urlsplit(file)
    if url.scheme not in {"http", "https"}:
        return file if file.startswith("bos:") else f"bos:/{file.lstrip('/')}"
    host = url.hostname or ""
    path = unquote(url.path)
    if file.startswith(f"{world.address.url}/bos/"):
        return f"bos:/{path.removeprefix('/bos/')}"
    if not host.endswith(_BOS_DOMAIN):
        raise InvalidRow(
            wire.BAD_FORMAT, "the sandbox imports from its own storage, and fetches nothing"
        )
    bucket = host.removesuffix(_BOS_DOMAIN).rpartition(".")[0]
    return f"bos:/{bucket}{path}" if bucket else f"bos:{path}"


def _problem_to_wire(number: int, problem: dict[str, Any]) -> dict[str, Any]:
    return {
        "sequence": number,
        "sampleFileName": problem["file"],
        "sampleName": problem["file"],
        "textLocation": problem["line"],
        "textContent": problem["text"],
        "sandbox": {"reason": problem["reason"]},
    }


@emulates(wire.EXPORT)
async def export(call: Call, body: wire.ExportDataset) -> bool:
    """Begin to export a dataset."""
    for name, value, allowed in (
        ("exportTo", body.export_to, (0, 1)),
        ("exportType", body.export_type, (1, 2)),
        ("exportFormat", body.export_format, (0,)),
    ):
        call.validate_choice(name, value, allowed)
    dataset = common.get_dataset(call, body.dataset_id)
    if body.export_to:
        common.validate_bucket(call, "storageId", body.storage_id or "")
    target = f"{body.storage_id}{dataset['path'] or '/'}" if body.export_to else ""
    await start_export(call, dataset, target, annotated=body.export_type == 1)
    return True


@emulates(wire.EXPORT_RECORDS)
def export_records(call: Call, body: wire.DatasetRef) -> list[dict[str, Any]]:
    """List a dataset's exports, the newest first."""
    dataset = common.get_dataset(call, body.dataset_id)
    world = call.world
    tasks = [task for task in world.store.all("export")[::-1] if task["dataset"] == dataset["id"]]
    return [_record_to_wire(world, task) for task in tasks]


async def start_export(
    call: Call, dataset: Document, target: str, *, annotated: bool = True
) -> Document:
    """Pack a dataset and begin an export; return the task.

    Raises:
        Refusal: the dataset has no rows.
    """
    world = call.world
    if not rows.count(world.store, dataset):
        raise call.refusal(f"dataset {dataset['id']} has no rows to export")
    content = await asyncio.to_thread(_pack_zip, world, dataset, annotated)
    dataset = common.get_dataset(call, dataset["id"])  # it may have been deleted meanwhile
    secret = random_id("", 32)
    id_ = random_id("task-")
    bucket, _, folder = target.partition("/")
    key = f"{folder.lstrip('/')}{dataset['id']}-{id_}.zip"
    if bucket:
        objects.write_object(world.store, bucket, key, content)
    _remove_expired_zips(world.store)
    world.store.write_file(f"export-{secret}", content)
    task = world.store.add(
        "export",
        id_,
        dataset=dataset["id"],
        plan=world.lifecycle.plan((wire.RUNNING, "export"), final=wire.FINISHED),
        secret=secret,
        bucket=bucket,
        path=storage_wire.build_uri(bucket, key) if bucket else "",
        annotated=annotated,
        size=len(content),
        count=rows.count(world.store, dataset),
    )
    world.store.update(dataset["id"], export=task["id"])
    return task


def download_url(world: World, task: Document) -> str:
    """Return the address of an export's zip, "" while the export is running."""
    is_finished = world.lifecycle.final_since(task["plan"]) is not None
    return (
        f"{world.address.url}/_exports/{task['secret']}/{task['dataset']}.zip"
        if is_finished
        else ""
    )


def _remove_expired_zips(store: Store) -> None:
    for task in store.all("export"):
        if store.now() - task["created"] >= ZIP_SECONDS:
            store.remove_file(f"export-{task['secret']}")


def _pack_zip(world: World, dataset: Document, annotated: bool) -> bytes:
    entity_rows = [entity.row for _, entity in rows.iter_entities(world.store, dataset)]
    lines = [
        row_formats.to_text(row if annotated else row_formats.strip_annotations(row))
        for row in entity_rows
    ]
    text = dataset["form"] == row_formats.TEXT
    separator = "\n\n" if text and any("\n" in line for line in lines) else "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            f"{dataset['id']}.{'txt' if text else 'jsonl'}", separator.join(lines) + "\n"
        )
    return buffer.getvalue()


def _record_to_wire(world: World, task: Document) -> dict[str, Any]:
    return {
        "creatorName": CREATOR,
        "storageId": task["bucket"],
        "storagePath": task["path"],
        "size": round(task["size"] / MEGABYTE, 2),
        "exportFormat": 0,
        "exportType": 1 if task["annotated"] else 2,
        "exportTo": int(bool(task["bucket"])),
        "status": world.lifecycle.state(task["plan"]),
        "recordNum": task["count"],
        "downloadUrl": download_url(world, task),
        "startTime": timestamps.utc_spaced(task["created"]),
        "finishTime": timestamps.utc_spaced(world.lifecycle.final_since(task["plan"])),
    }
