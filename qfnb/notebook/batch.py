"""`%qfbatch`: ask a model about every row; watch, find, resume and stop batches."""

from __future__ import annotations

import asyncio
import contextlib
import math
from argparse import Namespace
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import line_cell_magic, magics_class, no_var_expand

from ..base.language import tr, tr_noop, trn
from ..base.text import did_you_mean
from ..errors import InvalidArgumentError, QianfanError
from ..resources.inference.thinking import parse_think
from . import parser
from .await_cell import INTERRUPT_GRACE_S
from .chat_run import find_format
from .parser import document_magic, quote_word, store_variable, user_variables, variable_name
from .services import find_service, resolve_endpoint
from .verb_magic import VerbMagics, VerbParser, choose_only, list_cells, listing, wait_in_cell

if TYPE_CHECKING:
    from .._jobs.background_batch import BackgroundBatch
    from ..batching.batch import Batch
    from ..batching.journal_reader import JournalInUse


FORMATS = ("text", "json")

VERBS = ("start", "wait", "show", "save", "pause", "resume", "cancel", "list", "delete")

DATA_SUFFIXES = (".jsonl", ".csv", ".parquet")

DATA_KINDS = frozenset({"DataFrame", "Series", "Dataset", "list"})
BATCH_KINDS = frozenset({"Batch", "BatchTask"})
"""Names of classes whose variables Tab offers."""


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
)
PARSER.foreign_options = {"--input": '--prompt "{{{}}}"', "--column": '--prompt "{{{}}}"'}
PARSER.add_option(
    "--prompt",
    metavar="TEMPLATE",
    help=tr_noop("{column} is a cell of the row; {{ and }} are braces"),
)
PARSER.add_option(
    "-m",
    "--model",
    metavar="NAME",
    help=tr_noop("the model to ask; default: the default chat model"),
    complete=parser.chat_models,
)
PARSER.add_option(
    "-e",
    "--endpoint",
    metavar="NAME",
    help=tr_noop("a service of your own: its name, id or suffix, or its training"),
    complete=parser.endpoints,
)
PARSER.add_option(
    "--system",
    metavar="TEXT",
    help=tr_noop("the system prompt: who the model is"),
    keyword="system",
)
PARSER.add_temperature_option()
PARSER.add_option(
    "-f",
    "--format",
    metavar="FORMAT",
    help=tr_noop("text, json, or pydantic:NAME, a class of the notebook that each answer must fit"),
    complete=lambda _: [*FORMATS, "pydantic:"],
)
PARSER.add_think_option()
PARSER.add_option(
    "--max-tokens",
    type=int,
    metavar="N",
    help=tr_noop("the most tokens of an answer"),
    keyword="max_output_tokens",
)
PARSER.add_option(
    "-w", "--workers", type=int, metavar="N", help=tr_noop("how many rows are asked at once, 1 to "
                                                           "1000; default 8"),
    keyword="workers", verbs=("start", "resume"),
)  # fmt: skip
PARSER.add_option(
    "--budget", type=float, metavar="CNY", help=tr_noop("stop before it costs more"),
    keyword="budget", verbs=("start", "resume"),
)  # fmt: skip
PARSER.add_option(
    "--budget-tokens", type=int, metavar="N", help=tr_noop("stop before it uses more tokens"),
    keyword="budget_tokens", verbs=("start", "resume"),
)  # fmt: skip
PARSER.add_option(
    "--name",
    metavar="NAME",
    help=tr_noop("name of the journal; by default derived from the question"),
    keyword="name",
)
PARSER.add_option(
    "--out",
    metavar="FILE",
    help=tr_noop("write the results to a .jsonl, .csv, .xlsx or .parquet file"),
    keyword="out",
)
PARSER.add_option(
    "--dedupe", action="store_true", help=tr_noop("ask identical rows once"), keyword="dedupe"
)
PARSER.add_option(
    "--update",
    action="store_true",
    help=tr_noop("accept that the input of a named journal has changed"),
    keyword="allow_changed_input",
)
PARSER.add_option(
    "--keep-wrong-rows", action="store_const", const="fail", help=tr_noop("count rows that cannot "
                                                                          "be asked as failed"),
    keyword="invalid_rows",
)  # fmt: skip
PARSER.add_option(
    "--same-prompt", action="store_true", help=tr_noop("the prompt names no column: ask it once "
                                                       "for every row"),
    keyword="allow_same_prompt",
)  # fmt: skip
PARSER.add_option(
    "--canary",
    type=int,
    metavar="N",
    help=tr_noop("how many rows are asked first, 0 for none; default 3"),
    keyword="canary",
)
PARSER.add_option(
    "--mode",
    metavar="MODE",
    help=tr_noop("offline: hand the rows to the platform's batch service"),
    keyword="mode",
)
PARSER.add_option(
    "--dry-run", action="store_true", help=tr_noop("show what it would take; send nothing")
)
PARSER.add_option(
    "-o", dest="variable", type=variable_name, metavar="VAR", help=tr_noop("keep the batch in a "
                                                                           "variable"),
    verbs=("start", "resume"),
)  # fmt: skip


ALREADY_RUNNING = tr_noop("This batch is running already; `%qfbatch wait` shows how it ends.")


UNFINISHED = frozenset({"interrupted", "stopped"})
"""States of stored batches that can be continued."""


class BatchStoppedEarly(QianfanError):
    """A batch stopped early; the answers so far are kept."""


@magics_class
class BatchMagics(VerbMagics):
    """The verbs of `%qfbatch`; each takes a batch's variable or name, by default the newest."""

    parser = PARSER

    @no_var_expand
    @line_cell_magic
    @PARSER.speak
    def qfbatch(self, line: str, cell: str | None = None) -> Any:
        verb, options, target = self.parse(line)
        if cell is not None and not options.help:
            if verb != "start":
                PARSER.error(
                    tr("a cell only starts a batch: write %qfbatch {verb} on a line", verb=verb)
                )
            options.prompt = _cell_prompt(options, cell)
        with self.naming_columns(line):
            return self.run_verb(verb, options, target)

    def column_options(self, columns: Sequence[str]) -> str:
        """Return the prompt that is a column."""
        return f"--prompt {{{columns[0]}}}"

    def _parse_target(self, verb: str, line: str) -> tuple[Namespace, Any]:
        """Return the options behind a verb, and the batch; `save` takes a file and a batch."""
        if verb == "save":
            return PARSER.parse_words(line)
        return PARSER.parse_target(line, verb)

    def complete_word(self, previous: str) -> list[str]:
        """Return the completions: verbs and data at first, data or batches behind a verb."""
        from ..batching.journal_store import batches  # noqa: PLC0415

        if previous.endswith("qfbatch"):
            return [*PARSER.verbs, *parser.variables_of(self, DATA_KINDS)]
        if previous == "start":
            return parser.variables_of(self, DATA_KINDS)
        if previous in PARSER.verbs:
            return [*parser.variables_of(self, BATCH_KINDS), *batches()["name"]]
        return []

    def do_start(self, options: Namespace, target: str) -> Any:
        from ..batching.api import batch, estimate  # noqa: PLC0415 - %load_ext stays fast
        from ..batching.journal_reader import JournalInUse  # noqa: PLC0415
        from ..views.batch import STARTED  # noqa: PLC0415

        rows = self._find_rows(target)
        batch_options = self._batch_options(options)
        if options.dry_run:
            return estimate(rows, options.prompt, **batch_options)
        job: BackgroundBatch
        try:
            job = batch(rows, options.prompt, **batch_options)
            notice = tr(STARTED)
        except JournalInUse as error:
            job = self._find_running(options, error)
            notice = tr(ALREADY_RUNNING)
        self._show_panel(options, job, notice)
        return None

    def do_wait(self, options: Namespace, target: str) -> Any:
        from ..views.batch import BatchPanel  # noqa: PLC0415

        job = self._require_batch(target)

        def raise_errors() -> None:
            job.wait()  # raises the error that ended the whole batch
            if job.progress.state == "stopped":
                raise BatchStoppedEarly(f"{job.progress.reason}{_resume_hint(job)}")

        work = _wait_until_finished(job)
        message = _interrupt_message(job)
        return wait_in_cell(job, BatchPanel, work, raise_errors, message, awaited=options.awaited)

    def do_show(self, options: Namespace, target: str) -> None:
        self._show_panel(options, self._require_batch(target))

    def do_save(self, options: Namespace, words: list[str]) -> None:
        from ..batching import export  # noqa: PLC0415 - %load_ext stays fast
        from ..batching.journal_reader import read_facts, read_rows  # noqa: PLC0415
        from ..batching.journal_store import existing_journal_path  # noqa: PLC0415

        # the order of %qfeval save is taken, too
        files = [word for word in words if Path(word).suffix.lower() in export.WRITERS] or words
        if not files:
            suffixes = tr(", ").join(export.WRITERS)
            PARSER.error(
                tr("save needs a file that ends in one of {suffixes}", suffixes=suffixes),
                "%qfbatch save answers.csv",
            )
        path = export.validate_output_path(files[0], "")
        target = next((word for word in words if word is not files[0]), "")
        batch = self._find_finished(target, files[0])
        if batch is None:  # of an earlier kernel: its answers are on the disk
            journal = existing_journal_path(target)
            row_count = read_facts(journal)[1].rows
            failed_count = 0
            export.save(partial(read_rows, journal), path)
        else:
            row_count = len(batch)
            failed_count = batch.progress.failed
            batch.save(path)
        count = trn("{n} row", "{n} rows", row_count)
        if failed_count:
            count = tr(
                "{count}, {failed} of them without an answer", count=count, failed=failed_count
            )
        print(tr("Saved: {path}", path=tr("{text} ({remark})", text=path, remark=count)))  # noqa: T201 - where it is

    def do_pause(self, options: Namespace, target: str) -> None:
        self._require_batch(target).pause()

    def do_cancel(self, options: Namespace, target: str) -> None:
        self._require_batch(target).cancel()

    def do_resume(self, options: Namespace, target: str) -> None:
        from ..batching.api import resume  # noqa: PLC0415

        job = self._find_batch(target)
        if job is None and not target:
            names = _stored_batches(UNFINISHED)
            target = choose_only(
                PARSER, "resume", names, tr("no batch is there to be continued"), "%qfbatch list"
            )
        budgets = {"budget": options.budget, "budget_tokens": options.budget_tokens}
        if job is None or (
            job.progress.is_finished and any(budget is not None for budget in budgets.values())
        ):
            if job:
                batch_name = job.progress.name
            else:
                batch_name = target
            job = resume(batch_name, workers=options.workers, **budgets)
        else:
            job.resume()
            if options.workers is not None:
                job.resize(options.workers)
        self._show_panel(options, job)

    def do_list(self, options: Namespace, target: str) -> Any:
        from ..batching.journal_store import batches  # noqa: PLC0415

        when_empty = tr(
            "no batch is stored on this computer: `%qfbatch DATA --prompt ... -m MODEL` starts one"
        )
        return listing(batches(), when_empty)

    def do_delete(self, options: Namespace, target: str) -> None:
        from ..batching.journal_store import delete_journal  # noqa: PLC0415

        if not target:  # also where there is one only: nothing is deleted by a guess
            PARSER.error(
                tr("delete needs a batch's name"),
                list_cells("%qfbatch delete", _stored_batches()) or "%qfbatch list",
            )
        delete_journal(target)

    def _show_panel(self, options: Namespace, job: BackgroundBatch, notice: str = "") -> None:
        from ..views.batch import BatchPanel  # noqa: PLC0415

        if options.variable:
            store_variable(self.shell, options.variable, job)
        BatchPanel(job).show(notice)

    def _find_rows(self, target: str) -> Any:
        from .._jobs.background_batch import BackgroundBatch  # noqa: PLC0415

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

    def _batch_options(self, options: Namespace) -> dict[str, Any]:
        """Return the options as keyword arguments of `qfnb.batch`."""
        model = parser.resolve(options.model) if options.model else None
        endpoint = resolve_endpoint(self.shell, options.endpoint)
        if model and not endpoint and (service := find_service(self.shell, model)):
            model = None
            endpoint = service
        models = {"model": model, "endpoint": endpoint}
        set_options: dict[str, Any] = {
            key: value for key, value in models.items() if value is not None
        }
        if options.think is not None:
            set_options["think"] = parse_think(options.think)
        if options.format is not None:
            set_options |= self._format_option(options.format)
        return PARSER.keywords(options) | set_options

    def _format_option(self, name: str) -> dict[str, Any]:
        if name not in FORMATS and not name.startswith("pydantic:"):
            PARSER.error(
                tr(
                    "-f {name}: a batch takes {formats} or pydantic:NAME",
                    name=name,
                    formats=tr(", ").join(FORMATS),
                )
            )
        response_format = find_format(name, user_variables(self.shell)).response_format
        if response_format is None:
            return {}
        return {"response_format": response_format}

    def _find_running(self, options: Namespace, error: JournalInUse) -> BackgroundBatch:
        """Return the batch of this kernel that uses the journal already, when its cell is run
        again.
        """
        running = [
            task
            for task in self._kernel_batches()
            if not task.progress.is_finished and task.progress.name == error.name
        ]
        if not running:
            raise error
        if options.workers is not None:
            running[0].resize(options.workers)
        return running[0]

    def _kernel_batches(self) -> list[BackgroundBatch]:
        """Return the batches of this kernel, the newest last."""
        from .._jobs.background_batch import BackgroundBatch  # noqa: PLC0415
        from ..views.panel import RECENT_PANELS  # noqa: PLC0415

        values = [*(panel.job for panel in RECENT_PANELS), *user_variables(self.shell).values()]
        batches = {id(value): value for value in values if isinstance(value, BackgroundBatch)}
        return sorted(batches.values(), key=lambda task: task.progress.started_at or math.inf)

    def _find_batch(self, target: str) -> BackgroundBatch | None:
        batches = self._kernel_batches()
        value = user_variables(self.shell).get(target)
        matches = [
            task for task in batches if not target or task is value or task.progress.name == target
        ]
        if matches:
            return matches[-1]
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
        if job is not None and not isinstance(job, Batch):
            parts = tr_noop("{target} has written its answers to files already: `{target}.parts()`")
            PARSER.error(tr(parts, target=target), "%qfbatch list")
        if job is not None and not job.progress.is_finished:
            cell = f"%qfbatch wait {job.progress.name}".rstrip()
            PARSER.error(tr("the batch is still running: wait for its end first"), cell)
        if job is None and not target:
            cells = list_cells(f"%qfbatch save {quote_word(file)}", _stored_batches())
            PARSER.error(tr("this kernel has no batch"), cells or "%qfbatch list")
        return job

    def _require_batch(self, target: str) -> BackgroundBatch:
        job = self._find_batch(target)
        if job is None and not target:
            cells = list_cells("%qfbatch resume", _stored_batches(UNFINISHED))
            PARSER.error(tr("this kernel has no batch"), cells or "%qfbatch list")
        if job is None:
            name = f" {target!r}"
            raise InvalidArgumentError(
                tr(
                    "this kernel has no batch{name}: `%qfbatch list` shows all, `%qfbatch resume "
                    "NAME` continues one",
                    name=name,
                )
            )
        return job


def _stored_batches(states: Collection[str] = ()) -> list[str]:
    """Return the names of stored batches, the newest first; only those in some states, where these
    are named.
    """
    from ..batching.journal_store import list_journals  # noqa: PLC0415 - %load_ext stays fast

    journals = sorted(list_journals(), key=lambda journal: journal.updated, reverse=True)
    return [journal.name for journal in journals if not states or journal.state in states]


def _cell_prompt(options: Namespace, cell: str) -> str:
    """Return the cell's text as the prompt."""
    if options.prompt is not None:
        PARSER.error(tr("--prompt cannot be used in a cell: the cell is the prompt"))
    if not cell.strip():
        PARSER.error(tr("the cell is empty: write the prompt below the first line"))
    return cell.removesuffix("\n")


def _resume_hint(job: BackgroundBatch) -> str:
    """Return how to resume a batch that has a journal."""
    name = job.progress.name
    if name:
        return tr("; to go on: `%qfbatch resume {name}`", name=name)
    return ""


def _interrupt_message(job: BackgroundBatch) -> str:
    """Return the message after an interrupt of the wait."""
    progress = job.progress
    if progress.mode == "offline":
        return tr("the job on the platform continues; `%qfbatch cancel` ends it")
    return tr("cancelled; finished rows are kept{hint}", hint=_resume_hint(job))


async def _wait_until_finished(job: BackgroundBatch) -> None:
    """Wait for the end of a batch; an interrupt cancels it, unless it runs on the platform."""
    try:
        with contextlib.suppress(Exception):  # `wait` raises it when the panel is drawn
            await job
    except asyncio.CancelledError:
        if job.progress.mode != "offline":
            with contextlib.suppress(Exception):
                await asyncio.wait_for(job, INTERRUPT_GRACE_S - 0.1)
        raise


document_magic(BatchMagics.qfbatch, PARSER)
