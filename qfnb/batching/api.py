"""`qfnb.batch`, `qfnb.resume`, `qfnb.batches`: check everything that can be checked, then start."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, Unpack

from .._jobs.worker_pool import validate_worker_count
from ..errors import InvalidArgumentError
from ..resources.inference import options as checks
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.options import ChatOptions
from ..wire import catalog
from . import export, journal_reader, validation
from .batch import Batch
from .input.row_queue import PAGE_SIZE, ChainedPages, JournalPages, MemoryPages, PageReader
from .input.source import Item, RowSource, open_source
from .job_spec import JobSpec
from .journal import Journal
from .journal_reader import JournalError
from .journal_store import existing_journal_path, journal_path, load_request_spec
from .offline.backends import OfflineVia
from .preflight import InputScan, Preflight, build_entries, build_preflight, peek_rows, scan_rows
from .request_spec import RequestSpec, platform_name
from .row import PendingRow, RowEntry
from .validation import EstimateOptions

Rows = Any
"""A DataFrame or Series, a .jsonl, .csv or .parquet path, or an iterable of prompts, conversations or
dictionaries."""


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
    """Ask a model about every row, and lose nothing: starts at once and returns the batch under way.

    Every answer is in a journal on disk before it is counted. The same call again, in a new kernel too, asks
    only for what is missing.

    Args:
        rows: a DataFrame or Series; a .jsonl, .csv or .parquet path; or any iterable of prompts,
            conversations or dictionaries, which is read while it is asked when it has no length.
        prompt: a template over the columns, `"Classify: {review}"`; without one the rows are prompts, or
            have a column `prompt` or `messages`.
        model: who is asked, as in `ChatCompletion`.
        endpoint: a service of your own instead.
        out: a .jsonl, .csv or .parquet file that inputs and results are written to at the end.
        name: of the journal; by default made from what is asked.
        workers: rows asked at once, 1 to 1000, default 8.
        budget: CNY that the batch may cost in all; it stops cleanly before that is exceeded.
        dedupe: ask identical rows once.
        canary: rows that are asked first; when all of them fail the others are not asked. 0 for none.
        invalid_rows: `raise` when a row cannot be sent (NaN, empty), or `fail` only that row.
        allow_changed_input: the input of a named journal has changed: keep what still fits, drop the rest.
        client: a `ChatCompletion` with keys or a base_url of its own.
        mode: `offline` hands the rows to the platform's batch service, at 40 % of the price and without
            waiting for each; answers come when a job is over, and rows without one are asked online.
        offline_via: `files` (/v2/batches, an API key) or `bos` (your own bucket, an IAM pair); by default
            what the keys allow.
        request_timeout: seconds of one row, as in `ChatCompletion.do`.
        retry_count: tries of one row.
        **options: of `ChatCompletion.do`, `system` among them.

    Raises:
        InvalidArgumentError: an argument, the template or a row is wrong; nothing was sent.
        JournalError: the journal is in use, of another batch, or cannot be written.
    """
    validation.validate_arguments(
        name=name,
        canary=canary,
        invalid_rows=invalid_rows,
        allow_changed_input=allow_changed_input,
        mode=mode,
        offline_via=offline_via,
        request_timeout=request_timeout,
        retry_count=retry_count,
    )
    spec = _build_request_spec(client, prompt, model, endpoint, dedupe, options)
    client = client or ChatCompletion()
    worker_count, budget = validate_worker_count("workers", workers), validation.validate_budget(budget, spec)
    if out is not None:
        export.validate_output_path(out)  # before a long input is looked at
    via = validation.choose_offline_via(mode, offline_via, client)
    source, scan, stream = _scan_input(rows, spec)
    output_path = validation.validate_output(out, source)
    if invalid_rows == "raise":
        scan.raise_if_invalid()
    path = journal_path(name or f"batch-{scan.digest}")
    journal = Journal(path)
    try:
        first_page = _load_rows(journal, spec, source, scan, stream is not None, allow_changed_input)
        journal.set_facts(offline=via or "")
        preflight = _journal_preflight(journal, spec, source, scan, worker_count, budget, stream is not None)
    except BaseException:
        journal.close()
        raise
    job_spec = JobSpec(
        path,
        spec,
        client,
        source,
        preflight,
        stream,
        worker_count,
        budget,
        canary,
        output_path,
        allow_changed_input,
    )
    job_spec = replace(job_spec, request_timeout=request_timeout, retry_count=retry_count, offline_via=via)
    return Batch(job_spec, journal, first_page)


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
    dedupe: bool = False,
    client: ChatCompletion | None = None,
    **other_options: Unpack[EstimateOptions],
) -> Preflight:
    """Return what `batch` would do with the same arguments: rows, repetitions, tokens, cost; nothing is sent.

    Raises:
        InvalidArgumentError: an argument, the template or a row is wrong.
    """
    options = validation.validate_estimate_options(other_options)
    spec = _build_request_spec(client, prompt, model, endpoint, dedupe, options)
    budget = validation.validate_budget(budget, spec)
    source, scan, _ = _scan_input(rows, spec)
    requests = scan.rows - scan.invalid - (scan.duplicates if spec.dedupe else 0)
    total = source.total if source.total is not None else scan.rows if scan.is_complete else None
    return build_preflight(spec, scan, total, requests, cached=0, answer_tokens=None, budget=budget)


def resume(name: str, *, workers: int | None = None, budget: float | None = None) -> Batch:
    """Go on with a batch by its name, without its input: what was read of it is in the journal.

    Raises:
        InvalidArgumentError: there is no such batch.
        JournalError: it is under way elsewhere, or belongs to another platform.
    """
    path = existing_journal_path(name)
    spec = load_request_spec(path, journal_reader.read_facts(path)[0].get("plan", "{}"))
    platform = platform_name(ChatCompletion().platform_info())
    if spec.platform != platform:
        raise JournalError(
            f"the batch {name!r} was asked of {spec.platform}, and calls go to {platform} now "
            "(平台不同，不能混用答案)"
        )
    worker_count, cost_limit = (
        validate_worker_count("workers", workers),
        validation.validate_budget(budget, spec),
    )
    journal = Journal(path)
    counts, missing, invalid = (
        journal.counts(),
        journal.count_missing(),
        journal_reader.count_invalid_rows(path),
    )
    cached = counts.rows - missing - invalid
    preflight = Preflight(
        counts.rows, missing, cached, invalid=invalid, model=spec.endpoint or spec.model or "", budget=budget
    )
    notes = () if journal.get_fact("complete") == "1" else (INPUT_NOT_READ,)
    job_spec = JobSpec(
        path, spec, ChatCompletion(), None, preflight, None, worker_count, cost_limit, notes=notes
    )
    via: Any = journal.get_fact("offline") or None
    job_spec = replace(job_spec, offline_via=via)
    return Batch(job_spec, journal)


INPUT_NOT_READ = (
    "输入尚未读完，重新运行原单元格 / the input was not read to its end: run its cell for the rest"
)


def _build_request_spec(
    client: ChatCompletion | None,
    prompt: str | None,
    model: str | None,
    endpoint: str | None,
    dedupe: bool,
    options: Mapping[str, Any],
) -> RequestSpec:
    validation.validate_arguments(client=client, model=model, endpoint=endpoint, dedupe=dedupe)
    client = client or ChatCompletion()
    if prompt is not None and (not isinstance(prompt, str) or not prompt.strip()):
        raise InvalidArgumentError(f"prompt={prompt!r}: it is a template with {{column}} in it, or left out")
    if options.get("stream"):
        raise InvalidArgumentError("stream=True: the rows of a batch come as wholes")
    model, endpoint = client.resolve_target(model, endpoint)
    chat_options = checks.validate_options(options)
    model_name = model or (None if endpoint else catalog.DEFAULT_CHAT)
    spec = RequestSpec(
        platform_name(client.platform_info()), model_name, endpoint, prompt, chat_options, dedupe
    )
    assert spec.template is None or spec.template.text == prompt
    client.prepare(
        "?", model, endpoint, **chat_options
    )  # what is wrong with the options is wrong with every row
    return spec


def _scan_input(rows: Rows, spec: RequestSpec) -> tuple[RowSource, InputScan, Iterator[Item] | None]:
    """Look at the input; return it with what was found, and what is left to read of one that is streamed."""
    source = open_source(rows)
    spec.validate_columns(source)
    if source.is_rereadable:
        scan = scan_rows(spec, source.items(), is_complete=True)
        stream = None
    else:
        items = source.items()
        first_items, is_complete = peek_rows(items)
        scan = scan_rows(spec, first_items, is_complete=is_complete)
        stream = chain(first_items, items)
    if not scan.rows:
        raise InvalidArgumentError(f"there are no rows in it ({source.description})")
    return source, scan, stream


def _load_rows(
    journal: Journal,
    spec: RequestSpec,
    source: RowSource,
    scan: InputScan,
    is_streamed: bool,
    allow_changed_input: bool,
) -> PageReader | None:
    """Put the rows into the journal, unless it is another batch's; return how they are asked from there.

    Raises:
        JournalError: the journal has other inputs or was asked otherwise.
    """
    if (stored := journal.get_fact("plan")) and not allow_changed_input:
        _validate_same_request(journal, spec, load_request_spec(journal.path, stored))
    foreign_rows = (
        journal.count_foreign_rows(scan.first_entries)
        if stored and is_streamed and not allow_changed_input
        else 0
    )
    first_page = None
    with journal.transaction():
        journal.reset_input(keep_rows=is_streamed)
        if not is_streamed:
            first_page = _add_all_rows(journal, spec, source, scan.first_entries)
            foreign_rows = 0 if allow_changed_input else journal.count_orphaned_answers()
            if allow_changed_input:
                journal.drop_orphaned_answers()
        if foreign_rows:
            raise JournalError(
                f"the journal {journal.path.stem!r} has answers to {foreign_rows} rows that are not in this input: "
                "give this one another name (--name), or drop them (allow_changed_input=True, --update) (输入与日志不符)"
            )
    facts = {"plan": spec.to_json(), "input": source.description, "complete": int(not is_streamed)}
    journal.set_facts(**facts, created=journal.get_fact("created") or time.time())
    return first_page


def _add_all_rows(
    journal: Journal, spec: RequestSpec, source: RowSource, first_entries: list[RowEntry]
) -> PageReader:
    """Add all rows; the `first_entries` were read already, and need not be read from the journal again either."""
    later_rows = build_entries(spec, islice(source.items(), len(first_entries), None), len(first_entries))
    entries, missing = chain(first_entries, (entry for entry, _ in later_rows)), list[PendingRow]()
    repeat_counts, last_number = dict[bytes, int](), -1
    while rows := list(islice(entries, PAGE_SIZE)):
        pending = journal.add_rows(rows, dedupe=spec.dedupe, repeat_counts=repeat_counts)
        if rows[0].number < len(first_entries):
            missing += pending
            last_number = rows[-1].number
    return ChainedPages(MemoryPages(missing), JournalPages(journal, after_number=last_number))


def _validate_same_request(journal: Journal, spec: RequestSpec, stored: RequestSpec) -> None:
    if differences := spec.differences(stored):
        raise JournalError(
            f"the journal {journal.path.stem!r} was asked otherwise ({'; '.join(differences)[:200]}): "
            "give this one another name= (该日志属于另一批次)"
        )


def _journal_preflight(
    journal: Journal,
    spec: RequestSpec,
    source: RowSource,
    scan: InputScan,
    workers: int,
    budget: float | None,
    is_streamed: bool,
) -> Preflight:
    counts = journal.counts()
    if is_streamed:
        return build_preflight(
            spec, scan, source.total, scan.rows, cached=0, answer_tokens=None, budget=budget
        )
    missing = journal.count_missing()
    answer_tokens = counts.completion_tokens / counts.ok if counts.ok else None
    return build_preflight(
        spec, scan, counts.rows, missing, counts.rows - missing - scan.invalid, answer_tokens, budget
    )
