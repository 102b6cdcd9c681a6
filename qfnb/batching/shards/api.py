"""`qfnb.batch_shards`: check everything that can be checked, cut the input, then start the
engine.
"""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, Unpack

from ... import connect
from ..._jobs.batch_progress import BatchProgress
from ..._jobs.worker_pool import validate_worker_count
from ...base.language import tr
from ...errors import InvalidArgumentError
from ...resources.inference.arguments import ChatOptions
from ...resources.inference.chat import ChatCompletion
from ...resources.inference.inference_model import MESSAGE_OPTIONS, split_client_options
from ...transport.shared_rate_limiter import limiter_name
from .. import validation
from ..input_files import is_address, suffix_of
from ..input_source import open_source
from ..journal_store import journal_path
from ..preflight import Preflight, build_preflight, scan_input
from ..request_spec import RequestSpec
from .output import Output
from .plan import SHARD_ROWS, Rows, Shard, plan_shards, refuse_output_inside
from .sharded_batch import Budget, LocalEngine, ShardedBatch, ShardEngine
from .worker import COPY_INTERVAL_S, Amounts, ShardTask, read_use, used_by

SAMPLE_ROWS: Final = 1000
"""Rows that are read before the start, for the estimate and to see that the prompt fits."""


def batch_shards(
    rows: str | Path | Sequence[str | Path],
    prompt: str | None = None,
    *,
    out: str | Path,
    model: str | None = None,
    endpoint: str | None = None,
    engine: Literal["local", "ray"] = "local",
    address: str | None = None,
    processes: int | None = None,
    workers: int | None = None,
    shard_rows: int = SHARD_ROWS,
    rpm: float | None = None,
    tpm: float | None = None,
    budget: float | None = None,
    budget_tokens: int | None = None,
    request_timeout: float | None = None,
    retry_count: int | None = None,
    **options: Unpack[ChatOptions],
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
    limits = {"request_timeout": request_timeout, "retry_count": retry_count}
    _validate_arguments(
        options,
        engine,
        {"address": address, "processes": processes},
        {
            "model": model,
            "endpoint": endpoint,
            "engine": engine,
            "rpm": rpm,
            "tpm": tpm,
            "budget_tokens": budget_tokens,
            "processes": processes,
            **limits,
        },
    )
    worker_count = validate_worker_count("workers", workers)
    _, sent = split_client_options({**options, **limits}, MESSAGE_OPTIONS)
    request = validation.build_request([ChatCompletion()], prompt, model, endpoint, False, sent)
    validation.validate_budget(budget, request)
    shards = plan_shards(rows, shard_rows)
    suffix = suffix_of(shards[0].file)
    preflight = _look_ahead(request, shards, budget, budget_tokens)
    output = _open_output(rows, out, suffix)
    output.claim()
    try:
        output.validate_manifest(request, shards)
        reports = output.read_reports(shards)
        job = _job_id(output, request)
        arguments = {
            "prompt": prompt,
            "model": request.model,
            "endpoint": request.endpoint,
            "workers": worker_count,
            **{name: value for name, value in limits.items() if value is not None},
            **request.options,
        }
        tasks = [
            ShardTask(job, shard, output.folder, suffix, request.platform, arguments, (rpm, tpm))
            for shard in shards
        ]
        if engine == "local":
            runner: ShardEngine = LocalEngine()
        else:
            from .ray_engine import RayEngine  # noqa: PLC0415 - it is an extra

            name = limiter_name(connect.current_platform(), request.endpoint or request.model or "")
            runner = RayEngine(address, processes, name)
        notes = _describe_plan(shards, len(reports), runner.processes, worker_count)
        progress = BatchProgress(
            name=job,
            model=request.endpoint or request.model or "",
            total=preflight.rows,
            budget=budget,
            budget_tokens=budget_tokens,
            notes=(*preflight.lines(), *notes),
            from_sandbox=request.platform == "sandbox",
            mode="shards",
        )
        budgets = Budget(preflight, _used_before(tasks, output, reports))
        return ShardedBatch(runner, output, tasks, reports, budgets, worker_count, progress)
    except BaseException:
        output.release_claim()
        raise


def _validate_arguments(
    options: Mapping[str, object],
    engine: str,
    of_ray: Mapping[str, object],
    arguments: Mapping[str, object],
) -> None:
    """Check what is known before the input.

    Args:
        options: of `ChatCompletion.do`.
        engine: the argument of `batch_shards`.
        of_ray: arguments that are only for Ray.
        arguments: all other arguments.

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
    validation.validate_arguments(arguments)
    for name, value in of_ray.items():
        if engine == "local" and value is not None:
            raise InvalidArgumentError(
                tr("{name}={value!r}: is for engine='ray'", name=name, value=value)
            )


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
    request: RequestSpec, shards: Sequence[Shard], budget: float | None, budget_tokens: int | None
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
        request, scan, rows=total, requests=total, budget=budget, budget_tokens=budget_tokens
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
