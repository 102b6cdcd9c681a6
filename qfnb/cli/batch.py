"""`qfnb batch`: every row of a file, with a journal; the same command again asks only for what is
missing.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._command_line import DONE, FAILED, INTERRUPTED, NEGATIVE, Command, Word
from ..base.language import tr, tr_noop
from ..errors import InvalidArgumentError
from ..notebook.batch import OPTIONS, PARSER, batch_arguments
from ..notebook.parser import MagicOption
from ..views import batch as view
from . import common
from .common import ProgressStep, follow

if TYPE_CHECKING:
    from .._jobs.background_batch import BatchProgress
    from ..batching.batch import Batch
    from ..batching.shards.sharded_batch import ShardedBatch

STDIN = "-"

RESUMED = ("out", "workers", "budget", "budget_tokens")
"""Options, by name, of a batch that is continued."""

OTHERWISE = {"format", "mode", "out", "variable"}
"""Options of the magic that this command has in another form, or not."""

NOT_FOR_SHARDS = ("offline", "name", "dedupe", "update", "same_prompt", "canary", "dry_run")
"""Options, by name, that only a batch of one process takes."""


ROWS = [
    *(row for row in OPTIONS if row.name not in OTHERWISE),
    MagicOption(
        ".jsonl, .csv, .xlsx or .parquet; without it, JSONL on stdout.", "--out", "FILE", "-o"
    ),
    MagicOption(
        "Continue the newest batch of FILE, or the one with this name, as it was.", "--resume"
    ),
    common.SCHEMA,
    MagicOption("Hand the rows to the platform's batch service.", "--offline"),
    MagicOption(
        "FILE is a folder, pattern or address, --out a folder: several processes.", "--shards"
    ),
    MagicOption("With --shards: local, or ray for a Ray cluster.", "--engine", "ENGINE"),
    common.JSON,
]


def batch(options: Namespace) -> int:
    """Ask about every row; return the exit code.

    Raises:
        InvalidArgumentError: an option or a row is wrong; nothing was sent.
    """
    from ..batching import api  # noqa: PLC0415

    target: str = options.target
    if options.resume:
        arguments = {name: getattr(options, name) for name in RESUMED}
        return _work(api.resume(_find_name(target), **arguments), options)
    arguments = batch_arguments(None, options)
    if options.schema is not None:
        arguments["response_format"] = common.read_schema(options.schema)
    if options.shards or options.engine not in {None, "local"}:
        return _start_shards(target, options, arguments)
    if options.offline:
        arguments["mode"] = "offline"
    rows = _read_stdin() if target == STDIN else Path(target)
    if options.dry_run:
        print(api.estimate(rows, options.prompt, **arguments))
        return DONE
    return _work(api.batch(rows, options.prompt, **arguments), options)


def _start_shards(target: str, options: Namespace, arguments: dict[str, Any]) -> int:
    """Follow a batch of shards to its end, and return the exit code.

    Raises:
        InvalidArgumentError: an option is not one of shards.
    """
    from ..batching.shards.api import batch_shards  # noqa: PLC0415

    if options.out is None:
        raise InvalidArgumentError(tr("shards need -o FOLDER"))
    for row in ROWS:
        if row.name in NOT_FOR_SHARDS and getattr(options, row.name):
            raise InvalidArgumentError(tr("{name} is not for shards", name=row.flag))
    arguments.pop("invalid_rows", None)  # such rows always fail
    engine: Any = options.engine or "local"
    return _work(batch_shards(target, options.prompt, engine=engine, **arguments), options)


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


def _work(job: Batch | ShardedBatch, options: Namespace) -> int:
    """Follow a batch to its end, print its results unless it writes them to files, and return the
    exit code.
    """
    is_interrupted = False
    try:
        follow(lambda: job.progress.is_finished, lambda: _describe(job.progress))
    except KeyboardInterrupt:
        is_interrupted = True
        job.cancel()
    job.wait()  # raises the error that ended the whole batch
    from ..batching.batch import Batch  # noqa: PLC0415 - nothing lies between the start and the try

    progress = job.progress
    facts: dict[str, Any]
    if isinstance(job, Batch):
        out = job.job.output_path
        facts = {"out": None if out is None else str(out)}
        if out is not None:
            common.say(tr("results: {path}", path=out))
        elif not options.as_json and not is_interrupted:
            _print_results(job)
        common.say(view.summary_text(progress))
        if progress.state != "done":
            common.say(tr("to go on: {command}", command=f"qfnb batch {progress.name} --resume"))
    else:
        report = job.report()
        facts = {"out": options.out, "complete": report.is_complete}
        common.say(f"{view.summary_text(progress)}\n{report}")
    if options.as_json:
        common.print_json({**_summary(progress), **facts})
    if is_interrupted or progress.state == "cancelled":
        return INTERRUPTED
    if progress.state != "done":
        return FAILED
    if progress.failed:
        return NEGATIVE
    return DONE


def _describe(progress: BatchProgress) -> ProgressStep:

    share = progress.finished_rows / progress.total if progress.total else None
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


def _summary(progress: BatchProgress) -> Mapping[str, Any]:
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
        "remarks": list(progress.remarks),
    }


COMMAND = Command(
    batch,
    ROWS,
    [
        Word(
            "target",
            "FILE",
            tr_noop(
                "A .jsonl, .csv or .parquet file, or - for stdin: JSONL, or a prompt on each line."
            ),
        )
    ],
    unset=PARSER.options,
)
