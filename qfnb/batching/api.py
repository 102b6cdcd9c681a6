"""`qfnb.batch`, `abatch`, `estimate` and `resume`: check everything that can be checked, then start."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Unpack

from .._jobs.worker_pool import validate_worker_count
from ..errors import InvalidArgumentError
from ..resources.inference.arguments import ChatOptions
from ..resources.inference.chat import ChatCompletion
from ..transport.request import CallOptions
from ..wire import catalog
from . import journal_reader, journal_store, validation
from .batch import Batch
from .input_scan import InputScan, peek_items, scan_rows
from .input_source import RowSource, open_source
from .journal import Journal
from .journal_reader import JournalError
from .offline.pictures import validate_pictures
from .preflight import JobSpec, Preflight, build_preflight
from .request_spec import InputRow, OfflineVia, RequestSpec, platform_name
from .row_pages import load_input

Rows = Any
"""A DataFrame or Series, a .jsonl, .csv or .parquet path, or an iterable of prompts, conversations or
dictionaries."""

INPUT_NOT_READ = "输入尚未读完，重新运行原单元格 / the input was not read to its end: run its cell for the rest"


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
    allow_changed_input: bool = False,
    client: ChatCompletion | None = None,
    mode: Literal["online", "offline"] = "online",
    offline_via: OfflineVia | None = None,
    request_timeout: float | None = None,
    retry_count: int | None = None,
    **options: Unpack[ChatOptions],
) -> Batch:
    """Send every row to a model, and lose nothing: starts at once and returns the running batch.

    Every answer is in a journal on disk before it is counted. The same call again, in a new kernel too, sends
    only what is missing.

    Args:
        rows: a DataFrame or Series; a .jsonl, .csv or .parquet path; or any iterable of prompts,
            conversations or dictionaries. One without a length is read while its rows are sent.
        prompt: a template over the columns, `"Classify: {review}"`; without one the rows are prompts, or
            have a column `prompt` or `messages`.
        model: name of a preset model, as in `ChatCompletion`; offline also one that draws, or edits the pictures
            of a column `image`: the result's text is then the path of the saved picture.
        endpoint: a service of your own instead.
        out: a .jsonl, .csv or .parquet file that inputs and results are written to at the end.
        name: of the journal; by default made from the rows and from what is sent.
        workers: rows in flight at once, 1 to 1000, default 8.
        budget: CNY that the batch may cost in all; it stops cleanly before that is exceeded.
        budget_tokens: tokens of prompts and answers that it may use in all, for models without a known price.
        dedupe: send identical rows once.
        canary: rows that are sent first; when all of them fail the others are not sent. 0 for none.
        invalid_rows: `raise` when a row cannot be sent (NaN, empty), or let that row `fail`.
        allow_changed_input: the input of a named journal has changed: keep the answers that still fit, and
            drop the others.
        client: a `ChatCompletion` with keys or a base_url of its own.
        mode: `offline` hands the rows to the platform's batch service, at 40 % of the price where the model has a
            batch price; answers come when its jobs have ended, and rows without one are sent online.
        offline_via: `files` (/v2/batches, an API key) or `bos` (your own bucket, an IAM pair); by default
            what the keys allow.
        request_timeout: seconds of one row, as in `ChatCompletion.do`.
        retry_count: tries of one row, 1 or more.
        **options: of `ChatCompletion.do`, `system` among them.

    Raises:
        InvalidArgumentError: an argument, the template or a row is wrong; nothing was sent.
        JournalError: the journal is in use, of another batch, or cannot be written.
    """
    source, check = open_source(rows), validation.validate_arguments
    check(name=name, model=model, endpoint=endpoint, client=client, dedupe=dedupe, canary=canary)
    check(budget_tokens=budget_tokens)
    check(invalid_rows=invalid_rows, allow_changed_input=allow_changed_input)
    check(mode=mode, offline_via=offline_via, request_timeout=request_timeout, retry_count=retry_count)
    via = validation.choose_offline_via(mode, offline_via, client)
    output_path = validation.validate_output(out, source)
    worker_count, chat = validate_worker_count("workers", workers), client or ChatCompletion()
    request = _build_request_spec(chat, prompt, model, endpoint, dedupe, options)
    validate_pictures(request, via, budget_tokens)
    budget = validation.validate_budget(budget, request)
    scan, stream = _scan_input(source, request)
    if invalid_rows == "raise":
        scan.raise_if_invalid()
    journal = Journal(journal_store.journal_path(name or f"batch-{scan.digest}"))
    try:
        pages = load_input(journal, request, source, scan, allow_changed_input=allow_changed_input)
        journal.set_facts(offline=via or "")
        preflight = _preflight(journal, request, source, scan, budget, budget_tokens, is_offline=via is not None)
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
            call_options=CallOptions(request_timeout, retry_count),
            offline_via=via,
            response_format=validation.choose_format(request, options.get("response_format")),
        )
        return Batch(job, journal, pages)
    except BaseException:
        journal.close()
        raise


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
    **other_options: Unpack[validation.EstimateOptions],
) -> Preflight:
    """Return what `batch` would do with the same arguments: rows, duplicates, tokens, cost; nothing is sent.

    Args:
        rows: as in `batch`; an input that can be read only once is read in part.
        prompt: as in `batch`.
        model: as in `batch`.
        endpoint: as in `batch`.
        budget: as in `batch`; the preflight warns where it does not suffice.
        budget_tokens: as in `batch`; likewise.
        dedupe: as in `batch`.
        client: as in `batch`.
        **other_options: the other arguments of `batch`.

    Raises:
        InvalidArgumentError: an argument, the template or a row is wrong.
    """
    source = open_source(rows)
    validation.validate_arguments(client=client, model=model, endpoint=endpoint, dedupe=dedupe)
    validation.validate_arguments(budget_tokens=budget_tokens)
    options = validation.validate_estimate_options(other_options)
    request = _build_request_spec(client or ChatCompletion(), prompt, model, endpoint, dedupe, options)
    validate_pictures(request, "files", budget_tokens)  # which batches there may be is not asked here
    budget = validation.validate_budget(budget, request)
    scan, _ = _scan_input(source, request)
    requests = scan.rows - scan.invalid - (scan.duplicates if dedupe else 0)
    row_count = source.total if source.total is not None else scan.rows if scan.is_complete else None
    return build_preflight(
        request,
        scan,
        rows=row_count,
        requests=requests,
        budget=budget,
        budget_tokens=budget_tokens,
        is_offline=other_options.get("mode") == "offline",
    )


def resume(
    name: str, *, workers: int | None = None, budget: float | None = None, budget_tokens: int | None = None
) -> Batch:
    """Continue a batch by its name, without its input: the rows that were read from it are in the journal.

    Args:
        name: as in `batches()`.
        workers: rows in flight at once, 1 to 1000, default 8.
        budget: CNY that the batch may cost in all, the earlier runs included.
        budget_tokens: tokens that it may use in all, likewise.

    Raises:
        InvalidArgumentError: no batch has this name.
        JournalError: it is running elsewhere, or belongs to another platform.
    """
    validation.validate_arguments(budget_tokens=budget_tokens)
    path = journal_store.existing_journal_path(name)
    request = journal_store.load_request_spec(path, journal_reader.read_facts(path)[0].get("plan", "{}"))
    chat = ChatCompletion()
    platform = platform_name(chat.platform_info())
    if request.platform != platform:
        raise JournalError(
            f"the answers of batch {name!r} are from {request.platform}, and calls go to {platform} now "
            "(平台不同，不能混用答案)"
        )
    worker_count, budget = (validate_worker_count("workers", workers), validation.validate_budget(budget, request))
    journal = Journal(path)
    try:
        counts, missing = journal.counts(), journal.count_missing()
        invalid = journal_reader.count_invalid_rows(path)
        offline_via: Any = journal.get_fact("offline") or None
        job = JobSpec(
            path=path,
            request=request,
            chat=chat,
            preflight=Preflight(
                rows=counts.rows,
                requests=missing,
                cached=counts.rows - missing - invalid,
                invalid=invalid,
                model=request.endpoint or request.model or "",
                budget=budget,
                budget_tokens=budget_tokens,
            ),
            worker_count=worker_count,
            budget=budget,
            budget_tokens=budget_tokens,
            notes=() if journal.get_fact("complete") == "1" else (INPUT_NOT_READ,),
            offline_via=offline_via,
            response_format=request.response_format,
        )
        return Batch(job, journal)
    except BaseException:
        journal.close()
        raise


def _build_request_spec(
    chat: ChatCompletion,
    prompt: str | None,
    model: str | None,
    endpoint: str | None,
    dedupe: bool,
    options: Mapping[str, Any],
) -> RequestSpec:
    if prompt is not None and (not isinstance(prompt, str) or not prompt.strip()):
        raise InvalidArgumentError(f"prompt={prompt!r}: a template with {{column}} in it, or left out")
    chat_options = validation.storable_options(options)
    model, endpoint = chat.resolve_target(model, endpoint)
    defaults = {1: catalog.V1_DEFAULTS["chat"]}
    model = model or (None if endpoint else defaults.get(int(chat.version or 2), catalog.default_model("chat")))
    return RequestSpec(platform_name(chat.platform_info()), model, endpoint, prompt, chat_options, dedupe)


def _scan_input(source: RowSource, request: RequestSpec) -> tuple[InputScan, Iterator[InputRow] | None]:
    """Read the input, or the first rows of one that can be read only once; return also its rows as a stream."""
    request.validate_columns(source)
    stream = None
    if source.is_rereadable:
        scan = scan_rows(request, source.items(), is_complete=True)
    else:
        items = source.items()
        first, is_complete = peek_items(items)
        scan = scan_rows(request, first, is_complete=is_complete)
        stream = chain(scan.first_rows, request.input_rows(items, len(scan.first_rows)))
    if not scan.rows:
        raise InvalidArgumentError(f"the input has no rows ({source.description})")
    return scan, stream


def _preflight(
    journal: Journal,
    request: RequestSpec,
    source: RowSource,
    scan: InputScan,
    budget: float | None,
    budget_tokens: int | None,
    *,
    is_offline: bool,
) -> Preflight:
    build = partial(build_preflight, request, scan, budget=budget, budget_tokens=budget_tokens, is_offline=is_offline)
    if not source.is_rereadable:
        return build(rows=source.total, requests=scan.rows)
    counts, missing = journal.counts(), journal.count_missing()
    return build(
        rows=counts.rows,
        requests=missing,
        cached=counts.rows - missing - scan.invalid,
        answer_tokens=counts.completion_tokens / counts.ok if counts.ok else None,
    )
