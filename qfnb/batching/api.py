"""`qfnb.batch`, `abatch`, `estimate` and `resume`: check everything that can be checked, then
start.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Unpack

from .._jobs.worker_pool import validate_worker_count
from ..base.language import tr, tr_noop
from ..resources.inference.arguments import ChatOptions
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.inference_model import MESSAGE_OPTIONS, split_client_options
from . import export, input_files, journal_reader, journal_store, validation
from .batch import Batch
from .client_pool import build_pool
from .input_source import open_source
from .journal import Journal
from .journal_reader import JournalError
from .offline.pictures import validate_pictures
from .preflight import JobSpec, Preflight, build_batch_preflight, build_preflight, scan_input
from .request_spec import OfflineVia, RequestSpec, platform_name
from .row_pages import load_input

Rows = Any
"""A DataFrame or Series, an Arrow table or what has its stream (polars), .jsonl, .csv or .parquet
files (a path, a folder, a pattern or an address), or an iterable of prompts, conversations or
dictionaries.
"""


def batch(
    rows: Rows,
    prompt: str | None = None,
    *,
    model: str | None = None,
    endpoint: str | None = None,
    out: str | Path | None = None,
    name: str | None = None,
    workers: int | None = None,
    budget: float | None = None,
    budget_tokens: int | None = None,
    dedupe: bool = False,
    canary: int = 3,
    invalid_rows: Literal["raise", "fail"] = "raise",
    allow_changed_input: bool | Literal["keep"] = False,
    allow_same_prompt: bool = False,
    client: ChatCompletion | None = None,
    clients: Sequence[ChatCompletion] | None = None,
    mode: Literal["online", "offline"] = "online",
    offline_via: OfflineVia | None = None,
    request_timeout: float | None = None,
    retry_count: int | None = None,
    **options: Unpack[ChatOptions],
) -> Batch:
    """Send every row to a model, and lose nothing: starts at once and returns the running batch.

    Every answer is in a journal on disk before it is counted. The same call again, in a new kernel
    too, sends only what is missing.

    Args:
        rows: a DataFrame or Series; an Arrow table, or what has its stream or `__dataframe__`;
            .jsonl, .csv or .parquet files, as a path, a folder, a pattern or an address; or any
            iterable of prompts, conversations or dictionaries. One without a length is read while
            its rows are sent.
        prompt: a template over the columns, `"Classify: {review}"`; without one the rows are
            prompts, or have a column `prompt` or `messages`.
        model: name of a preset model, as in `ChatCompletion`; offline also one that draws, or edits
            the pictures
            of a column `image`: the result's text is then the path of the saved picture.
        endpoint: a service of your own instead.
        out: a .jsonl, .csv, .xlsx or .parquet file for inputs and results; it is written as they
            come, and appears at the end.
        name: of the journal; by default made from the rows and from what is sent.
        workers: rows in flight at once, 1 to 1000, default 8.
        budget: CNY that the batch may cost in all; it stops cleanly before that is exceeded.
        budget_tokens: tokens of prompts and answers that it may use in all, for models without a
            known price.
        dedupe: send identical rows once.
        canary: rows that are sent first; when all of them fail the others are not sent. 0 for none.
        invalid_rows: `raise` when a row cannot be sent (NaN, empty), or let that row `fail`.
        allow_changed_input: the input of a named journal has changed: keep the answers that still
            fit, and drop the others; "keep" leaves those for an input that has their rows again.
        allow_same_prompt: the template names no column, and its one text is meant to be sent for
            every row.
        client: a `ChatCompletion` with keys or a base_url of its own.
        clients: several of them in its place, with keys or endpoints of their own, on one platform:
            each row goes to the one whose limits let it go soonest. One whose key is refused, or
            without money or quota, or whose endpoint does not exist, gets no more rows, and its
            rows go to the others; the last one stops the batch as a single one does. One that is
            overloaded (5xx, no connection) answers fewer: its rows are tried again at another, and
            after two faults in a row it rests for 1 to 60 s and then gets one row at a time until
            it answers. `model` is what the endpoints serve; journals do not depend on who answers.
        mode: `offline` hands the rows to the platform's batch service, at 40 % of the price where
            the model has a batch price; answers come when its jobs have ended, and rows without one
            are sent online.
        offline_via: `files` (/v2/batches, an API key) or `bos` (your own bucket, an IAM pair); by
            default what the keys allow.
        request_timeout: seconds of one row, as in `ChatCompletion.do`.
        retry_count: tries of one row, 1 or more.
        **options: of `ChatCompletion.do`, `system` among them.

    Raises:
        InvalidArgumentError: an argument, the template or a row is wrong; nothing was sent.
        JournalError: the journal is in use, of another batch, or cannot be written.
    """
    source = open_source(rows)
    check = validation.validate_arguments
    if clients is not None:
        client = build_pool(clients, client=client, model=model, endpoint=endpoint, mode=mode)
    check(name=name, model=model, endpoint=endpoint, client=client, dedupe=dedupe, canary=canary)
    check(budget_tokens=budget_tokens)
    check(
        invalid_rows=invalid_rows,
        allow_changed_input=allow_changed_input,
        allow_same_prompt=allow_same_prompt,
    )
    check(
        mode=mode, offline_via=offline_via, request_timeout=request_timeout, retry_count=retry_count
    )
    via = validation.choose_offline_via(mode, offline_via, client)
    output_path = validation.validate_output(out, source)
    worker_count = validate_worker_count("workers", workers)
    limits = {"request_timeout": request_timeout, "retry_count": retry_count}
    call_options, sent = split_client_options({**options, **limits}, MESSAGE_OPTIONS)
    chat, request = validation.build_request(client, prompt, model, endpoint, dedupe, sent)
    requested_format = options.get("response_format")
    if requested_format is None:
        response_format = None
    else:
        response_format = validation.choose_format(request, requested_format)
    if budget is None:
        budget = None
    else:
        budget = validation.validate_budget(budget, request, client)
    if request.draws:
        validate_pictures(request, via, budget_tokens)
    scan, stream = scan_input(request, source)
    validation.refuse_same_requests(
        request, scan.rows if scan.is_complete else source.total, allow_same_prompt
    )
    if invalid_rows == "raise" and scan.invalid:
        scan.raise_if_invalid()
    journal = Journal(journal_store.journal_path(name or f"batch-{scan.digest}"))
    try:
        # of this name are at most repeats of the rows
        is_changeable = allow_changed_input or (name is None and "keep")
        pages = load_input(journal, request, source, scan, allow_changed_input=is_changeable)
        journal.set_facts(offline=via or "")
        if output_path is not None or journal.get_fact("out"):
            journal.set_facts(out="" if output_path is None else output_path.absolute())
        if not source.is_rereadable:
            counts = None
        else:
            counts = (journal.count_missing(), journal.counts())
        preflight = build_batch_preflight(
            request,
            source,
            scan,
            counts,
            budget,
            budget_tokens,
            is_offline=bool(via),
            clients=clients,
        )
        job = JobSpec(
            path=journal.path,
            request=request,
            chat=chat,
            preflight=preflight,
            source=source,
            stream=stream,
            worker_count=worker_count,
            budget=budget,
            budget_tokens=budget_tokens,
            canary=canary,
            output_path=output_path,
            notes=(journal.damage,) if journal.damage else (),
            input=source.description,
            call_options=call_options,
            offline_via=via,
            response_format=response_format,
        )
        return Batch(job, journal, pages)
    except BaseException:
        journal.close()
        raise


def journal_name(rows: Rows, *, client: ChatCompletion, **options: Unpack[ChatOptions]) -> str:
    """Return the name that `batch` gives the journal of these rows where the caller names none.

    Args:
        rows: as in `batch`.
        client: as in `batch`.
        **options: as in `batch`.

    Raises:
        InvalidArgumentError: an option or the rows are wrong.
    """
    _, sent = split_client_options(dict(options), MESSAGE_OPTIONS)
    _, request = validation.build_request(client, None, None, None, False, sent)
    return f"batch-{scan_input(request, open_source(rows))[0].digest}"


async def abatch(rows: Rows, prompt: str | None = None, **options: Any) -> Batch:
    """The awaited form of `batch`: returns when every row has finished."""
    return await batch(rows, prompt, **options)


def estimate(
    rows: Rows,
    prompt: str | None = None,
    *,
    model: str | None = None,
    endpoint: str | None = None,
    budget: float | None = None,
    budget_tokens: int | None = None,
    dedupe: bool = False,
    client: ChatCompletion | None = None,
    clients: Sequence[ChatCompletion] | None = None,
    **other_options: Unpack[validation.EstimateOptions],
) -> Preflight:
    """Return the size of a batch with the same arguments: rows, duplicates, tokens, cost; nothing
    is sent.

    Args:
        rows: as in `batch`; an input that can be read only once is read in part.
        prompt: as in `batch`.
        model: as in `batch`.
        endpoint: as in `batch`.
        budget: as in `batch`; the preflight warns where it does not suffice.
        budget_tokens: as in `batch`; likewise.
        dedupe: as in `batch`.
        client: as in `batch`.
        clients: as in `batch`.
        **other_options: the other arguments of `batch`.

    Raises:
        InvalidArgumentError: an argument, the template or a row is wrong.
    """
    source = open_source(rows)
    is_offline = other_options.get("mode") == "offline"
    if clients is not None:
        mode = other_options.get("mode", "online")
        client = build_pool(clients, client=client, model=model, endpoint=endpoint, mode=mode)
    validation.validate_arguments(client=client, model=model, endpoint=endpoint, dedupe=dedupe)
    validation.validate_arguments(budget_tokens=budget_tokens)
    _, options = split_client_options(
        validation.validate_estimate_options(other_options), MESSAGE_OPTIONS
    )
    _, request = validation.build_request(client, prompt, model, endpoint, dedupe, options)
    if request.draws:
        validate_pictures(request, "files", budget_tokens)  # an estimate needs no mode
    if budget is None:
        budget = None
    else:
        budget = validation.validate_budget(budget, request, client)
    scan, _ = scan_input(request, source)
    requests = scan.rows - scan.invalid - (scan.duplicates if dedupe else 0)
    if source.total is not None:
        row_count = source.total
    elif not scan.is_complete:
        row_count = None
    else:
        row_count = scan.rows
    return build_preflight(
        request,
        scan,
        rows=row_count,
        requests=requests,
        budget=budget,
        budget_tokens=budget_tokens,
        is_offline=is_offline,
        clients=clients,
    )


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
    if budget is None:
        budget = None
    else:
        budget = validation.validate_budget(budget, request, chat)
    if out is None:
        output_path = None
    else:
        output_path = export.validate_output_path(out)
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
    """Return the client that sends the remaining rows, if it calls the platform that the answers of
    a journal are from.

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
