"""`%qfbatch`: ask a model about every row; watch, find, resume and stop batches."""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from IPython.core.magic import line_cell_magic, magics_class

from .._jobs.background_batch import BackgroundBatch
from ..base.language import tr, tr_noop, trn
from ..base.text import did_you_mean, listed
from ..errors import InvalidArgumentError, QianfanError
from ..resources.inference.thinking import parse_think
from . import parser
from .chat_run import find_format
from .parser import (
    CHAT_OPTIONS,
    MagicOption,
    quote_word,
    store_variable,
    user_variables,
    variable_name,
)
from .trainings import find_service, resolve_endpoint
from .verb_magic import (
    VerbMagics,
    VerbParser,
    choose_only,
    list_cells,
    listing,
    verb_magic,
    wait_in_cell,
)

if TYPE_CHECKING:
    from ..batching.batch import Batch


FORMATS = ("text", "json")

VERBS = ("start", "wait", "show", "save", "pause", "resume", "cancel", "list", "delete")

DATA_SUFFIXES = (".jsonl", ".csv", ".parquet")

DATA_KINDS = frozenset({"DataFrame", "Series", "Dataset", "list"})
BATCH_KINDS = frozenset({"Batch", "BatchTask"})
"""Names of classes whose variables Tab offers."""


RUNS = ("start", "resume")

OPTIONS = (
    MagicOption("{column} is a cell of the row; {{ and }} are braces", "--prompt", "TEMPLATE"),
    *CHAT_OPTIONS,
    MagicOption(
        "text, json, or pydantic:NAME, a class of the notebook that each answer must fit",
        "--format",
        "FORMAT",
        "-f",
        complete=lambda _: [*FORMATS, "pydantic:"],
    ),
    MagicOption(
        "how many rows are asked at once, 1 to 1000; default 8",
        "--workers",
        "N",
        "-w",
        keyword="workers",
        verbs=RUNS,
    ),
    MagicOption("stop before it costs more", "--budget", "CNY", keyword="budget", verbs=RUNS),
    MagicOption(
        "stop before it uses more tokens",
        "--budget-tokens",
        "N",
        keyword="budget_tokens",
        verbs=RUNS,
    ),
    MagicOption(
        "name of the journal; by default derived from the question",
        "--name",
        "NAME",
        keyword="name",
    ),
    MagicOption(
        "write the results to a .jsonl, .csv, .xlsx or .parquet file",
        "--out",
        "FILE",
        keyword="out",
    ),
    MagicOption("ask identical rows once", "--dedupe", keyword="dedupe"),
    MagicOption(
        "accept that the input of a named journal has changed",
        "--update",
        keyword="allow_changed_input",
    ),
    MagicOption("count rows that cannot be asked as failed", "--keep-wrong-rows"),
    MagicOption(
        "the prompt names no column: ask it once for every row",
        "--same-prompt",
        keyword="allow_same_prompt",
    ),
    MagicOption(
        "how many rows are asked first, 0 for none; default 3", "--canary", "N", keyword="canary"
    ),
    MagicOption(
        "offline: hand the rows to the platform's batch service", "--mode", "MODE", keyword="mode"
    ),
    MagicOption("show what it would take; send nothing", "--dry-run"),
    MagicOption(
        "keep the batch in a variable",
        "-o",
        "VAR",
        dest="variable",
        parse=variable_name,
        verbs=RUNS,
    ),
)

PARSER = VerbParser(
    "%qfbatch",
    tr_noop(
        "Ask a model about every row, without blocking the notebook and without losing a row.\n"
        "DATA is a variable (DataFrame, Series, list, Dataset) or a path; {column} is a cell of "
        "the row.\n"
        "Verbs: {verbs}. A variable that has a verb's name: %qfbatch start list --prompt ..."
    ),
    tr_noop(
        '  %qfbatch df --prompt "Classify: {review}" -m ernie-4.5-turbo-128k -o result\n'
        "  %qfbatch wait            (wait for the newest, show its end)\n"
        "  result.to_frame()\n"
        "  %qfbatch save answers.csv|.xlsx|.jsonl|.parquet [NAME]\n\n"
        "  %%qfbatch reviews.csv -o result --out answers.jsonl        (the cell is the prompt)\n"
        "  Is this review positive or negative? Answer with one word:\n  {review}\n\n"
        "  %qfbatch show|pause|cancel [VAR|NAME]        (the newest when none is named)\n"
        "  %qfbatch list\n"
        "  %qfbatch resume NAME -o result        (ask what is missing, in a new kernel too)\n"
        "  %qfbatch delete NAME        (with all its answers)"
    ),
    VERBS,
    OPTIONS,
)
ALREADY_RUNNING = tr_noop("This batch is running already; `%qfbatch wait` shows how it ends.")


UNFINISHED = frozenset({"interrupted", "stopped"})
"""States of stored batches that can be continued."""


class BatchStoppedEarly(QianfanError):
    """A batch stopped early; the answers so far are kept."""


@magics_class
class BatchMagics(VerbMagics):
    """The verbs of `%qfbatch`; each takes a batch's variable or name, by default the newest."""

    parser = PARSER
    needs_verb = False

    qfbatch = verb_magic(PARSER, line_cell_magic)

    def _read_cell(self, verb: str, options: Namespace, cell: str | None) -> None:
        """Take the cell's text as the prompt."""
        if cell is None:
            return
        if verb != "start":
            PARSER.error(
                tr("a cell only starts a batch: write %qfbatch {verb} on a line", verb=verb)
            )
        if options.prompt is not None:
            PARSER.error(tr("--prompt cannot be used in a cell: the cell is the prompt"))
        if not cell.strip():
            PARSER.error(tr("the cell is empty: write the prompt below the first line"))
        options.prompt = cell.removesuffix("\n")

    def column_options(self, columns: Sequence[str]) -> str:
        """Return the prompt that is a column."""
        return f"--prompt {{{columns[0]}}}"

    def complete_word(self, previous: str) -> list[str]:
        """Return the completions: verbs and data at first, data or batches behind a verb."""
        data = parser.variables_of(self.shell, DATA_KINDS)
        if previous.endswith("qfbatch"):
            return [*PARSER.verbs, *data]
        if previous == "start":
            return data
        if previous in PARSER.verbs:
            return [*parser.variables_of(self.shell, BATCH_KINDS), *_stored_batches()]
        return []

    def do_start(self, options: Namespace, target: str = "") -> Any:
        from ..batching.api import batch, estimate  # noqa: PLC0415 - %load_ext stays fast
        from ..batching.journal_reader import JournalInUse  # noqa: PLC0415
        from ..views.batch import STARTED  # noqa: PLC0415

        rows = self._find_rows(target)
        arguments = batch_arguments(self.shell, options)
        if options.dry_run:
            return estimate(rows, options.prompt, **arguments)
        job: BackgroundBatch | None
        notice = STARTED
        try:
            job = batch(rows, options.prompt, **arguments)
        except JournalInUse as error:  # its cell is run again
            job = self._find_batch(error.name)
            if job is None or job.progress.is_finished:
                raise
            if options.workers is not None:
                job.resize(options.workers)
            notice = ALREADY_RUNNING
        return self._show_panel(options, job, tr(notice))

    def do_wait(self, options: Namespace, target: str = "") -> Any:
        from ..views.batch import BatchPanel  # noqa: PLC0415

        job = self._require_batch(target)

        def raise_errors() -> None:
            job.wait()  # raises the error that ended the whole batch
            if job.progress.state == "stopped":
                raise BatchStoppedEarly(f"{job.progress.reason}{_resume_hint(job)}")

        is_offline = job.progress.mode == "offline"
        message = tr("cancelled; finished rows are kept{hint}", hint=_resume_hint(job))
        if is_offline:
            message = tr("the job on the platform continues; `%qfbatch cancel` ends it")
        return wait_in_cell(
            job,
            BatchPanel,
            raise_errors,
            message,
            is_over=lambda: job.progress.is_finished,
            cancel=None if is_offline else job.cancel,
            awaited=options.awaited,
        )

    def do_show(self, options: Namespace, target: str = "") -> None:
        self._show_panel(options, self._require_batch(target))

    def do_save(self, options: Namespace, file: str = "", target: str = "") -> None:
        from ..batching import export  # noqa: PLC0415 - %load_ext stays fast
        from ..batching.journal_reader import read_facts, read_rows  # noqa: PLC0415
        from ..batching.journal_store import existing_journal_path  # noqa: PLC0415

        if not file:
            suffixes = listed(export.WRITERS)
            PARSER.error(
                tr("save needs a file that ends in one of {suffixes}", suffixes=suffixes),
                "%qfbatch save answers.csv",
            )
        path = export.validate_output_path(file, "")
        batch = self._find_finished(target, file)
        failed = 0
        if batch is None:  # of an earlier kernel: its answers are on the disk
            journal = existing_journal_path(target)
            row_count = read_facts(journal)[1].rows
            export.save(partial(read_rows, journal), path)
        else:
            row_count = len(batch)
            failed = batch.progress.failed
            batch.save(path)
        count = trn("{n} row", "{n} rows", row_count)
        if failed:
            count = tr("{count}, {failed} of them without an answer", count=count, failed=failed)
        print(tr("Saved: {path}", path=tr("{text} ({remark})", text=path, remark=count)))  # noqa: T201 - where it is

    def do_pause(self, options: Namespace, target: str = "") -> None:
        self._require_batch(target).pause()

    def do_cancel(self, options: Namespace, target: str = "") -> None:
        self._require_batch(target).cancel()

    def do_resume(self, options: Namespace, target: str = "") -> None:
        from ..batching.api import resume  # noqa: PLC0415

        job = self._find_batch(target)
        if job is None and not target:
            reason = tr("no batch is there to be continued")
            names = _stored_batches(UNFINISHED)
            target = choose_only(PARSER, "resume", names, reason, "%qfbatch list")
        has_budget = options.budget is not None or options.budget_tokens is not None
        if job is None or has_budget:
            name = job.progress.name if job else target
            job = resume(name, **PARSER.keywords(options))
        else:
            job.resume()
            if options.workers is not None:
                job.resize(options.workers)
        self._show_panel(options, job)

    def do_list(self, options: Namespace) -> Any:
        from ..batching.journal_store import batches  # noqa: PLC0415

        when_empty = tr(
            "no batch is stored on this computer: `%qfbatch DATA --prompt ... -m MODEL` starts one"
        )
        return listing(batches(), when_empty)

    def do_delete(self, options: Namespace, target: str = "") -> None:
        from ..batching.journal_store import delete_journal  # noqa: PLC0415

        if not target:  # also where there is one only: nothing is deleted by a guess
            cells = list_cells("%qfbatch delete", _stored_batches())
            PARSER.error(tr("delete needs a batch's name"), cells or "%qfbatch list")
        delete_journal(target)

    def _show_panel(self, options: Namespace, job: BackgroundBatch, notice: str = "") -> None:
        from ..views.batch import BatchPanel  # noqa: PLC0415

        store_variable(self.shell, options.variable, job)
        BatchPanel(job).show(notice)

    def _find_rows(self, target: str) -> Any:

        if not target:
            PARSER.error(tr("which rows? %qfbatch DATA --prompt ...: DATA is a variable or a path"))
        namespace = user_variables(self.shell)
        if target not in namespace:
            if Path(target).suffix.lower() in DATA_SUFFIXES:
                return Path(target)
            hint = did_you_mean(target, [name for name in namespace if not name.startswith("_")])
            raise InvalidArgumentError(
                tr("{target!r} is neither a variable nor a file{hint}", target=target, hint=hint)
            )
        if isinstance(namespace[target], BackgroundBatch):
            PARSER.error(tr("{target} is a batch: %qfbatch show {target}", target=target))
        return namespace[target]

    def _kernel_batches(self) -> list[BackgroundBatch]:
        """Return the batches of this kernel, the newest last."""
        from ..views.panel import RECENT_PANELS  # noqa: PLC0415

        values = [*(panel.job for panel in RECENT_PANELS), *user_variables(self.shell).values()]
        batches = {id(value): value for value in values if isinstance(value, BackgroundBatch)}
        return sorted(batches.values(), key=lambda task: task.progress.started_at or math.inf)

    def _find_batch(self, target: str) -> BackgroundBatch | None:
        """Return the batch of a variable or a name, by default the newest of this kernel."""
        value = user_variables(self.shell).get(target)
        for task in reversed(self._kernel_batches()):
            if not target or task is value or task.progress.name == target:
                return task
        return None

    def _find_finished(self, target: str, file: str) -> Batch | None:
        """Return a batch of this kernel that has ended, by default the newest; None for a name that
        only the disk may know.

        Raises:
            InvalidArgumentError: it is still running, its answers are elsewhere, or nothing has
                ended.
        """
        from ..batching.batch import Batch  # noqa: PLC0415

        job = self._find_batch(target)
        if not target:
            batches = [task for task in self._kernel_batches() if isinstance(task, Batch)]
            finished = [task for task in batches if task.progress.is_finished]
            job = next(reversed(finished or batches), None)
        if job is None:
            if not target:
                self._refuse_without_batch(f"save {quote_word(file)}")
            return None
        if not isinstance(job, Batch):
            parts = tr_noop("{target} has written its answers to files already: `{target}.parts()`")
            PARSER.error(tr(parts, target=target), "%qfbatch list")
        if not job.progress.is_finished:
            cell = f"%qfbatch wait {job.progress.name}".rstrip()
            PARSER.error(tr("the batch is still running: wait for its end first"), cell)
        return job

    def _require_batch(self, target: str) -> BackgroundBatch:
        job = self._find_batch(target)
        if job is not None:
            return job
        if not target:
            self._refuse_without_batch("resume", UNFINISHED)
        raise InvalidArgumentError(
            tr(
                "this kernel has no batch{name}: `%qfbatch list` shows all, `%qfbatch resume "
                "NAME` continues one",
                name=f" {target!r}",
            )
        )

    def _refuse_without_batch(self, command: str, states: Collection[str] = ()) -> NoReturn:
        cells = list_cells(f"%qfbatch {command}", _stored_batches(states))
        PARSER.error(tr("this kernel has no batch"), cells or "%qfbatch list")


def batch_arguments(shell: Any, options: Namespace) -> dict[str, Any]:
    """Return the options as keyword arguments of `qfnb.batch`; without a shell none is a
    variable.
    """
    arguments = PARSER.keywords(options)
    arguments["endpoint"] = resolve_endpoint(shell, options.endpoint)
    if options.model:
        model = parser.resolve(options.model)
        service = shell and not options.endpoint and find_service(shell, model)
        if service:
            arguments["endpoint"] = service
        else:
            arguments["model"] = model
    if options.think is not None:
        arguments["think"] = parse_think(options.think)
    if options.keep_wrong_rows:
        arguments["invalid_rows"] = "fail"
    if options.format is not None:
        arguments["response_format"] = _response_format(options.format, user_variables(shell))
    return arguments


def _response_format(name: str, variables: Mapping[str, Any]) -> Any:
    if name not in FORMATS and not name.startswith("pydantic:"):
        formats = listed(FORMATS)
        PARSER.error(
            tr("-f {name}: a batch takes {formats} or pydantic:NAME", name=name, formats=formats)
        )
    return find_format(name, variables).response_format


def _stored_batches(states: Collection[str] = ()) -> list[str]:
    """Return the names of stored batches, the newest first; only those in some states, where these
    are named.
    """
    from ..batching.journal_store import list_journals  # noqa: PLC0415 - %load_ext stays fast

    journals = sorted(list_journals(), key=lambda journal: journal.updated, reverse=True)
    return [journal.name for journal in journals if not states or journal.state in states]


def _resume_hint(job: BackgroundBatch) -> str:
    """Return how to resume a batch that has a journal."""
    name = job.progress.name
    if name:
        return tr("; to go on: `%qfbatch resume {name}`", name=name)
    return ""
