"""Imports: files of the storage become rows, all of them or, when one line is bad, none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..wire import data as wire
from ..wire.data_v2 import FORMATS
from . import contents, datasets, storage
from .reading import Reading
from .routing import Call, emulates, refuse_call
from .rows import BadRow
from .store import Document, random_id

if TYPE_CHECKING:
    from .world import World

SHOWN = 20
"""Bad lines that are told at once; all of them are at `downloadUrl`."""

_BOS = ".bcebos.com"


@emulates(wire.IMPORT)
async def import_files(call: Call, body: wire.ImportDataset) -> bool:
    """Begin to import files."""
    if body.import_from not in {wire.OWN_BOS, wire.SHARED_ZIP}:
        raise refuse_call(call, f"param[importFrom] invalid: {body.import_from}; 1 is BOS, 2 a shared zip")
    await begin(call, datasets.known(call, body.dataset_id), body.files, annotated=body.annotated)
    return True


@emulates(wire.IMPORT_ERRORS)
def import_errors(call: Call, body: wire.ErrorQuery) -> dict[str, Any]:
    """Tell the bad lines of the last import that have this number."""
    dataset = datasets.known(call, body.dataset_id)
    task = call.world.store.get("import", dataset["import"]) if dataset["import"] else None
    problems = [problem for problem in task["problems"] if problem["code"] == body.err_code] if task else []
    return {
        "dataType": "file",
        "downloadUrl": told_at(call.world, task) if task and problems else "",
        "isZip": int(bool(task and task["zipped"])),
        "projectType": FORMATS[dataset["form"]] // 100,
        "content": [_sample(number, problem) for number, problem in enumerate(problems[:SHOWN], 1)],
    }


async def begin(call: Call, dataset: Document, files: list[str], *, annotated: bool) -> Document:
    """Read files, and begin the time that an import takes; return the import.

    Raises:
        Refusal: no file is named, or an import is under way.
    """
    world = call.world
    if not files or not all(file and file.isprintable() for file in files):
        raise refuse_call(call, "param[files] invalid: each is the address of a file")
    _check_idle(call, dataset)
    reading, part = await asyncio.to_thread(_read, world, files, Reading(dataset["form"], annotated))
    dataset = datasets.known(call, dataset["id"])  # as it is now
    _check_idle(call, dataset)
    then = wire.FAILED if reading.problems else wire.FINISHED
    plan = world.lifecycle.plan((wire.RUNNING, "import"), then=then)
    if part is not None:
        contents.attach(world.store, dataset["id"], part, plan[0][1])
    return noted(world, dataset, plan, reading)


def noted(world: World, dataset: Document, plan: list[Any], reading: Reading) -> Document:
    """Keep how an import went, as the last one of its dataset."""
    first = reading.problems[0] if reading.problems else None
    task = world.store.add(
        "import",
        random_id("task-"),
        dataset=dataset["id"],
        plan=plan,
        secret=random_id("", 32),
        size=reading.size,
        count=0 if first else len(reading.found),
        zipped=reading.zipped,
        code=first.code if first else 0,
        problem=str(first) if first else "",
        problems=reading.told(),
    )
    world.store.update(dataset["id"], **{"import": task["id"]})
    return task


def told_at(world: World, task: Document) -> str:
    """Return the address at which everything that was wrong can be read, "" when nothing was."""
    return f"{world.address.url}/_imports/{task['id']}/{task['secret']}" if task["problems"] else ""


def routes(world: World) -> list[Route]:
    """Return the route that the bad lines are fetched from; it holds a secret instead of needing a key."""

    async def fetch(request: Request) -> Response:
        task = world.store.get("import", request.path_params["task"])
        if task is None or task["secret"] != request.path_params["secret"]:
            return Response("there is no such import", 404)
        return JSONResponse(task["problems"])

    return [Route("/_imports/{task}/{secret}", fetch, methods=["GET"])]


def _check_idle(call: Call, dataset: Document) -> None:
    if datasets.status(call.world, dataset, "import") == wire.RUNNING:
        raise refuse_call(call, f"dataset {dataset['id']} is already being imported")


def _read(world: World, files: list[str], reading: Reading) -> tuple[Reading, Document | None]:
    """Read files, and write their rows down unless one is bad."""
    for file in files:
        try:
            address = _address(world, file)
            content = storage.read(world.store, address)
            if content is None:
                raise BadRow(wire.BAD_FORMAT, "it was not uploaded")
            reading.take(address.rpartition("/")[2], content)
        except BadRow as error:
            reading.note(file, 0, error)
        except ValueError as error:
            reading.note(file, 0, BadRow(wire.BAD_FORMAT, str(error)))
    if not reading.found and not reading.problems:
        reading.note(files[0].rpartition("/")[2], 0, BadRow(wire.EMPTY_TEXT, "there are no rows"))
    if reading.problems:
        return reading, None
    return reading, contents.written(world.store, contents.marked(reading.found, world.clock.now()))


def _address(world: World, file: str) -> str:
    """Return where a file lies in the sandbox's storage, which is the only place that it reads from."""
    url = urlsplit(file)
    if url.scheme not in {"http", "https"}:
        return file if file.startswith("bos:") else f"bos:/{file.lstrip('/')}"
    host, path = url.hostname or "", unquote(url.path)
    if file.startswith(f"{world.address.url}/bos/"):
        return f"bos:/{path.removeprefix('/bos/')}"
    if not host.endswith(_BOS):
        raise BadRow(wire.BAD_FORMAT, "the sandbox imports from its own storage, and fetches nothing")
    bucket = host.removesuffix(_BOS).rpartition(".")[0]
    return f"bos:/{bucket}{path}" if bucket else f"bos:{path}"


def _sample(number: int, problem: dict[str, Any]) -> dict[str, Any]:
    return {
        "sequence": number,
        "sampleFileName": problem["file"],
        "sampleName": problem["file"],
        "textLocation": problem["line"],
        "textContent": problem["text"],
        "sandbox": {"reason": problem["reason"]},
    }
