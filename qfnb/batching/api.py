"""`qfnb.batch`, `abatch`, `estimate` and `resume`: check everything that can be checked, then
start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from .._jobs.worker_pool import validate_worker_count
from ..base.language import tr, tr_noop
from ..errors import InvalidArgumentError
from ..resources.inference.chat import ChatCompletion
from ..resources.inference.inference_model import MESSAGE_OPTIONS, split_client_options
from ..resources.inference.response_format import ResponseFormat, parse_response_format
from ..transport.client import CallOptions
from . import export, journal_reader, journal_store, validation
from .batch import Batch
from .client_pool import ClientPool, choose_target, validate_clients
from .input_source import RowSource, open_source
from .journal import Journal
from .journal_reader import JournalError
from .preflight import ASSUMED_ANSWER_TOKENS, InputScan, Preflight, build_preflight, scan_input
from .request_spec import InputRow, RequestSpec, platform_name
from .row_pipeline import JobSpec, load_input

Rows = Any
"""A DataFrame or Series, an Arrow table or what has its stream (polars), .jsonl, .csv or .parquet
files (a path, a folder, a pattern or an address), or an iterable of prompts, conversations or
dictionaries.
"""


def batch(
    rows: Rows, prompt: str | None = None, **options: Unpack[validation.BatchOptions]
) -> Batch:
    """Send every row to a model, and lose nothing: starts at once and returns the running batch.

    Every answer is in a journal on disk before it is counted. The same call again, in a new kernel
    too, sends only what is missing.

    Args:
        rows: a DataFrame or Series; an Arrow table, or what has its stream;
            .jsonl, .csv or .parquet files, as a path, a folder, a pattern or an address; or any
            iterable of prompts, conversations or dictionaries. One without a length is read while
            its rows are sent.
        prompt: a template over the columns, `"Classify: {review}"`; without one the rows are
            prompts, or have a column `prompt` or `messages`.
        model: name of a preset model, as in `ChatCompletion`.
        endpoint: a service of your own instead.
        out: a .jsonl, .csv, .xlsx or .parquet file for inputs and results, which appears at the
            end.
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
            each row goes to the one with the fewest rows in flight. One whose key is refused, or
            without money, or whose endpoint does not exist, gets no more rows, and its rows go to
            the others; the last one stops the batch as a single one does. `model` is what the
            endpoints serve; journals do not depend on who answers.
        mode: `offline` hands the rows to the platform's batch service (/v2/batches, an API key), at
            40 % of the price where the model has a batch price; answers come when its jobs have
            ended, and rows without one are sent online.
        request_timeout: seconds of one row, as in `ChatCompletion.do`.
        retry_count: tries of one row, 1 or more.
        **options: of `ChatCompletion.do`, `system` among them.

    Raises:
        InvalidArgumentError: an argument, the template or a row is wrong; nothing was sent.
        JournalError: the journal is in use, of another batch, or cannot be written.
    """
    plan = _plan(rows, prompt, options)
    if options.get("invalid_rows") != "fail":
        plan.scan.raise_if_invalid()
    name = options.get("name")
    journal = Journal(journal_store.journal_path(name or f"batch-{plan.scan.digest}"))
    try:
        # of a journal named by its content, other rows are at most repeats of these
        is_changeable = options.get("allow_changed_input") or (name is None and "keep")
        load_input(journal, plan.request, plan.source, plan.scan, allow_changed_input=is_changeable)
        journal.set_facts(offline="files" if plan.is_offline else "")
        if plan.output_path is not None or journal.get_fact("out"):
            journal.set_facts(out=plan.output_path.absolute() if plan.output_path else "")
        return Batch(_job_of(plan, options, journal), journal)
    except BaseException:
        journal.close()
        raise


def _job_of(plan: _Plan, options: validation.BatchOptions, journal: Journal) -> JobSpec:
    response_format = plan.request.response_format
    requested_format = options.get("response_format")
    if requested_format is not None and not isinstance(requested_format, (str, Mapping)):
        response_format = parse_response_format(requested_format)  # the class, not its schema
    return JobSpec(
        path=journal.path,
        request=plan.request,
        pool=_pool(plan.chats, plan.request, response_format),
        preflight=_preflight_of(plan, options, journal if plan.source.is_rereadable else None),
        source=plan.source,
        stream=plan.stream,
        worker_count=plan.worker_count,
        canary=options.get("canary", 3),
        output_path=plan.output_path,
        input=plan.source.description,
        call_options=plan.call_options,
        is_offline=plan.is_offline,
        response_format=response_format,
    )


async def abatch(rows: Rows, prompt: str | None = None, **options: Any) -> Batch:
    """The awaited form of `batch`: returns when every row has finished."""
    return await batch(rows, prompt, **options)


def estimate(
    rows: Rows, prompt: str | None = None, **options: Unpack[validation.BatchOptions]
) -> Preflight:
    """Return the size of a batch with the same arguments: rows, duplicates, tokens, cost; nothing
    is sent.

    Args:
        rows: as in `batch`; an input that can be read only once is read in part.
        prompt: as in `batch`.
        **options: the other arguments of `batch`; the preflight warns where a budget does not
            suffice.

    Raises:
        InvalidArgumentError: an argument, the template or a row is wrong.
    """
    return _preflight_of(_plan(rows, prompt, options), options)


def journal_name(rows: Rows, **options: Unpack[validation.BatchOptions]) -> str:
    """Return the name that `batch` gives the journal of these rows where the caller names none.

    Args:
        rows: as in `batch`.
        **options: as in `batch`.

    Raises:
        InvalidArgumentError: an option or the rows are wrong.
    """
    return f"batch-{_plan(rows, None, options).scan.digest}"


@dataclass(frozen=True)
class _Plan:
    """The checked arguments of a batch, and its input as far as it is read before the start."""

    source: RowSource
    chats: Sequence[ChatCompletion]
    request: RequestSpec
    scan: InputScan
    stream: Iterator[InputRow] | None
    call_options: CallOptions
    worker_count: int
    output_path: Path | None
    is_offline: bool


def _plan(rows: Rows, prompt: str | None, arguments: validation.BatchOptions) -> _Plan:
    """Check what can be checked before anything is sent; the arguments are those of `batch`."""
    source = open_source(rows)
    client = arguments.get("client")
    model = arguments.get("model")
    endpoint = arguments.get("endpoint")
    is_offline = arguments.get("mode") == "offline"
    chats = arguments.get("clients")
    if chats is not None:
        validate_clients(chats, client, is_offline=is_offline)
    validation.validate_arguments(arguments)
    if is_offline and client is not None and client.has_own_keys:
        raise InvalidArgumentError(
            tr("mode='offline' works with the keys of the settings, not with those of client=")
        )
    output_path = _output_path(arguments.get("out"), source)
    worker_count = validate_worker_count("workers", arguments.get("workers"))
    if name := arguments.get("name"):
        journal_store.journal_path(name)
    limits = {"request_timeout", "retry_count"}
    sent = {
        option: value
        for option, value in arguments.items()
        if option in limits or option not in validation.OWN_OPTIONS
    }
    call_options, sent = split_client_options(sent, MESSAGE_OPTIONS)
    chats = chats or [client or ChatCompletion()]
    dedupe = arguments.get("dedupe", False)
    request = validation.build_request(chats, prompt, model, endpoint, dedupe, sent)
    validation.validate_budget(arguments.get("budget"), request, chats)
    scan, stream = scan_input(request, source)
    row_count = scan.rows if scan.is_complete else source.total
    validation.refuse_same_requests(request, row_count, arguments.get("allow_same_prompt", False))
    return _Plan(
        source, chats, request, scan, stream, call_options, worker_count, output_path, is_offline
    )


def _pool(
    chats: Sequence[ChatCompletion], request: RequestSpec, response_format: ResponseFormat | None
) -> ClientPool:
    options = dict(request.options)
    if response_format is not None and response_format.is_checked:
        options["response_format"] = response_format
    return ClientPool(chats, request, options)


def _output_path(out: str | Path | None, source: RowSource) -> Path | None:
    """Return the file that results are written to.

    Raises:
        InvalidArgumentError: it cannot be written, or it is the input.
    """
    if out is None:
        return None
    path = export.validate_output_path(out)
    if path.exists() and any(map(path.samefile, source.paths)):
        raise InvalidArgumentError(
            tr("out={out!r}: this is the input: name another file", out=str(out))
        )
    return path


def _preflight_of(
    plan: _Plan, arguments: validation.BatchOptions, journal: Journal | None = None
) -> Preflight:
    """Return the preview of a batch; of a journal that has the input, only of what is missing."""
    scan = plan.scan
    total = scan.rows if scan.is_complete else None
    rows = total if plan.source.total is None else plan.source.total
    requests = scan.rows - scan.invalid
    cached = 0
    answer_tokens: float = ASSUMED_ANSWER_TOKENS
    if plan.request.dedupe:
        requests -= scan.duplicates
    if journal is not None:
        counts = journal.counts()
        rows = counts.rows
        requests = journal.count_missing()
        cached = rows - requests - scan.invalid
        if counts.ok:
            answer_tokens = counts.completion_tokens / counts.ok
    return build_preflight(
        plan.request,
        scan,
        rows=rows,
        requests=requests,
        cached=cached,
        answer_tokens=answer_tokens,
        budget=arguments.get("budget"),
        budget_tokens=arguments.get("budget_tokens"),
        is_offline=plan.is_offline,
        clients=len(plan.chats),
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
    validation.validate_arguments({"budget_tokens": budget_tokens})
    path = journal_store.existing_journal_path(name)
    request = journal_store.load_request_spec(
        path, journal_reader.read_facts(path)[0].get("plan", "{}")
    )
    chats = _choose_clients(name, request, clients)
    worker_count = validate_worker_count("workers", workers)
    validation.validate_budget(budget, request, chats)
    output_path = None if out is None else export.validate_output_path(out)
    journal = Journal(path)
    try:
        counts = journal.counts()
        missing = journal.count_missing()
        invalid = journal_reader.count_invalid_rows(path)
        if output_path is not None:
            journal.set_facts(out=output_path.absolute())
        elif stored_path := journal.get_fact("out"):
            output_path = Path(stored_path)
        notes: tuple[str, ...] = ()
        if journal.get_fact("complete") != "1":
            notes = (tr(INPUT_NOT_READ),)
        job = JobSpec(
            path=path,
            request=request,
            pool=_pool(chats, request, request.response_format),
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
            output_path=output_path,
            notes=notes,
            input=journal.get_fact("input"),
            is_offline=bool(journal.get_fact("offline")),
            response_format=request.response_format,
        )
        return Batch(job, journal)
    except BaseException:
        journal.close()
        raise


def _choose_clients(
    name: str, request: RequestSpec, clients: Sequence[ChatCompletion] | None
) -> Sequence[ChatCompletion]:
    """Return the clients that send the remaining rows, if they call the platform that the answers
    of a journal are from.

    Args:
        name: of the batch.
        request: what is sent for each row.
        clients: the argument of `resume`.

    Raises:
        JournalError: they call another one.
    """
    if clients is not None:
        validate_clients(clients, None, is_offline=False)
        choose_target(clients, request.model, request.endpoint)
    chats = clients or [ChatCompletion()]
    platform = platform_name(chats[0].platform_info())
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
    return chats
