"""`%qf`: what is set, what runs in all kernels of this user, and what to try; `%qf clean` frees
disk space.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import shutil
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from IPython.core.magic import line_magic, magics_class, no_var_expand

from .. import config
from ..base.language import language, tr, tr_noop, trn
from ..dataset.samples import HELD_OUT_FILE, TRAIN_FILE
from ..doctor import describe_damage, paste_safe
from ..errors import InvalidArgumentError, QianfanError
from .parser import document_magic, quote_word, user_variables
from .verb_magic import VerbMagics, VerbParser

if TYPE_CHECKING:
    from argparse import Namespace

    from ..trainer.progress import TrainingProgress
    from ..views.home import Activity, Home, KernelUsage


NOTEBOOKS: Final = Path(__file__).parents[2] / "notebooks"
"""The notebooks of a clone; a wheel has none."""


def list_next_steps(shell: Any, *, has_key: bool) -> dict[str, str]:
    """Return lines for the next cell, and what each does."""
    if has_key:
        steps = {}
    else:
        steps = {"%qfauth set": tr("type a key, and reach Qianfan")}
    steps[f"%qfchat {tr('Introduce yourself in one sentence')}"] = tr(
        "ask something; several models by `-m a,b`"
    )
    steps.update(_data_steps(shell))
    for name, progress in _ended_trainings(shell):
        steps.update(_training_steps(name, progress))
    steps.update(_stored_training_steps(steps))
    steps.update(_result_steps(shell))
    steps |= (
        {} if has_key else {"%qfsandbox": tr("whether the local sandbox runs, and what it does")}
    )
    return steps | {"%qfdoctor": tr("versions, keys and platform, and what is wrong")}


def quickstart() -> str:
    """Return where the first notebook is, from the current folder if below it, "" for none."""
    path = NOTEBOOKS / ("00_quickstart.zh.ipynb" if language() == "zh" else "00_quickstart.ipynb")
    if not path.exists():
        return ""
    with contextlib.suppress(
        OSError, ValueError
    ):  # the folder was deleted, or the notebook is elsewhere
        path = path.relative_to(Path.cwd())
    return str(path)


def _data_steps(shell: Any) -> Iterator[tuple[str, str]]:
    """Yield the steps for the newest variable that holds rows, or for the sample rows."""
    from .._tables import is_list  # noqa: PLC0415 - %load_ext stays fast
    from ..trainer.form.inspection import is_data  # noqa: PLC0415

    rows = {
        name: value
        for name, value in _variables(shell).items()
        if is_data(value) and not is_list(value)
    }
    names = [
        name for name, value in rows.items() if getattr(value, "is_fetched", True) and len(value)
    ]
    for name in names[-1:]:
        if column := _text_column(rows[name]):
            line = f"%qfbatch {name} --prompt {{{column}}} -o answers"
            yield line, tr("ask about every row; what is answered is never asked again")
        yield f"%qftrain new {name}", tr("fine-tune on your data")
    if names:
        return
    if not Path(TRAIN_FILE).exists():
        yield (
            "%qftrain sample",
            tr("write sample rows to this folder: to train on, and to compare models with"),
        )
        yield "%qftrain", tr("fine-tune on your data")
    else:
        yield f"%qftrain new {TRAIN_FILE}", tr("fine-tune on the sample rows")


def _text_column(data: Any) -> str:
    """Return the first column that holds a text and can stand in a prompt, "" for none."""
    if hasattr(data, "iloc"):
        first_row = dict(data.iloc[0])
    else:
        first_row = data[0]
    names = (
        name
        for name, value in first_row.items()
        if isinstance(value, str) and str(name).isidentifier()
    )
    return next(names, "")


def _ended_trainings(shell: Any) -> list[tuple[str, TrainingProgress]]:
    """Return the newest training of this kernel with its variable, if it has ended well."""
    from ..trainer import LLMFinetune  # noqa: PLC0415

    trainings = [
        (name, v.progress) for name, v in _variables(shell).items() if isinstance(v, LLMFinetune)
    ]
    newest = sorted(trainings, key=lambda training: training[1].started_at or 0.0)[-1:]
    return [(name, row) for name, row in newest if row.finished and not (row.failed or row.stopped)]


def _stored_training_steps(steps: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield how the newest training with a service is asked, also one of another kernel, and where
    all trainings are.
    """
    from .. import connect  # noqa: PLC0415
    from ..batching.request_spec import platform_name  # noqa: PLC0415
    from ..trainer import run_store  # noqa: PLC0415

    runs = run_store.list_runs()
    try:
        here = platform_name(connect.current_platform())
    except QianfanError:  # a setting is wrong, which the panel says
        return
    deployed = [
        run
        for run in runs
        if run.facts.get("platform") == here
        and (run.facts.get("facts") or {}).get("service_endpoint")
    ]
    if not any(step.startswith("%qftrain chat") for step in steps):
        for run in deployed[:1]:
            name = quote_word(str(run.facts.get("name") or run.id))
            yield f"%qftrain chat {name}", tr("ask the tuned model")
    if runs:
        yield "%qftrain list", tr("all your trainings, and what can be done with the newest")


def _training_steps(name: str, progress: TrainingProgress) -> Iterator[tuple[str, str]]:
    from ..trainer.configs import resolve_train_type  # noqa: PLC0415
    from ..views.training.actions import is_sample_training  # noqa: PLC0415
    from ..wire import catalog  # noqa: PLC0415

    if not progress.service_endpoint:
        yield f"%qftrain deploy {name}", tr("make a service of the model, to ask it")
        return
    yield f"%qftrain chat {name}", tr("ask the tuned model")
    base = resolve_train_type(progress.title).lower()
    is_sample = is_sample_training(progress) and Path(HELD_OUT_FILE).exists()
    if is_sample and base in catalog.model_names("chat", include_retired=False):
        line = f"%qfeval {base} {name} --data {HELD_OUT_FILE} -o report"
        yield line, tr("see whether tuning helped")
    else:
        yield f"%qftrain evaluate {name}", tr("see whether tuning helped")


def _result_steps(shell: Any) -> Iterator[tuple[str, str]]:
    """Yield how to read what has ended: answers of batches, reports of evaluations."""
    from ..batching.batch import Batch  # noqa: PLC0415
    from ..evaluation.report import EvaluationResult  # noqa: PLC0415

    for name, value in _variables(shell).items():
        if isinstance(value, Batch) and value.progress.is_finished:
            yield f"{name}.to_frame()", tr("the answers as a table")
        elif isinstance(value, EvaluationResult):
            yield f"%qfeval browse {name}", tr("question by question")


def _variables(shell: Any) -> dict[str, Any]:
    return {
        name: value for name, value in user_variables(shell).items() if not name.startswith("_")
    }


VERBS: Final = ("show", "clean")

PARSER = VerbParser(
    "%qf",
    tr_noop(
        "The home panel: platform and key, running jobs of all kernels, reports, disk, what to try."
    ),
    tr_noop(
        "  %qf\n  %qf clean             (asks before it deletes finished batches)\n  %qf clean "
        "--days 7 --yes"
    ),
    VERBS,
)
PARSER.add_option(
    "--days", type=int, metavar="N", help=tr_noop("clean: what has not changed for so many days; "
                                                  "default 30"),
    verbs=("clean",),
)  # fmt: skip
PARSER.add_option("--yes", action="store_true", help=tr_noop("clean: do not ask"), verbs=("clean",))

CLEANED_DAYS: Final = 30

DAY_S: Final = 86_400.0

PARTS: Final = {
    "batches": tr_noop("Batches and their answers"),
    "sandbox": tr_noop("The local sandbox"),
    "runs": tr_noop("Trainings"),
    "conversations.db": tr_noop("Conversations"),
    "evaluations": tr_noop("Evaluations"),
    "history": tr_noop("Reports of evaluations"),
    "launches": tr_noop("Saved forms"),
}
"""Name in the state folder -> what is there."""

OTHER_FILES: Final = tr_noop("Other files")


@magics_class
class HomeMagics(VerbMagics):
    """The home panel."""

    parser = PARSER
    default_verb = "show"
    needs_verb = True
    takes_target = False

    @no_var_expand
    @line_magic
    def qf(self, line: str) -> None:
        self.run_line(line)

    def do_show(self, options: Namespace, target: str) -> None:
        from ..views import display, home  # noqa: PLC0415 - %load_ext stays fast

        display.publish(home.bundle(collect(self.shell)))

    def do_clean(self, options: Namespace, target: str) -> None:
        if options.days is None:
            days = CLEANED_DAYS
        else:
            days = options.days
        print(clean(days, asks=not options.yes))  # noqa: T201 - what was done


def collect(shell: Any = None) -> Home:
    """Return the contents of the home panel now, with the variables of a shell.

    The platform is asked only how far trainings are that no kernel follows.
    """
    from ..evaluation import records  # noqa: PLC0415
    from ..views.home import Access, Home, Report  # noqa: PLC0415
    from .auth import describe_access  # noqa: PLC0415

    problem = ""
    access = Access(platform="")
    try:
        access = describe_access()
    except QianfanError as error:
        problem = paste_safe(str(error).splitlines()[0])
    activities = [*_trainings(), *_evaluations_and_batches()]
    reports = [
        Report(paste_safe(record.path), record.models, record.saved)
        for record in records.list_reports()
    ]
    return Home(
        version=importlib.metadata.version("qfnb"),
        access=access,
        problem=problem,
        damage=describe_damage() or (),
        usage=_usage(),
        activities=sorted(activities, key=lambda activity: activity.seen_at, reverse=True),
        reports=reports,
        folder=paste_safe(str(config.state_dir())),
        disk=measure_disk(),
        next_steps=list_next_steps(shell, has_key=bool(access.keys)),
        quickstart=paste_safe(quickstart()),
    )


def _usage() -> KernelUsage:
    from ..resources.inference.usage_log import entries  # noqa: PLC0415
    from ..views.home import KernelUsage  # noqa: PLC0415
    from ..wire.prices import PriceRange  # noqa: PLC0415

    calls = [entry for entry in entries() if not entry.error]
    tokens = sum((entry.prompt_tokens or 0) + (entry.completion_tokens or 0) for entry in calls)
    costs = [(entry.cost_low, entry.cost) for entry in calls]
    prices = [PriceRange(low, high) for low, high in costs if low is not None and high is not None]
    return KernelUsage(
        len(calls), tokens, sum(prices, PriceRange(0, 0)) if len(prices) == len(calls) else None
    )


def _trainings() -> Iterator[Activity]:
    """Yield the trainings that have not ended, as of now or as of the last time that a kernel wrote
    of them.
    """
    from ..trainer import run_store  # noqa: PLC0415
    from ..trainer.background import refresh_runs  # noqa: PLC0415
    from ..views.home import Activity  # noqa: PLC0415
    from ..views.listings import training_state  # noqa: PLC0415

    runs = [run for run in run_store.list_runs() if run.is_unfinished]
    refresh_runs(runs)
    for run in runs:
        percent = run.facts["progress"].get("percent")
        state = training_state(
            str(run.facts.get("status") or ""), percent, is_current=run.is_current
        )
        yield Activity(
            name=str(run.facts.get("name") or run.id),
            subject=str(run.facts.get("train_type") or ""),
            kind=state.kind,
            state=state.words,
            sign=state.sign,
            share=None if percent is None else percent / 100,
            amount="" if percent is None else f"{percent}%",
            seen_at=time.time() if run.is_asked else run.last_change(),
            command=f"%qftrain attach {run.id}",
        )


def _evaluations_and_batches() -> Iterator[Activity]:
    """Yield the evaluations and the other batches that run or were interrupted."""
    from ..batching.journal_store import list_journals  # noqa: PLC0415
    from ..evaluation import records  # noqa: PLC0415
    from ..views.home import Activity  # noqa: PLC0415

    journals = {journal.name: journal for journal in list_journals()}
    evaluations = [
        record
        for record in records.list_evaluations()
        if record.state in {"running", "interrupted"}
    ]
    for record in evaluations:
        answered = sum(
            j.counts.ok + j.counts.failed
            for name in record.batches
            if (j := journals.get(name)) and j.counts
        )
        total = max(record.questions * len(record.models), 1)
        signs = [j.updated for name in record.batches if (j := journals.get(name))]
        is_running = record.state == "running"
        yield Activity(
            name=tr("Evaluation"),
            subject=" · ".join(record.models),
            kind="run" if is_running else "idle",
            state=tr("Running") if is_running else tr("Interrupted"),
            share=answered / total,
            amount=f"{answered:,}\u00a0/\u00a0{total:,}",
            seen_at=max([record.started, *signs]),
            command=tr("in its notebook") if is_running else tr("run its cell again"),
        )
    of_evaluations = {name for record in evaluations for name in record.batches}
    for journal in journals.values():
        if (
            journal.state not in {"running", "interrupted"}
            or journal.name in of_evaluations
            or not journal.counts
        ):
            continue
        done = journal.counts.ok + journal.counts.failed
        total = journal.counts.rows
        is_running = journal.state == "running"
        yield Activity(
            name=journal.name,
            subject=journal.model,
            kind="run" if is_running else "idle",
            state=tr("Running") if is_running else tr("Interrupted"),
            share=done / total if total else None,
            amount=f"{done:,}\u00a0/\u00a0{total:,}",
            seen_at=journal.updated,
            command=_batch_command(journal.name, is_running=is_running),
        )


def _batch_command(name: str, *, is_running: bool) -> str:
    """Return the command that shows a running batch, which only its own kernel can, or that
    continues an interrupted one.
    """
    from ..views.panel import RECENT_PANELS  # noqa: PLC0415

    if not is_running:
        return f"%qfbatch resume {name}"
    own_names = {getattr(panel.job.progress, "name", "") for panel in RECENT_PANELS}
    if name in own_names:
        return f"%qfbatch show {name}"
    return tr("in its notebook")


def measure_disk() -> dict[str, int]:
    """Return the bytes of each part of the state folder, by what is there."""
    sizes: dict[str, int] = {}
    for path in config.state_dir().iterdir():
        name = tr(PARTS.get(path.name, OTHER_FILES))
        sizes[name] = sizes.get(name, 0) + _bytes_of(path)
    return sizes


def _bytes_of(path: Path) -> int:
    total = 0
    for file in path.rglob("*") if path.is_dir() else (path,):
        with contextlib.suppress(OSError):  # deleted a moment ago
            total += file.stat().st_size if file.is_file() else 0
    return total


def clean(days: int, *, asks: bool) -> str:
    """Delete finished batches that have not changed for some days, and old logs; return what was
    done.

    Args:
        days: from 0.
        asks: whether the user is asked first.

    Raises:
        InvalidArgumentError: there is nobody to ask, or `days` is negative.
    """
    from ..batching.journal_store import delete_journal, list_journals  # noqa: PLC0415
    from ..views.home import size  # noqa: PLC0415

    if days < 0:
        raise InvalidArgumentError(tr("--days {days}: it is 0 or more", days=days))
    limit = time.time() - days * DAY_S
    names = [
        j.name
        for j in list_journals()
        if j.state in {"done", "cancelled", "stopped"} and j.updated <= limit
    ]
    leftovers = _leftovers()
    folder = config.state_dir()
    before = _bytes_of(folder)
    if not names and not leftovers:
        return tr(
            "nothing to delete: {size} in {folder}",
            size=size(before),
            folder=paste_safe(str(folder)),
        )
    batches = trn(
        "{n} finished batch with all its answers",
        "{n} finished batches with all their answers",
        len(names),
    )
    question = tr(
        "delete {batches}? They cannot be asked for again without cost. yes/no: ", batches=batches
    )
    if asks and not confirm(question, "%qf clean --yes"):
        return tr("nothing was deleted")
    for name in names:
        with contextlib.suppress(QianfanError):  # it is used again
            delete_journal(name)
    for path in leftovers:
        shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
    return tr(
        "deleted: {batches}; {size} are free",
        batches=batches,
        size=size(max(before - _bytes_of(folder), 0)),
    )


def _leftovers() -> list[Path]:
    """Return files that nothing reads any more: old logs, states that were moved aside."""
    sandbox = config.state_dir() / "sandbox"
    return [
        *sandbox.glob("server.log.old"),
        *sandbox.glob("state.*.old"),
        *sandbox.glob("state.*.told"),
    ]


def confirm(question: str, cell: str) -> bool:
    """Return whether the user says yes.

    Args:
        question: with its answers, `yes/no: `.
        cell: the cell that does not ask.

    Raises:
        InvalidArgumentError: the front end cannot ask.
    """
    try:
        return input(question).strip().lower() in {"y", "yes", "是"}
    except (EOFError, NotImplementedError, RuntimeError):  # of a kernel without a front end
        raise InvalidArgumentError(f"{tr('nobody can be asked here: add --yes')}\n{cell}") from None


document_magic(HomeMagics.qf, PARSER)
