"""`qfnb.batch_shards`: check everything that can be checked, cut the input, then start the
engine.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Literal, Unpack

from ... import connect
from ..._jobs.batch_progress import BatchProgress
from ..._jobs.worker_pool import validate_worker_count
from ...base.language import tr
from ...errors import InvalidArgumentError
from ...resources.inference.arguments import ChatOptions
from ...resources.inference.inference_model import MESSAGE_OPTIONS, split_client_options
from ...transport.shared_rate_limiter import limiter_name
from .. import validation
from ..file_access import BOS_PREFIX, SUFFIXES, is_address, validate_address
from ..input_source import open_source
from ..preflight import Preflight, build_preflight, scan_input
from ..request_spec import RequestSpec
from .output import Output
from .plan import SHARD_ROWS, Rows, Shard, plan_shards, refuse_output_inside
from .sharded_batch import Budget, LocalEngine, ShardedBatch, ShardEngine
from .worker import COPY_INTERVAL_S, ShardTask

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
    format: Literal["parquet", "jsonl", "csv"] | None = None,  # noqa: A002
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
        out: the output folder, which all machines can write: a path (it is created), an address of
            an object store (`s3://bucket/out`, with its keys in the environment), or
            `bos:/bucket/out` with an IAM pair.
        model: name of a preset model, as in `batch`.
        endpoint: a service of your own instead.
        engine: `local` for one shard after another in this process, `ray` for tasks of Ray, on
            this computer or a cluster (pip install 'qfnb[ray]').
        address: of the Ray cluster; by default the one of RAY_ADDRESS, or a new one on this
            computer.
        processes: of Ray at once; by default one for each processor.
        workers: rows in flight in each process, 1 to 1000, default 8.
        shard_rows: rows of a shard, default 50,000.
        format: of the parts; by default that of the input.
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
    _refuse_clients(options)
    limits = {"request_timeout": request_timeout, "retry_count": retry_count}
    validation.validate_arguments(
        model=model, endpoint=endpoint, budget_tokens=budget_tokens, **limits
    )
    _validate_numbers({"rpm": rpm, "tpm": tpm, "processes": processes})
    if engine not in {"local", "ray"}:
        raise InvalidArgumentError(tr("engine={value!r}: must be 'local' or 'ray'", value=engine))
    for name, value in (("address", address), ("processes", processes)):
        if engine == "local" and value is not None:
            raise InvalidArgumentError(
                tr("{name}={value!r}: is for engine='ray'", name=name, value=value)
            )
    worker_count = validate_worker_count("workers", workers)
    _, sent = split_client_options({**options, **limits}, MESSAGE_OPTIONS)
    _, request = validation.build_request(None, prompt, model, endpoint, False, sent)
    if request.draws:
        raise InvalidArgumentError(
            tr("shards are for models that chat; pictures are drawn by qfnb.batch")
        )
    if budget is not None:
        budget = validation.validate_budget(budget, request)
    shards = plan_shards(rows, shard_rows)
    suffix = _choose_suffix(format, shards)
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
            ShardTask(
                job, shard, "", output.folder, suffix, request.platform, arguments, (rpm, tpm)
            )
            for shard in shards
        ]
        requests = max(preflight.requests, 1)
        row = {"CNY": (preflight.cost or 0) / requests, "tokens": preflight.tokens / requests}
        budgets = {
            unit: float(limit)
            for unit, limit in (("CNY", budget), ("tokens", budget_tokens))
            if limit
        }
        runner = _open_engine(engine, address, processes, request)
        progress = BatchProgress(
            name=job,
            model=request.endpoint or request.model or "",
            total=sum(map(len, shards)),
            budget=budget,
            budget_tokens=budget_tokens,
            notes=(
                *preflight.lines(),
                *_describe_plan(shards, len(reports), runner.processes, worker_count),
            ),
            from_sandbox=request.platform == "sandbox",
            mode="shards",
        )
        return ShardedBatch(
            runner, output, tasks, reports, Budget(budgets, row, output), worker_count, progress
        )
    except BaseException:
        output.release_claim()
        raise


def _open_output(rows: Rows, out: str | Path, suffix: str) -> Output:
    """Return the output folder.

    Raises:
        InvalidArgumentError: it is no address of a storage that can be reached here, or it is
            inside the input.
    """
    folder = str(out).removeprefix("file://")
    validate_address("out", folder)
    if is_address(folder) or folder.startswith(BOS_PREFIX):
        folder = folder.rstrip("/")
    else:
        folder = str(Path(folder).expanduser().absolute())
    refuse_output_inside(rows, folder, suffix)
    return Output(folder, suffix)


def _refuse_clients(options: Mapping[str, object]) -> None:
    for name in options.keys() & {"client", "clients"}:
        raise InvalidArgumentError(
            tr(
                "{name}=: the processes of shards send with the keys of the settings; {name}= is "
                "of qfnb.batch",
                name=name,
            )
        )


def _validate_numbers(numbers: Mapping[str, float | None]) -> None:
    for name, value in numbers.items():
        is_number = (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and 0 < value < float("inf")
        )
        if value is not None and (
            not is_number or (name == "processes" and not isinstance(value, int))
        ):
            raise InvalidArgumentError(
                tr("{name}={value!r}: must be a number above 0", name=name, value=value)
            )


def _choose_suffix(name: str | None, shards: Sequence[Shard]) -> str:
    if name is None:
        suffix = Path(shards[0].file).suffix.lower()
    else:
        suffix = f".{name}"
    if suffix not in SUFFIXES:
        allowed = tr(", ").join(suffix[1:] for suffix in SUFFIXES)
        raise InvalidArgumentError(
            tr("format={value!r}: must be one of {allowed}", value=name, allowed=allowed)
        )
    return suffix


def _look_ahead(
    request: RequestSpec, shards: Sequence[Shard], budget: float | None, budget_tokens: int | None
) -> Preflight:
    """Return the preview of the job, by the first rows.

    Raises:
        InvalidArgumentError: the prompt does not fit the columns, or no row can be sent.
    """
    total = sum(map(len, shards))
    sample = list(islice(shards[0], SAMPLE_ROWS))
    source = open_source(sample)
    if request.template is not None and sample:
        request.template.validate_columns(tuple(sample[0]))
    validation.refuse_same_requests(request, total, False)
    scan, _ = scan_input(request, source)
    if scan.invalid == scan.rows:
        scan.raise_if_invalid()
    return build_preflight(
        request, scan, rows=total, requests=total, budget=budget, budget_tokens=budget_tokens
    )


def _job_id(output: Output, request: RequestSpec) -> str:
    """Return the job's name: the same for every run of it on one output folder."""
    text = f"{output.folder}\n".encode("utf-8", "surrogateescape") + request.digest
    name = os.path.basename(output.folder)  # noqa: PTH119 - or an address
    return f"{name[:40] or 'shards'}-{hashlib.blake2b(text, digest_size=4).hexdigest()}"


def _open_engine(
    engine: str, address: str | None, processes: int | None, request: RequestSpec
) -> ShardEngine:
    if engine == "local":
        return LocalEngine()
    from .ray_engine import RayEngine  # noqa: PLC0415 - it is an extra

    platform = connect.current_platform()
    return RayEngine(
        address, processes, limiter_name(platform, request.endpoint or request.model or "")
    )


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
