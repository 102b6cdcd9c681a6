"""`qfnb.resume`: continues a batch from its journal alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .._jobs.worker_pool import validate_worker_count
from ..base.language import tr, tr_noop
from ..resources.inference.chat import ChatCompletion
from . import export, input_files, journal_reader, journal_store, validation
from .batch import Batch
from .journal import Journal
from .journal_reader import JournalError
from .pool_arguments import build_pool
from .preflight import JobSpec, Preflight
from .request_spec import RequestSpec, platform_name

INPUT_NOT_READ = tr_noop(
    "the input was not read to its end: run its cell again for the remaining rows"
)


def resume(
    name: str,
    *,
    workers: int | None = None,
    budget: float | None = None,
    budget_tokens: int | None = None,
    out: str | Path | None = None,
    clients: Sequence[ChatCompletion] | None = None,
) -> Batch:
    """Continue a batch by its name, without its input: the rows that were read from it are in the
    journal.

    Args:
        name: as in `batches()`.
        workers: rows in flight at once, 1 to 1000, default 8.
        budget: CNY that the batch may cost in all, the earlier runs included.
        budget_tokens: tokens that it may use in all, likewise.
        out: the file that inputs and results are written to at the end; default: that of the
            earlier run, if any.
        clients: as in `batch`; default: the keys of the settings. They need not be those of the
            earlier run.

    Raises:
        InvalidArgumentError: no batch has this name, or `out` cannot be written.
        JournalError: it is running elsewhere, or belongs to another platform.
    """
    validation.validate_arguments(budget_tokens=budget_tokens)
    path = journal_store.existing_journal_path(name)
    request = journal_store.load_request_spec(
        path, journal_reader.read_facts(path)[0].get("plan", "{}")
    )
    chat = _choose_client(name, request, clients)
    worker_count = validate_worker_count("workers", workers)
    budget = None if budget is None else validation.validate_budget(budget, request, chat)
    output_path = None if out is None else export.validate_output_path(out)
    journal = Journal(path)
    try:
        counts = journal.counts()
        missing = journal.count_missing()
        if missing and (files := journal.get_fact("files")):
            input_files.InputFiles.from_json(files).verify()
        invalid = journal_reader.count_invalid_rows(path)
        offline_via: Any = journal.get_fact("offline") or None
        if output_path is not None:
            journal.set_facts(out=output_path.absolute())
        elif stored_path := journal.get_fact("out"):
            output_path = Path(stored_path)
        job = JobSpec(
            path=path,
            request=request,
            chat=chat,
            preflight=Preflight(
                rows=counts.rows,
                requests=missing,
                cached=counts.rows - missing - invalid,
                invalid=invalid,
                prompt_tokens=missing * counts.prompt_tokens // max(counts.ok, 1),
                completion_tokens=missing * counts.completion_tokens // max(counts.ok, 1),
                model=request.endpoint or request.model or "",
                budget=budget,
                budget_tokens=budget_tokens,
            ),
            worker_count=worker_count,
            budget=budget,
            budget_tokens=budget_tokens,
            output_path=output_path,
            notes=(
                *filter(None, [journal.damage]),
                *(() if journal.get_fact("complete") == "1" else (tr(INPUT_NOT_READ),)),
            ),
            input=journal.get_fact("input"),
            offline_via=offline_via,
            response_format=request.response_format,
        )
        return Batch(job, journal)
    except BaseException:
        journal.close()
        raise


def _choose_client(
    name: str, request: RequestSpec, clients: Sequence[ChatCompletion] | None
) -> ChatCompletion:
    """Return what sends the remaining rows, if it calls the platform that the answers of a journal
    are from.

    Args:
        name: of the batch.
        request: what is sent for each row.
        clients: the argument of `resume`.

    Raises:
        JournalError: it calls another one.
    """
    chat = ChatCompletion()
    if clients is not None:
        chat = build_pool(clients, client=None, model=request.model, endpoint=request.endpoint)
    platform = platform_name(chat.platform_info())
    if request.platform != platform:
        raise JournalError(
            tr(
                "the answers of batch {name!r} are from {earlier}, and calls go to {platform} "
                "now: answers "
                "of the two are not mixed",
                name=name,
                earlier=request.platform,
                platform=platform,
            )
        )
    return chat
