"""`qfnb.batch_shards`: check everything that can be checked, cut the input, then start the
engine.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Unpack

from ... import connect
from ..._jobs.background_batch import BatchProgress
from ..._jobs.worker_pool import validate_worker_count
from ...base.language import tr
from ...errors import InvalidArgumentError
from ...resources.inference.arguments import ChatOptions
from ...resources.inference.chat import ChatCompletion
from ...resources.inference.inference_model import MESSAGE_OPTIONS, split_client_options
from ...transport.shared_rate_limiter import limiter_name
from .. import validation
from ..input_source import is_address, open_source, suffix_of
from ..journal_store import journal_path
from ..preflight import Preflight, build_preflight, scan_input
from ..request_spec import RequestSpec
from .output import Output
from .plan import SHARD_ROWS, Rows, Shard, plan_shards, refuse_output_inside
from .sharded_batch import Budget, LocalEngine, ShardedBatch
from .worker import COPY_INTERVAL_S, Amounts, ShardTask, read_use, used_by

if TYPE_CHECKING:
    from .ray_engine import RayEngine

SAMPLE_ROWS: Final = 1000
"""Rows that are read before the start, for the estimate and to see that the prompt fits."""


def batch_shards(
    rows: Rows,
    prompt: str | None = None,
    *,
    out: str | Path,
    **options: Unpack[validation.ShardOptions],
) -> ShardedBatch:
    """Send every row of many files to a model, a shard after another or on the machines of Ray;
    starts at once.

    The files are cut into shards; a shard is done when its part is in the output folder. The same
    call again does only what is missing. More machines do not raise the platform's limits: see the
    guide on when to use Ray.

    Args:
        rows: a folder, a file or a pattern (`in/*.parquet`), or several; .parquet, .jsonl or .csv.
            Addresses (`s3://bucket/in/`) are read by fsspec (pip install 'qfnb[fsspec]', and
            `s3fs` for S3).
        prompt: a template over the columns, as in `batch`.
        out: the output folder, which all machines can write; it is created.
        model: name of a preset model, as in `batch`.
        endpoint: a service of your own instead.
        engine: `local` for one shard after another in this process, `ray` for tasks of Ray, on
            this computer or a cluster (pip install 'qfnb[ray]').
        address: of the Ray cluster; by default the one of RAY_ADDRESS, or a new one on this
            computer.
        processes: of Ray at once; by default one for each processor.
        workers: rows in flight in each process, 1 to 1000, default 8.
        shard_rows: rows of a shard, default 50,000.
        rpm: requests a minute of all processes together; by default what the platform says.
        tpm: tokens a minute, likewise.
        budget: CNY that all shards together may cost, earlier runs included.
        budget_tokens: tokens that they may use.
        request_timeout: seconds of one row.
        retry_count: tries of one row, 1 or more.
        **options: of `ChatCompletion.do`, `system` among them.

    Raises:
        InvalidArgumentError: an argument, the prompt or the input is wrong; nothing was sent.
        DatasetError: a file of the input cannot be read.
        ShardError: the output folder is in use, has another job's answers, or cannot be written.
    """
    _validate_options(options)
    worker_count = validate_worker_count("workers", options.get("workers"))
    request = _build_request(prompt, options)
    shards = plan_shards(rows, options.get("shard_rows", SHARD_ROWS))
    preflight = _look_ahead(request, shards, options)
    output = _open_output(rows, out, suffix_of(shards[0].file))
    output.claim()
    try:
        output.validate_manifest(request, shards)
        reports = output.read_reports(shards)
        tasks = _build_tasks(request, prompt, options, output, shards)
        engine = _build_engine(request, options)
        progress = BatchProgress(
            name=tasks[0].job,
            model=preflight.model,
            total=preflight.rows,
            budget=preflight.budget,
            budget_tokens=preflight.budget_tokens,
            notes=(
                *preflight.lines(),
                *_describe_plan(shards, len(reports), engine.processes, worker_count),
            ),
            from_sandbox=preflight.is_free,
            mode="shards",
        )
        budgets = Budget(preflight, _used_before(tasks, output, reports))
        return ShardedBatch(engine, output, tasks, reports, budgets, worker_count, progress)
    except BaseException:
        output.release_claim()
        raise


def _validate_options(options: validation.ShardOptions) -> None:
    """Check what is known before the input.

    Raises:
        InvalidArgumentError: names the argument, its value and what is allowed.
    """
    for name in options.keys() & {"client", "clients"}:
        raise InvalidArgumentError(
            tr(
                "{name}=: the processes of shards send with the keys of the settings; {name}= is "
                "of qfnb.batch",
                name=name,
            )
        )
    validation.validate_arguments(options)
    is_local = options.get("engine", "local") == "local"
    for name, value in options.items():
        if is_local and name in {"address", "processes"} and value is not None:
            raise InvalidArgumentError(
                tr("{name}={value!r}: is for engine='ray'", name=name, value=value)
            )


def _build_request(prompt: str | None, options: validation.ShardOptions) -> RequestSpec:
    own = validation.ShardOptions.__optional_keys__ - ChatOptions.__optional_keys__
    own -= {"request_timeout", "retry_count"}
    sent = {name: value for name, value in options.items() if name not in own}
    _, sent = split_client_options(sent, MESSAGE_OPTIONS)
    model = options.get("model")
    endpoint = options.get("endpoint")
    request = validation.build_request([ChatCompletion()], prompt, model, endpoint, False, sent)
    validation.validate_budget(options.get("budget"), request)
    return request


def _build_tasks(
    request: RequestSpec,
    prompt: str | None,
    options: validation.ShardOptions,
    output: Output,
    shards: Sequence[Shard],
) -> list[ShardTask]:
    passed_on = {"workers", "request_timeout", "retry_count"}
    arguments: dict[str, Any] = {
        **{name: value for name, value in options.items() if name in passed_on},
        **request.options,
        "prompt": prompt,
        "model": request.model,
        "endpoint": request.endpoint,
    }
    limits = (options.get("rpm"), options.get("tpm"))
    job = _job_id(output, request)
    tasks = []
    for shard in shards:
        tasks.append(
            ShardTask(job, shard, output.folder, output.suffix, request.platform, arguments, limits)
        )
    return tasks


def _build_engine(
    request: RequestSpec, options: validation.ShardOptions
) -> LocalEngine | RayEngine:
    if options.get("engine", "local") == "local":
        return LocalEngine()
    from .ray_engine import RayEngine  # noqa: PLC0415 - it is an extra

    name = limiter_name(connect.current_platform(), request.endpoint or request.model or "")
    return RayEngine(options.get("address"), options.get("processes"), name)


def _open_output(rows: Rows, out: str | Path, suffix: str) -> Output:
    """Return the output folder.

    Raises:
        InvalidArgumentError: it is no path, or it is inside the input.
    """
    name = str(out)
    if is_address(name) or name.startswith("bos:/"):
        raise InvalidArgumentError(
            tr("out is an address: must be a folder that all machines can write")
        )
    folder = Path(name).expanduser().absolute()
    refuse_output_inside(rows, folder, suffix)
    return Output(folder, suffix)


def _look_ahead(
    request: RequestSpec, shards: Sequence[Shard], options: validation.ShardOptions
) -> Preflight:
    """Return the preview of the job, by the first rows.

    Raises:
        InvalidArgumentError: the prompt does not fit the columns, or no row can be sent.
    """
    total = sum(map(len, shards))
    sample = list(islice(shards[0], SAMPLE_ROWS))
    if request.template is not None:
        request.template.validate_columns(tuple(sample[0]))
    validation.refuse_same_requests(request, total, False)
    scan, _ = scan_input(request, open_source(sample))
    if scan.invalid == scan.rows:
        scan.raise_if_invalid()
    return build_preflight(
        request,
        scan,
        rows=total,
        requests=total,
        budget=options.get("budget"),
        budget_tokens=options.get("budget_tokens"),
    )


def _used_before(
    tasks: Sequence[ShardTask], output: Output, reports: Mapping[str, Mapping[str, Any]]
) -> dict[str, Amounts]:
    """Return what earlier runs have used, by digest: of shards without a part what their journals
    have, here or as copies.
    """
    used = {}
    for task in tasks:
        shard = task.shard
        if shard.digest in reports:
            used[shard.digest] = used_by(reports[shard.digest])
        else:
            journals = (output.journal_copy(shard), journal_path(task.journal_name))
            uses = [read_use(journal) for journal in journals if journal.exists()]
            used[shard.digest] = max(uses, default=(0, {}), key=lambda use: use[0])[1]
    return used


def _job_id(output: Output, request: RequestSpec) -> str:
    """Return the job's name: the same for every run of it on one output folder."""
    text = f"{output.folder}\n".encode("utf-8", "surrogateescape") + request.digest
    digest = hashlib.blake2b(text, digest_size=4).hexdigest()
    return f"{output.folder.name[:40] or 'shards'}-{digest}"


def _describe_plan(shards: Sequence[Shard], done: int, processes: int, workers: int) -> list[str]:
    """Return the shards, and what a loss costs, in words."""
    return [
        tr(
            "{n:,} shards, {done:,} of them done; {processes} processes with {workers} rows in "
            "flight each",
            n=len(shards),
            done=done,
            processes=processes,
            workers=workers,
        ),
        tr(
            "a lost process repeats at most {rows} rows; a lost computer what it answered in the "
            "last {seconds:.0f} s",
            rows=workers,
            seconds=COPY_INTERVAL_S,
        ),
    ]
