"""Imports: files of the storage become rows, all of them or, when one line is bad, none."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...wire import data as wire
from ...wire.data_v2 import FORMATS
from ..http.call import Call, emulates
from ..state.store import Document, random_id
from ..state.world import World
from ..storage import objects
from . import common, rows
from .row_formats import InvalidRow
from .row_parser import RowParser

MAX_SAMPLES = 20
"""Bad lines that are told at once; all of them are at `downloadUrl`."""

_BOS_DOMAIN = ".bcebos.com"


@emulates(wire.IMPORT)
async def import_files(call: Call, body: wire.ImportDataset) -> bool:
    """Begin to import files."""
    call.validate_choice("importFrom", body.import_from, (wire.USER_BOS, wire.SHARED_ZIP))
    await start_import(call, common.get_dataset(call, body.dataset_id), body.files, annotated=body.annotated)
    return True


@emulates(wire.IMPORT_ERRORS)
def import_errors(call: Call, body: wire.ErrorQuery) -> dict[str, Any]:
    """Tell the bad lines of the last import that have this number."""
    dataset = common.get_dataset(call, body.dataset_id)
    task = call.world.store.get("import", dataset["import"]) if dataset["import"] else None
    problems = [problem for problem in task["problems"] if problem["code"] == body.err_code] if task else []
    return {
        "dataType": "file",
        "downloadUrl": error_report_url(call.world, task) if task and problems else "",
        "isZip": int(bool(task and task["zipped"])),
        "projectType": FORMATS[dataset["form"]] // 100,
        "content": [
            _problem_to_wire(number, problem) for number, problem in enumerate(problems[:MAX_SAMPLES], 1)
        ],
    }


async def start_import(call: Call, dataset: Document, files: list[str], *, annotated: bool) -> Document:
    """Read files, and begin the time that an import takes; return the import.

    Raises:
        Refusal: no file is named, or an import is under way.
    """
    world = call.world
    if not files or not all(file and file.isprintable() for file in files):
        raise call.invalid("files", "each is the address of a file")
    _validate_idle(call, dataset)
    parser, part = await asyncio.to_thread(_parse_files, world, files, RowParser(dataset["form"], annotated))
    dataset = common.get_dataset(call, dataset["id"])  # as it is now
    _validate_idle(call, dataset)
    final_state = wire.FAILED if parser.problems else wire.FINISHED
    plan = world.lifecycle.plan((wire.RUNNING, "import"), final=final_state)
    if part is not None:
        rows.attach_part(world.store, dataset["id"], part, plan[0][1])
    return record_import(world, dataset, plan, parser)


def record_import(world: World, dataset: Document, plan: list[Any], parser: RowParser) -> Document:
    """Keep how an import went, as the last one of its dataset."""
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
    """Return the address at which everything that was wrong can be read, "" when nothing was."""
    return f"{world.address.url}/_imports/{task['id']}/{task['secret']}" if task["problems"] else ""


def routes(world: World) -> list[Route]:
    """Return the routes of exported files and import errors; a secret in the path stands in for a key."""

    async def fetch_errors(request: Request) -> Response:
        task = world.store.get("import", request.path_params["task"])
        if task is None or task["secret"] != request.path_params["secret"]:
            return Response("there is no such import", 404)
        return JSONResponse(task["problems"])

    async def fetch_export(request: Request) -> Response:
        content = world.store.read_file(f"export-{request.path_params['secret']}")
        return Response(content or b"", 200 if content else 404, media_type="application/zip")

    return [
        Route("/_imports/{task}/{secret}", fetch_errors, methods=["GET"]),
        Route("/_exports/{secret}/{name}", fetch_export, methods=["GET"]),
    ]


def _validate_idle(call: Call, dataset: Document) -> None:
    if common.task_status(call.world, dataset, "import") == wire.RUNNING:
        raise call.refusal(f"dataset {dataset['id']} is already being imported")


def _parse_files(world: World, files: list[str], parser: RowParser) -> tuple[RowParser, Document | None]:
    """Read files, and write their rows down unless one is bad."""
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
        parser.add_problem(files[0].rpartition("/")[2], 0, InvalidRow(wire.EMPTY_TEXT, "there are no rows"))
    if parser.problems:
        return parser, None
    return parser, rows.write_part(world.store, rows.to_entities(parser.named_rows, world.clock.now()))


def _storage_address(world: World, file: str) -> str:
    """Return where a file lies in the sandbox's storage, which is the only place that it reads from."""
    url = urlsplit(file)
    if url.scheme not in {"http", "https"}:
        return file if file.startswith("bos:") else f"bos:/{file.lstrip('/')}"
    host, path = url.hostname or "", unquote(url.path)
    if file.startswith(f"{world.address.url}/bos/"):
        return f"bos:/{path.removeprefix('/bos/')}"
    if not host.endswith(_BOS_DOMAIN):
        raise InvalidRow(wire.BAD_FORMAT, "the sandbox imports from its own storage, and fetches nothing")
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
