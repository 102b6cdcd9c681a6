"""`%qfbatch`: ask a model about every row; watch, find, resume and stop batches."""

from __future__ import annotations

import asyncio
import contextlib
import math
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import line_cell_magic, magics_class, no_var_expand

from .._text import did_you_mean
from ..errors import InvalidArgumentError, QianfanError
from . import aliases, tab_completion
from .await_cell import INTERRUPT_GRACE_S
from .parser import document_magic, resolve_endpoint, store_variable, user_variables, variable_name
from .verb_magic import VerbMagics, VerbParser, wait_in_cell

if TYPE_CHECKING:
    from .._jobs.background_batch import BackgroundBatch
    from ..batching.journal_reader import JournalInUse

VERBS = ("start", "wait", "show", "pause", "resume", "cancel", "list", "delete")

DATA_SUFFIXES = (".jsonl", ".csv", ".parquet")

DATA_KINDS = frozenset({"DataFrame", "Series", "Dataset", "list"})
BATCH_KINDS = frozenset({"Batch", "BatchTask"})
"""Names of classes whose variables Tab offers."""


PARSER = VerbParser(
    "%qfbatch",
    "Ask a model about every row, without blocking the notebook and without losing a row.\n"
    "DATA is a variable (DataFrame, Series, list, Dataset) or a path; {column} is a cell of the row.\n"
    f"Verbs: {', '.join(VERBS)}. A variable with a verb's name: %qfbatch start list --prompt ...",
    '  %qfbatch df --prompt "Classify: {review}" -m ernie-4.5-turbo-128k -o result\n'
    "  %qfbatch wait            (wait for the newest, show its end)\n"
    "  result.to_frame()\n\n"
    "  %%qfbatch reviews.csv -o result --out answers.jsonl        (the cell is the prompt)\n"
    "  判断情感，只答“正面”或“负面”：\n  {review}\n\n"
    "  %qfbatch show|pause|cancel [VAR|NAME]        (the newest when none is named)\n"
    "  %qfbatch list\n"
    "  %qfbatch resume NAME -o result        (ask what is missing, in a new kernel too)\n"
    "  %qfbatch delete NAME        (with all its answers)",
    VERBS,
)
PARSER.add_option("--prompt", metavar="TEMPLATE", help="{column} is a cell; {{ and }} are braces")
PARSER.add_option(
    "-m",
    "--model",
    metavar="NAME",
    help="who is asked; default: the default chat model",
    complete=tab_completion.chat_models,
)
PARSER.add_option(
    "-e", "--endpoint", metavar="NAME", help="a service of your own, or a variable", complete=tab_completion.endpoints
)
PARSER.add_option("--system", metavar="TEXT", help="the model's persona", keyword="system")
PARSER.add_option("-t", "--temperature", type=float, metavar="X", help="0 to 2, by model", keyword="temperature")
PARSER.add_option("--max-tokens", type=int, metavar="N", help="the longest answer", keyword="max_output_tokens")
PARSER.add_option(
    "-w", "--workers", type=int, metavar="N", help="rows asked at once, 1 to 1000; default 8",
    keyword="workers", verbs=("start", "resume"),
)  # fmt: skip
PARSER.add_option(
    "--budget", type=float, metavar="CNY", help="stop before it costs more",
    keyword="budget", verbs=("start", "resume"),
)  # fmt: skip
PARSER.add_option(
    "--budget-tokens", type=int, metavar="N", help="stop before it uses more tokens",
    keyword="budget_tokens", verbs=("start", "resume"),
)  # fmt: skip
PARSER.add_option("--name", metavar="NAME", help="of the journal; default made from what is asked", keyword="name")
PARSER.add_option("--out", metavar="FILE", help="write the results to a .jsonl, .csv or .parquet file", keyword="out")
PARSER.add_option("--dedupe", action="store_true", help="ask identical rows once", keyword="dedupe")
PARSER.add_option(
    "--update", action="store_true", help="the input of a named journal has changed", keyword="allow_changed_input"
)
PARSER.add_option(
    "--keep-wrong-rows", action="store_const", const="fail", help="rows that cannot be asked just fail",
    keyword="invalid_rows",
)  # fmt: skip
PARSER.add_option("--canary", type=int, metavar="N", help="rows asked first, 0 for none; default 3", keyword="canary")
PARSER.add_option(
    "--mode", metavar="MODE", help="offline: hand the rows to the platform's batch service", keyword="mode"
)
PARSER.add_option("--dry-run", action="store_true", help="say what it would take; nothing is sent")
PARSER.add_option(
    "-o", dest="variable", type=variable_name, metavar="VAR", help="keep the batch in a variable",
    verbs=("start", "resume"),
)  # fmt: skip

ALREADY_RUNNING = "该批次正在运行 / this batch is running already; `%qfbatch wait` shows how it ends"


class BatchStoppedEarly(QianfanError):
    """A batch stopped early; the answers so far are kept."""


@magics_class
class BatchMagics(VerbMagics):
    """The verbs of `%qfbatch`; each takes a batch's variable or name, by default the newest."""

    parser = PARSER

    @no_var_expand
    @line_cell_magic
    def qfbatch(self, line: str, cell: str | None = None) -> Any:
        verb, options, target = self.parse(line)
        if cell is not None and not options.help:
            if verb != "start":
                PARSER.error(f"a cell only starts a batch; write %qfbatch {verb} on a line")
            options.prompt = _cell_prompt(options, cell)
        return self.run_verb(verb, options, target)

    def complete_word(self, previous: str) -> list[str]:
        """Return what Tab offers: verbs and data at first, data or batches behind a verb."""
        from ..batching.journal_store import batches  # noqa: PLC0415

        if previous.endswith("qfbatch"):
            return [*VERBS, *tab_completion.variables_of(self, DATA_KINDS)]
        if previous == "start":
            return tab_completion.variables_of(self, DATA_KINDS)
        if previous in VERBS:
            return [*tab_completion.variables_of(self, BATCH_KINDS), *batches()["name"]]
        return []

    def do_start(self, options: Namespace, target: str) -> Any:
        from ..batching.api import batch, estimate  # noqa: PLC0415 - %load_ext stays fast
        from ..batching.journal_reader import JournalInUse  # noqa: PLC0415
        from ..views.batch import STARTED  # noqa: PLC0415

        rows, batch_options = self._find_rows(target), self._batch_options(options)
        if options.dry_run:
            return estimate(rows, options.prompt, **batch_options)
        job: BackgroundBatch
        try:
            job, notice = batch(rows, options.prompt, **batch_options), STARTED
        except JournalInUse as error:
            job, notice = self._find_running(options, error), ALREADY_RUNNING
        self._show_panel(options, job, notice)
        return None

    def do_wait(self, options: Namespace, target: str) -> Any:
        from ..views.batch import BatchPanel  # noqa: PLC0415

        job = self._require_batch(target)

        def raise_errors() -> None:
            job.wait()  # raises the error that ended the whole batch
            if job.progress.state == "stopped":
                raise BatchStoppedEarly(f"{job.progress.reason}{_resume_hint(job)}")

        work, message = _wait_until_finished(job), _interrupt_message(job)
        return wait_in_cell(job, BatchPanel, work, raise_errors, message, awaited=options.awaited)

    def do_show(self, options: Namespace, target: str) -> None:
        self._show_panel(options, self._require_batch(target))

    def do_pause(self, options: Namespace, target: str) -> None:
        self._require_batch(target).pause()

    def do_cancel(self, options: Namespace, target: str) -> None:
        self._require_batch(target).cancel()

    def do_resume(self, options: Namespace, target: str) -> None:
        from ..batching.api import resume  # noqa: PLC0415

        job = self._find_batch(target)
        if job is None and not target:
            PARSER.error("resume needs a batch's name; `%qfbatch list` shows them")
        budgets = {"budget": options.budget, "budget_tokens": options.budget_tokens}
        if job is None or (job.progress.is_finished and any(budget is not None for budget in budgets.values())):
            batch_name = job.progress.name if job else target
            job = resume(batch_name, workers=options.workers, **budgets)
        else:
            job.resume()
            if options.workers is not None:
                job.resize(options.workers)
        self._show_panel(options, job)

    def do_list(self, options: Namespace, target: str) -> Any:
        from ..batching.journal_store import batches  # noqa: PLC0415

        return batches()

    def do_delete(self, options: Namespace, target: str) -> None:
        from ..batching.journal_store import delete_journal  # noqa: PLC0415

        if not target:
            PARSER.error("delete needs a batch's name; `%qfbatch list` shows them")
        delete_journal(target)

    def _show_panel(self, options: Namespace, job: BackgroundBatch, notice: str = "") -> None:
        from ..views.batch import BatchPanel  # noqa: PLC0415

        if options.variable:
            store_variable(self.shell, options.variable, job)
        BatchPanel(job).show(notice)

    def _find_rows(self, target: str) -> Any:
        from .._jobs.background_batch import BackgroundBatch  # noqa: PLC0415

        if not target:
            PARSER.error("which rows? %qfbatch DATA --prompt ...: a variable or a path (请给出数据)")
        namespace = user_variables(self.shell)
        if target not in namespace:
            if Path(target).suffix.lower() in DATA_SUFFIXES:
                return Path(target)
            hint = did_you_mean(target, [name for name in namespace if not name.startswith("_")])
            raise InvalidArgumentError(f"{target!r} is neither a variable nor a file{hint} (没有此变量或文件)")
        if isinstance(namespace[target], BackgroundBatch):
            PARSER.error(f"{target} is a batch: %qfbatch show {target}")
        return namespace[target]

    def _batch_options(self, options: Namespace) -> dict[str, Any]:
        """Return the options as keyword arguments of `qfnb.batch`."""
        models = {
            "model": aliases.resolve(options.model) if options.model else None,
            "endpoint": resolve_endpoint(self.shell, options.endpoint),
        }
        return PARSER.keywords(options) | {key: value for key, value in models.items() if value is not None}

    def _find_running(self, options: Namespace, error: JournalInUse) -> BackgroundBatch:
        """Return the batch of this kernel that uses the journal already, when its cell is run again."""
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
        batches, value = self._kernel_batches(), user_variables(self.shell).get(target)
        matches = [task for task in batches if not target or task is value or task.progress.name == target]
        return matches[-1] if matches else None

    def _require_batch(self, target: str) -> BackgroundBatch:
        job = self._find_batch(target)
        if job is None:
            name = f" {target!r}" if target else ""
            raise InvalidArgumentError(
                f"this kernel has no batch{name} (没有此批次): `%qfbatch list` shows all, `resume NAME` continues one"
            )
        return job


def _cell_prompt(options: Namespace, cell: str) -> str:
    """Return the cell's text as the prompt."""
    if options.prompt is not None:
        PARSER.error("--prompt, and a cell: the cell is the prompt (二者只能用一个)")
    if not cell.strip():
        PARSER.error("the cell is empty: write the prompt below the first line (请在单元格中写下模板)")
    return cell.removesuffix("\n")


def _resume_hint(job: BackgroundBatch) -> str:
    """Return how to resume a batch that has a journal."""
    name = job.progress.name
    return f"; 继续 continue: `%qfbatch resume {name}`" if name else ""


def _interrupt_message(job: BackgroundBatch) -> str:
    """Return the message after an interrupt of the wait."""
    progress = job.progress
    if progress.mode == "offline":
        return "平台上的任务继续 / the job on the platform continues; `%qfbatch cancel` ends it"
    return f"已取消，完成的行已保留 / cancelled; finished rows are kept{_resume_hint(job)}"


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
