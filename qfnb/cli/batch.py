"""`qfnb batch`: every row of a file, with a journal; the same command again asks only for what is
missing.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ..base.language import tr, tr_noop
from ..errors import InvalidArgumentError
from . import common
from .common import ProgressStep, follow
from .exit_codes import DONE, FAILED, INTERRUPTED, NEGATIVE

if TYPE_CHECKING:
    from .._jobs.batch_progress import BatchProgress
    from ..batching.batch import Batch

STDIN = "-"


def batch(
    target: Annotated[
        str,
        Argument(
            metavar="FILE",
            help=tr_noop(
                "A .jsonl, .csv or .parquet file, or - for stdin: JSONL, or a prompt on each line."
            ),
        ),
    ],
    *,
    prompt: Annotated[
        str | None,
        Option(metavar="TEMPLATE", help=tr_noop("{column} is a cell; {{ and }} are braces.")),
    ] = None,
    model: common.Model = None,
    endpoint: common.Endpoint = None,
    out: Annotated[
        str | None,
        Option(
            "-o",
            "--out",
            metavar="FILE",
            help=tr_noop(".jsonl, .csv, .xlsx or .parquet; without it, JSONL on stdout."),
        ),
    ] = None,
    resume: Annotated[
        bool,
        Option(
            "--resume",
            help=tr_noop(
                "Continue the newest batch of FILE, or the one with this name, as it was."
            ),
        ),
    ] = False,
    name: Annotated[
        str | None,
        Option(metavar="NAME", help=tr_noop("Of the journal; by default made from the rows.")),
    ] = None,
    system: common.System = None,
    temperature: common.Temperature = None,
    think: common.Think = None,
    max_tokens: common.MaxTokens = None,
    schema: common.Schema = None,
    workers: common.Workers = None,
    budget: common.Budget = None,
    budget_tokens: common.BudgetTokens = None,
    dedupe: Annotated[bool, Option("--dedupe", help=tr_noop("Ask identical rows once."))] = False,
    keep_wrong_rows: Annotated[
        bool, Option("--keep-wrong-rows", help=tr_noop("Rows that cannot be asked just fail."))
    ] = False,
    offline: Annotated[
        bool, Option("--offline", help=tr_noop("Hand the rows to the platform's batch service."))
    ] = False,
    shards: Annotated[
        bool,
        Option(
            "--shards",
            help=tr_noop(
                "FILE is a folder, pattern or address, --out a folder: several processes."
            ),
        ),
    ] = False,
    engine: Annotated[
        str,
        Option(
            "--engine",
            metavar="ENGINE",
            help=tr_noop("With --shards: local, or ray for a Ray cluster."),
        ),
    ] = "local",
    dry_run: Annotated[
        bool, Option("--dry-run", help=tr_noop("Say what it would take; nothing is sent."))
    ] = False,
    as_json: common.JsonFlag = False,
) -> int:
    """Ask about every row; return the exit code.

    Raises:
        InvalidArgumentError: an option or a row is wrong; nothing was sent.
    """
    from ..batching import api  # noqa: PLC0415
    from ..batching.api import resume as continue_batch  # noqa: PLC0415
    from ..notebook.parser import resolve  # noqa: PLC0415

    budgets: dict[str, Any] = {"budget": budget, "budget_tokens": budget_tokens}
    if resume:
        return _work(
            continue_batch(_find_name(target), workers=workers, out=out, **budgets), as_json=as_json
        )
    options = common.chat_options(
        system=system, temperature=temperature, think=think, max_tokens=max_tokens, schema=schema
    )
    options |= {
        "model": resolve(model) if model else None,
        "endpoint": common.resolve_endpoint(endpoint),
        "name": name,
        "dedupe": dedupe,
    }
    options |= {**budgets, "workers": workers, "mode": "offline" if offline else "online"}
    options["out"] = out
    options["invalid_rows"] = "fail" if keep_wrong_rows else "raise"
    if shards or engine != "local":
        return _work_on_shards(
            target, prompt, options | {"engine": engine}, dry_run=dry_run, as_json=as_json
        )
    rows = _read_stdin() if target == STDIN else Path(target)
    if dry_run:
        print(api.estimate(rows, prompt, **options))
        return DONE
    return _work(api.batch(rows, prompt, **options), as_json=as_json)


def _work_on_shards(
    target: str, prompt: str | None, options: Mapping[str, Any], *, dry_run: bool, as_json: bool
) -> int:
    """Follow a batch of shards to its end, and return the exit code.

    Raises:
        InvalidArgumentError: an option is not one of shards.
    """
    from ..batching.shards.api import batch_shards  # noqa: PLC0415
    from ..views import batch as view  # noqa: PLC0415

    single = {"--name": options["name"], "--dedupe": options["dedupe"], "--dry-run": dry_run}
    single |= {"--offline": options["mode"] == "offline", "-o": options["out"] is None}
    for name, is_wrong in single.items():
        if is_wrong:
            if name == "-o":
                message = tr("shards need -o FOLDER")
            else:
                message = tr("{name} is not for shards", name=name)
            raise InvalidArgumentError(message)
    ignored = {"name", "dedupe", "mode", "invalid_rows"}
    job = batch_shards(
        target, prompt, **{name: value for name, value in options.items() if name not in ignored}
    )
    try:
        follow(lambda: job.progress.is_finished, lambda: _describe(job.progress))
    except KeyboardInterrupt:
        job.cancel()
    job.wait()
    progress = job.progress
    report = job.report()
    common.say(view.summary_text(progress))
    common.say(str(report))
    if as_json:
        common.print_json({**_summary(progress, options["out"]), "complete": report.is_complete})
    if progress.state == "cancelled":
        return INTERRUPTED
    if progress.state != "done":
        return FAILED
    if progress.failed:
        return NEGATIVE
    return DONE


def _read_stdin() -> list[Any]:
    """Return the rows on stdin: JSON objects, or prompts, a line each.

    Raises:
        InvalidArgumentError: a line is no JSON where the first one is, or there are none.
    """
    lines = [line.strip() for line in sys.stdin.read().splitlines() if line.strip()]
    if not lines:
        raise InvalidArgumentError(tr("stdin has no rows"))
    if not lines[0].startswith("{"):
        return lines
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise InvalidArgumentError(
                tr("stdin, line {number}: {error}", number=number, error=error)
            ) from None
    return rows


def _find_name(target: str) -> str:
    """Return the batch with a name, or the newest one of a file that has rows without an answer.

    Raises:
        InvalidArgumentError: no batch was started with this file.
    """
    from ..batching.journal_store import batches  # noqa: PLC0415

    if not Path(target).suffix:
        return target
    table = batches()
    started = table[table["input"].map(lambda text: str(text) == str(Path(target)))]
    if started.empty:
        raise InvalidArgumentError(
            tr("no batch was started with {file}: run it without --resume", file=target)
        )
    return str(started.iloc[0]["name"])


def _work(job: Batch, *, as_json: bool) -> int:
    """Follow a batch to its end, print its results unless it writes them to a file, and return the
    exit code.
    """
    is_interrupted = False
    try:
        follow(lambda: job.progress.is_finished, lambda: _describe(job.progress))
    except KeyboardInterrupt:
        is_interrupted = True
        job.cancel()
    job.wait()  # raises the error that ended the whole batch
    from ..views import batch as view  # noqa: PLC0415 - nothing lies between the start and the try

    progress = job.progress
    out = job.job.output_path
    if out is not None:
        common.say(tr("results: {path}", path=out))
    elif not as_json and not is_interrupted:
        _print_results(job)
    common.say(view.summary_text(progress))
    if progress.state != "done":
        common.say(tr("to go on: {command}", command=f"qfnb batch {progress.name} --resume"))
    if as_json:
        common.print_json(_summary(progress, out))
    if is_interrupted or progress.state == "cancelled":
        return INTERRUPTED
    if progress.state != "done":
        return FAILED
    if progress.failed:
        return NEGATIVE
    return DONE


def _describe(progress: BatchProgress) -> ProgressStep:
    from ..views import batch as view  # noqa: PLC0415

    if not progress.total:
        share = None
    else:
        share = progress.finished_rows / progress.total
    parts = [
        view.describe_rows(progress),
        progress.reason,
        view.describe_times(progress, time.time()),
    ]
    notice = ""
    if progress.state == "waiting" and progress.reason and progress.mode != "offline":
        command = f"qfnb batch {progress.name} --resume"
        stop = tr("Ctrl-C stops it now; to go on: {command}", command=command)
        notice = f"{progress.reason}\n{stop}"
    return ProgressStep(share, " · ".join(filter(None, parts)), notice)


def _print_results(job: Batch) -> None:
    """Print every row with its result as JSONL."""
    with tempfile.TemporaryDirectory() as folder:
        path = job.save(Path(folder) / "results.jsonl")
        with path.open(encoding="utf-8") as file:
            shutil.copyfileobj(file, sys.stdout)
    sys.stdout.flush()


def _summary(progress: BatchProgress, out: str | Path | None) -> Mapping[str, Any]:
    return {
        "name": progress.name,
        "state": progress.state,
        "reason": progress.reason,
        "rows": progress.total,
        "succeeded": progress.ok,
        "failed": progress.failed,
        "cached": progress.cached,
        "prompt_tokens": progress.prompt_tokens,
        "completion_tokens": progress.completion_tokens,
        "cost_cny": progress.cost,
        "sandbox": progress.from_sandbox,
        "out": None if out is None else str(out),
        "remarks": list(progress.remarks),
    }
