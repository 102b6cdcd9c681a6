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

from IPython.core.magic import magics_class

from .. import config
from ..base.language import language, tr, tr_noop, trn
from ..dataset.samples import HELD_OUT_FILE, TRAIN_FILE
from ..doctor import describe_damage, paste_safe
from ..errors import InvalidArgumentError, QianfanError
from ..resources.inference.reply import entries
from .auth import confirm, describe_access
from .parser import MagicOption, quote_word, user_variables
from .verb_magic import VerbMagics, VerbParser, verb_magic

if TYPE_CHECKING:
    from argparse import Namespace

    from ..trainer.progress import TrainingProgress
    from ..trainer.run_store import RunRecord
    from ..views.home import Activity, Home, KernelUsage


NOTEBOOKS: Final = Path(__file__).parents[2] / "notebooks"
"""The notebooks of a clone; a wheel has none."""


def list_next_steps(shell: Any, *, has_key: bool) -> dict[str, str]:
    """Return lines for the next cell that run as they stand, and what each does."""
    steps = {} if has_key else {"%qfauth set": tr("type a key, and reach Qianfan")}
    question = tr("Introduce yourself in one sentence")
    steps[f"%qfchat {question}"] = tr("ask something; several models by `-m a,b`")
    steps.update(_data_steps(shell))
    for name, progress in _ended_trainings(shell):
        steps.update(_training_steps(name, progress))
    steps.update(_stored_training_steps(steps))
    steps.update(_result_steps(shell))
    if not has_key:
        steps["%qfsandbox"] = tr("whether the local sandbox runs, and what it does")
    return steps | {"%qfdoctor": tr("versions, keys and platform, and what is wrong")}


def quickstart() -> str:
    """Return where the first notebook is, from the current folder if below it, "" for none."""
    path = NOTEBOOKS / ("00_quickstart.zh.ipynb" if language() == "zh" else "00_quickstart.ipynb")
    if not path.exists():
        return ""
    with contextlib.suppress(OSError, ValueError):  # the folder was deleted, or is elsewhere
        path = path.relative_to(Path.cwd())
    return str(path)


def _data_steps(shell: Any) -> Iterator[tuple[str, str]]:
    """Yield the steps for the newest variable that holds rows, or for the sample rows."""
    from .._tables import is_list  # noqa: PLC0415 - %load_ext stays fast
    from ..trainer.form.inspection import is_data  # noqa: PLC0415

    newest = ""
    for name, value in user_variables(shell).items():
        if is_data(value) and not is_list(value) and not name.startswith("_"):
            newest = name
    if newest:
        yield f"%qftrain new {newest}", tr("fine-tune on your data")
        yield f"%qfbatch {newest}", tr("ask a model about every row")
    elif Path(TRAIN_FILE).exists():
        yield f"%qftrain new {TRAIN_FILE}", tr("fine-tune on the sample rows")
        if Path(HELD_OUT_FILE).exists():
            yield f"%qfbatch {HELD_OUT_FILE}", tr("ask a model about every row")
    else:
        meaning = tr("write sample rows to this folder: to train on, and to compare models with")
        yield "%qftrain sample", meaning
        yield "%qftrain", tr("fine-tune on your data")


def _ended_trainings(shell: Any) -> list[tuple[str, TrainingProgress]]:
    """Return the newest training of this kernel with its variable, if it has ended well."""
    from ..trainer import LLMFinetune  # noqa: PLC0415

    trainings = []
    for name, v in user_variables(shell).items():
        if isinstance(v, LLMFinetune):
            trainings.append((name, v.progress))
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

    for name, value in user_variables(shell).items():
        if isinstance(value, Batch) and value.progress.is_finished:
            yield f"{name}.to_frame()", tr("the answers as a table")
        elif isinstance(value, EvaluationResult):
            yield f"%qfeval browse {name}", tr("question by question")


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
    [
        MagicOption(
            "clean: what has not changed for so many days; default 30",
            "--days",
            "N",
            verbs=("clean",),
        ),
        MagicOption("clean: do not ask", "--yes", verbs=("clean",)),
    ],
)
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

OPEN_STATES: Final = frozenset({"running", "interrupted"})
"""Of evaluations and batches that have not ended."""

OTHER_FILES: Final = tr_noop("Other files")


@magics_class
class HomeMagics(VerbMagics):
    """The home panel."""

    parser = PARSER

    qf = verb_magic(PARSER)

    def do_show(self, options: Namespace) -> None:
        from ..views import display, home  # noqa: PLC0415 - %load_ext stays fast

        display.publish(home.bundle(collect(self.shell)))

    def do_clean(self, options: Namespace) -> None:
        days = CLEANED_DAYS if options.days is None else options.days
        print(clean(days, asks=not options.yes))  # noqa: T201 - what was done


def collect(shell: Any = None) -> Home:
    """Return the contents of the home panel now, with the variables of a shell.

    The platform is asked only how far trainings are that no kernel follows.
    """
    from ..evaluation import records  # noqa: PLC0415
    from ..views.home import Access, Home, Report  # noqa: PLC0415

    problem = ""
    access = Access(platform="")
    try:
        access = describe_access()
    except QianfanError as error:
        problem = paste_safe(str(error).splitlines()[0])
    activities = [*_trainings(), *_evaluations_and_batches()]
    reports = []
    for record in records.list_reports():
        reports.append(Report(paste_safe(record.path), record.models, record.saved))
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
    from ..views.home import KernelUsage  # noqa: PLC0415
    from ..wire.prices import PriceRange, sum_prices  # noqa: PLC0415

    calls = [entry for entry in entries() if not entry.error]
    tokens = sum((entry.prompt_tokens or 0) + (entry.completion_tokens or 0) for entry in calls)
    costs: list[PriceRange | None] = []
    for entry in calls:
        if entry.cost_low is None or entry.cost is None:
            costs.append(None)
        else:
            costs.append(PriceRange(entry.cost_low, entry.cost))
    return KernelUsage(len(calls), tokens, sum_prices(costs))


def _trainings() -> Iterator[Activity]:
    """Yield the trainings that have not ended, as of now or as of the last time that a kernel wrote
    of them.
    """
    from ..trainer import run_store  # noqa: PLC0415
    from ..trainer.background import refresh_runs  # noqa: PLC0415

    runs = [run for run in run_store.list_runs() if run.is_unfinished]
    refresh_runs(runs)
    yield from map(_training, runs)


def _training(run: RunRecord) -> Activity:
    from ..views.home import Activity  # noqa: PLC0415
    from ..views.listings import training_state  # noqa: PLC0415

    percent = run.facts["progress"].get("percent")
    status = str(run.facts.get("status") or "")
    state = training_state(status, percent, is_current=run.is_current)
    return Activity(
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
    from ..views.panel import RECENT_PANELS  # noqa: PLC0415

    journals = {journal.name: journal for journal in list_journals()}
    for record in records.list_evaluations():
        if record.state not in OPEN_STATES:
            continue
        answered = 0
        seen_at = record.started
        for name in record.batches:
            if (journal := journals.pop(name, None)) and journal.counts:
                answered += journal.counts.ok + journal.counts.failed
                seen_at = max(seen_at, journal.updated)
        yield _activity(
            tr("Evaluation"),
            " · ".join(record.models),
            record.state,
            (answered, record.questions * len(record.models)),
            seen_at,
            tr("in its notebook") if record.state == "running" else tr("run its cell again"),
        )
    own_names = {getattr(panel.job.progress, "name", "") for panel in RECENT_PANELS}
    for journal in journals.values():
        if journal.state not in OPEN_STATES or not journal.counts:
            continue
        command = f"%qfbatch resume {journal.name}"
        if journal.state == "running":  # only its own kernel can show it
            is_own = journal.name in own_names
            command = f"%qfbatch show {journal.name}" if is_own else tr("in its notebook")
        rows = (journal.counts.ok + journal.counts.failed, journal.counts.rows)
        yield _activity(journal.name, journal.model, journal.state, rows, journal.updated, command)


def _activity(
    name: str, subject: str, state: str, rows: tuple[int, int], seen_at: float, command: str
) -> Activity:
    from ..views.home import Activity  # noqa: PLC0415

    done, total = rows
    is_running = state == "running"
    return Activity(
        name=name,
        subject=subject,
        kind="run" if is_running else "idle",
        state=tr("Running") if is_running else tr("Interrupted"),
        share=done / total if total else None,
        amount=f"{done:,}\u00a0/\u00a0{total:,}",
        seen_at=seen_at,
        command=command,
    )


def measure_disk() -> dict[str, int]:
    """Return the bytes of each part of the state folder, by what is there."""
    sizes: dict[str, int] = {}
    for path in config.state_dir().iterdir():
        name = tr(PARTS.get(path.name, OTHER_FILES))
        sizes[name] = sizes.get(name, 0) + _bytes_of(path)
    return sizes


def _bytes_of(path: Path) -> int:
    total = 0
    for file in [path, *path.rglob("*")]:
        with contextlib.suppress(OSError):  # deleted a moment ago
            if file.is_file():
                total += file.stat().st_size
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
    finished = [row for row in list_journals() if row.state in {"done", "cancelled", "stopped"}]
    names = []
    for row in finished:
        if row.updated <= limit:
            names.append(row.name)
    folder = config.state_dir()
    # nothing reads these any more: old logs, states that were moved aside
    leftovers = [*folder.glob("sandbox/server.log.old"), *folder.glob("sandbox/state.*.*old")]
    before = _bytes_of(folder)
    if not names and not leftovers:
        place = paste_safe(str(folder))
        return tr("nothing to delete: {size} in {folder}", size=size(before), folder=place)
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
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    freed = size(max(before - _bytes_of(folder), 0))
    return tr("deleted: {batches}; {size} are free", batches=batches, size=freed)
